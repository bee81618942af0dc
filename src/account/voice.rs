//! What an account tells about itself: log lines, counters, its line in the registry.

use crate::account::args::{AccountArgs, Progress, path_of};
use crate::clock::Clock;
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::account::advice::advice;
use postrider_core::account::follow::{Follower, Status};
use postrider_core::budget::Wait;
use postrider_core::failure::Failure;
use postrider_core::job::queue::RunEnd;
use postrider_core::run::summary::{Counts, Summary};
use postrider_core::standing::{Outcome, Push, Standing};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Ends of runs that are remembered: whoever ordered one looks soon.
const ENDED: usize = 8;
/// Causes of failure that are remembered; beyond them every line is said.
const CAUSES: usize = 200;

/// Lines of what a run left undone that are said.
const LINES: usize = 5;
/// After so long they are said again.
const DAY: Duration = Duration::from_secs(86_400);

/// Tells, and remembers what it has told.
#[derive(Debug)]
pub(super) struct Voice {
    name: String,
    provider: &'static str,
    path: String,
    clock: Clock,
    registry: Registry,
    progress: Arc<dyn Progress>,
    /// Counters of the run that is under way, as they were counted last.
    before: Counts,
    /// Failures that were said already, and how often they came again.
    said: BTreeMap<String, u32>,
    runs: u64,
    /// Which life of the actor.
    life: u64,
    /// Since when it is in trouble that was told.
    trouble: Option<Duration>,
    /// Folders or mails stand still, and it was told.
    stalled: bool,
    /// What runs have left undone, and when it was said.
    left: BTreeMap<String, Duration>,
    /// It waits for a human, and it was told.
    parked: Option<Standing>,
}

impl Voice {
    pub(super) fn new(args: &AccountArgs) -> Self {
        Self {
            name: args.name.clone(),
            provider: args.endpoint.kind(),
            path: path_of(&args.name),
            clock: args.clock,
            registry: args.registry.clone(),
            progress: Arc::clone(&args.progress),
            before: Counts::default(),
            said: BTreeMap::new(),
            runs: 0,
            life: args.registry.next_life(),
            trouble: None,
            stalled: false,
            left: BTreeMap::new(),
            parked: None,
        }
    }

    /// The state after a step.
    pub(super) fn show(&mut self, follower: &Follower, sessions: usize) {
        let now = self.clock.now();
        let (status, counts) = (follower.status(), follower.counts());
        if let Some(counts) = counts {
            self.count(counts);
        }
        self.tell_turns(&status, now.mono);
        self.progress.step(&self.name, status.standing, counts.unwrap_or(self.before));
        let next = status.next.map(|at| now.wall.plus(at.saturating_sub(now.mono)));
        let (before, folders) = (self.before, follower.folders());
        let (ended, failed_runs) = (follower.runs().0, follower.failed_runs());
        let fresh = std::mem::replace(&mut self.runs, ended) != ended;
        let mut push = follower.push();
        self.registry.account(&self.name, |line| {
            line.standing = status.standing;
            status.reason.clone_into(&mut line.reason);
            line.class = status.class;
            line.stalled = status.stalled;
            line.follows = status.follows;
            line.next_attempt_at = next;
            line.slot = follower.slot();
            let since = line.run.and(line.run_since).unwrap_or(now.mono);
            (line.run, line.run_since) = (counts.map(|_| before), counts.map(|_| since));
            // Another actor counts from the first on.
            if std::mem::replace(&mut line.life, self.life) != self.life {
                line.ended.clear();
            }
            line.runs = follower.runs();
            line.failed_runs = failed_runs;
            // Who is replaced has proved what its predecessor did.
            line.proved = follower.proved().or(line.proved);
            line.push = follower.push();
            push = line.notices();
            if fresh || line.folders.len() != folders.len() {
                line.folders = Arc::new(folders.to_vec());
            }
        });
        let step = match (status.standing, push) {
            (Standing::Idle, Push::Idle | Push::Notify | Push::Pubsub) => {
                "look when told, or on schedule"
            }
            (Standing::Idle, Push::Poll) => "look on schedule",
            (Standing::Waiting | Standing::Throttled, _) => "try again",
            (Standing::Paused | Standing::NeedsReauth | Standing::Failed, _) => {
                "none before something changes"
            }
            (Standing::Starting | Standing::Running | Standing::Removed, _) => "",
        };
        self.registry.does(&self.path, status.standing.as_str(), step, next);
        self.registry.in_flight(&self.path, sessions);
    }

    /// What begins and what ends is said, each once.
    fn tell_turns(&mut self, status: &Status, mono: Duration) {
        match status.standing {
            standing @ (Standing::NeedsReauth | Standing::Failed) => {
                if self.parked.replace(standing) != Some(standing) {
                    let (name, why) = (&self.name, &status.reason);
                    let to_do = advice(standing, status.class, status.stalled).to_do;
                    let to_do = to_do.replace("ACCOUNT", name);
                    tracing::warn!("account {name} is {standing}: {why}. What to do: {to_do}");
                }
            }
            // A try is no end of it.
            Standing::Starting | Standing::Running => {}
            _ => self.parked = None,
        }
        match status.standing {
            Standing::Waiting | Standing::Throttled | Standing::NeedsReauth | Standing::Failed => {
                // What no failure has told: there is no budget now.
                if status.standing == Standing::Throttled && self.trouble.is_none() {
                    tracing::info!("{}", status.reason);
                }
                self.trouble.get_or_insert(mono);
            }
            Standing::Idle => {
                if let Some(since) = self.trouble.take() {
                    let seconds = mono.saturating_sub(since).as_secs();
                    tracing::info!("well again, after {seconds} s of trouble");
                }
            }
            Standing::Starting | Standing::Running | Standing::Paused | Standing::Removed => {}
        }
        if status.stalled != self.stalled && status.standing == Standing::Idle {
            self.stalled = status.stalled;
            if status.stalled {
                tracing::warn!("{}: `postrider failures {}` names them", status.reason, self.name);
            } else {
                tracing::info!("nothing stands still any more");
            }
        }
    }

    fn count(&mut self, counts: Counts) {
        // Counters never fall: a machine that asks the store anew tells nothing meanwhile.
        if counts.stored < self.before.stored || counts.octets < self.before.octets {
            return;
        }
        let (stored, octets) =
            (counts.stored - self.before.stored, counts.octets - self.before.octets);
        let facts = counts.facts.saturating_sub(self.before.facts);
        let failed = counts.failed.saturating_sub(self.before.failed);
        if stored > 0 || octets > 0 {
            metrics::counter!(names::MESSAGES_STORED).increment(stored);
            metrics::counter!(names::BYTES_FETCHED, "provider" => self.provider).increment(octets);
        }
        if stored + octets + facts + failed > 0 {
            self.registry.account(&self.name, |line| {
                line.totals.stored += stored;
                line.totals.octets += octets;
                line.totals.facts += facts;
                line.totals.failed += failed;
            });
        }
        self.before = counts;
    }

    /// A run has ended, because its account is paused or its actor ends, perhaps.
    pub(super) fn ended(&mut self, summary: &Summary, leaves: bool) {
        self.count(summary.counts);
        self.progress.ended(&self.name, summary);
        self.before = Counts::default();
        metrics::counter!(names::RUNS, "outcome" => summary.outcome.as_str()).increment(1);
        for (said, again) in
            std::mem::take(&mut self.said).into_iter().filter(|(_, again)| *again > 0)
        {
            tracing::warn!(failure.repeated = again, "again: {said}");
        }
        // What is left is said with its names, once a day while it is so. That history waits is a state, and
        // told last.
        let mono = self.clock.now().mono;
        self.left.retain(|_, said| mono.saturating_sub(*said) < DAY);
        let waits = summary.deferred.is_some() || summary.put_off;
        let told = summary.left.len().saturating_sub(usize::from(waits));
        let left = summary.left.iter().take(told);
        let news: Vec<&String> = left.filter(|line| !self.left.contains_key(*line)).collect();
        // What waits for a second look is nobody's to mend yet: it is said again when it still is so then.
        if summary.sight.second_look {
            for line in news.iter().take(LINES) {
                tracing::info!("left undone: {line}");
            }
        } else {
            for line in news.iter().take(LINES) {
                tracing::warn!("left undone: {line}");
            }
            if news.len() > LINES {
                let (name, more) = (&self.name, news.len() - LINES);
                tracing::warn!("left undone: {more} more; `postrider status {name}` says what");
            }
            let room = CAUSES.saturating_sub(self.left.len());
            self.left.extend(news.into_iter().take(room).map(|line| (line.clone(), mono)));
        }
        let now = self.clock.now();
        let at = now.wall;
        let later = |wait: &Wait| at.plus(wait.until.saturating_sub(now.mono));
        self.registry.account(&self.name, |line| {
            line.run = None;
            line.left = if waits { summary.counts.remaining } else { 0 };
            if line.ended.len() >= ENDED {
                line.ended.pop_front();
            }
            let failure = summary.failure.as_ref();
            line.ended.push_back(RunEnd {
                // As was shown before this run's end; numbers behind it may be used up by now.
                run: line.runs.0 + 1,
                outcome: summary.outcome,
                left: leaves && summary.outcome == Outcome::Cancelled,
                failure: failure.map(|failure| (failure.class.as_str(), failure.to_string())),
                stored: summary.counts.stored,
                first: summary.first,
                deferred: summary.deferred.as_ref().map(later),
            });
            let changes = &summary.sight.changes;
            let has_looked = !changes.glance || changes.is_all;
            if summary.outcome == Outcome::Success && has_looked {
                line.last_success = Some(at);
            }
        });
    }

    /// A run waits before its next try.
    pub(super) fn waits(&self, wait: Duration) {
        self.progress.waits(&self.name, wait);
    }

    /// A failure was handled: one line for each cause; its repetitions are counted, and told at the
    /// end of the run.
    pub(super) fn failed(&mut self, failure: &Failure) {
        metrics::counter!(names::FAILURES, "class" => failure.class.as_str(), "reach" => failure.reach.as_str())
            .increment(1);
        self.progress.failed(&self.name, failure);
        self.registry.failed(&self.path, failure);
        self.registry.account(&self.name, |line| {
            *line.errors.entry(failure.class.as_str()).or_default() += 1
        });
        let text = failure.to_string();
        if let Some(again) = self.said.get_mut(&text) {
            *again += 1;
            return;
        }
        tracing::warn!(
            failure.class = failure.class.as_str(),
            failure.reach = failure.reach.as_str(),
            "{}",
            failure.chain()
        );
        if self.said.len() < CAUSES {
            self.said.insert(text, 0);
        }
    }
}
