//! Messages of the open folder whose flags the server has told of by itself: until somebody asks,
//! their numbers are kept, or their UIDs where those are told along.

use crate::provider::imap::wire::response::Response;
use postrider_core::mail::uid_set::UidSet;
use std::collections::BTreeSet;

/// Of more than so many messages nobody keeps count.
const MESSAGES: usize = 500;

/// What the server has told of by itself.
#[derive(Debug, Default)]
pub(in crate::provider::imap) struct Touched {
    numbers: BTreeSet<u32>,
    uids: BTreeSet<u32>,
    /// More was told than is kept: it may be any.
    over: bool,
}

impl Touched {
    /// Takes a response that nobody asked for.
    pub(in crate::provider::imap) fn hear(&mut self, response: &Response) {
        match response {
            _ if self.over => {}
            Response::Fetch(line) if !line.closed => self.over = true,
            Response::Fetch(line) => {
                match line.uid {
                    Some(uid) => self.uids.insert(uid),
                    None => self.numbers.insert(line.number),
                };
                self.over |= self.numbers.len() + self.uids.len() > MESSAGES;
            }
            // Others have those numbers now (RFC 3501 §7.4.1), and where something went the folder is
            // opened anew anyhow.
            Response::Expunge(_) | Response::Vanished { .. } => {
                self.over = !self.numbers.is_empty();
            }
            _ => {}
        }
        if self.over {
            (self.numbers, self.uids) = (BTreeSet::new(), BTreeSet::new());
        }
    }

    /// Whether there are none.
    pub(in crate::provider::imap) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.uids.is_empty() && !self.over
    }

    /// Whether their numbers alone are known: those are good only while nothing goes.
    pub(in crate::provider::imap) fn has_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// Those of which it was told since this was asked last, by number and by UID; none where it may be
    /// any.
    pub(in crate::provider::imap) fn take(&mut self) -> Option<(UidSet, UidSet)> {
        let Self { numbers, uids, over } = std::mem::take(self);
        (!over).then(|| (numbers.into_iter().collect(), uids.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::imap::wire::response::FetchLine;

    fn flags(number: u32, uid: Option<u32>) -> Response {
        Response::Fetch(FetchLine { number, uid, closed: true, ..FetchLine::default() })
    }

    fn numbers(told: Vec<Response>) -> Option<(String, String)> {
        let mut touched = Touched::default();
        told.iter().for_each(|response| touched.hear(response));
        touched.take().map(|(numbers, uids)| (numbers.to_string(), uids.to_string()))
    }

    #[test]
    fn each_is_kept_once_by_number_or_by_uid() {
        let told = vec![flags(9, None), flags(2, None), flags(7, Some(70)), flags(9, None)];
        assert_eq!(numbers(told), Some(("2,9".into(), "70".into())));
    }

    #[test]
    fn what_is_not_known_may_be_any() {
        let gone = || Response::Vanished { earlier: false, uids: UidSet::range(1, 1) };
        assert_eq!(numbers(vec![flags(2, None), gone()]), None);
        assert_eq!(numbers(vec![flags(2, None), Response::Expunge(1), flags(3, None)]), None);
        let by_uid = vec![flags(2, Some(9)), Response::Expunge(1)];
        assert_eq!(numbers(by_uid), Some((String::new(), "9".into())));
        let many = |n: u32| numbers((1..=n).map(|n| flags(n, None)).collect());
        assert!(many(500).is_some() && many(501).is_none());
        let mut touched = Touched::default();
        (1..=2000).for_each(|n| touched.hear(&flags(n, None)));
        assert!(!touched.is_empty() && touched.numbers.is_empty(), "none is kept for nothing");
        let cut = Response::Fetch(FetchLine { number: 1, ..FetchLine::default() });
        assert_eq!(numbers(vec![cut]), None);
    }
}
