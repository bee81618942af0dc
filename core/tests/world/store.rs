//! The model store: the core's own commit rules over rows in memory.

use crate::kept::Kept;
use crate::oracle::Trace;
use crate::words::{REWRITTEN, key};
use postrider_core::commit::apply::{apply, may_end_limbo, mistaken as mistaken_row};
use postrider_core::commit::change::{
    AccountChange, Change, Commit, CommitAnswer, FolderChange, Note, Poison, Refusal, StoredRows,
};
use postrider_core::commit::clock::{Correction, is_behind};
use postrider_core::commit::event::EventDraft;
use postrider_core::commit::lane::admit;
use postrider_core::commit::ledger::Ledger;
use postrider_core::commit::rows::{AccountRow, FolderRow, LocationRow};
use postrider_core::failure::Class;
use postrider_core::mail::id::{AccountId, FolderId, Incarnation, MessageId, UidValidity};
use postrider_core::mail::key::HeldKey;
use postrider_core::mail::page::Again;
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::Sampled;
use postrider_core::recovery::asked::Asked;
use postrider_core::run::event::AccountSnapshot;
use postrider_core::run::reads::{FolderRows, HeldSample, Query, QuietProof, Rows};
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Store {
    pub(crate) account: AccountRow,
    pub(crate) folders: BTreeMap<FolderId, FolderRow>,
    pub(crate) ledger: Ledger,
    pub(crate) events: Vec<EventDraft>,
    next_folder: i64,
    pub(crate) refused: u64,
    pub(crate) commits: u64,
    pub(crate) proofs: u64,
    pub(crate) trace: Trace,
    /// How the account stands, as it was written last; unknown where no follower writes it.
    pub(crate) stood: Option<(Standing, String)>,
    /// Ends: folder, UIDVALIDITY, UID and mail, for the scheduler to judge.
    pub(crate) ended: Vec<(FolderId, UidValidity, u32, u32)>,
    /// Commits that ended more than they had evidence for.
    pub(crate) rash: Vec<String>,
    looked: BTreeMap<FolderId, UidSet>,
    /// Folders that a first look at LIST has named.
    list_looked: BTreeSet<FolderId>,
    notes: BTreeMap<Poison, Note>,
    /// What was on its way when processes ended.
    pub(crate) asked: Asked,
    tally: Kept,
    /// How open failures are tried again: their class, and whether they came in a burst.
    rows: BTreeMap<(FolderId, u32), (Class, Again)>,
}

impl Store {
    pub(crate) fn new() -> Self {
        let account = AccountRow::fresh(AccountId(1), Incarnation(0));
        Self {
            account,
            folders: BTreeMap::new(),
            ledger: Ledger::new(1),
            events: Vec::new(),
            next_folder: 1,
            refused: 0,
            commits: 0,
            proofs: 0,
            trace: Trace::default(),
            stood: None,
            ended: Vec::new(),
            rash: Vec::new(),
            looked: BTreeMap::new(),
            list_looked: BTreeSet::new(),
            notes: BTreeMap::new(),
            asked: Asked::default(),
            tally: Kept::default(),
            rows: BTreeMap::new(),
        }
    }

    pub(crate) fn open(&mut self, anew: bool, now: Micros) -> AccountSnapshot {
        self.account.incarnation.0 += i64::from(anew);
        self.correct(now);
        let of = |is: &dyn Fn(Class, Again) -> bool| {
            let rows = |f: &FolderRow| {
                let is_it = |uid: &u32| {
                    self.rows.get(&(f.id, *uid)).is_some_and(|(class, again)| is(*class, *again))
                };
                (f.id, f.failures.iter().filter(is_it).collect())
            };
            self.folders.values().map(rows).collect()
        };
        AccountSnapshot {
            due: of(&|_, again| again != Again::WithBurst),
            lone: of(&|class, again| class != Class::InvalidData || again == Again::Elsewhere),
            burst: of(&|_, again| again == Again::WithBurst),
            folders: self.folders.values().cloned().collect(),
            notes: self.notes.values().cloned().collect(),
            asked: self.asked.clone(),
            stood: self.stood.clone(),
            limbo: self.limbo() > 0,
            ..AccountSnapshot::of(self.account.clone())
        }
    }

    /// A clock that was ahead is no longer believed.
    fn correct(&mut self, now: Micros) {
        let folders: Vec<FolderRow> = self.folders.values().cloned().collect();
        let Some(correction) = Correction::due(&self.account, &folders, now) else { return };
        let dates = || self.ledger.locations().filter_map(|l| l.internal_date);
        if is_behind(dates(), correction) {
            return;
        }
        let below = |l: &&LocationRow| {
            let lanes = self.folders.get(&l.folder).and_then(|row| row.lanes.as_ref());
            lanes.is_some_and(|lanes| l.uid < u64::from(lanes.backfill.boundary))
        };
        let old = self.ledger.locations().filter(below).filter_map(|l| l.internal_date);
        let newest = old.filter(|date| *date <= now).max();
        self.ledger = corrected(&self.ledger, correction);
        self.account.opened_at = self.account.opened_at.map(|at| correction.opened(at, newest));
        correction.account(&mut self.account);
        self.folders.values_mut().for_each(|folder| correction.folder(folder));
    }

    /// A pass that changed nothing.
    pub(crate) fn prove(&mut self, proof: QuietProof) {
        let (folder, started, told, whole) = match proof {
            QuietProof::Pass { folder, started, told, whole } => (folder, started, told, whole),
            QuietProof::List { started } => {
                return self.account.listed_at = self.account.listed_at.max(Some(started));
            }
            QuietProof::Feed(_) => panic!("{proof:?}"),
        };
        let Some(row) = self.folders.get_mut(&folder) else { return };
        self.proofs += 1;
        row.passed_at = row.passed_at.max(Some(started).filter(|_| !told));
        row.proved_at = if whole { row.proved_at.max(Some(started)) } else { row.proved_at };
    }

    /// Rows that a run asks for; of keys, whether two that look alike have one.
    pub(crate) fn read(&self, query: &Query, alike: bool) -> Rows {
        match query {
            Query::Folder { holds: false, .. } => Rows::Folder(FolderRows::default()),
            Query::Folder { folder, uids, .. } => {
                Rows::Folder(self.rows_among(*folder, uids.as_ref()))
            }
            Query::Sample { folder, part } => {
                let rows = self.sample(*folder, *part);
                Rows::Sample(HeldSample { rows, ..HeldSample::default() })
            }
            Query::Keys { folder, after, .. } => Rows::Keys(self.held_keys(*folder, *after, alike)),
            Query::Feed(_) => panic!("{query:?}"),
        }
    }

    /// A sample of a folder's living locations.
    pub(crate) fn sample(&self, folder: FolderId, part: Option<(u32, u32)>) -> Vec<Sampled> {
        let is_in = |uid| part.is_none_or(|(first, last)| (first..=last).contains(&uid));
        let living = self
            .ledger
            .locations()
            .filter(|l| l.folder == folder && l.ended_at.is_none() && is_in(narrow(l.uid)));
        let size = |id| u64::from(self.cid(id) % REWRITTEN);
        let most = if part.is_some() { usize::MAX } else { 20 };
        living
            .take(most)
            .map(|l| Sampled {
                uid: narrow(l.uid),
                size: size(l.message),
                internal_date: l.internal_date,
            })
            .collect()
    }

    /// What living locations are recognised by, some behind a UID.
    pub(crate) fn held_keys(&self, folder: FolderId, after: u32, alike: bool) -> Vec<HeldKey> {
        let living = self.ledger.locations().filter(|l| l.folder == folder && l.ended_at.is_none());
        let mut rows: Vec<HeldKey> = living
            .filter(|l| l.uid > u64::from(after))
            .map(|l| HeldKey {
                uid: narrow(l.uid),
                key: key(self.cid(l.message), l.internal_date, alike),
                message: l.message,
            })
            .collect();
        rows.sort_by_key(|row| row.uid);
        rows.truncate(3);
        rows
    }

    /// Which mail a message is.
    pub(crate) fn cid(&self, id: MessageId) -> u32 {
        let message = self.ledger.messages().find(|m| m.id == id);
        let bytes = message.map(|m| [m.body.0[0], m.body.0[1], m.body.0[2], m.body.0[3]]);
        bytes.map_or(0, u32::from_be_bytes)
    }

    /// Notes what a commit ends, for the scheduler to judge.
    fn note_ends(&mut self, folder: FolderId, uids: &UidSet) {
        let Some(row) = self.folders.get(&folder) else { return };
        let uidvalidity = row.uidvalidity();
        for uid in uids.iter() {
            let is_it = |l: &&LocationRow| {
                l.folder == folder && l.uidvalidity == uidvalidity && l.uid == u64::from(uid)
            };
            let cid = self.ledger.locations().find(is_it).map_or(0, |l| self.cid(l.message));
            self.ended.push((folder, uidvalidity, uid, cid));
        }
    }

    pub(crate) fn rows(&self, folder: FolderId) -> FolderRows {
        self.rows_among(folder, None)
    }

    pub(crate) fn rows_among(&self, folder: FolderId, uids: Option<&UidSet>) -> FolderRows {
        let mut living = UidFlags::default();
        let is_meant = |uid: u64| uids.is_none_or(|uids| uids.contains(narrow(uid)));
        let alive = self.ledger.locations().filter(|l| l.folder == folder && l.ended_at.is_none());
        for l in alive.filter(|l| is_meant(l.uid)) {
            living.push(narrow(l.uid), l.flags.clone());
        }
        let failures = self.folders.get(&folder).map(|f| f.failures.clone()).unwrap_or_default();
        FolderRows { living: living.finished(), failures }
    }

    /// A lie in the past: the folder's cursor has passed over this UID.
    pub(crate) fn skip(&mut self, folder: FolderId, uid: u32) {
        let live = &mut self.folders.get_mut(&folder).unwrap().lanes.as_mut().unwrap().live;
        live.uidnext = uid + 1;
        live.mark.uidnext = uid + 1;
        live.mark.exists += 1;
    }

    pub(crate) fn limbo(&self) -> u64 {
        self.ledger.messages().filter(|m| m.limbo_since.is_some()).count() as u64
    }

    /// More than max(floor, 20 %) may end only when a stored first look has named it.
    fn is_rash(&self, folder: FolderId, gone: &UidSet, floor: u64) -> bool {
        let living = self.rows(folder).living.uids();
        let ends = gone.intersect(&living);
        let looked = self.looked.get(&folder).cloned().unwrap_or_default();
        // A page on its way counted like rows when this was judged; it may have become rows of the
        // ledger since.
        let failed = self.folders.get(&folder).map_or(0, |row| row.failures.minus(&living).len());
        let limit = floor.max((living.len() + failed) / 5);
        ends.len() > limit && ends.minus(&looked).len() > limit
    }

    pub(crate) fn commit(&mut self, commit: Commit, guard_floor: u64) -> CommitAnswer {
        let id = commit.change.folder();
        let before = match (&commit.change, id) {
            (Change::Folder(FolderChange::Open { folder, .. }), _) => {
                self.folders.values().find(|f| f.remote_id == folder.remote_id).cloned()
            }
            (_, Some(id)) => self.folders.get(&id).cloned(),
            _ => None,
        };
        let about = before.as_ref().map_or_else(String::new, |row| row.path.clone());
        let mut admitted = match admit(
            &self.account,
            before.as_ref(),
            commit.incarnation,
            &commit.change,
            commit.at,
            FolderId(self.next_folder),
        ) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.refused += 1;
                self.trace.add(&about, &(refusal, &commit.change));
                let rows = StoredRows::of(self.account.clone(), before);
                return CommitAnswer::Refused(
                    refusal,
                    (refusal != Refusal::Incarnation).then(|| Box::new(rows)),
                );
            }
        };
        self.commits += 1;
        self.trace.add(&about, &commit.change);
        match &commit.change {
            Change::Folder(FolderChange::Open { .. }) => self.next_folder += 1,
            Change::Folder(FolderChange::Facts { folder, gone, .. })
                if self.is_rash(*folder, gone, guard_floor) =>
            {
                self.rash.push(format!("{folder} lost {gone} on one look"));
            }
            Change::Folder(FolderChange::Facts { folder, gone, .. }) => {
                self.note_ends(*folder, gone);
            }
            Change::Folder(FolderChange::DropFolder { folder, uids, .. }) => {
                if !self.list_looked.contains(folder) {
                    self.rash.push(format!("folder {folder} was dropped on one look"));
                }
                self.note_ends(*folder, uids);
            }
            Change::Account(AccountChange::Stand { standing, reason, .. })
                if self.stood.is_some() =>
            {
                self.stood = Some((*standing, reason.clone()));
            }
            Change::Account(AccountChange::ListLook(look)) => {
                self.list_looked.extend(&look.missing)
            }
            Change::Account(AccountChange::Asked(asked)) => self.asked = asked.clone(),
            Change::Account(AccountChange::Note(note)) if note.count == 0 => {
                drop(self.notes.remove(&note.about))
            }
            Change::Account(AccountChange::Note(note)) => {
                drop(self.notes.insert(note.about.clone(), note.clone()))
            }
            Change::Folder(FolderChange::Look { folder, look }) => {
                let looked = self.looked.entry(*folder).or_default();
                *looked = looked.union(&look.ends);
            }
            Change::Account(AccountChange::Listed { excluded, .. }) => {
                for folder in self.folders.values_mut() {
                    folder.excluded = excluded.contains(&folder.id);
                }
            }
            _ => {}
        }
        if let (Some(page), Some(id)) = (commit.change.page(), id) {
            for failed in &page.failed {
                self.rows.insert((id, failed.uid), (failed.class, failed.again));
            }
        }
        let sweep = may_end_limbo(&commit.change, &admitted);
        if let Change::Folder(change) = &commit.change {
            let mistaken = apply(change, before.as_ref(), &admitted, commit.at, &mut self.ledger);
            if let Some(row) = &mut admitted.folder {
                row.failures = row.failures.union(&mistaken);
                for failed in mistaken.iter().map(mistaken_row) {
                    self.rows.insert((row.id, failed.uid), (failed.class, failed.again));
                }
            }
        }
        self.account = admitted.account.clone();
        match (&admitted.folder, id) {
            (Some(row), _) => {
                self.folders.insert(row.id, row.clone());
            }
            (None, Some(id)) => {
                self.folders.remove(&id);
            }
            (None, None) => {}
        }
        if sweep {
            let folders: Vec<FolderRow> = self.folders.values().cloned().collect();
            self.ledger.sweep(&self.account, &folders, commit.at);
        }
        let writes = self.ledger.take_writes();
        self.tally.add(&writes.tally);
        if let Some(wrong) = self.tally.differs(&self.ledger) {
            self.rash.push(wrong);
        }
        self.events.extend(writes.events);
        CommitAnswer::Done(Box::new(StoredRows::of(admitted.account, admitted.folder)))
    }
}

/// A UID is one wherever there are folders.
pub(crate) fn narrow(uid: u64) -> u32 {
    u32::try_from(uid).unwrap()
}

/// Messages and locations, with what lay ahead brought back.
pub(crate) fn corrected(ledger: &Ledger, correction: Correction) -> Ledger {
    let mut back = Ledger::new(ledger.next_message());
    for message in ledger.messages() {
        let mut message = message.clone();
        correction.message(&mut message);
        back.load_message(message);
    }
    for location in ledger.locations() {
        back.load_location(location.clone());
    }
    back
}
