//! A folder's first refusal: it is shut at the second, which may be another process's.

use sea_orm_migration::prelude::*;

/// Adds a column.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        if !manager.has_column("folder", "refused").await? {
            let sql = "ALTER TABLE folder ADD COLUMN refused TEXT";
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "ALTER TABLE folder DROP COLUMN refused";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
