//! What a run knows of names that do not open.

use crate::failure::{Failure, Provenance, Reach};
use crate::mail::folder::{ListedFolder, WireName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is known in a run of names that do not open.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct Refusals {
    /// New names, and what was said.
    pub(super) fresh: BTreeMap<WireName, (ListedFolder, Failure)>,
    /// Names that were answered without telling anything; (true) another session has been asked for, or it
    /// has answered since: no more are.
    pub(super) bare: BTreeMap<WireName, bool>,
    /// New names that are shut by now, or opened: they are not asked again.
    pub(super) judged: BTreeSet<WireName>,
    pub(super) trial: Trial,
    /// LIST is to be asked once more, and was so often.
    pub(super) relist: bool,
    pub(super) relists: u8,
}

/// Whether it is the server.
#[derive(Debug, Default)]
pub(super) enum Trial {
    #[default]
    None,
    /// One that answers is looked for.
    Witness(VecDeque<WireName>),
    /// This one has answered; each that was refused is asked again, and what they say is kept.
    Judging(WireName, VecDeque<WireName>, Vec<(WireName, Failure)>),
    /// The one that has answered is asked once more: only if it still does, what they say counts.
    Confirming(Vec<(WireName, Failure)>),
}

/// An answer that tells nothing of its folder: not that it opens, not that it does not.
pub(in crate::run::folders) fn is_incomplete(failure: &Failure) -> bool {
    failure.provenance == Provenance::Inferred && failure.reach == Reach::Folder
}
