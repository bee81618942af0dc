//! What happens to a machine, and what its shell is to do.

use crate::commit::change::{Commit, CommitAnswer, Note};
use crate::commit::feed::rows::FeedRows;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::Failure;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::Connected;
use crate::provider::{Answer, Request};
use crate::recovery::asked::Asked;
use crate::run::reads::{Query, QuietProof, Rows};
use crate::run::scope::{Depth, Scope};
use crate::run::summary::Summary;
use crate::standing::Standing;
use std::collections::BTreeMap;
use std::time::Duration;

/// Names a question or a commit until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

impl Token {
    /// Stands for the page without a fetch that takes holes out of `remaining` (one a folder at a
    /// time).
    pub(crate) const HOLES: Self = Self(0);
}

/// An account as the store hands it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSnapshot {
    /// The account, its incarnation just raised.
    pub account: AccountRow,
    /// Its folders.
    pub folders: Vec<FolderRow>,
    /// Failures that are due for another try.
    pub due: BTreeMap<FolderId, UidSet>,
    /// Open failures at which sessions have ended: they are asked for alone.
    pub lone: BTreeMap<FolderId, UidSet>,
    /// Open failures that came in a burst and are not due.
    pub burst: BTreeMap<FolderId, UidSet>,
    /// Things at which two sessions have ended, or more.
    pub notes: Vec<Note>,
    /// What was on its way when processes ended.
    pub asked: Asked,
    /// Open failures at which processes have ended: they are asked for as what is suspected of it.
    pub fatal: BTreeMap<FolderId, UidSet>,
    /// How it stands, and why, as stored.
    pub stood: Option<(Standing, String)>,
    /// Messages of it are looked for.
    pub limbo: bool,
    /// The rows of its feeds, where it has any.
    pub feed: Option<Box<FeedRows>>,
}

impl AccountSnapshot {
    /// An account without folders.
    #[must_use]
    pub fn of(account: AccountRow) -> Self {
        Self {
            account,
            folders: Vec::new(),
            due: BTreeMap::new(),
            lone: BTreeMap::new(),
            burst: BTreeMap::new(),
            notes: Vec::new(),
            asked: Asked::default(),
            fatal: BTreeMap::new(),
            stood: None,
            limbo: false,
            feed: None,
        }
    }
}

/// What happens to a machine.
#[derive(Debug)]
pub enum Event {
    /// Start.
    Begin(Scope),
    /// The store handed out the account.
    Opened(Box<AccountSnapshot>),
    /// It could not.
    OpenFailed(Failure),
    /// A session is logged in.
    Connected(Connected),
    /// None could be had.
    ConnectFailed(Failure),
    /// A session's answer.
    Answered {
        /// To what.
        token: Token,
        /// The answer.
        answer: Result<Answer, Failure>,
    },
    /// The store's answer to a commit.
    Committed {
        /// To which.
        token: Token,
        /// The answer.
        answer: CommitAnswer,
    },
    /// No answer will come: the outcome of the commit (or of a read) is unknown.
    Lost {
        /// Of which.
        token: Token,
    },
    /// Rows that were asked for.
    Read {
        /// To what.
        token: Token,
        /// The rows.
        rows: Result<Rows, Failure>,
    },
    /// How many messages are in limbo.
    LimboCounted(Result<u64, Failure>),
    /// A hint that a folder has changed.
    Nudged(FolderId, Depth),
    /// Of the second session that was wished for.
    Second(SecondNews),
    /// The wait is over.
    Woke,
    /// Somebody better waits: what is left of the past is for another run.
    PutOff,
    /// Somebody wants the run to end.
    Stop,
}

/// What is known of a second session for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondNews {
    /// It is there.
    Came,
    /// There is none to spare.
    NoneSpared,
    /// Somebody else needs it.
    Recalled,
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Action {
    /// Read the account, behind all that was sent to the store before.
    Open {
        /// What became of an earlier commit is not known: none of them is taken from here on. An
        /// actor that begins asks so, too.
        anew: bool,
    },
    /// Get a session.
    Connect,
    /// Give the session back.
    Disconnect,
    /// Ask the session; questions are answered in their order.
    Ask {
        /// Comes back with the answer.
        token: Token,
        /// The question.
        request: Request,
    },
    /// Get a second session, if one is to spare: it reads pages beside the first.
    WishSecond,
    /// Ask the second session; the answer comes like one of the first.
    AskSecond {
        /// Comes back with the answer.
        token: Token,
        /// The question.
        request: Request,
    },
    /// The second session is not needed any more.
    LeaveSecond {
        /// It may do something else for the account.
        watches: bool,
        /// What has ended it.
        lost: Option<Failure>,
    },
    /// All that is waited for are commits that may wait for others (`Haste::Soon`): they are to wait no longer.
    Hurry,
    /// Commit; commits are applied in their order.
    Commit {
        /// Comes back with the answer.
        token: Token,
        /// The commit.
        commit: Box<Commit>,
    },
    /// Read rows of the account.
    Read {
        /// Comes back with the answer.
        token: Token,
        /// Which.
        query: Query,
    },
    /// Something was proved, and nothing changed.
    Prove(QuietProof),
    /// Count the messages in limbo.
    CountLimbo,
    /// Send `Woke` after this much monotonic time.
    WakeAfter(Duration),
    /// Log a failure, once, here where it is handled.
    Report(Failure),
    /// The run is over.
    Finish(Box<Summary>),
}
