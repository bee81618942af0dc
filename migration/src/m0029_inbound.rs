//! What providers have pushed and what is written down of it: that it came.

use sea_orm_migration::prelude::*;

/// Adds a table.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const STEPS: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS inbound (source TEXT NOT NULL, event TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (source, \
     event)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS inbound_at ON inbound (at)",
];

/// What is told of places is no word of an older binary's.
const BACK: [&str; 2] = [
    "UPDATE account SET feed = json_remove(feed, '$.state.places_told_at') WHERE feed IS NOT NULL",
    "DROP TABLE inbound",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for step in STEPS {
            manager.get_connection().execute_unprepared(step).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for step in BACK {
            manager.get_connection().execute_unprepared(step).await?;
        }
        Ok(())
    }
}
