//! Slots: so many runs work at a time. The best level goes first, and whoever waits gets a better one as time goes by;
//! a part of them is kept from runs that read nothing but history, and from the first run of an account of which nothing
//! is known, as a part of each budget is kept for new mail. No clock, no I/O.
//!
//! A run that reads nothing but history while somebody better waits leaves at a page's end, and asks again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who waits for so long has a better level.
const BETTER_EVERY: Duration = Duration::from_secs(5 * 60);
/// One slot in so many is kept from those; one at least, of two or more.
const KEPT: usize = 10;

/// How soon a run is to begin, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// An operator wants it, or somebody's webhook.
    Operator,
    /// A watch has told something.
    Hint,
    /// It is due.
    Schedule,
    /// The same, after a failed run, or where the schedule is conservative.
    Late,
    /// What is left is history.
    History,
}

impl Level {
    /// All, the best first.
    pub const ALL: [Self; 5] =
        [Self::Operator, Self::Hint, Self::Schedule, Self::Late, Self::History];

    /// Its number, as people read it: 0 is the best.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What it is after so long a wait.
    fn after(self, waited: Duration) -> u8 {
        let better = waited.as_secs() / BETTER_EVERY.as_secs();
        self.number().saturating_sub(u8::try_from(better).unwrap_or(u8::MAX))
    }
}

/// Somebody waits.
#[derive(Debug)]
struct Request<A> {
    account: A,
    level: Level,
    /// Nothing is known of the account.
    first: bool,
    /// Monotonic.
    since: Duration,
}

impl<A> Request<A> {
    /// In which line. An operator waits for nobody's import.
    fn line(&self) -> Line {
        let is_bulk = self.level == Level::History || (self.first && self.level != Level::Operator);
        Line { is_bulk, level: self.level }
    }
}

/// Those of one level, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// A part of the slots is not for them.
    is_bulk: bool,
    level: Level,
}

/// Somebody works.
#[derive(Debug)]
struct Working<A> {
    account: A,
    /// A part of the slots was kept from it as it began: that is so until its end.
    bulk: bool,
    /// It reads nothing but history.
    past: bool,
    /// Monotonic.
    since: Duration,
    /// It has been told to leave.
    leaves: bool,
}

impl<A> Working<A> {
    fn is_bulk(&self) -> bool {
        self.past || self.bulk
    }
}

/// The slots. Each request has a number of its own, which is handed out in order.
#[derive(Debug)]
pub struct Slots<A> {
    runs: usize,
    next: u64,
    waiting: BTreeMap<u64, Request<A>>,
    /// The same: since when, and who.
    lines: BTreeMap<Line, BTreeSet<(Duration, u64)>>,
    working: BTreeMap<u64, Working<A>>,
    /// Of those: runs that a part of the slots is kept from, and runs that have been told to leave.
    bulk: usize,
    leaving: usize,
    accounts: BTreeSet<A>,
}

impl<A: Clone + Ord> Slots<A> {
    /// So many runs at a time; one at least.
    #[must_use]
    pub fn new(runs: usize) -> Self {
        Self {
            runs: runs.max(1),
            next: 0,
            waiting: BTreeMap::new(),
            lines: BTreeMap::new(),
            working: BTreeMap::new(),
            bulk: 0,
            leaving: 0,
            accounts: BTreeSet::new(),
        }
    }

    /// An account's run asks for a slot, its first one perhaps. [`Self::grant`] says when it has one.
    pub fn ask(&mut self, account: A, level: Level, first: bool, now: Duration) -> u64 {
        let id = self.next;
        self.next += 1;
        let waiting = Request { account, level, first, since: now };
        self.lines.entry(waiting.line()).or_default().insert((now, id));
        self.waiting.insert(id, waiting);
        id
    }

    /// Who waits has a better reason now; a worse one changes nothing.
    pub fn raise(&mut self, id: u64, level: Level) {
        let Some(waiting) = self.waiting.get_mut(&id).filter(|waiting| level < waiting.level)
        else {
            return;
        };
        let key = (waiting.since, id);
        let before = waiting.line();
        waiting.level = level;
        self.lines.entry(before).or_default().remove(&key);
        self.lines.entry(waiting.line()).or_default().insert(key);
    }

    /// It works no longer, or waits no longer.
    pub fn leave(&mut self, id: u64) {
        if let Some(working) = self.working.remove(&id) {
            self.accounts.remove(&working.account);
            self.bulk -= usize::from(working.is_bulk());
            self.leaving -= usize::from(working.leaves);
        }
        if let Some(waiting) = self.waiting.remove(&id) {
            self.lines.entry(waiting.line()).or_default().remove(&(waiting.since, id));
        }
    }

    /// Who may begin now: they have their slots.
    #[must_use]
    pub fn grant(&mut self, now: Duration) -> Vec<u64> {
        let mut granted = Vec::new();
        while let Some((line, since, id)) = self.best(now) {
            self.lines.entry(line).or_default().remove(&(since, id));
            let Some(Request { account, level, .. }) = self.waiting.remove(&id) else { continue };
            self.accounts.insert(account.clone());
            let past = level == Level::History;
            let working = Working { account, bulk: line.is_bulk, past, since: now, leaves: false };
            self.bulk += usize::from(working.is_bulk());
            self.working.insert(id, working);
            granted.push(id);
        }
        granted
    }

    /// The next that may begin, if one may. The first of a line has waited longest in it.
    fn best(&self, now: Duration) -> Option<(Line, Duration, u64)> {
        if self.working.len() >= self.runs {
            return None;
        }
        let has_room = self.bulk < self.most_bulk();
        let lines = self.lines.iter().filter(|(line, _)| !line.is_bulk || has_room);
        let firsts = lines.filter_map(|(line, waiting)| {
            let fits = |(_, id): &&(Duration, u64)| {
                let waiting = self.waiting.get(id);
                waiting.is_some_and(|waiting| !self.accounts.contains(&waiting.account))
            };
            let (since, id) = waiting.iter().find(fits)?;
            Some((line.level.after(now.saturating_sub(*since)), *since, *id, *line))
        });
        firsts.min().map(|(_, since, id, line)| (line, since, id))
    }

    /// A run reads nothing but history from now on, or something else again.
    pub fn reads_past(&mut self, id: u64, past: bool) {
        if let Some(working) = self.working.get_mut(&id) {
            self.bulk -= usize::from(working.is_bulk());
            working.past = past;
            self.bulk += usize::from(working.is_bulk());
        }
    }

    /// Whether a run that reads nothing but history is to leave, now that it has come to a page's end.
    #[must_use]
    pub fn is_to_leave(&mut self, id: u64, now: Duration) -> bool {
        let Some(working) = self.working.get(&id).filter(|working| working.past) else {
            return false;
        };
        // Others' history has its turn when this has had one, not at its first page.
        let has_had = now.saturating_sub(working.since) >= BETTER_EVERY;
        let is_pressed = self.is_pressed(has_had, now);
        let Some(working) = self.working.get_mut(&id) else { return false };
        if is_pressed && !working.leaves {
            working.leaves = true;
            self.leaving += 1;
        }
        working.leaves
    }

    /// Whether more wait who are better than history than are about to leave.
    fn is_pressed(&self, by_history: bool, now: Duration) -> bool {
        if self.bulk.saturating_sub(self.leaving) > self.most_bulk() {
            return true;
        }
        let enough = self.leaving + 1;
        let is_full = self.working.len() >= self.runs;
        let is_bulk_full = is_full || self.bulk >= self.most_bulk();
        let better = |(line, waiting): (&Line, &BTreeSet<(Duration, u64)>)| {
            let is_better = |(since, _): &&(Duration, u64)| {
                line.level.after(now.saturating_sub(*since)) < Level::History.number()
            };
            match line.is_bulk {
                true if !is_bulk_full => 0,
                false if !is_full => 0,
                _ if line.level == Level::History && !by_history => 0,
                _ => waiting.iter().take(enough).take_while(is_better).count(),
            }
        };
        self.lines.iter().map(better).sum::<usize>() >= enough
    }

    /// So many runs may work that a part of the slots is kept from.
    fn most_bulk(&self) -> usize {
        self.runs - if self.runs > 1 { (self.runs / KEPT).max(1) } else { 0 }
    }

    /// Whether who reads what matters: somebody waits, or soon will.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        !self.waiting.is_empty() || self.working.len() >= self.most_bulk()
    }

    /// How many work, and how many wait.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.working.len(), self.waiting.len())
    }
}

#[cfg(test)]
mod tests;
