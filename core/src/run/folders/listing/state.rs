//! Where the LIST of a run stands, and what it leaves to do.

use crate::commit::change::{Note, Poison};
use crate::mail::folder::ListedFolder;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, Sampled};
use crate::run::event::Token;
use crate::time::Micros;
use std::collections::{BTreeSet, VecDeque};

/// Sessions that end at a folder's name before it is asked last of all.
pub(in crate::run::folders) const GOES_LAST: u32 = 2;

/// What a LIST leaves to do.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct Todo {
    /// Messages that folders hold which are not opened yet, as far as their counters were told.
    pub(in crate::run::folders) unopened: u64,
    pub(in crate::run::folders) started: Micros,
    /// When the new folder was asked for that is being opened.
    pub(in crate::run::folders) asked: Micros,
    pub(in crate::run::folders) lost: VecDeque<FolderId>,
    pub(in crate::run::folders) fresh: VecDeque<ListedFolder>,
    pub(in crate::run::folders) excluded: BTreeSet<FolderId>,
    /// Names that were shut and that this LIST does not show.
    pub(in crate::run::folders) unlisted: BTreeSet<Vec<u8>>,
    /// Nothing was missing, and there is an INBOX.
    pub(in crate::run::folders) complete: bool,
    /// INBOX was opened: its newest page goes before the other folders.
    pub(in crate::run::folders) inbox: bool,
    /// A single name, asked when all else was done.
    pub(in crate::run::folders) late: bool,
    /// Openings that were sent and not acknowledged.
    pub(in crate::run::folders) unacked: u8,
}

/// What LIST lacks is asked by name.
#[derive(Debug)]
pub(in crate::run::folders) struct Asking {
    pub(in crate::run::folders) work: Todo,
    pub(in crate::run::folders) missing: BTreeSet<FolderId>,
    pub(in crate::run::folders) todo: VecDeque<FolderId>,
}

/// Where the LIST stands.
#[derive(Debug)]
pub(in crate::run::folders) enum Listing {
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

pub(in crate::run::folders) fn is_inbox(folder: &ListedFolder) -> bool {
    folder.path.eq_ignore_ascii_case("INBOX")
}

/// What of a LIST waits while names are matched.
#[derive(Debug)]
pub(in crate::run::folders) struct Matching {
    pub(in crate::run::folders) work: Todo,
    pub(in crate::run::folders) missing: BTreeSet<FolderId>,
    /// New names that are not compared yet.
    pub(in crate::run::folders) todo: VecDeque<ListedFolder>,
    pub(in crate::run::folders) at: At,
}

/// Where the comparison of one new name stands.
#[derive(Debug)]
pub(in crate::run::folders) enum At {
    Start,
    Examining(ListedFolder),
    /// Our sample of the last candidate is read, under this token.
    Reading(Candidates, Token),
    /// The server's is asked.
    Sampling(Candidates, Vec<Sampled>),
    Renaming(ListedFolder, FolderId),
}

#[derive(Debug)]
pub(in crate::run::folders) struct Candidates {
    pub(in crate::run::folders) name: ListedFolder,
    /// What its EXAMINE said.
    pub(in crate::run::folders) examined: Examined,
    pub(in crate::run::folders) folders: Vec<FolderId>,
}

impl Matching {
    pub(in crate::run::folders) fn new(work: Todo, missing: BTreeSet<FolderId>) -> Self {
        // Without a missing folder every new name is new.
        let todo = if missing.is_empty() { VecDeque::new() } else { work.fresh.clone() };
        Self { work, missing, todo, at: At::Start }
    }
}

/// How often sessions have ended at a thing.
#[derive(Clone, Debug)]
pub(in crate::run::folders) struct CutNote {
    pub(in crate::run::folders) count: u32,
    /// What ended the last one.
    pub(in crate::run::folders) text: String,
    /// It is a row.
    pub(in crate::run::folders) stored: bool,
}

impl CutNote {
    /// A row, as this run takes it up.
    pub(in crate::run::folders) fn of(note: Note) -> (Poison, Self) {
        (note.about, Self { count: note.count, text: note.text, stored: true })
    }
}
