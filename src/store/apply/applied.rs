//! What came of a commit.

use postrider_core::commit::change::{Refusal, StoredRows};

/// What came of a commit inside a transaction.
#[derive(Debug)]
pub(in crate::store) enum Applied {
    Done(Box<StoredRows>),
    Refused(Refusal, Option<Box<StoredRows>>),
}
