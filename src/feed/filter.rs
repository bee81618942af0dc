//! Which events somebody wants.

use crate::store::{OfAccounts, StoredEvent};
use postrider_core::standing::EventKind;

/// Which events are told: all, unless something is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventFilter {
    /// Only of this owner's accounts.
    pub(crate) owner: Option<String>,
    /// Only of this account.
    pub(crate) account: Option<String>,
    /// Only of these kinds.
    pub(crate) kinds: Option<Kinds>,
}

/// Kinds of events, each once, in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kinds(Vec<&'static str>);

/// A word that is no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind `{0}`; write some of {all}, or `message.*`, `folder.*`, `account.*`", all = words())]
pub(crate) struct NoKind(String);

fn words() -> String {
    EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

impl Kinds {
    /// Reads kinds between commas: each a kind, all of a group (`message.*`), or all (`*`).
    ///
    /// # Errors
    /// The first word that means none.
    pub(crate) fn of(text: &str) -> Result<Self, NoKind> {
        let wanted = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut found = Vec::new();
        for word in wanted {
            let is_meant = |kind: &&EventKind| match word.strip_suffix('*') {
                Some("") => true,
                Some(group) if group.ends_with('.') => kind.as_str().starts_with(group),
                _ => kind.as_str() == word,
            };
            let mut meant = EventKind::ALL.iter().filter(is_meant).peekable();
            if meant.peek().is_none() {
                return Err(NoKind(word.to_owned()));
            }
            found.extend(meant.map(|kind| kind.as_str()));
        }
        if found.is_empty() {
            return Err(NoKind(text.to_owned()));
        }
        found.sort_unstable();
        found.dedup();
        Ok(Self(found))
    }

    /// As the database stores them.
    pub(crate) fn words(&self) -> &[&'static str] {
        &self.0
    }
}

impl EventFilter {
    /// Whose.
    pub(crate) fn accounts(&self) -> OfAccounts<'_> {
        OfAccounts { account: self.account.as_deref(), owner: self.owner.as_deref() }
    }

    /// Whether an event is wanted.
    pub(crate) fn wants(&self, event: &StoredEvent) -> bool {
        let is_of = |wanted: &Option<String>, its: &Option<String>| {
            wanted.is_none() || wanted.as_deref() == its.as_deref()
        };
        is_of(&self.owner, &event.owner)
            && is_of(&self.account, &event.account)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.0.contains(&event.kind.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::time::Micros;

    #[test]
    fn kinds_are_words_groups_or_all() {
        let read = |text: &str| Kinds::of(text).map(|kinds| kinds.0).map_err(|no| no.0);
        let word = EventKind::as_str;
        let (dead, reset) = (word(EventKind::JobDead), word(EventKind::FolderReset));
        assert_eq!(read(dead), Ok(vec![dead]));
        let mut folders: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        folders.retain(|kind| kind.starts_with("folder."));
        folders.sort_unstable();
        assert!(folders.len() > 3);
        let both = [folders, vec![dead]].concat();
        assert_eq!(read(&format!(" {dead} ,folder.*, {reset}")), Ok(both));
        assert_eq!(Kinds::of("*").unwrap().0.len(), EventKind::ALL.len());
        let more = format!("{dead},nothing.*");
        for wrong in ["message", "message*", "mess*", &more, "*.created", ".*"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read(&format!("{dead},x")), Err("x".into()));
        assert_eq!(read(","), Err(",".into()), "who names none wants something");
        let told = Kinds::of("mail").unwrap_err().to_string();
        assert!(told.contains("`mail`") && told.contains(reset), "{told}");
    }

    #[test]
    fn what_is_said_must_fit() {
        let event = |account: Option<&str>, owner: Option<&str>, kind: EventKind| StoredEvent {
            seq: 1,
            id: String::new(),
            at: Micros(0),
            kind: kind.as_str().into(),
            account: account.map(str::to_owned),
            owner: owner.map(str::to_owned),
            folder: None,
            message: None,
            backfill: false,
            data: "{}".into(),
        };
        let mine = event(Some("work"), Some("ada"), EventKind::JobDead);
        let kinds = |text| EventFilter { kinds: Kinds::of(text).ok(), ..EventFilter::default() };
        let account = EventFilter { account: Some("work".into()), ..EventFilter::default() };
        let owner = EventFilter { owner: Some("ada".into()), ..EventFilter::default() };
        assert!(EventFilter::default().wants(&event(None, None, EventKind::FolderReset)));
        for (filter, others) in [
            (owner.clone(), event(Some("work"), Some("bob"), EventKind::JobDead)),
            (owner, event(None, None, EventKind::JobDead)),
            (account, event(Some("home"), Some("ada"), EventKind::JobDead)),
            (kinds("job.*"), event(Some("work"), Some("ada"), EventKind::RunFinished)),
        ] {
            assert!(filter.wants(&mine), "{filter:?}");
            assert!(!filter.wants(&others), "{filter:?}");
        }
    }
}
