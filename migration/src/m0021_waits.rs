//! For what an account waits: the next process goes on with it.

use crate::columns::{self, Column};
use sea_orm_migration::prelude::*;

/// Adds a column.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[Column] = &[("account", "waits", "TEXT")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::add(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::drop(manager, COLUMNS).await
    }
}
