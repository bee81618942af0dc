//! What is derived of a mail's bytes, of which mails it still has to be, and which are one thread.

use sea_orm_migration::prelude::*;

/// Adds a column and five tables.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [&str; 8] = [
    "CREATE TABLE IF NOT EXISTS derived (message INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL, \
     rank BIGINT NOT NULL, received_at BIGINT NOT NULL, snippet TEXT NOT NULL, attachments BIGINT NOT NULL, \
     list_id TEXT, thread BIGINT, parse TEXT NOT NULL, error TEXT, version BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS attachment (message BIGINT NOT NULL, part TEXT NOT NULL, type TEXT NOT NULL, name TEXT, \
     inline BOOLEAN NOT NULL, content_id TEXT, encoding TEXT NOT NULL, \"offset\" BIGINT NOT NULL, \
     octets BIGINT NOT NULL, size BIGINT NOT NULL, sha256 BLOB NOT NULL, PRIMARY KEY (message, part)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS derived_thread ON derived (thread, rank)",
    "CREATE TABLE IF NOT EXISTS thread (id INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL, messages BIGINT NOT NULL, \
     rank BIGINT NOT NULL, first_at BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS thread_key (account BIGINT NOT NULL, key BLOB NOT NULL, thread BIGINT NOT NULL, \
     PRIMARY KEY (account, key)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS thread_alias (id INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL, \
     thread BIGINT NOT NULL, moves BOOLEAN NOT NULL)",
    "CREATE INDEX IF NOT EXISTS thread_alias_thread ON thread_alias (thread)",
    "CREATE INDEX IF NOT EXISTS thread_alias_moves ON thread_alias (account) WHERE moves",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        if !manager.has_column("account", "derive").await? {
            db.execute_unprepared("ALTER TABLE account ADD COLUMN derive TEXT").await?;
        }
        if !manager.has_column("message", "thread").await? {
            db.execute_unprepared("ALTER TABLE message ADD COLUMN thread TEXT").await?;
        }
        for sql in TABLES {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            "DROP TABLE thread_alias",
            "DROP TABLE thread_key",
            "DROP TABLE thread",
            "DROP TABLE attachment",
            "DROP TABLE derived",
            "ALTER TABLE message DROP COLUMN thread",
            "ALTER TABLE account DROP COLUMN derive",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
