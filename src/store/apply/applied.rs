//! How commits of one transaction are kept apart, and what came of one.

use postrider_core::commit::change::{Refusal, StoredRows};

/// What came of a commit inside a transaction.
#[derive(Debug)]
pub(in crate::store) enum Applied {
    Done(Box<StoredRows>),
    Refused(Refusal, Option<Box<StoredRows>>),
}

/// How commits of one transaction are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Care {
    /// Not at all: an error is of the whole transaction, and may be told at a later commit.
    Together,
    /// Each has a savepoint: on an error nothing of it remains, and the others stay. A page that the
    /// database refuses for its content is halved down to the one message that is at fault.
    Apart,
}

/// What can be written: not where the bytes of it have gone.
pub(super) fn whole<T>(admitted: T, are_gone: bool) -> Result<T, Refusal> {
    if are_gone { Err(Refusal::Bytes) } else { Ok(admitted) }
}
