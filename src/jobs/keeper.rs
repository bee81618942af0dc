//! The JobsActor: keeps the queue of what somebody asked for (`kept.rs`), and the times at which the config does
//! (`timetable.rs`).
#![expect(
    clippy::disallowed_methods,
    reason = "orders and maintenance go beside the actor, which hears of their end"
)]

use crate::fault;
use crate::jobs::facts::facts;
use crate::jobs::kept::{KeptQueue, unknown};
use crate::jobs::maintenance::{ended_in_time, maintained};
use crate::jobs::message::{JobVerb, JobsArgs, JobsMsg, JobsRequest, JobsWork, Worked};
use crate::jobs::orders::OrderBook;
use crate::jobs::timetable::Timetable;
use crate::store::JobWork;
use crate::telemetry::registry::AccountLine;
use postrider_core::account::follow::Order;
use postrider_core::failure::Failure;
use postrider_core::job::queue::{AccountFacts, Job, JobWish, RunOfJob, Submitted, Turn};
use postrider_core::job::words::JobKind;
use postrider_core::standing::Activity;
use postrider_core::time::Micros;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks, while a job is open.
const LOOK: Duration = Duration::from_millis(200);
/// And while none is, or the database is away.
const REST: Duration = Duration::from_secs(5);
/// An account that has taken no order is asked again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// An order that is not answered by then is lost.
const LOST: Duration = Duration::from_secs(60);
/// While a job is of an account that is not there yet, its rows are read so often: it may have another id.
const RELOAD: Duration = Duration::from_secs(5);
/// Finished jobs are kept for so long.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How often those that are older go.
const FORGET: Duration = Duration::from_secs(600);

/// The actor.
#[derive(Debug, Default)]
pub struct JobsActor;

/// What it holds.
pub struct JobsState {
    args: JobsArgs,
    kept: KeptQueue,
    times: Timetable,
    orders: OrderBook,
    /// The maintenance that is being done.
    maintains: Option<u64>,
    /// The next look: its number, and when it is.
    looks: (u64, Option<Duration>),
    due: DueLater,
}

/// What is done at its time, on the monotonic clock.
#[derive(Debug, Default)]
struct DueLater {
    /// Rows that are too old go.
    forget: Duration,
    /// Rows are read again.
    reload: Duration,
    /// The database is asked again.
    ask: Duration,
}

impl std::fmt::Debug for JobsState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobsState").finish_non_exhaustive()
    }
}

impl Actor for JobsActor {
    type Msg = JobsMsg;
    type State = JobsState;
    type Arguments = JobsArgs;

    async fn pre_start(
        &self,
        me: ActorRef<JobsMsg>,
        args: JobsArgs,
    ) -> Result<JobsState, ActorProcessingErr> {
        me.cast(JobsMsg::Look(0))?;
        let kept = KeptQueue::new(&args.reader, Arc::clone(&args.hands));
        let times = Timetable::new(args.schedules.clone());
        let (orders, due) = (OrderBook::default(), DueLater::default());
        Ok(JobsState { args, kept, times, orders, maintains: None, looks: (0, None), due })
    }

    async fn handle(
        &self,
        me: ActorRef<JobsMsg>,
        message: JobsMsg,
        state: &mut JobsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JobsMsg::Asked(asked) => {
                fault::pass("panic.jobs");
                state.asked(asked.open()).await;
                // Behind what else is asked now.
                state.look_again(&me, Duration::ZERO);
            }
            JobsMsg::Look(number) if number == state.looks.0 => {
                state.looks.1 = None;
                state.look(&me).await;
            }
            JobsMsg::Look(_) => {}
            JobsMsg::Ordered(id, number, answer) => state.answered(id, number, answer).await,
            JobsMsg::Maintained(id, end) => {
                state.maintains = None;
                if let Some(queue) = state.kept.queue() {
                    let ended = queue.maintained(id, end, state.now());
                    state.put(ended).await;
                }
                state.look_again(&me, Duration::ZERO);
            }
        }
        Ok(())
    }
}

impl JobsState {
    fn now(&self) -> Micros {
        self.args.registry.clock().now().wall
    }

    fn mono(&self) -> Duration {
        self.args.registry.clock().now().mono
    }

    /// What is stored is known; not where the database was away a moment ago.
    async fn load(&mut self) -> Result<(), Failure> {
        if self.mono() < self.due.ask {
            return Err(unknown());
        }
        let (now, maintains) = (self.now(), self.maintains);
        let loaded = self.kept.load(now, maintains).await;
        if loaded.is_err() {
            self.due.ask = self.mono() + REST;
        }
        loaded
    }

    /// Jobs are stored so; where that fails it is seen again.
    async fn put(&mut self, jobs: Vec<Job>) {
        if let Err(failure) = self.kept.store(jobs, None).await {
            self.trouble(&failure);
        }
    }

    fn trouble(&self, failure: &Failure) {
        self.args.registry.failed("root/jobs", failure);
        tracing::warn!("jobs wait: {}", failure.chain());
    }

    /// What others ask. Whoever has been told that it took too long is not obeyed any more.
    async fn asked(&mut self, request: JobsRequest) {
        let mono = self.mono();
        match request {
            JobsRequest::Submit(wishes, until, reply) if mono < until => {
                reply.send(self.submit(wishes, None).await);
            }
            JobsRequest::Work(work, until, reply) if mono < until => {
                reply.send(self.work(work).await);
            }
            JobsRequest::Submit(..) | JobsRequest::Work(..) => {}
        }
    }

    async fn submit(
        &mut self,
        wishes: Vec<JobWish>,
        fired: Option<(String, Micros)>,
    ) -> Result<Vec<Submitted>, Failure> {
        self.load().await?;
        let Some(queue) = self.kept.queue() else { return Err(unknown()) };
        let submitted = queue.submit(&wishes, self.now());
        let taken = |one: &Submitted| match one {
            Submitted::Taken(job) => Some((**job).clone()),
            Submitted::Refused(_) => None,
        };
        let taken: Vec<Job> = submitted.iter().filter_map(taken).collect();
        // What was ordered before is not what a wish that comes now waits for.
        taken.iter().for_each(|job| self.orders.withdraw(job.id));
        self.kept.store(taken, fired).await?;
        Ok(submitted)
    }

    async fn work(&mut self, JobsWork { verb, ids, by }: JobsWork) -> Result<Vec<Worked>, Failure> {
        self.load().await?;
        let (mut worked, mut changed, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            let Some(queue) = self.kept.queue() else { return Err(unknown()) };
            let job = match queue.find(id) {
                Some(job) => Some(job.clone()),
                None => self.kept.reader().row(id).await?,
            };
            let Some(job) = job else { continue };
            let now = self.now();
            let done = match verb {
                JobVerb::Cancel => job.cancelled(&by, now),
                JobVerb::Retry => queue.retry(&job, now),
                JobVerb::Discard => job.discarded(&by, now),
            };
            if let Ok(done) = &done {
                changed.push(done.clone());
                // Its run is not to go on.
                let is_run = verb == JobVerb::Cancel && self.runs_for(&job);
                ends.extend(job.what.account.filter(|_| is_run));
            }
            worked.push(done);
        }
        self.kept.store(changed, None).await?;
        ends.iter().for_each(|account| self.args.hands.cancel(account));
        Ok(worked)
    }

    /// Whether the run that its account works on, or waits for, is its run, and nobody wants another behind it.
    fn runs_for(&self, job: &Job) -> bool {
        let (Some(run), Some(account)) = (job.run, &job.what.account) else { return false };
        let runs = (run.number.saturating_sub(1), run.number);
        let is_its = |line: &AccountLine| line.life == run.life && line.runs == runs;
        self.args.registry.look(account, is_its).unwrap_or(false)
    }

    /// Does what is due, and looks again in time.
    async fn look(&mut self, me: &ActorRef<JobsMsg>) {
        let mono = self.mono();
        if mono < self.due.ask {
            return self.look_again(me, REST);
        }
        if let Err(failure) = self.tend_times().await {
            self.times.forget();
            self.trouble(&failure);
            return self.look_again(me, REST);
        }
        if mono >= self.due.forget {
            self.forget(mono).await;
        }
        let given = self.orders.given(mono);
        let Some(queue) = self.kept.queue() else { return self.look_again(me, REST) };
        let (args, is_coming) = (&self.args, Cell::new(false));
        let of = |account: &str| {
            let facts = facts(&args.registry, args.hands.as_ref(), account);
            is_coming.set(is_coming.get() || facts == AccountFacts::Coming);
            facts
        };
        let due = queue.due(of, &given, self.now());
        let is_coming = is_coming.get();
        let (mut changed, mut orders, mut task) = (Vec::new(), Vec::new(), None);
        for turn in due {
            match turn {
                Turn::Store(job) => changed.push(job),
                Turn::Order(job) => orders.push(job),
                Turn::Do(job) if self.maintains.is_none() => {
                    changed.push(job.clone());
                    task = Some(job);
                }
                Turn::Do(_) => {}
            }
        }
        self.put(changed).await;
        let Some(queue) = self.kept.queue() else { return self.look_again(me, REST) };
        let open = queue.open().count();
        self.args.registry.in_flight("root/jobs", open);
        self.args.registry.does("root/jobs", Activity::Running.as_str(), "", None);
        orders.iter().for_each(|job| self.order(me, job, mono));
        if let Some(job) = task {
            self.maintain(me, job);
        }
        if is_coming && mono >= self.due.reload {
            self.due.reload = mono + RELOAD;
            self.kept.lose();
        }
        let rests = if open == 0 { self.rests() } else { LOOK };
        self.look_again(me, rests);
    }

    /// So long until the next time of a schedule; not for long.
    fn rests(&self) -> Duration {
        let until = self.times.next().map_or(REST, |next| next.since(self.now()));
        until.clamp(LOOK, REST)
    }

    /// What is stored is known; jobs of schedules whose time has come are in the queue.
    async fn tend_times(&mut self) -> Result<(), Failure> {
        let now = self.now();
        self.load().await?;
        if self.times.is_stale() {
            let done = self.kept.reader().fired().await?;
            for id in self.times.plan(&done, now) {
                self.kept.store(Vec::new(), Some((id, now))).await?;
            }
        }
        while let Some(due) = self.times.due(now) {
            let (id, at) = (due.schedule.id.clone(), due.at);
            let submitted = self.submit(due.wishes(now), Some((id.clone(), at))).await?;
            self.times.is_done(&id, at);
            for one in submitted {
                if let Submitted::Refused(why) = one {
                    tracing::warn!("schedule {id}: a job is refused: {why}");
                }
            }
        }
        Ok(())
    }

    fn look_again(&mut self, me: &ActorRef<JobsMsg>, after: Duration) {
        let at = self.mono() + after;
        if self.looks.1.is_none_or(|looks| at < looks) {
            let number = self.looks.0 + 1;
            self.looks = (number, Some(at));
            me.send_after(after, move || JobsMsg::Look(number));
        }
    }

    /// Rows of jobs that have ended long ago go.
    async fn forget(&mut self, mono: Duration) {
        let kept = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        let before = Micros(self.now().0.saturating_sub(kept));
        match self.args.hands.write(JobWork::Forget { before, most: 1000 }).await {
            // There may be more.
            Ok(true) => {}
            Ok(false) => self.due.forget = mono + FORGET,
            Err(failure) => self.trouble(&failure),
        }
    }

    /// Gives an account the order of a job.
    fn order(&mut self, me: &ActorRef<JobsMsg>, job: &Job, mono: Duration) {
        let Some(account) = job.what.account.clone() else { return };
        let (id, number) = (job.id, self.orders.give(job.id, mono + LOST));
        let (doubts, first) = (job.what.kind == JobKind::Full, job.what.first.clone());
        let order = Order { doubts, level: job.priority, first };
        let (me, registry) = (me.clone(), self.args.registry.clone());
        let answer = self.args.hands.order(&account, order);
        tokio::spawn(async move {
            let life = || registry.look(&account, |line| line.life);
            let before = life();
            let answer = answer.await.and_then(|run| match (before, life()) {
                (Some(before), Some(after)) if before == after => {
                    Ok(RunOfJob { life: before, number: run })
                }
                _ => Err("its actor has begun anew".to_owned()),
            });
            // An actor that is gone has begun anew, with what is stored.
            drop(me.cast(JobsMsg::Ordered(id, number, answer)));
        });
    }

    /// An account has taken an order, or has not.
    async fn answered(&mut self, id: u64, number: u64, answer: Result<RunOfJob, String>) {
        if !self.orders.answered(id, number) {
            return;
        }
        match answer {
            Ok(run) => {
                if let Some(claimed) = self.kept.queue().and_then(|queue| queue.claimed(id, run)) {
                    self.put(vec![claimed]).await;
                    fault::pass("job.claimed");
                }
            }
            Err(why) => {
                tracing::debug!("job {id} waits: {why}");
                self.orders.give(id, self.mono() + AGAIN);
            }
        }
    }

    /// Does maintenance, beside everything else.
    fn maintain(&mut self, me: &ActorRef<JobsMsg>, job: Job) {
        self.maintains = Some(job.id);
        let (id, me, now, task) = (job.id, me.clone(), self.now(), job.what.task);
        let doing = tokio::spawn(maintained(Arc::clone(&self.args.hands), job.what, now));
        tokio::spawn(async move {
            let ended = ended_in_time(doing, task).await;
            drop(me.cast(JobsMsg::Maintained(id, ended)));
        });
    }
}
