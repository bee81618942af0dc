//! What is asked of a fleet beyond its schedule: the real queue, whose orders go to the real followers.

use super::{Fleet, name, nth};
use postrider_core::account::follow::{Command, Follower, Order};
use postrider_core::job::queue::{
    AccountFacts, HereFacts, Job, JobPlace, JobWish, Queue, RunOfJob, Submitted, Turn,
};
use postrider_core::job::slots::Level;
use postrider_core::job::words::{JobKind, JobStatus};
use postrider_core::roster::RosterEvent;
use postrider_core::run::first::FirstOf;
use postrider_core::standing::Standing;
use std::collections::{BTreeMap, BTreeSet};

/// How often it is looked what is due, while a job is open.
const LOOK: i64 = 20;

/// Who keeps the jobs of a fleet.
pub(crate) struct JobDesk {
    queue: Queue,
    /// The next look.
    at: i64,
    /// Which run was under way, or the last, as each was asked for last.
    asked: BTreeMap<u64, (u64, u64)>,
    pub(crate) wishes: u64,
    pub(crate) done: u64,
    pub(crate) dead: u64,
    pub(crate) cancelled: u64,
}

impl JobDesk {
    pub(crate) fn new() -> Self {
        let (queue, asked) = (Queue::new([], 1), BTreeMap::new());
        Self { queue, at: 0, asked, wishes: 0, done: 0, dead: 0, cancelled: 0 }
    }

    /// When it is looked at next, if something is open.
    pub(crate) fn next(&self) -> Option<i64> {
        self.queue.open().next().map(|_| self.at)
    }

    /// What is open still.
    pub(crate) fn open(&self) -> Option<&Job> {
        self.queue.open().next()
    }

    /// The process is another: nobody is at anything.
    pub(crate) fn forget(&mut self, now: postrider_core::time::Micros) {
        let open = self.queue.open().map(|job| Job { run: None, ..job.clone() });
        let open: Vec<Job> = open.collect();
        self.queue = Queue::new(open, self.queue.next());
        for job in self.queue.forsaken(None, now) {
            self.queue.put(job);
        }
    }
}

fn facts(fleet: &Fleet, n: usize) -> AccountFacts {
    let member = &fleet.members[n];
    let life = member.world.life.as_ref().unwrap();
    let Some(follower) = member.follower() else {
        let held = Some("its actor begins anew".to_owned());
        return AccountFacts::Here(HereFacts {
            life: life.incarnation,
            held,
            ..HereFacts::default()
        });
    };
    let status = follower.status();
    let takes = match status.standing {
        Standing::Starting | Standing::Running | Standing::Idle => true,
        Standing::Throttled => status.follows,
        _ => false,
    };
    AccountFacts::Here(HereFacts {
        life: life.incarnation,
        held: (!takes).then(|| status.reason.clone()),
        at_work: follower.counts().map(|_| follower.runs().0 + 1),
        ended: follower.runs().0,
        ends: life.ends.iter().cloned().collect(),
    })
}

impl Fleet {
    /// Somebody asks for something of an account, three times perhaps.
    pub(super) fn asks_for(&mut self, n: usize) {
        let kinds =
            [JobKind::Full, JobKind::Incremental, JobKind::Selective, JobKind::WebhookTriggered];
        let kind = *self.dice.pick(&kinds);
        let priority = *self.dice.pick(&[Level::Operator, Level::Schedule, Level::Late]);
        let times = if self.dice.chance(30) { 3 } else { 1 };
        for _ in 0..times {
            self.wishes(&[n], kind, priority);
        }
    }

    /// The clock asks for something of all.
    pub(super) fn asks_for_all(&mut self) {
        let all: Vec<usize> = (0..self.members.len()).collect();
        self.wishes(&all, JobKind::Incremental, Level::Schedule);
    }

    fn wishes(&mut self, of: &[usize], kind: JobKind, priority: Level) {
        // Nothing can be stored: they hear so.
        if self.now < self.store_back {
            return;
        }
        let now = self.instant().wall;
        let limit = Some(20);
        let first = FirstOf { limit, ..FirstOf::default() };
        let first = (kind == JobKind::Selective).then_some(first);
        let wish = |n: &usize| JobWish {
            uuid: String::new(),
            what: JobPlace {
                kind,
                task: None,
                account: Some(name(*n)),
                first: first.clone(),
                at: None,
            },
            priority,
            not_before: now,
            owner: None,
            by: "somebody".to_owned(),
        };
        let wishes: Vec<JobWish> = of.iter().map(wish).collect();
        for (n, submitted) in of.iter().zip(self.jobs.queue.submit(&wishes, now)) {
            let Submitted::Taken(job) = submitted else { panic!("{submitted:?}") };
            let life = self.members[*n].world.life.as_ref().unwrap().incarnation;
            let at = self.members[*n]
                .follower()
                .map_or(0, |follower| follower.runs().0 + u64::from(follower.counts().is_some()));
            self.jobs.asked.insert(job.id, (life, at));
            self.jobs.wishes += 1;
            self.jobs.queue.put(*job);
        }
        self.jobs.at = self.jobs.at.min(self.now + LOOK);
    }

    /// Who keeps jobs does what is due.
    pub(super) fn jobs_look(&mut self) -> Result<(), String> {
        if self.jobs.next().is_none_or(|at| at > self.now) {
            return Ok(());
        }
        self.jobs.at = self.now + LOOK;
        if self.now < self.store_back {
            return Ok(());
        }
        let due = {
            let of = |name: &str| facts(self, nth(name));
            self.jobs.queue.due(of, &BTreeSet::new(), self.instant().wall)
        };
        for turn in due {
            match turn {
                Turn::Store(job) | Turn::Do(job) => self.stored(job)?,
                Turn::Order(job) => self.orders(&job),
            }
        }
        Ok(())
    }

    fn orders(&mut self, job: &Job) {
        let n = nth(job.what.account.as_deref().unwrap());
        let doubts = job.what.kind == JobKind::Full;
        let first = job.what.first.clone();
        let command = Command::Order(Order { doubts, level: job.priority, first });
        let takes = |follower: &Follower| follower.accepts(&command).is_ok();
        if !self.members[n].follower().is_some_and(takes) {
            return;
        }
        self.tell(RosterEvent::Commanded(name(n), command));
        let life = self.members[n].world.life.as_ref().unwrap().incarnation;
        let Some(number) = self.members[n].follower().map(|follower| follower.runs().1) else {
            return;
        };
        if let Some(claimed) = self.jobs.queue.claimed(job.id, RunOfJob { life, number }) {
            self.jobs.queue.put(claimed);
        }
    }

    fn stored(&mut self, job: Job) -> Result<(), String> {
        let asked = self.jobs.asked.get(&job.id).copied();
        match job.status {
            JobStatus::Done => {
                self.jobs.done += 1;
                let run = job.run.ok_or_else(|| format!("job {} is done by nobody", job.id))?;
                if asked.is_none_or(|(life, at)| life == run.life && at >= run.number) {
                    return Err(format!("job {} is done by a run that had begun: {job:?}", job.id));
                }
            }
            JobStatus::Dead => self.jobs.dead += 1,
            JobStatus::Cancelled => self.jobs.cancelled += 1,
            JobStatus::Queued | JobStatus::Claimed | JobStatus::Running => {}
        }
        self.jobs.queue.put(job);
        Ok(())
    }
}
