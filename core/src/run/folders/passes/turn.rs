//! What EXAMINE tells a pass, and how a pass goes on.

use crate::mail::uid_flags::UidFlags;
use crate::provider::folders::{Changed, Examined};
use crate::run::folders::folder::{Folder, Owner};
use crate::run::folders::passes::sight::{Marked, Pass, Seen};
use crate::run::scope::Depth;
use crate::time::Micros;

/// How a pass goes on.
#[derive(Debug)]
pub(super) enum PassTurn {
    /// From here.
    At(Pass),
    /// The folder is examined again; so many answers did not fit.
    Examine { started: Micros, misses: u8 },
    /// The same, for all that has happened: what an open folder told is not enough.
    Open { started: Micros },
    /// Its pages on their way are settled first, then it is passed again.
    SettleFirst,
    /// It ends, and the mark goes with it.
    Mark { marked: Box<Marked>, seen: Option<Seen>, depth: Depth },
    /// It ends held back: what was shown can be read, what was not shown is no hole.
    Held(Seen),
    /// What was seen is a first look, or none: the folder is looked at again in another run.
    Later,
    /// It is over, or broken off: what is to come of it was said.
    Over,
}

/// What EXAMINE told.
#[derive(Debug)]
pub(in crate::run::folders) struct ExamineAnswer {
    pub(in crate::run::folders) examined: Examined,
    pub(in crate::run::folders) changed: Option<Changed>,
    pub(in crate::run::folders) told: Option<UidFlags>,
}

impl ExamineAnswer {
    /// Counters and nothing else.
    pub(super) fn counters(examined: Examined) -> Self {
        Self { examined, changed: None, told: None }
    }
}

/// The pass of a folder that is under way, as the owner of what it asks and sends.
pub(super) fn owner(folder: &Folder) -> Owner {
    Owner::Pass(folder.row.id, folder.pass.generation)
}
