//! A message that its bytes name keeps no name: they are a column already, and one index finds it
//! instead of two.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::Statement;

/// Changes a column, the rows with it, and indexes.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What a message is named by that has no name of its own.
const OF_BYTES: &str = "'h:' || lower(hex(body))";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rows = format!("UPDATE message SET renamed = identity WHERE identity <> {OF_BYTES}");
        rewrite(manager, ["message_identity", "message_body"], "TEXT", &rows, true).await?;
        for sql in [
            "CREATE UNIQUE INDEX IF NOT EXISTS message_bytes ON message (body, account) WHERE identity IS NULL",
            "CREATE UNIQUE INDEX IF NOT EXISTS message_named ON message (account, identity) WHERE identity IS NOT NULL",
            "CREATE INDEX IF NOT EXISTS message_named_body ON message (body) WHERE identity IS NOT NULL",
            // What is asked of a whole account: they come in this order, so that it costs next to nothing.
            "CREATE INDEX IF NOT EXISTS message_account ON message (account)",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rows = format!("UPDATE message SET renamed = COALESCE(identity, {OF_BYTES})");
        let before = ["message_bytes", "message_named", "message_named_body", "message_account"];
        rewrite(manager, before, "TEXT NOT NULL DEFAULT ''", &rows, false).await?;
        for sql in [
            "CREATE UNIQUE INDEX IF NOT EXISTS message_identity ON message (account, identity)",
            "CREATE INDEX IF NOT EXISTS message_body ON message (body)",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

/// Puts another column in the place of `identity`, where it still is as it was: `needed` or not. Each
/// step shows by what is there whether it was taken: SQLite has no transaction around a migration.
async fn rewrite<const N: usize>(
    manager: &SchemaManager<'_>,
    indexes: [&str; N],
    kind: &str,
    rows: &str,
    needed: bool,
) -> Result<(), DbErr> {
    let db = manager.get_connection();
    for index in indexes {
        db.execute_unprepared(&format!("DROP INDEX IF EXISTS {index}")).await?;
    }
    let sql = "SELECT \"notnull\" FROM pragma_table_info('message') WHERE name = 'identity'";
    let column = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let is_needed = column.map(|row| row.try_get_by_index::<bool>(0)).transpose()?;
    let is_begun = manager.has_column("message", "renamed").await?;
    if is_needed == Some(needed) {
        if !is_begun {
            db.execute_unprepared(&format!("ALTER TABLE message ADD COLUMN renamed {kind}"))
                .await?;
        }
        for sql in [rows, "ALTER TABLE message DROP COLUMN identity"] {
            db.execute_unprepared(sql).await?;
        }
    }
    if is_begun || is_needed == Some(needed) {
        db.execute_unprepared("ALTER TABLE message RENAME COLUMN renamed TO identity").await?;
    }
    Ok(())
}
