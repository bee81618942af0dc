//! SQLite's words for threads.

use crate::store::sql::threads::{ThreadText, moving};

pub(in crate::store::sql) const fn words(text: ThreadText) -> &'static str {
    match text {
        ThreadText::ThreadsOfKeys => {
            "SELECT k.key, t.id, t.messages, t.rank, t.first_at FROM json_each(?2) j CROSS JOIN thread_key k ON k.account = ?1 \
             AND k.key = unhex(j.value) LEFT JOIN thread_alias a ON a.id = k.thread CROSS JOIN thread t ON t.id = \
             COALESCE(a.thread, k.thread)"
        }
        ThreadText::ThreadsOfMails => {
            "SELECT d.message, t.id, t.messages, t.rank, t.first_at FROM json_each(?1) j CROSS JOIN derived d ON d.message = \
             j.value LEFT JOIN thread_alias a ON a.id = d.thread CROSS JOIN thread t ON t.id = COALESCE(a.thread, d.thread)"
        }
        ThreadText::PutThreads => {
            "INSERT INTO thread (id, account, messages, rank, first_at) SELECT j.value->>0, ?1, j.value->>1, j.value->>2, \
             j.value->>3 FROM json_each(?2) j WHERE TRUE ON CONFLICT (id) DO UPDATE SET messages = excluded.messages, rank = excluded.rank, \
             first_at = excluded.first_at"
        }
        ThreadText::PutThreadKeys => {
            "INSERT INTO thread_key (account, key, thread) SELECT ?1, unhex(j.value->>0), j.value->>1 FROM json_each(?2) j WHERE TRUE \
             ON CONFLICT (account, key) DO UPDATE SET thread = excluded.thread"
        }
        ThreadText::DropThreads => {
            "DELETE FROM thread WHERE id IN (SELECT j.value->>0 FROM json_each(?1) j)"
        }
        ThreadText::LeadOn => {
            "UPDATE thread_alias SET thread = j.value->>1 FROM json_each(?1) j WHERE thread_alias.thread = j.value->>0"
        }
        ThreadText::PutAliases => {
            "INSERT INTO thread_alias (id, account, thread, moves) SELECT j.value->>0, ?1, j.value->>1, j.value->>2 FROM \
             json_each(?2) j"
        }
        ThreadText::MoveMails => {
            "UPDATE derived SET thread = j.value->>1 FROM json_each(?1) j WHERE derived.thread = j.value->>0"
        }
        ThreadText::MoveSome => {
            concat!(
                "UPDATE derived SET thread = (SELECT a.thread FROM thread_alias a WHERE a.id = derived.thread) WHERE message IN \
                 (SELECT d.message FROM (",
                moving!("?1", "?2"),
                ") a CROSS JOIN derived d ON d.thread = a.id WHERE NOT EXISTS (SELECT 1 FROM thread_alias b WHERE b.id = a.thread) LIMIT ?2)"
            )
        }
        ThreadText::AllMoved => {
            concat!(
                "UPDATE thread_alias SET moves = FALSE WHERE id IN (SELECT id FROM (",
                moving!("?1", "?2"),
                "))"
            )
        }
        ThreadText::Moves => {
            "SELECT 1 AS found FROM thread_alias WHERE account = ?1 AND moves LIMIT 1"
        }
        ThreadText::PurgeThreads => concat!("DELETE FROM thread WHERE id IN (", chunk!(), ")"),
        ThreadText::PurgeAliases => {
            concat!("DELETE FROM thread_alias WHERE id IN (", chunk!(), ")")
        }
        ThreadText::PurgeThreadKeys => {
            "DELETE FROM thread_key WHERE account = ?1 AND key IN (SELECT key FROM thread_key WHERE account = ?1 LIMIT ?2)"
        }
    }
}
