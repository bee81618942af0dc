//! What deriving costs, and how fast it is, in one run: a first sync with it and without it, by turns; mail that waits to
//! be read; how long new mail takes, alone and beside another mailbox's first sync. Prints ratios, never a verdict.
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
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::database::ask;
use support::dovecot::Dovecot;
use support::mail::seed;
use support::served::{Served, wait_within};

/// Mails of a mailbox that comes for the first time, and of one that is there already.
const MAILS: usize = 100_000;
const THERE: usize = 10_000;
/// New mails, and the time between two of them.
const NEW: usize = 150;
const PACE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(900);
/// Threads of one mail each, and then the mails that make one of them all.
const ENDS: usize = 10_000;
const FIRST: usize = 1000;
/// Turns with and without, behind one that warms the server up.
const TURNS: usize = 5;
/// Words that mail is made of, and octets of a text.
const WORDS: usize = 20_000;
const TEXT: usize = 2800;

/// What mails of a mailbox are like.
#[derive(Clone, Copy, PartialEq)]
enum Mails {
    /// 3 KB, of words that occur as they do in a language: the second half as often as the first, the third a third.
    Spoken,
    /// 3 KB, of words that are all as frequent as each other.
    Even,
    /// Of all lengths.
    All,
}

fn config(server: &Dovecot, derive: &str, users: &[&str]) -> String {
    let accounts: String = users.iter().map(|user| account(user, server.port, "pw")).collect();
    format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nlogins_per_second = 200\nderive_bytes = \"{derive}\"\n{accounts}"
    )
}

/// A text of words.
fn text(dice: &mut seed::Dice, mails: Mails) -> String {
    let mut text = String::new();
    while text.len() < TEXT {
        let word = match mails {
            Mails::Spoken => {
                (WORDS as f64).powf(dice.below(1 << 20) as f64 / f64::from(1 << 20)) as usize
            }
            Mails::Even | Mails::All => dice.below(WORDS),
        };
        text += &format!("w{word} ");
    }
    text
}

/// Puts mails into a mailbox.
fn fill(server: &Dovecot, user: &str, mails: Mails, count: usize) {
    let dir = PathBuf::from(server.file(&format!("mail/{user}/Maildir")));
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    let mut dice = seed::Dice::new(7);
    for n in 0..count {
        let mail = if mails == Mails::All {
            seed::message(&mut dice, n).raw.to_vec()
        } else {
            let (before, text) = (n.saturating_sub(n % 5), text(&mut dice, mails));
            format!(
                "From: Person {} <p{}@example.org>\r\nTo: me@example.org\r\nSubject: about {before}\r\nMessage-ID: <{n}@example.org>\r\n\
                 References: <{before}@example.org>\r\nDate: Thu, 1 Feb 2024 10:00:00 +0000\r\n\r\n{text}\r\n",
                n % 300,
                n % 300
            )
            .into_bytes()
        };
        fs::write(dir.join(format!("cur/{n:06}.bench:2,S")), mail).unwrap();
    }
    server.own(Path::new(&server.file("mail")));
}

fn count(postrider: &Postrider, what: &str) -> usize {
    ask(&postrider.database(), &format!("SELECT count(*) AS x FROM {what}")).parse().unwrap()
}

fn wait(what: &str, reached: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, reached);
}

/// Seconds from the start until a mailbox is stored and at rest.
fn first_sync(server: &Dovecot, user: &str, derive: &str) -> (f64, Postrider, Served) {
    let postrider = Postrider::new(&config(server, derive, &[user]));
    let began = Instant::now();
    let served = postrider.serve(&[]);
    wait("the first sync", || served.state(user) == "idle");
    (began.elapsed().as_secs_f64(), postrider, served)
}

/// Seconds that stored mail takes to be read, and octets of the database for each of them.
fn backlog(server: &Dovecot, user: &str) -> (f64, u64) {
    let postrider = Postrider::new(&config(server, "32MiB", &[user]));
    postrider.sync().exits(0);
    let octets = || fs::metadata(postrider.path("data/postrider.db")).unwrap().len();
    let before = octets();
    let served = postrider.serve(&[]);
    let began = Instant::now();
    wait("the backlog", || count(&postrider, "derived") == MAILS);
    let took = began.elapsed().as_secs_f64();
    served.stop();
    (took, (octets() - before) / MAILS as u64)
}

/// Quantiles of the time from new mail's row until it is derived, milliseconds.
fn live(server: &Dovecot, served: &Served, user: &str, from: usize) -> [f64; 2] {
    let dir = PathBuf::from(server.file(&format!("mail/{user}/Maildir")));
    for n in from..from + NEW {
        let (aside, there) = (dir.join(format!("tmp/n{n}")), dir.join(format!("new/{n}.new")));
        fs::write(&aside, format!("Subject: new {n}\r\nMessage-ID: <new{n}@x.y>\r\n\r\nx\r\n"))
            .unwrap();
        server.own(&aside);
        fs::rename(aside, there).unwrap();
        std::thread::sleep(PACE);
    }
    let told = "postrider_derive_lag_seconds_count";
    wait("the new mail", || served.metric(told) >= NEW as f64);
    ["0.5", "0.99"].map(|of| {
        served.metric(&format!("postrider_derive_lag_seconds{{quantile=\"{of}\"}}")) * 1000.0
    })
}

/// Puts mails into a mailbox, each with an id and what it names.
fn put(server: &Dovecot, user: &str, from: usize, mails: &[(String, Vec<usize>)]) {
    let dir = PathBuf::from(server.file(&format!("mail/{user}/Maildir")));
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    for (n, (id, names)) in (from..).zip(mails) {
        let names: Vec<String> = names.iter().map(|end| format!("<end{end}@x.y>")).collect();
        let mail = format!(
            "Subject: {id}\r\nMessage-ID: <{id}@x.y>\r\nReferences: {}\r\n\r\nx\r\n",
            names.join(" ")
        );
        fs::write(dir.join(format!("cur/{n:06}.bench:2,S")), mail).unwrap();
    }
    server.own(Path::new(&server.file("mail")));
}

/// What each mail joins: two neighbours, one after another; or two threads of one size, the last of them halves.
fn chain() -> Vec<(usize, usize)> {
    (1..ENDS).map(|n| (n - 1, n)).collect()
}

fn halves() -> Vec<(usize, usize)> {
    let (mut joints, mut block) = (Vec::new(), 1);
    while block < ENDS {
        let pairs = (0..ENDS).step_by(block * 2).map(|first| (first, first + block));
        joints.extend(pairs.filter(|(_, second)| *second < ENDS));
        block *= 2;
    }
    joints
}

/// Seconds that a mail takes, of the first that join threads and of all of them.
fn merges(server: &Dovecot, user: &str, joints: &[(usize, usize)]) -> [f64; 2] {
    let ends: Vec<_> = (0..ENDS).map(|n| (format!("end{n}"), vec![n])).collect();
    put(server, user, 0, &ends);
    let postrider = Postrider::new(&config(server, "32MiB", &[user]));
    postrider.sync().exits(0);
    let served = postrider.serve(&[]);
    wait("the ends", || count(&postrider, "derived") == ENDS);
    served.stop();
    // What came last is read first.
    let mails: Vec<_> = joints
        .iter()
        .rev()
        .map(|(one, other)| (format!("joint{one}-{other}"), vec![*one, *other]))
        .collect();
    put(server, user, ENDS, &mails);
    postrider.sync().exits(0);
    let served = postrider.serve(&[]);
    wait("the first", || count(&postrider, "derived") > ENDS);
    let (began, before) = (Instant::now(), count(&postrider, "derived"));
    wait("the first thousand", || count(&postrider, "derived") >= before + FIRST);
    let first = began.elapsed().as_secs_f64() / (count(&postrider, "derived") - before) as f64;
    wait("all of them", || {
        count(&postrider, "derived") == ENDS + joints.len()
            && count(&postrider, "thread_alias WHERE moves") == 0
    });
    let all = began.elapsed().as_secs_f64() / (ENDS + joints.len() - before) as f64;
    assert_eq!(count(&postrider, "thread"), 1);
    served.stop();
    [first, all]
}

/// What it costs that a mailbox is derived, and how fast it is.
fn costs(server: &Dovecot, user: &str) {
    let (_, _postrider, served) = first_sync(server, user, "0");
    served.stop();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        for (derive, took) in [("0", &mut without), ("32MiB", &mut with)] {
            let (seconds, _postrider, served) = first_sync(server, user, derive);
            took.push(seconds);
            served.stop();
        }
    }
    let mut ratios: Vec<f64> =
        with.iter().zip(&without).map(|(with, without)| with / without).collect();
    ratios.sort_by(f64::total_cmp);
    println!("{user}: first sync with / without: {ratios:.2?} ({with:.1?} s / {without:.1?} s)");
    let (took, octets) = backlog(server, user);
    println!(
        "{user}: {:.0} messages/s of those that wait, {octets} octets each",
        MAILS as f64 / took
    );
}

fn main() {
    let server = Dovecot::start();
    for (order, joints) in [("chain", chain()), ("halves", halves())] {
        let [first, all] = merges(&server, order, &joints);
        println!(
            "{ENDS} threads become one, {order}: a mail takes {:.2} x what one of the first {FIRST} takes ({:.0} / {:.0} us)",
            all / first,
            all * 1e6,
            first * 1e6
        );
    }
    for (user, mails) in [("spoken", Mails::Spoken), ("even", Mails::Even), ("all", Mails::All)] {
        fill(&server, user, mails, MAILS);
        costs(&server, user);
    }
    fill(&server, "new", Mails::Spoken, THERE);
    let postrider = Postrider::new(&config(&server, "32MiB", &["new"]));
    let served = postrider.serve(&[]);
    wait("rest", || served.state("new") == "idle" && count(&postrider, "derived") == THERE);
    println!(
        "new mail, from its row until it is derived, alone: p50, p99 ms {:.1?}",
        live(&server, &served, "new", 0)
    );
    served.stop();
    let both = Postrider::new(&config(&server, "32MiB", &["new"]));
    let served = both.serve(&[]);
    wait("rest", || served.state("new") == "idle");
    fs::write(both.path("config.toml"), config(&server, "32MiB", &["new", "all"])).unwrap();
    wait("the other one", || count(&both, "message") > THERE + 500);
    println!(
        "beside another mailbox's first sync: p50, p99 ms {:.1?}",
        live(&server, &served, "new", NEW)
    );
    println!("(of the other one {} were stored by then)", count(&both, "message") - THERE);
    served.stop();
}
