//! Lists of mail over HTTP of 1,000,000 messages, and what they and their indexes cost a first sync, by turns in one
//! run. With `POSTRIDER_TEST_STORE=postgres` and where it is, of PostgreSQL. Prints quantiles and ratios, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod dovecot;
    pub(crate) mod fits;
    pub(crate) mod mail;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::database::{TestDatabase, ask, change};
use support::dovecot::Dovecot;
use support::mail::seed;
use support::served::{Served, request, wait_within};

/// Pages of each list.
const PAGES: usize = 200;
/// Mails of a first sync.
const MAILS: usize = 30_000;
/// Who reads meanwhile, and how often each.
const READERS: usize = 10;
const PACE: Duration = Duration::from_millis(100);
/// Turns with and without.
const TURNS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(900);

/// The numbers that rows are made of.
macro_rules! numbers {
    ($many: literal, $insert: literal, $rows: literal) => {
        concat!(
            $insert,
            " WITH RECURSIVE n (i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < ",
            $many,
            ") SELECT ",
            $rows,
            " FROM n"
        )
    };
}

/// Half of the mail is one account's, the rest of a hundred that have one owner; each has twenty folders. Every
/// twentieth is unread; every hundredth is of one thread, others are four together.
const ROWS: &[&str] = &[
    "DELETE FROM account",
    numbers!(
        "101",
        "INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, incarnation, owner)",
        "i, 'a' || i, 'imap', '', '', 'hash', 'x', '', 0, 1, CASE WHEN i > 1 THEN 'o' END"
    ),
    numbers!(
        "2020",
        "INSERT INTO folder (id, account, remote_id, path, uidvalidity, exists_count, opened_at, excluded)",
        "i, 1 + (i - 1) / 20, x, 'f' || i, 1, 0, 0, FALSE"
    ),
    numbers!(
        "1000000",
        "INSERT INTO body (id, hash, pack, \"offset\", length, stored_at)",
        "i, h, 1, i, 0, 0"
    ),
    numbers!(
        "1000000",
        "INSERT INTO message (id, account, size, message_id, subject, internal_date, stored_at, parse, places, body)",
        "i, CASE WHEN i % 2 = 0 THEN 1 ELSE 2 + (i / 2) % 100 END, 1000, i || '@x.y', 'about ' || i, (1600000000 + i * 60) * 1000000, \
         0, 'ok', 1, i"
    ),
    numbers!(
        "1000000",
        "INSERT INTO location (folder, uidvalidity, uid, message, flags, keywords, internal_date, began_at)",
        "20 * CASE WHEN i % 2 = 0 THEN 0 ELSE 1 + (i / 2) % 100 END + 1 + (i / 7) % 20, 1, i, i, CASE WHEN (i / 3) % 20 = 4 THEN '' \
         ELSE '\\Seen' END, '', (1600000000 + i * 60) * 1000000, 0"
    ),
    numbers!(
        "1000000",
        "INSERT INTO derived (message, account, rank, received_at, snippet, attachments, thread, parse, version)",
        "i, CASE WHEN i % 2 = 0 THEN 1 ELSE 2 + (i / 2) % 100 END, ((1600000000 + i * 60) << 30) | i, (1600000000 + i * 60) * 1000000, \
         'It begins with some words of a text that is about as long as they are, and goes on', 0, CASE WHEN i % 100 = 0 THEN 100 ELSE \
         i - i % 8 + i % 2 + 2 END, 'ok', 2"
    ),
    numbers!(
        "1000010",
        "INSERT INTO thread (id, account, messages, rank, first_at)",
        "i, 1, 4, i, 0"
    ),
    numbers!(
        "3000",
        "INSERT INTO contact (id, account, key, address, rank, name_rank, first_at, last_at, from_count, to_count)",
        "i, CASE WHEN i <= 1000 THEN 1 ELSE 1 + i % 101 END, 'p' || i || '@x.y', 'p' || i || '@x.y', i, 0, 0, 0, 0, 0"
    ),
    numbers!(
        "1000000",
        "INSERT INTO message_contact (message, role, position, contact, rank)",
        "i, 'from', 0, CASE WHEN i % 2 = 0 THEN 1 + (i / 2) % 1000 ELSE 1001 + (i / 2) % 100 END, ((1600000000 + i * 60) << 30) | i"
    ),
    numbers!(
        "1000000",
        "INSERT INTO message_contact (message, role, position, contact, rank)",
        "i, 'to', 0, 2001 + i % 900, ((1600000000 + i * 60) << 30) | i"
    ),
    "UPDATE counter SET next = 2000000",
    "UPDATE account SET derive = '{\"version\":2,\"words\":\"full\",\"upto\":1000000,\"remaining\":\"\",\"asked\":null,\"lone\":\"\",\"left_out\":\"\"}'",
];

/// Words of each: one that all have, one of every second, one of twenty; and some that fill.
const WORDS_OF_FILE: &[&str] = &[
    "INSERT INTO word_row (id, message) SELECT 4611686018427387904 - rank, message FROM derived ORDER BY rank DESC",
    "INSERT INTO word (rowid, account, subject, people, file, text) SELECT 4611686018427387904 - rank, '=' || account, 'about w' || \
     (message % 50000), 'p' || (message % 1000), '', CASE WHEN (message / 2) % 2 = 0 THEN 'half ' ELSE 'other ' END || 'a' || (message % 97) || \
     ' b' || (message % 991) || ' c' || (message % 9973) FROM derived ORDER BY rank DESC",
];
const WORDS_OF_SERVER: &[&str] = &[
    "INSERT INTO word (id, message, words) SELECT 4611686018427387904 - rank, message, ('''=' || account || ''' ''about'':1A \
     ''w' || (message % 50000) || ''':2A ''p' || (message % 1000) || ''':4B ''' || CASE WHEN (message / 2) % 2 = 0 THEN 'half' ELSE 'other' END \
     || ''':6 ''a' || (message % 97) || ''':7 ''b' || (message % 991) || ''':8 ''c' || (message % 9973) || ''':9')::tsvector FROM derived",
];

/// The lists that are read.
const LISTS: [(&str, &str); 13] = [
    ("an account", "account=a1"),
    ("a folder", "folder=3"),
    ("a folder, unread", "folder=3&unread=true"),
    ("a contact", "contact=5"),
    ("a thread of 10,000", "thread=100"),
    ("an account, unread", "account=a1&unread=true"),
    ("an owner of 100 accounts", "owner=o"),
    ("the same, unread", "owner=o&unread=true"),
    ("an address in an account", "account=a1&from=p7@x.y"),
    ("a rare word", "q=w777"),
    ("a word of half the mails", "q=half"),
    ("the same, in an account", "account=a1&q=half"),
    ("two words beside each other", "q=%22half+a5%22"),
];

fn config(accounts: &str) -> String {
    let dummy = account("nobody", 1, "pw");
    format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nlogins_per_second = 200\nderive_bytes = \"0\"\n{dummy}{accounts}"
    )
}

/// A mirror of 1,000,000 messages without their bytes.
fn filled() -> Postrider {
    let postrider = Postrider::new(&config(""));
    postrider.serve(&[]).stop();
    let database = postrider.database();
    let is_file = matches!(database, TestDatabase::File(_));
    let began = Instant::now();
    for sql in ROWS {
        let (octets, hash) = match is_file {
            true => ("CAST('f' || i AS blob)", "unhex(printf('%064x', i))"),
            false => ("('f' || i)::bytea", "decode(lpad(to_hex(i), 64, '0'), 'hex')"),
        };
        let sql = sql.replace("20, x, 'f'", &format!("20, {octets}, 'f'"));
        let sql = sql.replace("i, h, 1", &format!("i, {hash}, 1"));
        // A bench makes few of them.
        change(&database, sql.leak());
    }
    for sql in if is_file { WORDS_OF_FILE } else { WORDS_OF_SERVER } {
        change(&database, sql);
    }
    if !is_file {
        for next in [
            "SELECT setval(pg_get_serial_sequence('account', 'id'), 1000)",
            "SELECT setval(pg_get_serial_sequence('body', 'id'), 2000000)",
        ] {
            change(&database, next);
        }
    }
    // As a mirror is that has been there for a while: the server would do it while its pages are measured.
    change(&database, if is_file { "ANALYZE" } else { "VACUUM ANALYZE" });
    println!("1,000,000 messages made in {:.0} s", began.elapsed().as_secs_f64());
    postrider
}

/// A page, and how long it took.
fn page(served: &Served, query: &str) -> (f64, String) {
    let (address, token) = (&served.address, &served.token);
    let head = format!(
        "GET /v1/messages?{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n"
    );
    let began = Instant::now();
    let (status, _, body) = request(address, &head, "");
    let took = began.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(status, 200, "{query}: {body}");
    (took, body)
}

/// Milliseconds of each page of a list, and the items.
fn walked(served: &Served, query: &str) -> (Vec<f64>, usize) {
    let (mut took, mut items, mut cursor) = (Vec::new(), 0, String::new());
    for _ in 0..PAGES {
        let (ms, body) = page(served, &format!("{query}&limit=50{cursor}"));
        took.push(ms);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        items += body["items"].as_array().unwrap().len();
        match body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => cursor.clear(),
        }
    }
    took.sort_by(f64::total_cmp);
    (took, items)
}

fn fill(server: &Dovecot) {
    let dir = PathBuf::from(server.file("mail/u/Maildir"));
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    let mut dice = seed::Dice::new(7);
    for n in 0..MAILS {
        let mail = seed::message(&mut dice, n).raw.to_vec();
        fs::write(dir.join(format!("cur/{n:06}.bench:2,S")), mail).unwrap();
    }
    server.own(Path::new(&server.file("mail")));
}

/// Seconds of a first sync beside all that mail.
fn first_sync(postrider: &Postrider, served: &Served, server: &Dovecot, reads: bool) -> f64 {
    static TURN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let id = format!("t{turn}");
    let one = account(&id, server.port, "pw")
        .replace(&format!("username = \"{id}\""), "username = \"u\"");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..if reads { READERS } else { 0 } {
            let is_over = &is_over;
            scope.spawn(move || {
                let mut at = n;
                while !is_over.load(Ordering::Relaxed) {
                    page(served, &format!("{}&limit=50", LISTS[at % LISTS.len()].1));
                    at += 1;
                    std::thread::sleep(PACE);
                }
            });
        }
        let began = Instant::now();
        fs::write(postrider.path("config.toml"), config(&one)).unwrap();
        wait_within(PATIENCE, "the first sync", || served.state(&id) == "idle");
        let took = began.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        took
    })
}

fn main() {
    let postrider = filled();
    let served = postrider.serve(&[]);
    for (name, query) in LISTS {
        walked(&served, query);
        let (took, items) = walked(&served, query);
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
        println!(
            "{name}: p50 {:.1}, p99 {:.1}, most {:.1} ms a page ({items} items in {PAGES} pages)",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    let server = Dovecot::start();
    fill(&server);
    first_sync(&postrider, &served, &server, false);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        for (reads, took) in [(false, &mut without), (true, &mut with)] {
            took.push(first_sync(&postrider, &served, &server, reads));
        }
    }
    let ratios = |with: &[f64], without: &[f64]| -> Vec<f64> {
        with.iter().zip(without).map(|(with, without)| with / without).collect()
    };
    println!(
        "first sync of {MAILS} with {READERS} readers / without: {:.2?} ({with:.1?} s / {without:.1?} s)",
        ratios(&with, &without)
    );
    served.stop();
    drop(postrider);
    // The same on a small mirror: there an index more or less is seen.
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        for (has_indexes, took) in [(false, &mut without), (true, &mut with)] {
            let postrider = Postrider::new(&config(""));
            postrider.serve(&[]).stop();
            if !has_indexes {
                for sql in [
                    "DROP INDEX location_dates",
                    "DROP INDEX location_unseen",
                    "DROP INDEX event_message",
                ] {
                    change(&postrider.database(), sql);
                }
            }
            let served = postrider.serve(&[]);
            took.push(first_sync(&postrider, &served, &server, false));
            let stored = ask(&postrider.database(), "SELECT count(*) AS x FROM message");
            assert_eq!(stored, MAILS.to_string());
            served.stop();
        }
    }
    println!(
        "first sync of {MAILS} with the page path's indexes / without: {:.2?} ({with:.1?} s / {without:.1?} s)",
        ratios(&with, &without)
    );
}
