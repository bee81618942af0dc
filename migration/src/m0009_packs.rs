//! Where the last body of each pack is, without a look at every body.

use sea_orm_migration::prelude::*;

/// Changes an index; no row.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A body of no octets is in no pack.
        let place =
            "CREATE INDEX IF NOT EXISTS body_place ON body (pack, \"offset\") WHERE length > 0";
        for sql in [place, "DROP INDEX IF EXISTS body_pack"] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [
            "CREATE INDEX IF NOT EXISTS body_pack ON body (pack)",
            "DROP INDEX IF EXISTS body_place",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
