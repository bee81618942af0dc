//! Whom an answer belongs to, and where the work is done.

use crate::mail::id::FolderId;
use crate::run::event::Token;

/// Where a step of this work is done.
pub(super) type Cx<'a> = crate::run::context::RunCtx<'a, FeedOwner>;

/// Whom an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedOwner {
    /// Places, and what follows from it.
    Places,
    /// A feed's cursor of now.
    Head(FolderId),
    /// A feed's changes.
    Changes(FolderId),
    /// The list of this number.
    Walk(u32),
    /// A page of messages; the token is the question's.
    Get(Token),
    /// What is due.
    Due,
    /// How many messages there are, asked at the end of a run.
    Counts,
    /// What the config leaves out.
    Excluded,
    /// A commit that nobody waits for but the end of the run.
    Nobody,
}
