//! What a run reads of the store, and what it has proved without changing anything.

use crate::commit::feed::rows::Owed;
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, Identity, MessageId};
use crate::mail::key::HeldKey;
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Sampled;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that a run wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A folder's living locations and open failures.
    Folder {
        /// The folder.
        folder: FolderId,
        /// These locations alone.
        uids: Option<UidSet>,
        /// Whether anything was ever stored in it: else there is nothing to be read.
        holds: bool,
    },
    /// Size (as the server announces it) and INTERNALDATE of some of a folder's living locations.
    Sample {
        /// The folder.
        folder: FolderId,
        /// All from one UID to another, or a sample.
        part: Option<(u32, u32)>,
    },
    /// What we recognise some of a folder's living locations by.
    Keys {
        /// The folder.
        folder: FolderId,
        /// Those behind this UID, in their order.
        after: u32,
        /// With their sizes.
        with_size: bool,
    },
    /// Rows of a feed account.
    Feed(FeedQuery),
}

/// What was found, each to the query of its name.
#[derive(Debug)]
pub enum Rows {
    /// Of a folder.
    Folder(FolderRows),
    /// UID, size and INTERNALDATE.
    Sample(HeldSample),
    /// By UID; none when there are no more.
    Keys(Vec<HeldKey>),
    /// Of a feed account.
    Feed(FeedFound),
}

/// The rows of a folder as the store has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FolderRows {
    /// Living locations with their flags.
    pub living: UidFlags,
    /// UIDs with an open failure.
    pub failures: UidSet,
}

/// What a run has proved without changing anything: to be written with the next page, or within a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuietProof {
    /// A pass of a folder.
    Pass {
        /// The folder.
        folder: FolderId,
        /// When it began.
        started: Micros,
        /// The folder was open still: what it told may be older than the pass.
        told: bool,
        /// Whether it proved the folder whole.
        whole: bool,
    },
    /// A LIST that was complete and showed what is stored.
    List {
        /// When it began.
        started: Micros,
    },
    /// Of a feed account.
    Feed(FeedProof),
}

/// Rows of a feed account that a run wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedQuery {
    /// Ids that are due: what a word told first, then what a list showed, by rank.
    Due {
        /// Due at this instant.
        at: Micros,
        /// What failed is due too.
        insists: bool,
        /// So many at most.
        limit: usize,
    },
    /// What is held and owed of these.
    Known {
        /// Which.
        ids: Vec<Identity>,
        /// Their places and flags too.
        whole: bool,
    },
    /// What is held, by id.
    Held {
        /// Behind this one.
        after: Option<Identity>,
        /// So many at most.
        limit: usize,
    },
    /// What is away, by id.
    Away {
        /// Behind this one.
        after: Option<Identity>,
        /// So many at most.
        limit: usize,
    },
    /// How much there is.
    Tally,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum FeedFound {
    /// To `Due`.
    Due {
        /// In their order.
        rows: Vec<Owed>,
        /// What else is owed; where as many rows were found as were asked for, how many are due alone.
        waits: OwedWaits,
    },
    /// To `Known`: those of which something is held or owed.
    Known(Vec<KnownMail>),
    /// To `Held`: no more than were asked for.
    Held(Vec<KnownMail>),
    /// To `Away`: no more than were asked for.
    Away(Vec<Identity>),
    /// To `Tally`.
    Tally(FeedTally),
}

/// What is owed beside the rows that were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwedWaits {
    /// Ids that are due, those that were found among them.
    pub due: u64,
    /// When the next one is due that has not failed.
    pub next: Option<Micros>,
    /// Ids that have failed.
    pub failed: u64,
    /// Ids that were not there, or in no place of ours, at a first look.
    pub missing: u64,
    /// Ids that have been read, or are held, and are asked about once more.
    pub settling: u64,
}

/// What is known of a message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMail {
    /// Which.
    pub id: Identity,
    /// Its number, where its bytes are held.
    pub message: Option<MessageId>,
    /// Since when.
    pub since: Micros,
    /// It is held and deleted.
    pub deleted: bool,
    /// It is owed, or away.
    pub owed: bool,
    /// It is known to be in no place of ours.
    pub away: bool,
    /// Its server has told what it calls its thread.
    pub has_thread: bool,
    /// Where it lies, those places left out that the config leaves out.
    pub places: BTreeSet<FolderId>,
    /// Its flags.
    pub flags: Flags,
}

/// What we hold of a folder, or some of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldSample {
    /// As the server would tell it.
    pub rows: Vec<Sampled>,
    /// Messages of which the server has not told a thread, by their UIDs.
    pub threadless: BTreeMap<u32, MessageId>,
}

/// How much a feed account holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedTally {
    /// Messages that are held and not deleted.
    pub held: u64,
    /// Ids that are owed and not held; not those that a human leaves out.
    pub unheld: u64,
    /// Ids that are in no place of ours, and not held, or deleted.
    pub away: u64,
    /// Ids that are owed, and have not failed.
    pub owed: u64,
    /// Ids that are owed and not held, and that a human leaves out.
    pub left_out: u64,
}

/// What a run has proved without changing anything. Of two the later is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedProof {
    /// When the changes were asked for that said "no more".
    pub looked: Option<Micros>,
    /// When Places was asked.
    pub placed: Option<Micros>,
    /// When the messages were counted.
    pub counted: Option<Micros>,
    /// When a compare began that is over.
    pub compared: Option<Micros>,
    /// It has proved the mirror.
    pub whole: bool,
    /// How many more messages the server counts than that compare was shown; nothing where it could
    /// not tell.
    pub misfit: Option<i64>,
}

impl FeedProof {
    /// Both of them.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let later = if other.compared >= self.compared { other } else { self };
        Self {
            looked: self.looked.max(other.looked),
            placed: self.placed.max(other.placed),
            counted: self.counted.max(other.counted),
            compared: later.compared,
            whole: later.compared.is_some() && later.whole,
            misfit: later.misfit.or(self.misfit).or(other.misfit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compare that has proved nothing says so of its own time, whatever an earlier one has proved.
    #[test]
    fn the_later_of_two_compares_is_true() {
        let proof = |compared: Option<i64>, whole: bool| {
            let compared = compared.map(Micros);
            FeedProof { compared, whole, ..FeedProof::default() }
        };
        let proves = |first: FeedProof, second: FeedProof| {
            let (one, other) = (first.and(second), second.and(first));
            assert_eq!((one.compared, one.whole), (other.compared, other.whole));
            one.whole
        };
        assert!(!proves(proof(Some(1), true), proof(Some(2), false)));
        assert!(proves(proof(Some(1), false), proof(Some(2), true)));
        assert!(proves(proof(Some(1), true), proof(None, false)), "there was no other");
        assert!(!proves(proof(None, true), proof(None, false)), "there was none");
    }
}
