//! A transaction in which small writes wait for company: each way to the server and back is waited for.

use crate::store::failure::Trouble;
use crate::store::sql::LARGE;
use crate::store::sql::postgres::given::{Given, columns, written};
use crate::store::sql::postgres::session::{Session, Taken, each};
use sea_orm::{DbErr, QueryResult, Value};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// Octets of texts that wait together; then they go.
const TOGETHER: usize = 256 * 1024;

/// Octets of a question that goes along with what waits: what names a page's mails is less.
const ASKED_TOGETHER: usize = 128 * 1024;

/// A transaction of PostgreSQL's.
#[derive(Debug)]
pub(in crate::store) struct PostgresTransaction {
    taken: Mutex<Taken>,
    /// Writes that have not been handed over, in their order; what each is given is written into it.
    waiting: std::sync::Mutex<Waiting>,
    /// The server refuses everything until what has failed is taken back; a COMMIT would be a ROLLBACK.
    has_failed: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    text: String,
    /// The words of its first statement.
    first: Option<&'static str>,
}

impl Waiting {
    fn add(&mut self, words: &'static str, text: &str) {
        if self.first.is_none() {
            self.first = Some(words);
        } else {
            self.text.push_str(";\n");
        }
        self.text.push_str(text);
    }
}

impl PostgresTransaction {
    /// Begins one.
    pub(in crate::store) async fn begin(session: &Session) -> Result<Self, Trouble> {
        let (mut taken, begun) = session.taken_for_transaction().await?;
        // A plan that is kept was made for tables as they were: at a first sync they were empty a moment ago.
        let plans = if begun.is_power_of_two() { "DISCARD PLANS; " } else { "" };
        taken.run(format!("{plans}BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")).await?;
        Ok(Self {
            taken: Mutex::new(taken),
            waiting: std::sync::Mutex::default(),
            has_failed: AtomicBool::new(false),
        })
    }

    pub(in crate::store) async fn ask(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let given = each(values);
        let is_small = given.iter().map(Given::octets).sum::<usize>() < ASKED_TOGETHER;
        let mut waiting = self.take();
        let mut taken = self.taken.lock().await;
        let answer = if waiting.first.is_some() && is_small {
            // What is written before has no rows: all that come are of this one.
            waiting.add(words, &written(words, &given)?);
            taken.run(waiting.text).await
        } else {
            let sent = send(&mut taken, waiting).await;
            self.noted(sent)?;
            taken.ask(words, given).await
        };
        self.noted(answer)
    }

    pub(in crate::store) async fn put(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<(), Trouble> {
        self.put_given(words, each(values)).await
    }

    /// Inserts rows: a statement, however many there are.
    pub(in crate::store) async fn put_rows(
        &self,
        words: &'static str,
        rows: impl ExactSizeIterator<Item = Vec<Value>> + Send,
    ) -> Result<(), Trouble> {
        if rows.len() == 0 {
            return Ok(());
        }
        self.put_given(words, columns(rows)).await
    }

    async fn put_given(&self, words: &'static str, given: Vec<Given>) -> Result<(), Trouble> {
        if given.iter().map(Given::octets).sum::<usize>() >= LARGE {
            self.hand_over().await?;
            let put = self.taken.lock().await.put(words, given).await;
            return self.noted(put).map(|_| ());
        }
        let text = written(words, &given)?;
        let is_full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.add(words, &text);
            waiting.text.len() >= TOGETHER
        };
        if is_full { self.hand_over().await } else { Ok(()) }
    }

    /// A write that does not wait; how many rows it has touched.
    pub(in crate::store) async fn put_now(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, Trouble> {
        self.hand_over().await?;
        let put = self.taken.lock().await.put(words, each(values)).await;
        self.noted(put)
    }

    /// Hands over what waits: whatever is wrong with it is said here.
    pub(in crate::store) async fn hand_over(&self) -> Result<(), Trouble> {
        let waiting = self.take();
        let sent = send(&mut *self.taken.lock().await, waiting).await;
        self.noted(sent)
    }

    /// Forgets what waits; whether this is the first of it.
    pub(in crate::store) fn forget_waiting(&self, first: &str) -> bool {
        self.take().first == Some(first)
    }

    /// Hands over what takes back all that has failed.
    pub(in crate::store) async fn take_back(&self) -> Result<(), Trouble> {
        self.hand_over().await?;
        self.has_failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps what was written, and what waits. Where the server finds fault with that, all is taken back, and the
    /// connection is as good as before.
    pub(in crate::store) async fn commit(self) -> Result<(), Trouble> {
        if let Err(why) = self.hand_over().await {
            return match self.rollback().await {
                Err(broken) if why.is_of_one_commit() => Err(broken),
                _ => Err(why),
            };
        }
        if self.has_failed.into_inner() {
            let text = "what has failed was not taken back, and cannot be kept";
            return Err(Trouble::Database(DbErr::Custom(text.into())));
        }
        let mut taken = self.taken.into_inner();
        taken.run("COMMIT").await?;
        taken.give_back();
        Ok(())
    }

    pub(in crate::store) async fn rollback(self) -> Result<(), Trouble> {
        let mut taken = self.taken.into_inner();
        taken.run("ROLLBACK").await?;
        taken.give_back();
        Ok(())
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn noted<T>(&self, answer: Result<T, Trouble>) -> Result<T, Trouble> {
        self.has_failed.fetch_or(answer.is_err(), Ordering::Relaxed);
        answer
    }
}

async fn send(taken: &mut Taken, waiting: Waiting) -> Result<(), Trouble> {
    if waiting.first.is_some() {
        taken.run(waiting.text).await?;
    }
    Ok(())
}
