//! Every text is understood by a real server, answers what is read of it, and finds what it asks for by a key.

use crate::config::{Place, ServerPlace};
use crate::store::sql::postgres::server::PostgresServer;
use crate::store::sql::query::{Dialect, Named, Shape};
use crate::store::sql::tests::{READ_BY, shapes};
use crate::store::{Database, open};
use postrider_migration::{LATER, Later, taken};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Column, Connection, Executor, Row, SqlSafeStr, Statement, TypeInfo};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A database of a test's own on the server that the tests have.
pub(in crate::store) struct Scratch {
    server: String,
    name: String,
}

impl Scratch {
    pub(in crate::store) async fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("POSTRIDER_TEST_POSTGRES")
            .unwrap_or_else(|_| panic!("`cargo xtask test` starts PostgreSQL, and says where"));
        let name = format!("u{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let made = Self { server, name };
        made.at("postgres", &format!("CREATE DATABASE {}", made.name)).await;
        made
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    pub(in crate::store) fn place(&self) -> Place {
        Place::Server(Box::new(ServerPlace {
            shown: self.url(),
            url: self.url().into(),
            password: None,
            readers: 2,
            timeout: Duration::from_secs(30),
        }))
    }

    pub(in crate::store) async fn open(&self) -> Database {
        open(&self.place()).await.unwrap()
    }

    /// A connection beside those of the store.
    pub(in crate::store) async fn beside(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    async fn at(&self, database: &str, sql: &str) {
        let mut db = PgConnection::connect(&format!("{}/{database}", self.server)).await.unwrap();
        db.execute(AssertSqlSafe(sql)).await.unwrap();
    }

    pub(in crate::store) async fn remove(self) {
        self.at("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// A text is given as many values as it has numbers for, and answers with the columns that are read, of the kinds
/// that are read.
#[tokio::test]
async fn every_text_is_what_is_said_of_it() {
    let scratch = Scratch::new().await;
    scratch.open().await.close().await;
    let mut db = scratch.beside().await;
    for Shape { name, words: [_, words], given, columns } in shapes() {
        let told = db.prepare(AssertSqlSafe(words).into_sql_str()).await;
        let told = told.unwrap_or_else(|e| panic!("{name}: {e}"));
        let taken = told.parameters().and_then(|taken| taken.left().map(<[_]>::len));
        assert_eq!(taken, Some(given), "{name}");
        let found: Vec<(&str, &str)> =
            told.columns().iter().map(|c| (c.name(), c.type_info().name())).collect();
        for (column, kind) in &found {
            assert!(["INT8", "BOOL", "TEXT", "BYTEA"].contains(kind), "{name}: {column} is {kind}");
        }
        let mut found: Vec<&str> = found.into_iter().map(|(column, _)| column).collect();
        let mut columns = columns.unwrap_or_default();
        found.sort_unstable();
        columns.sort_unstable();
        assert_eq!(found, columns, "{name}");
    }
    scratch.remove().await;
}

/// Later steps are taken and noted all at once, or none; each can be taken back.
#[tokio::test]
async fn steps_are_taken_together() {
    let scratch = Scratch::new().await;
    scratch.open().await.close().await;
    let mut db = scratch.beside().await;
    let step = |name, up| Later { name, up, down: "DROP TABLE later" };
    let whole = step("m9001", "CREATE TABLE later (id bigint)");
    let broken = step("m9002", "CREATE TABLE another (id bigint); SELECT 1 / 0");
    let missing = ["m9001", "m9002"].map(str::to_owned);
    let Place::Server(place) = scratch.place() else { unreachable!("it is a server's") };
    let server = PostgresServer::at(&place);
    let session = server.open(false).await.unwrap();
    let noted = "SELECT count(*) FROM seaql_migrations WHERE version > 'm9' UNION ALL SELECT count(*) FROM pg_tables \
                 WHERE tablename IN ('later', 'another')";
    let mut counts =
        async || -> Vec<i64> { sqlx::query_scalar(noted).fetch_all(&mut db).await.unwrap() };
    assert!(session.make(&taken(&[whole, broken], &missing)).await.is_err());
    assert_eq!(counts().await, [0, 0]);
    let session = server.open(false).await.unwrap();
    session.make(&taken(&[whole], &missing)).await.unwrap();
    assert_eq!(counts().await, [1, 1]);
    let steps: Vec<&Later> = LATER.iter().chain([&whole]).collect();
    for step in steps.iter().rev() {
        session.make(&format!("{};", step.down)).await.unwrap();
    }
    for step in steps {
        session.make(&format!("{};", step.up)).await.unwrap();
    }
    session.close().await;
    scratch.remove().await;
}

/// Where a text reads all of a table, or of an index of what is looked for: what runs once, or is for people; and
/// where some folders are most of them.
const ALL_OF_IT: &[(&str, &str)] = &[
    ("AllManifestFolders", "folder"),
    ("AllOtherPlaces", "message"),
    ("AnyLost", "body"),
    ("CountExpired", "folder"),
    ("CountExpired", "run"),
    ("DropExpiredPlaces", "folder"),
    ("FailingAccounts", "owed"),
    ("FoldersTold", "event"),
    ("HighestMessage", "message"),
    ("LedgerByClass", "owed"),
    ("LostBodies", "body"),
    ("Miscounts", "folder"),
    ("NamedPacks", "body"),
    ("NoAccounts", "failure"),
    ("NoAccounts", "folder"),
    ("NoAccounts", "message"),
    ("NoAccounts", "note"),
    ("NoAccounts", "owed"),
    ("NoAccounts", "run"),
    ("NoCursors", "folder"),
    ("NoFolders", "event"),
    ("NoFoldersAtAll", "location"),
    ("NoMessages", "folder"),
    ("PurgeCursors", "folder"),
    ("PurgeFolderLocations", "folder"),
    ("PurgeFolders", "folder"),
    ("RetryAllOwed", "owed"),
    ("StoredFailures", "owed"),
    ("StoredRuns", "run"),
    ("StrayAliases", "thread"),
    ("StrayFiles", "attachment"),
    ("StrayPeople", "message_contact"),
    ("StrayWords", "word"),
    ("UnprovedFolders", "folder"),
];

/// Texts that compare each row with each of an account's: they are for people.
const COMPARED: &[&str] = &[
    "CountExpired",
    "FailingAccounts",
    "FoldersTold",
    "NoAccounts",
    "NoCursors",
    "RetryAllOwed",
    "StoredRuns",
    "StrayMails",
    "Twinned",
];

/// Rows of a database in use: three accounts of ten folders, a thousand mails each.
const IN_USE: &str = "
    INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, incarnation)
        SELECT n, 'a' || n, 'imap', '', '', 'hash', 'x', '', 0, 1 FROM generate_series(1, 3) n;
    INSERT INTO folder (id, account, remote_id, path, uidvalidity, exists_count, opened_at, excluded)
        SELECT n, 1 + n % 3, n::text::bytea, 'f' || n, 1, 0, 0, FALSE FROM generate_series(1, 30) n;
    INSERT INTO cursor (folder, lane, state)
        SELECT n / 2, CASE n % 2 WHEN 0 THEN 'live' ELSE 'backfill' END, '{}' FROM generate_series(2, 61) n;
    INSERT INTO body (id, hash, pack, \"offset\", length, stored_at)
        SELECT n, sha256(n::text::bytea), 1 + n / 1000, n, 1, 0 FROM generate_series(1, 3000) n;
    INSERT INTO message (id, account, size, stored_at, parse, body, identity)
        SELECT n, 1 + n % 3, 1, 0, '', n, CASE n % 2 WHEN 0 THEN 'i' || n END FROM generate_series(1, 3000) n;
    INSERT INTO derived (message, account, rank, received_at, snippet, attachments, parse, version)
        SELECT n, 1 + n % 3, n, 0, '', 1, 'ok', 1 FROM generate_series(1, 3000) n;
    UPDATE derived SET thread = message;
    INSERT INTO thread (id, account, messages, rank, first_at)
        SELECT n, 1 + n % 3, 1, n, 0 FROM generate_series(1, 3000) n;
    INSERT INTO thread_key (account, key, thread)
        SELECT 1 + n % 3, n::text::bytea, n FROM generate_series(1, 3000) n;
    INSERT INTO thread_alias (id, account, thread, moves)
        SELECT 5000 + n, 1 + n % 3, n, n % 50 = 0 FROM generate_series(1, 3000) n;
    INSERT INTO contact (id, account, key, address, rank, name_rank, first_at, last_at, from_count, to_count)
        SELECT n, 1 + n % 3, 'k' || n, '', n, 0, 0, 0, 0, 0 FROM generate_series(1, 3000) n;
    INSERT INTO message_contact (message, role, position, contact, rank)
        SELECT n, 'from', 0, n, n FROM generate_series(1, 3000) n;
    INSERT INTO word (id, message, words)
        SELECT 4611686018427387904 - n, n, ('a' || n % 7)::tsvector FROM generate_series(1, 3000) n;
    INSERT INTO attachment (message, part, type, inline, encoding, \"offset\", octets, size, sha256)
        SELECT n, '1', '', FALSE, '', 0, 0, 0, '' FROM generate_series(1, 3000) n;
    INSERT INTO location (folder, uidvalidity, uid, message, flags, keywords, began_at)
        SELECT 1 + n % 30, 1, n, n, '', '', 0 FROM generate_series(1, 3000) n;
    INSERT INTO failure (account, folder, uid, reach, class, attempts, version, text, first_at, last_at)
        SELECT 1 + n % 3, 1 + n % 30, n, 'message', 'bug', 1, '', '', 0, 0 FROM generate_series(1, 3000) n;
    INSERT INTO failure (account, folder, reach, class, attempts, version, text, first_at, last_at)
        SELECT 1 + n % 3, n, 'folder', 'bug', 1, '', '', 0, 0 FROM generate_series(1, 30) n;
    INSERT INTO event (seq, id, at, kind, account, backfill, data)
        SELECT n, n, 0, 'x', 1 + n % 3, FALSE, '' FROM generate_series(1, 3000) n;
    INSERT INTO owed (account, identity, told_at, due_at, rank, bytes, attempts)
        SELECT 1 + n % 3, 'i' || n, 0, 0, 0, FALSE, 0 FROM generate_series(1, 3000) n;
    INSERT INTO note (account, about, folder, remote_id, uidvalidity, uid, count, text, at)
        SELECT 1 + n % 3, 'x', n % 30, '', 1, n, 1, '', 0 FROM generate_series(1, 3000) n;
    INSERT INTO run (account, started_at, finished_at, outcome, reason, stored, octets, facts, failed)
        SELECT 1 + n % 3, 0, 0, '', '', 0, 0, 0, 0 FROM generate_series(1, 3000) n";

/// However large an account is, what is asked about some of it is found by a key: where the server knows what the
/// tables hold, and where it does not yet, as in the first minute of a first sync.
#[tokio::test]
async fn what_is_asked_for_is_found_by_a_key() {
    let scratch = Scratch::new().await;
    scratch.open().await.close().await;
    let mut db = scratch.beside().await;
    let generic = format!("SET plan_cache_mode = force_generic_plan; {}", super::login::BY_KEYS);
    db.execute(AssertSqlSafe(generic)).await.unwrap();
    db.execute(IN_USE).await.unwrap();
    let (mut all, mut compares) = (Vec::new(), Vec::new());
    for known in ["", "ANALYZE"] {
        db.execute(known).await.unwrap();
        let (found, compared) = looked_through(&mut db).await;
        all.extend(found);
        compares.extend(compared);
    }
    all.sort_unstable();
    all.dedup();
    compares.sort_unstable();
    compares.dedup();
    let all: Vec<(&str, &str)> = all.iter().map(|(name, table)| (*name, table.as_str())).collect();
    assert_eq!((all.as_slice(), compares.as_slice()), (ALL_OF_IT, COMPARED));
    scratch.remove().await;
}

/// However long a list is, a page of it costs that page.
#[tokio::test]
async fn lists_are_read_from_where_they_go_on() {
    let scratch = Scratch::new().await;
    scratch.open().await.close().await;
    let mut db = scratch.beside().await;
    db.execute(IN_USE).await.unwrap();
    let reads = format!("{}{}", super::login::BY_KEYS, super::server::ONLY_READS);
    db.execute(AssertSqlSafe(reads)).await.unwrap();
    for known in ["", "SET default_transaction_read_only = off; ANALYZE"] {
        db.execute(known).await.unwrap();
        for (text, index) in READ_BY {
            let words = text.words(Dialect::Postgres);
            let asked = format!(
                "PREPARE p AS {words}; EXPLAIN EXECUTE p ('[[1, 5, 5], [2, 5, 5]]', 50); DEALLOCATE p"
            );
            let rows = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_all(&mut db).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let by_index = plan.iter().any(|line| line.contains(&format!("using {index} on")));
            let sorts = plan.iter().filter(|line| line.contains("->  Sort ")).count();
            // A piece of those of one date is sorted.
            let pieces = usize::from(index.starts_with("location"));
            assert!(by_index && sorts <= pieces, "{text:?}: {plan:#?}");
        }
    }
    scratch.remove().await;
}

/// Which texts read all of a table, and which compare each row of a table with each thing that was asked for.
async fn looked_through(db: &mut PgConnection) -> (Vec<(&'static str, String)>, Vec<&'static str>) {
    let (mut found, mut compared) = (Vec::new(), Vec::new());
    for Shape { name, words: [_, words], given, .. } in shapes() {
        let nothing = if given == 0 {
            String::new()
        } else {
            format!("({})", ["NULL"].repeat(given).join(", "))
        };
        let asked =
            format!("PREPARE p AS {words}; EXPLAIN (FORMAT JSON) EXECUTE p{nothing}; DEALLOCATE p");
        let rows = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_all(&mut *db).await;
        let rows = rows.unwrap_or_else(|e| panic!("{name}: {e}"));
        let plan: &str = rows[0].try_get_raw(0).unwrap().as_str().unwrap();
        let plan: serde_json::Value = serde_json::from_str(plan).unwrap();
        for table in read_through(&plan[0]["Plan"]) {
            found.push((name, table));
        }
        if compares_each(&plan[0]["Plan"]) {
            compared.push(name);
        }
    }
    (found, compared)
}

/// Tables that grow with the mail.
const GROW: [&str; 15] = [
    "message",
    "location",
    "event",
    "body",
    "folder",
    "failure",
    "owed",
    "note",
    "run",
    "derived",
    "thread",
    "contact",
    "message_contact",
    "attachment",
    "word",
];

/// Keys of which each value has one row.
const SINGLE: [&str; 7] = [
    "word_pkey",
    "account_pkey",
    "account_name",
    "folder_pkey",
    "folder_remote_id",
    "message_pkey",
    "body_pkey",
];

/// Whether rows of a table are compared with each of a list, or of another table, one by one.
fn compares_each(plan: &serde_json::Value) -> bool {
    let mut below = plan["Plans"].as_array().into_iter().flatten();
    if plan["Relation Name"].as_str().is_some_and(|table| GROW.contains(&table))
        && plan["Filter"].as_str().is_some_and(|filter| {
            // A list that is written into the text is short.
            filter.contains("= ANY (") && !filter.contains("= ANY ('{")
        })
    {
        return true;
    }
    (!plan["Join Filter"].is_null() && reads_rows(plan) && !below.clone().any(is_single))
        || below.any(compares_each)
}

/// Whether rows of tables that grow are read.
fn reads_rows(plan: &serde_json::Value) -> bool {
    let mut below = plan["Plans"].as_array().into_iter().flatten();
    plan["Relation Name"].as_str().is_some_and(|table| GROW.contains(&table))
        || below.any(reads_rows)
}

/// Whether there is one row at most.
fn is_single(plan: &serde_json::Value) -> bool {
    let by_key = plan["Index Name"].as_str().is_some_and(|index| SINGLE.contains(&index));
    let cond = plan["Index Cond"].as_str().unwrap_or_default();
    let mut joined = plan["Plans"].as_array().into_iter().flatten();
    let of = joined.clone().filter(|plan| plan["Parent Relationship"] != "SubPlan");
    match plan["Node Type"].as_str() {
        Some("Result") => true,
        Some("Nested Loop") => of.clone().all(is_single),
        Some("Aggregate") => plan["Group Key"].is_null(),
        Some("Materialize") => joined.all(is_single),
        _ => by_key && !cond.is_empty() && !cond.contains("ANY") && !cond.contains("j.value"),
    }
}

/// The tables that a plan reads from one end to the other.
fn read_through(plan: &serde_json::Value) -> Vec<String> {
    let mut tables = Vec::new();
    if let Some(table) = plan["Relation Name"].as_str()
        && GROW.contains(&table)
        && plan["Node Type"].as_str().is_some_and(|node| node.ends_with("Scan"))
        && plan["Index Cond"].is_null()
        && plan["Recheck Cond"].is_null()
        && plan["TID Cond"].is_null()
    {
        tables.push(table.to_owned());
    }
    for below in plan["Plans"].as_array().into_iter().flatten() {
        tables.extend(read_through(below));
    }
    tables
}
