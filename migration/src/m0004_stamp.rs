//! The instant of an account's latest change: those that follow carry later ones, whatever the wall
//! clock says.

use sea_orm_migration::prelude::*;

/// Adds a column. Of what was written before, the events tell the latest instant.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        let db = manager.get_connection();
        if !manager.has_column("account", "stamped_at").await? {
            db.execute_unprepared("ALTER TABLE account ADD COLUMN stamped_at BIGINT").await?;
        }
        let sql = "UPDATE account SET stamped_at = (SELECT MAX(at) FROM event WHERE event.account = account.id) \
                   WHERE stamped_at IS NULL";
        db.execute_unprepared(sql).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "ALTER TABLE account DROP COLUMN stamped_at";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
