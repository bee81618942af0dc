//! `decide`: the only code that chooses what a failure leads to.

use crate::failure::{Class, Failure, Provenance, When};
use crate::recovery::backoff;
use crate::recovery::history::History;
use crate::recovery::table::{self, Leads, Waits};
use crate::time::Now;
use std::time::Duration;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Keep everything, do nothing for so long, then go on.
    Wait(Duration),
    /// Begin again from the durable cursor after a delay.
    Restart(Duration),
    /// Stop until something outside changes (a human, a secret, a config, a version).
    Park,
    /// Go on without what it reaches: a message becomes a row of the ledger, a folder is left alone.
    LeaveOut,
    /// The tries are used up: end the run; the schedule, or the next call, takes over.
    GiveUp,
}

/// The limits that a decision knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The first of the doubling waits.
    pub first_wait: Duration,
    /// The longest of them.
    pub longest_wait: Duration,
    /// Spreads accounts that fail together.
    pub salt: u64,
    /// Tries before a run ends.
    pub tries: u32,
    /// For how long a login must have been refused to an account that did log in before, until it is
    /// believed; 180 first waits where nothing is said. Of one that never did it is 12, and no longer.
    pub believe_after: Option<Duration>,
    /// Runs that failed in a row before the schedule stretches.
    pub stretch_after: u32,
    /// The same before nothing but an operator begins a run for [`Policy::cool_down`].
    pub cool_down_after: u32,
    /// See [`Policy::cool_down_after`].
    pub cool_down: Duration,
    /// The longest wait that a run sits out (`sync --once` has no schedule to hand over to).
    pub patience: Duration,
    /// A server that stays: it waits as long as it is told, and doubts a refused login before it
    /// asks a human.
    pub stays: bool,
}

impl Policy {
    /// The policy of `serve`.
    #[must_use]
    pub fn staying(self) -> Self {
        Self { patience: Duration::MAX, stays: true, ..self }
    }

    /// How far apart the first and the last refusal must be, and how many there must be, before
    /// they are believed: two in 60 s for an account that never logged in, three in 15 min for one
    /// that did (scaled with the first wait, or as it is said).
    #[must_use]
    pub fn belief(&self, has_logged_in: bool) -> (u32, Duration) {
        let long = self.believe_after.unwrap_or(self.first_wait.saturating_mul(180));
        let short = self.first_wait.saturating_mul(12).min(long);
        if has_logged_in { (3, long) } else { (2, short) }
    }

    /// The doubling wait before the try behind so many.
    pub(crate) fn backoff(&self, tries: u32) -> Duration {
        backoff::wait((self.first_wait, self.longest_wait), tries, self.salt)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(5),
            longest_wait: backoff::LONGEST_WAIT,
            salt: 0,
            tries: 5,
            believe_after: None,
            stretch_after: 3,
            cool_down_after: 5,
            cool_down: Duration::from_secs(30 * 60),
            patience: Duration::from_secs(120),
            stays: false,
        }
    }
}

/// How often a panic may come from the same place before the account is left alone.
pub const SAME_PLACE: u32 = 3;

/// Chooses. `history` already counts this failure.
///
/// A wrong "permanent" loses mail, a wrong "transient" costs a few capped tries: so what is unknown
/// backs off.
pub fn decide(failure: &Failure, history: &History, policy: &Policy, now: Now) -> Verdict {
    let is_servers = failure.provenance == Provenance::Server;
    match table::row_of(failure.class, failure.reach).leads {
        Leads::LeaveOut => Verdict::LeaveOut,
        Leads::AskHuman if failure.class == Class::Config => {
            // A client that was taken before is refused for a hiccup, too: at the second refusal it
            // is believed.
            if failure.is_refusal() && policy.stays && history.has_logged_in {
                believe(history, policy.belief(false), policy, now)
            } else {
                Verdict::Park
            }
        }
        // `sync --once` and `check` believe the first refusal; what we merely inferred is never
        // believed.
        Leads::AskHuman if is_servers && !policy.stays => Verdict::Park,
        Leads::AskHuman if is_servers => {
            believe(history, policy.belief(history.has_logged_in), policy, now)
        }
        // What our own rows say is no guess: nobody has granted access.
        Leads::AskHuman
            if failure.provenance == Provenance::Local && failure.when == When::AfterChange =>
        {
            Verdict::Park
        }
        Leads::AskHuman => wait(failure, history, table::DOUBLING, policy, now),
        Leads::BeginAgain if history.panics >= SAME_PLACE => Verdict::Park,
        Leads::BeginAgain => restart(history, policy),
        Leads::Wait(waits) => wait(failure, history, waits, policy, now),
    }
}

/// A server's word is believed for so long: of a rate, and of itself.
const NAMED: Duration = Duration::from_secs(3600);
/// Of a quota, which begins anew with a day.
const NAMED_OF_A_QUOTA: Duration = Duration::from_secs(86_400);

/// For how long the failure says to wait. What a server names is believed for an hour, of a quota for
/// a day; what our own budgets name is so.
#[must_use]
pub fn named(failure: &Failure, now: Now) -> Option<Duration> {
    let told = match failure.when {
        When::After(told) => told,
        When::At(instant) => instant.since(now.wall),
        When::Now | When::BackOff | When::Soon | When::AfterChange | When::Never => return None,
    };
    let most = match (failure.provenance, failure.class) {
        (Provenance::Local, _) => Duration::MAX,
        (_, Class::Quota) => NAMED_OF_A_QUOTA,
        _ => NAMED,
    };
    Some(told.min(most))
}

/// A session ended at one thing and worked otherwise: that is no try of the run, and waits the
/// first wait only.
pub fn after_cut(policy: &Policy) -> Verdict {
    Verdict::Wait(policy.backoff(1))
}

/// A refused login may be the host's trouble: it is believed when it has lasted.
fn believe(
    history: &History,
    (times, span): (u32, Duration),
    policy: &Policy,
    now: Now,
) -> Verdict {
    let lasted = history.first_refusal.is_some_and(|first| now.wall >= first.plus(span));
    // The waits between are monotonic: a wall clock that jumped back must not cost logins for as
    // long as it jumped.
    if history.refusals >= times && (lasted || history.refusals > times + 1) {
        Verdict::Park
    } else {
        // A hiccup of seconds costs a minute; the last look is when the refusal has lasted.
        let (_, soon) = policy.belief(false);
        let left =
            history.first_refusal.map_or(0, |first| first.plus(span).0.saturating_sub(now.wall.0));
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0)).clamp(soon, span);
        let wait = if history.refusals > 1 { left } else { soon };
        Verdict::Wait(wait + wait / 50)
    }
}

fn restart(history: &History, policy: &Policy) -> Verdict {
    if history.tries > policy.tries {
        return Verdict::GiveUp;
    }
    Verdict::Restart(policy.backoff(history.tries.max(1)))
}

fn wait(failure: &Failure, history: &History, waits: Waits, policy: &Policy, now: Now) -> Verdict {
    // Our own disk is waited for as long as it takes: there is no schedule that knows better.
    if history.tries > policy.tries && !(policy.stays && waits.is_endless) {
        return Verdict::GiveUp;
    }
    let own = policy.backoff(history.tries.max(1));
    let wait = match failure.when {
        When::Now => Duration::ZERO,
        When::After(_) | When::At(_) => named(failure, now).unwrap_or(own),
        When::Soon => own.min(policy.first_wait.saturating_mul(12)),
        When::Never => return Verdict::GiveUp,
        When::BackOff | When::AfterChange => {
            let least = if policy.stays { waits.least } else { waits.least_once };
            own.max(policy.first_wait.saturating_mul(least)).min(waits.most)
        }
    };
    if wait > policy.patience { Verdict::GiveUp } else { Verdict::Wait(wait) }
}

#[cfg(test)]
mod tests;
