//! A transaction in which small writes wait for company: the way to SQLite's own thread and back costs
//! more than they do.

use crate::store::failure::Trouble;
use crate::store::sql::query::Named;
use crate::store::sql::sqlite::gathered::{joined, lot, repeated};
use crate::store::sql::{LARGE, octets};
use sea_orm::{ConnectionTrait, DatabaseTransaction, ExecResult, QueryResult, Statement, Value};
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

/// Writes that wait together: each order of texts is a statement of its own to the database, which
/// keeps those that it has seen.
pub(in crate::store) const WRITES_TOGETHER: usize = 16;

/// So many writes go along with a question. Each order of texts with each question is a statement of its
/// own, too, and those that ask are the largest.
pub(in crate::store) const COMPANY: usize = 4;

/// A write, and its values.
type PendingWrite = (&'static str, Vec<Value>);

/// A transaction of SQLite's.
#[derive(Debug)]
pub(in crate::store) struct SqliteTransaction {
    inner: DatabaseTransaction,
    /// Writes that have not been handed over, in their order.
    waiting: Mutex<Vec<PendingWrite>>,
}

impl From<DatabaseTransaction> for SqliteTransaction {
    fn from(inner: DatabaseTransaction) -> Self {
        Self { inner, waiting: Mutex::default() }
    }
}

impl SqliteTransaction {
    pub(in crate::store) async fn ask(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let mut waiting = self.take();
        let is_small = values.iter().map(octets).sum::<usize>() < LARGE;
        if (1..=COMPANY).contains(&waiting.len()) && is_small {
            // What is written before has no rows: all that come are of this one.
            waiting.push((words, values));
            return Ok(self.inner.query_all_raw(self.one_of(waiting)).await?);
        }
        self.send(waiting).await?;
        Ok(self.inner.query_all_raw(self.alone(words, values)).await?)
    }

    pub(in crate::store) async fn put(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<(), Trouble> {
        if values.iter().map(octets).sum::<usize>() >= LARGE {
            self.hand_over().await?;
            self.inner.execute_raw(self.alone(words, values)).await?;
            return Ok(());
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
                let _: ExecResult = before.await?;
            }
            if lot == 1 {
                self.put(words, values).await?;
                continue;
            }
            self.hand_over().await?;
            // A row that begins with nothing is none.
            values.resize(lot * width, Value::BigInt(None));
            let backend = self.inner.get_database_backend();
            let words = repeated(text, lot);
            let lot = Statement::from_sql_and_values(backend, words, values);
            let mut lot = Box::pin(self.inner.execute_raw(lot));
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
        let done = self.inner.execute_raw(self.alone(words, values)).await?;
        Ok(done.rows_affected())
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

    pub(in crate::store) async fn commit(self) -> Result<(), Trouble> {
        Ok(self.inner.commit().await?)
    }

    pub(in crate::store) async fn rollback(self) -> Result<(), Trouble> {
        Ok(self.inner.rollback().await?)
    }

    async fn send(&self, waiting: Vec<PendingWrite>) -> Result<(), Trouble> {
        if !waiting.is_empty() {
            self.inner.execute_raw(self.one_of(waiting)).await?;
        }
        Ok(())
    }

    fn take(&self) -> Vec<PendingWrite> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn alone(&self, words: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.inner.get_database_backend(), words, values)
    }

    fn one_of(&self, statements: Vec<PendingWrite>) -> Statement {
        let (words, values) = joined(statements);
        Statement::from_sql_and_values(self.inner.get_database_backend(), words, values)
    }

    /// How many writes wait.
    #[cfg(test)]
    pub(in crate::store) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    /// How many rows a table has, as the transaction sees it.
    #[cfg(test)]
    pub(in crate::store) async fn count(&self, table: &str) -> i64 {
        let count = self.alone(&format!("SELECT count(*) FROM {table}"), vec![]);
        let row = self.inner.query_one_raw(count).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }
}
