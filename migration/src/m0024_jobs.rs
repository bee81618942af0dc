//! What somebody asked for, or a fixed time; and which of those are done with.

use sea_orm_migration::prelude::*;

/// Adds two tables.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const STEPS: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS job (id INTEGER NOT NULL PRIMARY KEY, uuid TEXT NOT NULL, kind TEXT NOT NULL, account TEXT, \
     owner TEXT, priority BIGINT NOT NULL, status TEXT NOT NULL, \"key\" TEXT NOT NULL, spec TEXT NOT NULL, not_before BIGINT \
     NOT NULL, attempts BIGINT NOT NULL, errors TEXT NOT NULL, checkpoint TEXT NOT NULL, merged BIGINT NOT NULL, \"by\" TEXT \
     NOT NULL, created_at BIGINT NOT NULL, started_at BIGINT, finished_at BIGINT, outcome TEXT, run BIGINT)",
    "CREATE INDEX IF NOT EXISTS job_open ON job (id) WHERE finished_at IS NULL",
    "CREATE INDEX IF NOT EXISTS job_finished ON job (finished_at) WHERE finished_at IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS schedule (id TEXT NOT NULL PRIMARY KEY, fired_at BIGINT NOT NULL)",
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
        for sql in ["DROP TABLE job", "DROP TABLE schedule"] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
