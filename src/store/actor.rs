//! The StoreActor: the only writer. Commits that wait together share a transaction, each under its own savepoint; answers
//! go out after the outer COMMIT. Control writes are served between transactions.

use crate::clock::Clock;
use crate::fault;
use crate::reply::ReplyTo;
use crate::store::apply::{Applied, Counters, commit, open_account};
use crate::store::connect::Database;
use crate::telemetry::names;
use postrider_core::account::machine::AccountSnapshot;
use postrider_core::batch::Batch;
use postrider_core::commit::request::{Commit, CommitAnswer};
use postrider_core::failure::Failure;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sea_orm::{DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use std::collections::VecDeque;
use std::time::Duration;
use tracing::Instrument;

/// Longest wait for the database: then the pages are kept and tried again.
const DEADLINE: Duration = Duration::from_secs(30);

/// Which account to open.
#[derive(Clone, Debug)]
pub struct OpenAccount {
    /// Its id in the config.
    pub name: String,
    /// `imap`.
    pub provider: &'static str,
    /// Where it is reached.
    pub host: String,
    /// Who logs in.
    pub username: String,
}

/// What the store is asked.
#[derive(Debug)]
pub enum StoreMsg {
    /// Commit; answered after the outer COMMIT.
    Commit(Box<Commit>, ReplyTo<CommitAnswer>),
    /// Raise the incarnation and read the account: behind every commit sent before it, so its answer is final.
    Open(OpenAccount, ReplyTo<Result<AccountSnapshot, Failure>>),
    /// Work on what has gathered.
    Flush,
}

/// The actor.
#[derive(Debug)]
pub struct StoreActor;

/// What the actor holds.
#[derive(Debug)]
pub struct StoreState {
    db: Database,
    clock: Clock,
    waiting: VecDeque<Waiting>,
    flushing: bool,
    /// What transaction the writing connection is in is not known.
    unsure: bool,
}

#[derive(Debug)]
enum Waiting {
    Commit(Box<Commit>, ReplyTo<CommitAnswer>),
    Open(OpenAccount, ReplyTo<Result<AccountSnapshot, Failure>>),
}

/// A commit in a transaction.
struct Taken {
    commit: Box<Commit>,
    reply: ReplyTo<CommitAnswer>,
    answer: Option<CommitAnswer>,
    broken: Option<Failure>,
}

impl Actor for StoreActor {
    type Msg = StoreMsg;
    type State = StoreState;
    /// Database, time, and whether an earlier incarnation may have left a transaction open.
    type Arguments = (Database, Clock, bool);

    async fn pre_start(
        &self,
        _me: ActorRef<StoreMsg>,
        (db, clock, restarted): Self::Arguments,
    ) -> Result<StoreState, ActorProcessingErr> {
        Ok(StoreState { db, clock, waiting: VecDeque::new(), flushing: false, unsure: restarted })
    }

    async fn handle(
        &self,
        me: ActorRef<StoreMsg>,
        message: StoreMsg,
        state: &mut StoreState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            StoreMsg::Commit(commit, reply) => state.waiting.push_back(Waiting::Commit(commit, reply)),
            StoreMsg::Open(open, reply) => state.waiting.push_back(Waiting::Open(open, reply)),
            StoreMsg::Flush => {
                state.flushing = false;
                fault::pass("panic.store");
                state.work().await;
            }
        }
        if !state.waiting.is_empty() && !state.flushing {
            // What is in the mailbox already joins the transaction: it is handled before this.
            state.flushing = true;
            me.cast(StoreMsg::Flush)?;
        }
        Ok(())
    }
}

impl StoreState {
    async fn work(&mut self) {
        if let Some(Waiting::Open(..)) = self.waiting.front() {
            if let Some(Waiting::Open(open, reply)) = self.waiting.pop_front() {
                let answer = within(DEADLINE, self.open(&open)).await;
                self.unsure |= answer.is_err();
                reply.send(answer.unwrap_or_else(|e| Err(storage(&e))));
            }
            return;
        }
        let mut taken = Vec::new();
        let started = self.clock.now().mono;
        let committed = within(DEADLINE, self.transaction(&mut taken)).await;
        metrics::histogram!(names::STORE_COMMIT).record((self.clock.now().mono - started).as_secs_f64());
        let failure = match committed {
            Ok(()) => {
                fault::pass("store.committed");
                None
            }
            // Nothing of the transaction remains: every commit in it goes back whole, to be sent again. (Should the
            // outcome of the COMMIT be unknown: sent twice, the lanes refuse the second.)
            Err(e) => {
                self.unsure = true;
                Some(storage(&e))
            }
        };
        for Taken { commit, reply, answer, broken } in taken {
            reply.send(match (&failure, answer) {
                (None, Some(answer)) => answer,
                (None, None) => {
                    let left_out = || Failure::bug("a commit was left out of its transaction");
                    CommitAnswer::Failed(broken.unwrap_or_else(left_out), commit)
                }
                (Some(failure), _) => CommitAnswer::Failed(failure.clone(), commit),
            });
        }
        fault::pass("store.answered");
    }

    async fn open(&mut self, open: &OpenAccount) -> Result<Result<AccountSnapshot, Failure>, DbErr> {
        let tx = self.begin().await?;
        let snapshot = open_account(&tx, open, self.clock.now().wall).await?;
        match &snapshot {
            Ok(_) => tx.commit().await?,
            Err(_) => tx.rollback().await?,
        }
        Ok(snapshot)
    }

    async fn begin(&mut self) -> Result<sea_orm::DatabaseTransaction, DbErr> {
        if self.unsure {
            self.db.renew_writer().await?;
            self.unsure = false;
        }
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.db.writer.begin_with_options(options).await
    }

    /// One transaction of about [`Batch`] of work.
    async fn transaction(&mut self, taken: &mut Vec<Taken>) -> Result<(), DbErr> {
        let batch = Batch::begin(self.clock.now().mono);
        let mut tx = None;
        while batch.has_room(self.clock.now().mono) {
            if !matches!(self.waiting.front(), Some(Waiting::Commit(..))) {
                break;
            }
            let Some(Waiting::Commit(change, reply)) = self.waiting.pop_front() else { break };
            taken.push(Taken { commit: change, reply, answer: None, broken: None });
            let Some(last) = taken.last_mut() else { break };
            if tx.is_none() {
                let begun = self.begin().await?;
                fault::pass("store.begun");
                let counters = Counters::load(&begun).await?;
                tx = Some((begun, counters));
            }
            let Some((tx, counters)) = &mut tx else { break };
            let span = tracing::debug_span!(
                "postrider.store.commit",
                account.id = last.commit.account.0,
                folder.id = last.commit.change.folder().map(|f| f.0),
                page.messages = last.commit.change.page().map(|p| p.rows.len()),
                size_bytes = last.commit.change.page().map(postrider_core::mail::page::Page::octets),
            );
            last.answer = match commit(tx, counters, &last.commit).instrument(span).await {
                Ok(Applied::Done(rows)) => Some(CommitAnswer::Done(rows)),
                Ok(Applied::Refused(refusal, rows)) => Some(CommitAnswer::Refused(refusal, rows)),
                // A row that cannot be read is this account's trouble, not that of the others in the transaction; its
                // savepoint is rolled back.
                Err(DbErr::Custom(text)) => {
                    last.broken = Some(Failure::bug(text));
                    None
                }
                Err(e) => return Err(e),
            };
        }
        if let Some((tx, counters)) = tx {
            counters.save(&tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    match tokio::time::timeout(deadline, work).await {
        Ok(result) => result,
        Err(_) => Err(DbErr::Custom(format!("the database did not answer within {} s", deadline.as_secs()))),
    }
}

fn storage(e: &DbErr) -> Failure {
    Failure::storage(format!("the database could not commit: {e}"))
}
