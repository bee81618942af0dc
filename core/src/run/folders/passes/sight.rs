//! What a pass of a folder has seen so far, and where it stands.

use crate::commit::rows::Misfit;
use crate::mail::cursor::FlagsMark;
use crate::mail::flags::Flags;
use crate::mail::id::MessageId;
use crate::mail::key::{HeldKey, Keyed};
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, Sampled};
use crate::run::folders::passes::pairs::Pairs;
use crate::run::scope::Depth;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Rows of ours are asked for by no more ranges than these; beyond, all of them are read.
const RANGES: usize = 10_000;

/// Of what the rows of a pass are.
#[derive(Debug)]
pub(super) enum Extent {
    /// Of the whole folder: what is not among them is not there.
    Whole,
    /// What has changed since the flags were compared up to this mark. What went is told by name, or
    /// (none) by the count.
    Changes(FlagsMark, Option<UidSet>),
    /// Of these UIDs, where counting proves that nothing has gone; flags of all are compared up to
    /// this mark.
    Window(FlagsMark, UidSet),
    /// Of what came, and of what the server has told of by itself, where counting proves that nothing
    /// has gone.
    Told,
}

/// What a pass saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) started: Micros,
    pub(super) examined: Examined,
    pub(super) rows: UidFlags,
    /// What was told of them.
    pub(super) extent: Extent,
    pub(super) unproved: Option<String>,
    /// A listing that does not fit EXISTS: what it shows is there, what it lacks is unknown.
    pub(super) misfit: Option<Misfit>,
    /// What the first of two such listings showed and this one lacks: it is looked at again.
    pub(super) kept: UidSet,
    /// By how much EXISTS never fits the listing.
    pub(super) surplus: i64,
    /// UIDNEXT has fallen below what it was: the lanes go back.
    pub(super) fell: bool,
    /// What lies under our UIDs was compared.
    pub(super) compared: bool,
    /// Below this UID the server may have more than it shows.
    pub(super) floor: u32,
    /// UIDs that we hold, under which another mail lies now.
    pub(super) used_again: UidSet,
    /// UIDs that we hold, of which it is not known what lies there: the folder is looked at again.
    pub(super) unsure: BTreeSet<u32>,
}

impl Seen {
    /// What has changed.
    pub(super) fn of_changes(
        started: Micros,
        examined: Examined,
        since: FlagsMark,
        rows: UidFlags,
        vanished: Option<UidSet>,
    ) -> Self {
        Self::part(started, examined, rows, Extent::Changes(since, vanished))
    }

    /// The flags of some.
    pub(super) fn of_window(
        started: Micros,
        examined: Examined,
        since: FlagsMark,
        rows: UidFlags,
        uids: UidSet,
    ) -> Self {
        Self::part(started, examined, rows, Extent::Window(since, uids))
    }

    /// The flags of those of which the server has told by itself.
    pub(super) fn of_told(started: Micros, examined: Examined, rows: UidFlags) -> Self {
        Self::part(started, examined, rows, Extent::Told)
    }

    fn part(started: Micros, examined: Examined, rows: UidFlags, extent: Extent) -> Self {
        Self {
            started,
            examined,
            rows,
            extent,
            unproved: None,
            misfit: None,
            kept: UidSet::new(),
            surplus: 0,
            fell: false,
            floor: 1,
            compared: false,
            used_again: UidSet::new(),
            unsure: BTreeSet::new(),
        }
    }

    /// Whether it is all of the folder.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.extent, Extent::Whole)
    }

    /// The rows of ours that are to be read beside it; none where it is all of them.
    pub(super) fn about(&self) -> Option<UidSet> {
        let vanished = match &self.extent {
            Extent::Whole => return None,
            // Another client's change may be told in between.
            Extent::Window(_, uids) => return Some(uids.union(&self.rows.uids())),
            Extent::Changes(_, vanished) => vanished,
            Extent::Told => &None,
        };
        if vanished.as_ref().is_some_and(|gone| gone.ranges().len() > RANGES) {
            return None;
        }
        let rows = self.rows.uids();
        Some(vanished.as_ref().map_or_else(|| rows.clone(), |gone| rows.union(gone)))
    }

    /// Up to where flags are compared when what it saw is stored; none where it is as before.
    pub(super) fn flags(&self) -> Option<FlagsMark> {
        let listed_at = match &self.extent {
            Extent::Whole => self.started,
            Extent::Changes(before, _) | Extent::Window(before, _) => before.listed_at,
            Extent::Told => return None,
        };
        Some(FlagsMark { modseq: self.examined.modseq, listed_at })
    }

    /// How closely the folder was looked at.
    pub(super) fn depth(&self) -> Depth {
        if let Extent::Told = self.extent { Depth::Told } else { Depth::Full }
    }

    /// UIDs below this one are what the listing speaks of.
    pub(super) fn horizon(&self, uidnext: u32) -> u32 {
        if !self.fell {
            return self.examined.uidnext;
        }
        let listed = self.rows.uids().last().map_or(1, |uid| uid.saturating_add(1));
        uidnext.max(self.examined.uidnext).max(listed)
    }
}

/// Where a pass stands.
#[derive(Debug)]
pub(super) enum Pass {
    /// EXAMINE asked.
    Examining { started: Micros, misses: u8, depth: Depth },
    /// Only mail came, as counting proves: it is fetched.
    Counting { started: Micros, examined: Examined, told: bool, todo: UidSet },
    /// The index asked.
    Indexing { started: Micros, misses: u8, examined: Examined, fell: bool },
    /// Only mail came, as counting proves, and a part of the flags was asked.
    Windowing(Window),
    /// What we hold is compared with what lies there.
    Comparing(Box<Comparing>),
    /// Its UIDs have begun anew: what we hold is found again.
    Rematching(Box<Rematching>),
    /// Arrivals are fetched.
    Arriving { seen: Seen, todo: UidSet },
    /// All UIDs are asked, or are to be.
    Differing { seen: Seen, asked: bool },
    /// Our rows are read.
    Reading { seen: Seen, busy: UidSet },
    /// Facts are committed; those about UIDs on their way wait.
    Settling(Box<Settling>),
    /// The mark is sent; a pass that only counted has no index.
    Marking { started: Micros, seen: Option<Seen>, depth: Depth },
    /// The folder is being opened anew, under another UIDVALIDITY.
    Reopening,
}

impl Pass {
    /// Whether it asks for a listing of a folder that has nothing.
    pub(super) fn is_of_nothing(&self) -> bool {
        matches!(self, Self::Indexing { examined, .. } if examined.exists == 0)
    }

    /// Whether it cannot go on without its session.
    pub(super) fn needs_session(&self) -> bool {
        match self {
            Self::Examining { .. }
            | Self::Counting { .. }
            | Self::Indexing { .. }
            | Self::Windowing(_)
            | Self::Comparing(_)
            | Self::Arriving { .. }
            | Self::Differing { .. }
            | Self::Reading { .. } => true,
            Self::Rematching(rematching) => !rematching.is_known(),
            Self::Settling(_) | Self::Marking { .. } | Self::Reopening => false,
        }
    }
}

/// A window of flags that was asked for.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) started: Micros,
    pub(super) examined: Examined,
    /// What came, as counting proves.
    pub(super) arrived: UidSet,
    pub(super) since: FlagsMark,
    pub(super) uids: UidSet,
}

/// A comparison that is under way.
#[derive(Debug)]
pub(super) struct Comparing {
    pub(super) seen: Seen,
    /// Something says that other mail may lie there: what cannot be compared keeps the mark.
    pub(super) doubted: bool,
    pub(super) arrived: UidSet,
    /// The part that is being compared, from its first UID to its last.
    pub(super) part: (u32, u32),
    /// What we hold of it.
    pub(super) ours: BTreeMap<u32, Sampled>,
    /// Of which no thread was told.
    pub(super) threadless: BTreeMap<u32, MessageId>,
    /// What was told of threads is on its way to the store.
    pub(super) tells: bool,
    /// The parts behind it.
    pub(super) left: VecDeque<(u32, u32)>,
}

/// A re-match that is under way.
#[derive(Debug)]
pub(super) struct Rematching {
    pub(super) started: Micros,
    pub(super) misses: u8,
    pub(super) examined: Examined,
    pub(super) surplus: i64,
    pub(super) theirs: Vec<Keyed>,
    pub(super) ours: Vec<HeldKey>,
    /// When all is known: what is to be committed.
    pub(super) found: Option<Pairs>,
}

impl Rematching {
    /// What it still has to do needs no session.
    pub(super) fn is_known(&self) -> bool {
        self.found.is_some()
    }
}

/// What a pass concluded and has not committed.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) seen: Seen,
    pub(super) flags: Pending,
    pub(super) gone: UidSet,
    pub(super) put_back: UidSet,
    /// Something is a first look only: the mark stays.
    pub(super) held: bool,
    pub(super) rewind: Option<u32>,
    pub(super) unacked: usize,
}

/// Flags that are to be committed, in the order of their UIDs. What waits for its page goes to the
/// end of the line, so that each is looked at a few times and not at every step.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) flags: VecDeque<(u32, Flags)>,
}

impl Pending {
    pub(super) fn new(flags: BTreeMap<u32, Flags>) -> Self {
        Self { flags: flags.into_iter().collect() }
    }

    /// The next ones that are not about a UID on its way.
    pub(super) fn take(&mut self, most: usize, busy: &UidSet) -> Vec<(u32, Flags)> {
        let (mut taken, mut waiting) = (Vec::new(), VecDeque::new());
        while taken.len() < most
            && let Some((uid, flags)) = self.flags.pop_front()
        {
            if busy.contains(uid) {
                waiting.push_back((uid, flags));
            } else {
                taken.push((uid, flags));
            }
        }
        self.flags.extend(waiting);
        taken
    }
}

/// What the end of a pass says.
#[derive(Debug)]
pub(super) struct Marked {
    /// What lies under our UIDs was compared.
    pub(super) compared: bool,
    /// Up to where flags are compared now, if they were.
    pub(super) flags: Option<FlagsMark>,
    pub(super) started: Micros,
    pub(super) examined: Examined,
    /// The folder was open still: what it told may be older than the pass.
    pub(super) told: bool,
    pub(super) put_back: UidSet,
    pub(super) unproved: Option<String>,
    pub(super) surplus: i64,
    pub(super) rewind: Option<u32>,
}
