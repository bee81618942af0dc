//! The one connection that writes to SQLite's file. A statement goes to a thread of its own and comes back: what
//! is not needed on the way there is not on it.

use crate::store::failure::Trouble;
use crate::store::sql::place::{Place, Taken, told};
use crate::store::sql::query::{Dialect, Named, Query};
use futures_util::TryStreamExt;
use sea_orm::{QueryResult, Value};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection, Either, Executor};

/// A connection that writes, while there is one.
#[derive(Clone, Debug)]
pub(in crate::store) struct Session(Place<SqliteConnection>);

/// Binds values.
fn bound(values: Vec<Value>) -> Result<SqliteArguments, Trouble> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::BigInt(value) => arguments.add(value),
            Value::Bool(value) => arguments.add(value),
            Value::String(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            other => return Err(Trouble::Damaged(format!("no text is given a {other:?}"))),
        };
        added.map_err(|e| Trouble::Damaged(format!("a value cannot be sent: {e}")))?;
    }
    Ok(arguments)
}

impl Session {
    pub(super) fn of(connection: SqliteConnection) -> Self {
        Self(Place::of(connection))
    }

    /// Takes the connection.
    pub(super) async fn taken(&self) -> Result<Taken<SqliteConnection>, Trouble> {
        self.0.taken().await
    }

    /// An answer, outside of a transaction.
    pub(in crate::store) async fn ask(
        &self,
        words: &str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let mut taken = self.taken().await?;
        let answer = taken.ask(words.to_owned(), values, 1).await;
        taken.give_back_unless_lost(answer)
    }

    /// A write that is kept at once.
    pub(in crate::store) async fn put<Q: Query>(&self, query: Q) -> Result<(), Trouble> {
        let mut taken = self.taken().await?;
        let words = Q::TEXT.words(Dialect::Sqlite).to_owned();
        let put = taken.put(words, query.values(), 1).await;
        taken.give_back_unless_lost(put).map(|_| ())
    }

    /// Closes it, when what was given to it is done.
    pub(in crate::store) async fn close(self) {
        if let Some(connection) = self.0.emptied().await {
            // What was to be durable is.
            drop(connection.close().await);
        }
    }
}

impl Taken<SqliteConnection> {
    /// An answer; in front of what asks there may be others, without rows: so many statements at least.
    pub(super) async fn ask(
        &mut self,
        words: String,
        values: Vec<Value>,
        statements: usize,
    ) -> Result<Vec<QueryResult>, Trouble> {
        self.run(words, values, statements).await.map(|(rows, _)| rows)
    }

    /// So many writes; how many rows they have touched.
    pub(super) async fn put(
        &mut self,
        words: String,
        values: Vec<Value>,
        statements: usize,
    ) -> Result<u64, Trouble> {
        self.run(words, values, statements).await.map(|(_, touched)| touched)
    }

    /// Each statement says that it is done: a thread that ended in the middle says nothing more.
    async fn run(
        &mut self,
        words: String,
        values: Vec<Value>,
        statements: usize,
    ) -> Result<(Vec<QueryResult>, u64), Trouble> {
        let asked = sqlx::query_with(AssertSqlSafe(words), bound(values)?);
        let mut steps = self.connection.fetch_many(asked);
        let (mut rows, mut touched, mut done) = (Vec::new(), 0, 0);
        while let Some(step) = steps.try_next().await.map_err(told)? {
            match step {
                Either::Left(end) => (touched, done) = (touched + end.rows_affected(), done + 1),
                Either::Right(row) => rows.push(QueryResult::from(row)),
            }
        }
        if done < statements {
            return Err(told(sqlx::Error::WorkerCrashed));
        }
        Ok((rows, touched))
    }
}
