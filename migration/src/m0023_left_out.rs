//! What a human leaves out of what could not be read, and what came of it.

use crate::columns::{self, Column};
use sea_orm_migration::prelude::*;

/// Adds columns.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[Column] = &[
    ("failure", "note", "TEXT"),
    ("failure", "came", "BLOB"),
    ("owed", "failed_at", "BIGINT"),
    ("owed", "note", "TEXT"),
    ("owed", "came", "BLOB"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::add(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::drop(manager, COLUMNS).await
    }
}
