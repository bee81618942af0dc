//! Steps of PostgreSQL's schema since it began, which was at SQLite's thirteenth: each later step of
//! [`crate::Migrator`] has one of its name here.

/// A step.
#[derive(Clone, Copy, Debug)]
pub struct Later {
    /// The name of SQLite's.
    pub name: &'static str,
    /// Its statements.
    pub up: &'static str,
    /// What takes it back.
    pub down: &'static str,
}

/// What answers which messages have words, so many of them from a number on. What comes before and behind looking all of
/// them up may find them sooner.
macro_rules! find_words {
    ($before: literal, $behind: literal) => {
        concat!(
            "CREATE OR REPLACE FUNCTION find_words(asked text, behind bigint, until bigint, most bigint) RETURNS TABLE (id \
             bigint, message bigint) LANGUAGE plpgsql STABLE SET enable_bitmapscan = on SET enable_seqscan = off SET \
             plan_cache_mode = force_custom_plan AS $$ DECLARE wanted tsquery := asked::tsquery; few bigint[]; BEGIN ",
            $before,
            "few := ARRAY(SELECT w.id FROM word w WHERE w.words @@ wanted LIMIT 5001); ",
            $behind,
            "IF cardinality(few) <= 5000 THEN RETURN QUERY SELECT w.id, w.message FROM word w \
             WHERE w.id = ANY (few) AND w.id > behind AND w.id <= until ORDER BY w.id LIMIT most; \
             ELSE RETURN QUERY SELECT w.id, w.message FROM word w \
             WHERE w.words @@ wanted AND w.id > behind AND w.id <= until ORDER BY w.id LIMIT most; END IF; END $$"
        )
    };
}

/// All of them, oldest first.
pub const LATER: &[Later] = &[
    Later {
        name: "m0014_derived",
        up: "ALTER TABLE account ADD COLUMN derive text; ALTER TABLE message ADD COLUMN thread text; \
         CREATE TABLE derived (message bigint PRIMARY KEY, account bigint NOT NULL, rank bigint NOT NULL, \
         received_at bigint NOT NULL, snippet text NOT NULL, attachments bigint NOT NULL, list_id text, \
         thread bigint, parse text NOT NULL, error text, version bigint NOT NULL); \
         CREATE TABLE attachment (message bigint NOT NULL, part text COLLATE \"C\" NOT NULL, type text NOT NULL, name text, \
         inline boolean NOT NULL, content_id text, encoding text NOT NULL, \"offset\" bigint NOT NULL, \
         octets bigint NOT NULL, size bigint NOT NULL, sha256 bytea NOT NULL, PRIMARY KEY (message, part)); \
         CREATE INDEX derived_thread ON derived (thread, rank); \
         CREATE TABLE thread (id bigint PRIMARY KEY, account bigint NOT NULL, messages bigint NOT NULL, rank bigint NOT NULL, \
         first_at bigint NOT NULL); \
         CREATE TABLE thread_key (account bigint NOT NULL, key bytea NOT NULL, thread bigint NOT NULL, \
         PRIMARY KEY (account, key)); \
         CREATE TABLE thread_alias (id bigint PRIMARY KEY, account bigint NOT NULL, thread bigint NOT NULL, \
         moves boolean NOT NULL); \
         CREATE INDEX thread_alias_thread ON thread_alias (thread); \
         CREATE INDEX thread_alias_moves ON thread_alias (account) WHERE moves;",
        down: "DROP TABLE thread_alias; DROP TABLE thread_key; DROP TABLE thread; DROP TABLE attachment; DROP TABLE derived; ALTER TABLE message DROP COLUMN thread; ALTER TABLE account DROP COLUMN derive;",
    },
    Later {
        name: "m0015_contacts",
        up: "ALTER TABLE account ADD COLUMN addresses text; \
         ALTER TABLE derived ADD COLUMN outgoing boolean NOT NULL DEFAULT FALSE; \
         ALTER TABLE derived ADD COLUMN more_people bigint NOT NULL DEFAULT 0; \
         CREATE TABLE contact (id bigint PRIMARY KEY, account bigint NOT NULL, key text COLLATE \"C\" NOT NULL, \
         address text NOT NULL, rank bigint NOT NULL, name text, name_rank bigint NOT NULL, first_at bigint NOT NULL, \
         last_at bigint NOT NULL, from_count bigint NOT NULL, to_count bigint NOT NULL); \
         CREATE UNIQUE INDEX contact_key ON contact (account, key); \
         CREATE TABLE message_contact (message bigint NOT NULL, role text COLLATE \"C\" NOT NULL, position bigint NOT NULL, \
         contact bigint NOT NULL, rank bigint NOT NULL, address text, name text, PRIMARY KEY (message, role, position)); \
         CREATE INDEX message_contact_contact ON message_contact (contact, rank);",
        down: "DROP TABLE message_contact; DROP TABLE contact; ALTER TABLE derived DROP COLUMN more_people; \
           ALTER TABLE derived DROP COLUMN outgoing; ALTER TABLE account DROP COLUMN addresses;",
    },
    Later {
        name: "m0016_lists",
        // Here a row has no number of its own that ends an index.
        up: "CREATE INDEX derived_account ON derived (account, rank, message); \
         DROP INDEX derived_thread; CREATE INDEX derived_thread ON derived (thread, rank, message); \
         DROP INDEX message_contact_contact; \
         CREATE INDEX message_contact_contact ON message_contact (contact, rank, message); \
         CREATE INDEX thread_account ON thread (account, rank, id); \
         CREATE INDEX contact_account ON contact (account, rank, id); \
         CREATE INDEX location_dates ON location (folder, COALESCE(internal_date, 0), uid) WHERE ended_at IS NULL; \
         CREATE INDEX location_unseen ON location (folder, COALESCE(internal_date, 0), uid) \
         WHERE ended_at IS NULL AND strpos(' ' || flags || ' ', ' \\Seen ') = 0; \
         CREATE INDEX event_message ON event (message, seq) WHERE message IS NOT NULL;",
        down: "DROP INDEX event_message; DROP INDEX location_unseen; DROP INDEX location_dates; DROP INDEX contact_account; \
           DROP INDEX thread_account; DROP INDEX derived_account; \
           DROP INDEX derived_thread; CREATE INDEX derived_thread ON derived (thread, rank); \
           DROP INDEX message_contact_contact; CREATE INDEX message_contact_contact ON message_contact (contact, rank);",
    },
    Later {
        name: "m0017_words",
        // What few messages have is looked up; what many have is met soon enough from the newest on. No statistics of the
        // server know words that are rare.
        up: concat!(
            "CREATE TABLE word (id bigint PRIMARY KEY, message bigint NOT NULL, account bigint NOT NULL, words tsvector NOT NULL); \
             CREATE INDEX word_words ON word USING gin (words);",
            find_words!("", "")
        ),
        down: "DROP FUNCTION find_words; DROP TABLE word;",
    },
    Later {
        name: "m0018_views",
        up: "CREATE VIEW mail AS SELECT m.id, a.name AS account, m.subject, m.from_text AS \"from\", m.to_text AS \"to\", \
         m.message_id, to_char(to_timestamp(COALESCE(m.internal_date, m.date, m.stored_at) / 1000000) AT TIME ZONE \
         'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS received_at, to_char(to_timestamp(m.date / 1000000) AT TIME ZONE \
         'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS written_at, to_char(to_timestamp(m.stored_at / 1000000) AT TIME \
         ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS stored_at, m.size, encode(b.hash, 'hex') AS sha256, \
         COALESCE(t.thread, d.thread) AS thread, d.snippet, d.attachments, d.outgoing, \
         to_char(to_timestamp(m.deleted_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS \
         deleted_at FROM message m JOIN account a ON a.id = m.account JOIN body b ON b.id = m.body LEFT JOIN derived \
         d ON d.message = m.id LEFT JOIN thread_alias t ON t.id = d.thread; \
         CREATE VIEW mail_now AS SELECT a.name AS account, f.path AS folder, f.id AS folder_id, l.uid, m.id, \
         m.subject, m.from_text AS \"from\", to_char(to_timestamp(COALESCE(l.internal_date, m.date, m.stored_at) / \
         1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS received_at, strpos(' ' || l.flags || ' ', \
         ' \\Seen ') = 0 AS unread, strpos(' ' || l.flags || ' ', ' \\Flagged ') > 0 AS starred, l.flags, l.keywords, \
         m.size FROM location l JOIN folder f ON f.id = l.folder AND f.deleted_at IS NULL JOIN account a ON a.id = \
         f.account JOIN message m ON m.id = l.message WHERE l.ended_at IS NULL;",
        down: "DROP VIEW mail_now; DROP VIEW mail;",
    },
    Later {
        name: "m0019_vocabulary",
        // Whose words they are stands among them.
        up: "ALTER TABLE word DROP COLUMN account",
        down: "ALTER TABLE word ADD COLUMN account BIGINT NOT NULL DEFAULT 0",
    },
    Later {
        name: "m0020_newest_words",
        // Reading the index of a word that half the mails have takes longer than meeting it in the newest of them.
        up: find_words!(
            "few := ARRAY(SELECT n.id FROM (SELECT w.id, w.words FROM word w WHERE w.id > behind AND w.id <= until ORDER BY w.id \
             LIMIT LEAST(4 * most, 500)) n WHERE n.words @@ wanted ORDER BY n.id LIMIT most); IF cardinality(few) < most THEN ",
            "END IF; "
        ),
        down: find_words!("", ""),
    },
    Later {
        name: "m0021_waits",
        up: "ALTER TABLE account ADD COLUMN waits text",
        down: "ALTER TABLE account DROP COLUMN waits",
    },
    Later {
        name: "m0022_asked",
        up: "ALTER TABLE account ADD COLUMN asked text",
        down: "ALTER TABLE account DROP COLUMN asked",
    },
    Later {
        name: "m0023_left_out",
        up: "ALTER TABLE failure ADD COLUMN note text, ADD COLUMN came bytea; ALTER TABLE owed ADD COLUMN failed_at bigint, \
             ADD COLUMN note text, ADD COLUMN came bytea",
        down: "ALTER TABLE failure DROP COLUMN note, DROP COLUMN came; ALTER TABLE owed DROP COLUMN failed_at, DROP COLUMN note, \
               DROP COLUMN came",
    },
    Later {
        name: "m0024_jobs",
        up: "CREATE TABLE job (id bigint NOT NULL PRIMARY KEY, uuid text COLLATE \"C\" NOT NULL, kind text COLLATE \"C\" NOT NULL, \
             account text COLLATE \"C\", owner text COLLATE \"C\", priority bigint NOT NULL, status text COLLATE \"C\" NOT NULL, \
             key text COLLATE \"C\" NOT NULL, spec text NOT NULL, not_before bigint NOT NULL, attempts bigint NOT NULL, \
             errors text NOT NULL, checkpoint text NOT NULL, merged bigint NOT NULL, by text NOT NULL, created_at bigint NOT \
             NULL, started_at bigint, finished_at bigint, outcome text, run bigint); CREATE INDEX job_open ON job (id) WHERE \
             finished_at IS NULL; CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL; CREATE TABLE schedule (id text COLLATE \"C\" PRIMARY KEY, fired_at bigint NOT \
             NULL)",
        down: "DROP TABLE job; DROP TABLE schedule",
    },
    Later {
        name: "m0025_audit",
        up: "CREATE TABLE audit (id bigint NOT NULL PRIMARY KEY, who text COLLATE \"C\", role text, owner text COLLATE \"C\", verb \
             text NOT NULL, what text COLLATE \"C\", source text, status bigint, detail text); ALTER TABLE run ADD COLUMN cause text",
        down: "DROP TABLE audit; ALTER TABLE run DROP COLUMN cause",
    },
    Later {
        name: "m0026_deliver",
        up: "CREATE TABLE subscriber (id text COLLATE \"C\" PRIMARY KEY, cursor bigint NOT NULL, sending bigint, state text COLLATE \
             \"C\" NOT NULL, reason text NOT NULL, since bigint NOT NULL, failing_since bigint, attempts bigint NOT NULL, next_at \
             bigint, lost_first bigint, lost_last bigint); CREATE TABLE delivery (subscriber text COLLATE \"C\" NOT NULL, number bigint NOT NULL, first bigint, last \
             bigint, attempt bigint NOT NULL, at bigint NOT NULL, status bigint, millis bigint NOT NULL, text text NOT NULL, \
             PRIMARY KEY (subscriber, number))",
        down: "DROP TABLE delivery; DROP TABLE subscriber",
    },
    Later {
        name: "m0027_subscription",
        up: "CREATE TABLE subscription (source text COLLATE \"C\" NOT NULL, account text COLLATE \"C\" NOT NULL, remote_id text NOT \
             NULL, renewed_at bigint, expires_at bigint, proof_at bigint, state text COLLATE \"C\" NOT NULL, reason text NOT \
             NULL, PRIMARY KEY (source, account))",
        down: "DROP TABLE subscription",
    },
    Later {
        name: "m0028_synthetic",
        up: "ALTER TABLE message ADD COLUMN synthetic boolean NOT NULL DEFAULT FALSE",
        down: "ALTER TABLE message DROP COLUMN synthetic",
    },
    Later {
        name: "m0029_inbound",
        up: "CREATE TABLE inbound (source text COLLATE \"C\" NOT NULL, event text COLLATE \"C\" NOT NULL, at bigint NOT NULL, \
             PRIMARY KEY (source, event)); CREATE INDEX inbound_at ON inbound (at)",
        down: "UPDATE account SET feed = (feed::jsonb #- '{state,places_told_at}')::text WHERE feed IS NOT NULL; DROP TABLE inbound",
    },
    Later {
        name: "m0030_webhook",
        up: "ALTER TABLE subscription ADD COLUMN secret text;",
        down: "ALTER TABLE subscription DROP COLUMN secret;",
    },
    Later {
        name: "m0031_proof",
        up: "ALTER TABLE folder ADD COLUMN proof text;",
        down: "ALTER TABLE folder DROP COLUMN proof;",
    },
    Later {
        name: "m0032_lost",
        up: "CREATE INDEX body_lost ON body (pack) WHERE length = 0;",
        down: "UPDATE cursor SET state = (state::jsonb #- '{state,again}')::text WHERE lane = 'backfill'; DROP INDEX body_lost;",
    },
    Later {
        name: "m0033_pack",
        up: "CREATE TABLE pack (id bigint PRIMARY KEY, octets bigint NOT NULL, named bigint, scrubbed_at bigint, damaged bigint \
             NOT NULL DEFAULT 0);",
        down: "DELETE FROM setting WHERE name = 'packs_known'; DROP TABLE pack;",
    },
    Later {
        name: "m0034_garbage",
        up: "ALTER TABLE account ADD COLUMN unkept_at bigint; ALTER TABLE body ADD COLUMN unnamed_at bigint; ALTER TABLE pack ADD COLUMN dead_at bigint; CREATE INDEX \
             message_deleted ON message (account, deleted_at) WHERE deleted_at IS NOT NULL; CREATE INDEX location_ended ON location \
             (folder, ended_at) WHERE ended_at IS NOT NULL; CREATE INDEX body_unnamed ON body (unnamed_at) WHERE unnamed_at IS NOT \
             NULL;",
        down: "DROP INDEX message_deleted; DROP INDEX location_ended; DROP INDEX body_unnamed; DELETE FROM setting WHERE name IN \
               ('clock_seen', 'collected_at'); DELETE FROM counter WHERE name = 'pack'; ALTER TABLE pack DROP COLUMN dead_at; ALTER TABLE body DROP COLUMN unnamed_at; ALTER TABLE account DROP COLUMN unkept_at;",
    },
    Later {
        name: "m0035_stored",
        up: "ALTER TABLE body ADD COLUMN stored bigint; ALTER TABLE pack ADD COLUMN compressed_at bigint;",
        down: "ALTER TABLE pack DROP COLUMN compressed_at; ALTER TABLE body DROP COLUMN stored;",
    },
];

/// How many steps of SQLite's PostgreSQL's schema began with.
pub(crate) const BEGAN: usize = 13;

/// What takes those of these steps that a database lacks, and notes them. To be run in one transaction.
#[must_use]
pub fn taken(steps: &[Later], missing: &[String]) -> String {
    let missing = steps.iter().filter(|step| missing.iter().any(|name| name == step.name));
    let words = missing.map(|Later { name, up, .. }| {
        format!(
            "{up}; INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', extract(epoch FROM \
             now())::bigint);"
        )
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::{BEGAN, LATER};
    use crate::Migrator;
    use sea_orm_migration::MigratorTrait;

    #[test]
    fn each_step_has_both_dialects() {
        let sqlite: Vec<String> =
            Migrator::migrations().iter().skip(BEGAN).map(|step| step.name().to_owned()).collect();
        let postgres: Vec<&str> = LATER.iter().map(|step| step.name).collect();
        assert_eq!(sqlite, postgres);
    }
}
