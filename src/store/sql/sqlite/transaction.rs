//! A transaction in which small writes wait for company: the way to SQLite's own thread and back costs
//! more than they do. BEGIN goes along with what comes first, COMMIT with what comes last.

use crate::store::failure::Trouble;
use crate::store::sql::place::Taken;
use crate::store::sql::query::Named;
use crate::store::sql::sqlite::gathered::{joined, lot, repeated};
use crate::store::sql::sqlite::session::Session;
use crate::store::sql::{LARGE, octets};
use sea_orm::{DbErr, QueryResult, Value};
use sqlx::sqlite::SqliteConnection;
use std::future::poll_fn;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::sync::Mutex;

/// Writes that wait together: each order of texts is a statement of its own to the database, which
/// keeps those that it has seen.
pub(in crate::store) const WRITES_TOGETHER: usize = 16;

/// So many writes go along with a question. Each order of texts with each question is a statement of its
/// own, too, and those that ask are the largest.
pub(in crate::store) const COMPANY: usize = 4;

/// It writes from the beginning: one that first reads would not wait for another process.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// A write, and its values.
type PendingWrite = (&'static str, Vec<Value>);

/// A transaction of SQLite's.
#[derive(Debug)]
pub(in crate::store) struct SqliteTransaction {
    taken: Mutex<Taken<SqliteConnection>>,
    /// Writes that have not been handed over, in their order.
    waiting: std::sync::Mutex<Vec<PendingWrite>>,
    /// What failed was no statement's own fault: nobody can say whether the transaction is still there.
    is_unsure: AtomicBool,
}

impl SqliteTransaction {
    /// Begins one, with its first words.
    pub(in crate::store) async fn begin(session: &Session) -> Result<Self, Trouble> {
        Ok(Self {
            taken: Mutex::new(session.taken().await?),
            waiting: std::sync::Mutex::new(vec![(BEGIN, vec![])]),
            is_unsure: AtomicBool::new(false),
        })
    }

    pub(in crate::store) async fn ask(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let mut waiting = self.take();
        let is_small = values.iter().map(octets).sum::<usize>() < LARGE;
        let writes = waiting.iter().filter(|(words, _)| *words != BEGIN).count();
        if !waiting.is_empty() && writes <= COMPANY && is_small {
            // What is written before has no rows: all that come are of this one.
            waiting.push((words, values));
            let statements = waiting.len();
            let (words, values) = joined(waiting);
            let answer = self.taken.lock().await.ask(words, values, statements).await;
            return self.noted(answer);
        }
        self.send(waiting).await?;
        let answer = self.taken.lock().await.ask(words.to_owned(), values, 1).await;
        self.noted(answer)
    }

    pub(in crate::store) async fn put(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<(), Trouble> {
        if values.iter().map(octets).sum::<usize>() >= LARGE {
            self.hand_over().await?;
            return self.write(words.to_owned(), values, 1).await.map(|_| ());
        }
        let is_full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((words, values));
            waiting.len() >= WRITES_TOGETHER
        };
        if is_full { self.hand_over().await } else { Ok(()) }
    }

    /// Inserts rows, in lots.
    pub(in crate::store) async fn put_rows(
        &self,
        text: impl Named,
        words: &'static str,
        mut rows: impl ExactSizeIterator<Item = Vec<Value>> + Send,
    ) -> Result<(), Trouble> {
        let mut written = None;
        while let Some(lot) = lot(rows.len()) {
            let mut values: Vec<Value> = Vec::new();
            let mut width = 0;
            for row in rows.by_ref().take(lot) {
                width = row.len();
                values.extend(row);
            }
            if let Some(before) = written.take() {
                let _: u64 = before.await?;
            }
            if lot == 1 {
                self.put(words, values).await?;
                continue;
            }
            self.hand_over().await?;
            // A row that begins with nothing is none.
            values.resize(lot * width, Value::BigInt(None));
            let mut lot = Box::pin(self.write(repeated(text, lot), values, 1));
            // It is on its way; the next one is made meanwhile.
            match poll_fn(|context| Poll::Ready(lot.as_mut().poll(context))).await {
                Poll::Ready(done) => {
                    done?;
                }
                Poll::Pending => written = Some(lot),
            }
        }
        if let Some(last) = written {
            last.await?;
        }
        Ok(())
    }

    /// A write that does not wait; how many rows it has touched.
    pub(in crate::store) async fn put_now(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, Trouble> {
        self.hand_over().await?;
        self.write(words.to_owned(), values, 1).await
    }

    /// Hands over what waits: whatever is wrong with it is said here.
    pub(in crate::store) async fn hand_over(&self) -> Result<(), Trouble> {
        let waiting = self.take();
        self.send(waiting).await
    }

    /// Forgets what waits; whether this is the first of it.
    pub(in crate::store) fn forget_waiting(&self, first: &str) -> bool {
        self.take().first().is_some_and(|(words, _)| *words == first)
    }

    /// Keeps what was written, and what waits. Where the database finds fault with that, all is taken back, and the
    /// connection is as good as before.
    pub(in crate::store) async fn commit(self) -> Result<(), Trouble> {
        let mut waiting = self.take();
        if self.is_unsure.into_inner() {
            let text = "what has failed was not taken back, and cannot be kept";
            return Err(Trouble::Database(DbErr::Custom(text.into())));
        }
        let mut taken = self.taken.into_inner();
        if waiting.first().is_some_and(|(words, _)| *words == BEGIN) && waiting.len() == 1 {
            taken.give_back();
            return Ok(());
        }
        waiting.push(("COMMIT", vec![]));
        let statements = waiting.len();
        let (words, values) = joined(waiting);
        match taken.put(words, values, statements).await {
            Err(why) if why.is_of_one_commit() => {
                if taken.put("ROLLBACK".into(), vec![], 1).await.is_ok() {
                    taken.give_back();
                }
                Err(why)
            }
            // Nobody can say what transaction it is in: it is closed.
            Err(why) => Err(why),
            Ok(_) => {
                taken.give_back();
                Ok(())
            }
        }
    }

    pub(in crate::store) async fn rollback(self) -> Result<(), Trouble> {
        let waiting = self.take();
        let mut taken = self.taken.into_inner();
        if waiting.first().is_some_and(|(words, _)| *words == BEGIN) {
            taken.give_back();
            return Ok(());
        }
        if !self.is_unsure.into_inner() {
            taken.put("ROLLBACK".into(), vec![], 1).await?;
            taken.give_back();
        }
        Ok(())
    }

    async fn send(&self, waiting: Vec<PendingWrite>) -> Result<(), Trouble> {
        if !waiting.is_empty() {
            let statements = waiting.len();
            let (words, values) = joined(waiting);
            self.write(words, values, statements).await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        words: String,
        values: Vec<Value>,
        statements: usize,
    ) -> Result<u64, Trouble> {
        let written = self.taken.lock().await.put(words, values, statements).await;
        self.noted(written)
    }

    fn take(&self) -> Vec<PendingWrite> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn noted<T>(&self, answer: Result<T, Trouble>) -> Result<T, Trouble> {
        let is_unsure = answer.as_ref().err().is_some_and(|why| !why.is_of_one_commit());
        self.is_unsure.fetch_or(is_unsure, Ordering::Relaxed);
        answer
    }

    /// How many writes wait.
    #[cfg(test)]
    pub(in crate::store) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    /// How many rows a table has, as the transaction sees it.
    #[cfg(test)]
    pub(in crate::store) async fn count(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        let rows = self.taken.lock().await.ask(count, vec![], 1).await.unwrap();
        rows[0].try_get_by_index(0).unwrap()
    }
}
