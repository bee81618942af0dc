//! Where the LIST of a run stands, and what it leaves to do.

use crate::mail::folder::{ListedFolder, WireName};
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, Sampled};
use crate::run::event::Token;
use crate::time::Micros;
use std::collections::{BTreeSet, VecDeque};

/// What a LIST leaves to do.
#[derive(Debug, Default)]
pub(super) struct Todo {
    /// Messages that folders hold which are not opened yet, as far as their counters were told.
    pub(super) unopened: u64,
    pub(super) started: Micros,
    /// When the new folder was asked for that is being opened.
    pub(super) asked: Micros,
    pub(super) lost: VecDeque<FolderId>,
    pub(super) fresh: VecDeque<ListedFolder>,
    pub(super) excluded: BTreeSet<FolderId>,
    /// Names that were shut and that this LIST does not show.
    pub(super) unlisted: BTreeSet<WireName>,
    /// Nothing was missing, and there is an INBOX.
    pub(super) complete: bool,
    /// INBOX was opened: its newest page goes before the other folders.
    pub(super) inbox: bool,
    /// A single name, asked when all else was done.
    pub(super) late: bool,
    /// Openings that were sent and not acknowledged.
    pub(super) unacked: u8,
}

/// What LIST lacks is asked by name.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) work: Todo,
    pub(super) missing: BTreeSet<FolderId>,
    pub(super) todo: VecDeque<FolderId>,
}

/// Where the LIST stands.
#[derive(Debug)]
pub(super) enum ListState {
    /// To be asked.
    Wanted,
    /// Asked.
    Asked { started: Micros },
    /// What it lacks is asked by name.
    Asking(Box<Asking>),
    /// Missing folders are looked for under the new names.
    Matching(Box<Matching>),
    /// A first look is being stored.
    Looking(Todo),
    /// A folder that is gone waits for its pages on their way.
    Draining(Todo),
    /// The rows of a folder that is gone are being read.
    Reading(Todo),
    /// They are being ended.
    Dropping { work: Todo, left: UidSet },
    /// A new folder is being examined.
    Examining(Todo),
    /// The newest mail of the account's first folder is asked for its date.
    Dating(Todo, Examined),
    /// What was examined is being opened: nothing more is asked meanwhile.
    Opening(Todo),
    /// The other folders wait for INBOX's newest page.
    Holding(Todo),
    /// The LIST is being stored as complete.
    Closing,
    /// Over.
    Done,
}

pub(super) fn is_inbox(folder: &ListedFolder) -> bool {
    folder.path.eq_ignore_ascii_case("INBOX")
}

/// What of a LIST waits while names are matched.
#[derive(Debug)]
pub(super) struct Matching {
    pub(super) work: Todo,
    pub(super) missing: BTreeSet<FolderId>,
    /// New names that are not compared yet.
    pub(super) todo: VecDeque<ListedFolder>,
    pub(super) at: At,
}

/// Where the comparison of one new name stands.
#[derive(Debug)]
pub(super) enum At {
    Start,
    Examining(ListedFolder),
    /// Our sample of the last candidate is read, under this token.
    Reading(Candidates, Token),
    /// The server's is asked.
    Sampling(Candidates, Vec<Sampled>),
    Renaming(ListedFolder, FolderId),
}

#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) name: ListedFolder,
    /// What its EXAMINE said.
    pub(super) examined: Examined,
    pub(super) folders: Vec<FolderId>,
}

impl Matching {
    pub(super) fn new(work: Todo, missing: BTreeSet<FolderId>) -> Self {
        // Without a missing folder every new name is new.
        let todo = if missing.is_empty() { VecDeque::new() } else { work.fresh.clone() };
        Self { work, missing, todo, at: At::Start }
    }
}
