//! What was spent of daily limits, by the hour: a restart must not forget it.

use sea_orm_migration::prelude::*;

/// Adds a table.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// By the endpoint's place in the tree and the account's id in the config; an empty account stands
/// for all of the endpoint together. Rows of more than two days ago are deleted when newer ones come.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS spending (endpoint TEXT NOT NULL, account TEXT NOT NULL, \
     hour BIGINT NOT NULL, units BIGINT NOT NULL, PRIMARY KEY (endpoint, account, hour)) WITHOUT ROWID";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(TABLE).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE spending").await?;
        Ok(())
    }
}
