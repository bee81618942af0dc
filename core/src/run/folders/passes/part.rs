//! Where the passes of a folder stand, and what the last one saw.

use crate::mail::uid_set::UidSet;
use crate::run::folders::passes::sight::{Pass, Seen};
use crate::run::scope::Depth;
use crate::time::Micros;

/// Times in a run that a folder's UIDs may begin anew under its questions.
const LOST: u8 = 3;

/// What is known of a folder's passes.
#[derive(Debug)]
pub(in crate::run::folders) struct PassPart {
    /// The pass that is under way.
    pub(super) state: Option<Pass>,
    /// Numbers the passes, so that answers to an earlier one are known.
    pub(super) generation: u32,
    /// FolderPasses asked for and not begun.
    pub(super) wanted: bool,
    /// A hint has come since the last one began: what LIST said before is of no use.
    pub(super) hinted: bool,
    /// How closely the next pass looks.
    pub(super) depth: Depth,
    /// Whether this round's pass has ended (well, or held back).
    pub(super) looked: bool,
    /// How closely this run has looked at it, at most.
    pub(super) seen: Option<Depth>,
    /// The start of this run's last durable pass, also where the folder was open still.
    pub(super) shown_at: Option<Micros>,
    /// Its pages on their way are settled before it is passed again.
    pub(super) settles_first: bool,
    /// It has refused, and may have another name by now: LIST is asked before it is asked again.
    pub(super) doubted: bool,
    /// Questions in this run whose UIDVALIDITY was no longer the folder's.
    pub(super) lost: u8,
    /// UIDs asked for since the pass under way asked for its index: their pages are fresher than
    /// it.
    pub(super) fresher: UidSet,
    /// History was read in this run: another pass proves it.
    pub(super) unproven: bool,
    /// FolderPasses that were to prove what had just been read.
    pub(super) proofs: u8,
}

impl Default for PassPart {
    fn default() -> Self {
        Self {
            state: None,
            generation: 0,
            wanted: true,
            hinted: false,
            depth: Depth::Full,
            looked: false,
            seen: None,
            shown_at: None,
            settles_first: false,
            doubted: false,
            lost: 0,
            fresher: UidSet::new(),
            unproven: false,
            proofs: 0,
        }
    }
}

impl PassPart {
    /// The run looks at this folder so closely, or not at all.
    pub(in crate::run::folders) fn of_scope(depth: Option<Depth>) -> Self {
        Self { wanted: depth.is_some(), depth: depth.unwrap_or_default(), ..Self::default() }
    }

    /// The folder is left alone.
    pub(in crate::run::folders) fn stall(&mut self) {
        (self.state, self.wanted, self.looked) = (None, false, true);
    }

    pub(in crate::run::folders) fn is_under_way(&self) -> bool {
        self.state.is_some()
    }

    pub(in crate::run::folders) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(in crate::run::folders) fn is_doubted(&self) -> bool {
        self.doubted
    }

    pub(in crate::run::folders) fn is_unproven(&self) -> bool {
        self.unproven
    }

    /// Whether this round's pass has ended.
    pub(in crate::run::folders) fn has_looked(&self) -> bool {
        self.looked
    }

    /// How closely this run has looked at it, at most.
    pub(in crate::run::folders) fn seen(&self) -> Option<Depth> {
        self.seen
    }

    /// The start of this run's last durable pass.
    pub(in crate::run::folders) fn shown_at(&self) -> Option<Micros> {
        self.shown_at
    }

    /// Whether an answer belongs to the pass that is under way.
    pub(in crate::run::folders) fn is_current(&self, generation: u32) -> bool {
        self.generation == generation
    }

    /// Whether its EXAMINE is awaited.
    pub(in crate::run::folders) fn is_examining(&self) -> bool {
        matches!(self.state, Some(Pass::Examining { .. }))
    }

    /// Whether what it holds is being compared.
    pub(in crate::run::folders) fn is_comparing(&self) -> bool {
        matches!(self.state, Some(Pass::Comparing(_)))
    }

    /// Whether it waits for nothing but the end of the pass that has listed it: nothing is known that
    /// another could show to be gone.
    pub(in crate::run::folders) fn is_as_listed(&self) -> bool {
        let is_seen = matches!(
            self.state,
            None | Some(
                Pass::Arriving { .. }
                    | Pass::Reading { .. }
                    | Pass::Settling(_)
                    | Pass::Marking { .. }
            )
        );
        is_seen && !self.wanted && !self.doubted && !self.settles_first
    }

    /// Whether another pass may begin, where pages of it are on their way or not.
    pub(in crate::run::folders) fn is_free(&self, is_settled: bool) -> bool {
        self.state.is_none() && (!self.settles_first || is_settled)
    }

    /// Whether its UIDs may begin anew once more in this run.
    pub(in crate::run::folders) fn may_begin_anew(&self) -> bool {
        self.lost < LOST
    }

    /// It is to be passed fully, behind the pages that are on their way.
    pub(super) fn settle_first(&mut self) {
        (self.wanted, self.depth, self.settles_first) = (true, Depth::Full, true);
    }

    /// A pass is being left out, or begins.
    pub(super) fn begin(&mut self) {
        self.generation += 1;
        (self.wanted, self.unproven) = (false, false);
    }

    /// It is looked at once more, for what was read to be proved.
    pub(super) fn look_once_more(&mut self) {
        self.unproven = false;
        self.proofs += 1;
        (self.wanted, self.depth) = (true, Depth::Full);
    }

    /// A pass has ended.
    pub(super) fn saw(&mut self, depth: Depth) {
        self.looked = true;
        self.seen = self.seen.max(Some(depth));
    }
}

/// What the last pass of a folder saw of the history that is still to be read.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct LastListing {
    /// What it saw in `remaining`; `None` before this run's first pass.
    pub(super) index: Option<UidSet>,
    /// The flagged ones of those.
    pub(super) flagged: UidSet,
    /// Whether it saw a whole listing: only then are UIDs that it did not show holes.
    pub(super) whole: bool,
    /// A whole listing of this run showed what was to be read, and all that was read was there.
    pub(super) as_listed: bool,
    /// A page found what the last listing showed to be no more: only another listing proves the folder.
    pub(super) lacked: bool,
}

impl LastListing {
    /// The folder is left alone.
    pub(in crate::run::folders) fn stall(&mut self) {
        self.index = None;
    }

    pub(in crate::run::folders) fn index(&self) -> Option<&UidSet> {
        self.index.as_ref()
    }

    pub(in crate::run::folders) fn flagged(&self) -> &UidSet {
        &self.flagged
    }

    pub(in crate::run::folders) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Its UIDs have begun anew.
    pub(super) fn forget_uids(&mut self) {
        self.index = None;
        self.flagged = UidSet::new();
        (self.as_listed, self.lacked) = (false, false);
    }

    /// Notes what a pass saw.
    pub(super) fn see(&mut self, seen: &Seen, remaining: &UidSet, whole: bool) {
        let index = seen.rows.uids().intersect(remaining);
        let flagged = seen.rows.iter().filter(|(_, flags)| flags.is_flagged()).map(|(uid, _)| uid);
        self.flagged = flagged.collect::<UidSet>().intersect(&index);
        self.index = Some(index);
        (self.whole, self.as_listed) = (whole, whole);
    }

    /// One that a pass has left, for tests.
    #[cfg(test)]
    pub(in crate::run::folders) fn of(index: UidSet, flagged: UidSet, whole: bool) -> Self {
        Self { index: Some(index), flagged, whole, as_listed: whole, lacked: false }
    }
}
