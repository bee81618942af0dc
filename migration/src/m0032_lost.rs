//! Bodies whose bytes are given up as damaged: they are few, and found at once.

use sea_orm_migration::prelude::*;

/// Adds an index.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What is read again is no word of an older binary's.
const BACK: [&str; 2] = [
    "UPDATE cursor SET state = json_remove(state, '$.state.again') WHERE lane = 'backfill'",
    "DROP INDEX IF EXISTS body_lost",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = "CREATE INDEX IF NOT EXISTS body_lost ON body (pack) WHERE length = 0";
        manager.get_connection().execute_unprepared(index).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for step in BACK {
            manager.get_connection().execute_unprepared(step).await?;
        }
        Ok(())
    }
}
