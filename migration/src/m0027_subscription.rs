//! What providers were asked to push.

use sea_orm_migration::prelude::*;

/// Adds a table.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const STEP: &str = "CREATE TABLE IF NOT EXISTS subscription (source TEXT NOT NULL, account TEXT NOT NULL, remote_id TEXT NOT NULL, \
    renewed_at BIGINT, expires_at BIGINT, proof_at BIGINT, state TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (source, \
    account)) WITHOUT ROWID";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(STEP).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE subscription").await.map(|_| ())
    }
}
