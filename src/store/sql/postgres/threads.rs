//! PostgreSQL's words for threads.

use crate::store::sql::threads::{ThreadText, moving};

pub(in crate::store::sql) const fn words(text: ThreadText) -> &'static str {
    match text {
        ThreadText::ThreadsOfKeys => {
            "SELECT k.key, t.id, t.messages, t.rank, t.first_at FROM jsonb_array_elements_text($2::jsonb) j (value) CROSS JOIN \
             LATERAL (SELECT * FROM thread_key WHERE account = $1 AND key = decode(j.value, 'hex') OFFSET 0) k LEFT JOIN \
             LATERAL (SELECT * FROM thread_alias WHERE id = k.thread OFFSET 0) a ON TRUE CROSS JOIN LATERAL (SELECT * FROM \
             thread WHERE id = COALESCE(a.thread, k.thread) OFFSET 0) t"
        }
        ThreadText::ThreadsOfMails => {
            "SELECT d.message, t.id, t.messages, t.rank, t.first_at FROM jsonb_array_elements_text($1::jsonb) j (value) CROSS \
             JOIN LATERAL (SELECT * FROM derived WHERE message = j.value::bigint OFFSET 0) d LEFT JOIN LATERAL (SELECT * \
             FROM thread_alias WHERE id = d.thread OFFSET 0) a ON TRUE CROSS JOIN LATERAL (SELECT * FROM thread WHERE id = \
             COALESCE(a.thread, d.thread) OFFSET 0) t"
        }
        ThreadText::PutThreads => {
            "INSERT INTO thread (id, account, messages, rank, first_at) SELECT (j.value->>0)::bigint, $1, (j.value->>1)::bigint, \
             (j.value->>2)::bigint, (j.value->>3)::bigint FROM jsonb_array_elements($2::jsonb) j (value) ON CONFLICT (id) DO \
             UPDATE SET messages = excluded.messages, rank = excluded.rank, first_at = excluded.first_at"
        }
        ThreadText::PutThreadKeys => {
            "INSERT INTO thread_key (account, key, thread) SELECT $1, decode(j.value->>0, 'hex'), (j.value->>1)::bigint FROM \
             jsonb_array_elements($2::jsonb) j (value) ON CONFLICT (account, key) DO UPDATE SET thread = \
             excluded.thread"
        }
        ThreadText::DropThreads => {
            "DELETE FROM thread WHERE id = ANY (ARRAY(SELECT (j.value->>0)::bigint FROM jsonb_array_elements($1::jsonb) j \
             (value)))"
        }
        ThreadText::LeadOn => {
            "UPDATE thread_alias SET thread = (j.value->>1)::bigint FROM jsonb_array_elements($1::jsonb) j (value) WHERE \
             thread_alias.thread = (j.value->>0)::bigint"
        }
        ThreadText::PutAliases => {
            "INSERT INTO thread_alias (id, account, thread, moves) SELECT (j.value->>0)::bigint, $1, (j.value->>1)::bigint, \
             (j.value->>2)::boolean FROM jsonb_array_elements($2::jsonb) j (value)"
        }
        ThreadText::MoveMails => {
            "UPDATE derived SET thread = (j.value->>1)::bigint FROM jsonb_array_elements($1::jsonb) j (value) WHERE \
             derived.thread = (j.value->>0)::bigint"
        }
        ThreadText::MoveSome => {
            concat!(
                "UPDATE derived SET thread = (SELECT a.thread FROM thread_alias a WHERE a.id = derived.thread) WHERE message = ANY \
                 (ARRAY(SELECT d.message FROM (",
                moving!("$1", "$2"),
                ") a CROSS JOIN LATERAL (SELECT message FROM derived WHERE thread = a.id LIMIT $2) d WHERE NOT EXISTS (SELECT 1 FROM \
                 thread_alias b WHERE b.id = a.thread) LIMIT $2))"
            )
        }
        ThreadText::AllMoved => {
            concat!(
                "UPDATE thread_alias SET moves = FALSE WHERE id = ANY (ARRAY(SELECT a.id FROM (",
                moving!("$1", "$2"),
                ") a))"
            )
        }
        ThreadText::Moves => {
            "SELECT 1::bigint AS found FROM thread_alias WHERE account = $1 AND moves LIMIT 1"
        }
        ThreadText::PurgeThreads => concat!("DELETE FROM thread WHERE id IN (", chunk!(), ")"),
        ThreadText::PurgeAliases => {
            concat!("DELETE FROM thread_alias WHERE id IN (", chunk!(), ")")
        }
        ThreadText::PurgeThreadKeys => {
            "DELETE FROM thread_key WHERE account = $1 AND key = ANY (ARRAY(SELECT key FROM thread_key WHERE account = $1 LIMIT \
             $2))"
        }
    }
}
