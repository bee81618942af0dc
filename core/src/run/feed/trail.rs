//! The pages of one list, or of one question about changes: whether they lead anywhere.

use crate::mail::feed::PageToken;
use crate::mail::id::Identity;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};

/// Pages in a row that show what earlier ones have shown.
const STALE: u8 = 3;
/// Pages in a row that show nothing and go on.
const EMPTY: u8 = 20;

/// What pages have shown so far, eight octets a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    pages: BTreeSet<u64>,
    stale: u8,
    empty: u8,
    rows: u64,
}

impl Trail {
    /// Rows of all pages.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// A page has come that was asked for with `asked` and says that it goes on at `next`. Returns
    /// whether it leads nowhere: to itself, around what has been shown, or through nothing.
    pub(super) fn is_endless<'a>(
        &mut self,
        asked: Option<&PageToken>,
        next: Option<&PageToken>,
        ids: impl Iterator<Item = &'a Identity>,
    ) -> bool {
        // The same ids in another order are the same page.
        let (mut print, mut shown) = (0_u64, 0_u64);
        for id in ids {
            let mut one = DefaultHasher::new();
            one.write(id.0.as_bytes());
            print = print.wrapping_add(one.finish());
            shown += 1;
        }
        self.rows += shown;
        let Some(next) = next else { return false };
        if shown == 0 {
            self.empty += 1;
        } else if self.pages.insert(print) {
            (self.stale, self.empty) = (0, 0);
        } else {
            // An empty page between is no news.
            self.stale += 1;
        }
        asked == Some(next) || self.stale >= STALE || self.empty >= EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> PageToken {
        PageToken(text.to_owned())
    }

    fn goes(trail: &mut Trail, asked: Option<&str>, next: Option<&str>, ids: &[&str]) -> bool {
        let ids: Vec<Identity> = ids.iter().map(|id| Identity((*id).to_owned())).collect();
        !trail.is_endless(asked.map(token).as_ref(), next.map(token).as_ref(), ids.iter())
    }

    #[test]
    fn a_page_that_leads_to_itself_ends() {
        let mut trail = Trail::default();
        assert!(goes(&mut trail, None, Some("A"), &["1", "2"]));
        assert!(!goes(&mut trail, Some("A"), Some("A"), &["3"]));
        assert!(goes(&mut trail, Some("A"), None, &["3"]), "an end is an end");
        assert_eq!(trail.rows(), 4);
    }

    #[test]
    fn pages_in_a_circle_end_and_one_that_came_twice_does_not() {
        let mut trail = Trail::default();
        assert!(goes(&mut trail, None, Some("A"), &["1", "2"]));
        assert!(goes(&mut trail, Some("A"), Some("B"), &["1", "2"]), "one repeat");
        assert!(goes(&mut trail, Some("B"), Some("C"), &["3"]));
        assert!(goes(&mut trail, Some("C"), Some("D"), &["3"]));
        assert!(goes(&mut trail, Some("D"), Some("E"), &["2", "1"]), "in whatever order");
        assert!(goes(&mut trail, Some("E"), Some("F"), &[]), "and whatever lies between");
        assert!(!goes(&mut trail, Some("F"), Some("G"), &["3"]), "three in a row");
    }

    #[test]
    fn pages_of_nothing_end() {
        let mut trail = Trail::default();
        let tokens: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let mut pairs = tokens.iter().zip(tokens.iter().skip(1));
        let went = pairs.position(|(asked, next)| !goes(&mut trail, Some(asked), Some(next), &[]));
        assert_eq!(went, Some(19));
    }
}
