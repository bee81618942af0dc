//! The verifier: a mirror against the mailbox it is of, and the database's own promises.

use crate::support::binary::Postrider;
use crate::support::database::{TestDatabase, ask, rows};
use postrider_core::mail::flags::Flags;
use postrider_imapd::{Mail, Mailbox};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// The manifest that a mailbox must give.
pub(crate) fn expected(mailbox: &Mailbox) -> Vec<String> {
    let line = |(folder, _, mail): (String, u32, Mail)| {
        let flags = Flags::new(mail.flags.iter().map(String::as_str));
        format!("{folder}\t{}\t{flags}", sha256(&mail.raw))
    };
    let mut lines: Vec<String> = mailbox.all().into_iter().map(line).collect();
    lines.sort();
    lines
}

/// The numbers that must not move when nothing has changed.
pub(crate) fn state(database: &TestDatabase) -> Vec<String> {
    [
        "SELECT count(*) AS x FROM message",
        "SELECT count(*) || ':' || COALESCE(sum(began_at), 0) || ':' || COALESCE(sum(ended_at), 0) AS x FROM location",
        "SELECT COALESCE(max(seq), 0) AS x FROM event",
        "SELECT count(*) AS x FROM run",
    ]
    .map(|sql| ask(database, sql))
    .to_vec()
}

/// What was told, but for runs: of each message, by its body, in its order; of folders and the
/// account, sorted.
pub(crate) fn told(database: &TestDatabase) -> BTreeMap<String, Vec<String>> {
    let sql = "SELECT COALESCE(hex(b.hash), '') || ' ' || e.kind || ' ' || COALESCE(f.path, '') || ' backfill ' || e.backfill \
               || ' ' || COALESCE(e.data->>'what', '') || ' count ' || COALESCE(e.data->>'count', '') || ' ' || COALESCE(\
               (SELECT group_concat(c.path || '/' || (j.value->>'uid') || '/' || (j.value->>'flags'), ', ') \
               FROM json_each(e.data, '$.changed') j JOIN folder c ON c.id = CAST(j.value->>'folder' AS BIGINT)), '') AS x \
               FROM event e LEFT JOIN message m ON m.id = e.message LEFT JOIN body b ON b.id = m.body LEFT JOIN folder f ON f.id = e.folder \
               WHERE e.kind <> 'run.finished' ORDER BY e.seq";
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in rows(database, sql) {
        let (of, event) = line.split_once(' ').unwrap();
        told.entry(of.to_owned()).or_default().push(event.to_owned());
    }
    if let Some(others) = told.get_mut("") {
        others.sort();
    }
    told
}

/// The mirror is the mailbox; every body hashes to its name; events are without gaps, and no
/// message was created twice.
pub(crate) fn equal(postrider: &Postrider, account: &str, mailbox: &Mailbox) {
    let (got, want) = (postrider.manifest(account), expected(mailbox));
    let missing: Vec<&String> = want.iter().filter(|l| !got.contains(l)).take(3).collect();
    let extra: Vec<&String> = got.iter().filter(|l| !want.contains(l)).take(3).collect();
    assert_eq!(got, want, "missing {missing:?}, extra {extra:?}");
    postrider.run(&["verify", account, "--offline"]).exits(0);
    consistent(&postrider.database());
}

/// What must be true of a database at any time.
pub(crate) fn consistent(database: &TestDatabase) {
    for (sql, want) in [
        ("SELECT count(*) - COALESCE(max(seq), 0) AS x FROM event", "0"),
        (
            "SELECT count(*) AS x FROM (SELECT 1 FROM event WHERE kind = 'message.created' GROUP BY message HAVING count(*) > 1) AS twice",
            "0",
        ),
        ("SELECT count(*) AS x FROM message WHERE body NOT IN (SELECT id FROM body)", "0"),
        (
            "SELECT count(*) AS x FROM message m WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.message = m.id AND e.kind = 'message.created')",
            "0",
        ),
        ("SELECT count(*) AS x FROM location WHERE message NOT IN (SELECT id FROM message)", "0"),
        (
            "SELECT count(*) AS x FROM account a WHERE (held, held_octets) <> (SELECT count(*), COALESCE(sum(size), 0) FROM message m WHERE m.account = a.id AND m.deleted_at IS NULL AND m.limbo_since IS NULL)",
            "0",
        ),
        (
            "SELECT count(*) AS x FROM folder f WHERE held <> (SELECT count(*) FROM location l WHERE l.folder = f.id AND l.uidvalidity = f.uidvalidity AND l.ended_at IS NULL)",
            "0",
        ),
    ] {
        assert_eq!(ask(database, sql), want, "{sql}");
    }
}
