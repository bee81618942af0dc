//! What happens to a machine, and what its shell is to do.

use crate::commit::change::{Commit, CommitAnswer, Note};
use crate::commit::feed::rows::FeedRows;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::Failure;
use crate::mail::id::FolderId;
use crate::mail::key::HeldKey;
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::provider::Connected;
use crate::provider::folders::{Answer, Request, Sampled};
use crate::run::reads::{FeedFound, FeedProof, FeedQuery};
use crate::run::scope::{Depth, Scope};
use crate::run::summary::Summary;
use crate::standing::Standing;
use crate::time::Micros;
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
#[derive(Debug)]
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
            stood: None,
            limbo: false,
            feed: None,
        }
    }
}

/// The rows of a folder as the store has them.
#[derive(Debug, Default)]
pub struct FolderRows {
    /// Living locations with their flags.
    pub living: UidFlags,
    /// UIDs with an open failure.
    pub failures: UidSet,
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
    /// A folder's rows.
    RowsRead {
        /// To what.
        token: Token,
        /// The rows.
        rows: Result<FolderRows, Failure>,
    },
    /// How many messages are in limbo.
    LimboCounted(Result<u64, Failure>),
    /// A hint that a folder has changed.
    Nudged(FolderId, Depth),
    /// Our sample of a folder that may have been renamed.
    Sampled {
        /// To what.
        token: Token,
        /// UID, size and INTERNALDATE of some living locations.
        rows: Result<Vec<Sampled>, Failure>,
    },
    /// What we recognise living locations by.
    KeysRead {
        /// To what.
        token: Token,
        /// By UID; none when there are no more.
        rows: Result<Vec<HeldKey>, Failure>,
    },
    /// Rows of a feed account.
    FeedRead {
        /// To what.
        token: Token,
        /// The rows.
        rows: Result<FeedFound, Failure>,
    },
    /// Of the second session that was wished for.
    Second(SecondNews),
    /// The wait is over.
    Woke,
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
    /// Read a folder's living locations and open failures.
    ReadRows {
        /// Comes back with the answer.
        token: Token,
        /// The folder.
        folder: FolderId,
        /// These locations alone.
        uids: Option<UidSet>,
    },
    /// Read size (as the server announces it) and INTERNALDATE of some of a folder's living
    /// locations.
    ReadSample {
        /// Comes back with the answer.
        token: Token,
        /// The folder.
        folder: FolderId,
        /// All from one UID to another, or a sample.
        part: Option<(u32, u32)>,
    },
    /// Read what we recognise some of a folder's living locations by.
    ReadKeys {
        /// Comes back with the answer.
        token: Token,
        /// The folder.
        folder: FolderId,
        /// Those behind this UID, in their order.
        after: u32,
        /// With their sizes.
        sized: bool,
    },
    /// Read rows of a feed account.
    ReadFeed {
        /// Comes back with the answer.
        token: Token,
        /// Which.
        query: FeedQuery,
    },
    /// What a run has proved of a feed account without changing anything: written like `Proved`.
    ProvedFeed(FeedProof),
    /// A pass that changed nothing: to be written with the next page, or within a minute.
    Proved {
        /// The folder.
        folder: FolderId,
        /// When it began.
        started: Micros,
        /// The folder was open still: what it told may be older than the pass.
        told: bool,
        /// Whether it proved the folder whole.
        whole: bool,
    },
    /// A LIST that was complete and showed what is stored: written like `Proved`.
    ListProved {
        /// When it began.
        started: Micros,
    },
    /// Count the messages in limbo.
    CountLimbo,
    /// Send `Woke` after this much monotonic time.
    WakeAfter(Duration),
    /// Log a failure, once, here where it is handled.
    Report(Failure),
    /// The run is over.
    Finish(Box<Summary>),
}
