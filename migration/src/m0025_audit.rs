//! Who has had what done, and why a run was begun.

use sea_orm_migration::prelude::*;

/// Adds a table and a column.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let audit = "CREATE TABLE IF NOT EXISTS audit (id INTEGER NOT NULL PRIMARY KEY, who TEXT, role TEXT, owner TEXT, verb \
                   TEXT NOT NULL, what TEXT, source TEXT, status BIGINT, detail TEXT)";
        manager.get_connection().execute_unprepared(audit).await?;
        if !manager.has_column("run", "cause").await? {
            manager
                .get_connection()
                .execute_unprepared("ALTER TABLE run ADD COLUMN cause TEXT")
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in ["DROP TABLE audit", "ALTER TABLE run DROP COLUMN cause"] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
