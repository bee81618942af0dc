//! A folder's first refusal: it is shut at the second, which may be another process's.

use crate::columns::{self, Column};
use sea_orm_migration::prelude::*;

/// Adds a column.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[Column] = &[("folder", "refused", "TEXT")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::add(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::drop(manager, COLUMNS).await
    }
}
