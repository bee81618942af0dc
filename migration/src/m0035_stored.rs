//! Bodies that lie in their packs compressed, and when it was seen of a pack what that saves.

use crate::columns::{self, Column};
use sea_orm_migration::prelude::*;

/// Adds columns.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[Column] = &[("body", "stored", "BIGINT"), ("pack", "compressed_at", "BIGINT")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::add(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::drop(manager, COLUMNS).await
    }
}
