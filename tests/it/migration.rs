//! The schema's life.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::state;
use crate::support::database::{TestDatabase, ask, change};
use crate::support::mail::{blocking, seed, serve_well};
use postrider_migration::Migrator;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use sea_orm_migration::MigratorTrait;

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_with_both_versions() {
    let mailbox = seed::mailbox(2, 10);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        change(
            &postrider.database(),
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 0)",
        );
        for args in [&["sync", "--once"][..], &["export", "u"], &["verify", "u", "--offline"]] {
            let ran = postrider.run(args).exits(7);
            assert!(
                ran.stderr.contains("m9999_future") && ran.stderr.contains("m0035_stored"),
                "{}",
                ran.stderr
            );
        }
    })
    .await;
}

#[test]
fn the_database_is_copied_aside_before_a_migration() {
    let postrider = Postrider::new("");
    postrider.run(&["demo", "--once"]).exits(0);
    let database = TestDatabase::File(postrider.path("demo-data/postrider.db"));
    let before = state(&database);
    // A step that was cut off before it was noted: it is pending again.
    change(&database, "DELETE FROM seaql_migrations");
    change(&database, "DROP INDEX body_place");
    postrider.run(&["demo", "--once"]).exits(0);
    assert_eq!(state(&database), before);
    assert_eq!(
        ask(&database, "SELECT count(*) AS x FROM sqlite_master WHERE name = 'body_place'"),
        "1"
    );
    let copy = "demo-data/postrider.before-m0001_mirror-to-m0035_stored.db";
    let copy = TestDatabase::File(postrider.path(copy));
    assert_eq!(state(&copy), before);
    assert_eq!(
        ask(&copy, "SELECT count(*) AS x FROM sqlite_master WHERE name = 'body_place'"),
        "0"
    );
}

/// A new database is made at once, and is what the steps make.
#[tokio::test]
async fn a_new_database_is_what_its_steps_make() {
    let (made, stepped) = (memory().await, memory().await);
    postrider_migration::make(&made).await.unwrap();
    Migrator::up(&stepped, None).await.unwrap();
    let of = async |db: &sea_orm::DatabaseConnection| {
        let rows = "SELECT version AS x FROM seaql_migrations UNION ALL SELECT name || ' ' || next FROM counter ORDER BY x";
        let rows = rows_of(db, rows).await;
        let mut full = Vec::new();
        for table in
            rows_of(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").await
        {
            let count = format!("SELECT '{table} ' || count(*) FROM {table}");
            full.extend(rows_of(db, &count).await);
        }
        let words = "SELECT type || ' ' || name || ' ' || sql AS x FROM sqlite_master WHERE sql IS NOT NULL ORDER BY x";
        let mut words = rows_of(db, words).await;
        // How it is written says nothing.
        words.iter_mut().for_each(|line| line.retain(|c| !c.is_whitespace() && c != '"'));
        [rows, full, words]
    };
    for (made, stepped) in of(&made).await.iter().zip(of(&stepped).await) {
        let lacks = |of: &[String], from: &[String]| -> Vec<String> {
            of.iter().filter(|line| !from.contains(line)).cloned().collect()
        };
        let (more, less) = (lacks(made, &stepped), lacks(&stepped, made));
        assert!(more.is_empty() && less.is_empty(), "not of the steps: {more:#?}; lacks {less:#?}");
    }
}

async fn memory() -> sea_orm::DatabaseConnection {
    Database::connect("sqlite::memory:").await.unwrap()
}

#[tokio::test]
async fn every_step_goes_up_and_down() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    for _ in 0..2 {
        Migrator::up(&db, None).await.unwrap();
        db.execute_unprepared(
            "INSERT INTO body (hash, pack, \"offset\", length, stored_at) VALUES (x'00', 1, 0, 1, 0)",
        )
        .await
        .unwrap();
        Migrator::down(&db, None).await.unwrap();
        assert!(db.execute_unprepared("SELECT 1 FROM body").await.is_err());
    }
}

/// What was written before the column existed is later than no change that comes.
#[tokio::test]
async fn an_account_goes_on_behind_its_latest_event() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    Migrator::up(&db, Some(3)).await.unwrap();
    for sql in [
        "INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, incarnation) \
         VALUES (1, 'a', 'imap', '', '', 'hash', 'idle', '', 0, 1), (2, 'b', 'imap', '', '', 'hash', 'idle', '', 0, 1)",
        "INSERT INTO event (seq, id, at, kind, account, backfill, data) VALUES (1, 'x', 70, 'folder.created', 1, FALSE, '{}'), \
         (2, 'y', 90, 'folder.created', 1, FALSE, '{}'), (3, 'z', 80, 'folder.created', 1, FALSE, '{}')",
    ] {
        db.execute_unprepared(sql).await.unwrap();
    }
    Migrator::up(&db, None).await.unwrap();
    let sql = "SELECT stamped_at FROM account ORDER BY id";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
    let stamps: Vec<Option<i64>> =
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    assert_eq!(stamps, [Some(90), None]);
}

/// A name that is a message's bytes is not stored twice, and comes back on the way down; a step that was
/// cut off after any of its statements is taken again.
#[tokio::test]
async fn a_message_keeps_its_name() {
    let names = async |db: &sea_orm::DatabaseConnection| {
        let sql = format!(
            "SELECT COALESCE(identity, '-') || ' ' || {HASH} || ' ' || subject AS x FROM message ORDER BY id"
        );
        rows_of(db, &sql).await
    };
    let cuts: [&[&str]; 4] = [
        &[],
        &["DROP INDEX message_identity", "ALTER TABLE message ADD COLUMN renamed TEXT"],
        &[
            "DROP INDEX message_identity",
            "DROP INDEX message_body",
            "ALTER TABLE message ADD COLUMN renamed TEXT",
            "UPDATE message SET renamed = identity WHERE identity = 'em:x'",
            "ALTER TABLE message DROP COLUMN identity",
        ],
        &[
            "DROP INDEX message_identity",
            "DROP INDEX message_body",
            "ALTER TABLE message ADD COLUMN renamed TEXT",
            "UPDATE message SET renamed = identity WHERE identity = 'em:x'",
            "ALTER TABLE message DROP COLUMN identity",
            "ALTER TABLE message RENAME COLUMN renamed TO identity",
        ],
    ];
    for cut in cuts {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        Migrator::up(&db, Some(9)).await.unwrap();
        let row = |id: i64, identity: &str, body: &str| {
            format!(
                "INSERT INTO message (id, account, identity, body, size, stored_at, parse, subject) VALUES ({id}, 1, '{identity}', x'{body}', 1, 0, 'ok', 's{id}')"
            )
        };
        for sql in [row(1, "h:abcd", "ABCD"), row(2, "em:x", "ABCD"), row(3, "h:ef01", "EF01")] {
            db.execute_unprepared(&sql).await.unwrap();
        }
        let before = names(&db).await;
        assert_eq!(before, ["h:abcd ABCD s1", "em:x ABCD s2", "h:ef01 EF01 s3"]);
        for sql in cut {
            db.execute_unprepared(sql).await.unwrap();
        }
        Migrator::up(&db, None).await.unwrap();
        assert_eq!(names(&db).await, ["- ABCD s1", "em:x ABCD s2", "- EF01 s3"], "{cut:?}");
        let again = "INSERT INTO message (id, account, body, size, stored_at, parse) VALUES (4, 1, (SELECT id FROM body WHERE hash = x'ABCD'), 1, 0, 'ok')";
        assert!(db.execute_unprepared(again).await.is_err(), "its bytes are its name");
        let other = again.replace("(4, 1", "(4, 2");
        db.execute_unprepared(&other).await.unwrap();
        db.execute_unprepared("DELETE FROM message WHERE id = 4").await.unwrap();
        Migrator::down(&db, Some(26)).await.unwrap();
        assert_eq!(names(&db).await, before);
        let doubled = row(5, "em:x", "00");
        assert!(db.execute_unprepared(&doubled).await.is_err(), "names are once in an account");
    }
}

/// A message's hash, before bodies had numbers and since.
const HASH: &str = "CASE typeof(message.body) WHEN 'blob' THEN hex(message.body) ELSE (SELECT hex(b.hash) FROM body b WHERE \
                    b.rowid = message.body) END";

async fn rows_of(db: &sea_orm::DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// Every message keeps its hash and every hash its place, also where a row was missing; a step that was
/// done and not noted is not done twice.
#[tokio::test]
async fn bodies_keep_their_places() {
    let bodies = "SELECT hex(hash) || ' ' || pack || ' ' || \"offset\" || ' ' || length || ' ' || stored_at FROM body \
                  WHERE length > 0 ORDER BY hash";
    let hashes = format!("SELECT id || ' ' || {HASH} FROM message ORDER BY id");
    let db = Database::connect("sqlite::memory:").await.unwrap();
    Migrator::up(&db, Some(11)).await.unwrap();
    for sql in [
        "INSERT INTO body (hash, pack, \"offset\", length, stored_at) VALUES (x'0B', 1, 0, 5, 7), (x'0A', 1, 5, 6, 8)",
        "INSERT INTO message (id, account, identity, body, size, stored_at, parse) VALUES (1, 1, NULL, x'0A', 6, 8, 'ok'), \
         (2, 2, NULL, x'0A', 6, 8, 'ok'), (3, 1, 'em:x', x'0B', 5, 7, 'ok'), (4, 1, NULL, x'0C', 9, 9, 'ok')",
    ] {
        db.execute_unprepared(sql).await.unwrap();
    }
    let before = (rows_of(&db, bodies).await, rows_of(&db, &hashes).await);
    assert_eq!(before.0, ["0A 1 5 6 8", "0B 1 0 5 7"]);
    assert_eq!(before.1, ["1 0A", "2 0A", "3 0B", "4 0C"]);
    Migrator::up(&db, Some(1)).await.unwrap();
    let numbers = rows_of(&db, "SELECT id || ' ' || body AS x FROM message ORDER BY id").await;
    assert_eq!(numbers, ["1 2", "2 2", "3 1", "4 3"]);
    db.execute_unprepared("DELETE FROM seaql_migrations WHERE version = 'm0012_bodies'")
        .await
        .unwrap();
    Migrator::up(&db, Some(1)).await.unwrap();
    assert_eq!((rows_of(&db, bodies).await, rows_of(&db, &hashes).await), before);
    let twice =
        "INSERT INTO body (hash, pack, \"offset\", length, stored_at) VALUES (x'0A', 2, 0, 6, 9)";
    assert!(db.execute_unprepared(twice).await.is_err(), "a hash is once");
    Migrator::down(&db, Some(1)).await.unwrap();
    assert_eq!((rows_of(&db, bodies).await, rows_of(&db, &hashes).await), before);
    Migrator::up(&db, Some(1)).await.unwrap();
    assert_eq!((rows_of(&db, bodies).await, rows_of(&db, &hashes).await), before);
    let indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('body', 'message') AND name NOT LIKE \
                   'sqlite_%' ORDER BY name";
    let kept = [
        "body_hash",
        "body_place",
        "message_account",
        "message_bytes",
        "message_limbo",
        "message_named",
        "message_named_body",
    ];
    assert_eq!(rows_of(&db, indexes).await, kept);
}

/// What is held when the counts come is counted, however often the step is begun.
#[tokio::test]
async fn what_is_there_is_counted() {
    for begun in [&[][..], &["ALTER TABLE account ADD COLUMN held BIGINT NOT NULL DEFAULT 0"]] {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        Migrator::up(&db, Some(10)).await.unwrap();
        let account = |id: i64| {
            format!(
                "INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, incarnation) VALUES ({id}, 'a{id}', 'imap', '', '', 'hash', 'idle', '', 0, 1)"
            )
        };
        let message = |id: i64, account: i64, gone: &str| {
            format!(
                "INSERT INTO message (id, account, body, size, stored_at, parse, deleted_at, limbo_since) VALUES ({id}, {account}, x'0{id}', {id}0, 0, 'ok', {gone})"
            )
        };
        let location = |uid: i64, folder: i64, ended: &str| {
            format!(
                "INSERT INTO location (folder, uidvalidity, uid, message, flags, keywords, began_at, ended_at) VALUES ({folder}, 1, {uid}, 1, '', '', 0, {ended})"
            )
        };
        let folder = |id: i64| {
            format!(
                "INSERT INTO folder (id, account, remote_id, path, uidvalidity, exists_count, opened_at, excluded) VALUES ({id}, 1, x'0{id}', 'f{id}', 1, 0, 0, FALSE)"
            )
        };
        for sql in [
            account(1),
            account(2),
            message(1, 1, "NULL, NULL"),
            message(2, 1, "NULL, NULL"),
            message(3, 1, "5, NULL"),
            message(4, 1, "NULL, 5"),
            message(5, 2, "5, NULL"),
            folder(1),
            folder(2),
            location(1, 1, "NULL"),
            location(2, 1, "NULL"),
            location(3, 1, "7"),
            location(1, 2, "7"),
        ] {
            db.execute_unprepared(&sql).await.unwrap();
        }
        for sql in begun {
            db.execute_unprepared(sql).await.unwrap();
        }
        Migrator::up(&db, None).await.unwrap();
        let counts = async |sql: &str| {
            let rows =
                db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
            let read = |row: &sea_orm::QueryResult| -> (i64, i64) {
                (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
            };
            rows.iter().map(read).collect::<Vec<_>>()
        };
        assert_eq!(
            counts("SELECT held, held_octets FROM account ORDER BY id").await,
            [(2, 30), (0, 0)]
        );
        assert_eq!(counts("SELECT id, held FROM folder ORDER BY id").await, [(1, 2), (2, 0)]);
        Migrator::down(&db, Some(25)).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
    }
}

/// Every table has an entity with just its columns.
#[tokio::test]
async fn entities_and_tables_agree() {
    use postrider_entity as tables;
    use sea_orm::{EntityName, Iden, Iterable};
    use std::collections::BTreeSet;
    let db = Database::connect("sqlite::memory:").await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let read = async |sql: String| {
        let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect::<BTreeSet<_>>()
    };
    // What FTS5 makes beside its table is its own.
    let words = ["word", "word_config", "word_data", "word_docsize", "word_idx"];
    let of_words = ["seaql_migrations", "word_row", "word_term", "word_place"]
        .into_iter()
        .chain(words)
        .map(str::to_owned);
    let mut known: BTreeSet<String> = of_words.collect();
    macro_rules! agrees {
        ($($table:ident)*) => {
            $(
                let name = tables::$table::Entity.table_name().to_owned();
                let columns: BTreeSet<String> = tables::$table::Column::iter().map(|c| Iden::to_string(&c)).collect();
                assert_eq!(columns, read(format!("SELECT name FROM pragma_table_info('{name}')")).await, "{name}");
                known.insert(name);
            )*
        };
    }
    agrees!(account attachment audit body contact counter credential cursor delivery derived event failure feed folder inbound job leap location message message_contact note owed pack run run_hour schedule setting spending subscriber subscription thread thread_alias thread_key);
    let all = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    assert_eq!(read(all.to_owned()).await, known);
}
