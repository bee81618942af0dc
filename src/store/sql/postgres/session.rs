//! The one connection that writes to a server.

use crate::store::failure::Trouble;
use crate::store::sql::place::{Place, told};
use crate::store::sql::postgres::given::{Given, bound};
use crate::store::sql::query::{Dialect, Named, Query};
use sea_orm::{QueryResult, TryGetable, Value};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longest wait until a server hears that a connection is over.
const CLOSE: Duration = Duration::from_secs(2);

/// A connection that writes, while there is one.
#[derive(Clone, Debug)]
pub(in crate::store) struct Session {
    place: Place<PgConnection>,
    /// Transactions that were begun.
    begun: Arc<AtomicU32>,
}

impl Session {
    pub(super) fn of(connection: PgConnection) -> Self {
        Self { place: Place::of(connection), begun: Arc::default() }
    }

    /// Takes the connection.
    pub(in crate::store) async fn taken(&self) -> Result<Taken, Trouble> {
        self.place.taken().await
    }

    /// Takes it for a transaction, and says which it is.
    pub(super) async fn taken_for_transaction(&self) -> Result<(Taken, u32), Trouble> {
        Ok((self.taken().await?, self.begun.fetch_add(1, Ordering::Relaxed)))
    }

    /// An answer, outside of a transaction.
    pub(in crate::store) async fn ask(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let mut taken = self.taken().await?;
        let answer = taken.ask(words, each(values)).await;
        taken.give_back_unless_lost(answer)
    }

    /// A write that is kept at once.
    pub(in crate::store) async fn put<Q: Query>(&self, query: Q) -> Result<(), Trouble> {
        let mut taken = self.taken().await?;
        let put = taken.put(Q::TEXT.words(Dialect::Postgres), each(query.values())).await;
        taken.give_back_unless_lost(put).map(|_| ())
    }

    /// Closes it: its locks are given back by now, or when the server finds out.
    pub(in crate::store) async fn close(self) {
        let closed = async {
            if let Some(connection) = self.place.emptied().await {
                // What was to be durable is.
                drop(connection.close().await);
            }
        };
        drop(tokio::time::timeout(CLOSE, closed).await);
    }
}

/// The connection, in somebody's hands.
pub(super) type Taken = crate::store::sql::place::Taken<PgConnection>;

impl crate::store::sql::place::Taken<PgConnection> {
    /// An answer.
    pub(super) async fn ask(
        &mut self,
        words: &'static str,
        given: Vec<Given>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        answer(&mut self.connection, words, given).await
    }

    /// A write; how many rows it has touched.
    pub(super) async fn put(
        &mut self,
        words: &'static str,
        given: Vec<Given>,
    ) -> Result<u64, Trouble> {
        let put = sqlx::query_with(words, bound(given)?);
        let done = put.execute(&mut self.connection).await.map_err(told)?;
        Ok(done.rows_affected())
    }

    /// The one value of an answer.
    pub(super) async fn one<T: TryGetable>(&mut self, sql: &str) -> Result<T, Trouble> {
        let answer = self.run(sql).await?;
        let lacks = || Trouble::Damaged(format!("no answer to {sql}"));
        answer.first().ok_or_else(lacks)?.try_get_by_index(0).map_err(Trouble::from)
    }

    /// Several statements at once, of which the last may have an answer.
    pub(super) async fn run(
        &mut self,
        text: impl Into<String>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let run = sqlx::raw_sql(AssertSqlSafe(text.into()));
        let rows = run.fetch_all(&mut self.connection).await.map_err(told)?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}

/// An answer of this connection.
pub(super) async fn answer(
    connection: &mut PgConnection,
    words: &'static str,
    given: Vec<Given>,
) -> Result<Vec<QueryResult>, Trouble> {
    let asked = sqlx::query_with(words, bound(given)?);
    let rows = asked.fetch_all(connection).await.map_err(told)?;
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

/// Values as they are given one by one.
pub(super) fn each(values: Vec<Value>) -> Vec<Given> {
    values.into_iter().map(Given::One).collect()
}
