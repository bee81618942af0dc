//! Poison by death: mail that was asked for and not stored when a process ended, and how often.
//!
//! An end by the process's own doing (it aborts: a stack that overflows, memory that is not to be had) tells more
//! than one by somebody else's (it is killed, the power is gone). What was on its way at one of the first is asked
//! for alone, and left out if a second comes at it alone. What was on its way when the process was killed is asked
//! for as before; after two such ends alone, and left out after two more at it alone.

use crate::failure::Failure;
use crate::mail::id::{FolderId, Identity, UidValidity};
use crate::mail::uid_set::UidSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Ends of processes after which a mail is asked for alone, after all else.
pub const ALONE: u8 = 2;
/// Ends after which it is not asked for any more: it is a row of the ledger.
pub const LEFT_OUT: u8 = 4;
/// Messages that are remembered by their ids.
const MOST_IDS: usize = 10_000;
/// Folders, each with its ends.
const MOST_FOLDERS: usize = 1000;

/// Why a mail is not asked for any more.
#[must_use]
pub fn ends_processes() -> Failure {
    Failure::bug(
        "the process ended whenever it read this mail, and nobody had told it to: it is read again in an hour, in a day, \
         then by another version or when it is asked for by hand (please report it, with the end of the log)",
    )
}

/// How a process ended that was not told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// By itself.
    Aborted,
    /// By somebody else.
    Killed,
}

/// Mail of a folder, and at how many ends of processes it was on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AskedUids {
    folder: FolderId,
    uidvalidity: UidValidity,
    ends: u8,
    uids: UidSet,
}

/// What was asked for and not stored when processes ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uids: Vec<AskedUids>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ids: BTreeMap<Identity, u8>,
}

/// What else was on its way with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// It may be anything.
    Anything,
    /// No other mail at which processes have ended.
    NoSuspect,
    /// Nothing.
    Nothing,
}

/// The ends that are known of it after one more.
fn after(ends: u8, how: ProcessEnd, beside: Beside) -> u8 {
    let more = ends.saturating_add(1).min(LEFT_OUT);
    match (how, beside) {
        (ProcessEnd::Aborted, Beside::Nothing) if ends >= ALONE => LEFT_OUT,
        (_, Beside::Nothing | Beside::NoSuspect) if ends >= ALONE => more,
        (ProcessEnd::Aborted, _) => ends.max(ALONE),
        (ProcessEnd::Killed, _) => ends.max(more.min(ALONE)),
    }
}

impl Asked {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty() && self.ids.is_empty()
    }

    /// Of a folder's mail, what was on its way at so many ends, or more.
    #[must_use]
    pub fn of(&self, folder: FolderId, least: u8) -> UidSet {
        let its = self.uids.iter().filter(|its| its.folder == folder && its.ends >= least);
        its.fold(UidSet::new(), |all, its| all.union(&its.uids))
    }

    /// At how many ends a message was on its way.
    #[must_use]
    pub fn ends_of(&self, id: &Identity) -> u8 {
        self.ids.get(id).copied().unwrap_or(0)
    }

    /// A process has ended while this mail of a folder was on its way, asked for together.
    pub fn ended(
        &mut self,
        (folder, uidvalidity): (FolderId, UidValidity),
        uids: &UidSet,
        how: ProcessEnd,
        beside: Beside,
    ) {
        let mut new = uids.clone();
        let mut raised = Vec::new();
        for its in self.uids.iter_mut().filter(|its| its.is_of(folder, uidvalidity)) {
            let again = its.uids.intersect(&new);
            its.uids = its.uids.minus(&again);
            new = new.minus(&again);
            raised.push((after(its.ends, how, beside), again));
        }
        raised.push((after(0, how, beside), new));
        for (ends, uids) in raised {
            self.put(folder, uidvalidity, ends, &uids);
        }
        self.uids.retain(|its| !its.uids.is_empty());
    }

    fn put(&mut self, folder: FolderId, uidvalidity: UidValidity, ends: u8, uids: &UidSet) {
        let same = |its: &&mut AskedUids| its.is_of(folder, uidvalidity) && its.ends == ends;
        // What is suspected is not forgotten for want of room.
        let has_room = self.uids.len() < MOST_FOLDERS || ends >= ALONE;
        if let Some(its) = self.uids.iter_mut().find(same) {
            its.uids = its.uids.union(uids);
        } else if has_room {
            self.uids.push(AskedUids { folder, uidvalidity, ends, uids: uids.clone() });
        }
    }

    /// The same, of messages that go by their ids.
    pub fn ended_at(&mut self, ids: &[Identity], how: ProcessEnd, beside: Beside) {
        // Some of it may be stored by now: what is suspected least is forgotten first.
        if self.ids.len() + ids.len() > MOST_IDS {
            self.ids.retain(|_, ends| *ends >= ALONE);
        }
        if self.ids.len() + ids.len() > MOST_IDS {
            self.ids.retain(|_, ends| *ends > ALONE);
        }
        for id in ids.iter().take(MOST_IDS) {
            let ends = self.ids.entry(id.clone()).or_default();
            *ends = after(*ends, how, beside);
        }
    }

    /// Mail of a folder is stored, or settled otherwise. Says whether something was known of it.
    pub fn settled(&mut self, folder: FolderId, uids: &UidSet) -> bool {
        let before = self.count();
        for its in self.uids.iter_mut().filter(|its| its.folder == folder) {
            its.uids = its.uids.minus(uids);
        }
        self.uids.retain(|its| !its.uids.is_empty());
        self.count() < before
    }

    /// A message is, likewise.
    pub fn settled_at(&mut self, id: &Identity) -> bool {
        self.ids.remove(id).is_some()
    }

    /// Of a folder's mail only this can be asked for: what is known of other mail is forgotten.
    pub fn keep(&mut self, folder: FolderId, uidvalidity: UidValidity, open: &UidSet) -> bool {
        let before = self.count();
        for its in self.uids.iter_mut().filter(|its| its.folder == folder) {
            let is_old = its.uidvalidity != uidvalidity;
            its.uids = if is_old { UidSet::new() } else { its.uids.intersect(open) };
        }
        self.uids.retain(|its| !its.uids.is_empty());
        self.count() < before
    }

    /// Only of these folders there is mail.
    pub fn keep_folders(&mut self, is_there: impl Fn(FolderId) -> bool) -> bool {
        let before = self.uids.len();
        self.uids.retain(|its| is_there(its.folder));
        self.uids.len() < before
    }

    fn count(&self) -> u64 {
        self.uids.iter().map(|its| its.uids.len()).sum()
    }
}

impl AskedUids {
    fn is_of(&self, folder: FolderId, uidvalidity: UidValidity) -> bool {
        self.folder == folder && self.uidvalidity == uidvalidity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Beside::{Anything, NoSuspect, Nothing};
    use ProcessEnd::{Aborted, Killed};

    const INBOX: FolderId = FolderId(1);
    const V: UidValidity = UidValidity(3);

    fn uids(text: &str) -> UidSet {
        UidSet::parse(text).unwrap()
    }

    fn ends(asked: &Asked, uid: u32) -> u8 {
        (0..=LEFT_OUT).rev().find(|n| asked.of(INBOX, *n).contains(uid)).unwrap_or(0)
    }

    #[test]
    fn a_process_that_aborts_twice_at_a_mail_leaves_it_out() {
        let mut asked = Asked::default();
        asked.ended((INBOX, V), &uids("1:9"), Aborted, Anything);
        assert_eq!(asked.of(INBOX, ALONE), uids("1:9"), "the whole page is asked for alone");
        // Beside it a page of another account was on its way: that tells nothing more of this.
        asked.ended((INBOX, V), &uids("1:9"), Aborted, Anything);
        assert_eq!(asked.of(INBOX, LEFT_OUT), UidSet::new());
        asked.ended((INBOX, V), &uids("4"), Aborted, Nothing);
        assert_eq!(asked.of(INBOX, LEFT_OUT), uids("4"));
        assert_eq!(asked.of(INBOX, ALONE), uids("1:9"));
        // One that came alone was on its way once: it is asked for once more.
        let mut asked = Asked::default();
        asked.ended((INBOX, V), &uids("7"), Aborted, Nothing);
        assert_eq!(ends(&asked, 7), ALONE);
        // Beside pages of others it takes one more; among other suspects it tells nothing.
        asked.ended((INBOX, V), &uids("7"), Aborted, Anything);
        assert_eq!(ends(&asked, 7), ALONE);
        asked.ended((INBOX, V), &uids("7"), Aborted, NoSuspect);
        assert_eq!(ends(&asked, 7), ALONE + 1);
        asked.ended((INBOX, V), &uids("7"), Aborted, NoSuspect);
        assert_eq!(ends(&asked, 7), LEFT_OUT);
    }

    /// Whoever kills the process again and again means no mail.
    #[test]
    fn a_process_that_is_killed_needs_two_more_ends_at_the_mail_alone() {
        let mut asked = Asked::default();
        let told: Vec<(u8, u8)> = ["1:9", "1:9", "1:9", "4", "4"]
            .iter()
            .map(|on_its_way| {
                let beside = if on_its_way.len() == 1 { Nothing } else { Anything };
                asked.ended((INBOX, V), &uids(on_its_way), Killed, beside);
                (ends(&asked, 4), ends(&asked, 5))
            })
            .collect();
        assert_eq!(told, [(1, 1), (2, 2), (2, 2), (3, 2), (4, 2)]);
    }

    #[test]
    fn pages_that_overlap_raise_what_they_share() {
        let mut asked = Asked::default();
        asked.ended((INBOX, V), &uids("1:4"), Killed, Anything);
        asked.ended((INBOX, V), &uids("3:6"), Killed, Anything);
        assert_eq!([1, 3, 4, 5, 6, 7].map(|uid| ends(&asked, uid)), [1, 2, 2, 1, 1, 0]);
        asked.ended((FolderId(2), V), &uids("3:6"), Aborted, Anything);
        assert_eq!(ends(&asked, 6), 1, "another folder's");
        asked.ended((INBOX, UidValidity(4)), &uids("6"), Killed, Anything);
        assert!(asked.keep(INBOX, V, &uids("1:9")), "of another UIDVALIDITY");
        assert_eq!(ends(&asked, 6), 1);
    }

    #[test]
    fn what_is_settled_or_cannot_be_asked_for_is_forgotten() {
        let mut asked = Asked::default();
        asked.ended((INBOX, V), &uids("1:9"), Aborted, Anything);
        assert!(asked.settled(INBOX, &uids("1:3")) && !asked.settled(INBOX, &uids("1:3")));
        assert!(asked.keep(INBOX, V, &uids("5:20")) && !asked.keep(INBOX, V, &uids("5:20")));
        assert_eq!(asked.of(INBOX, 0), uids("5:9"));
        asked.ended((FolderId(2), V), &uids("1"), Aborted, Anything);
        assert!(asked.keep_folders(|id| id == INBOX));
        assert!(asked.keep(INBOX, UidValidity(4), &uids("5:20")), "its UIDs have begun anew");
        assert!(asked.is_empty());
    }

    #[test]
    fn messages_go_by_their_ids_alike() {
        let id = |id: &str| Identity(id.to_owned());
        let mut asked = Asked::default();
        asked.ended_at(&[id("a"), id("b")], Aborted, Anything);
        asked.ended_at(&[id("b")], Aborted, Nothing);
        asked.ended_at(&[id("c")], Killed, Nothing);
        assert_eq!(["a", "b", "c", "d"].map(|of| asked.ends_of(&id(of))), [2, 4, 1, 0]);
        assert!(asked.settled_at(&id("a")) && !asked.settled_at(&id("a")));
        let many: Vec<Identity> = (0..2 * MOST_IDS).map(|n| id(&n.to_string())).collect();
        asked.ended_at(&many, Killed, Anything);
        assert_eq!(asked.ids.len(), MOST_IDS + 1, "bounded");
        assert_eq!((asked.ends_of(&id("b")), asked.ends_of(&id("c"))), (4, 0), "the suspect stays");
    }

    #[test]
    fn it_is_stored_as_it_is() {
        let mut asked = Asked::default();
        asked.ended((INBOX, V), &uids("1:9"), Aborted, Anything);
        asked.ended_at(&[Identity("a".into())], Killed, Anything);
        let text = serde_json::to_string(&asked).unwrap();
        assert_eq!(
            text,
            r#"{"uids":[{"folder":1,"uidvalidity":3,"ends":2,"uids":"1:9"}],"ids":{"a":1}}"#
        );
        assert_eq!(serde_json::from_str::<Asked>(&text).unwrap(), asked);
    }
}
