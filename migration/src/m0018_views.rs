//! Mail as people read it: instants as text, folders by their path.

use sea_orm_migration::prelude::*;

/// Adds two views.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const VIEWS: [&str; 2] = [
    "CREATE VIEW mail AS SELECT m.id, a.name AS account, m.subject, m.from_text AS \"from\", m.to_text AS \"to\", \
     m.message_id, strftime('%Y-%m-%dT%H:%M:%SZ', COALESCE(m.internal_date, m.date, m.stored_at) / 1000000, \
     'unixepoch') AS received_at, strftime('%Y-%m-%dT%H:%M:%SZ', m.date / 1000000, 'unixepoch') AS written_at, \
     strftime('%Y-%m-%dT%H:%M:%SZ', m.stored_at / 1000000, 'unixepoch') AS stored_at, m.size, lower(hex(b.hash)) \
     AS sha256, COALESCE(t.thread, d.thread) AS thread, d.snippet, d.attachments, d.outgoing, \
     strftime('%Y-%m-%dT%H:%M:%SZ', m.deleted_at / 1000000, 'unixepoch') AS deleted_at FROM message m JOIN \
     account a ON a.id = m.account JOIN body b ON b.id = m.body LEFT JOIN derived d ON d.message = m.id LEFT JOIN \
     thread_alias t ON t.id = d.thread",
    "CREATE VIEW mail_now AS SELECT a.name AS account, f.path AS folder, f.id AS folder_id, l.uid, m.id, \
     m.subject, m.from_text AS \"from\", strftime('%Y-%m-%dT%H:%M:%SZ', COALESCE(l.internal_date, m.date, \
     m.stored_at) / 1000000, 'unixepoch') AS received_at, instr(' ' || l.flags || ' ', ' \\Seen ') = 0 AS unread, \
     instr(' ' || l.flags || ' ', ' \\Flagged ') > 0 AS starred, l.flags, l.keywords, m.size FROM location l JOIN \
     folder f ON f.id = l.folder AND f.deleted_at IS NULL JOIN account a ON a.id = f.account JOIN message m ON \
     m.id = l.message WHERE l.ended_at IS NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // SQLite has no transaction around a migration: a step that was cut off is taken again.
        for sql in
            ["DROP VIEW IF EXISTS mail", "DROP VIEW IF EXISTS mail_now"].into_iter().chain(VIEWS)
        {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in ["DROP VIEW mail_now", "DROP VIEW mail"] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
