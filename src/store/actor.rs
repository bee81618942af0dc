//! The StoreActor: the only writer. Commits that wait together share a transaction, and where one is
//! amiss, each has a savepoint there; answers go out after the COMMIT. Control writes are served
//! between transactions.

use crate::bodies::DyingPacks;
use crate::clock::Clock;
use crate::fault;
use crate::reply::ReplyTo;
use crate::store::apply::{Done, Guards, Numbers, Quiet, derive, write_quiet};
use crate::store::arrivals::Arrivals;
use crate::store::connect::Database;
use crate::store::derive::{DeriveAnswer, DeriveOrder, DeriveStands};
use crate::store::failure::Trouble;
use crate::store::in_hand::InHand;
use crate::store::inbound::InboundWork;
use crate::store::instance::StartCount;
use crate::store::message::{StoreMsg, StoreRequest};
use crate::store::orders::Control;
use crate::store::process::ThisProcess;
use crate::store::sql::setting::{PutSetting, Version};
use crate::store::sql::sqlite::fold::{self, Gathered};
use crate::store::told::FeedEnd;
use crate::store::transaction::Sql;
use crate::store::waiting::{Line, Order, Waiting};
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::batch::{MANY, patience};
use postrider_core::failure::Failure;
use postrider_core::time::Micros;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait for the database: then the pages are kept and tried again.
const DEADLINE: Duration = Duration::from_secs(30);

/// Proofs of quiet passes wait no longer than this to be written.
const QUIET: Duration = Duration::from_secs(60);

/// How often a server is looked at that nobody speaks to.
const LOOK: Duration = Duration::from_secs(15);

/// The actor.
#[derive(Debug, Default)]
pub struct StoreActor;

/// What the actor holds.
#[derive(Debug)]
pub struct StoreState {
    db: Database,
    clock: Clock,
    waiting: Line,
    controls: VecDeque<(Order, ReplyTo<Result<Done, Failure>>)>,
    /// What is derived: each goes when neither a control write nor a page has waited longer.
    derives: VecDeque<(DeriveOrder, ReplyTo<DeriveAnswer>)>,
    quiet: Quiet,
    /// As the last transaction has left them, where that is known: nobody else writes.
    numbers: Option<Numbers>,
    /// The same of the rows that commits compare with.
    guards: Guards,
    listeners: Listeners,
    registry: Registry,
    timers: Timers,
    process: ThisProcess,
    log: Gathered,
    /// What transaction the writing connection is in is not known.
    unsure: bool,
    /// The last transaction failed.
    troubled: bool,
}

/// Who is told what the database has become.
#[derive(Debug)]
struct Listeners {
    /// How far the feed has come.
    events: watch::Sender<FeedEnd>,
    /// Who has the database for good.
    taken: watch::Sender<Option<String>>,
    /// What has come.
    arrivals: Arrivals,
}

/// Messages of its own that are on their way, and what hurries them.
#[derive(Debug, Default)]
struct Timers {
    /// A timer for `WriteQuiet` is running.
    quiet: bool,
    flushing: bool,
    /// Somebody waits for what may wait for others.
    hurried: bool,
    /// When the next `Gathered` comes.
    gathering: Option<Duration>,
}

/// What the actor is made with.
#[derive(Clone, Debug)]
pub struct StoreArgs {
    /// The database.
    pub db: Database,
    /// Time.
    pub clock: Clock,
    /// Told how far the feed has come.
    pub events: watch::Sender<FeedEnd>,
    /// Told who has the database for good.
    pub taken: watch::Sender<Option<String>>,
    /// Told what has come.
    pub arrivals: Arrivals,
    /// Where it is seen.
    pub registry: Registry,
    /// Packs in which nothing is named any more.
    pub dying: DyingPacks,
    /// Counted before the first thing that is stored.
    pub start: StartCount,
    /// An earlier incarnation may have left a transaction open.
    pub restarted: bool,
}

impl Actor for StoreActor {
    type Msg = StoreMsg;
    type State = StoreState;
    type Arguments = StoreArgs;

    async fn pre_start(
        &self,
        me: ActorRef<StoreMsg>,
        args: StoreArgs,
    ) -> Result<StoreState, ActorProcessingErr> {
        if args.db.file().is_none() {
            me.send_after(LOOK, || StoreMsg::Look);
        }
        let StoreArgs { db, clock, events, taken, arrivals, registry, dying, start, restarted } =
            args;
        Ok(StoreState {
            db,
            clock,
            waiting: Line::default(),
            controls: VecDeque::new(),
            derives: VecDeque::new(),
            quiet: Quiet::default(),
            numbers: None,
            guards: Guards::new(dying),
            listeners: Listeners { events, taken, arrivals },
            registry,
            timers: Timers::default(),
            process: ThisProcess::new(start, restarted),
            log: Gathered::default(),
            unsure: restarted,
            troubled: false,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<StoreMsg>,
        message: StoreMsg,
        state: &mut StoreState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            StoreMsg::Asked(asked) => state.asked(asked.open()).await,
            StoreMsg::WriteQuiet => {
                state.timers.quiet = false;
                // What cannot be written now waits for the next time.
                drop(state.write_quiet().await);
            }
            StoreMsg::Look => {
                state.look().await;
                me.send_after(LOOK, || StoreMsg::Look);
            }
            StoreMsg::Pause => {
                if let (true, Some(file)) = (state.log.folds(), state.db.file()) {
                    // An actor that has ended has no log to fold.
                    fold::begin(file.clone(), move || drop(me.cast(StoreMsg::Folded)));
                    return Ok(());
                }
            }
            StoreMsg::Folded => state.log.folded(),
            StoreMsg::Flush => {
                state.timers.flushing = false;
                fault::pass("panic.store");
                state.work().await;
            }
            StoreMsg::Gathered => {
                state.timers.gathering = None;
                state.work().await;
            }
        }
        if !state.quiet.is_empty() && !state.timers.quiet {
            state.timers.quiet = true;
            me.send_after(QUIET, || StoreMsg::WriteQuiet);
        }
        let waits =
            !state.waiting.is_empty() || !state.controls.is_empty() || !state.derives.is_empty();
        if state.log.awaits_pause() {
            me.send_after(fold::PAUSE, || StoreMsg::Pause);
        }
        if let Some(wait) = state.patience() {
            let due = state.clock.now().mono + wait;
            if state.timers.gathering.is_none_or(|before| due < before) {
                state.timers.gathering = Some(due);
                me.send_after(wait, || StoreMsg::Gathered);
            }
        } else if waits && !std::mem::replace(&mut state.timers.flushing, true) {
            // What is in the mailbox already joins the transaction: it is handled before this.
            me.cast(StoreMsg::Flush)?;
        }
        Ok(())
    }
}

impl StoreState {
    /// What others ask.
    async fn asked(&mut self, asked: StoreRequest) {
        match asked {
            StoreRequest::Commit(commit, reply) => {
                self.waiting.push(Waiting::Commit(commit, reply), self.clock.now().mono);
            }
            StoreRequest::Hurry => {
                self.timers.hurried = true;
            }
            StoreRequest::Open(open, how, reply) => {
                self.waiting.push(Waiting::Open(open, how, reply), self.clock.now().mono);
            }
            StoreRequest::Control(control, reply) => {
                if matches!(control, Control::Inbound(InboundWork::Came(..))) {
                    self.waiting.hastens(self.clock.now().mono);
                }
                self.controls.push_back((Order::Control(control), reply));
            }
            StoreRequest::Derive(order, reply) => {
                self.derives.push_back((order, reply));
            }
            StoreRequest::Proved(account, proof) => {
                self.quiet.proved(account, proof);
            }
            StoreRequest::Ran { account, passes } => {
                let passes = i64::try_from(passes).unwrap_or(i64::MAX);
                self.quiet.ran(account, self.clock.now().wall, passes);
            }
            StoreRequest::Settle(reply) => {
                self.work_controls().await;
                drop(self.write_quiet().await);
                reply.send(());
            }
        }
    }

    /// How long what waits here may wait for others.
    fn patience(&self) -> Option<Duration> {
        if self.timers.flushing || self.timers.hurried || !self.controls.is_empty() {
            return None;
        }
        let waiting: Option<Vec<_>> = self.waiting.iter().take(MANY).map(Waiting::commit).collect();
        patience(&waiting?)
    }

    async fn work(&mut self) {
        self.timers.hurried = false;
        self.work_controls().await;
        match self.waiting.front() {
            Some(Waiting::Open(..)) => self.work_open().await,
            Some(Waiting::Commit(..)) => self.work_commits().await,
            None => {}
        }
        self.work_derived().await;
    }

    async fn work_commits(&mut self) {
        let mut taken = Vec::new();
        let started = self.clock.now().mono;
        let committed = within(DEADLINE, Box::pin(self.transaction(&mut taken))).await;
        metrics::histogram!(names::STORE_COMMIT)
            .record((self.clock.now().mono - started).as_secs_f64());
        let failure = match committed {
            Ok(()) => {
                fault::pass("store.committed");
                if self.db.file().is_some() {
                    self.log.kept(taken.iter().map(InHand::rows).sum());
                }
                None
            }
            // Nothing of the transaction remains: every commit in it goes back whole, to be sent
            // again. (Should the outcome of the COMMIT be unknown: sent twice, the lanes refuse the
            // second.)
            Err(e) => {
                self.unsure = true;
                Some(e.of_write())
            }
        };
        self.told_of(failure.as_ref());
        let mono = self.clock.now().mono;
        if failure.is_some() {
            self.listeners.arrivals.unsure();
        }
        for commit in taken {
            if let (None, Some(page)) = (&failure, commit.stored()) {
                self.listeners.arrivals.stored(page, mono);
            }
            commit.tell(failure.as_ref());
        }
        fault::pass("store.answered");
    }

    /// One write of what is derived, in a transaction of its own: pages and what is kept of their rows know nothing
    /// of it.
    async fn work_derived(&mut self) {
        let Some((order, reply)) = self.derives.pop_front() else { return };
        let written = within(DEADLINE, Box::pin(self.derive(&order))).await;
        if let Err(why) = &written {
            self.failed(why);
        }
        reply.send(written.map_err(|why| why.of_write()));
    }

    async fn derive(&mut self, order: &DeriveOrder) -> Result<Option<DeriveStands>, Trouble> {
        self.renewed().await?;
        self.process.count_start(&self.db).await?;
        let tx = self.begin().await?;
        let (stands, is_changed) = match derive(&tx, order).await {
            Ok(done) => done,
            Err(why) => return Err(tx.undo(why).await),
        };
        if is_changed {
            fault::pass("derive.written");
            tx.commit().await?;
            self.told_of(None);
            if self.db.file().is_some() {
                self.log.kept(order.rows());
            }
            fault::pass("derive.kept");
        } else {
            tx.rollback().await?;
        }
        Ok(stands)
    }

    /// Writes what passes that changed nothing have left.
    async fn write_quiet(&mut self) -> Result<(), Trouble> {
        if self.quiet.is_empty() {
            return Ok(());
        }
        let quiet = std::mem::take(&mut self.quiet);
        let written = within(DEADLINE, Box::pin(self.quiet_transaction(&quiet))).await;
        if let Err(e) = &written {
            tracing::warn!("proofs of quiet passes cannot be written now: {e}");
            self.unsure = true;
            self.quiet.merge(quiet);
        }
        self.told_of(written.as_ref().err().map(Trouble::of_write).as_ref());
        written
    }

    /// A connection that nobody uses is lost without a word: a server that has gone, or another process that has the
    /// database, is seen before there is something to write.
    async fn look(&mut self) {
        if !self.unsure
            && let Err(why) = within(DEADLINE, self.db.writer.ask_one(Version {})).await
        {
            self.failed(&why);
        }
        if self.unsure
            && let Err(why) = within(DEADLINE, Box::pin(self.prove_writing())).await
        {
            self.failed(&why);
        }
    }

    /// Behind trouble: whether it takes writes again is seen by one.
    async fn prove_writing(&mut self) -> Result<(), Trouble> {
        self.guards.clear();
        let tx = self.begin().await?;
        tx.put(written(self.clock.now().wall)).await?;
        tx.commit().await?;
        self.told_of(None);
        Ok(())
    }

    /// What was not one account's alone is told.
    fn failed(&mut self, why: &Trouble) {
        self.unsure = true;
        if !why.is_of_one_commit() {
            self.told_of(Some(&why.of_write()));
        }
    }

    /// Whoever looks is told whether the database takes writes.
    fn told_of(&mut self, failure: Option<&Failure>) {
        if failure.is_some() || self.troubled {
            let place = self.db.place();
            match failure {
                Some(why) if !self.troubled => {
                    tracing::warn!("the database {place} takes no writes now: {}", why.chain());
                }
                None => tracing::info!("the database {place} takes writes again"),
                Some(_) => {}
            }
            self.troubled = failure.is_some();
            self.registry.condition("database", failure.map(Failure::chain));
        }
    }

    async fn quiet_transaction(&mut self, quiet: &Quiet) -> Result<(), Trouble> {
        self.guards.clear();
        let tx = self.begin().await?;
        write_quiet(&tx, quiet).await?;
        tx.commit().await
    }

    /// Tells the number of the last durable event.
    fn tell(&self, last: i64) {
        self.listeners
            .events
            .send_if_modified(|told| std::mem::replace(&mut told.last, last) != last);
    }
}

/// A row that says nothing but that it could be written.
fn written(at: Micros) -> PutSetting {
    PutSetting { name: "written".into(), value: at.0.to_string() }
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(deadline, work).await {
        Ok(result) => result,
        Err(_) => Err(Trouble::Late(deadline)),
    }
}

mod group_commit;
mod orders;
