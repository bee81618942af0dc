//! PostgreSQL's server, and who alone writes there.

use crate::config::{Place, ServerPlace};
use crate::store::failure::Trouble;
use crate::store::open_error::OpenError;
use crate::store::sql::postgres::lock::{Holder, in_words, own_name};
use crate::store::sql::postgres::session::{Session, Taken};
use sea_orm::DbErr;
use sqlx::postgres::PgConnection;
use std::time::Duration;

/// At a start, whoever else writes has ended by then, or will not.
const START: Duration = Duration::from_millis(1500);

/// Behind a connection that was lost, the server has ended what it had open by then.
const LOST: Duration = Duration::from_secs(10);

/// Of a session that only reads: lists are long, and what is wanted of them is their beginning, in the order of an
/// index.
pub(super) const ONLY_READS: &str =
    "; SET default_transaction_read_only = on; SET enable_bitmapscan = off";

/// Who writes, as it has signed.
const SIGNED: &str = "SELECT COALESCE((SELECT value FROM setting WHERE name = 'writer'), '')";

/// Signs as this one.
fn signature(name: &str) -> String {
    let name = name.replace('\'', "''");
    format!(
        "INSERT INTO setting (name, value) VALUES ('writer', '{name}') ON CONFLICT (name) DO UPDATE SET value = \
         excluded.value"
    )
}

/// A server, and the database there.
#[derive(Clone, Debug)]
pub(in crate::store) struct PostgresServer {
    pub(super) place: ServerPlace,
    /// What this process calls itself there.
    pub(super) name: String,
}

impl PostgresServer {
    pub(in crate::store) fn at(place: &ServerPlace) -> Self {
        Self { place: place.clone(), name: own_name() }
    }

    pub(in crate::store) fn place(&self) -> Place {
        Place::Server(Box::new(self.place.clone()))
    }

    pub(super) fn broken(&self, source: DbErr) -> OpenError {
        OpenError::Database { place: self.place(), source }
    }

    /// Opens it for writing; with `takes_over` whoever holds it loses it.
    ///
    /// # Errors
    /// [`OpenError`], by variant.
    pub(in crate::store) async fn open(&self, takes_over: bool) -> Result<Session, OpenError> {
        let broken = |e| self.broken(error_of(e));
        let session = self.session().await.map_err(broken)?;
        let mut taken = session.taken().await.map_err(broken)?;
        self.promised(&mut taken).await?;
        self.is_no_pooler_of_transactions(&mut taken).await?;
        let mut holder = taken.locked(START).await.map_err(broken)?;
        if let (true, Some(other)) = (takes_over, &holder) {
            holder = self.taken_over(&mut taken, other).await.map_err(broken)?;
        }
        if let Some(holder) = holder {
            return Err(OpenError::Held { place: self.place(), holder: holder.shown });
        }
        taken.give_back();
        Ok(session)
    }

    /// What a start would look at before its first word; the steps of the schema that were made.
    ///
    /// # Errors
    /// [`OpenError`], as [`PostgresServer::open`] has it.
    pub(in crate::store) async fn looked_at(&self) -> Result<Vec<String>, OpenError> {
        let broken = |e| self.broken(error_of(e));
        let session = self.session().await.map_err(broken)?;
        let mut taken = session.taken().await.map_err(broken)?;
        self.promised(&mut taken).await?;
        self.is_no_pooler_of_transactions(&mut taken).await?;
        taken.give_back();
        let applied = session.applied().await.map_err(broken)?;
        session.close().await;
        Ok(applied)
    }

    pub(super) async fn session(&self) -> Result<Session, Trouble> {
        Ok(Session::of(self.connect("").await?))
    }

    /// Takes the lock from whoever holds it: that one finds, should it come back, that another writes.
    async fn taken_over(
        &self,
        taken: &mut Taken,
        other: &Holder,
    ) -> Result<Option<Holder>, Trouble> {
        tracing::warn!("the database is taken from {}", other.shown);
        let has_tables: bool = taken.one(HAS_TABLES_NOW).await?;
        let before: String = if has_tables { taken.one(SIGNED).await? } else { String::new() };
        if has_tables {
            taken.run(signature(&self.name)).await?;
        }
        let ended = async {
            let mut holder = Some(other.clone());
            for _ in 0..10 {
                let Some(other) = &holder else { break };
                taken.end(&other.name, true).await?;
                holder = taken.locked(Duration::from_secs(1)).await?;
            }
            Ok(holder)
        };
        let ended = ended.await;
        if has_tables && !matches!(ended, Ok(None)) {
            // It could not be ended, and goes on.
            taken.run(signature(&before)).await?;
        }
        ended
    }

    /// Notes that this process writes: whoever lost the lock before finds that out.
    pub(in crate::store) async fn sign(&self, session: &Session) -> Result<(), Trouble> {
        let mut taken = session.taken().await?;
        taken.run(signature(&self.name)).await?;
        taken.give_back();
        Ok(())
    }

    /// Another connection that writes, once the one before is gone for certain: its lock is given back only
    /// with its end.
    pub(in crate::store) async fn writer(&self) -> Result<Session, Trouble> {
        let session = self.session().await?;
        let mut taken = session.taken().await?;
        // A server that comes back may be another one.
        let broken = |e: OpenError| Trouble::Database(DbErr::Custom(e.to_string()));
        self.promised(&mut taken).await.map_err(broken)?;
        let mut holder = taken.locked(Duration::ZERO).await?;
        if holder.is_some() {
            taken.end(&self.name, false).await?;
            holder = taken.locked(LOST).await?;
        }
        // Who has signed since has it for good; who has the lock alone may give it back.
        let signed: String = taken.one(SIGNED).await?;
        if signed != self.name {
            return Err(Trouble::Taken(in_words(&signed)));
        }
        if let Some(holder) = holder {
            let text = format!("the database is held by another postrider: {}", holder.shown);
            return Err(Trouble::Database(DbErr::Custom(text)));
        }
        taken.give_back();
        Ok(session)
    }

    /// How many connections read, and how long a statement may take.
    pub(super) fn limits(&self) -> (u32, Duration) {
        (self.place.readers, self.place.timeout)
    }

    /// A connection that only reads.
    pub(super) async fn reader(&self) -> Result<PgConnection, Trouble> {
        self.connect(ONLY_READS).await
    }
}

/// What a database says, as the drivers' error.
pub(in crate::store) fn error_of(trouble: Trouble) -> DbErr {
    match trouble {
        Trouble::Database(e) | Trouble::Refused(e) => e,
        other => DbErr::Custom(other.to_string()),
    }
}

/// The steps of the schema that were made.
pub(super) const APPLIED: &str = "SELECT version FROM seaql_migrations ORDER BY version";

/// Whether anything of ours was ever made there.
pub(super) const HAS_TABLES: &str = "to_regclass('seaql_migrations') IS NOT NULL";
pub(super) const HAS_TABLES_NOW: &str = "SELECT to_regclass('seaql_migrations') IS NOT NULL";

impl Session {
    /// The steps of the schema that were made.
    pub(in crate::store) async fn applied(&self) -> Result<Vec<String>, Trouble> {
        let mut taken = self.taken().await?;
        let mut applied = Vec::new();
        if taken.one(HAS_TABLES_NOW).await? {
            let rows = taken.run(APPLIED).await?;
            applied = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        }
        taken.give_back();
        Ok(applied)
    }

    /// Makes the tables, or takes steps: all at once, or none.
    pub(in crate::store) async fn make(&self, tables: &str) -> Result<(), Trouble> {
        let mut taken = self.taken().await?;
        taken.run(format!("BEGIN; SET LOCAL statement_timeout = 0; {tables} COMMIT")).await?;
        taken.give_back();
        Ok(())
    }
}
