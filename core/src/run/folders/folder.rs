//! A folder in a run, and the pages of it that are on their way.

use crate::commit::rows::FolderRow;
use crate::failure::Failure;
use crate::mail::cursor::Lanes;
use crate::mail::id::FolderId;
use crate::mail::page::Suspect;
use crate::mail::uid_set::UidSet;
use crate::run::event::Token;
use crate::run::folders::passes::sight::Pass;
use crate::run::scope::Depth;
use crate::time::Micros;
use std::collections::{BTreeMap, VecDeque};

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
    /// Whether a folder answers, where others are refused.
    Trial,
    /// A commit that nobody waits for but the end of the run.
    Nobody,
}

/// Why a page is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FillKind {
    Backfill,
    Arrivals,
    Retry,
}

/// A page on its way: from its FETCH on until it is committed or dropped.
#[derive(Debug)]
pub(super) struct Fill {
    pub(super) kind: FillKind,
    /// Every UID asked for.
    pub(super) asked: UidSet,
    /// What the page still has to settle (backfill: holes included).
    pub(super) open: UidSet,
    /// Whether the session still owes parts.
    pub(super) fetching: bool,
    /// A link before it in the chain was refused or dropped: what still comes of it is not
    /// committed.
    pub(super) dead: bool,
    /// Commits sent and not acknowledged, with the messages, octets and failures in each.
    pub(super) unacked: VecDeque<(u64, u64, u64)>,
}

/// A failure for the log: by the folder's number. What is left undone is told by its name, once.
pub(super) fn of_folder(id: FolderId, failure: &Failure) -> Failure {
    let text = format!("folder {}: {}", id.0, failure.text).into();
    Failure { text, ..failure.clone() }
}

/// A folder in a run.
#[derive(Debug)]
pub(super) struct Folder {
    /// As stored, but for its lanes.
    pub(super) row: FolderRow,
    pub(super) lanes: Lanes,
    /// The pass that is under way.
    pub(super) pass: Option<Pass>,
    /// The start of this run's last durable pass, also where the folder was open still.
    pub(super) shown_at: Option<Micros>,
    /// Passes asked for and not begun.
    pub(super) wanted: bool,
    /// A hint has come since the last one began: what LIST said before is of no use.
    pub(super) hinted: bool,
    /// How closely the next pass looks.
    pub(super) depth: Depth,
    /// Whether this round's pass has ended (well, or held back).
    pub(super) looked: bool,
    /// How closely this run has looked at it, at most.
    pub(super) seen: Option<Depth>,
    /// Why it stands still in this run.
    pub(super) stalled: Option<Failure>,
    /// It is refused, also where LIST still shows it: whether it is the server is asked behind all else.
    pub(super) refused: Option<Failure>,
    /// That was asked, and it answered.
    pub(super) tried: bool,
    /// It was answered without telling anything, and waits for another session.
    pub(super) bare: bool,
    /// Pages on their way, by the token of their fetch.
    pub(super) fills: BTreeMap<Token, Fill>,
    /// UIDs asked for since the pass under way asked for its index: their pages are fresher than
    /// it.
    pub(super) fresher: UidSet,
    /// What the last pass saw in `remaining`; `None` before this run's first pass.
    pub(super) index: Option<UidSet>,
    /// The flagged ones of those.
    pub(super) flagged: UidSet,
    /// Failures that are due for another try.
    pub(super) due: UidSet,
    /// Failures that are due and are asked for alone: the mail, or its line, ended sessions.
    pub(super) lone: UidSet,
    /// Failures that came in a burst and are not due: as soon as one of them comes, they are.
    pub(super) burst: UidSet,
    /// The rest of a burst, while one of it is tried.
    pub(super) canaries: UidSet,
    /// Messages of another length than was announced, their bytes sealed: another session is to say
    /// the same.
    pub(super) suspects: BTreeMap<u32, Suspect>,
    /// Messages in a page, where sessions have ended.
    pub(super) page: Option<usize>,
    /// Its pages on their way are settled before it is passed again.
    pub(super) settles_first: bool,
    /// It has refused, and may have another name by now: LIST is asked before it is asked again.
    pub(super) doubted: bool,
    /// Questions in this run whose UIDVALIDITY was no longer the folder's.
    pub(super) lost: u8,
    /// Refusals of its EXAMINE in this run.
    pub(super) refusals: u8,
    /// A page of its newest mail was asked for before other folders were opened.
    pub(super) paged: bool,
    /// Whether that pass saw a whole listing: only then are UIDs that it did not show holes.
    pub(super) whole: bool,
    /// The `uidnext` that the last arrivals page sent will leave.
    pub(super) chain: u32,
    /// Numbers the passes, so that answers to an earlier one are known.
    pub(super) generation: u32,
    /// History was read in this run: another pass proves it.
    pub(super) unproven: bool,
    /// A whole listing of this run showed what was to be read, and all that was read was there.
    pub(super) as_listed: bool,
    /// A page found what the last listing showed to be no more: only another listing proves the folder.
    pub(super) lacked: bool,
    /// Passes that were to prove what had just been read.
    pub(super) proofs: u8,
}

impl Folder {
    /// Of a row without lanes there is nothing to do here: its messages have no UIDs.
    pub(super) fn new(mut row: FolderRow) -> Option<Self> {
        let lanes = row.lanes.take()?;
        Some(Self {
            chain: lanes.live.uidnext,
            row,
            lanes,
            pass: None,
            shown_at: None,
            wanted: true,
            hinted: false,
            depth: Depth::Full,
            looked: false,
            seen: None,
            stalled: None,
            refused: None,
            tried: false,
            bare: false,
            fills: BTreeMap::new(),
            fresher: UidSet::new(),
            index: None,
            flagged: UidSet::new(),
            due: UidSet::new(),
            lone: UidSet::new(),
            burst: UidSet::new(),
            canaries: UidSet::new(),
            suspects: BTreeMap::new(),
            page: None,
            settles_first: false,
            doubted: false,
            lost: 0,
            refusals: 0,
            paged: false,
            whole: false,
            generation: 0,
            unproven: false,
            as_listed: false,
            lacked: false,
            proofs: 0,
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

    /// Its UIDs have begun anew: what was remembered of the old ones is void.
    pub(super) fn forget_uids(&mut self) {
        self.index = None;
        (self.as_listed, self.lacked) = (false, false);
        self.suspects.clear();
        for uids in [
            &mut self.flagged,
            &mut self.due,
            &mut self.lone,
            &mut self.burst,
            &mut self.canaries,
            &mut self.fresher,
        ] {
            *uids = UidSet::new();
        }
    }

    /// Nothing is asked of it now.
    pub(super) fn is_left(&self) -> bool {
        self.stalled.is_some() || self.refused.is_some() || self.bare
    }

    pub(super) fn is_inbox(&self) -> bool {
        self.row.path.eq_ignore_ascii_case("INBOX")
    }

    /// Nothing of what the last pass saw is left to read.
    pub(super) fn has_read_all(&self) -> bool {
        self.index
            .as_ref()
            .is_none_or(|index| index.intersect(&self.lanes.backfill.remaining).is_empty())
    }

    /// The `uidnext` that what is committed of the live lane leaves, or what is on its way to be.
    pub(super) fn chain_end(&self) -> u32 {
        let arrives = self.fills.values().any(|fill| fill.kind == FillKind::Arrivals);
        if arrives { self.chain } else { self.lanes.live.uidnext }
    }

    /// Whether mail that is new is still to come from the session.
    pub(super) fn is_arriving(&self) -> bool {
        self.fills.values().any(|fill| fill.kind == FillKind::Arrivals && fill.fetching)
    }

    /// UIDs whose page is on its way.
    pub(super) fn in_flight(&self) -> UidSet {
        self.fills.values().fold(UidSet::new(), |all, fill| all.union(&fill.asked))
    }

    /// The parts of `remaining` that pages on their way will take out.
    pub(super) fn claimed(&self) -> UidSet {
        let backfill = self.fills.values().filter(|f| f.kind == FillKind::Backfill);
        backfill.fold(UidSet::new(), |all, fill| all.union(&fill.open).union(&fill.asked))
    }
}
