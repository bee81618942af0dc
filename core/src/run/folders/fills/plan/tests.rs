//! In which order a folder's past is asked for, and that every UID of it is settled once.

use super::*;
use crate::commit::change::Change;
use crate::commit::lane::admit;
use crate::commit::rows::AccountRow;
use crate::mail::cursor::Mark;
use crate::mail::folder::ListedFolder;
use crate::mail::id::{AccountId, Incarnation, SessionId, UidValidity};
use crate::mail::recognise::IdentityKind;
use crate::provider::folders::Sampled;
use crate::provider::{Proof, Request};
use crate::recovery::history::History;
use crate::run::context::{Common, RunCtx, RunStart};
use crate::run::event::Action;
use crate::run::first::FirstOf;
use crate::run::folders::context::FolderFacts;
use crate::run::folders::notes::Notes;
use crate::run::folders::passes::part::{LastListing, PassPart};
use crate::run::scope::Scope;
use crate::time::{Micros, Now};
use proptest::prelude::*;
use std::collections::VecDeque;

/// An account with one folder, passed once: its index is what the pass saw.
struct Table {
    shared: Common<Owner>,
    fills: Fills,
    folders: Folders,
    index: UidSet,
}

/// What is asked for, and what the page is to take out of `remaining`.
type AskedPage = (String, String);

impl Table {
    fn new(top: u32, index: &UidSet, page_messages: usize, recent_messages: u64) -> Self {
        let settings =
            Settings { page_messages, recent_messages, pages_in_flight: 1, ..Settings::default() };
        let account = AccountRow {
            listed_at: Some(Micros(2)),
            ..AccountRow::fresh(AccountId(1), Incarnation(1))
        };
        let folder =
            ListedFolder { remote_id: b"B".into(), path: "B".into(), delimiter: None, role: None };
        let mark = Mark { uidnext: top + 1, exists: 0, modseq: 0 };
        let (uidvalidity, started, newest) = (UidValidity(7), Micros(1), None);
        let names = account.names;
        let open = Change::Folder(FolderChange::Open {
            folder,
            uidvalidity,
            mark,
            started,
            newest,
            names,
        });
        let row =
            admit(&account, None, Incarnation(1), &open, Micros(1), FolderId(1)).unwrap().folder;
        let start = RunStart { settings, history: History::default(), scope: Scope::Everything };
        let mut shared = Common::new(start, account.clone(), None);
        shared.session = Some(SessionId(1));
        let mut folder = Folder::new(row.unwrap()).unwrap();
        folder.pass = PassPart::of_scope(None);
        let mut folders = Folders::default();
        folders.insert(folder);
        let mut table = Self { shared, fills: Fills::default(), folders, index: index.clone() };
        table.listed(UidSet::new(), true);
        table
    }

    /// The pass has seen these to be flagged, in a whole listing or not.
    fn listed(&mut self, flagged: UidSet, whole: bool) {
        let listing = LastListing::of(self.index.clone(), flagged, whole);
        self.folder().listing = listing;
    }

    fn folder(&mut self) -> &mut Folder {
        self.folders.get_mut(&FolderId(1)).unwrap()
    }

    /// Works on it.
    fn with(&mut self, work: impl FnOnce(&Fills, &mut FolderCx<'_>)) -> Vec<Action> {
        let mut out = Vec::new();
        let mut cx = FolderCx {
            run: RunCtx::new(&mut self.shared, Now::default(), &mut out),
            folders: &mut self.folders,
            notes: &Notes::default(),
            known: &FolderFacts {
                proof: Proof::default(),
                names: IdentityKind::Hash,
                is_first: false,
                listed: true,
                seeks: false,
            },
            wants: Vec::new(),
        };
        work(&self.fills, &mut cx);
        out
    }

    /// The session ends.
    fn cut(&mut self) {
        self.with(|fills, cx| fills.cut_off(cx));
    }

    /// Plans; returns what is asked for.
    fn plan(&mut self) -> VecDeque<String> {
        let at = PagePlan { is_listed: true, is_passing: false, open: None };
        let out = self.with(|fills, cx| fills.plan(&at, cx));
        self.shared.book.asks.clear();
        self.shared.book.pending.clear();
        let asked = out.iter().filter_map(|action| match action {
            Action::Ask {
                request: Request::Folders(FolderRequest::Fetch { uids, .. }), ..
            } => Some(uids.to_string()),
            _ => None,
        });
        asked.collect()
    }

    /// Whose dates are asked for.
    fn dates(&mut self) -> Option<String> {
        self.folder().fill.first.asking().map(ToString::to_string)
    }

    /// Dates come, or will not.
    fn tell(&mut self, rows: Option<Vec<Sampled>>) {
        let wishes = self.shared.settings.first.clone();
        self.folder().fill.first.told(&wishes, rows);
    }

    /// Plans, and lets what was asked for be read and committed whole.
    fn turn(&mut self) -> Vec<AskedPage> {
        let mut asked = self.plan();
        let folder = self.folder();
        let mut told = Vec::new();
        for fill in std::mem::take(&mut folder.fill.pages).into_values() {
            let uids = if fill.asked.is_empty() { None } else { asked.pop_front() };
            told.push((uids.unwrap_or_default(), fill.open.to_string()));
            let remaining = &mut folder.lanes.backfill.remaining;
            assert!(remaining.contains_all(&fill.open), "{} is not in {remaining}", fill.open);
            *remaining = remaining.minus(&fill.open);
        }
        told
    }

    fn all(&mut self) -> Vec<AskedPage> {
        let mut told = Vec::new();
        for _ in 0..200 {
            let turn = self.turn();
            if turn.is_empty() {
                return told;
            }
            told.extend(turn);
        }
        panic!("it plans for ever: {told:?}");
    }
}

fn set(text: &str) -> UidSet {
    let one = |uid: &str| uid.parse::<u32>().unwrap();
    text.split_whitespace().map(one).collect()
}

fn told(asked: &[AskedPage]) -> Vec<(&str, &str)> {
    asked.iter().map(|(uids, open)| (uids.as_str(), open.as_str())).collect()
}

/// The newest come first, then history downwards; a page takes the holes around its UIDs along.
#[test]
fn history_is_read_downwards_with_its_holes() {
    let mut table = Table::new(10, &set("2 3 5 8 9"), 2, 2);
    let want = [("8:9", "8:10"), ("3,5", "3:7"), ("2", "1:2")];
    assert_eq!(told(&table.all()), want);
    // Nothing is there: the holes alone are closed.
    let mut table = Table::new(4, &UidSet::new(), 2, 2);
    assert_eq!(told(&table.all()), [("", "1:4")]);
    // All in one page.
    let mut table = Table::new(3, &set("2"), 5, 1);
    assert_eq!(told(&table.all()), [("2", "1:3")]);
}

/// Flagged mail comes before all else, alone: the holes around it stay for history.
#[test]
fn flagged_mail_comes_first() {
    let mut table = Table::new(9, &set("1 4 7 9"), 1, 1);
    table.listed(set("4"), true);
    assert_eq!(told(&table.all()), [("4", "4"), ("9", "9"), ("7", "7:8"), ("1", "1:3,5:6")]);
}

/// What the pass did not list whole has no holes that could be known: only what was seen is taken.
#[test]
fn without_a_whole_listing_nothing_is_taken_for_a_hole() {
    let mut table = Table::new(9, &set("4 7"), 5, 5);
    table.listed(UidSet::new(), false);
    assert_eq!(told(&table.all()), [("4,7", "4,7")]);
    assert_eq!(table.folder().lanes.backfill.remaining.to_string(), "1:3,5:6,8:9");
}

/// Failures that are due come after history, in pages; what is not due is left alone.
#[test]
fn due_failures_come_last() {
    let mut table = Table::new(9, &set("9"), 2, 1);
    let folder = table.folder();
    (folder.row.failures, folder.fill.due) = (set("2 3 4 6"), set("2 3 4"));
    folder.lanes.backfill.remaining = set("9");
    let mut asked: Vec<String> = Vec::new();
    for _ in 0..6 {
        asked.extend(table.plan());
        let folder = table.folder();
        for fill in std::mem::take(&mut folder.fill.pages).into_values() {
            folder.lanes.backfill.remaining = folder.lanes.backfill.remaining.minus(&fill.open);
            folder.row.failures = folder.row.failures.minus(&fill.asked);
        }
    }
    assert_eq!(asked, ["9", "2:3", "4"]);
}

proptest! {
    /// Whatever is there and whatever is flagged: the pages are disjoint, settle the whole past,
    /// and ask for each mail once.
    #[test]
    fn every_uid_is_settled_once(
        top in 1_u32..40,
        seen in prop::collection::btree_set(1_u32..40, 0..30),
        flagged in prop::collection::btree_set(1_u32..40, 0..6),
        page in 1_usize..6,
        recent in 0_u64..8,
    ) {
        let index: UidSet = seen.into_iter().filter(|uid| *uid <= top).collect();
        let mut table = Table::new(top, &index, page, recent);
        table.listed(flagged.into_iter().collect::<UidSet>().intersect(&index), true);
        let pages = table.all();
        prop_assert!(table.folder().lanes.backfill.remaining.is_empty());
        let asked: usize = pages.iter().filter(|(uids, _)| !uids.is_empty()).count();
        prop_assert!(asked <= usize::try_from(index.len()).unwrap());
    }
}

/// What somebody asked for comes first, then what comes first for everybody; the rest is for another run.
#[test]
fn what_is_asked_for_comes_first_and_the_rest_later() {
    let mut table = Table::new(30, &(1..=30).collect(), 2, 2);
    let first =
        |limit, path: &str| FirstOf { limit, folders: vec![path.into()], ..FirstOf::default() };
    table.shared.settings.first = vec![first(Some(1), "Other"), first(Some(3), "B")];
    table.listed(set("5"), true);
    let asked = ["29:30", "28", "5"];
    let told = table.all();
    assert_eq!(told.iter().map(|(uids, _)| uids.as_str()).collect::<Vec<_>>(), asked);
    assert!(table.shared.undone.put_off);
    table.shared.undone.put_off = false;
    table.shared.settings.first.clear();
    assert_eq!(table.all().len(), 13, "{:?}", table.shared.undone);
    assert!(table.folder().lanes.backfill.remaining.is_empty());
}

/// Mail that came at a certain time: dates are asked for, a part at a time, and nothing else meanwhile.
#[test]
fn what_came_at_a_certain_time_comes_first() {
    let mut table = Table::new(5000, &(1..=5000).collect(), 10, 10);
    table.shared.settings.first =
        vec![FirstOf { since: Some(100), until: Some(112), ..FirstOf::default() }];
    let dated = |table: &mut Table, asked: &str| {
        assert_eq!(table.plan().len(), 0);
        assert!(table.dates().is_some_and(|uids| uids == asked), "{:?}", table.dates());
        let rows = UidSet::parse(asked).unwrap();
        let row = |uid: u32| Sampled { uid, size: 1, internal_date: Some(Micros(i64::from(uid))) };
        table.tell(Some(rows.iter().map(row).collect()));
    };
    dated(&mut table, "3001:5000");
    dated(&mut table, "1001:3000");
    dated(&mut table, "1:1000");
    let told = table.all();
    let asked: Vec<&str> = told.iter().map(|(uids, _)| uids.as_str()).collect();
    assert_eq!(asked, ["102:111", "100:101", "4991:5000"]);
    assert!(table.shared.undone.put_off);
}

/// A server that tells no dates: the past comes as it would have come.
#[test]
fn without_dates_the_past_comes_in_its_order() {
    let mut table = Table::new(30, &(1..=30).collect(), 10, 10);
    table.shared.settings.first = vec![FirstOf { since: Some(1), ..FirstOf::default() }];
    assert_eq!(table.plan().len(), 0);
    table.tell(None);
    assert_eq!(told(&table.all())[0].0, "21:30");
    assert!(table.shared.undone.put_off);
}

/// Sessions that end while dates are asked for: they are asked for once more, then no more.
#[test]
fn dates_are_given_up_where_sessions_end_at_them() {
    let mut table = Table::new(30, &(1..=30).collect(), 10, 10);
    table.shared.settings.first = vec![FirstOf { since: Some(1), ..FirstOf::default() }];
    for _ in 0..2 {
        assert_eq!(table.plan().len(), 0);
        assert!(table.dates().is_some() && !table.shared.undone.put_off);
        table.cut();
    }
    assert_eq!(told(&table.all())[0].0, "21:30");
    assert!(table.dates().is_none() && table.shared.undone.put_off);
}

/// While what was asked for is on its way nothing is put off: were it lost, nobody would ask for it again.
#[test]
fn nothing_is_put_off_before_what_was_asked_for_is_there() {
    let mut table = Table::new(30, &(1..=30).collect(), 10, 2);
    table.shared.settings.pages_in_flight = 6;
    table.shared.settings.first = vec![FirstOf { limit: Some(3), ..FirstOf::default() }];
    assert_eq!(table.plan(), ["28:30"]);
    assert!(!table.shared.undone.put_off);
    table.cut();
    assert_eq!(told(&table.all())[0].0, "28:30", "it is asked for again");
    assert!(table.shared.undone.put_off);
}
