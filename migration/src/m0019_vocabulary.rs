//! What stands in the index of words, to be compared with mail: read from the index itself.

use sea_orm_migration::prelude::*;

/// Adds two views of FTS5's own.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const SEEN: [&str; 2] = [
    "CREATE VIRTUAL TABLE word_term USING fts5vocab(word, row)",
    "CREATE VIRTUAL TABLE word_place USING fts5vocab(word, instance)",
];
const UNSEEN: [&str; 2] = ["DROP TABLE IF EXISTS word_place", "DROP TABLE IF EXISTS word_term"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        for sql in UNSEEN.into_iter().chain(SEEN) {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in UNSEEN {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
