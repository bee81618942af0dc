//! What compressing bodies saves, and what it costs: octets of files, reads of bodies here and there, and a first sync of another
//! mailbox beside the copying, with and without, in turns. Prints ratios, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod fits;
    #[expect(unused_imports, reason = "the tests use more of it")]
    pub(crate) mod mail;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use postrider::bodies::BodyReader;
use postrider_core::mail::body::{BodyHash, StoredBody};
use postrider_imapd::seed::{self, Dice};
use std::fs;
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::database::{ask, rows};
use support::mail::serve;
use support::served::{Served, head, wait_within};

/// Messages of each mailbox.
const MAILS: usize = 10_000;
/// Bodies that are read here and there.
const READS: usize = 10_000;
/// Turns; the medians count.
const TURNS: usize = 5;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(300);

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn octets(postrider: &Postrider) -> u64 {
    let all = fs::read_dir(postrider.path("data/bodies")).unwrap().flatten();
    all.map(|entry| entry.metadata().unwrap().len()).sum()
}

/// Where bodies lie.
fn bodies(postrider: &Postrider) -> Vec<StoredBody> {
    let sql = "SELECT hex(hash) || ' ' || pack || ' ' || \"offset\" || ' ' || length || ' ' || COALESCE(stored, '') AS x FROM body WHERE \
               length > 0 ORDER BY hash";
    let body = |row: String| {
        let parts: Vec<&str> = row.split(' ').collect();
        let number = |at: usize| parts[at].parse().unwrap();
        StoredBody {
            hash: BodyHash::from_hex(parts[0]).unwrap(),
            pack: i64::try_from(number(1)).unwrap(),
            offset: number(2),
            length: number(3),
            stored: parts[4].parse().ok(),
        }
    };
    rows(&postrider.database(), sql).into_iter().map(body).collect()
}

/// Microseconds of each read, hashed, in an order of its own.
fn reads(postrider: &Postrider) -> Vec<f64> {
    let (all, mut dice) = (bodies(postrider), Dice::new(7));
    let mut reader = BodyReader::new(&postrider.path("data/bodies"));
    let mut took: Vec<f64> = (0..READS)
        .map(|_| {
            let body = &all[dice.below(all.len())];
            let began = Instant::now();
            reader.check(body).unwrap();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took
}

/// Those of a mirror are put in place of another one's.
fn copied(from: &Postrider, to: &Postrider) {
    let script =
        format!("rm -rf data && cp -r {}/data . && rm -f data/lock", from.path("").display());
    to.shell(&script).exits(0);
}

fn is_synced(served: &Served, id: &str) -> bool {
    served.account(id)["state"] == "idle"
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (old, new) = (seed::mailbox(1, MAILS), seed::mailbox(2, MAILS));
    let server = runtime.block_on(serve(&[("old", &old), ("new", &new)], |_, _| None));
    let section = "[retention]\ndeleted = \"0s\"\n[bodies]\ngrace = \"0s\"\n";
    let of = |id: &str| account(id, server.port(), "pw");
    let source = Postrider::new(&format!("{}{section}compress = false\n{}", head(), of("old")));
    let served = source.serve(&[]);
    wait_within(PATIENCE, "the old mail", || is_synced(&served, "old"));
    wait_within(PATIENCE, "it is derived", || served.account("old")["derived"]["behind"] == 0);
    served.stop();
    // Of a server that runs.
    let one = Postrider::new(&format!("{}{section}{}", head(), of("old")));
    copied(&source, &one);
    let (before, plain) = (octets(&one), reads(&one));
    let served = one.serve(&[]);
    let began = Instant::now();
    println!("{}", one.run(&["gc"]).exits(0).stdout.trim());
    let took = began.elapsed().as_secs_f64();
    served.stop();
    let (after, frames) = (octets(&one), reads(&one));
    println!(
        "{MAILS} mails: {:.1} MiB as they are, {:.1} compressed: {:.2}; in {took:.1} s",
        before as f64 / 1048576.0,
        after as f64 / 1048576.0,
        after as f64 / before as f64
    );
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    println!(
        "{READS} reads here and there, hashed: {:.1} us in the mean ({:.2} of uncompressed), p99 {:.0} us ({:.2})",
        mean(&frames),
        mean(&frames) / mean(&plain),
        frames[READS * 99 / 100],
        frames[READS * 99 / 100] / plain[READS * 99 / 100]
    );
    one.run(&["verify", "old", "--offline"]).exits(0);
    // A first sync beside it.
    let both = Postrider::new(&format!("{}{section}{}{}", head(), of("old"), of("new")));
    let (mut beside, mut alone) = (Vec::new(), Vec::new());
    for turn in 0..2 * TURNS {
        copied(&source, &both);
        let collects = turn % 2 == 1;
        let served = both.serve(&[]);
        let began = Instant::now();
        let gc = collects.then(|| both.start(&["gc"], &[]));
        wait_within(PATIENCE, "the new mail", || is_synced(&served, "new"));
        let took = began.elapsed().as_secs_f64();
        let done = ask(&both.database(), "SELECT count(*) AS x FROM body WHERE stored IS NOT NULL");
        println!("{took:.2} s, {done} bodies are compressed then");
        if collects { &mut beside } else { &mut alone }.push(took);
        drop(gc.map(|gc| gc.wait(PATIENCE)));
        served.stop();
    }
    let (beside, alone) = (median(beside), median(alone));
    println!(
        "a first sync of {MAILS} beside gc: {beside:.2} s, {alone:.2} s without: {:.2}",
        beside / alone
    );
}
