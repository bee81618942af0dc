//! What a webhook signs with, where it is asked for: sealed.

use crate::columns::{self, Column};
use sea_orm_migration::prelude::*;

/// Adds a column.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[Column] = &[("subscription", "secret", "TEXT")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::add(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::drop(manager, COLUMNS).await
    }
}
