//! What an account and its folders hold is counted as it changes, not when somebody asks.

use sea_orm_migration::prelude::*;

/// Adds three columns, and counts what is there.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: [(&str, &str); 3] =
    [("account", "held"), ("account", "held_octets"), ("folder", "held")];

const ROWS: [&str; 2] = [
    "UPDATE account SET (held, held_octets) = (SELECT count(*), COALESCE(sum(size), 0) FROM message m WHERE m.account = \
     account.id AND m.deleted_at IS NULL AND m.limbo_since IS NULL)",
    "UPDATE folder SET held = (SELECT count(*) FROM location l WHERE l.folder = folder.id AND l.ended_at IS NULL)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for (table, column) in COLUMNS {
            // SQLite has no transaction around a migration: a step that was cut off is taken again.
            if !manager.has_column(table, column).await? {
                let sql =
                    format!("ALTER TABLE {table} ADD COLUMN {column} BIGINT NOT NULL DEFAULT 0");
                db.execute_unprepared(&sql).await?;
            }
        }
        for sql in ROWS {
            db.execute_unprepared(sql).await?;
        }
        // It was there to be counted.
        db.execute_unprepared("DROP INDEX IF EXISTS message_held").await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let held = "CREATE INDEX IF NOT EXISTS message_held ON message (account, size) WHERE deleted_at IS NULL AND limbo_since IS NULL";
        db.execute_unprepared(held).await?;
        for (table, column) in COLUMNS {
            db.execute_unprepared(&format!("ALTER TABLE {table} DROP COLUMN {column}")).await?;
        }
        Ok(())
    }
}
