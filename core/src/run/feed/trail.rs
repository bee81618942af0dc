//! The pages of one list, or of one question about changes: whether they lead anywhere.

use crate::mail::feed::PageToken;
use crate::mail::id::Identity;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};

/// Pages in a row that show what earlier ones have shown.
const STALE: u8 = 3;

/// What pages have shown so far, eight octets a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    pages: BTreeSet<u64>,
    stale: u8,
}

impl Trail {
    /// A page has come that was asked for with `asked` and says that it goes on at `next`. Returns
    /// whether it leads nowhere: to itself, or around what has been shown.
    pub(super) fn is_endless<'a>(
        &mut self,
        asked: Option<&PageToken>,
        next: Option<&PageToken>,
        ids: impl Iterator<Item = &'a Identity>,
    ) -> bool {
        let Some(next) = next else { return false };
        let mut print = DefaultHasher::new();
        let mut shown = 0_usize;
        for id in ids {
            print.write(id.0.as_bytes());
            print.write_u8(0);
            shown += 1;
        }
        let is_stale = shown > 0 && !self.pages.insert(print.finish());
        self.stale = if is_stale { self.stale + 1 } else { 0 };
        asked == Some(next) || self.stale >= STALE
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
    }

    #[test]
    fn pages_in_a_circle_end_and_one_that_came_twice_does_not() {
        let mut trail = Trail::default();
        assert!(goes(&mut trail, None, Some("A"), &["1", "2"]));
        assert!(goes(&mut trail, Some("A"), Some("B"), &["1", "2"]), "one repeat");
        assert!(goes(&mut trail, Some("B"), Some("C"), &["3"]));
        assert!(goes(&mut trail, Some("C"), Some("D"), &["3"]));
        assert!(goes(&mut trail, Some("D"), Some("E"), &["1", "2"]));
        assert!(!goes(&mut trail, Some("E"), Some("F"), &["3"]), "three in a row");
    }
}
