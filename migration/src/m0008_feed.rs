//! Mail whose changes are told by message id: cursors of feeds, ids that are to be read.

use sea_orm_migration::prelude::*;

/// Adds two tables and two columns.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// By account and place; place 0 stands for the feed of the whole account.
const FEED: &str = "CREATE TABLE IF NOT EXISTS feed (account BIGINT NOT NULL, place BIGINT NOT NULL, \
     state TEXT NOT NULL, PRIMARY KEY (account, place)) WITHOUT ROWID";

/// What is owed, and what is known to be in no place of ours (then nothing is due).
const OWED: &str = "CREATE TABLE IF NOT EXISTS owed (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, \
     account BIGINT NOT NULL, identity TEXT NOT NULL, told_at BIGINT NOT NULL, version TEXT, left_place TEXT, \
     due_at BIGINT, missing_at BIGINT, missing_session BIGINT, rank BIGINT NOT NULL, bytes BOOLEAN NOT NULL, \
     attempts BIGINT NOT NULL, class TEXT, text TEXT)";

const INDEXES: [&str; 3] = [
    "CREATE UNIQUE INDEX IF NOT EXISTS owed_identity ON owed (account, identity)",
    // What a word told comes first: its rank is -1.
    "CREATE INDEX IF NOT EXISTS owed_order ON owed (account, rank, id) WHERE due_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS owed_failed ON owed (account) WHERE attempts > 0",
];

const COLUMNS: [(&str, &str); 2] = [("message", "version"), ("account", "feed")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [FEED, OWED].into_iter().chain(INDEXES) {
            db.execute_unprepared(sql).await?;
        }
        for (table, column) in COLUMNS {
            // SQLite has no transaction around a migration: a step that was cut off is taken again.
            if !manager.has_column(table, column).await? {
                db.execute_unprepared(&format!("ALTER TABLE {table} ADD COLUMN {column} TEXT"))
                    .await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for (table, column) in COLUMNS {
            db.execute_unprepared(&format!("ALTER TABLE {table} DROP COLUMN {column}")).await?;
        }
        for table in ["owed", "feed"] {
            db.execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}
