//! Slots: so many runs work at a time. The best level goes first, and whoever waits gets a better one as time goes by;
//! a part of them is kept from runs that read nothing but history, as a part of each budget is kept for new mail. No
//! clock, no I/O.
//!
//! A run that reads nothing but history while somebody better waits leaves at a page's end, and asks again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who waits for so long has a better level.
const BETTER_EVERY: Duration = Duration::from_secs(5 * 60);
/// One slot in so many is kept from runs that read nothing but history; one at least, of two or more.
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
struct Waiting<A> {
    account: A,
    level: Level,
    /// Monotonic.
    since: Duration,
}

/// Somebody works.
#[derive(Debug)]
struct Working<A> {
    account: A,
    /// It reads nothing but history.
    past: bool,
    /// It has been told to leave.
    leaves: bool,
}

/// The slots. Each request has a number of its own, which is handed out in order.
#[derive(Debug)]
pub struct Slots<A> {
    runs: usize,
    next: u64,
    waiting: BTreeMap<u64, Waiting<A>>,
    /// The same, by level: since when, and who.
    lines: BTreeMap<Level, BTreeSet<(Duration, u64)>>,
    working: BTreeMap<u64, Working<A>>,
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
            accounts: BTreeSet::new(),
        }
    }

    /// An account's run asks for a slot. [`Self::grant`] says when it has one.
    pub fn ask(&mut self, account: A, level: Level, now: Duration) -> u64 {
        let id = self.next;
        self.next += 1;
        self.waiting.insert(id, Waiting { account, level, since: now });
        self.lines.entry(level).or_default().insert((now, id));
        id
    }

    /// Who waits has a better reason now; a worse one changes nothing.
    pub fn raise(&mut self, id: u64, level: Level) {
        let Some(waiting) = self.waiting.get_mut(&id).filter(|waiting| level < waiting.level)
        else {
            return;
        };
        let key = (waiting.since, id);
        let before = std::mem::replace(&mut waiting.level, level);
        self.lines.entry(before).or_default().remove(&key);
        self.lines.entry(level).or_default().insert(key);
    }

    /// It works no longer, or waits no longer.
    pub fn leave(&mut self, id: u64) {
        if let Some(working) = self.working.remove(&id) {
            self.accounts.remove(&working.account);
        }
        if let Some(Waiting { level, since, .. }) = self.waiting.remove(&id) {
            self.lines.entry(level).or_default().remove(&(since, id));
        }
    }

    /// Who may begin now: they have their slots.
    #[must_use]
    pub fn grant(&mut self, now: Duration) -> Vec<u64> {
        let mut granted = Vec::new();
        while let Some((level, since, id)) = self.best(now) {
            self.lines.entry(level).or_default().remove(&(since, id));
            let Some(Waiting { account, level, .. }) = self.waiting.remove(&id) else { continue };
            self.accounts.insert(account.clone());
            let past = level == Level::History;
            self.working.insert(id, Working { account, past, leaves: false });
            granted.push(id);
        }
        granted
    }

    /// The next that may begin, if one may. The first of a line has waited longest in it.
    fn best(&self, now: Duration) -> Option<(Level, Duration, u64)> {
        if self.working.len() >= self.runs {
            return None;
        }
        let has_room = self.past() < self.most_past();
        let lines = self.lines.iter().filter(|(level, _)| **level != Level::History || has_room);
        let firsts = lines.filter_map(|(level, line)| {
            let fits = |(_, id): &&(Duration, u64)| {
                let waiting = self.waiting.get(id);
                waiting.is_some_and(|waiting| !self.accounts.contains(&waiting.account))
            };
            let (since, id) = line.iter().find(fits)?;
            Some((level.after(now.saturating_sub(*since)), *since, *id, *level))
        });
        firsts.min().map(|(_, since, id, level)| (level, since, id))
    }

    /// A run reads nothing but history from now on, or something else again.
    pub fn reads_past(&mut self, id: u64, past: bool) {
        if let Some(working) = self.working.get_mut(&id) {
            working.past = past;
        }
    }

    /// Whether a run that reads nothing but history is to leave, now that it has come to a page's end.
    #[must_use]
    pub fn is_to_leave(&mut self, id: u64, now: Duration) -> bool {
        let Some(working) = self.working.get(&id).filter(|working| working.past) else {
            return false;
        };
        let leaving = self.working.values().filter(|working| working.leaves).count();
        let stays = self.past().saturating_sub(leaving);
        if working.leaves || stays > self.most_past() || self.pressing(leaving, now) {
            if let Some(working) = self.working.get_mut(&id) {
                working.leaves = true;
            }
            return true;
        }
        false
    }

    /// Whether more wait who are better than history than there are about to leave.
    fn pressing(&self, leaving: usize, now: Duration) -> bool {
        let is_full = self.working.len() >= self.runs;
        let others = self.lines.iter().filter(|(level, _)| **level != Level::History);
        let live: usize = others.map(|(_, line)| line.len()).sum();
        let live = if is_full { live } else { 0 };
        let is_better = |(since, _): &&(Duration, u64)| {
            Level::History.after(now.saturating_sub(*since)) < Level::History.number()
        };
        let is_past_full = is_full || self.past() >= self.most_past();
        let past = self.lines.get(&Level::History).filter(|_| is_past_full);
        let past = past.map_or(0, |line| line.iter().take_while(is_better).count());
        live + past > leaving
    }

    /// Runs that read nothing but history.
    fn past(&self) -> usize {
        self.working.values().filter(|working| working.past).count()
    }

    /// So many may.
    fn most_past(&self) -> usize {
        self.runs - if self.runs > 1 { (self.runs / KEPT).max(1) } else { 0 }
    }

    /// Whether who reads what matters: somebody waits, or soon will.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        !self.waiting.is_empty() || self.working.len() >= self.most_past()
    }

    /// How many work, and how many wait.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.working.len(), self.waiting.len())
    }
}

#[cfg(test)]
mod tests;
