//! A word of many messages is looked for in the newest ones first. SQLite's index goes by them as it is.

use sea_orm_migration::prelude::*;

/// Changes nothing here: PostgreSQL's function is another from now on.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
