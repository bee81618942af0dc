//! The lives of a process's accounts: who waits to be started, who runs, who leaves and what
//! becomes of it then, and what each went through. What outlives an account's actor is here. Pure.
//!
//! | seat | what it waits for | leaves by |
//! |---|---|---|
//! | Waiting | its turn | Running |
//! | Running | its actor's end | Leaving, Restarting, Fallen |
//! | Leaving | its actor's end | Waiting, Renaming of another, gone |
//! | Renaming | its new id to be durable | Waiting, Refused |
//! | Restarting | the wait after its actor's death | Running |
//! | Refused | another config or secret | Waiting |
//! | Fallen | a human, or the next start | Waiting |

mod edits;
mod vocabulary;

pub use vocabulary::{Admission, Death, Enrolled, Owns, RosterAction, RosterEvent};

use crate::account::follow::{Begin, Command, Past};
use crate::failure::Failure;
use crate::recovery::decide::{Verdict, decide};
use crate::recovery::history::History;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What becomes of an account that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Then {
    /// The process ends.
    Nothing,
    /// It begins anew, with another config.
    Replace,
    /// The config no longer names it.
    Remove,
    /// Its rows get this id, under which it begins anew.
    Rename(String),
}

/// How far a new id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    /// The account still runs under the one before.
    NotYet,
    /// The store has been asked.
    Asked,
    /// It could not: it is asked again.
    Again,
}

#[derive(Clone, Debug)]
enum Seat {
    Waiting,
    Running { number: u64 },
    Leaving { number: u64, then: Then },
    Renaming { was: String, stage: Stored, dropped: bool },
    Restarting { number: u64, failure: Failure, at: Micros },
    Refused,
    Fallen,
}

impl Seat {
    /// It takes one of the places that [`Admission`] counts; who waits to be started again keeps
    /// it.
    fn is_taken(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Leaving { .. } | Self::Restarting { .. })
    }

    /// Its actor, if it has one.
    fn actor(&self) -> Option<u64> {
        match self {
            Self::Running { number } | Self::Leaving { number, .. } => Some(*number),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Seated {
    seat: Seat,
    past: Past,
    refused: Option<Failure>,
}

/// The accounts of a process.
#[derive(Debug)]
pub struct Roster {
    admission: Admission,
    /// Each account runs once.
    once: bool,
    accounts: BTreeMap<String, Seated>,
    /// Whose turn is next. A name whose seat is not `Waiting` is passed over.
    queue: VecDeque<String>,
    /// Edits about ids that are still being stored: taken up, in their order, when those are
    /// settled.
    later: VecDeque<RosterEvent>,
    taken: usize,
    started: u64,
    next_start: Duration,
    /// An `Admit` is on its way.
    admitting: bool,
    stopped: bool,
}

impl Roster {
    /// An empty roster.
    #[must_use]
    pub fn new(admission: Admission, once: bool) -> Self {
        Self {
            admission,
            once,
            accounts: BTreeMap::new(),
            queue: VecDeque::new(),
            later: VecDeque::new(),
            taken: 0,
            started: 0,
            next_start: Duration::ZERO,
            admitting: false,
            stopped: false,
        }
    }

    /// Whether an account of this id is known, or an edit about it waits.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.accounts.contains_key(name) || self.later.iter().any(|event| event.edits(name))
    }

    /// The accounts that are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// Takes one event.
    pub fn step(&mut self, event: RosterEvent, now: Now) -> Vec<RosterAction> {
        let mut out = Vec::new();
        let mut due = VecDeque::from([event]);
        while let Some(event) = due.pop_front() {
            if self.is_early(&event) {
                self.later.push_back(event);
                continue;
            }
            self.take(event, now, &mut out);
            // What was taken may be what those before it wait for.
            for event in std::mem::take(&mut self.later).into_iter().rev() {
                due.push_front(event);
            }
        }
        self.admit(now.mono, &mut out);
        out
    }

    fn take(&mut self, event: RosterEvent, now: Now, out: &mut Vec<RosterAction>) {
        match event {
            RosterEvent::Enrolled(enrolled) => self.enrolled(*enrolled, out),
            RosterEvent::Dropped(name) => self.dropped(name, out),
            RosterEvent::Commanded(name, command) => self.commanded(&name, command, out),
            RosterEvent::Went(name, number, past) => self.went(name, number, past, out),
            RosterEvent::Ended(name, number, history) => self.ended(name, number, history, out),
            RosterEvent::Died(name, death) => self.died(name, death, now, out),
            RosterEvent::RestartDue(name, after) => self.restart_due(&name, after, out),
            RosterEvent::Renamed(name) => self.renamed(name, out),
            RosterEvent::RenameTaken(name) => self.rename_taken(name, out),
            RosterEvent::RenameFailed(name) => self.rename_failed(name, out),
            RosterEvent::RenameDue(name) => {
                if let Some((was, Stored::Again, _)) = self.renaming(&name) {
                    self.rename(was, name, out);
                }
            }
            RosterEvent::Admit => self.admitting = false,
            RosterEvent::Stop => self.stop(out),
        }
    }

    fn seat_of(&self, name: &str) -> Option<&Seat> {
        self.accounts.get(name).map(|account| &account.seat)
    }

    fn is_waiting(&self, name: &str) -> bool {
        matches!(self.seat_of(name), Some(Seat::Waiting))
    }

    /// The id that an account gets its rows from, how far that is, and whether the config names it
    /// no more.
    fn renaming(&self, name: &str) -> Option<(String, Stored, bool)> {
        match self.seat_of(name)? {
            Seat::Renaming { was, stage, dropped } => Some((was.clone(), *stage, *dropped)),
            _ => None,
        }
    }

    fn seat(&mut self, name: &str, seat: Seat) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        self.taken =
            self.taken + usize::from(seat.is_taken()) - usize::from(account.seat.is_taken());
        account.seat = seat;
    }

    fn leave(&mut self, name: &str) -> Option<Seated> {
        let account = self.accounts.remove(name)?;
        self.taken -= usize::from(account.seat.is_taken());
        Some(account)
    }

    /// Lets an account begin, or says why it cannot.
    fn begin(&mut self, name: &str, out: &mut Vec<RosterAction>) {
        let Some(account) = self.accounts.get(name) else { return };
        match account.refused.clone() {
            Some(failure) => {
                self.seat(name, Seat::Refused);
                out.push(RosterAction::Refused(name.to_owned(), failure, Owns::Its));
            }
            None => self.wait(name),
        }
    }

    /// To the end of the queue.
    fn wait(&mut self, name: &str) {
        if self.is_waiting(name) {
            self.queue.retain(|waiting| waiting != name);
        }
        self.seat(name, Seat::Waiting);
        self.queue.push_back(name.to_owned());
    }

    fn commanded(&mut self, name: &str, command: Command, out: &mut Vec<RosterAction>) {
        const STARTING: &str = "the account is being started; ask again";
        if command == Command::Woken {
            self.wake(name);
        }
        let conflict = match self.accounts.get_mut(name) {
            None if self.later.iter().any(|event| event.edits(name)) => STARTING,
            None => "the config does not name this account",
            Some(Seated { seat: Seat::Renaming { dropped: true, .. }, .. }) => {
                "the config does not name this account"
            }
            Some(Seated { seat: Seat::Running { .. } | Seat::Leaving { .. }, .. }) => {
                return out.push(RosterAction::Obey(name.to_owned()));
            }
            // Begun now, it would open a second mirror under the id that its rows are about to get.
            Some(Seated { seat: Seat::Renaming { .. }, .. }) => {
                "the account's new id is being stored; ask again"
            }
            Some(Seated { seat: Seat::Refused, .. }) => {
                "the account cannot be followed before its config or secret changes"
            }
            Some(account)
                if matches!(
                    command,
                    Command::ResetErrors | Command::SyncNow | Command::Retry | Command::Woken
                ) =>
            {
                // It had failed for good, or waits to be started (again).
                let has_logged_in = account.past.history.has_logged_in;
                account.past.history = History { has_logged_in, ..History::default() };
                // Who is asked for work now waits for nothing; another secret ends what it was refused for alone.
                if command != Command::Woken && matches!(account.past.begin, Begin::Waiting(_)) {
                    account.past.begin = Begin::Run;
                }
                self.wait(name);
                "the account was not running and is started now; ask again"
            }
            Some(_) => STARTING,
        };
        out.push(RosterAction::Conflict(conflict));
    }

    /// The secret is another: who has yet to begin does not begin parked with the one before.
    fn wake(&mut self, name: &str) {
        let later = self.later.iter_mut().filter_map(|event| match event {
            RosterEvent::Enrolled(enrolled) if enrolled.name == name => Some(&mut enrolled.past),
            _ => None,
        });
        let known = self.accounts.get_mut(name).map(|account| &mut account.past);
        for past in later.chain(known) {
            let is_refused = match &past.begin {
                Begin::Parked(..) => true,
                Begin::Waiting(waiting) => waiting.refused.is_some(),
                Begin::Run | Begin::Paused => false,
            };
            if is_refused {
                past.begin = Begin::Run;
            }
        }
    }

    fn went(&mut self, name: String, number: u64, past: Past, out: &mut Vec<RosterAction>) {
        let Some(account) = self.accounts.get_mut(&name) else { return };
        match &account.seat {
            Seat::Running { number: current } if *current == number => account.past = past,
            // Said before it died, and heard after it: that it died is still to be counted.
            Seat::Restarting { number: current, failure, at } if *current == number => {
                account.past = past;
                account.past.history.failed(failure, *at);
            }
            // Who is to begin anew was enrolled with what the database knows.
            _ => return,
        }
        out.push(RosterAction::Keep(name, account.past.clone()));
    }

    fn ended(&mut self, name: String, number: u64, history: History, out: &mut Vec<RosterAction>) {
        let Some(account) = self.accounts.get_mut(&name).filter(|a| a.seat.actor() == Some(number))
        else {
            return;
        };
        let then = match &account.seat {
            Seat::Leaving { then, .. } => then.clone(),
            _ => Then::Nothing,
        };
        if then != Then::Replace {
            account.past.history = history;
        }
        self.seat(&name, Seat::Fallen);
        self.left(name, then, out);
    }

    /// Its actor is gone.
    fn left(&mut self, name: String, then: Then, out: &mut Vec<RosterAction>) {
        match then {
            Then::Rename(new) => self.rename(name, new, out),
            Then::Remove => {
                self.leave(&name);
                out.push(RosterAction::Removed(name));
            }
            Then::Replace | Then::Nothing if self.stopped || self.once => {}
            Then::Replace | Then::Nothing => self.begin(&name, out),
        }
    }

    fn died(&mut self, name: String, death: Death, now: Now, out: &mut Vec<RosterAction>) {
        let Death { number, failure, policy } = death;
        let Some(account) = self.accounts.get_mut(&name).filter(|a| a.seat.actor() == Some(number))
        else {
            return;
        };
        let goes = match &account.seat {
            Seat::Leaving { then: then @ (Then::Rename(_) | Then::Remove), .. } => {
                Some(then.clone())
            }
            // An edit that came meanwhile says why it cannot go on.
            Seat::Leaving { then: Then::Replace, .. } if account.refused.is_some() => {
                Some(Then::Replace)
            }
            _ => None,
        };
        if let Some(then) = goes {
            self.seat(&name, Seat::Fallen);
            return self.left(name, then, out);
        }
        let history = &mut account.past.history;
        history.failed(&failure, now.wall);
        let wait = match decide(&failure, history, &policy, now) {
            Verdict::Wait(wait) | Verdict::Restart(wait) => Some(wait),
            // No schedule takes over from an actor that is gone.
            Verdict::GiveUp if policy.stays => Some(policy.backoff(history.tries)),
            Verdict::GiveUp | Verdict::Park | Verdict::LeaveOut => None,
        };
        match wait {
            Some(wait) if !self.stopped => {
                self.seat(
                    &name,
                    Seat::Restarting { number, failure: failure.clone(), at: now.wall },
                );
                out.push(RosterAction::Restarting(name, number, failure, wait));
            }
            _ => {
                self.seat(&name, Seat::Fallen);
                out.push(RosterAction::Fallen(name, failure));
            }
        }
    }

    fn restart_due(&mut self, name: &str, after: u64, out: &mut Vec<RosterAction>) {
        let waits =
            matches!(self.seat_of(name), Some(Seat::Restarting { number, .. }) if *number == after);
        if waits && !self.stopped {
            self.start(name, out);
        }
    }

    fn start(&mut self, name: &str, out: &mut Vec<RosterAction>) {
        self.started += 1;
        let number = self.started;
        self.seat(name, Seat::Running { number });
        if let Some(account) = self.accounts.get(name) {
            out.push(RosterAction::Start(name.to_owned(), number, account.past.clone()));
        }
    }

    fn admit(&mut self, mono: Duration, out: &mut Vec<RosterAction>) {
        while !self.stopped && self.taken < self.admission.at_a_time {
            while self.queue.front().is_some_and(|name| !self.is_waiting(name)) {
                self.queue.pop_front();
            }
            if self.queue.is_empty() {
                return;
            }
            if mono < self.next_start {
                if !std::mem::replace(&mut self.admitting, true) {
                    out.push(RosterAction::AdmitAfter(self.next_start - mono));
                }
                return;
            }
            let Some(name) = self.queue.pop_front() else { return };
            self.next_start =
                mono + Duration::from_secs(1) / self.admission.starts_per_second.max(1);
            self.start(&name, out);
        }
    }

    fn stop(&mut self, out: &mut Vec<RosterAction>) {
        self.stopped = true;
        for (name, account) in &mut self.accounts {
            match &mut account.seat {
                Seat::Running { number } => {
                    account.seat = Seat::Leaving { number: *number, then: Then::Nothing };
                    out.push(RosterAction::Stop(name.clone()));
                }
                Seat::Leaving { then, .. } if *then == Then::Replace => *then = Then::Nothing,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
