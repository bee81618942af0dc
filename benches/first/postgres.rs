//! The same on PostgreSQL, and what bounds it there: the rows that a first sync leaves, inserted by a client that does
//! nothing else.

use crate::database::{TestDatabase, ask};
use crate::measure::{self, Cost};
use crate::pgway::PgWay;
use crate::{Program, Run};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Column, Connection, Executor, Row, TypeInfo};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Rows of a page.
const PAGE: usize = 500;
/// The tables of a page.
const TABLES: [&str; 4] = ["body", "message", "location", "event"];

/// On PostgreSQL, beside us and a millisecond away, where there is one (`cargo xtask bench` starts it). Each run has a
/// database of its own, made before it is measured.
pub(crate) fn programs(config: &str) -> Vec<Program> {
    vec![
        Program { name: "Postrider, on PostgreSQL", run: first_sync(config, Duration::ZERO) },
        Program {
            name: "Postrider, on PostgreSQL 1 ms away",
            run: first_sync(config, Duration::from_millis(1)),
        },
        Program { name: "its rows, by UNNEST in pages of 500, nothing else", run: raw(config) },
    ]
}

fn synced(config: &str, dir: &Path, away: Duration) -> Option<(TestDatabase, Cost)> {
    std::env::var_os("POSTRIDER_TEST_POSTGRES")?;
    fs::write(dir.join("config.toml"), config).unwrap();
    let database = TestDatabase::on_server();
    let way = PgWay::to(database.url());
    way.delay(away);
    let url = if away.is_zero() { database.url().to_owned() } else { way.url(database.url()) };
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(["sync", "--once"]).env("POSTRIDER_STORE__URL", url);
    let before = measure::cpu_with_children(postmaster(&database));
    let cost = measure::run(command.current_dir(dir));
    let backend = measure::cpu_with_children(postmaster(&database)) - before;
    Some((database, Cost { backend, ..cost }))
}

fn first_sync(config: &str, away: Duration) -> Run {
    let config = config.to_owned();
    Box::new(move |dir: &Path| {
        let (database, cost) = synced(&config, dir, away)?;
        let size = ask(&database, "SELECT pg_database_size(current_database()) AS x");
        database.remove();
        Some(Cost { database: size.parse().unwrap(), ..cost })
    })
}

/// The server that all backends are children of: what those have spent that have ended is counted there.
fn postmaster(database: &TestDatabase) -> u32 {
    // The connection that is asked ends before it is looked at; its parent does not.
    let file = "SELECT pg_read_file('postmaster.pid') AS x";
    ask(database, file).lines().next().unwrap().parse().unwrap()
}

fn raw(config: &str) -> Run {
    let config = config.to_owned();
    Box::new(move |dir: &Path| {
        let (full, _) = synced(&config, dir, Duration::ZERO)?;
        let empty = TestDatabase::on_server();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let cost = runtime.block_on(insert(&full, &empty));
        full.remove();
        empty.remove();
        Some(cost)
    })
}

/// What it costs to insert the rows of one database into another.
async fn insert(full: &TestDatabase, empty: &TestDatabase) -> Cost {
    let server = postmaster(empty);
    let mut from = PgConnection::connect(full.url()).await.unwrap();
    let mut pages: Vec<Vec<(String, PgArguments)>> = Vec::new();
    for table in TABLES {
        let all = format!("SELECT * FROM {table} ORDER BY 1, 2, 3");
        let rows = from.fetch_all(AssertSqlSafe(all)).await.unwrap();
        for (n, rows) in rows.chunks(PAGE).enumerate() {
            if pages.len() == n {
                pages.push(Vec::new());
            }
            pages[n].push(as_arrays(table, rows));
        }
    }
    let mut to = PgConnection::connect(empty.url()).await.unwrap();
    to.execute(AssertSqlSafe(postrider_migration::postgres())).await.unwrap();
    let (began, before) = (Instant::now(), measure::cpu_with_children(server));
    for page in pages {
        to.execute("BEGIN").await.unwrap();
        for (words, given) in page {
            sqlx::query_with(AssertSqlSafe(words), given).execute(&mut to).await.unwrap();
        }
        to.execute("COMMIT").await.unwrap();
    }
    let wall = began.elapsed().as_secs_f64();
    Cost { wall, backend: measure::cpu_with_children(server) - before, ..Cost::default() }
}

/// One statement, which is given an array a column.
fn as_arrays(table: &str, rows: &[PgRow]) -> (String, PgArguments) {
    let (mut names, mut arrays) = (Vec::new(), Vec::new());
    let mut given = PgArguments::default();
    for (at, column) in rows[0].columns().iter().enumerate() {
        macro_rules! add {
            ($kind:ty) => {
                given.add(rows.iter().map(|row| row.get(at)).collect::<Vec<Option<$kind>>>())
            };
        }
        let kind = match column.type_info().name() {
            "INT8" => add!(i64).map(|()| "bigint"),
            "BOOL" => add!(bool).map(|()| "boolean"),
            "BYTEA" => add!(Vec<u8>).map(|()| "bytea"),
            _ => add!(String).map(|()| "text"),
        };
        names.push(format!("\"{}\"", column.name()));
        arrays.push(format!("${}::{}[]", at + 1, kind.unwrap()));
    }
    let (names, arrays) = (names.join(", "), arrays.join(", "));
    (format!("INSERT INTO {table} ({names}) SELECT * FROM UNNEST({arrays})"), given)
}
