//! Who has had what done.

use sea_orm_migration::prelude::*;

/// Adds a table.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE TABLE IF NOT EXISTS audit (id INTEGER NOT NULL PRIMARY KEY, who TEXT, role TEXT, owner TEXT, verb \
                   TEXT NOT NULL, what TEXT, source TEXT, status BIGINT, detail TEXT)";
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE audit").await.map(drop)
    }
}
