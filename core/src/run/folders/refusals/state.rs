//! What a run knows of names that do not open; what is made of it: `refused.rs`.

use crate::failure::{Failure, Provenance, Reach};
use crate::mail::folder::ListedFolder;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is known in a run of names that do not open.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct Refusals {
    /// New names, and what was said.
    pub(in crate::run::folders) fresh: BTreeMap<Vec<u8>, (ListedFolder, Failure)>,
    /// Names that were answered without telling anything; (true) another session has been asked for, or it
    /// has answered since: no more are.
    pub(in crate::run::folders) bare: BTreeMap<Vec<u8>, bool>,
    /// New names that are shut by now, or opened: they are not asked again.
    pub(in crate::run::folders) judged: BTreeSet<Vec<u8>>,
    pub(in crate::run::folders) trial: Trial,
    /// LIST is to be asked once more, and was so often.
    pub(in crate::run::folders) relist: bool,
    pub(in crate::run::folders) relists: u8,
}

/// Whether it is the server.
#[derive(Debug, Default)]
pub(in crate::run::folders) enum Trial {
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
