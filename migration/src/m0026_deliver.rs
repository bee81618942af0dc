//! Who takes what is handed on, and the tries.

use sea_orm_migration::prelude::*;

/// Adds two tables.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const STEPS: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS subscriber (id TEXT NOT NULL PRIMARY KEY, cursor BIGINT NOT NULL, sending BIGINT, state TEXT NOT \
     NULL, reason TEXT NOT NULL, since BIGINT NOT NULL, failing_since BIGINT, attempts BIGINT NOT NULL, next_at BIGINT, lost_first BIGINT, lost_last BIGINT)",
    "CREATE TABLE IF NOT EXISTS delivery (subscriber TEXT NOT NULL, number BIGINT NOT NULL, first BIGINT, last BIGINT, attempt \
     BIGINT NOT NULL, at BIGINT NOT NULL, status BIGINT, millis BIGINT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (subscriber, \
     number)) WITHOUT ROWID",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in STEPS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in ["DROP TABLE delivery", "DROP TABLE subscriber"] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
