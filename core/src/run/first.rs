//! What of the unread history comes first, because somebody asked. It leaves nothing out.

use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// What of the unread history is read before the rest of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirstOf {
    /// Paths of folders; none are all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// What the server took in at this instant or later, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// What it took in before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// So many of each folder at most, the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

impl FirstOf {
    /// Whether it is of this folder, too.
    #[must_use]
    pub fn is_of(&self, path: &str) -> bool {
        let is_it = |named: &String| {
            named == path
                || (path.eq_ignore_ascii_case("INBOX") && named.eq_ignore_ascii_case("INBOX"))
        };
        self.folders.is_empty() || self.folders.iter().any(is_it)
    }

    /// Whether it asks when mail came.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// Whether mail of this date is among it; of a date that nobody knows none is, where it asks.
    #[must_use]
    pub fn takes(&self, date: Option<Micros>) -> bool {
        let Some(Micros(date)) = date else { return !self.is_dated() };
        self.since.is_none_or(|since| since <= date) && self.until.is_none_or(|until| date < until)
    }
}

/// What a run has read of what somebody asked for first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstEnd {
    /// It was asked for nothing.
    #[default]
    Nothing,
    /// All of it.
    Read,
    /// Some of it is still to be read, or to be chosen.
    Left,
    /// What is to be read cannot be chosen: the server tells no dates.
    Undated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_a_date() {
        let first =
            FirstOf { folders: vec!["inbox".to_owned(), "A".to_owned()], ..FirstOf::default() };
        assert!(first.is_of("INBOX") && first.is_of("A") && !first.is_of("a") && !first.is_of("B"));
        assert!(FirstOf::default().is_of("B") && !FirstOf::default().is_dated());
        assert!(first.takes(None), "whatever it says of dates");
        let first = FirstOf { since: Some(10), until: Some(20), ..FirstOf::default() };
        let taken: Vec<i64> = (8..22).filter(|at| first.takes(Some(Micros(*at)))).collect();
        assert_eq!(taken, (10..20).collect::<Vec<i64>>());
        assert!(!first.takes(None), "nobody knows");
    }
}
