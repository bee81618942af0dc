//! How long new mail of twenty mailboxes takes where two accounts may work at a time: alone, and while three mailboxes of
//! 20,000 come for the first time. Prints ratios, never a verdict.
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
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::binary::{Postrider, account};
use support::database::ask;
use support::dovecot::Dovecot;
use support::mail::seed;
use support::served::{Served, wait_within};

const RUNS: (&str, usize) = ("SLOTS_RUNS", 2);
/// Mailboxes that get mail, and mailboxes that come for the first time.
const OTHERS: usize = 20;
const IMPORTS: [&str; 3] = ["import0", "import1", "import2"];
const MAILS: usize = 20_000;
/// New mails, and the time between two of them.
const NEW: usize = 200;
const PACE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(600);
const TURNS: usize = 3;

/// So many work at a time, unless a variable says otherwise.
fn runs() -> usize {
    std::env::var(RUNS.0).map_or(RUNS.1, |n| n.parse().unwrap())
}

fn config(server: &Dovecot, users: &[String]) -> String {
    let accounts: String = users.iter().map(|user| account(user, server.port, "pw")).collect();
    format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nlogins_per_second = 200\nruns = {}\n{accounts}",
        runs()
    )
}

fn maildir(server: &Dovecot, user: &str) -> PathBuf {
    let dir = PathBuf::from(server.file(&format!("mail/{user}/Maildir")));
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    dir
}

fn fill(server: &Dovecot, user: &str, mails: usize) {
    let (dir, mut dice) = (maildir(server, user), seed::Dice::new(7));
    for n in 0..mails {
        let raw = seed::message(&mut dice, n).raw;
        fs::write(dir.join(format!("cur/{n:06}.bench:2,S")), raw.to_vec()).unwrap();
    }
    server.own(Path::new(&server.file("mail")));
}

fn stored(postrider: &Postrider, accounts: &str) -> usize {
    let sql = format!(
        "SELECT count(*) AS x FROM message m JOIN account a ON a.id = m.account WHERE a.name LIKE '{accounts}'"
    );
    ask(&postrider.database(), &sql).parse().unwrap()
}

/// Times from a mail's delivery until its row is committed, milliseconds: the middle one, and of a hundred the last.
fn live(server: &Dovecot, postrider: &Postrider, turn: &str) -> [f64; 2] {
    let mut delivered = Vec::new();
    for n in 0..NEW {
        let dir = maildir(server, &format!("other{}", n % OTHERS));
        let (aside, there) =
            (dir.join(format!("tmp/{turn}{n}")), dir.join(format!("new/{turn}{n}.new")));
        fs::write(&aside, format!("Subject: {turn} {n}\r\n\r\nx\r\n")).unwrap();
        server.own(&aside);
        fs::rename(aside, there).unwrap();
        delivered.push(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros());
        std::thread::sleep(PACE);
    }
    let count = format!("SELECT count(*) AS x FROM message WHERE subject LIKE '{turn} %'");
    wait_within(PATIENCE, "the new mail", || ask(&postrider.database(), &count) == NEW.to_string());
    let mut took: Vec<f64> = delivered
        .iter()
        .enumerate()
        .map(|(n, delivered)| {
            let sql = format!(
                "SELECT e.at AS x FROM event e JOIN message m ON m.id = e.message WHERE e.kind = 'message.created' AND m.subject = '{turn} {n}'"
            );
            let at: u128 = ask(&postrider.database(), &sql).parse().unwrap();
            at.saturating_sub(*delivered) as f64 / 1000.0
        })
        .collect();
    if std::env::var("SLOTS_ALL").is_ok() {
        println!("{took:.0?}");
    }
    took.sort_by(f64::total_cmp);
    [took[NEW / 2], took[NEW * 99 / 100]]
}

fn idle(served: &Served) -> bool {
    (0..OTHERS).all(|n| served.state(&format!("other{n}")) == "idle")
}

fn main() {
    let server = Dovecot::start();
    for n in 0..OTHERS {
        fill(&server, &format!("other{n}"), 3);
    }
    for user in IMPORTS {
        fill(&server, user, MAILS);
    }
    let others: Vec<String> = (0..OTHERS).map(|n| format!("other{n}")).collect();
    let imports = IMPORTS.iter().map(|user| (*user).to_owned());
    let all: Vec<String> = others.iter().cloned().chain(imports).collect();
    for turn in 0..TURNS {
        let postrider = Postrider::new(&config(&server, &others));
        let served = postrider.serve(&[]);
        wait_within(PATIENCE, "rest", || idle(&served));
        let alone = live(&server, &postrider, &format!("alone{turn}"));
        fs::write(postrider.path("config.toml"), config(&server, &all)).unwrap();
        wait_within(PATIENCE, "the imports", || stored(&postrider, "import%") > 0);
        let beside = live(&server, &postrider, &format!("beside{turn}"));
        let by_then = stored(&postrider, "import%");
        wait_within(PATIENCE, "the end", || stored(&postrider, "import%") == IMPORTS.len() * MAILS);
        println!(
            "new mail, p50 and p99 ms: alone {alone:.0?}, beside {} imports {beside:.0?}: x{:.2}, x{:.2} ({} runs at a time; {by_then} of {} were stored by then)",
            IMPORTS.len(),
            beside[0] / alone[0],
            beside[1] / alone[1],
            runs(),
            IMPORTS.len() * MAILS
        );
        served.stop();
    }
}
