//! Opening the database: a newer schema is refused, a copy is set aside before a migration.

use crate::config::{Place, ServerPlace};
use crate::store::failure::Trouble;
use crate::store::open_error::OpenError;
use crate::store::sql::postgres::readers::ReaderPool;
use crate::store::sql::postgres::server::{PostgresServer, error_of};
use crate::store::sql::postgres::session::Session;
use crate::store::sql::postgres::transaction::PostgresTransaction;
use crate::store::sql::query::{Asks, Dialect, Named, Query, rows_of};
use crate::store::sql::sqlite::file::SqliteFile;
use crate::store::sql::sqlite::session::Session as FileSession;
use crate::store::sql::sqlite::transaction::SqliteTransaction;
use crate::store::transaction::{Sql, Transaction};
use migration::Migrator;
use postrider_migration as migration;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use std::time::Duration;

/// Longest wait until a server's database is had: another process is ended meanwhile.
const OPENING: Duration = Duration::from_secs(60);

/// An open database.
#[derive(Clone, Debug)]
pub struct Database {
    /// The one connection that writes.
    pub(super) writer: Writer,
    /// Connections that only read.
    pub(super) readers: Readers,
    home: Home,
}

/// Connections that only read.
#[derive(Clone, Debug)]
pub(super) enum Readers {
    /// SQLite's.
    File(DatabaseConnection),
    /// PostgreSQL's.
    Server(ReaderPool),
}

impl Readers {
    /// An answer.
    pub(super) async fn ask<Q: Asks>(&self, query: Q) -> Result<Vec<Q::Row>, Trouble> {
        match self {
            Self::File(db) => db.ask(query).await,
            Self::Server(pool) => {
                rows_of(&pool.ask(Q::TEXT.words(Dialect::Postgres), query.values()).await?)
            }
        }
    }

    /// The first row of an answer.
    pub(super) async fn ask_one<Q: Asks>(&self, query: Q) -> Result<Option<Q::Row>, Trouble> {
        Ok(self.ask(query).await?.into_iter().next())
    }

    /// One of the same database, of which a server's waits for nobody else's questions.
    pub(super) fn apart(&self) -> Self {
        match self {
            Self::File(db) => Self::File(db.clone()),
            Self::Server(pool) => Self::Server(pool.apart()),
        }
    }

    /// How many are in use, and how many are not.
    pub(super) fn in_use(&self) -> (usize, usize) {
        match self {
            Self::File(db) => {
                let pool = db.get_sqlite_connection_pool();
                let all = usize::try_from(pool.size()).unwrap_or(usize::MAX);
                (all.saturating_sub(pool.num_idle()), pool.num_idle())
            }
            Self::Server(pool) => pool.in_use(),
        }
    }

    async fn close(self) -> Result<(), DbErr> {
        match self {
            Self::File(db) => db.close().await,
            Self::Server(pool) => {
                pool.close().await;
                Ok(())
            }
        }
    }
}

/// Where it is, and how it is spoken to there.
#[derive(Clone, Debug)]
enum Home {
    File(SqliteFile),
    Server(PostgresServer),
}

/// The connection that writes.
#[derive(Clone, Debug)]
pub(super) enum Writer {
    /// SQLite's.
    File(FileSession),
    /// PostgreSQL's.
    Server(Session),
    /// None: it was opened for reading alone.
    Nobody(Readers),
}

fn reads_alone() -> Trouble {
    Trouble::Database(DbErr::Custom("it was opened for reading alone".into()))
}

impl Sql for Writer {
    async fn ask<Q: Asks>(&self, query: Q) -> Result<Vec<Q::Row>, Trouble> {
        match self {
            Self::File(session) => {
                let words = Q::TEXT.words(Dialect::Sqlite);
                rows_of(&session.ask(words, query.values()).await?)
            }
            Self::Server(session) => {
                let words = Q::TEXT.words(Dialect::Postgres);
                rows_of(&session.ask(words, query.values()).await?)
            }
            Self::Nobody(readers) => readers.ask(query).await,
        }
    }

    async fn put(&self, query: impl Query) -> Result<(), Trouble> {
        match self {
            Self::File(session) => session.put(query).await,
            Self::Server(session) => session.put(query).await,
            Self::Nobody(_) => Err(reads_alone()),
        }
    }
}

impl Writer {
    /// What a statement of SQLite's answers, for whoever tests what is in the file.
    #[cfg(test)]
    pub(super) async fn run(&self, words: &str) -> Result<Vec<sea_orm::QueryResult>, Trouble> {
        match self {
            Self::File(session) => session.ask(words, vec![]).await,
            _ => unreachable!("the test's database is a file"),
        }
    }

    async fn close(self) {
        match self {
            Self::File(session) => session.close().await,
            Self::Server(session) => session.close().await,
            Self::Nobody(_) => {}
        }
    }
}

impl Database {
    /// Replaces the writing connection. After a failed COMMIT or ROLLBACK nobody can say what
    /// transaction the old one is in: it is closed, and whatever it had open is rolled back.
    pub(super) async fn renew_writer(&mut self) -> Result<(), Trouble> {
        match &self.home {
            Home::File(file) => {
                let fresh = file.writer().await?;
                file.is_started(&fresh).await?;
                let old = std::mem::replace(&mut self.writer, Writer::File(fresh));
                old.close().await;
                Ok(())
            }
            // Its lock is given back by the end of the old one alone.
            Home::Server(server) => {
                self.writer.clone().close().await;
                self.writer = Writer::Server(server.writer().await?);
                Ok(())
            }
        }
    }

    /// A transaction that writes from the beginning: one that first reads would not wait for
    /// another process.
    pub(super) async fn begin(&self) -> Result<Transaction, Trouble> {
        match &self.writer {
            Writer::File(session) => Ok(SqliteTransaction::begin(session).await?.into()),
            Writer::Server(session) => Ok(PostgresTransaction::begin(session).await?.into()),
            Writer::Nobody(_) => Err(reads_alone()),
        }
    }

    /// The start is over: on SQLite a transaction waits for another process only as long as pages may wait for it;
    /// on PostgreSQL this process is from now on the one that writes.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn is_started(&self) -> Result<(), DbErr> {
        match (&self.home, &self.writer) {
            (Home::File(file), Writer::File(session)) => {
                file.is_started(session).await.map_err(error_of)
            }
            (Home::Server(server), Writer::Server(session)) => {
                server.sign(session).await.map_err(error_of)
            }
            _ => Ok(()),
        }
    }

    /// SQLite's file, whose log is to be folded.
    pub(super) fn file(&self) -> Option<&SqliteFile> {
        match &self.home {
            Home::File(file) => Some(file),
            Home::Server(_) => None,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.home {
            Home::File(file) => file.place(),
            Home::Server(server) => server.place(),
        }
    }

    /// Closes both pools; what SQLite keeps beside its file is folded in.
    pub async fn close(self) {
        // Nothing is lost when this fails: the log is read at the next start.
        drop(self.readers.close().await);
        self.writer.close().await;
    }
}

/// Opens the database for writing, making or migrating it.
///
/// # Errors
/// [`OpenError`], by variant; nothing has changed but, for a migration that failed, what its steps
/// before had done (and the copy beside the file is whole).
pub async fn open(place: &Place) -> Result<Database, OpenError> {
    open_as(place, false).await
}

/// The same; with `takes_over` whoever has a server's database loses it.
///
/// # Errors
/// As [`open`].
pub async fn open_as(place: &Place, takes_over: bool) -> Result<Database, OpenError> {
    match place {
        Place::File(path) => open_file(SqliteFile::at(path)).await,
        Place::Server(server) => {
            tracing::info!("the database is {}", server.shown);
            open_server(PostgresServer::at(server), takes_over).await
        }
    }
}

async fn open_file(file: SqliteFile) -> Result<Database, OpenError> {
    let place = file.place();
    let broken = |source| OpenError::Database { place: place.clone(), source };
    let (writer, existed) = file.open().await?;
    let applied = file.applied(&writer).await.map_err(broken)?;
    let pending = pending(&place, &applied)?;
    let is_new = !file.has_tables(&writer).await.map_err(broken)?;
    if existed && !pending.is_empty() && !is_new {
        file.set_aside(&writer, &pending).await.map_err(broken)?;
    }
    if is_new {
        // Its tables are there all at once, or none.
        let tables = writer.begin().await.map_err(broken)?;
        migration::make(&tables).await.map_err(broken)?;
        tables.commit().await.map_err(broken)?;
    } else {
        Migrator::up(&writer, None).await.map_err(broken)?;
    }
    let readers = file.readers().await.map_err(broken)?;
    let readers = Readers::File(readers);
    let session = file.writer().await.map_err(|e| broken(error_of(e)))?;
    writer.close().await.map_err(broken)?;
    Ok(Database { writer: Writer::File(session), readers, home: Home::File(file) })
}

async fn open_server(server: PostgresServer, takes_over: bool) -> Result<Database, OpenError> {
    let place = server.place();
    let broken = |e| OpenError::Database { place: place.clone(), source: error_of(e) };
    let opened = async {
        let session = server.open(takes_over).await?;
        let applied = session.applied().await.map_err(broken)?;
        Ok((session, applied))
    };
    let late = |_| Err(broken(Trouble::Late(OPENING)));
    let (session, applied) = tokio::time::timeout(OPENING, opened).await.unwrap_or_else(late)?;
    let missing = pending(&place, &applied)?;
    // Tables of any size take the time that they take, and the lock is held for as long.
    if applied.is_empty() {
        session.make(&migration::postgres()).await.map_err(broken)?;
    } else if !missing.is_empty() {
        session.make(&migration::taken(migration::LATER, &missing)).await.map_err(broken)?;
    }
    let readers = Readers::Server(ReaderPool::of(&server));
    Ok(Database { writer: Writer::Server(session), readers, home: Home::Server(server) })
}

/// Opens the database for reading alone, beside a server or a copy of it.
///
/// # Errors
/// [`OpenError`]; a database whose schema is older than this binary's is refused too, since only a
/// writer may migrate it.
pub async fn open_for_reading(place: &Place) -> Result<Database, OpenError> {
    let (db, missing) = open_to_look(place).await?;
    if let Some(step) = missing.first() {
        let text = format!("it lacks schema step {step}; run `postrider sync --once` first");
        return Err(OpenError::Database { place: place.clone(), source: DbErr::Custom(text) });
    }
    Ok(db)
}

/// The same, whatever steps of the schema it lacks; those are told.
///
/// # Errors
/// As [`open_for_reading`].
pub async fn open_to_look(place: &Place) -> Result<(Database, Vec<String>), OpenError> {
    let broken = |source| OpenError::Database { place: place.clone(), source };
    let (readers, applied, home) = match place {
        Place::File(path) => {
            let file = SqliteFile::at(path);
            if !file.is_there()? {
                return Err(OpenError::Missing(place.clone()));
            }
            let readers = file.readers().await.map_err(broken)?;
            let applied = file.applied(&readers).await.map_err(broken)?;
            (Readers::File(readers), applied, Home::File(file))
        }
        Place::Server(server) => {
            let server = PostgresServer::at(server);
            let readers = ReaderPool::of(&server);
            let applied = readers.applied().await.map_err(|e| broken(error_of(e)))?;
            if applied.is_empty() {
                return Err(OpenError::Missing(place.clone()));
            }
            (Readers::Server(readers), applied, Home::Server(server))
        }
    };
    let missing = pending(place, &applied)?;
    let writer = Writer::Nobody(readers.clone());
    Ok((Database { writer, readers, home }, missing))
}

/// How a server's database would do for a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// The next start makes the tables.
    Empty,
    /// The next start brings the tables up to date.
    Older,
    /// It is a mirror's.
    Ready,
}

/// Looks at a server's database as [`open`] does, whoever writes there: nothing is written.
///
/// # Errors
/// [`OpenError`], as a start would have it.
pub async fn look(place: &ServerPlace) -> Result<Fitness, OpenError> {
    let server = PostgresServer::at(place);
    let late =
        |_| OpenError::Database { place: server.place(), source: error_of(Trouble::Late(OPENING)) };
    let applied = tokio::time::timeout(OPENING, server.looked_at()).await.map_err(late)??;
    let missing = pending(&server.place(), &applied)?;
    Ok(match (applied.is_empty(), missing.is_empty()) {
        (true, _) => Fitness::Empty,
        (false, false) => Fitness::Older,
        (false, true) => Fitness::Ready,
    })
}

/// The steps that the database lacks; refuses one that has steps this binary does not know.
fn pending(place: &Place, applied: &[String]) -> Result<Vec<String>, OpenError> {
    let known: Vec<String> =
        Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    if let Some(found) = applied.iter().rev().find(|step| !known.contains(step)) {
        return Err(OpenError::Newer {
            place: place.clone(),
            found: found.clone(),
            known: known.last().cloned().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
        });
    }
    Ok(known.into_iter().filter(|step| !applied.contains(step)).collect())
}
