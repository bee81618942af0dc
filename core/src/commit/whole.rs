//! A message whose state is told whole: as it was told last, and as it was read.

use crate::mail::body::BodyRef;
use crate::mail::feed::MailVersion;
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, Identity};
use crate::mime::HeaderFacts;
use crate::time::Micros;
use std::collections::BTreeSet;

/// A message's state as it was told last.
#[derive(Clone, Debug)]
pub(crate) struct ToldState {
    pub(crate) deleted: bool,
    /// In no place, and not told: it is looked for.
    pub(crate) lost: bool,
    pub(crate) places: BTreeSet<FolderId>,
    pub(crate) flags: Flags,
}

/// What a message's state is from now on.
#[derive(Debug)]
pub(crate) struct MessageState<'a> {
    pub(crate) places: &'a BTreeSet<FolderId>,
    /// Those, and where it lies that the config leaves out.
    pub(crate) named: &'a BTreeSet<FolderId>,
    pub(crate) flags: &'a Flags,
    pub(crate) version: Option<MailVersion>,
}

/// A message that was read, and where it lies.
#[derive(Debug)]
pub(crate) struct WholeMail {
    pub(crate) identity: Identity,
    pub(crate) body: BodyRef,
    pub(crate) header: HeaderFacts,
    pub(crate) thread: Option<String>,
    pub(crate) date: Option<Micros>,
    pub(crate) version: Option<MailVersion>,
    pub(crate) places: BTreeSet<FolderId>,
    pub(crate) flags: Flags,
}
