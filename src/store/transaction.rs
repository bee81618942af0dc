//! A transaction in which small writes wait for company: the way to the database's own thread and
//! back costs more than they do.

use crate::store::failure::Trouble;
use crate::store::sql::commit::Found;
use crate::store::sql::points::PointText;
use crate::store::sql::query::{Asks, Dialect, Named, Query, rows_of, statement};
use crate::store::sql::sqlite::gathered::{joined, lot, repeated};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult, Statement, Value,
};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

/// Octets of values from which a write goes alone: then the way counts for nothing.
const LARGE: usize = 16 * 1024;
/// Writes that wait together: each order of texts is a statement of its own to the database, which
/// keeps those that it has seen.
const WRITES_TOGETHER: usize = 16;

/// So many writes go along with a question. Each order of texts with each question is a statement of its
/// own, too, and those that ask are the largest.
const COMPANY: usize = 4;

/// What can be asked, and told.
pub(super) trait Sql: Sync {
    /// An answer; it knows of everything that was written before.
    fn ask<Q: Asks>(&self, query: Q) -> impl Future<Output = Result<Vec<Q::Row>, Trouble>> + Send;

    /// A write. What is wrong with it may be said later, at the latest when it is to be kept.
    fn put(&self, query: impl Query) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// The first row of an answer.
    fn ask_one<Q: Asks>(
        &self,
        query: Q,
    ) -> impl Future<Output = Result<Option<Q::Row>, Trouble>> + Send {
        async { Ok(self.ask(query).await?.into_iter().next()) }
    }

    /// Whether there is what is looked for.
    fn finds<Q: Asks<Row = Found>>(
        &self,
        query: Q,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send {
        async { Ok(self.ask_one(query).await?.is_some_and(|row| row.found != 0)) }
    }
}

impl Sql for DatabaseConnection {
    async fn ask<Q: Asks>(&self, query: Q) -> Result<Vec<Q::Row>, Trouble> {
        rows_of(&self.query_all_raw(statement(self, query)).await?)
    }

    async fn put(&self, query: impl Query) -> Result<(), Trouble> {
        self.execute_raw(statement(self, query)).await?;
        Ok(())
    }
}

/// A transaction. Dropped without [`Self::commit`], nothing of it remains.
#[derive(Debug)]
pub(super) struct Transaction {
    inner: DatabaseTransaction,
    /// Writes that have not been handed over, in their order.
    waiting: Mutex<Vec<PendingWrite>>,
    /// A savepoint was given up, neither kept nor taken back: what is in it is not to be kept.
    is_spoiled: AtomicBool,
}

/// A write, and its values.
type PendingWrite = (&'static str, Vec<Value>);

impl From<DatabaseTransaction> for Transaction {
    fn from(inner: DatabaseTransaction) -> Self {
        Self { inner, waiting: Mutex::default(), is_spoiled: AtomicBool::new(false) }
    }
}

impl Sql for Transaction {
    async fn ask<Q: Asks>(&self, query: Q) -> Result<Vec<Q::Row>, Trouble> {
        let mut waiting = self.take();
        let values = query.values();
        let is_small = values.iter().map(octets).sum::<usize>() < LARGE;
        if (1..=COMPANY).contains(&waiting.len()) && is_small {
            // What is written before has no rows: all that come are of this one.
            waiting.push((Q::TEXT.words(Dialect::Sqlite), values));
            return rows_of(&self.inner.query_all_raw(self.one_of(waiting)).await?);
        }
        self.send(waiting).await?;
        rows_of(
            &self.inner.query_all_raw(self.alone(Q::TEXT.words(Dialect::Sqlite), values)).await?,
        )
    }

    async fn put(&self, query: impl Query) -> Result<(), Trouble> {
        self.put_text(words_of(&query), query.values()).await
    }
}

fn words_of<Q: Query>(_: &Q) -> &'static str {
    Q::TEXT.words(Dialect::Sqlite)
}

impl Transaction {
    async fn put_text(&self, words: &'static str, values: Vec<Value>) -> Result<(), Trouble> {
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

    /// Inserts rows.
    pub(super) async fn put_rows<Q: Query>(
        &self,
        mut rows: impl ExactSizeIterator<Item = Q> + Send,
    ) -> Result<(), Trouble> {
        let mut written = None;
        while let Some(lot) = lot(rows.len()) {
            let mut values: Vec<Value> = Vec::new();
            let mut width = 0;
            for row in rows.by_ref().take(lot) {
                let row = row.values();
                width = row.len();
                values.extend(row);
            }
            if let Some(before) = written.take() {
                let _: ExecResult = before.await?;
            }
            if lot == 1 {
                self.put_text(Q::TEXT.words(Dialect::Sqlite), values).await?;
                continue;
            }
            self.hand_over().await?;
            // A row that begins with nothing is none.
            values.resize(lot * width, Value::BigInt(None));
            let backend = self.inner.get_database_backend();
            let words = repeated(Q::TEXT, lot);
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
    pub(super) async fn put_now(&self, query: impl Query) -> Result<u64, Trouble> {
        self.hand_over().await?;
        let done = self.inner.execute_raw(statement(&self.inner, query)).await?;
        Ok(done.rows_affected())
    }

    /// Hands over what waits: whatever is wrong with it is said here.
    pub(super) async fn hand_over(&self) -> Result<(), Trouble> {
        let waiting = self.take();
        self.send(waiting).await
    }

    fn refuse_if_spoiled(&self) -> Result<(), Trouble> {
        let text = "a part of a transaction was neither kept nor taken back";
        if self.is_spoiled.load(Ordering::Relaxed) {
            return Err(Trouble::Database(DbErr::Custom(text.into())));
        }
        Ok(())
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

    /// A savepoint; it goes along with what comes first in it.
    pub(super) async fn begin(&self, part: SavepointOf) -> Result<Savepoint<'_>, Trouble> {
        self.refuse_if_spoiled()?;
        self.hand_over().await?;
        let [begin, keep, back] = match part {
            SavepointOf::Commit => {
                [PointText::BeginCommit, PointText::KeepCommit, PointText::BackCommit]
            }
            SavepointOf::Rows => [PointText::BeginRows, PointText::KeepRows, PointText::BackRows],
        };
        self.put_text(begin.words(Dialect::Sqlite), vec![]).await?;
        Ok(Savepoint { around: self, begin, keep, back, is_open: true })
    }

    /// Keeps what was written.
    pub(super) async fn commit(self) -> Result<(), Trouble> {
        self.refuse_if_spoiled()?;
        self.hand_over().await?;
        Ok(self.inner.commit().await?)
    }

    /// Takes back what was written, and says why.
    pub(super) async fn undo(self, why: Trouble) -> Trouble {
        undone(self.rollback().await, why)
    }

    /// Takes back what was written.
    pub(super) async fn rollback(self) -> Result<(), Trouble> {
        Ok(self.inner.rollback().await?)
    }
}

/// What a savepoint is of: each kind has its name, so that whoever takes back the outer one never meets
/// an inner one that was given up.
#[derive(Clone, Copy, Debug)]
pub(super) enum SavepointOf {
    /// A commit beside others.
    Commit,
    /// Rows of a commit that may be refused.
    Rows,
}

/// A part of a transaction, which is written to as before. Whoever neither keeps nor takes back what was
/// written since it began gives up what is around it, too: that can only be taken back.
#[derive(Debug)]
#[must_use]
pub(super) struct Savepoint<'a> {
    around: &'a Transaction,
    begin: PointText,
    keep: PointText,
    back: PointText,
    is_open: bool,
}

impl Savepoint<'_> {
    /// Keeps what was written, all of which was handed over: this goes along with what comes next.
    pub(super) async fn keep(mut self) -> Result<(), Trouble> {
        self.around.refuse_if_spoiled()?;
        self.around.put_text(self.keep.words(Dialect::Sqlite), vec![]).await?;
        self.is_open = false;
        Ok(())
    }

    /// Takes back what was written, and says why.
    pub(super) async fn undo(self, why: Trouble) -> Trouble {
        undone(self.rollback().await, why)
    }

    /// Takes back what was written.
    pub(super) async fn rollback(mut self) -> Result<(), Trouble> {
        // What waits is of this one: before it began, all was handed over. It may itself wait.
        let waiting = self.around.take();
        if waiting.first().is_none_or(|(words, _)| *words != self.begin.words(Dialect::Sqlite)) {
            self.around.put_text(self.back.words(Dialect::Sqlite), vec![]).await?;
            self.around.put_text(self.keep.words(Dialect::Sqlite), vec![]).await?;
            self.around.hand_over().await?;
        }
        // With whatever was in it.
        self.around.is_spoiled.store(false, Ordering::Relaxed);
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.around.is_spoiled.store(true, Ordering::Relaxed);
        }
    }
}

/// Where taking back fails, too, the database has mostly done it by itself (a full disk), and the first
/// reason is told; but none that is about these rows alone.
fn undone(rolled_back: Result<(), Trouble>, why: Trouble) -> Trouble {
    match rolled_back {
        Err(broken) if why.is_of_one_commit() => broken,
        _ => why,
    }
}

fn octets(value: &Value) -> usize {
    match value {
        Value::String(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
