//! What a run knows of names that do not open.

use crate::failure::{Failure, Provenance, Reach};
use crate::mail::folder::ListedFolder;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is known in a run of names that do not open.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct Refusals {
    /// New names, and what was said.
    pub(super) fresh: BTreeMap<Vec<u8>, (ListedFolder, Failure)>,
    /// Names that were answered without telling anything; (true) another session has been asked for, or it
    /// has answered since: no more are.
    pub(super) bare: BTreeMap<Vec<u8>, bool>,
    /// New names that are shut by now, or opened: they are not asked again.
    pub(super) judged: BTreeSet<Vec<u8>>,
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
    Witness(VecDeque<Vec<u8>>),
    /// This one has answered; each that was refused is asked again, and what they say is kept.
    Judging(Vec<u8>, VecDeque<Vec<u8>>, Vec<(Vec<u8>, Failure)>),
    /// The one that has answered is asked once more: only if it still does, what they say counts.
    Confirming(Vec<(Vec<u8>, Failure)>),
}

/// An answer that tells nothing of its folder: not that it opens, not that it does not.
pub(in crate::run::folders) fn is_bare(failure: &Failure) -> bool {
    failure.provenance == Provenance::Inferred && failure.reach == Reach::Folder
}
