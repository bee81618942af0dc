//! Which events somebody wants, and from where on.

use crate::standing::EventKind;
use std::collections::BTreeSet;

/// Kinds of events, each once, in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kinds(Vec<&'static str>);

/// A word that is no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind `{0}`; write some of {all}; or all of a group: {groups}; or `*`", all = words(), groups = groups())]
pub struct NoKind(String);

fn words() -> String {
    EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

fn groups() -> String {
    let group = |kind: &EventKind| kind.as_str().split_once('.').map(|(group, _)| group);
    let all: BTreeSet<&str> = EventKind::ALL.iter().filter_map(group).collect();
    all.iter().map(|group| format!("`{group}.*`")).collect::<Vec<_>>().join(", ")
}

impl Kinds {
    /// Reads kinds between commas: each a kind, all of a group (`message.*`), or all (`*`).
    ///
    /// # Errors
    /// The first word that means none.
    pub fn of(text: &str) -> Result<Self, NoKind> {
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
    #[must_use]
    pub fn words(&self) -> &[&'static str] {
        &self.0
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Behind this number.
    Number(i64),
    /// With the first that is kept.
    Oldest,
    /// With what comes next.
    Now,
}

impl After {
    /// A number from 0, `oldest`, `now`.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "oldest" => Some(Self::Oldest),
            "now" => Some(Self::Now),
            _ => text.parse().ok().filter(|number| *number >= 0).map(Self::Number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(told.contains("`message.*`") && told.ends_with("or `*`"), "{told}");
    }

    #[test]
    fn where_a_reader_begins() {
        assert_eq!(After::of("0"), Some(After::Number(0)));
        assert_eq!(After::of("now"), Some(After::Now));
        assert_eq!(After::of("oldest"), Some(After::Oldest));
        for wrong in ["-1", "", "1.5", "Now", "99999999999999999999"] {
            assert_eq!(After::of(wrong), None, "{wrong}");
        }
    }
}
