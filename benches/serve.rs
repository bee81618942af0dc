//! The server at work, in one run: how long new mail of 50 mailboxes takes while another one's
//! 100,000 messages are fetched, against the same without it. Prints ratios, never a verdict.
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

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::binary::{Postrider, account};
use support::database::ask;
use support::dovecot::Dovecot;
use support::mail::seed;
use support::served::Served;

const OTHERS: usize = 50;
const BIG: usize = 100_000;
/// Between two deliveries.
const PACE: Duration = Duration::from_millis(100);
/// Without the large mailbox, deliveries go on for so long.
const QUIET: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(900);

const HEAD: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nlogins_per_second = 200\nsessions_per_endpoint = 1500\n";

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn wait(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn idle(served: &Served) -> usize {
    let idle = served.metric("postrider_accounts{state=\"idle\"}");
    (0..=OTHERS).rev().find(|n| f64::from(u32::try_from(*n).unwrap()) <= idle).unwrap_or(0)
}

fn maildir(server: &Dovecot, user: &str) -> PathBuf {
    let dir = PathBuf::from(server.file(&format!("mail/{user}/Maildir")));
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    dir
}

fn percentile(sorted: &[i64], of: usize) -> i64 {
    sorted[(sorted.len() * of / 100).min(sorted.len() - 1)]
}

/// How often it is looked for what can be read.
const LOOK: Duration = Duration::from_millis(5);

/// When new mail could first be read by somebody else, after its COMMIT: subjects, until `enough` of them
/// have come.
fn read_as_they_come(database: PathBuf, enough: Receiver<usize>) -> BTreeMap<String, i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = format!("sqlite://{}?mode=ro", database.display());
    let db = runtime.block_on(Database::connect(ConnectOptions::new(file))).unwrap();
    let ask = |sql: String| {
        let asked = Statement::from_string(DbBackend::Sqlite, sql);
        runtime.block_on(db.query_all_raw(asked)).unwrap()
    };
    let mut last: i64 =
        ask("SELECT coalesce(max(seq), 0) AS x FROM event".into())[0].try_get("", "x").unwrap();
    let (mut came, mut most) = (BTreeMap::new(), usize::MAX);
    let deadline = Instant::now() + PATIENCE;
    while came.len() < most {
        assert!(Instant::now() < deadline, "the last of the new mail did not come");
        let rows = ask(format!(
            "SELECT e.seq, m.subject FROM event e LEFT JOIN message m ON m.id = e.message AND e.kind = 'message.created' \
             WHERE e.seq > {last} ORDER BY e.seq"
        ));
        let at = now();
        for row in rows {
            last = row.try_get("", "seq").unwrap();
            let subject: Option<String> = row.try_get("", "subject").unwrap();
            came.extend(subject.filter(|s| s.starts_with("sent-")).map(|s| (s, at)));
        }
        most = enough.try_recv().unwrap_or(most);
        std::thread::sleep(LOOK);
    }
    came
}

/// Delivers to one mailbox after the other until it is enough; microseconds from the file's arrival
/// until its row can be read.
fn deliver(
    server: &Dovecot,
    postrider: &Postrider,
    n: &mut usize,
    mut enough: impl FnMut() -> bool,
) -> Vec<i64> {
    let (tell, told) = std::sync::mpsc::channel();
    let database = postrider.database();
    let reader = std::thread::spawn(move || read_as_they_come(database.file().to_path_buf(), told));
    let mut sent: BTreeMap<String, i64> = BTreeMap::new();
    while !enough() {
        let user = format!("other{:02}", *n % OTHERS);
        let dir = PathBuf::from(server.file(&format!("mail/{user}/Maildir")));
        let (aside, there) = (dir.join(format!("tmp/new{n}")), dir.join(format!("new/{n}.new")));
        fs::write(&aside, format!("Subject: sent-{n}\r\n\r\nx\r\n")).unwrap();
        server.own(&aside);
        sent.insert(format!("sent-{n}"), now());
        fs::rename(aside, there).unwrap();
        *n += 1;
        std::thread::sleep(PACE);
    }
    tell.send(sent.len()).unwrap();
    let came = reader.join().unwrap();
    let mut lags: Vec<i64> = came.iter().map(|(subject, at)| at - sent[subject]).collect();
    lags.sort_unstable();
    lags
}

fn fairness() {
    let server = Dovecot::start();
    let mut dice = seed::Dice::new(1);
    let big = maildir(&server, "big");
    for n in 0..BIG {
        fs::write(
            big.join(format!("cur/{n:06}.bench:2,S")),
            seed::message(&mut dice, n).raw.as_slice(),
        )
        .unwrap();
    }
    let mut config = HEAD.to_owned();
    for n in 0..OTHERS {
        let user = format!("other{n:02}");
        let dir = maildir(&server, &user);
        for m in 0..20 {
            fs::write(
                dir.join(format!("cur/{m:02}.old:2,S")),
                seed::message(&mut dice, m).raw.as_slice(),
            )
            .unwrap();
        }
        config += &account(&user, server.port, "pw");
    }
    server.own(Path::new(&server.file("mail")));
    let postrider = Postrider::new(&config);
    let served = postrider.serve(&[]);
    wait("rest", || idle(&served) == OTHERS);
    let mut n = 0;
    let began = Instant::now();
    let without = deliver(&server, &postrider, &mut n, || began.elapsed() > QUIET);
    // The large mailbox comes by an edit, as it would.
    write!(config, "{}", account("big", server.port, "pw")).unwrap();
    fs::write(postrider.path("config.toml"), config).unwrap();
    let stored = |postrider: &Postrider| {
        let sql = "SELECT count(*) AS x FROM location l JOIN folder f ON f.id = l.folder JOIN account a ON a.id = f.account WHERE a.name = 'big'";
        ask(&postrider.database(), sql).parse::<usize>().unwrap()
    };
    wait("the large mailbox", || stored(&postrider) > 0);
    let (began, mut looked, mut done) = (Instant::now(), Instant::now(), false);
    let with = deliver(&server, &postrider, &mut n, || {
        if looked.elapsed() > Duration::from_secs(2) {
            looked = Instant::now();
            done = served.account("big")["state"] == "idle";
        }
        done
    });
    let took = began.elapsed();
    assert_eq!(stored(&postrider), BIG);
    let peak = served.status("VmHWM:");
    served.stop();
    println!(
        "{BIG} messages of one mailbox came in {:.0} s beside new mail for {OTHERS} others; peak {} MiB",
        took.as_secs_f64(),
        peak / 1024
    );
    for (name, lags) in [("without", &without), ("with", &with)] {
        println!(
            "{name:>8}: {} mails, delivery until it can be read p50 {} ms, p99 {} ms, worst {} ms (of which Dovecot holds back up to 500)",
            lags.len(),
            percentile(lags, 50) / 1000,
            percentile(lags, 99) / 1000,
            lags[lags.len() - 1] / 1000
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = |of| percentile(&with, of) as f64 / percentile(&without, of) as f64;
    println!("with / without: p50 {:.2}, p99 {:.2}", ratio(50), ratio(99));
}

fn main() {
    fairness();
}
