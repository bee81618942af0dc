//! The words of mail: an index that keeps no text, and which message each of its rows is of.

use sea_orm_migration::prelude::*;

/// Adds two tables.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS word_row (id INTEGER NOT NULL PRIMARY KEY, message BIGINT NOT NULL)",
    // Words have these signs in them, and blanks between them.
    "CREATE VIRTUAL TABLE IF NOT EXISTS word USING fts5(account, subject, people, file, text, content = '', \
     contentless_delete = 1, tokenize = \"ascii tokenchars '@.-_+=/'''\")",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in TABLES {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in ["DROP TABLE word", "DROP TABLE word_row"] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
