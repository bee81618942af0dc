//! Packs: when all of each was last read, and what was found.

use sea_orm_migration::prelude::*;

/// Adds a table.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const BACK: [&str; 2] =
    ["DELETE FROM setting WHERE name = 'packs_known'", "DROP TABLE IF EXISTS pack"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "CREATE TABLE IF NOT EXISTS pack (id INTEGER NOT NULL PRIMARY KEY, octets INTEGER NOT NULL, named INTEGER, \
                     scrubbed_at INTEGER, damaged INTEGER NOT NULL DEFAULT 0)";
        manager.get_connection().execute_unprepared(table).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for step in BACK {
            manager.get_connection().execute_unprepared(step).await?;
        }
        Ok(())
    }
}
