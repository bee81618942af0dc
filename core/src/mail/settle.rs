//! How a page settles its range: what a FETCH did not bring is asked for alone, then its index is
//! asked.
//!
//! Pure bookkeeping for a session: it says the next question, the session puts it on the wire. Not
//! in the index under a tagged OK = gone; shown without bytes = a failure, or repair would ask for
//! it for ever.

use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::message::Fetched;
use crate::mail::page::{Again, Fragment, Page, PageRow, Suspect, Unfetched};
use crate::mail::uid_set::UidSet;
use crate::plain::PlainText;

/// What to ask next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// This one message alone.
    Alone(u32),
    /// Whether the index shows this UID.
    Index(u32),
    /// Nothing: the page is settled.
    Settled,
}

/// A page that is being settled.
#[derive(Debug)]
pub struct Settlement<R = Fetched> {
    asked: UidSet,
    rows: Vec<R>,
    suspects: Vec<Suspect<R>>,
    have: UidSet,
    gone: UidSet,
    failed: Vec<Unfetched>,
    refusals: usize,
    tried: Option<(u32, Option<Failure>)>,
    delivered: bool,
    /// UIDs that the page began with.
    whole: u64,
}

/// Failures of a page from this many on, if they are over a tenth of it, are a burst.
const BURST: usize = 5;

impl<R: PageRow> Settlement<R> {
    /// Begins: the bulk FETCH for `asked` is on its way. `delivered`: whether other mail has come
    /// on this session.
    #[must_use]
    pub fn new(asked: UidSet, delivered: bool) -> Self {
        Self {
            whole: asked.len(),
            asked,
            rows: Vec::new(),
            suspects: Vec::new(),
            have: UidSet::new(),
            gone: UidSet::new(),
            failed: Vec::new(),
            refusals: 0,
            tried: None,
            delivered,
        }
    }

    /// Whether the UID was asked for and has not come yet.
    #[must_use]
    pub fn wants(&self, uid: u32) -> bool {
        self.asked.contains(uid) && !self.have.contains(uid)
    }

    /// A message came with its bytes.
    pub fn got(&mut self, message: R) {
        if self.wants(message.uid()) {
            self.have.insert(message.uid());
            self.rows.push(message);
        }
    }

    /// A message came with bytes of another length than RFC822.SIZE told.
    pub fn suspect(&mut self, message: R, announced: u64) {
        if self.wants(message.uid()) {
            self.have.insert(message.uid());
            self.suspects.push(Suspect { fetched: message, announced });
        }
    }

    /// A message came that our own disk has no room for.
    pub fn refused(&mut self, uid: u32, text: PlainText) {
        if self.wants(uid) {
            self.have.insert(uid);
            self.failed.push(Unfetched {
                uid,
                class: Class::Storage,
                text,
                again: Again::Spaced,
                came: None,
            });
        }
    }

    /// A message came that cannot be read.
    pub fn unreadable(&mut self, uid: u32, failure: Failure, came: Option<Fragment>) {
        if self.wants(uid) {
            self.have.insert(uid);
            let Failure { class, text, .. } = failure;
            self.failed.push(Unfetched { uid, class, text, again: Again::Spaced, came });
        }
    }

    /// The message asked for alone did not come: under OK, or under a refusal, telling or not.
    pub fn missed(&mut self, uid: u32, refusal: Option<Failure>) {
        self.tried = Some((uid, refusal));
    }

    /// The index answered under OK.
    pub fn indexed(&mut self, uid: u32, shown: bool) {
        let refusal = self.tried.take().and_then(|(_, refusal)| refusal);
        if !shown {
            self.gone.insert(uid);
            return;
        }
        self.refusals += usize::from(refusal.is_some());
        let (class, text) = match refusal {
            Some(refusal) => (refusal.class, refusal.text),
            None => (Class::InvalidData, "the index shows it, but no bytes come".into()),
        };
        self.failed.push(Unfetched { uid, class, text, again: Again::default(), came: None });
    }

    fn settled(&self) -> UidSet {
        let failed: UidSet = self.failed.iter().map(|f| f.uid).collect();
        self.have.union(&self.gone).union(&failed)
    }

    /// What to ask next, once the bulk FETCH was answered.
    #[must_use]
    pub fn next(&self) -> Question {
        if let Some((uid, _)) = &self.tried {
            return Question::Index(*uid);
        }
        self.asked.minus(&self.settled()).first().map_or(Question::Settled, Question::Alone)
    }

    /// Takes the messages that have come, if they are the next ones in order: a part of the page.
    pub fn take_part(&mut self) -> Option<Page<R>> {
        let missing = self.asked.minus(&self.have).first().unwrap_or(u32::MAX);
        let taken = self.have.intersect(&UidSet::range(1, missing.saturating_sub(1)));
        if taken.is_empty() {
            return None;
        }
        (self.asked, self.have) = (self.asked.minus(&taken), self.have.minus(&taken));
        let rows = split(&mut self.rows, |row| taken.contains(row.uid()));
        let suspects = split(&mut self.suspects, |s| taken.contains(s.fetched.uid()));
        let failed = split(&mut self.failed, |failed| taken.contains(failed.uid));
        self.delivered |= !suspects.is_empty() || rows.iter().any(|row| !row.held());
        Some(Page { rows, suspects, failed, ..Page::default() })
    }

    /// The settled page.
    ///
    /// # Errors
    /// Class provider, reach folder, when every message of several was refused and no other mail
    /// has come on this session: then it is the server that is broken, not the mail.
    pub fn finish(mut self) -> Result<Page<R>, Failure> {
        let came = self.rows.iter().any(|row| !row.held()) || !self.suspects.is_empty();
        let nothing = self.refusals > 1 && !came && !self.delivered;
        if nothing && self.rows.is_empty() {
            let text = self.failed.into_iter().next().map(|f| f.text).unwrap_or_default();
            return Err(Failure::new(
                Class::Provider,
                Reach::Folder,
                Provenance::Server,
                format!("every FETCH is refused: {text}"),
            ));
        }
        let burst = self.failed.len() >= BURST && self.failed.len() as u64 * 10 > self.whole;
        for failed in self.failed.iter_mut().filter(|_| burst || nothing) {
            failed.again = Again::WithBurst;
        }
        let Self { rows, gone, failed, suspects, .. } = self;
        Ok(Page { rows, gone, failed, suspects, ..Page::default() })
    }
}

/// Takes out of a list what is wanted of it.
fn split<T>(list: &mut Vec<T>, wanted: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, left) = std::mem::take(list).into_iter().partition(wanted);
    *list = left;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(class: Class) -> Failure {
        Failure::new(class, Reach::Message, Provenance::Server, "NO")
    }

    /// A telling refusal keeps its class: the mail itself is not at fault.
    #[test]
    fn a_telling_refusal_is_a_row_of_its_own_class() {
        let mut page = Settlement::<Fetched>::new(UidSet::one(7), true);
        page.missed(7, Some(refused(Class::Provider)));
        page.indexed(7, true);
        assert_eq!(page.finish().unwrap().failed[0].class, Class::Provider);
    }

    #[test]
    fn five_failures_that_are_over_a_tenth_are_a_burst() {
        for (asked, failures, want) in [(40, 5, true), (50, 5, false), (4, 4, false), (5, 5, true)]
        {
            let mut page = Settlement::<Fetched>::new(UidSet::range(1, asked), true);
            for uid in 1..=failures {
                page.missed(uid, None);
                page.indexed(uid, true);
            }
            let burst = page.finish().unwrap().failed.iter().all(|f| f.again == Again::WithBurst);
            assert_eq!(burst, want, "{failures} of {asked}");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
    fn came(uid: u32, held: bool) -> Fetched {
        let hash = crate::mail::body::BodyHash([1; 32]);
        Fetched {
            thread: None,
            uid,
            identity: crate::mail::id::Identity::of_bytes(hash),
            body: crate::mail::body::BodyRef::sealed(hash, 1, 0, 5),
            flags: crate::mail::flags::Flags::default(),
            modseq: None,
            internal_date: None,
            header: crate::mime::HeaderFacts::default(),
            announced: None,
            held,
        }
    }

    /// What is held already, however high its UID, keeps nothing of what has come from being handed
    /// over.
    #[test]
    fn what_has_come_in_order_is_a_part() {
        let mut page = Settlement::<Fetched>::new(UidSet::range(1, 5), false);
        page.got(came(5, true));
        assert!(page.take_part().is_none(), "the first is missing");
        page.got(came(1, false));
        page.got(came(3, false));
        let uids = |page: &Page| page.rows.iter().map(|row| row.uid).collect::<Vec<_>>();
        assert_eq!(page.take_part().map(|part| uids(&part)), Some(vec![1]));
        assert!(page.take_part().is_none());
        page.got(came(2, false));
        assert_eq!(page.take_part().map(|part| uids(&part)), Some(vec![3, 2]));
        page.got(came(4, false));
        let last = page.finish().unwrap();
        assert_eq!(uids(&last), [5, 4]);
    }

    /// What was not read is no evidence that anything can be.
    #[test]
    fn held_mail_does_not_vouch_for_a_server() {
        let mut page = Settlement::<Fetched>::new(UidSet::range(1, 3), false);
        page.got(came(1, true));
        assert!(page.take_part().is_some());
        for uid in 2..=3 {
            page.missed(uid, Some(refused(Class::InvalidData)));
            page.indexed(uid, true);
        }
        assert!(page.finish().is_err());
    }

    #[test]
    fn asks_alone_then_the_index() {
        let mut page = Settlement::<Fetched>::new(UidSet::range(1, 2), false);
        assert_eq!(page.next(), Question::Alone(1));
        page.missed(1, None);
        assert_eq!(page.next(), Question::Index(1));
        page.indexed(1, false);
        assert_eq!(page.next(), Question::Alone(2));
        page.missed(2, Some(refused(Class::InvalidData)));
        page.indexed(2, true);
        assert_eq!(page.next(), Question::Settled);
        let page = page.finish().unwrap();
        assert_eq!((page.gone.to_string(), page.failed.len()), ("1".to_owned(), 1));
    }

    #[test]
    fn when_everything_is_refused_it_is_the_server() {
        for (delivered, want) in [(false, true), (true, false)] {
            let mut page = Settlement::<Fetched>::new(UidSet::range(1, 2), delivered);
            for uid in 1..=2 {
                page.missed(uid, Some(refused(Class::InvalidData)));
                page.indexed(uid, true);
            }
            assert_eq!(page.finish().is_err(), want);
        }
    }
}
