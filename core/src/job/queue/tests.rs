//! The queue, rule by rule.

use super::facts::{AGAIN_AFTER, HELD_FOR};
use super::*;
use crate::job::slots::Level;
use crate::job::words::{JobKind, JobTask};
use crate::run::first::{FirstEnd, FirstOf};
use crate::standing::Outcome;
use std::time::Duration;

mod played;

const T: Micros = Micros(1_700_000_000_000_000);

fn at(seconds: u64) -> Micros {
    T.plus(Duration::from_secs(seconds))
}

fn wish(kind: JobKind, account: &str) -> JobWish {
    let task = (kind == JobKind::Maintenance).then_some(JobTask::Reindex);
    let what = JobPlace { kind, task, account: Some(account.to_owned()), first: None, at: None };
    JobWish {
        uuid: String::new(),
        what,
        priority: Level::Operator,
        not_before: T,
        owner: None,
        by: "x".into(),
    }
}

fn here() -> HereFacts {
    HereFacts { life: 1, ..HereFacts::default() }
}

fn end(run: u64, outcome: Outcome) -> RunEnd {
    let failure = (outcome == Outcome::Failed).then(|| ("network", "no route".to_owned()));
    RunEnd {
        run,
        outcome,
        left: false,
        failure,
        stored: 3,
        first: FirstEnd::Nothing,
        deferred: None,
    }
}

/// A queue whose accounts are all as this one.
struct Desk {
    queue: Queue,
    here: HereFacts,
    now: Micros,
}

impl Desk {
    fn new() -> Self {
        Self { queue: Queue::new([], 1), here: here(), now: T }
    }

    fn submit(&mut self, wish: &JobWish) -> Job {
        match self.queue.submit(std::slice::from_ref(wish), self.now).remove(0) {
            Submitted::Taken(job) => {
                self.queue.put((*job).clone());
                *job
            }
            Submitted::Refused(why) => panic!("{why}"),
        }
    }

    fn due(&self) -> Vec<Turn> {
        self.queue.due(|_| AccountFacts::Here(self.here.clone()), &BTreeSet::new(), self.now)
    }

    /// Does what is due; orders are taken with this run.
    fn turn(&mut self, run: u64) -> usize {
        let due = self.due();
        let n = due.len();
        for turn in due {
            let job = match turn {
                Turn::Store(job) | Turn::Do(job) => job,
                Turn::Order(job) => {
                    let run = RunOfJob { life: self.here.life, number: run };
                    self.queue.claimed(job.id, run).unwrap()
                }
            };
            self.queue.put(job);
        }
        n
    }

    fn status(&self, id: u64) -> Option<JobStatus> {
        self.queue.find(id).map(|job| job.status)
    }

    /// What becomes of the one job that is due.
    fn stored(&self) -> Job {
        match self.due().as_slice() {
            [Turn::Store(job)] => job.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn equal_wishes_are_one_job_and_one_more_beside_a_running_one() {
    let mut desk = Desk::new();
    let first = desk.submit(&JobWish {
        priority: Level::Late,
        not_before: at(50),
        ..wish(JobKind::Full, "a")
    });
    for _ in 1..50 {
        desk.submit(&wish(JobKind::Full, "a"));
    }
    desk.turn(1);
    assert_eq!(desk.status(first.id), Some(JobStatus::Claimed));
    for _ in 50..100 {
        desk.submit(&wish(JobKind::Full, "a"));
    }
    let one = desk.queue.find(first.id).unwrap();
    assert_eq!((desk.queue.open().count(), one.merged, one.status), (1, 100, JobStatus::Queued));
    assert_eq!((one.priority, one.not_before), (Level::Operator, T), "the better ones");
    desk.turn(1);
    desk.here.at_work = Some(1);
    desk.turn(1);
    assert_eq!(desk.status(first.id), Some(JobStatus::Running));
    for _ in 0..100 {
        desk.submit(&wish(JobKind::Full, "a"));
    }
    assert_eq!(desk.queue.open().map(|job| job.merged).collect::<Vec<_>>(), [100, 100]);
    // Another kind, another account, another time: another job.
    desk.submit(&wish(JobKind::Incremental, "a"));
    desk.submit(&wish(JobKind::Full, "b"));
    assert_eq!(desk.queue.open().count(), 4);
}

#[test]
fn a_job_is_done_with_a_run_that_began_behind_it() {
    let mut desk = Desk::new();
    let job = desk.submit(&wish(JobKind::Incremental, "a"));
    // Run 4 is under way already: run 5 is the one that counts.
    desk.here = HereFacts { at_work: Some(4), ended: 3, ..here() };
    desk.turn(5);
    assert_eq!(desk.due(), []);
    desk.here =
        HereFacts { at_work: None, ended: 4, ends: vec![end(4, Outcome::Success)], ..here() };
    assert_eq!(desk.due(), []);
    desk.here.at_work = Some(5);
    desk.turn(5);
    assert_eq!(desk.status(job.id), Some(JobStatus::Running));
    desk.here = HereFacts {
        ended: 5,
        ends: vec![end(4, Outcome::Failed), end(5, Outcome::Partial)],
        ..here()
    };
    let done = desk.stored();
    assert_eq!(
        (done.status, done.outcome.as_deref(), done.stored),
        (JobStatus::Done, Some(Outcome::Partial.as_str()), 3)
    );
    assert_eq!(done.times.finished_at, Some(T));
    // Nobody saw it run.
    let mut desk = Desk::new();
    desk.submit(&wish(JobKind::Full, "a"));
    desk.turn(1);
    desk.here = HereFacts {
        ended: 2,
        ends: vec![end(1, Outcome::Success), end(2, Outcome::Failed)],
        ..here()
    };
    assert_eq!(desk.stored().status, JobStatus::Done);
}

#[test]
fn the_third_failure_is_the_last() {
    let mut desk = Desk::new();
    let id = desk.submit(&wish(JobKind::Full, "a")).id;
    for run in 1..=3 {
        desk.here = HereFacts { ended: run - 1, ..here() };
        desk.turn(run);
        desk.here = HereFacts { ended: run, ends: vec![end(run, Outcome::Failed)], ..here() };
        let job = desk.stored();
        assert_eq!(
            (u64::from(job.attempts), job.errors.len()),
            (run, usize::try_from(run).unwrap())
        );
        desk.queue.put(job.clone());
        if run == 3 {
            assert_eq!((job.status, job.errors[2].text.as_str()), (JobStatus::Dead, "no route"));
            assert_eq!(desk.status(id), None);
            let again = desk.queue.retry(&job, at(60)).unwrap();
            assert_eq!(
                (again.attempts, again.status, again.errors.len()),
                (0, JobStatus::Queued, 3)
            );
            assert_eq!(job.discarded("me", T).unwrap().status, JobStatus::Cancelled);
            assert!(job.cancelled("me", T).is_err());
            continue;
        }
        // It waits as its account does.
        assert_eq!(desk.due(), []);
        desk.now = desk.now.plus(AGAIN_AFTER);
        desk.here.held = Some("the server refuses".to_owned());
        assert_eq!(desk.due(), []);
        desk.here.held = None;
        assert!(matches!(desk.due()[..], [Turn::Order(_)]));
    }
}

#[test]
fn what_ends_its_run_says_what_becomes_of_it() {
    let ended = |end: RunEnd| {
        let mut desk = Desk::new();
        desk.submit(&wish(JobKind::Full, "a"));
        desk.turn(1);
        desk.here = HereFacts { ended: 1, ends: vec![end], ..here() };
        desk.stored().status
    };
    let cancelled = || end(1, Outcome::Cancelled);
    assert_eq!(ended(cancelled()), JobStatus::Cancelled);
    // Its account is paused, or followed otherwise.
    assert_eq!(ended(RunEnd { left: true, ..cancelled() }), JobStatus::Queued);
    // What it had no budget for was left to later: that is nothing to who asked for all of it.
    assert_eq!(
        ended(RunEnd { deferred: Some(at(9)), ..end(1, Outcome::Partial) }),
        JobStatus::Done
    );
    // It never began, or nobody knows any more: another's end is not its end.
    assert_eq!(ended(end(0, Outcome::Success)), JobStatus::Queued);
    assert_eq!(ended(end(2, Outcome::Success)), JobStatus::Queued);
    // Its account is refused, or waits, and no run is under way.
    let mut desk = Desk::new();
    desk.submit(&wish(JobKind::Full, "a"));
    desk.turn(1);
    desk.here.held = Some("its account has failed".to_owned());
    assert_eq!(desk.stored().status, JobStatus::Queued);
    desk.here.at_work = Some(1);
    assert_eq!(desk.stored().status, JobStatus::Running, "its run waits, and goes on");
    // Its actor is another.
    let mut desk = Desk::new();
    desk.submit(&wish(JobKind::Full, "a"));
    desk.turn(1);
    desk.here.life = 2;
    let again = desk.stored();
    assert_eq!((again.status, again.attempts, again.run), (JobStatus::Queued, 0, None));
}

#[test]
fn an_account_that_is_held_keeps_its_jobs_for_a_week() {
    let mut desk = Desk::new();
    desk.submit(&wish(JobKind::Full, "a"));
    desk.here = HereFacts { held: Some("the account is paused".to_owned()), ..here() };
    desk.now = T.plus(HELD_FOR);
    assert_eq!(desk.due(), []);
    desk.now = desk.now.plus(Duration::from_secs(1));
    let dead = desk.stored();
    assert_eq!(dead.status, JobStatus::Dead);
    assert!(dead.errors[0].text.contains("the account is paused"), "{:?}", dead.errors);
    // Another wish for the same waits for a week of its own.
    let mut desk = Desk::new();
    desk.submit(&wish(JobKind::Full, "a"));
    desk.here = HereFacts { held: Some("the account is paused".to_owned()), ..here() };
    desk.now = T.plus(HELD_FOR);
    desk.submit(&wish(JobKind::Full, "a"));
    desk.now = desk.now.plus(HELD_FOR);
    assert_eq!(desk.due(), []);
    // Whose account can take it is not too old for it.
    desk.now = desk.now.plus(HELD_FOR);
    desk.here.held = None;
    assert!(matches!(desk.due()[..], [Turn::Order(_)]));
    // One that is due later counts from then; one that nobody names any more is not kept.
    let mut desk = Desk::new();
    desk.submit(&JobWish { not_before: at(9 * 86_400), ..wish(JobKind::Full, "a") });
    desk.now = at(8 * 86_400);
    assert_eq!(desk.due(), []);
    let due = |facts: AccountFacts| desk.queue.due(|_| facts.clone(), &BTreeSet::new(), T);
    assert_eq!(due(AccountFacts::Coming), []);
    assert!(
        matches!(&due(AccountFacts::Unnamed)[..], [Turn::Store(job)] if job.status == JobStatus::Cancelled)
    );
}

#[test]
fn the_best_goes_first_and_one_at_a_time() {
    let mut desk = Desk::new();
    let late = desk.submit(&JobWish { priority: Level::Late, ..wish(JobKind::Full, "a") });
    let best = desk.submit(&wish(JobKind::Incremental, "a"));
    desk.submit(&JobWish { not_before: at(1), ..wish(JobKind::WebhookTriggered, "a") });
    assert!(matches!(&desk.due()[..], [Turn::Order(job)] if job.id == best.id));
    let ordered = BTreeSet::from([best.id]);
    let due = desk.queue.due(|_| AccountFacts::Here(here()), &ordered, T);
    assert_eq!(due, [], "its order is on its way");
    desk.turn(1);
    assert_eq!(desk.due(), [], "one of an account at a time");
    desk.here = HereFacts { ended: 1, ends: vec![end(1, Outcome::Success)], ..here() };
    desk.turn(2);
    assert_eq!(desk.status(late.id), Some(JobStatus::Claimed));
    // Maintenance is one at a time, whosever it is, and beside runs.
    let mut desk = Desk::new();
    for account in ["a", "b", "c"] {
        desk.submit(&wish(JobKind::Full, account));
        desk.submit(&wish(JobKind::Maintenance, account));
    }
    let due = desk.due();
    let orders = due.iter().filter(|turn| matches!(turn, Turn::Order(_))).count();
    let done: Vec<u64> = due
        .iter()
        .filter_map(|turn| if let Turn::Do(job) = turn { Some(job.id) } else { None })
        .collect();
    assert_eq!((orders, done.as_slice()), (3, &[2][..]));
    desk.turn(1);
    assert_eq!(desk.due(), []);
    assert!(desk.queue.find(2).unwrap().cancelled("me", T).is_err());
    let failed = desk.queue.maintained(2, Err(("storage", "full".to_owned())), T).remove(0);
    assert_eq!((failed.status, failed.attempts), (JobStatus::Queued, 1));
    assert!(failed.not_before >= at(60), "it is not dead within seconds");
    let ended = desk.queue.maintained(2, Ok("12 messages".to_owned()), T).remove(0);
    desk.queue.put(ended);
    assert!(matches!(&desk.due()[..], [Turn::Do(job)] if job.id == 4));
}

#[test]
fn who_is_queued_again_takes_an_equal_one_with_it() {
    let mut desk = Desk::new();
    let first = desk.submit(&JobWish { priority: Level::Late, ..wish(JobKind::Full, "a") });
    desk.turn(1);
    desk.here.at_work = Some(1);
    desk.turn(1);
    let second = desk.submit(&wish(JobKind::Full, "a"));
    desk.here = HereFacts { life: 2, ..here() };
    desk.turn(1);
    let one = desk.queue.find(first.id).unwrap();
    assert_eq!((one.merged, one.priority, one.status), (2, Level::Operator, JobStatus::Queued));
    assert_eq!(desk.status(second.id), None);
    assert!(matches!(&desk.due()[..], [Turn::Order(job)] if job.id == first.id));
}

#[test]
fn another_process_begins_with_what_nobody_is_at() {
    let mut desk = Desk::new();
    let (a, b) = (desk.submit(&wish(JobKind::Full, "a")), desk.submit(&wish(JobKind::Full, "b")));
    let waits = desk.submit(&wish(JobKind::Full, "c"));
    let claimed = Job { status: JobStatus::Claimed, ..a };
    let running = Job { status: JobStatus::Running, attempts: 1, ..b };
    let run = Some(RunOfJob { life: 1, number: 1 });
    let known = Job { id: 4, status: JobStatus::Claimed, run, ..waits.clone() };
    let queue = Queue::new([claimed, running, waits, known], 9);
    let again: Vec<_> = queue
        .forsaken(None, T)
        .into_iter()
        .map(|job| (job.id, job.status, job.attempts, job.run))
        .collect();
    assert_eq!(again, [(1, JobStatus::Queued, 0, None), (2, JobStatus::Queued, 1, None)]);
    assert_eq!(queue.next(), 9);
    // Maintenance that this process is at is not.
    let doing =
        Job { id: 5, status: JobStatus::Running, ..desk.submit(&wish(JobKind::Maintenance, "a")) };
    let queue = Queue::new([doing], 9);
    assert_eq!((queue.forsaken(Some(5), T).len(), queue.forsaken(None, T).len()), (0, 1));
}

fn selective(limit: u64) -> JobWish {
    let first = Some(FirstOf { limit: Some(limit), ..FirstOf::default() });
    let wish = wish(JobKind::Selective, "a");
    JobWish { what: JobPlace { first, ..wish.what }, ..wish }
}

/// Other mail is another job.
#[test]
fn some_of_the_past_is_the_same_where_it_is_the_same_mail() {
    let mut desk = Desk::new();
    let one = desk.submit(&selective(5));
    assert_eq!(desk.submit(&selective(5)).id, one.id);
    let other = desk.submit(&selective(6));
    assert!(other.id != one.id && one.what.key() != other.what.key());
    assert_eq!(desk.due().len(), 1, "one after the other");
}

/// Who had no budget for the past, or made room, has not read what was asked for: it is done again, and is no failure.
#[test]
fn some_of_the_past_waits_for_its_budget() {
    let mut desk = Desk::new();
    let id = desk.submit(&selective(5)).id;
    let ended = |desk: &mut Desk, run: u64, first: FirstEnd, deferred: Option<Micros>| {
        desk.turn(run);
        let end = RunEnd { first, deferred, ..end(run, Outcome::Partial) };
        desk.here = HereFacts { ended: run, ends: vec![end], ..here() };
        let job = desk.stored();
        desk.queue.put(job.clone());
        job
    };
    for (run, wait) in [(1, 60), (2, 7200)] {
        let until = desk.now.plus(Duration::from_secs(wait));
        let job = ended(&mut desk, run, FirstEnd::Left, Some(until));
        assert_eq!((job.id, job.status, job.attempts), (id, JobStatus::Queued, 0));
        let soonest = desk.now.plus(Duration::from_secs(wait.max(900)));
        assert_eq!((job.not_before, desk.due()), (soonest, vec![]), "not before there may be some");
        desk.now = soonest;
    }
    let job = ended(&mut desk, 3, FirstEnd::Left, None);
    assert_eq!(
        (job.status, job.not_before),
        (JobStatus::Queued, desk.now.plus(Duration::from_secs(1)))
    );
    desk.now = desk.now.plus(Duration::from_secs(1));
    let job = ended(&mut desk, 4, FirstEnd::Read, None);
    assert_eq!(job.status, JobStatus::Done);
    assert!(job.outcome.unwrap().contains("the rest of the history follows"));
}

/// What cannot be chosen, or is not read where nothing is in the way, is a failure.
#[test]
fn some_of_the_past_that_cannot_be_read_is_dead_in_the_end() {
    for (first, words) in
        [(FirstEnd::Undated, "cannot be learned"), (FirstEnd::Left, "could not be read")]
    {
        let mut desk = Desk::new();
        desk.submit(&selective(5));
        for run in 1..=3 {
            desk.turn(run);
            let end = RunEnd { first, stored: 0, ..end(run, Outcome::Partial) };
            desk.here = HereFacts { ended: run, ends: vec![end], ..here() };
            let job = desk.stored();
            assert!(job.errors.last().unwrap().text.contains(words));
            assert_eq!(job.status == JobStatus::Dead, run == 3);
            desk.queue.put(job);
            desk.now = desk.now.plus(Duration::from_secs(60));
        }
    }
}
