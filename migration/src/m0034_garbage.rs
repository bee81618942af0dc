//! What is kept no longer is found by when it ended: deleted mail, places, bytes that no message has.

use crate::columns::{self, Column};
use sea_orm_migration::prelude::*;

/// Adds columns and indexes.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[Column] = &[
    ("account", "unkept_at", "BIGINT"),
    ("body", "unnamed_at", "BIGINT"),
    ("pack", "dead_at", "BIGINT"),
];
const INDEXES: [&str; 3] = [
    "CREATE INDEX IF NOT EXISTS message_deleted ON message (account, deleted_at) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS location_ended ON location (folder, ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS body_unnamed ON body (unnamed_at) WHERE unnamed_at IS NOT NULL",
];
const BACK: [&str; 5] = [
    "DROP INDEX IF EXISTS message_deleted",
    "DROP INDEX IF EXISTS location_ended",
    "DROP INDEX IF EXISTS body_unnamed",
    "DELETE FROM setting WHERE name IN ('clock_seen', 'collected_at')",
    "DELETE FROM counter WHERE name = 'pack'",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::add(manager, COLUMNS).await?;
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for step in BACK {
            manager.get_connection().execute_unprepared(step).await?;
        }
        columns::drop(manager, COLUMNS).await
    }
}
