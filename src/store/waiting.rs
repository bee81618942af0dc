//! What waits for the writer.

use crate::reply::ReplyTo;
use crate::store::apply::Purge;
use crate::store::orders::{Control, OpenAccount};
use crate::store::pass::PassUnderWay;
use postrider_core::commit::change::Commit;
use postrider_core::commit::change::CommitAnswer;
use postrider_core::failure::Failure;
use postrider_core::run::event::AccountSnapshot;

/// What is done between the transactions of pages.
#[derive(Debug)]
pub(super) enum Order {
    Control(Control),
    Purge(PassUnderWay<Purge>),
}

/// What goes into transactions, in its order.
#[derive(Debug)]
pub(super) enum Waiting {
    Commit(Box<Commit>, ReplyTo<CommitAnswer>),
    Open(OpenAccount, bool, ReplyTo<Result<AccountSnapshot, Failure>>),
}

impl Waiting {
    /// The commit, if it is one.
    pub(super) fn commit(&self) -> Option<&Commit> {
        match self {
            Self::Commit(commit, _) => Some(commit),
            Self::Open(..) => None,
        }
    }
}
