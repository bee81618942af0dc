//! What a server that stays needs: quiet hours, settings of the whole database, what an account was
//! through.

use sea_orm_migration::prelude::*;

/// Adds tables and columns; nothing that exists changes its meaning.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Columns of `account`: failures so far as JSON; what it was parked with, so that another secret
/// or place wakes it.
const COLUMNS: &[&str] = &["history", "parked_for"];

const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS run_hour (account BIGINT NOT NULL, hour BIGINT NOT NULL, runs BIGINT NOT NULL, \
     passes BIGINT NOT NULL, PRIMARY KEY (account, hour))",
    "CREATE TABLE IF NOT EXISTS setting (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    // Whether a body is still named by a message.
    "CREATE INDEX IF NOT EXISTS message_body ON message (body)",
    // What an account holds is counted often.
    "CREATE INDEX IF NOT EXISTS message_held ON message (account, size) WHERE deleted_at IS NULL AND limbo_since IS NULL",
    "CREATE INDEX IF NOT EXISTS run_account ON run (account, id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in TABLES {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        for column in COLUMNS {
            // SQLite has no transaction around a migration: a step that was cut off is taken again.
            if !manager.has_column("account", column).await? {
                let sql = format!("ALTER TABLE account ADD COLUMN {column} TEXT");
                manager.get_connection().execute_unprepared(&sql).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [
            "DROP TABLE run_hour",
            "DROP TABLE setting",
            "DROP INDEX message_body",
            "DROP INDEX message_held",
            "DROP INDEX run_account",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        for column in COLUMNS {
            let sql = format!("ALTER TABLE account DROP COLUMN {column}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
