//! Whose an account is, as the config has it.

use crate::columns::{self, Column};
use sea_orm_migration::prelude::*;

/// Adds a column; the next run of each account fills it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: &[Column] = &[("account", "owner", "TEXT")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::add(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        columns::drop(manager, COLUMNS).await
    }
}
