//! A transaction in which small writes wait for company, and its parts.

use crate::store::failure::Trouble;
use crate::store::sql::commit::Found;
use crate::store::sql::points::PointText;
use crate::store::sql::postgres::transaction::PostgresTransaction;
use crate::store::sql::query::{Asks, Dialect, Named, Query, rows_of, statement};
use crate::store::sql::sqlite::transaction::SqliteTransaction;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Value};
use std::sync::atomic::{AtomicBool, Ordering};

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
    inner: Inner,
    /// A savepoint was given up, neither kept nor taken back: what is in it is not to be kept.
    is_spoiled: AtomicBool,
}

/// The same, as its database has it.
#[derive(Debug)]
enum Inner {
    Sqlite(SqliteTransaction),
    Postgres(PostgresTransaction),
}

impl From<SqliteTransaction> for Transaction {
    fn from(inner: SqliteTransaction) -> Self {
        Self { inner: Inner::Sqlite(inner), is_spoiled: AtomicBool::new(false) }
    }
}

impl From<PostgresTransaction> for Transaction {
    fn from(inner: PostgresTransaction) -> Self {
        Self { inner: Inner::Postgres(inner), is_spoiled: AtomicBool::new(false) }
    }
}

impl Sql for Transaction {
    async fn ask<Q: Asks>(&self, query: Q) -> Result<Vec<Q::Row>, Trouble> {
        let (words, values) = (Q::TEXT.words(self.dialect()), query.values());
        rows_of(&match &self.inner {
            Inner::Sqlite(inner) => inner.ask(words, values).await?,
            Inner::Postgres(inner) => inner.ask(words, values).await?,
        })
    }

    async fn put(&self, query: impl Query) -> Result<(), Trouble> {
        self.put_text(text_of(&query), query.values()).await
    }
}

fn text_of<Q: Query>(_: &Q) -> Q::Text {
    Q::TEXT
}

impl Transaction {
    #[cfg(test)]
    fn sqlite(&self) -> &SqliteTransaction {
        match &self.inner {
            Inner::Sqlite(inner) => inner,
            Inner::Postgres(_) => unreachable!("the test's database is a file"),
        }
    }

    /// What its database speaks.
    pub(super) fn dialect(&self) -> Dialect {
        match &self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn put_text(&self, text: impl Named, values: Vec<Value>) -> Result<(), Trouble> {
        let words = text.words(self.dialect());
        match &self.inner {
            Inner::Sqlite(inner) => inner.put(words, values).await,
            Inner::Postgres(inner) => inner.put(words, values).await,
        }
    }

    /// Inserts rows.
    pub(super) async fn put_rows<Q: Query>(
        &self,
        rows: impl ExactSizeIterator<Item = Q> + Send,
    ) -> Result<(), Trouble> {
        let words = Q::TEXT.words(self.dialect());
        let rows = rows.map(Query::values);
        match &self.inner {
            Inner::Sqlite(inner) => inner.put_rows(Q::TEXT, words, rows).await,
            Inner::Postgres(inner) => inner.put_rows(words, rows).await,
        }
    }

    /// A write that does not wait; how many rows it has touched.
    pub(super) async fn put_now(&self, query: impl Query) -> Result<u64, Trouble> {
        let (words, values) = (text_of(&query).words(self.dialect()), query.values());
        match &self.inner {
            Inner::Sqlite(inner) => inner.put_now(words, values).await,
            Inner::Postgres(inner) => inner.put_now(words, values).await,
        }
    }

    /// Hands over what waits: whatever is wrong with it is said here.
    pub(super) async fn hand_over(&self) -> Result<(), Trouble> {
        match &self.inner {
            Inner::Sqlite(inner) => inner.hand_over().await,
            Inner::Postgres(inner) => inner.hand_over().await,
        }
    }

    fn refuse_if_spoiled(&self) -> Result<(), Trouble> {
        let text = "a part of a transaction was neither kept nor taken back";
        if self.is_spoiled.load(Ordering::Relaxed) {
            return Err(Trouble::Database(DbErr::Custom(text.into())));
        }
        Ok(())
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
        self.put_text(begin, vec![]).await?;
        Ok(Savepoint { around: self, begin, keep, back, is_open: true })
    }

    /// Keeps what was written, and what waits; where that is at fault nothing is kept, and it is said.
    pub(super) async fn commit(self) -> Result<(), Trouble> {
        if let Err(why) = self.refuse_if_spoiled() {
            return Err(self.undo(why).await);
        }
        match self.inner {
            Inner::Sqlite(inner) => inner.commit().await,
            Inner::Postgres(inner) => inner.commit().await,
        }
    }

    /// Takes back what was written, and says why.
    pub(super) async fn undo(self, why: Trouble) -> Trouble {
        undone(self.rollback().await, why)
    }

    /// Takes back what was written.
    pub(super) async fn rollback(self) -> Result<(), Trouble> {
        match self.inner {
            Inner::Sqlite(inner) => inner.rollback().await,
            Inner::Postgres(inner) => inner.rollback().await,
        }
    }

    /// Takes back what was written behind a savepoint, which may itself still wait; what waits is of it.
    async fn take_back(
        &self,
        begin: PointText,
        [back, keep]: [PointText; 2],
    ) -> Result<(), Trouble> {
        let begin = begin.words(self.dialect());
        let has_waited = match &self.inner {
            Inner::Sqlite(inner) => inner.forget_waiting(begin),
            Inner::Postgres(inner) => inner.forget_waiting(begin),
        };
        if has_waited {
            return Ok(());
        }
        self.put_text(back, vec![]).await?;
        self.put_text(keep, vec![]).await?;
        match &self.inner {
            Inner::Sqlite(inner) => inner.hand_over().await,
            Inner::Postgres(inner) => inner.take_back().await,
        }
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
        self.around.put_text(self.keep, vec![]).await?;
        self.is_open = false;
        Ok(())
    }

    /// Takes back what was written, and says why.
    pub(super) async fn undo(self, why: Trouble) -> Trouble {
        undone(self.rollback().await, why)
    }

    /// Takes back what was written.
    pub(super) async fn rollback(mut self) -> Result<(), Trouble> {
        self.around.take_back(self.begin, [self.back, self.keep]).await?;
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

#[cfg(test)]
mod tests;
