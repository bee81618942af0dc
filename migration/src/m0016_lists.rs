//! What lists of mail are read by: by rank, and in folders by date.

use sea_orm_migration::prelude::*;

/// Adds indexes.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [(&str, &str); 6] = [
    ("derived_account", "derived (account, rank)"),
    ("thread_account", "thread (account, rank)"),
    ("contact_account", "contact (account, rank)"),
    ("location_dates", "location (folder, COALESCE(internal_date, 0), uid) WHERE ended_at IS NULL"),
    (
        "location_unseen",
        "location (folder, COALESCE(internal_date, 0), uid) WHERE ended_at IS NULL AND instr(' ' || flags || ' ', ' \\Seen ') = 0",
    ),
    ("event_message", "event (message, seq) WHERE message IS NOT NULL"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        for (name, of) in INDEXES {
            db.execute_unprepared(&format!("CREATE INDEX IF NOT EXISTS {name} ON {of}")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for (name, _) in INDEXES {
            db.execute_unprepared(&format!("DROP INDEX {name}")).await?;
        }
        Ok(())
    }
}
