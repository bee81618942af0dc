//! A run's memory: the rows as last acknowledged, what is asked and sent, and what has been done.

use crate::account::event::{Depth, Scope};
use crate::account::filter::FolderFilter;
use crate::account::listing::Listing;
use crate::account::machine::{Action, Start, Token};
use crate::account::pass::Pass;
use crate::account::summary::{Counts, FolderLine};
use crate::commit::request::{Change, Commit};
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::Failure;
use crate::mail::change::Request;
use crate::mail::id::{FolderId, SessionId};
use crate::mail::uid_set::UidSet;
use crate::recovery::decide::Policy;
use crate::recovery::history::History;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a run may know of the config.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Retries and waits.
    pub policy: Policy,
    /// How long a first look waits for its second.
    pub confirm_after: Duration,
    /// Absences up to this number need no second look (20 % of a folder beside it).
    pub guard_floor: u64,
    /// Messages in a page.
    pub page_messages: usize,
    /// Pages being read, or sealed and not acknowledged: two beside the one being read.
    pub pages_in_flight: usize,
    /// The newest messages of each folder that come before history.
    pub recent_messages: u64,
    /// The folders wanted.
    pub folders: FolderFilter,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            confirm_after: Duration::from_secs(60),
            guard_floor: 50,
            page_messages: 500,
            pages_in_flight: 3,
            recent_messages: 1000,
            folders: FolderFilter::default(),
        }
    }
}

/// Whom an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The LIST and what follows from it.
    Listing,
    /// The pass of a folder.
    Pass(FolderId, u32),
    /// A page of a folder; the token is the fetch's.
    Page(FolderId, Token),
    /// A commit that nobody waits for but the end of the run.
    Nobody,
}

/// Why a page is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FillKind {
    Backfill,
    Arrivals,
    Retry,
}

/// A page on its way: from its FETCH on until it is committed or dropped.
#[derive(Debug)]
pub(super) struct Fill {
    pub(super) kind: FillKind,
    /// Every UID asked for.
    pub(super) asked: UidSet,
    /// What the page still has to settle (backfill: holes included).
    pub(super) open: UidSet,
    /// Whether the session still owes parts.
    pub(super) fetching: bool,
    /// A link before it in the chain was refused or dropped: what still comes of it is not committed.
    pub(super) dead: bool,
    /// Commits sent and not acknowledged, with the messages, octets and failures in each.
    pub(super) unacked: VecDeque<(u64, u64, u64)>,
}

/// A folder in a run.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) row: FolderRow,
    /// The pass that is under way.
    pub(super) pass: Option<Pass>,
    /// Passes asked for and not begun.
    pub(super) wanted: bool,
    /// How closely the next pass looks.
    pub(super) depth: Depth,
    /// Whether this round's pass has ended (well, or held back).
    pub(super) looked: bool,
    /// How closely this run has looked at it, at most.
    pub(super) seen: Option<Depth>,
    /// Why it stands still in this run.
    pub(super) standing: Option<Failure>,
    /// Pages on their way, by the token of their fetch.
    pub(super) fills: BTreeMap<Token, Fill>,
    /// UIDs asked for since the pass under way asked for its index: their pages are fresher than it.
    pub(super) fresher: UidSet,
    /// What the last pass saw in `remaining`; `None` before this run's first pass.
    pub(super) index: Option<UidSet>,
    /// The flagged ones of those.
    pub(super) flagged: UidSet,
    /// Failures that are due for another try.
    pub(super) due: UidSet,
    /// Whether that pass saw a whole listing: only then are UIDs that it did not show holes.
    pub(super) whole: bool,
    /// The `uidnext` that the last arrivals page sent will leave.
    pub(super) chain: u32,
    /// Numbers the passes, so that answers to an earlier one are known.
    pub(super) generation: u32,
    /// History was read in this run: another pass proves it.
    pub(super) unproven: bool,
    /// Passes that were to prove what had just been read.
    pub(super) proofs: u8,
}

impl Folder {
    pub(super) fn new(row: FolderRow, due: UidSet) -> Self {
        Self {
            chain: row.live.uidnext,
            row,
            pass: None,
            wanted: true,
            depth: Depth::Full,
            looked: false,
            seen: None,
            standing: None,
            fills: BTreeMap::new(),
            fresher: UidSet::new(),
            index: None,
            flagged: UidSet::new(),
            due,
            whole: false,
            generation: 0,
            unproven: false,
            proofs: 0,
        }
    }

    /// UIDs whose page is on its way.
    pub(super) fn in_flight(&self) -> UidSet {
        self.fills.values().fold(UidSet::new(), |all, fill| all.union(&fill.asked))
    }

    /// The parts of `remaining` that pages on their way will take out.
    pub(super) fn claimed(&self) -> UidSet {
        let backfill = self.fills.values().filter(|f| f.kind == FillKind::Backfill);
        backfill.fold(UidSet::new(), |all, fill| all.union(&fill.open).union(&fill.asked))
    }
}

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) scope: Scope,
    /// The public state and its reason, as stored.
    pub(super) stored_state: (String, String),
    pub(super) account: AccountRow,
    pub(super) folders: BTreeMap<FolderId, Folder>,
    pub(super) listing: Listing,
    pub(super) session: Option<SessionId>,
    pub(super) asks: BTreeMap<Token, (Owner, bool)>,
    pub(super) commits: BTreeMap<Token, Owner>,
    /// Commits that the store could not take, to be sent again in order.
    pub(super) parked: BTreeMap<Token, Commit>,
    pub(super) counts: Counts,
    pub(super) left: Vec<String>,
    pub(super) history: History,
    pub(super) started: Micros,
    pub(super) rounds: u8,
    /// Commits that were refused.
    pub(super) refusals: u32,
    /// Asked how much is in limbo.
    pub(super) counting: bool,
    /// LIST was asked in this run.
    pub(super) listed: bool,
    /// A large absence waits for a second look.
    pub(super) second_look: bool,
    stamp: Micros,
    pub(super) next_token: u64,
}

impl Run {
    pub(super) fn new(start: Start, account: AccountRow) -> Self {
        let Start { settings, history, scope } = start;
        Self {
            settings,
            scope,
            stored_state: Default::default(),
            account,
            folders: BTreeMap::new(),
            listing: Listing::Wanted,
            session: None,
            asks: BTreeMap::new(),
            commits: BTreeMap::new(),
            parked: BTreeMap::new(),
            counts: Counts::default(),
            left: Vec::new(),
            history,
            started: Micros::default(),
            rounds: 0,
            refusals: 0,
            counting: false,
            listed: false,
            second_look: false,
            stamp: Micros::default(),
            next_token: 0,
        }
    }

    /// Leaves out what the run is not to look at. Before an account's first LIST there is nothing to leave out.
    pub(super) fn narrow(&mut self) {
        let Scope::Some { list, folders } = &self.scope else { return };
        if self.account.listed_at.is_none() {
            return;
        }
        for folder in self.folders.values_mut() {
            folder.wanted = folders.contains_key(&folder.row.id);
            folder.depth = folders.get(&folder.row.id).copied().unwrap_or_default();
        }
        if !list {
            self.listing = Listing::Done;
        }
    }

    /// A folder is to be passed (again).
    pub(super) fn want(&mut self, folder: FolderId, depth: Depth) {
        if let Some(folder) = self.folders.get_mut(&folder)
            && folder.standing.is_none()
        {
            folder.depth = if folder.wanted { folder.depth.max(depth) } else { depth };
            folder.wanted = true;
        }
    }

    /// The folders, for the schedule.
    pub(super) fn lines(&self) -> Vec<FolderLine> {
        let line = |f: &Folder| FolderLine {
            id: f.row.id,
            remote_id: f.row.remote_id.clone(),
            path: f.row.path.clone(),
            role: f.row.role,
            excluded: f.row.excluded,
            standing: f.standing.is_some(),
            looked: f.seen,
            mark: f.row.live.mark,
            unread: !f.row.backfill.remaining.is_empty(),
        };
        self.folders.values().map(line).collect()
    }

    /// An instant later than every earlier one of this account, also across a wall clock that jumps back.
    pub(super) fn stamp(&mut self, now: Now) -> Micros {
        self.stamp = Micros(now.wall.0.max(self.stamp.0.saturating_add(1)));
        self.stamp
    }

    /// Makes [`Run::stamp`] later than `instant`.
    pub(super) fn stamp_after(&mut self, instant: Option<Micros>) {
        self.stamp = self.stamp.max(instant.unwrap_or_default());
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    pub(super) fn ask(&mut self, owner: Owner, request: Request, out: &mut Vec<Action>) {
        let token = self.token();
        self.asks.insert(token, (owner, false));
        out.push(Action::Ask { token, request });
    }

    pub(super) fn ask_page(&mut self, folder: FolderId, request: Request, out: &mut Vec<Action>) -> Token {
        let token = self.token();
        self.asks.insert(token, (Owner::Page(folder, token), true));
        out.push(Action::Ask { token, request });
        token
    }

    pub(super) fn read_rows(&mut self, owner: Owner, folder: FolderId, out: &mut Vec<Action>) {
        let token = self.token();
        self.commits.insert(token, owner);
        out.push(Action::ReadRows { token, folder });
    }

    pub(super) fn read_sample(&mut self, folder: FolderId, out: &mut Vec<Action>) -> Token {
        let token = self.token();
        self.commits.insert(token, Owner::Listing);
        out.push(Action::ReadSample { token, folder });
        token
    }

    pub(super) fn commit(&mut self, owner: Owner, change: Change, now: Now, out: &mut Vec<Action>) {
        let token = self.token();
        let at = self.stamp(now);
        let commit = Commit { account: self.account.id, incarnation: self.account.incarnation, at, change };
        self.commits.insert(token, owner);
        out.push(Action::Commit { token, commit: Box::new(commit) });
    }

    /// Fetches under way and pages not acknowledged.
    pub(super) fn pages_in_flight(&self) -> usize {
        let fetching = self.asks.values().filter(|(_, page)| *page).count();
        let sealed: usize = self.folders.values().flat_map(|f| f.fills.values()).map(|fill| fill.unacked.len()).sum();
        fetching + sealed
    }

    /// The folders that this run looks at, INBOX first, then by number.
    pub(super) fn order(&self) -> Vec<FolderId> {
        let mut ids: Vec<FolderId> = self.folders.values().filter(|f| !f.row.excluded).map(|f| f.row.id).collect();
        let inbox = |id: &FolderId| self.folders.get(id).is_none_or(|f| !f.row.path.eq_ignore_ascii_case("INBOX"));
        ids.sort_by_key(|id| (inbox(id), *id));
        ids
    }

    /// The pass of a folder that is under way, as the owner of what it asks and sends.
    pub(super) fn pass_owner(&self, folder: FolderId) -> Owner {
        Owner::Pass(folder, self.folders.get(&folder).map_or(0, |f| f.generation))
    }

    /// Whether an answer belongs to the pass that is under way.
    pub(super) fn is_current(&self, folder: FolderId, generation: u32) -> bool {
        self.folders.get(&folder).is_some_and(|f| f.generation == generation)
    }

    /// What has been done, and what remains as far as is known.
    pub(super) fn totals(&self) -> Counts {
        let unread = |f: &Folder| f.index.as_ref().map_or(0, |i| i.intersect(&f.row.backfill.remaining).len());
        let looked = self.folders.values().filter(|f| f.looked && !f.row.excluded).count() as u64;
        Counts { folders: looked, remaining: self.folders.values().map(unread).sum(), ..self.counts }
    }

    /// Replaces the folder's row by what the store says.
    pub(super) fn stored(&mut self, account: AccountRow, folder: Option<FolderRow>) {
        self.account = account;
        if let Some(row) = folder
            && let Some(known) = self.folders.get_mut(&row.id)
        {
            // What the config wants is known here first.
            known.row = FolderRow { excluded: known.row.excluded, ..row };
        }
    }
}

/// Notes what the run leaves undone, once.
pub(super) fn leave(left: &mut Vec<String>, text: String) {
    if !left.contains(&text) {
        left.push(text);
    }
}
