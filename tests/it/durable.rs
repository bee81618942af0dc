//! What the server does to the disk, seen from below: a library between it and the system writes
//! down what is made durable, and lets single fsyncs fail.

use crate::support::binary::{Postrider, Ran, SHORT, account};
use crate::support::check::{consistent, equal, expected};
use crate::support::database::{ask, change};
use crate::support::mail::{blocking, seed, serve_well};
use std::process::Command;

const WAL: &str = "data/postrider.db-wal";

/// Runs `postrider` with the library before it; what it did to files of its folder, a line each.
fn watched(postrider: &Postrider, args: &[&str], fail: Option<u32>) -> (Ran, Vec<String>) {
    let (library, log) = (postrider.path("shim.so"), postrider.path("shim.log"));
    if !library.exists() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/shim.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .args([source, "-ldl"])
            .status();
        assert!(
            built.unwrap().success(),
            "the C compiler that Rust links with cannot build {source}"
        );
    }
    std::fs::write(&log, "").unwrap();
    let dir = std::fs::canonicalize(postrider.path(".")).unwrap();
    let fail = fail.unwrap_or(0).to_string();
    let env = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("SHIM_DIR", dir.to_str().unwrap()),
        ("SHIM_LOG", log.to_str().unwrap()),
        ("SHIM_FAIL", &fail),
    ];
    let ran = postrider.run_with(args, &env);
    let lines = std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    (ran, lines)
}

fn at(lines: &[String], line: &str) -> Option<usize> {
    lines.iter().position(|l| l == line)
}

fn last(lines: &[String], line: &str) -> Option<usize> {
    lines.iter().rposition(|l| l == line)
}

/// Each file that got its name by a rename: it was durable before, and its name is afterwards.
fn renames_are_durable(lines: &[String]) -> Vec<String> {
    let mut renamed = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let Some((from, to)) = line.strip_prefix("rename ").and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let dir = from.rsplit_once('/').map_or(".", |(dir, _)| dir);
        let (before, after) = lines.split_at(n);
        let written = last(before, &format!("write {from}"));
        assert!(
            written < last(before, &format!("sync {from}")),
            "{from} was not durable\n{lines:#?}"
        );
        let named = at(after, &format!("sync {dir}")).unwrap_or(usize::MAX);
        // Nothing that rests on it is written meanwhile.
        let next = at(after, &format!("write {WAL}")).unwrap_or(usize::MAX - 1);
        assert!(named < next, "the name of {to} was not durable\n{lines:#?}");
        renamed.push(format!("{dir}/{to}"));
    }
    renamed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_fsync_is_no_success_and_loses_nothing() {
    let mailbox = seed::mailbox(43, 300);
    let server = serve_well("u", &mailbox).await;
    let config = format!("{SHORT}{}", account("u", server.port(), "pw"));
    blocking(move || {
        // The first two of each file, and some of the others.
        let (_, lines) = watched(&Postrider::new(&config), &["sync", "--once"], None);
        let syncs: Vec<&String> = lines.iter().filter(|line| line.starts_with("sync ")).collect();
        let earlier = |n: usize| syncs[..n].iter().filter(|line| **line == syncs[n]).count();
        let chosen = (0..syncs.len()).filter(|n| earlier(*n) < 2 || n % 7 == 0);
        let (mut in_log, mut in_pack) = (0, 0);
        for fail in chosen.map(|n| u32::try_from(n).unwrap() + 1) {
            let postrider = Postrider::new(&config);
            let (ran, lines) = watched(&postrider, &["sync", "--once"], Some(fail));
            let Some(failed) = lines.iter().position(|line| line.starts_with("failed ")) else {
                break;
            };
            in_log += u32::from(lines[failed].ends_with(WAL));
            in_pack += u32::from(lines[failed].ends_with(".pack"));
            if ran.code == Some(0) {
                equal(&postrider, "u", &mailbox);
            } else {
                assert_eq!(ran.code, Some(7), "fsync {fail}: {}\n{}", ran.stdout, ran.stderr);
            }
            // Whatever wrote to the log afterwards made it durable as well, or ended there.
            let asked =
                last(&lines, &format!("sync {WAL}")).max(last(&lines, &format!("failed {WAL}")));
            assert!(last(&lines, &format!("write {WAL}")) <= asked, "fsync {fail}");
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            consistent(&postrider.database());
        }
        assert!(in_log > 2 && in_pack > 0, "{in_log} in the log, {in_pack} in packs");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_rests_on_nothing_that_a_power_cut_takes() {
    let mailbox = seed::mailbox(44, 60);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let (ran, lines) = watched(&postrider, &["sync", "--once"], None);
        ran.exits(0);
        let renamed = renames_are_durable(&lines);
        for file in ["data/instance", "data/bodies/instance", "data/starts"] {
            assert!(renamed.iter().any(|name| name == file), "{file}: {renamed:?}");
        }
        // The folders themselves are there after a power cut, before any pack is.
        let pack = lines.iter().position(|line| line.ends_with(".pack")).unwrap();
        for dir in [".", "data"] {
            assert!(
                at(&lines, &format!("sync {dir}")).is_some_and(|synced| synced < pack),
                "{dir}\n{lines:#?}"
            );
        }
        let packs =
            lines.iter().filter(|line| line.starts_with("write ") && line.ends_with(".pack"));
        for line in packs {
            assert!(
                last(&lines, line) < last(&lines, &line.replacen("write", "sync", 1)),
                "{line}"
            );
        }
        let commits = lines.iter().filter(|line| **line == format!("sync {WAL}")).count();
        assert!(commits > 10, "the log was made durable {commits} times");
    })
    .await;
}

#[test]
fn the_copy_is_durable_before_a_migration_begins() {
    let postrider = Postrider::new("");
    postrider.run(&["demo", "--once", "--data", "data"]).exits(0);
    change(&postrider.database(), "DELETE FROM seaql_migrations");
    let (ran, lines) = watched(&postrider, &["demo", "--once", "--data", "data"], None);
    ran.exits(0);
    let copy = |name: &&String| name.contains(".before-");
    assert!(renames_are_durable(&lines).iter().any(|name| copy(&name)), "{lines:#?}");
    let copied =
        lines.iter().position(|line| line.starts_with("rename ") && line.contains(".before-"));
    assert!(
        copied < at(&lines, &format!("write {WAL}")),
        "the migration began before the copy was there\n{lines:#?}"
    );
}

/// The database of yesterday is put back beside the bodies of today: what a newer copy of it may
/// name stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_takes_nothing_from_the_bodies() {
    let mailbox = seed::mailbox(45, 30);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        // A process that ends at once may leave its log to the next one.
        change(&postrider.database(), "PRAGMA wal_checkpoint(TRUNCATE)");
        std::fs::copy(postrider.database().file(), postrider.path("yesterday.db")).unwrap();
        mailbox.append("INBOX", crate::support::mail::note("today"));
        postrider.sync().exits(0);
        let newest = || {
            let packs = std::fs::read_dir(postrider.path("data/bodies"))
                .unwrap()
                .map(|entry| entry.unwrap().path());
            packs.filter(|path| path.extension().is_some_and(|e| e == "pack")).max().unwrap()
        };
        let (today, bytes) = (newest(), std::fs::read(newest()).unwrap());
        for rest in ["data/postrider.db-wal", "data/postrider.db-shm"] {
            drop(std::fs::remove_file(postrider.path(rest)));
        }
        std::fs::copy(postrider.path("yesterday.db"), postrider.database().file()).unwrap();
        for _ in 0..2 {
            postrider.sync().exits(0);
            assert_eq!(postrider.manifest("u"), expected(&mailbox));
            assert_eq!(std::fs::read(&today).unwrap(), bytes, "a pack that a newer copy names");
        }
        assert!(newest() > today, "an old pack is never appended to");
        // What was told of today's mail named it by number: none is used again, of an account neither.
        for number in [
            "SELECT max(seq) AS x FROM event",
            "SELECT max(id) AS x FROM message",
            "SELECT seq AS x FROM sqlite_sequence WHERE name = 'account'",
        ] {
            let got: i64 = ask(&postrider.database(), number).parse().unwrap();
            assert!(got > 1 << 32, "{number}: {got}");
        }
    })
    .await;
}

/// A file that cannot be read is not one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn small_files_that_cannot_be_read_are_named() {
    let mailbox = seed::mailbox(46, 3);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        std::fs::write(postrider.path("data/admin.url"), "http://127.0.0.1:1").unwrap();
        postrider.sync().exits(0);
        assert!(
            !postrider.path("data/admin.url").exists(),
            "who has the lock withdraws an older server's address"
        );
        for file in ["data/instance", "data/bodies/instance", "data/starts"] {
            let (path, kept) = (postrider.path(file), postrider.path("kept"));
            std::fs::rename(&path, &kept).unwrap();
            std::fs::create_dir(&path).unwrap();
            let ran = postrider.sync().exits(7);
            assert!(ran.stderr.contains(file), "{}", ran.stderr);
            std::fs::remove_dir(&path).unwrap();
            std::fs::rename(&kept, &path).unwrap();
        }
        let starts = postrider.path("data/starts");
        let kept = std::fs::read(&starts).unwrap();
        std::fs::write(&starts, "three\n").unwrap();
        let ran = postrider.sync().exits(7);
        assert!(
            ran.stderr.contains("data/starts") && ran.stderr.contains("two numbers"),
            "{}",
            ran.stderr
        );
        std::fs::write(&starts, kept).unwrap();
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
    })
    .await;
}
