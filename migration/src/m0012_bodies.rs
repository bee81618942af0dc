//! A body has a number, and its hash stands in one place: of all the keys of a message one is left
//! that comes in no order.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::TransactionTrait;

/// Makes `body` anew, and changes what a message names it by.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: [&str; 15] = [
    "CREATE TABLE body_anew (id INTEGER NOT NULL PRIMARY KEY, hash BLOB NOT NULL, pack INTEGER NOT NULL, \
     \"offset\" INTEGER NOT NULL, length INTEGER NOT NULL, stored_at INTEGER NOT NULL)",
    "INSERT INTO body_anew (hash, pack, \"offset\", length, stored_at) SELECT hash, pack, \"offset\", length, \
     stored_at FROM body ORDER BY rowid",
    // No message loses its hash because a row is missing: what has no octets is not what it hashes to.
    "INSERT INTO body_anew (hash, pack, \"offset\", length, stored_at) SELECT body, 0, 0, 0, MIN(stored_at) FROM \
     message WHERE body NOT IN (SELECT hash FROM body) GROUP BY body",
    "CREATE UNIQUE INDEX body_hash ON body_anew (hash)",
    "DROP INDEX message_bytes",
    "DROP INDEX message_named_body",
    "ALTER TABLE message ADD COLUMN numbered BIGINT NOT NULL DEFAULT 0",
    "UPDATE message SET numbered = (SELECT id FROM body_anew b WHERE b.hash = message.body)",
    "ALTER TABLE message DROP COLUMN body",
    "ALTER TABLE message RENAME COLUMN numbered TO body",
    "DROP TABLE body",
    "ALTER TABLE body_anew RENAME TO body",
    MESSAGE_BYTES,
    MESSAGE_NAMED_BODY,
    BODY_PLACE,
];

const DOWN: [&str; 13] = [
    "CREATE TABLE body_anew (hash BLOB NOT NULL, pack INTEGER NOT NULL, \"offset\" INTEGER NOT NULL, length INTEGER \
     NOT NULL, stored_at INTEGER NOT NULL, PRIMARY KEY (hash))",
    "INSERT INTO body_anew (hash, pack, \"offset\", length, stored_at) SELECT hash, pack, \"offset\", length, \
     stored_at FROM body ORDER BY id",
    "DROP INDEX message_bytes",
    "DROP INDEX message_named_body",
    "ALTER TABLE message ADD COLUMN hash BLOB NOT NULL DEFAULT x''",
    "UPDATE message SET hash = (SELECT b.hash FROM body b WHERE b.id = message.body)",
    "ALTER TABLE message DROP COLUMN body",
    "ALTER TABLE message RENAME COLUMN hash TO body",
    "DROP TABLE body",
    "ALTER TABLE body_anew RENAME TO body",
    MESSAGE_BYTES,
    MESSAGE_NAMED_BODY,
    BODY_PLACE,
];

const MESSAGE_BYTES: &str =
    "CREATE UNIQUE INDEX message_bytes ON message (body, account) WHERE identity IS NULL";
const MESSAGE_NAMED_BODY: &str =
    "CREATE INDEX message_named_body ON message (body) WHERE identity IS NOT NULL";
const BODY_PLACE: &str = "CREATE INDEX body_place ON body (pack, \"offset\") WHERE length > 0";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // All of it or nothing; what was done and not noted shows by its first column.
        if manager.has_column("body", "id").await? {
            return Ok(());
        }
        let all = manager.get_connection().begin().await?;
        for sql in UP {
            all.execute_unprepared(sql).await?;
        }
        all.commit().await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let all = manager.get_connection().begin().await?;
        for sql in DOWN {
            all.execute_unprepared(sql).await?;
        }
        all.commit().await
    }
}
