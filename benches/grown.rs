//! What a server costs whose database has grown: the same work beside 100,000 and beside 3,000,000
//! messages of another mailbox, in one run, on SQLite and (where there is one) PostgreSQL. Prints ratios, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod fits;
    pub(crate) mod mail;
    pub(crate) mod served;
}

use postrider::store::{Chosen, Reader, open_for_reading};
use postrider_core::mail::id::FolderId;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use std::fs;
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::database::{TestDatabase, ask};
use support::mail::{note, seed, serve_well};
use support::served::head;

const SIZES: [u64; 2] = [100_000, 3_000_000];
/// Messages of a folder of the other mailbox.
const FOLDER: u64 = 100_000;
/// Mails that come at once.
const PAGE: usize = 1_000;
const ROUNDS: usize = 9;
const PATIENCE: Duration = Duration::from_secs(120);

/// Rows of another mailbox, as its first sync would have left them.
async fn grow(database: &TestDatabase, messages: u64) {
    let db = connected(database).await;
    let on_file = matches!(database, TestDatabase::File(_));
    let series = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {messages}) "
    );
    // Each dialect begins an INSERT in its own place.
    let insert = |into: &str, what: &str| {
        if on_file {
            format!("{series} INSERT INTO {into} SELECT {what}")
        } else {
            format!("INSERT INTO {into} {series} SELECT {what}")
        }
    };
    let (octets, hash) = if on_file {
        ("CAST('f' || i AS BLOB)", "randomblob(32)")
    } else {
        ("CAST('f' || i AS bytea)", "sha256(CAST(random() || ' ' || i AS bytea))")
    };
    let first = "(SELECT next FROM counter WHERE name = 'message')";
    let body = format!("(SELECT max(id) - {messages} FROM body)");
    let event = "(SELECT next FROM counter WHERE name = 'event')";
    // Random keys of so many rows would else be written a few hundred times.
    let begin = if on_file { "PRAGMA cache_size = -2000000" } else { "SET work_mem = '256MB'" };
    let end = if on_file { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "VACUUM ANALYZE" };
    for sql in [
        begin.to_owned(),
        "INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, incarnation) VALUES \
         (77, 'w', 'imap', 'w.example.org', 'w', 'hash', 'removed', 'the config does not name it', 0, 1)"
            .to_owned(),
        insert(
            "folder (id, account, remote_id, path, uidvalidity, exists_count, opened_at, excluded, held)",
            &format!(
                "1000 + i, 77, {octets}, 'f' || i, 1, {FOLDER}, 0, FALSE, {FOLDER} FROM n LIMIT {}",
                messages / FOLDER
            ),
        ),
        insert(
            "body (hash, pack, \"offset\", length, stored_at)",
            &format!("{hash}, 1, ({first} + i) * 3000, 3000, 0 FROM n"),
        ),
        insert(
            "message (id, account, body, size, internal_date, stored_at, places, message_id, subject, from_text, to_text, \
             date, parse)",
            &format!(
                "{first} + i, 77, {body} + i, 3000, i, i, 1, '<' || i || '@example.org>', 'Subject ' || i, \
                 'a@example.org', 'b@example.org', i, 'ok' FROM n"
            ),
        ),
        format!(
            "INSERT INTO location (folder, uidvalidity, uid, message, flags, keywords, internal_date, began_at) SELECT 1001 + (m.i - 1) / \
             {FOLDER}, 1, 1 + (m.i - 1) % {FOLDER}, m.id, '', '', m.i, m.i FROM (SELECT id, id - {first} AS i FROM message WHERE account \
             = 77) m"
        ),
        format!(
            "INSERT INTO event (seq, id, at, kind, account, folder, message, backfill, data) SELECT {event} + id - {first} - 1, 'x' || id, \
             0, 'message.created', 77, 1001, id, TRUE, '{{\"changed\":[],\"count\":1,\"locations\":[],\"what\":\"state\"}}' FROM message \
             WHERE account = 77 ORDER BY id"
        ),
        format!("UPDATE account SET held = {messages}, held_octets = {messages} * CAST(3000 AS BIGINT) WHERE id = 77"),
        format!("UPDATE counter SET next = next + {messages} + 1 WHERE name = 'message'"),
        format!("UPDATE counter SET next = next + {messages} WHERE name = 'event'"),
        end.to_owned(),
    ] {
        db.execute_unprepared(&sql).await.unwrap();
    }
    db.close().await.unwrap();
}

/// One connection that may write.
async fn connected(database: &TestDatabase) -> DatabaseConnection {
    let url = match database {
        TestDatabase::File(file) => format!("sqlite://{}?mode=rw", file.display()),
        TestDatabase::Server(url) => url.clone(),
    };
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Milliseconds of each kind of work, beside so many messages.
async fn measure(messages: u64, on_server: bool) -> Vec<(&'static str, f64)> {
    let mailbox = seed::mailbox(7, 50);
    let server = serve_well("u", &mailbox).await;
    let config = format!("{}{}", head(), account("u", server.port(), "pw"));
    let postrider = if on_server { Postrider::on_server(&config) } else { Postrider::new(&config) };
    let database = postrider.database();
    let postrider = tokio::task::spawn_blocking(move || {
        postrider.run(&["sync", "--once"]).exits(0);
        postrider
    })
    .await
    .unwrap();
    grow(&database, messages).await;
    // Bytes that are named are there, though nobody reads these: holes.
    let packs =
        fs::read_dir(postrider.path("data/bodies")).unwrap().map(|file| file.unwrap().path());
    let pack = packs.filter(|path| path.extension().is_some_and(|e| e == "pack")).min().unwrap();
    fs::File::options().write(true).open(pack).unwrap().set_len((messages + 1_000) * 3000).unwrap();
    let db = connected(&database).await;
    let reader = Reader::new(&open_for_reading(&database.place()).await.unwrap());
    let mut pieces = Vec::new();
    for n in 0..ROUNDS {
        let after = (1, u64::try_from(n * 9_000).unwrap());
        let began = Instant::now();
        let piece = reader.manifest(FolderId(1001), Chosen::Living, after).await.unwrap();
        pieces.push(ms(began));
        assert!(!piece.is_empty());
    }
    let served = tokio::task::spawn_blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        (postrider, served)
    });
    let (postrider, served) = served.await.unwrap();
    let rows = async || {
        let sql = "SELECT held FROM account WHERE name = 'u'";
        let row =
            db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        usize::try_from(row.unwrap().try_get_by_index::<i64>(0).unwrap()).unwrap()
    };
    let mut pages = Vec::new();
    for round in 0..ROUNDS {
        let before = rows().await;
        let began = Instant::now();
        for n in 0..PAGE {
            mailbox.append("INBOX", note(&format!("{round} {n}")));
        }
        while rows().await < before + PAGE {
            assert!(began.elapsed() < PATIENCE, "the mail did not come");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pages.push(ms(began));
        // Whatever the server does behind it is over.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let times = tokio::task::spawn_blocking(move || {
        let time = |path: &str| {
            let asked = (0..ROUNDS).map(|_| {
                let began = Instant::now();
                served.get(path);
                ms(began)
            });
            median(asked.collect())
        };
        let middle = format!("/v1/events?after={}&limit=500", messages / 2);
        let times = [
            ("GET /v1/accounts", time("/v1/accounts")),
            ("GET /v1/accounts/w/folders", time("/v1/accounts/w/folders?limit=1")),
            ("GET /v1/events, 500 from the middle", time(&middle)),
        ];
        served.stop();
        let octets = match &database {
            TestDatabase::File(file) => fs::metadata(file).unwrap().len(),
            TestDatabase::Server(_) => {
                let size = "SELECT pg_database_size(current_database()) AS x";
                ask(&database, size).parse().unwrap()
            }
        };
        println!("{messages} messages: {} MB of database", octets / 1_000_000);
        assert_eq!(ask(&database, "SELECT count(*) AS x FROM account"), "2");
        drop(postrider);
        times
    });
    let mut all = vec![
        ("1,000 new mails, from their arrival until their rows can be read", median(pages)),
        ("a piece of a manifest", median(pieces)),
    ];
    all.extend(times.await.unwrap());
    all
}

#[tokio::main]
async fn main() {
    let has_server = std::env::var_os("POSTRIDER_TEST_POSTGRES").is_some();
    for (name, on_server) in [("SQLite", false), ("PostgreSQL", true)] {
        if on_server && !has_server {
            println!("PostgreSQL: there is none (`cargo xtask bench` starts it)");
            continue;
        }
        let small = measure(SIZES[0], on_server).await;
        let large = measure(SIZES[1], on_server).await;
        println!("{name}, milliseconds beside {:>32} {:>10} {:>7}", SIZES[0], SIZES[1], "ratio");
        for ((what, small), (_, large)) in small.into_iter().zip(large) {
            println!("{what:70} {small:10.1} {large:10.1} {:6.2} x", large / small);
        }
    }
}
