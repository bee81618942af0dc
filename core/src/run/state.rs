//! A run's memory: the rows as last acknowledged, what is asked and sent, and what has been done.

use crate::commit::change::{Change, Commit, Poison};
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::folder::ListedFolder;
use crate::mail::id::{FolderId, SessionId};
use crate::mail::page::Suspect;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Request;
use crate::recovery::history::History;
use crate::run::event::{Depth, Scope};
use crate::run::folders::listing::Listing;
use crate::run::folders::pass::Pass;
use crate::run::folders::roll::Folders;
use crate::run::machine::{Action, RunStart, Token};
use crate::run::settings::Settings;
use crate::run::summary::{Counts, FolderLine};
use crate::standing::Standing;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Whom an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The LIST of this generation, and what follows from it.
    Listing(u32),
    /// The pass of a folder.
    Pass(FolderId, u32),
    /// A page of a folder; the token is the fetch's.
    Page(FolderId, Token),
    /// Whether a folder can be opened, before a mail in it is asked for that sessions end at.
    Probe(FolderId),
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
    pub(super) stalled: Option<Failure>,
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
    /// Failures that are due and are asked for alone: the mail, or its line, ended sessions.
    pub(super) lone: UidSet,
    /// Failures that came in a burst and are not due: as soon as one of them comes, they are.
    pub(super) burst: UidSet,
    /// The rest of a burst, while one of it is tried.
    pub(super) canaries: UidSet,
    /// Messages of another length than was announced, their bytes sealed: another session is to say the same.
    pub(super) suspects: BTreeMap<u32, Suspect>,
    /// Messages in a page, where sessions have ended.
    pub(super) page: Option<usize>,
    /// Its pages on their way are settled before it is passed again.
    pub(super) settles_first: bool,
    /// It has refused, and may have another name by now: LIST is asked before it is asked again.
    pub(super) doubted: bool,
    /// Refusals of its EXAMINE in this run.
    pub(super) refusals: u8,
    /// A page of its newest mail was asked for before other folders were opened.
    pub(super) paged: bool,
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
    pub(super) fn new(row: FolderRow) -> Self {
        Self {
            chain: row.live.uidnext,
            row,
            pass: None,
            wanted: true,
            depth: Depth::Full,
            looked: false,
            seen: None,
            stalled: None,
            fills: BTreeMap::new(),
            fresher: UidSet::new(),
            index: None,
            flagged: UidSet::new(),
            due: UidSet::new(),
            lone: UidSet::new(),
            burst: UidSet::new(),
            canaries: UidSet::new(),
            suspects: BTreeMap::new(),
            page: None,
            settles_first: false,
            doubted: false,
            refusals: 0,
            paged: false,
            whole: false,
            generation: 0,
            unproven: false,
            proofs: 0,
        }
    }

    pub(super) fn is_inbox(&self) -> bool {
        self.row.path.eq_ignore_ascii_case("INBOX")
    }

    /// Nothing of what the last pass saw is left to read.
    pub(super) fn has_read_all(&self) -> bool {
        self.index.as_ref().is_none_or(|index| index.intersect(&self.row.backfill.remaining).is_empty())
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

#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) scope: Scope,
    /// The public state and its reason, as stored.
    pub(super) stood: Option<(Standing, String)>,
    pub(super) account: AccountRow,
    pub(super) folders: Folders,
    pub(super) listing: Listing,
    /// Numbers the LISTs, so that acknowledgements of an earlier one are known.
    pub(super) generation: u32,
    /// Names that are asked when all else is done: shut ones that are due, and those at which sessions have ended.
    pub(super) late: VecDeque<ListedFolder>,
    /// When the last LIST of this run began.
    pub(super) listed_from: Micros,
    /// Things at which sessions have ended, and how many.
    pub(super) notes: BTreeMap<Poison, u32>,
    /// Sessions that ended so in this run.
    pub(super) cuts: u32,
    /// Wire names about which this session has answered something.
    pub(super) answered: BTreeSet<Vec<u8>>,
    /// Wire names that were opened, and those whose index was told, in this run.
    pub(super) opened: BTreeSet<Vec<u8>>,
    pub(super) indexed: BTreeSet<Vec<u8>>,
    /// The session that told suspicious lengths: another one is asked.
    pub(super) suspicious: Option<SessionId>,
    /// Lengths that two sessions told alike, against RFC822.SIZE.
    pub(super) equal_sizes: u32,
    pub(super) session: Option<SessionId>,
    /// What is asked: for whom, and whether it is a page.
    pub(super) asks: BTreeMap<Token, (Owner, bool)>,
    /// The questions that are open and not pages, for their names.
    pub(super) about: BTreeMap<Token, Request>,
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
    pub(super) fn new(start: RunStart, account: AccountRow) -> Self {
        let RunStart { settings, history, scope } = start;
        Self {
            settings,
            scope,
            stood: None,
            account,
            folders: Folders::default(),
            listing: Listing::Wanted,
            generation: 0,
            late: VecDeque::new(),
            listed_from: Micros::default(),
            notes: BTreeMap::new(),
            cuts: 0,
            answered: BTreeSet::new(),
            opened: BTreeSet::new(),
            indexed: BTreeSet::new(),
            suspicious: None,
            equal_sizes: 0,
            about: BTreeMap::new(),
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

    /// The store could not take a commit now. A page is sent again; what a LIST concluded is not: the next one decides.
    pub(super) fn not_taken(&mut self, token: Token, commit: Commit) {
        match self.commits.get(&token) {
            Some(Owner::Listing(generation)) => {
                let current = *generation == self.generation;
                self.commits.remove(&token);
                if current {
                    self.listing = match std::mem::replace(&mut self.listing, Listing::Wanted) {
                        Listing::Closing => Listing::Wanted,
                        other => other,
                    };
                    self.break_off_listing();
                }
            }
            Some(_) => {
                self.parked.insert(token, commit);
            }
            None => {}
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

    /// What is shut and not due is left alone from the beginning.
    pub(super) fn leave_shut(&mut self, now: Now) {
        if self.insists() {
            return;
        }
        for (name, shut) in self.account.shut.clone() {
            let id = self.folders.named(&name).map(|f| f.row.id).filter(|_| shut.due_at > now.wall);
            if let Some(id) = id {
                let text = "it could not be opened, and is asked again later";
                let failure = Failure::new(Class::Provider, Reach::Folder, Provenance::Server, text);
                self.set_standing(id, failure);
            }
        }
    }

    /// Whether a human asks: then what is shut, or waits for another try, is looked at now.
    pub(super) fn insists(&self) -> bool {
        self.scope == Scope::Insist
    }

    /// The folder is left alone for the rest of the run.
    pub(super) fn set_standing(&mut self, id: FolderId, failure: Failure) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.pass = None;
            folder.wanted = false;
            folder.looked = true;
            folder.index = None;
            folder.due = UidSet::new();
            folder.lone = UidSet::new();
            folder.suspects.clear();
            folder.stalled = Some(failure);
        }
    }

    /// A folder is to be passed (again).
    pub(super) fn want(&mut self, folder: FolderId, depth: Depth) {
        if let Some(folder) = self.folders.get_mut(&folder)
            && folder.stalled.is_none()
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
            stalled: f.stalled.is_some(),
            shut: self.account.shut.contains_key(&f.row.remote_id),
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

    pub(super) fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    pub(super) fn ask(&mut self, owner: Owner, request: Request, out: &mut Vec<Action>) {
        let token = self.token();
        self.asks.insert(token, (owner, false));
        self.about.insert(token, request.clone());
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

    pub(super) fn read_sample(
        &mut self,
        owner: Owner,
        folder: FolderId,
        part: Option<(u32, u32)>,
        out: &mut Vec<Action>,
    ) -> Token {
        let token = self.token();
        self.commits.insert(token, owner);
        out.push(Action::ReadSample { token, folder, part });
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
        fetching + self.folders.sealed()
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
        Counts { folders: self.folders.looked(), remaining: self.folders.unread(), ..self.counts }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::id::{AccountId, Incarnation};

    #[test]
    fn stamps_never_go_back() {
        let (settings, history, scope) = (Settings::default(), History::default(), Scope::Everything);
        let start = RunStart { settings, history, scope };
        let mut run = Run::new(start, AccountRow::fresh(AccountId(1), Incarnation(1)));
        let at = |seconds| Now { wall: Micros::from_seconds(seconds), mono: std::time::Duration::ZERO };
        let stamps = [run.stamp(at(100)), run.stamp(at(40)), run.stamp(at(99)), run.stamp(at(101))];
        assert!(stamps.windows(2).all(|w| w[0] < w[1]), "{stamps:?}");
        run.stamp_after(Some(Micros::from_seconds(500)));
        assert!(run.stamp(at(102)) > Micros::from_seconds(500));
    }
}
