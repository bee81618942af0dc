-- The schema as all steps leave it: a new database is made of this at once, and a test holds it to what
-- the steps make.

CREATE TABLE seaql_migrations (version varchar NOT NULL PRIMARY KEY, applied_at integer NOT NULL);

CREATE TABLE account (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name text NOT NULL,
    provider text NOT NULL, host text NOT NULL, username text NOT NULL, identity_kind text NOT NULL,
    state text NOT NULL, reason text NOT NULL, since integer NOT NULL, next_attempt_at integer,
    incarnation integer NOT NULL, opened_at integer, listed_at integer, list_look text, history TEXT,
    parked_for TEXT, sizes_estimated BOOLEAN NOT NULL DEFAULT FALSE, keep BOOLEAN NOT NULL DEFAULT FALSE,
    stamped_at BIGINT, owner TEXT, feed TEXT, held BIGINT NOT NULL DEFAULT 0,
    held_octets BIGINT NOT NULL DEFAULT 0, derive TEXT, addresses TEXT, waits TEXT,
    asked TEXT, unkept_at BIGINT);
CREATE UNIQUE INDEX account_name ON account (name);

CREATE TABLE folder (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, account integer NOT NULL,
    remote_id blob NOT NULL, path text NOT NULL, delimiter text, role text, uidvalidity integer NOT NULL,
    exists_count integer NOT NULL, opened_at integer NOT NULL, passed_at integer, proved_at integer,
    unproved text, look text, excluded boolean NOT NULL, deleted_at integer, misfit TEXT,
    surplus BIGINT NOT NULL DEFAULT 0, grown_at BIGINT, held BIGINT NOT NULL DEFAULT 0, refused TEXT, proof TEXT);
CREATE UNIQUE INDEX folder_remote_id ON folder (account, remote_id) WHERE deleted_at IS NULL;

CREATE TABLE cursor (folder integer NOT NULL, lane text NOT NULL, state text NOT NULL,
    PRIMARY KEY (folder, lane));

CREATE TABLE message (id integer NOT NULL, account integer NOT NULL, size integer NOT NULL, message_id text,
    subject text, from_text text, to_text text, cc_text text, date integer, internal_date integer,
    stored_at integer NOT NULL, parse text NOT NULL, limbo_since integer, last_folder integer,
    last_sight integer, deleted_at integer, places BIGINT NOT NULL DEFAULT 0, announced BIGINT,
    version TEXT, identity TEXT, body BIGINT NOT NULL DEFAULT 0, thread TEXT,
    synthetic BOOLEAN NOT NULL DEFAULT FALSE, PRIMARY KEY (id));
CREATE INDEX message_limbo ON message (account, limbo_since) WHERE limbo_since IS NOT NULL;
CREATE UNIQUE INDEX message_named ON message (account, identity) WHERE identity IS NOT NULL;
CREATE INDEX message_account ON message (account);
CREATE UNIQUE INDEX message_bytes ON message (body, account) WHERE identity IS NULL;
CREATE INDEX message_named_body ON message (body) WHERE identity IS NOT NULL;

CREATE TABLE location (folder integer NOT NULL, uidvalidity integer NOT NULL, uid integer NOT NULL,
    message integer NOT NULL, flags text NOT NULL, keywords text NOT NULL, modseq integer,
    internal_date integer, began_at integer NOT NULL, ended_at integer,
    PRIMARY KEY (folder, uidvalidity, uid));
CREATE INDEX location_places ON location (message, ended_at);

CREATE TABLE run (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, account integer NOT NULL,
    started_at integer NOT NULL, finished_at integer NOT NULL, outcome text NOT NULL, reason text NOT NULL,
    stored integer NOT NULL, octets integer NOT NULL, facts integer NOT NULL, failed integer NOT NULL,
    cause TEXT);
CREATE INDEX run_account ON run (account, id);

CREATE TABLE failure (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, account integer NOT NULL,
    folder integer, uid integer, reach text NOT NULL, class text NOT NULL, attempts integer NOT NULL,
    next_try_at integer, version text NOT NULL, text text NOT NULL, first_at integer NOT NULL,
    last_at integer NOT NULL, closed_at integer, remote_id BLOB, path TEXT,
    burst BOOLEAN NOT NULL DEFAULT FALSE, note TEXT, came BLOB);
CREATE UNIQUE INDEX failure_open ON failure (folder, uid) WHERE closed_at IS NULL AND uid IS NOT NULL;
CREATE INDEX failure_account ON failure (account, closed_at);
CREATE UNIQUE INDEX failure_shut ON failure (account,
    remote_id) WHERE closed_at IS NULL AND remote_id IS NOT NULL;
CREATE INDEX failure_folder ON failure (folder) WHERE closed_at IS NULL AND uid IS NULL;
CREATE INDEX failure_closed ON failure (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE event (seq integer NOT NULL, id text NOT NULL, at integer NOT NULL, kind text NOT NULL,
    account integer NOT NULL, folder integer, message integer, backfill boolean NOT NULL,
    data text NOT NULL, PRIMARY KEY (seq));

CREATE TABLE counter (name text NOT NULL, next integer NOT NULL, PRIMARY KEY (name));

CREATE TABLE run_hour (account BIGINT NOT NULL, hour BIGINT NOT NULL, runs BIGINT NOT NULL,
    passes BIGINT NOT NULL, PRIMARY KEY (account, hour));

CREATE TABLE setting (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE note (account BIGINT NOT NULL, about TEXT NOT NULL, folder BIGINT NOT NULL,
    remote_id BLOB NOT NULL, uidvalidity BIGINT NOT NULL, uid BIGINT NOT NULL, count BIGINT NOT NULL,
    text TEXT NOT NULL, at BIGINT NOT NULL,
    PRIMARY KEY (account, about, folder, remote_id, uidvalidity, uid));

CREATE TABLE leap (at BIGINT NOT NULL, after BIGINT NOT NULL, next BIGINT NOT NULL, PRIMARY KEY (next));

CREATE TABLE credential (account TEXT NOT NULL PRIMARY KEY, issuer TEXT NOT NULL, username TEXT NOT NULL,
    version BIGINT NOT NULL, sealed BLOB NOT NULL, before BLOB, key_print TEXT NOT NULL,
    scopes TEXT NOT NULL, granted_at BIGINT NOT NULL, renewed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, error TEXT, failed_at BIGINT);

CREATE TABLE spending (endpoint TEXT NOT NULL, account TEXT NOT NULL, hour BIGINT NOT NULL,
    units BIGINT NOT NULL, PRIMARY KEY (endpoint, account, hour)) WITHOUT ROWID;

CREATE TABLE feed (account BIGINT NOT NULL, place BIGINT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (account, place)) WITHOUT ROWID;

CREATE TABLE owed (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, account BIGINT NOT NULL,
    identity TEXT NOT NULL, told_at BIGINT NOT NULL, version TEXT, left_place TEXT, due_at BIGINT,
    missing_at BIGINT, missing_session BIGINT, rank BIGINT NOT NULL, bytes BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL, class TEXT, text TEXT, failed_at BIGINT, note TEXT, came BLOB);
CREATE UNIQUE INDEX owed_identity ON owed (account, identity);
CREATE INDEX owed_order ON owed (account, rank, id) WHERE due_at IS NOT NULL;
CREATE INDEX owed_failed ON owed (account) WHERE attempts > 0;

CREATE TABLE body (id INTEGER NOT NULL PRIMARY KEY, hash BLOB NOT NULL, pack INTEGER NOT NULL,
    "offset" INTEGER NOT NULL, length INTEGER NOT NULL, stored_at INTEGER NOT NULL,
    unnamed_at BIGINT, stored BIGINT);
CREATE UNIQUE INDEX body_hash ON body (hash);
CREATE INDEX body_place ON body (pack, "offset") WHERE length > 0;

CREATE TABLE derived (message INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL, rank BIGINT NOT NULL,
    received_at BIGINT NOT NULL, snippet TEXT NOT NULL, attachments BIGINT NOT NULL, list_id TEXT,
    thread BIGINT, parse TEXT NOT NULL, error TEXT, version BIGINT NOT NULL,
    outgoing BOOLEAN NOT NULL DEFAULT FALSE, more_people BIGINT NOT NULL DEFAULT 0);

CREATE TABLE attachment (message BIGINT NOT NULL, part TEXT NOT NULL, type TEXT NOT NULL, name TEXT,
    inline BOOLEAN NOT NULL, content_id TEXT, encoding TEXT NOT NULL, "offset" BIGINT NOT NULL,
    octets BIGINT NOT NULL, size BIGINT NOT NULL, sha256 BLOB NOT NULL,
    PRIMARY KEY (message, part)) WITHOUT ROWID;
CREATE INDEX derived_thread ON derived (thread, rank);

CREATE TABLE thread (id INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL, messages BIGINT NOT NULL,
    rank BIGINT NOT NULL, first_at BIGINT NOT NULL);

CREATE TABLE thread_key (account BIGINT NOT NULL, key BLOB NOT NULL, thread BIGINT NOT NULL,
    PRIMARY KEY (account, key)) WITHOUT ROWID;

CREATE TABLE thread_alias (id INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL,
    thread BIGINT NOT NULL, moves BOOLEAN NOT NULL);
CREATE INDEX thread_alias_thread ON thread_alias (thread);
CREATE INDEX thread_alias_moves ON thread_alias (account) WHERE moves;

INSERT INTO counter (name, next) VALUES ('message', 1), ('event', 1), ('folder', 1);

CREATE TABLE contact (id INTEGER NOT NULL PRIMARY KEY, account BIGINT NOT NULL, key TEXT NOT NULL,
    address TEXT NOT NULL, rank BIGINT NOT NULL, name TEXT, name_rank BIGINT NOT NULL,
    first_at BIGINT NOT NULL, last_at BIGINT NOT NULL, from_count BIGINT NOT NULL, to_count BIGINT NOT NULL);
CREATE UNIQUE INDEX contact_key ON contact (account, key);

CREATE TABLE message_contact (message BIGINT NOT NULL, role TEXT NOT NULL, position BIGINT NOT NULL,
    contact BIGINT NOT NULL, rank BIGINT NOT NULL, address TEXT, name TEXT,
    PRIMARY KEY (message, role, position)) WITHOUT ROWID;
CREATE INDEX message_contact_contact ON message_contact (contact, rank);

CREATE INDEX derived_account ON derived (account, rank);
CREATE INDEX thread_account ON thread (account, rank);
CREATE INDEX contact_account ON contact (account, rank);
CREATE INDEX location_dates ON location (folder, COALESCE(internal_date, 0), uid) WHERE ended_at IS NULL;
CREATE INDEX location_unseen ON location (folder, COALESCE(internal_date, 0),
    uid) WHERE ended_at IS NULL AND instr(' ' || flags || ' ', ' \Seen ') = 0;
CREATE INDEX event_message ON event (message, seq) WHERE message IS NOT NULL;

CREATE TABLE word_row (id INTEGER NOT NULL PRIMARY KEY, message BIGINT NOT NULL);
CREATE VIRTUAL TABLE word USING fts5(account, subject, people, file, text, content = '',
    contentless_delete = 1, tokenize = "ascii tokenchars '@.-_+=/'''");

CREATE VIRTUAL TABLE word_term USING fts5vocab(word, row);
CREATE VIRTUAL TABLE word_place USING fts5vocab(word, instance);

CREATE TABLE job (id INTEGER NOT NULL PRIMARY KEY, uuid TEXT NOT NULL, kind TEXT NOT NULL, account TEXT,
    owner TEXT, priority BIGINT NOT NULL, status TEXT NOT NULL, "key" TEXT NOT NULL, spec TEXT NOT NULL, not_before BIGINT
    NOT NULL, attempts BIGINT NOT NULL, errors TEXT NOT NULL, checkpoint TEXT NOT NULL, merged BIGINT NOT NULL, "by" TEXT
    NOT NULL, created_at BIGINT NOT NULL, started_at BIGINT, finished_at BIGINT, outcome TEXT, run BIGINT);
CREATE INDEX job_open ON job (id) WHERE finished_at IS NULL;
CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE schedule (id TEXT NOT NULL PRIMARY KEY, fired_at BIGINT NOT NULL);

CREATE TABLE audit (id INTEGER NOT NULL PRIMARY KEY, who TEXT, role TEXT, owner TEXT, verb TEXT NOT NULL, what TEXT,
    source TEXT, status BIGINT, detail TEXT);

CREATE TABLE subscriber (id TEXT NOT NULL PRIMARY KEY, cursor BIGINT NOT NULL, sending BIGINT, state TEXT NOT NULL,
    reason TEXT NOT NULL, since BIGINT NOT NULL, failing_since BIGINT, attempts BIGINT NOT NULL, next_at BIGINT,
    lost_first BIGINT, lost_last BIGINT);
CREATE TABLE delivery (subscriber TEXT NOT NULL, number BIGINT NOT NULL, first BIGINT, last BIGINT,
    attempt BIGINT NOT NULL, at BIGINT NOT NULL, status BIGINT, millis BIGINT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (subscriber, number)) WITHOUT ROWID;

CREATE TABLE subscription (source TEXT NOT NULL, account TEXT NOT NULL, remote_id TEXT NOT NULL, renewed_at BIGINT,
    expires_at BIGINT, proof_at BIGINT, state TEXT NOT NULL, reason TEXT NOT NULL, secret TEXT,
    PRIMARY KEY (source, account)) WITHOUT ROWID;

CREATE TABLE inbound (source TEXT NOT NULL, event TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (source, event))
    WITHOUT ROWID;
CREATE INDEX inbound_at ON inbound (at);

CREATE VIEW mail AS SELECT m.id, a.name AS account, m.subject, m.from_text AS "from", m.to_text AS "to",
    m.message_id, strftime('%Y-%m-%dT%H:%M:%SZ', COALESCE(m.internal_date, m.date, m.stored_at) / 1000000,
    'unixepoch') AS received_at, strftime('%Y-%m-%dT%H:%M:%SZ', m.date / 1000000, 'unixepoch') AS written_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', m.stored_at / 1000000, 'unixepoch') AS stored_at, m.size, lower(hex(b.hash))
    AS sha256, COALESCE(t.thread, d.thread) AS thread, d.snippet, d.attachments, d.outgoing,
    strftime('%Y-%m-%dT%H:%M:%SZ', m.deleted_at / 1000000, 'unixepoch') AS deleted_at FROM message m JOIN
    account a ON a.id = m.account JOIN body b ON b.id = m.body LEFT JOIN derived d ON d.message = m.id LEFT JOIN
    thread_alias t ON t.id = d.thread;
CREATE VIEW mail_now AS SELECT a.name AS account, f.path AS folder, f.id AS folder_id, l.uid, m.id,
    m.subject, m.from_text AS "from", strftime('%Y-%m-%dT%H:%M:%SZ', COALESCE(l.internal_date, m.date,
    m.stored_at) / 1000000, 'unixepoch') AS received_at, instr(' ' || l.flags || ' ', ' \Seen ') = 0 AS unread,
    instr(' ' || l.flags || ' ', ' \Flagged ') > 0 AS starred, l.flags, l.keywords, m.size FROM location l JOIN
    folder f ON f.id = l.folder AND f.deleted_at IS NULL JOIN account a ON a.id = f.account JOIN message m ON
    m.id = l.message WHERE l.ended_at IS NULL;

CREATE INDEX body_lost ON body (pack) WHERE length = 0;
CREATE TABLE pack (id INTEGER NOT NULL PRIMARY KEY, octets INTEGER NOT NULL, named INTEGER, scrubbed_at INTEGER,
    damaged INTEGER NOT NULL DEFAULT 0, dead_at BIGINT, compressed_at BIGINT);
CREATE INDEX message_deleted ON message (account, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX location_ended ON location (folder, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX body_unnamed ON body (unnamed_at) WHERE unnamed_at IS NOT NULL;
