//! Opening the database: a newer schema is refused, a copy is set aside before a migration.

use crate::config::Place;
use crate::store::open_error::OpenError;
use crate::store::sql::sqlite::file::SqliteFile;
use migration::Migrator;
use postrider_migration as migration;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use sea_orm_migration::MigratorTrait;

/// An open database.
#[derive(Clone, Debug)]
pub struct Database {
    /// The one connection that writes.
    pub(super) writer: DatabaseConnection,
    /// Connections that only read.
    pub(super) readers: DatabaseConnection,
    pub(super) file: SqliteFile,
}

impl Database {
    /// Replaces the writing connection. After a failed COMMIT or ROLLBACK nobody can say what
    /// transaction the old one is in: it is closed, and whatever it had open is rolled back.
    pub(super) async fn renew_writer(&mut self) -> Result<(), DbErr> {
        let fresh = self.file.writer().await?;
        self.file.is_started(&fresh).await?;
        let old = std::mem::replace(&mut self.writer, fresh);
        old.close().await
    }

    /// A transaction that writes from the beginning: one that first reads would not wait for
    /// another process.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.file.begin(&self.writer).await
    }

    /// The start is over: a transaction waits for another process only as long as pages may wait
    /// for it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn is_started(&self) -> Result<(), DbErr> {
        self.file.is_started(&self.writer).await
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        self.file.place()
    }

    /// Closes both pools; what SQLite keeps beside its file is folded in.
    pub async fn close(self) {
        // Nothing is lost when this fails: the log is read at the next start.
        drop(self.readers.close().await);
        drop(self.writer.close().await);
    }
}

/// Opens the database for writing, making or migrating it.
///
/// # Errors
/// [`OpenError`], by variant; nothing has changed but, for a migration that failed, what its steps
/// before had done (and the copy beside the file is whole).
pub async fn open(place: &Place) -> Result<Database, OpenError> {
    let broken = |source| OpenError::Database { place: place.clone(), source };
    let Place::File(path) = place;
    let file = SqliteFile::at(path);
    let (writer, existed) = file.open().await?;
    let pending = pending(&file, &writer).await?;
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
    Ok(Database { writer, readers, file })
}

/// Opens the database for reading alone, beside a server or a copy of it.
///
/// # Errors
/// [`OpenError`]; a database whose schema is older than this binary's is refused too, since only a
/// writer may migrate it.
pub async fn open_for_reading(place: &Place) -> Result<Database, OpenError> {
    let broken = |source| OpenError::Database { place: place.clone(), source };
    let Place::File(path) = place;
    let file = SqliteFile::at(path);
    if !file.is_there()? {
        return Err(OpenError::Missing(place.clone()));
    }
    let readers = file.readers().await.map_err(broken)?;
    let missing = pending(&file, &readers).await?;
    if let Some(step) = missing.first() {
        let source = DbErr::Custom(format!(
            "it lacks schema step {step}; run `postrider sync --once` first"
        ));
        return Err(broken(source));
    }
    Ok(Database { writer: readers.clone(), readers, file })
}

/// The steps that the database lacks; refuses one that has steps this binary does not know.
async fn pending(file: &SqliteFile, db: &DatabaseConnection) -> Result<Vec<String>, OpenError> {
    let known: Vec<String> =
        Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let applied = file.applied(db).await;
    let applied = applied.map_err(|source| OpenError::Database { place: file.place(), source })?;
    if let Some(found) = applied.iter().rev().find(|step| !known.contains(step)) {
        return Err(OpenError::Newer {
            place: file.place(),
            found: found.clone(),
            known: known.last().cloned().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
        });
    }
    Ok(known.into_iter().filter(|step| !applied.contains(step)).collect())
}
