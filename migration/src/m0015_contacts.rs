//! Who is named in mail, and which addresses are the mailbox's own.

use sea_orm_migration::prelude::*;

/// Adds three columns and two tables.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: [(&str, &str, &str); 3] = [
    ("account", "addresses", "TEXT"),
    ("derived", "outgoing", "BOOLEAN NOT NULL DEFAULT FALSE"),
    ("derived", "more_people", "BIGINT NOT NULL DEFAULT 0"),
];

const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS contact (id INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL, key TEXT NOT NULL, \
     address TEXT NOT NULL, rank BIGINT NOT NULL, name TEXT, name_rank BIGINT NOT NULL, first_at BIGINT NOT NULL, \
     last_at BIGINT NOT NULL, from_count BIGINT NOT NULL, to_count BIGINT NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS contact_key ON contact (account, key)",
    "CREATE TABLE IF NOT EXISTS message_contact (message BIGINT NOT NULL, role TEXT NOT NULL, position BIGINT NOT NULL, \
     contact BIGINT NOT NULL, rank BIGINT NOT NULL, address TEXT, name TEXT, PRIMARY KEY (message, role, position)) \
     WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS message_contact_contact ON message_contact (contact, rank)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        for (table, column, kind) in COLUMNS {
            if !manager.has_column(table, column).await? {
                let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {kind}");
                db.execute_unprepared(&sql).await?;
            }
        }
        for sql in TABLES {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "DROP TABLE message_contact",
            "DROP TABLE contact",
            "ALTER TABLE derived DROP COLUMN more_people",
            "ALTER TABLE derived DROP COLUMN outgoing",
            "ALTER TABLE account DROP COLUMN addresses",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
