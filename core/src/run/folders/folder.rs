//! A folder in a run: its row, and what each machine knows of it.

use crate::commit::rows::FolderRow;
use crate::failure::Failure;
use crate::mail::cursor::{Lanes, Mark};
use crate::mail::id::FolderId;
use crate::provider::folders::Examined;
use crate::run::context::RunCtx;
use crate::run::event::Token;
use crate::run::folders::fills::part::FillPart;
use crate::run::folders::passes::part::{LastListing, PassPart};
use crate::run::folders::refusals::part::RefusalPart;
use crate::time::Micros;

/// The run, for a step of this work.
pub(super) type Cx<'a> = RunCtx<'a, Owner>;

/// Whom an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The LIST of this generation, and what follows from it.
    Listing(u32),
    /// The pass of a folder.
    Pass(FolderId, u32),
    /// A page of a folder; the token is the fetch's.
    Page(FolderId, Token),
    /// Whether a folder can be opened, before a mail in it is asked for that sessions end at.
    Probe(FolderId),
    /// When mail of a folder came that is still to be read.
    Dates(FolderId),
    /// Whether a folder answers, where others are refused.
    Trial,
    /// A commit that nobody waits for but the end of the run.
    Nobody,
}

/// A failure for the log: by the folder's number. What is left undone is told by its name, once.
pub(super) fn of_folder(id: FolderId, failure: &Failure) -> Failure {
    let text = format!("folder {}: {}", id.0, failure.text).into();
    Failure { text, ..failure.clone() }
}

/// What counters say of a folder, as a mark.
pub(super) fn told(examined: &Examined) -> Mark {
    Mark { uidnext: examined.uidnext, exists: examined.exists, modseq: examined.modseq }
}

/// A folder in a run. Each part is its machine's: the others read it.
#[derive(Debug)]
pub(super) struct Folder {
    /// As stored, but for its lanes.
    pub(super) row: FolderRow,
    pub(super) lanes: Lanes,
    /// Why it stands still in this run.
    pub(super) stalled: Option<Failure>,
    /// Its passes.
    pub(super) pass: PassPart,
    /// What its last pass saw of the history that is still to be read.
    pub(super) listing: LastListing,
    /// Its pages.
    pub(super) fill: FillPart,
    /// How it has refused.
    pub(super) refusal: RefusalPart,
}

impl Folder {
    /// Of a row without lanes there is nothing to do here: its messages have no UIDs.
    pub(super) fn new(mut row: FolderRow) -> Option<Self> {
        let lanes = row.lanes.take()?;
        Some(Self {
            row,
            lanes,
            stalled: None,
            pass: PassPart::default(),
            listing: LastListing::default(),
            fill: FillPart::default(),
            refusal: RefusalPart::default(),
        })
    }

    /// Replaces what is known of it by what the store says.
    pub(super) fn stored(&mut self, mut row: FolderRow) {
        if let Some(lanes) = row.lanes.take() {
            self.lanes = lanes;
            // What the config wants is known here first.
            self.row = FolderRow { excluded: self.row.excluded, ..row };
        }
    }

    /// It is left alone for the rest of the run.
    pub(super) fn stall(&mut self, failure: Failure) {
        self.pass.stall();
        self.listing.stall();
        self.fill.stall();
        self.stalled = Some(failure);
    }

    /// A pass that changed nothing is durable without a commit.
    pub(super) fn is_as_proved(&mut self, started: Micros, told: bool, proves: bool) {
        if !told {
            self.row.passed_at = Some(started);
        }
        if proves {
            self.row.proved_at = Some(started);
        }
    }

    /// Nothing is asked of it now.
    pub(super) fn is_left(&self) -> bool {
        self.stalled.is_some() || self.refusal.is_open()
    }

    pub(super) fn is_inbox(&self) -> bool {
        self.row.path.eq_ignore_ascii_case("INBOX")
    }

    /// Nothing of what the last pass saw is left to read.
    pub(super) fn has_read_all(&self) -> bool {
        self.listing
            .index()
            .is_none_or(|index| index.intersect(&self.lanes.backfill.remaining).is_empty())
    }

    /// Whether its name is another folder's now, as the server says (RFC 8474 §4.1).
    pub(super) fn is_other(&self, shown: &Examined) -> bool {
        let known = self.lanes.live.mailbox;
        shown.mailbox.is_some() && known.is_some() && shown.mailbox != known
    }

    /// No pass was ever complete, and nothing is held of it.
    pub(super) fn is_new(&self) -> bool {
        self.row.passed_at.is_none() && !self.row.held
    }

    /// The `uidnext` that what is committed of the live lane leaves, or what is on its way to be.
    pub(super) fn chain_end(&self) -> u32 {
        self.fill.chain().unwrap_or(self.lanes.live.uidnext)
    }

    /// Whether it can be passed now: what is on its way of it does not hinder that.
    pub(super) fn is_free(&self) -> bool {
        self.pass.is_free(self.fill.is_empty()) && !self.fill.arrives()
    }
}
