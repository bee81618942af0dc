//! A copy does not sync by accident: database and data folder hold the same random id.

use crate::store::connect::Database;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait, Value};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How far event numbers leap when a copy becomes a mirror of its own: no number is ever used twice.
const LEAP: i64 = 1 << 32;

/// Why database and data folder may not be used together.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// They do not belong together.
    #[error(
        "the database {database} and the data folder {folder} do not belong together (a copy, or half a restore): two servers \
         of one mailbox would number their events alike. To make this one a mirror of its own, start it once with --adopt; to \
         only look into it, use `postrider serve --no-sync`"
    )]
    Differ {
        /// The database.
        database: PathBuf,
        /// The data folder.
        folder: PathBuf,
    },
    /// The database cannot be asked.
    #[error("cannot read the database's instance: {0}")]
    Database(#[from] DbErr),
    /// The file cannot be read or written.
    #[error("cannot use {file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

async fn stored(db: &impl ConnectionTrait, name: &str) -> Result<Option<String>, DbErr> {
    let sql = "SELECT value FROM setting WHERE name = ?1";
    let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, vec![name.into()])).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

async fn run(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<(), DbErr> {
    db.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await.map(|_| ())
}

/// Writes the id into both. The database says `pending` until the file is durable, so that a cut in between is no copy.
async fn write(db: &Database, data_dir: &Path, leap: i64) -> Result<String, Disagreement> {
    let id = uuid::Uuid::new_v4().to_string();
    let tx = db.writer.begin().await?;
    for (name, value) in [("instance", id.as_str()), ("instance_pending", "1")] {
        let sql =
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        run(&tx, sql, vec![name.into(), value.into()]).await?;
    }
    run(&tx, "UPDATE counter SET next = next + ?1 WHERE name = 'event'", vec![leap.into()]).await?;
    tx.commit().await?;
    settle(db, data_dir, &id).await?;
    Ok(id)
}

async fn settle(db: &Database, data_dir: &Path, id: &str) -> Result<(), Disagreement> {
    let file = data_dir.join("instance");
    let half = data_dir.join("instance.half");
    let put = || -> io::Result<()> {
        let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        writeln!(out, "{id}")?;
        out.sync_all()?;
        std::fs::rename(&half, &file)?;
        File::open(data_dir)?.sync_all()
    };
    put().map_err(|source| Disagreement::Io { file: file.clone(), source })?;
    run(&db.writer, "DELETE FROM setting WHERE name = 'instance_pending'", vec![]).await?;
    Ok(())
}

/// Makes sure that database and folder belong together; returns the id.
///
/// # Errors
/// [`Disagreement`], by variant; nothing has changed.
pub async fn agree(db: &Database, data_dir: &Path) -> Result<String, Disagreement> {
    let file = data_dir.join("instance");
    let ours = match std::fs::read_to_string(&file) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(Disagreement::Io { file, source }),
    };
    match (stored(&db.writer, "instance").await?, ours) {
        (Some(theirs), Some(ours)) if theirs == ours => Ok(theirs),
        (None, None) => write(db, data_dir, 0).await,
        (Some(theirs), _) if stored(&db.writer, "instance_pending").await?.is_some() => {
            settle(db, data_dir, &theirs).await?;
            Ok(theirs)
        }
        _ => Err(Disagreement::Differ { database: db.path().to_owned(), folder: data_dir.to_owned() }),
    }
}

/// Makes a copy a mirror of its own: a new id, and event numbers that leap.
///
/// # Errors
/// [`Disagreement`], but never that they differ.
pub async fn adopt(db: &Database, data_dir: &Path) -> Result<String, Disagreement> {
    write(db, data_dir, LEAP).await
}
