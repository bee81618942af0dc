//! What was on its way when processes ended: what ends them again is asked for alone, then left out.

use sea_orm_migration::prelude::*;

/// Adds a column.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        if !manager.has_column("account", "asked").await? {
            let sql = "ALTER TABLE account ADD COLUMN asked TEXT";
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "ALTER TABLE account DROP COLUMN asked";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
