//! What the StoreActor is told.

use crate::handle::{Queued, Served};
use crate::reply::ReplyTo;
use crate::store::apply::Done;
use crate::store::derive::{DeriveAnswer, DeriveOrder};
use crate::store::orders::{Control, OpenAccount, OpenHow};
use postrider_core::commit::change::{Commit, CommitAnswer};
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use postrider_core::run::event::AccountSnapshot;
use postrider_core::run::reads::QuietProof;

/// What the store is asked.
#[derive(Debug)]
pub enum StoreRequest {
    /// Commit; answered after the outer COMMIT.
    Commit(Box<Commit>, ReplyTo<CommitAnswer>),
    /// Whoever sent commits that may wait for others waits for nothing else now.
    Hurry,
    /// Read the account: behind every commit of it sent before, so its answer is final.
    Open(OpenAccount, OpenHow, ReplyTo<Result<AccountSnapshot, Failure>>),
    /// A control write.
    Control(Control, ReplyTo<Result<Done, Failure>>),
    /// What is derived of mail: behind every commit and control write. None where the account is gone.
    Derive(DeriveOrder, ReplyTo<DeriveAnswer>),
    /// What was proved without changing anything: written with the next page, or within a minute. Nothing
    /// answers this: what dies with the process, or the actor, the next pass proves again.
    Proved(AccountId, QuietProof),
    /// A run changed nothing: counted by the hour.
    Ran {
        /// The account.
        account: AccountId,
        /// Passes in it.
        passes: u64,
    },
    /// Write what waits of quiet passes, and say when it is durable.
    Settle(ReplyTo<()>),
}

/// What the store is told: that, and what it tells itself.
#[derive(Debug)]
pub enum StoreMsg {
    /// What others ask.
    Asked(Queued<StoreRequest>),
    /// Write what waits of quiet passes.
    WriteQuiet,
    /// See whether a server is still there, and this process the one that writes there.
    Look,
    /// Nobody may have written for a while.
    Pause,
    /// The write-ahead log was folded in, or cannot be now.
    Folded,
    /// Work on what has gathered.
    Flush,
    /// The same: it has waited for others long enough.
    Gathered,
}

impl From<Queued<StoreRequest>> for StoreMsg {
    fn from(asked: Queued<StoreRequest>) -> Self {
        Self::Asked(asked)
    }
}

impl Served for StoreMsg {
    type Request = StoreRequest;
}
