//! What accounts log in with where it is renewed: tokens, sealed with a key that is not in here.

use sea_orm_migration::prelude::*;

/// Adds a table.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// By the account's id in the config: a grant may come before the account's first run. `sealed` is
/// the generation `version`; `before` is the one that it took over from.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS credential (account TEXT NOT NULL PRIMARY KEY, issuer TEXT NOT NULL, \
     username TEXT NOT NULL, version BIGINT NOT NULL, sealed BLOB NOT NULL, before BLOB, key_print TEXT NOT NULL, \
     scopes TEXT NOT NULL, granted_at BIGINT NOT NULL, renewed_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, \
     error TEXT, failed_at BIGINT)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(TABLE).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE credential").await?;
        Ok(())
    }
}
