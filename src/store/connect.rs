//! Opening the database: durability is asserted, a newer schema is refused, a copy is set aside
//! before a migration.

use migration::Migrator;
use postrider_migration as migration;
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It could not be opened or read.
    #[error("cannot open the database {path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: DbErr,
    },
    /// The folder that it is to lie in is not there.
    #[error(
        "the folder of the database {0} is not there: make it, or leave `store.url` out of the config, and the database lies in data_dir"
    )]
    NoFolder(PathBuf),
    /// There is none.
    #[error(
        "there is no database at {0}; `postrider serve` or `sync --once` makes it, and --data DIR says where else it is"
    )]
    Missing(PathBuf),
    /// It was written by a newer binary.
    #[error(
        "the database {path} has schema step {found}, newer than this binary's {known} (postrider {version}); use the newer postrider"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest step in the database.
        found: String,
        /// The newest step that this binary knows.
        known: String,
        /// This binary's version.
        version: &'static str,
    },
    /// The database would not promise durability.
    #[error(
        "the database {path} has {setting} = {found}, but {wanted} is needed so that an acknowledged message survives a power cut"
    )]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// Which setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
}

/// An open database.
#[derive(Clone, Debug)]
pub struct Database {
    /// The one connection that writes.
    pub(super) writer: DatabaseConnection,
    /// Connections that only read.
    pub(super) readers: DatabaseConnection,
    path: PathBuf,
}

impl Database {
    /// Replaces the writing connection. After a failed COMMIT or ROLLBACK nobody can say what
    /// transaction the old one is in: it is closed, and whatever it had open is rolled back.
    pub(super) async fn renew_writer(&mut self) -> Result<(), DbErr> {
        let fresh = connect(&self.path, "rw", 1).await?;
        brisk(&fresh).await?;
        let old = std::mem::replace(&mut self.writer, fresh);
        old.close().await
    }

    /// A transaction that writes from the beginning: one that first reads would not wait for
    /// another process.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.writer.begin_with_options(options).await
    }

    /// The start is over: a transaction waits for another process only as long as pages may wait
    /// for it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn is_started(&self) -> Result<(), DbErr> {
        brisk(&self.writer).await
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Folds the write-ahead log in, as far as nobody reads it, on a connection of its own: nobody waits for it.
    ///
    /// # Errors
    /// Whatever the database says; the log is as it was.
    pub(super) async fn fold(&self) -> Result<(), DbErr> {
        let folder = connect(&self.path, "rw", 1).await?;
        let folded = folder.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await;
        folder.close().await?;
        folded.map(|_| ())
    }

    /// Closes both pools; the write-ahead log is folded in.
    pub async fn close(self) {
        // Nothing is lost when this fails: the log is read at the next start.
        drop(self.readers.close().await);
        drop(self.writer.close().await);
    }
}

/// Waits for another process that holds the database: at the start, and after it.
const BUSY: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(5)];

async fn brisk(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.execute_unprepared(&format!("PRAGMA busy_timeout = {}", BUSY[1].as_millis()))
        .await
        .map(|_| ())
}

async fn connect(path: &Path, mode: &str, connections: u32) -> Result<DatabaseConnection, DbErr> {
    // The path stands in a URL: what has a meaning there is encoded.
    let place =
        path.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    let mut options = ConnectOptions::new(format!("sqlite://{place}?mode={mode}"));
    let reads_only = mode == "ro";
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        // A file is there or is not; whoever finds out by a question has lost as much as by asking.
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |o| {
            let o = o.busy_timeout(BUSY[0]).statement_cache_capacity(256).read_only(reads_only);
            let o = o.pragma("cache_size", "-16384").pragma("temp_store", "MEMORY");
            if reads_only {
                return o;
            }
            o.pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
                .pragma("wal_autocheckpoint", "16000")
        });
    sea_orm::Database::connect(options).await
}

async fn ask(db: &DatabaseConnection, sql: &str) -> Result<String, DbErr> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let Some(row) = row else { return Ok(String::new()) };
    row.try_get_by_index::<String>(0)
        .or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string()))
}

/// Opens the database for writing, making or migrating it.
///
/// # Errors
/// [`OpenError`], by variant; nothing has changed but, for a migration that failed, what its steps
/// before had done (and the copy beside the file is whole).
pub async fn open(path: &Path) -> Result<Database, OpenError> {
    let broken = |source| OpenError::Database { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.exists()) {
        return Err(OpenError::NoFolder(path.to_owned()));
    }
    let existed = path.exists();
    let writer = connect(path, "rwc", 1).await.map_err(broken)?;
    for (setting, wanted, means) in [("journal_mode", "wal", "wal"), ("synchronous", "2", "FULL")] {
        let found = ask(&writer, &format!("PRAGMA {setting}")).await.map_err(broken)?;
        if found != wanted {
            return Err(OpenError::NotDurable {
                path: path.to_owned(),
                setting,
                found,
                wanted: means,
            });
        }
    }
    let pending = pending(&writer, path).await?;
    let is_new = !has_tables(&writer).await.map_err(broken)?;
    if existed && !pending.is_empty() && !is_new {
        // One that is there is of another time: it is kept.
        let name = |n: u32| match n {
            0 => format!("before-{}.db", pending.join("-")),
            n => format!("before-{}.{n}.db", pending.join("-")),
        };
        let copies = (0..100).map(|n| path.with_extension(name(n)));
        if let Some(copy) = copies.into_iter().find(|copy| !copy.exists()) {
            set_aside(&writer, &copy).await.map_err(broken)?;
        }
    }
    if is_new {
        // Its tables are there all at once, or none.
        let tables = writer.begin().await.map_err(broken)?;
        migration::make(&tables).await.map_err(broken)?;
        tables.commit().await.map_err(broken)?;
    } else {
        Migrator::up(&writer, None).await.map_err(broken)?;
    }
    let readers = connect(path, "ro", 4).await.map_err(broken)?;
    Ok(Database { writer, readers, path: path.to_owned() })
}

/// Opens the database for reading alone, beside a server or a copy of it.
///
/// # Errors
/// [`OpenError`]; a database whose schema is older than this binary's is refused too, since only a
/// writer may migrate it.
pub async fn open_for_reading(path: &Path) -> Result<Database, OpenError> {
    let broken = |source| OpenError::Database { path: path.to_owned(), source };
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(OpenError::Missing(path.to_owned())),
        Err(e) => return Err(broken(DbErr::Custom(e.to_string()))),
    }
    let readers = connect(path, "ro", 4).await.map_err(broken)?;
    let missing = pending(&readers, path).await?;
    if let Some(step) = missing.first() {
        let source = DbErr::Custom(format!(
            "it lacks schema step {step}; run `postrider sync --once` first"
        ));
        return Err(broken(source));
    }
    Ok(Database { writer: readers.clone(), readers, path: path.to_owned() })
}

/// Copies the database beside itself; under its name only once it is whole and durable.
async fn set_aside(writer: &DatabaseConnection, copy: &Path) -> Result<(), DbErr> {
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

async fn has_tables(db: &DatabaseConnection) -> Result<bool, DbErr> {
    Ok(ask(db, "SELECT count(*) FROM sqlite_master").await? != "0")
}

async fn applied(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
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

/// The steps that the database lacks; refuses one that has steps this binary does not know.
async fn pending(db: &DatabaseConnection, path: &Path) -> Result<Vec<String>, OpenError> {
    let broken = |source| OpenError::Database { path: path.to_owned(), source };
    let known: Vec<String> =
        Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let applied = applied(db).await.map_err(broken)?;
    if let Some(found) = applied.iter().rev().find(|step| !known.contains(step)) {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: found.clone(),
            known: known.last().cloned().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
        });
    }
    Ok(known.into_iter().filter(|step| !applied.contains(step)).collect())
}
