//! The one connection that writes. Whoever uses it takes it, and gives it back when what it was used for is
//! over: one that is given up in the middle is closed, and the server takes back what was open in it.

use crate::store::failure::Trouble;
use crate::store::sql::postgres::given::{Given, bound};
use crate::store::sql::query::{Dialect, Named, Query};
use sea_orm::{DbErr, QueryResult, RuntimeErr, Value};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Longest wait until a server hears that a connection is over.
const CLOSE: Duration = Duration::from_secs(2);

/// A connection that writes, while there is one.
#[derive(Clone, Debug)]
pub(in crate::store) struct Session {
    place: Arc<Mutex<Option<PgConnection>>>,
    /// Transactions that were begun.
    begun: Arc<AtomicU32>,
}

/// As the rest of the store tells it.
pub(super) fn told(e: sqlx::Error) -> Trouble {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(e))).into()
}

impl Session {
    pub(super) fn of(connection: PgConnection) -> Self {
        Self { place: Arc::new(Mutex::new(Some(connection))), begun: Arc::default() }
    }

    /// Takes the connection.
    pub(in crate::store) async fn taken(&self) -> Result<Taken, Trouble> {
        let mut place = Arc::clone(&self.place).lock_owned().await;
        let gone =
            || Trouble::Database(DbErr::Custom("the connection that writes was lost".into()));
        let connection = place.take().ok_or_else(gone)?;
        Ok(Taken { place, connection })
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
            let connection = self.place.lock().await.take();
            if let Some(connection) = connection {
                // What was to be durable is.
                drop(connection.close().await);
            }
        };
        drop(tokio::time::timeout(CLOSE, closed).await);
    }
}

/// The connection, in somebody's hands.
#[derive(Debug)]
pub(in crate::store) struct Taken {
    place: OwnedMutexGuard<Option<PgConnection>>,
    connection: PgConnection,
}

impl Taken {
    /// Gives it back as it was.
    pub(in crate::store) fn give_back(self) {
        let Self { mut place, connection } = self;
        *place = Some(connection);
    }

    /// Gives it back where what was said is the database's word: anything else is the connection's.
    fn give_back_unless_lost<T>(self, answer: Result<T, Trouble>) -> Result<T, Trouble> {
        if answer.as_ref().err().is_none_or(Trouble::is_said) {
            self.give_back();
        }
        answer
    }

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
