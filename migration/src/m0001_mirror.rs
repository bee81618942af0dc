//! The first schema.

use sea_orm_migration::prelude::*;

/// Creates every table of the mirror.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Tables in the order of their creation.
const TABLES: &[&str] = &[
    "account", "folder", "cursor", "message", "location", "body", "run", "failure", "event",
    "counter",
];

fn table(name: &str, columns: &[ColumnDef], key: &[&str]) -> TableCreateStatement {
    let mut table = Table::create();
    // SQLite has no transaction around a migration: a step that was cut off is taken again.
    table.table(Alias::new(name)).if_not_exists();
    for column in columns {
        table.col(column.clone());
    }
    if !key.is_empty() {
        let mut index = Index::create();
        for column in key {
            index.col(Alias::new(*column));
        }
        table.primary_key(&mut index);
    }
    table
}

fn int(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().not_null().take()
}

fn int_or_none(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().take()
}

fn text(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).text().not_null().take()
}

fn text_or_none(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).text().take()
}

fn octets(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).blob().not_null().take()
}

fn flag(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).boolean().not_null().take()
}

/// A number that the database hands out.
fn number(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().not_null().auto_increment().primary_key().take()
}

fn statements() -> Vec<TableCreateStatement> {
    vec![
        table(
            "account",
            &[
                number("id"),
                text("name"),
                text("provider"),
                text("host"),
                text("username"),
                text("identity_kind"),
                text("state"),
                text("reason"),
                int("since"),
                int_or_none("next_attempt_at"),
                int("incarnation"),
                int_or_none("opened_at"),
                int_or_none("listed_at"),
                text_or_none("list_look"),
            ],
            &[],
        ),
        table(
            "folder",
            &[
                number("id"),
                int("account"),
                octets("remote_id"),
                text("path"),
                text_or_none("delimiter"),
                text_or_none("role"),
                int("uidvalidity"),
                int("exists_count"),
                int("opened_at"),
                int_or_none("passed_at"),
                int_or_none("proved_at"),
                text_or_none("unproved"),
                text_or_none("look"),
                flag("excluded"),
                int_or_none("deleted_at"),
            ],
            &[],
        ),
        table("cursor", &[int("folder"), text("lane"), text("state")], &["folder", "lane"]),
        table(
            "message",
            &[
                int("id"),
                int("account"),
                text("identity"),
                octets("body"),
                int("size"),
                text_or_none("message_id"),
                text_or_none("subject"),
                text_or_none("from_text"),
                text_or_none("to_text"),
                text_or_none("cc_text"),
                int_or_none("date"),
                int_or_none("internal_date"),
                int("stored_at"),
                text("parse"),
                int_or_none("limbo_since"),
                int_or_none("last_folder"),
                int_or_none("last_sight"),
                int_or_none("deleted_at"),
            ],
            &["id"],
        ),
        table(
            "location",
            &[
                int("folder"),
                int("uidvalidity"),
                int("uid"),
                int("message"),
                text("flags"),
                text("keywords"),
                int_or_none("modseq"),
                int_or_none("internal_date"),
                int("began_at"),
                int_or_none("ended_at"),
            ],
            &["folder", "uidvalidity", "uid"],
        ),
        table(
            "body",
            &[octets("hash"), int("pack"), int("offset"), int("length"), int("stored_at")],
            &["hash"],
        ),
        table(
            "run",
            &[
                number("id"),
                int("account"),
                int("started_at"),
                int("finished_at"),
                text("outcome"),
                text("reason"),
                int("stored"),
                int("octets"),
                int("facts"),
                int("failed"),
            ],
            &[],
        ),
        table(
            "failure",
            &[
                number("id"),
                int("account"),
                int_or_none("folder"),
                int_or_none("uid"),
                text("reach"),
                text("class"),
                int("attempts"),
                int_or_none("next_try_at"),
                text("version"),
                text("text"),
                int("first_at"),
                int("last_at"),
                int_or_none("closed_at"),
            ],
            &[],
        ),
        table(
            "event",
            &[
                int("seq"),
                text("id"),
                int("at"),
                text("kind"),
                int("account"),
                int_or_none("folder"),
                int_or_none("message"),
                flag("backfill"),
                text("data"),
            ],
            &["seq"],
        ),
        table("counter", &[text("name"), int("next")], &["name"]),
    ]
}

/// Indexes that the builder cannot say (partial ones); the same words on SQLite and PostgreSQL.
const INDEXES: &[&str] = &[
    "CREATE UNIQUE INDEX IF NOT EXISTS account_name ON account (name)",
    "CREATE UNIQUE INDEX IF NOT EXISTS folder_remote_id ON folder (account, remote_id) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX IF NOT EXISTS message_identity ON message (account, identity)",
    "CREATE INDEX IF NOT EXISTS message_limbo ON message (account, limbo_since) WHERE limbo_since IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS location_message ON location (message)",
    "CREATE UNIQUE INDEX IF NOT EXISTS failure_open ON failure (folder, uid) WHERE closed_at IS NULL AND uid IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS failure_account ON failure (account, closed_at)",
    "CREATE INDEX IF NOT EXISTS body_pack ON body (pack)",
    "INSERT INTO counter (name, next) VALUES ('message', 1), ('event', 1) ON CONFLICT DO NOTHING",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in statements() {
            manager.create_table(table).await?;
        }
        for sql in INDEXES {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in TABLES.iter().rev() {
            manager.drop_table(Table::drop().table(Alias::new(*name)).take()).await?;
        }
        Ok(())
    }
}
