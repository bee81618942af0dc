//! What the world holds: the server, the store, the machine between them, and what is on its way.

use crate::config::Config;
use crate::fleet::till::Purse;
use crate::life::Life;
use crate::server::{Dice, Lie, Mail, Server};
use crate::store::Store;
use crate::watching::{View, Watch};
use postrider_core::account::machine::Machine;
use postrider_core::commit::change::Commit;
use postrider_core::failure::When;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{FolderId, SessionId, UidValidity};
use postrider_core::mail::settle::Settlement;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::Examined;
use postrider_core::provider::{Answer, Request};
use postrider_core::recovery::history::History;
use postrider_core::run::event::{Event, Token};
use postrider_core::run::reads::{Query, QuietProof};
use postrider_core::run::settings::Settings;
use postrider_core::standing::{Outcome, Standing};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) enum Queued {
    Stand(Standing, String),
    Commit(u64, Token, Box<Commit>),
    Open(u64, bool),
    Proved(QuietProof),
}

pub(crate) enum Work {
    Ask(Token, Request),
    Page {
        token: Token,
        folder: WireName,
        uidvalidity: UidValidity,
        page: Box<Settlement>,
        uids: UidSet,
        bulk: bool,
        estimated: bool,
        /// It is mail of the past.
        past: bool,
    },
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) lie: Lie,
    pub(crate) work: VecDeque<Work>,
    /// Pages of the past that are read and not durable yet: of which folder.
    pub(crate) read: VecDeque<(Token, WireName, Answer)>,
    pub(crate) delivered: bool,
    /// The store has failed since: the machine has forgotten what it asked.
    pub(crate) stale: bool,
    /// The folder that is open, as it was then (for a follower's watches).
    pub(crate) selected: Option<(String, View)>,
    pub(crate) watch: Option<Watch>,
}

pub(crate) struct Move {
    pub(crate) cid: u32,
    pub(crate) from_event: usize,
    /// The server's folder that it left.
    pub(crate) left: u32,
    /// The server's folder that it came to.
    pub(crate) came: u32,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) cfg: Config,
    pub(crate) now: i64,
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) machine: Option<Machine>,
    pub(crate) epoch: u64,
    pub(crate) connecting: bool,
    pub(crate) session: Option<Session>,
    pub(crate) sessions: i64,
    pub(crate) queue: VecDeque<Queued>,
    pub(crate) answers: VecDeque<(u64, Event)>,
    /// For whom.
    pub(crate) reads: VecDeque<(u64, Token, Query)>,
    /// The server's folders that were deleted or renamed: a mail that moved out of one before, to
    /// the same UID of a new folder, may look like all of it under a new name. That is as true, and
    /// loses nothing.
    pub(crate) deleted: Vec<u32>,
    pub(crate) counting: bool,
    pub(crate) timer: bool,
    /// When that is, where time is told; any moment elsewhere.
    pub(crate) wakes_at: i64,
    pub(crate) faults: bool,
    /// The server's folders that were lied about.
    pub(crate) lies_on: BTreeSet<u32>,
    /// LIST has lied.
    pub(crate) list_lied: bool,
    /// The server's folders that were shut, or at which sessions ended, for a while.
    pub(crate) odd: BTreeSet<u32>,
    /// The server's folders whose history was opened under a lie.
    pub(crate) flagged: BTreeMap<u32, u32>,
    pub(crate) most: usize,
    /// How far the wall clock is off.
    pub(crate) off: i64,
    /// The next commits that the store is to refuse for want of room, for scripts.
    pub(crate) refuse: u32,
    pub(crate) first_open: Option<i64>,
    /// A session has cut literals short.
    pub(crate) cut_short: bool,
    /// A script's folder that tells nothing while it is open; and no folder is opened that need not be.
    pub(crate) mute: Option<String>,
    /// The folder that a session has opened last, and what it held then.
    pub(crate) opened: BTreeMap<SessionId, (WireName, Examined)>,
    /// The boundaries that folders of the first LIST were opened with, by our number.
    pub(crate) boundaries: BTreeMap<FolderId, u32>,
    pub(crate) fetched: u64,
    /// The actor has not opened its account yet.
    pub(crate) newborn: bool,
    /// Mails that were taken for held ones.
    pub(crate) recognitions: u64,
    pub(crate) steps: u64,
    pub(crate) trace: bool,
    /// A run's own waits are of seconds, too.
    pub(crate) slow: bool,
    pub(crate) log: Vec<String>,
    /// Our folder numbers and the server's.
    pub(crate) truth: BTreeMap<FolderId, u32>,
    pub(crate) old: Vec<u32>,
    pub(crate) touched: BTreeMap<u32, u32>,
    pub(crate) moves: Vec<Move>,
    /// Mail that is being written anew, and in which folder.
    pub(crate) rewriting: Option<(u32, Mail)>,
    pub(crate) settings: Settings,
    /// What sessions were asked, for scripts.
    pub(crate) asked: Option<Vec<String>>,
    pub(crate) last_outcome: Option<Outcome>,
    /// When what it failed at is to be tried again.
    pub(crate) last_when: Option<When>,
    /// What the last run that said it had all left unread.
    pub(crate) left_unread: u64,
    pub(crate) last_lines: Vec<postrider_core::run::summary::FolderSummary>,
    /// The follower that begins the runs, where one does.
    pub(crate) life: Option<Life>,
    /// What the account went through before each run.
    pub(crate) history: History,
    /// Sessions have IDLE.
    pub(crate) push: bool,
    /// What its questions cost, in a fleet.
    pub(crate) purse: Option<Purse>,
}
