//! What misbehaving servers need: shut folders, notes of poison, looks kept apart, numbers that are
//! never used twice.

use sea_orm_migration::prelude::*;

/// Adds tables and columns; nothing that exists changes its meaning.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Table, column, type.
const COLUMNS: &[(&str, &str, &str)] = &[
    // RFC822.SIZE is an estimate there.
    ("account", "sizes_estimated", "BOOLEAN NOT NULL DEFAULT FALSE"),
    // What the server deletes is kept for ever.
    ("account", "keep", "BOOLEAN NOT NULL DEFAULT FALSE"),
    // The first look at a listing that does not fit EXISTS; by how much it is known never to fit;
    // when history last grew.
    ("folder", "misfit", "TEXT"),
    ("folder", "surplus", "BIGINT NOT NULL DEFAULT 0"),
    ("folder", "grown_at", "BIGINT"),
    // Living locations; RFC822.SIZE where it is another length.
    ("message", "places", "BIGINT NOT NULL DEFAULT 0"),
    ("message", "announced", "BIGINT"),
    // Of a folder that cannot be opened, by wire name; the empty name is a line of LIST that cannot
    // be read.
    ("failure", "remote_id", "BLOB"),
    ("failure", "path", "TEXT"),
    // It came in a burst: as soon as another of them comes, it is tried again.
    ("failure", "burst", "BOOLEAN NOT NULL DEFAULT FALSE"),
];

const STATEMENTS: &[&str] = &[
    // Things at which sessions end: `about` is examine or index (by wire name) or mail (by folder,
    // UIDVALIDITY, UID).
    "CREATE TABLE IF NOT EXISTS note (account BIGINT NOT NULL, about TEXT NOT NULL, folder BIGINT NOT NULL, \
     remote_id BLOB NOT NULL, uidvalidity BIGINT NOT NULL, uid BIGINT NOT NULL, count BIGINT NOT NULL, text TEXT NOT NULL, \
     at BIGINT NOT NULL, PRIMARY KEY (account, about, folder, remote_id, uidvalidity, uid))",
    // Where event numbers leap: a copy that became a mirror of its own, an older database put back.
    "CREATE TABLE IF NOT EXISTS leap (at BIGINT NOT NULL, after BIGINT NOT NULL, next BIGINT NOT NULL, \
     PRIMARY KEY (next))",
    "CREATE INDEX IF NOT EXISTS location_places ON location (message, ended_at)",
    "DROP INDEX IF EXISTS location_message",
    "UPDATE message SET places = (SELECT count(*) FROM location l WHERE l.message = message.id AND l.ended_at IS NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS failure_shut ON failure (account, remote_id) \
     WHERE closed_at IS NULL AND remote_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS failure_folder ON failure (folder) WHERE closed_at IS NULL AND uid IS NULL",
    "CREATE INDEX IF NOT EXISTS failure_closed ON failure (closed_at) WHERE closed_at IS NOT NULL",
    "INSERT INTO counter (name, next) SELECT 'folder', 1 + MAX((SELECT COALESCE(MAX(id), 0) FROM folder), \
     (SELECT COALESCE(MAX(folder), 0) FROM event)) WHERE TRUE ON CONFLICT DO NOTHING",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, kind) in COLUMNS {
            // SQLite has no transaction around a migration: a step that was cut off is taken again.
            if !manager.has_column(table, column).await? {
                let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {kind}");
                manager.get_connection().execute_unprepared(&sql).await?;
            }
        }
        for sql in STATEMENTS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [
            "DROP TABLE note",
            "DROP TABLE leap",
            "CREATE INDEX IF NOT EXISTS location_message ON location (message)",
            "DROP INDEX location_places",
            "DROP INDEX failure_shut",
            "DROP INDEX failure_folder",
            "DROP INDEX failure_closed",
            "DELETE FROM counter WHERE name = 'folder'",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        for (table, column, _) in COLUMNS {
            let sql = format!("ALTER TABLE {table} DROP COLUMN {column}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
