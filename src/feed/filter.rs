//! Which events somebody wants.

use crate::store::{OfAccounts, StoredEvent};
use postrider_core::wanted::Kinds;
use std::collections::BTreeSet;

/// Which events are told: all, unless something is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventFilter {
    /// Only of this owner's accounts.
    pub(crate) owner: Option<String>,
    /// Only of these accounts.
    pub(crate) accounts: Option<BTreeSet<String>>,
    /// Only of these kinds.
    pub(crate) kinds: Option<Kinds>,
}

impl EventFilter {
    /// Whose, as far as the database is asked: of several accounts all are read.
    pub(crate) fn of(&self) -> OfAccounts<'_> {
        let one = self.accounts.iter().filter(|all| all.len() == 1).flatten().next();
        OfAccounts { account: one.map(String::as_str), owner: self.owner.as_deref() }
    }

    /// Whether an event is wanted.
    pub(crate) fn wants(&self, event: &StoredEvent) -> bool {
        let account = event.account.as_ref();
        let is_among = |all: &BTreeSet<String>| account.is_some_and(|id| all.contains(id));
        (self.owner.is_none() || self.owner == event.owner)
            && self.accounts.as_ref().is_none_or(is_among)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.words().contains(&event.kind.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::standing::EventKind;
    use postrider_core::time::Micros;

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
        let account =
            EventFilter { accounts: Some(["work".into()].into()), ..EventFilter::default() };
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
