//! SQLite's file: how its connections are made, what makes it durable, how it is copied, and when its
//! write-ahead log is folded in.

use crate::config::Place;
use crate::store::failure::Trouble;
use crate::store::open_error::OpenError;
use crate::store::sql::place::told;
use crate::store::sql::sqlite::session::Session;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr, Statement};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Waits for another process that holds the database: at the start, and after it.
const BUSY: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(5)];

/// How a connection is made: `ro` only reads, `rwc` makes the file.
fn options(options: SqliteConnectOptions, mode: &str) -> SqliteConnectOptions {
    let o = options.busy_timeout(BUSY[0]).statement_cache_capacity(256).read_only(mode == "ro");
    let o = o.pragma("temp_store", "MEMORY");
    if mode == "ro" {
        // There are several, and each fills its own with whatever it reads.
        return o.pragma("cache_size", "-2048");
    }
    o.pragma("cache_size", "-16384")
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
        .pragma("wal_autocheckpoint", "16000")
}

async fn connect(
    path: &Path,
    mode: &'static str,
    connections: u32,
) -> Result<DatabaseConnection, DbErr> {
    // The path stands in a URL: what has a meaning there is encoded.
    let place =
        path.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    let mut pool = ConnectOptions::new(format!("sqlite://{place}?mode={mode}"));
    pool.max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        // A file is there or is not; whoever finds out by a question has lost as much as by asking.
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |o| options(o, mode));
    sea_orm::Database::connect(pool).await
}

async fn ask(db: &DatabaseConnection, sql: &str) -> Result<String, DbErr> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let Some(row) = row else { return Ok(String::new()) };
    row.try_get_by_index::<String>(0)
        .or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string()))
}

/// The file of a database.
#[derive(Clone, Debug)]
pub(in crate::store) struct SqliteFile {
    path: PathBuf,
}

impl SqliteFile {
    pub(in crate::store) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(in crate::store) fn place(&self) -> Place {
        Place::File(self.path.clone())
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// [`OpenError`], where nobody can say.
    pub(in crate::store) fn is_there(&self) -> Result<bool, OpenError> {
        let unseen = |e: std::io::Error| DbErr::Custom(e.to_string());
        self.path.try_exists().map_err(|e| self.broken(unseen(e)))
    }

    fn broken(&self, source: DbErr) -> OpenError {
        OpenError::Database { place: self.place(), source }
    }

    /// Opens it for its tables, durably, and makes it where it is not there; whether it was.
    ///
    /// # Errors
    /// [`OpenError`], by variant.
    pub(in crate::store) async fn open(&self) -> Result<(DatabaseConnection, bool), OpenError> {
        if self.place().folder().is_some_and(|folder| !folder.exists()) {
            return Err(OpenError::NoFolder(self.path.clone()));
        }
        let existed = self.path.exists();
        let writer = connect(&self.path, "rwc", 1).await.map_err(|e| self.broken(e))?;
        for (setting, wanted, means) in
            [("journal_mode", "wal", "wal"), ("synchronous", "2", "FULL")]
        {
            let found = ask(&writer, &format!("PRAGMA {setting}")).await;
            let found = found.map_err(|e| self.broken(e))?;
            if found != wanted {
                let place = self.place();
                return Err(OpenError::NotDurable { place, setting, found, wanted: means });
            }
        }
        Ok((writer, existed))
    }

    /// The connection that writes.
    pub(in crate::store) async fn writer(&self) -> Result<Session, Trouble> {
        let made = options(SqliteConnectOptions::new().filename(&self.path), "rw");
        Ok(Session::of(made.disable_statement_logging().connect().await.map_err(told)?))
    }

    /// Connections that only read.
    pub(in crate::store) async fn readers(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.path, "ro", 4).await
    }

    /// A transaction waits for another process only as long as pages may wait for it.
    pub(in crate::store) async fn is_started(&self, writer: &Session) -> Result<(), Trouble> {
        let wait = format!("PRAGMA busy_timeout = {}", BUSY[1].as_millis());
        writer.ask(&wait, vec![]).await.map(|_| ())
    }

    /// Folds the write-ahead log in, as far as nobody reads it, on a connection of its own: nobody
    /// waits for it.
    ///
    /// # Errors
    /// Whatever the database says; the log is as it was.
    pub(in crate::store) async fn fold(&self) -> Result<(), DbErr> {
        let folder = connect(&self.path, "rw", 1).await?;
        let folded = folder.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await;
        folder.close().await?;
        folded.map(|_| ())
    }

    /// Keeps a copy from before these steps. One that is there is of another time: it is kept.
    pub(in crate::store) async fn set_aside(
        &self,
        writer: &DatabaseConnection,
        pending: &[String],
    ) -> Result<(), DbErr> {
        let steps = match pending {
            [first, .., last] => format!("{first}-to-{last}"),
            few => few.concat(),
        };
        let name = |n: u32| match n {
            0 => format!("before-{steps}.db"),
            n => format!("before-{steps}.{n}.db"),
        };
        let copies = (0..100).map(|n| self.path.with_extension(name(n)));
        match copies.into_iter().find(|copy| !copy.exists()) {
            Some(copy) => copy_to(writer, &copy).await,
            None => Ok(()),
        }
    }

    /// Whether anything was ever made in it.
    pub(in crate::store) async fn has_tables(
        &self,
        db: &DatabaseConnection,
    ) -> Result<bool, DbErr> {
        Ok(ask(db, "SELECT count(*) FROM sqlite_master").await? != "0")
    }

    /// The steps of the schema that were made.
    pub(in crate::store) async fn applied(
        &self,
        db: &DatabaseConnection,
    ) -> Result<Vec<String>, DbErr> {
        let backend = db.get_database_backend();
        let exists = "SELECT count(*) FROM sqlite_master WHERE name = 'seaql_migrations'";
        if ask(db, exists).await? == "0" {
            return Ok(Vec::new());
        }
        let rows = db
            .query_all_raw(Statement::from_string(
                backend,
                "SELECT version FROM seaql_migrations ORDER BY version",
            ))
            .await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }
}

/// Copies the database beside itself; under its name only once it is whole and durable.
async fn copy_to(writer: &DatabaseConnection, copy: &Path) -> Result<(), DbErr> {
    let io = |e: std::io::Error| DbErr::Custom(format!("cannot copy to {}: {e}", copy.display()));
    let half = copy.with_extension("half");
    if half.exists() {
        std::fs::remove_file(&half).map_err(io)?;
    }
    let target = half.display().to_string().replace('\'', "''");
    writer.execute_unprepared(&format!("VACUUM INTO '{target}'")).await?;
    std::fs::File::open(&half).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&half, copy).map_err(io)?;
    // The copy's name must survive a power cut before the migration begins.
    let folder = copy.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|dir| dir.sync_all()).map_err(io)
}
