//! What is due, and what is asked for: what a word told before what a list showed, on another
//! session where a first look is to be confirmed.

use crate::budget::Lane;
use crate::commit::feed::rows::Owed;
use crate::failure::Class;
use crate::mail::id::{Identity, SessionId};
use crate::recovery::asked::{ALONE, Asked, LEFT_OUT};
use crate::run::event::Token;
use crate::run::reads::OwedWaits;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Messages in a page, at most.
pub(super) const PAGE_MAILS: usize = 250;
/// Rows that are read at a time, beside those that are on their way.
const READ: usize = 2000;
/// Answers that may leave an id out before it waits for the next run.
const OMITTED: u8 = 3;

/// A page of messages on its way.
#[derive(Debug)]
pub(super) struct GetPage {
    pub(super) lane: Lane,
    pub(super) asked: Micros,
    /// Every id of it.
    pub(super) ids: BTreeSet<Identity>,
    /// Those that no part has told of.
    pub(super) open: BTreeSet<Identity>,
    /// More parts are to come.
    pub(super) asking: bool,
    /// Parts that wait for Places or the store.
    pub(super) unacked: u32,
}

/// The rows that are due are being read.
#[derive(Debug)]
struct DueRead {
    /// So many of them, at most.
    most: usize,
    /// What lists had shown, and what had come, when it began.
    before: (u64, u64),
    /// What pages held that ended since; it may be among them.
    ended: BTreeSet<Identity>,
    /// More has become due since, and comes before what it finds.
    is_old: bool,
    /// A list has shown more since: it comes behind.
    is_short: bool,
}

/// What sessions and processes have ended at.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// How often sessions of this run have, at a message asked for alone.
    pub(super) sessions: BTreeMap<Identity, u8>,
    /// What was on its way when processes ended.
    asked: Asked,
    /// Less of it than is stored.
    is_less: bool,
}

impl Ends {
    /// Whether a message is asked for alone: processes have ended while it was on its way.
    fn is_suspect(&self, row: &Owed) -> bool {
        let has_failed = row.failure.as_ref().is_some_and(|(class, _)| *class == Class::Bug);
        has_failed || self.asked.ends_of(&row.id) >= ALONE
    }

    /// Whether it is not asked for.
    pub(super) fn is_left_out(&self, id: &Identity) -> bool {
        self.asked.ends_of(id) >= LEFT_OUT
    }

    /// What became of it is known.
    pub(super) fn settled(&mut self, id: &Identity) {
        self.sessions.remove(id);
        self.is_less |= self.asked.settled_at(id);
    }

    /// What is left of what was on its way, where that is less than is stored. Where nothing more is due, that is
    /// nothing.
    pub(super) fn unstored(&mut self, is_idle: bool) -> Option<Asked> {
        if is_idle && !self.asked.is_empty() {
            (self.asked, self.is_less) = (Asked::default(), true);
        }
        std::mem::take(&mut self.is_less).then(|| self.asked.clone())
    }
}

/// What is due, and what is asked for.
#[derive(Debug)]
pub(super) struct Gets {
    pub(super) insists: bool,
    pub(super) queue: VecDeque<Owed>,
    pub(super) pages: BTreeMap<Token, GetPage>,
    reading: Option<DueRead>,
    /// Nothing more was due when the rows were read last.
    pub(super) drained: bool,
    /// Rows that are due and need another session.
    pub(super) elsewhere: bool,
    /// Nothing of what was read last could be asked for now.
    pub(super) fruitless: bool,
    /// Rows that are due and wait for a budget.
    pub(super) deferred: bool,
    omitted: BTreeMap<Identity, u8>,
    /// Messages in a page, where sessions have ended.
    pub(super) size: usize,
    pub(super) ends: Ends,
    pub(super) cuts: u32,
    /// What is owed and not due.
    pub(super) waits: OwedWaits,
    /// Ids that lists have shown since the rows were read last.
    pub(super) shown: u64,
    /// Ids of which something has come since.
    pub(super) came: u64,
}

impl Gets {
    pub(super) fn new(insists: bool, asked: Asked) -> Self {
        Self {
            insists,
            queue: VecDeque::new(),
            pages: BTreeMap::new(),
            reading: None,
            drained: false,
            elsewhere: false,
            fruitless: false,
            deferred: false,
            omitted: BTreeMap::new(),
            size: PAGE_MAILS,
            ends: Ends { asked, ..Ends::default() },
            cuts: 0,
            waits: OwedWaits::default(),
            shown: 0,
            came: 0,
        }
    }

    /// More may be due now: what words told goes before what is waiting here.
    pub(super) fn look_again(&mut self) {
        self.drained = false;
        self.fruitless = false;
        if let Some(reading) = &mut self.reading {
            reading.is_old = true;
        }
        self.queue.clear();
    }

    /// A list has made more due: it comes behind what is waiting here.
    pub(super) fn look_further(&mut self) {
        self.drained = false;
        // What waits for a budget waits with all that comes behind it.
        self.fruitless &= self.deferred;
        if let Some(reading) = &mut self.reading {
            reading.is_short = true;
        }
    }

    /// Begins to read the rows that are due: so many. None where there is no reason to.
    pub(super) fn begin_reading(&mut self) -> Option<usize> {
        // What needs another session, or a budget, would be read again and again.
        self.drained |= self.fruitless && self.pages.is_empty();
        if self.drained || self.fruitless || self.reading.is_some() {
            return None;
        }
        // What is on its way is still due: were it all that is found, it would be read in a circle.
        let most = READ + self.pages.values().map(|page| page.ids.len()).sum::<usize>();
        let (ended, before) = (BTreeSet::new(), (self.shown, self.came));
        self.reading = Some(DueRead { most, before, ended, is_old: false, is_short: false });
        Some(most)
    }

    /// They could not be read.
    pub(super) fn unread_due(&mut self) {
        self.reading = None;
    }

    /// They have been read.
    pub(super) fn found_due(&mut self, rows: Vec<Owed>, waits: OwedWaits) {
        let Some(reading) = self.reading.take() else { return };
        let DueRead { most, before, ended, is_old, is_short } = reading;
        // What it has found may lack what words have told since: it is read again.
        if is_old {
            return;
        }
        // What ended meanwhile may have become due behind it.
        self.drained = rows.len() < most && !is_short && ended.is_empty();
        self.waits = waits;
        (self.shown, self.came) = (self.shown - before.0, self.came - before.1);
        // What ended meanwhile, or is on its way, may be paid when its turn comes.
        let is_new = |row: &Owed| !ended.contains(&row.id) && !self.is_in_flight(&row.id);
        let all = rows.len();
        let queue: VecDeque<Owed> = rows.into_iter().filter(is_new).collect();
        self.drained &= queue.len() == all || !self.pages.is_empty();
        self.queue = queue;
        self.fruitless = !self.queue.is_empty() && !is_short;
        // What was tried by hand is tried once.
        self.insists = false;
    }

    /// Ids that are still to be read, as far as is known.
    pub(super) fn remaining(&self) -> u64 {
        (self.waits.due + self.shown).saturating_sub(self.came)
    }

    /// Nothing is due, and nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        let waits = self.elsewhere || self.deferred;
        self.drained && self.pages.is_empty() && self.queue.is_empty() && !waits
    }

    /// Whether pages of the past are asked for, and no others.
    pub(super) fn reads_past(&self) -> bool {
        let is_past = |page: &GetPage| page.lane == Lane::Backfill;
        !self.pages.is_empty() && self.pages.values().all(is_past)
    }

    /// Ids that answers have left out again and again.
    pub(super) fn unanswered(&self) -> usize {
        self.omitted.values().filter(|times| **times >= OMITTED).count()
    }

    /// No session will answer.
    pub(super) fn cut_off(&mut self) {
        for page in self.pages.values_mut() {
            page.asking = false;
        }
        self.end_pages();
        self.look_again();
    }

    /// Another session has come.
    pub(super) fn connected(&mut self) {
        self.elsewhere = false;
        self.omitted.clear();
        self.look_again();
    }

    /// Pages that have been answered and stored are over.
    pub(super) fn end_pages(&mut self) {
        let over = |page: &GetPage| !page.asking && page.unacked == 0;
        let ended: Vec<Token> =
            self.pages.iter().filter(|(_, page)| over(page)).map(|(token, _)| *token).collect();
        for token in ended {
            let Some(page) = self.pages.remove(&token) else { continue };
            for id in page.open {
                *self.omitted.entry(id).or_default() += 1;
            }
            if let Some(reading) = &mut self.reading {
                reading.ended.extend(page.ids);
            }
            self.drained = false;
            self.fruitless = false;
        }
    }

    pub(super) fn is_in_flight(&self, id: &Identity) -> bool {
        self.pages.values().any(|page| page.ids.contains(id))
    }

    /// Whether this is asked for alone, since processes have ended while it was on its way.
    pub(super) fn is_suspect(&self, rows: &[Owed]) -> bool {
        matches!(rows, [row] if self.ends.is_suspect(row))
    }

    /// The next rows that can be asked for together.
    pub(super) fn take(
        &mut self,
        session: SessionId,
        defers: bool,
        most: usize,
    ) -> Option<(Lane, Vec<Owed>)> {
        let mut taken: Vec<Owed> = Vec::new();
        let mut lane = None;
        while let Some(row) = self.queue.pop_front() {
            let is_skipped = self.is_in_flight(&row.id)
                || self.omitted.get(&row.id).is_some_and(|times| *times >= OMITTED);
            if is_skipped {
                continue;
            }
            if row.missing.is_some_and(|look| look.session == session) {
                self.elsewhere = true;
                continue;
            }
            let its = if row.rank.is_some() { Lane::Backfill } else { Lane::Live };
            if its == Lane::Backfill && defers {
                self.deferred = true;
                continue;
            }
            let is_suspect = self.ends.is_suspect(&row);
            if lane.is_some_and(|lane| lane != its || is_suspect) {
                self.queue.push_front(row);
                break;
            }
            lane = Some(its);
            taken.push(row);
            if is_suspect || taken.len() >= most {
                break;
            }
        }
        self.fruitless &= taken.is_empty();
        lane.map(|lane| (lane, taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(id: &str) -> Owed {
        Owed {
            id: Identity(id.to_owned()),
            told_at: Micros(1),
            version: None,
            left: None,
            due_at: Some(Micros(1)),
            missing: None,
            rank: Some(2),
            bytes: true,
            attempts: 0,
            failure: None,
            failed_at: None,
        }
    }

    #[test]
    fn what_becomes_due_while_it_is_read_is_read_too() {
        let mut gets = Gets::new(false, Asked::default());
        assert_eq!(gets.begin_reading(), Some(READ));
        gets.found_due(vec![due("a")], OwedWaits::default());
        assert!(gets.drained && gets.queue.len() == 1);
        assert_eq!(gets.begin_reading(), None);

        // A list's comes behind what was found.
        gets.look_further();
        assert_eq!(gets.begin_reading(), Some(READ));
        gets.look_further();
        gets.found_due(vec![due("a")], OwedWaits::default());
        assert!(!gets.drained && !gets.fruitless && gets.queue.len() == 1);

        // A word's comes before it.
        assert_eq!(gets.begin_reading(), Some(READ));
        gets.look_again();
        gets.found_due(vec![due("a")], OwedWaits::default());
        assert!(!gets.drained && gets.queue.is_empty());
    }

    /// What a page brought may have made more due than its reader looked for.
    #[test]
    fn what_ends_while_it_is_read_is_looked_for_again() {
        let mut gets = Gets::new(false, Asked::default());
        let ids = BTreeSet::from([due("a").id]);
        let open = BTreeSet::new();
        let page =
            GetPage { lane: Lane::Live, asked: Micros(1), ids, open, asking: true, unacked: 0 };
        gets.pages.insert(Token(1), page);
        gets.begin_reading();
        gets.pages.values_mut().for_each(|page| page.asking = false);
        gets.end_pages();
        gets.found_due(Vec::new(), OwedWaits::default());
        assert!(!gets.drained);
        assert!(gets.begin_reading().is_some());
        gets.found_due(Vec::new(), OwedWaits::default());
        assert!(gets.is_idle());
    }

    #[test]
    fn what_is_left_to_read_falls_as_it_comes() {
        let mut gets = Gets::new(false, Asked::default());
        gets.begin_reading();
        gets.shown += 3;
        gets.came += 1;
        gets.found_due(vec![due("a")], OwedWaits { due: 10, ..OwedWaits::default() });
        assert_eq!(gets.remaining(), 12);
        gets.came += 20;
        assert_eq!(gets.remaining(), 0);
    }

    #[test]
    fn what_is_on_its_way_hides_nothing_that_is_due() {
        let mut gets = Gets::new(false, Asked::default());
        let ids: BTreeSet<Identity> = (0..3).map(|n| Identity(n.to_string())).collect();
        let open = ids.clone();
        let page =
            GetPage { lane: Lane::Live, asked: Micros(1), ids, open, asking: true, unacked: 0 };
        gets.pages.insert(Token(1), page);
        assert_eq!(gets.begin_reading(), Some(READ + 3));
    }
}
