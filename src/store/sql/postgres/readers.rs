//! Connections that only read. A question has one for itself, and a deadline: a connection that did not answer is
//! dropped with its socket, so that a network that went silent keeps none from whoever asks next.

use crate::store::failure::Trouble;
use crate::store::sql::postgres::server::{APPLIED, HAS_TABLES_NOW, PostgresServer};
use crate::store::sql::postgres::session::{answer, each};
use futures_util::future::join_all;
use sea_orm::{DbErr, QueryResult, Value};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How often a question is asked anew whose connection was lost.
const ASKED_AGAIN: u32 = 2;

/// Longest wait for one that is free.
const FREE: Duration = Duration::from_secs(10);

/// One that was used so lately is there; any other shows it first.
const IDLE: Duration = Duration::from_secs(1);

/// Longest wait for its sign of life, and for its end.
const PING: Duration = Duration::from_secs(2);

/// The server ends a question itself that takes too long; so much later nobody is there.
const SILENT: Duration = Duration::from_secs(5);

/// An older one is made anew: a name may lead to another server by then.
const LIFETIME: Duration = Duration::from_secs(1800);

/// As many connections as the config allows, made when they are needed.
#[derive(Clone, Debug)]
pub(in crate::store) struct ReaderPool(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    server: PostgresServer,
    most: usize,
    timeout: Duration,
    slots: Semaphore,
    free: Mutex<Vec<Connected>>,
}

/// A connection, and since when.
#[derive(Debug)]
struct Connected {
    connection: PgConnection,
    made: Instant,
    used: Instant,
}

#[expect(clippy::disallowed_methods, reason = "how old a connection is decides nothing but that")]
fn now() -> Instant {
    Instant::now()
}

impl ReaderPool {
    /// Of this server; none is made yet.
    pub(in crate::store) fn of(server: &PostgresServer) -> Self {
        let most = usize::try_from(server.limits().0).unwrap_or(usize::MAX);
        Self(Arc::new(Pool::of(server, most.min(Semaphore::MAX_PERMITS))))
    }

    /// Another pool of the same server, of one connection: what it is asked waits for nobody else's questions.
    pub(in crate::store) fn apart(&self) -> Self {
        Self(Arc::new(Pool::of(&self.0.server, 1)))
    }

    /// An answer, within `timeout` and a while. A connection that was lost meanwhile has said nothing: the next one
    /// is asked.
    pub(in crate::store) async fn ask(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let most = self.0.timeout + SILENT;
        // What is given up is dropped with its connection.
        timeout(most, self.answered(words, values)).await.unwrap_or(Err(Trouble::Late(most)))
    }

    async fn answered(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        for _ in 0..ASKED_AGAIN {
            match self.0.ask(words, values.clone()).await {
                Err(why) if why.is_lost() => {}
                answered => return answered,
            }
        }
        self.0.ask(words, values).await
    }

    /// The steps of the schema that were made, as a reader sees it.
    pub(in crate::store) async fn applied(&self) -> Result<Vec<String>, Trouble> {
        let has_tables = match self.ask(HAS_TABLES_NOW, vec![]).await?.first() {
            Some(row) => row.try_get_by_index(0)?,
            None => false,
        };
        if !has_tables {
            return Ok(Vec::new());
        }
        let rows = self.ask(APPLIED, vec![]).await?;
        rows.iter().map(|row| row.try_get_by_index(0).map_err(Trouble::from)).collect()
    }

    /// How many of them are in use, and how many are not.
    pub(in crate::store) fn in_use(&self) -> (usize, usize) {
        let busy = self.0.most.saturating_sub(self.0.slots.available_permits());
        (busy, self.0.free().len())
    }

    /// Closes them; whoever is in the middle of a question ends it.
    pub(in crate::store) async fn close(&self) {
        self.0.slots.close();
        let free = std::mem::take(&mut *self.0.free()).into_iter();
        // The server finds out by itself where this does not come there.
        drop(join_all(free.map(|free| timeout(PING, free.connection.close()))).await);
    }
}

impl Pool {
    fn of(server: &PostgresServer, most: usize) -> Self {
        let (server, timeout) = (server.clone(), server.limits().1);
        Self { server, most, timeout, slots: Semaphore::new(most), free: Mutex::default() }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Connected>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(
        &self,
        words: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        let free = FREE.min(self.timeout);
        let slot = timeout(free, self.slots.acquire()).await.map_err(|_| Trouble::Late(free))?;
        let closed = |_| Trouble::Database(DbErr::Custom("the database is closed".into()));
        let _slot = slot.map_err(closed)?;
        let mut connected = self.connected().await?;
        let answer = answer(&mut connected.connection, words, each(values)).await;
        match &answer {
            Ok(_) if !self.slots.is_closed() => {
                connected.used = now();
                self.free().push(connected);
            }
            // So are those that were used before it.
            Err(why) if why.is_lost() => self.free().clear(),
            // A statement that the server no longer knows as it was prepared is prepared anew.
            _ => {}
        }
        answer
    }

    /// One that shows signs of life.
    async fn connected(&self) -> Result<Connected, Trouble> {
        loop {
            // The one that was used last: others grow old.
            let Some(mut free) = self.free().pop() else { break };
            if free.made.elapsed() > LIFETIME {
                continue;
            }
            if free.used.elapsed() < IDLE {
                return Ok(free);
            }
            if let Ok(Ok(())) = timeout(PING, free.connection.ping()).await {
                return Ok(free);
            }
            // What was used before it is no younger.
            self.free().clear();
        }
        let connection = self.server.reader().await?;
        Ok(Connected { connection, made: now(), used: now() })
    }
}
