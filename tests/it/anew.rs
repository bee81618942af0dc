//! Folders whose UIDs begin anew: a real server that has lost its list of UIDs.

use crate::dovecot::{client, truth};
use crate::support::binary::{Postrider, SHORT};
use crate::support::check::consistent;
use crate::support::database::{ask, change, rows};
use crate::support::dovecot::Dovecot;
use crate::support::mail::blocking;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn follower(server: &Dovecot) -> Postrider {
    // A folder of 5,000 files is not opened in half a second where others use the disk, too.
    let waits = SHORT.replace("silence = \"500ms\"", "silence = \"10s\"");
    Postrider::new(&format!(
        "{waits}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.port
    ))
}

fn maildir(server: &Dovecot) -> PathBuf {
    Path::new(&server.file("mail/u/Maildir/.Big")).to_path_buf()
}

/// Mail in a folder, as files; some of it twice.
pub(crate) fn fill(server: &Dovecot, count: usize) {
    let folder = maildir(server);
    for name in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fs::write(folder.join("maildirfolder"), "").unwrap();
    for n in 0..count {
        let of = if n % 50 == 49 { n - 1 } else { n };
        let raw = format!("Message-ID: <{of}@example.org>\r\nSubject: {of}\r\n\r\nText {of}\r\n");
        let name = format!("{}.M{n}P1.host,S={}:2,S", 1_600_000_000 + of, raw.len());
        let path = folder.join("cur").join(name);
        fs::write(&path, raw).unwrap();
        let at = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + of as u64);
        fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }
    server.own(Path::new(&server.file("mail")));
}

/// Nobody has a folder open any more: a server that closes one writes its UIDs.
fn alone(server: &Dovecot) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while who(server).contains("username=u ") {
        assert!(Instant::now() < deadline, "sessions stay: {}", who(server));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Dovecot's own list of sessions.
pub(crate) fn who(server: &Dovecot) -> String {
    let conf = server.file("dovecot.conf");
    let told = Command::new("doveadm").args(["-c", &conf, "-f", "flow", "who"]).output();
    String::from_utf8(told.unwrap().stdout).unwrap()
}

/// The server forgets its UIDs: it numbers anew, under another UIDVALIDITY.
fn forget(server: &Dovecot) {
    for entry in fs::read_dir(maildir(server)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("dovecot-uidlist") || name.starts_with("dovecot.index") {
            fs::remove_file(path).ok();
        }
    }
}

/// Message and number of copies, with the folder's UIDVALIDITY.
fn held(postrider: &Postrider) -> (Vec<String>, String) {
    let sql = "SELECT l.message || ' ' || hex(b.hash) || ' ' || count(*) AS x FROM location l JOIN message m ON m.id = l.message JOIN body b ON b.id = m.body \
               WHERE l.ended_at IS NULL GROUP BY l.message ORDER BY l.message";
    let validity = "SELECT uidvalidity AS x FROM folder WHERE path = 'Big'";
    (rows(&postrider.database(), sql), ask(&postrider.database(), validity))
}

const RESETS: &str = "SELECT count(*) AS x FROM event WHERE kind = 'folder.reset'";
const TOLD: &str = "SELECT count(*) AS x FROM event WHERE message IS NOT NULL";

fn wire(postrider: &Postrider) -> String {
    fs::read_to_string(postrider.path("wire")).unwrap_or_default()
}

/// Twice, once while the first time is being matched: no body is read again, nothing is told of any
/// message, each is the row that it was.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_not_read_again() {
    let server = Dovecot::start();
    fill(&server, 5000);
    let mut other = client(&server, "u").await;
    let want = truth(&mut other).await;
    assert_eq!(want.len(), 5000);
    // A server ends the sessions that have such a folder open.
    other.logout().await.unwrap();
    let (postrider, server) = blocking(move || {
        let postrider = follower(&server);
        let ran = postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
        let (before, validity) = held(&postrider);
        let log = fs::read_to_string(server.file("log")).unwrap();
        assert_eq!(before.len(), 4900, "{}\n{}\nthe server:\n{log}", ran.stdout, wire(&postrider));
        fs::remove_file(postrider.path("wire")).unwrap();
        let told = ask(&postrider.database(), TOLD);
        alone(&server);
        forget(&server);
        let running = postrider.start(&["sync", "--once", "--wire-log", "wire"], &[]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !wire(&postrider).contains("HEADER.FIELDS") {
            assert!(Instant::now() < deadline, "nothing is matched");
            std::thread::sleep(Duration::from_millis(1));
        }
        forget(&server);
        running.wait(Duration::from_secs(60));
        // What a server says whose files go under its hands is asked again at once.
        change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
        let mut wires = wire(&postrider);
        fs::remove_file(postrider.path("wire")).unwrap();
        postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
        wires.push_str(&wire(&postrider));
        assert!(!wires.contains("BODY.PEEK[])"), "a body is read again");
        let (after, other_validity) = held(&postrider);
        assert!(validity != other_validity && before == after);
        assert_eq!(ask(&postrider.database(), TOLD), told);
        assert!(["1", "2"].contains(&ask(&postrider.database(), RESETS).as_str()));
        (postrider, server)
    })
    .await;
    let mut other = client(&server, "u").await;
    let still = truth(&mut other).await;
    other.logout().await.unwrap();
    assert_eq!(still, want, "the server is as it was");
    blocking(move || {
        assert_eq!(postrider.manifest("u"), want);
        postrider.run(&["verify", "u"]).exits(0);
        consistent(&postrider.database());
        drop(server);
    })
    .await;
}

/// Killed at each durable step of it: it is as if nothing had happened, or as if all had.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_it_undone_or_done() {
    let server = Dovecot::start();
    fill(&server, 60);
    blocking(move || {
        let postrider = follower(&server);
        postrider.sync().exits(0);
        let (before, mut validity) = held(&postrider);
        let told = ask(&postrider.database(), TOLD);
        let steps = ["begun", "rows_written", "before_commit", "committed", "answered"];
        for fault in steps.iter().flat_map(|step| (1..=3).map(move |n| format!("store.{step}:{n}")))
        {
            forget(&server);
            let env = [("POSTRIDER_FAULT", fault.as_str())];
            let killed = postrider.run_with(&["sync", "--once"], &env);
            assert_ne!(killed.code, Some(0), "{fault}");
            let (there, _) = held(&postrider);
            assert_eq!(there, before, "{fault}");
            fs::remove_file(postrider.path("wire")).ok();
            // Hourly, where it happens so often.
            let sql = "UPDATE cursor SET state = json_remove(state, '$.state.resets') WHERE lane = 'live'";
            change(&postrider.database(), sql);
            postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
            assert!(!wire(&postrider).contains("BODY.PEEK[])"), "{fault}");
            let (after, now) = held(&postrider);
            assert_eq!(after, before, "{fault}");
            assert_ne!(std::mem::replace(&mut validity, now.clone()), now, "{fault}");
            assert_eq!(ask(&postrider.database(), TOLD), told, "{fault}");
        }
        assert_eq!(ask(&postrider.database(), RESETS), "15");
        consistent(&postrider.database());
        postrider.run(&["verify", "u"]).exits(0);
    })
    .await;
}

/// The server is put back from a backup of yesterday, and mail comes under the same UIDs until their
/// numbers are what they were: counting shows nothing. Within a day the mirror is the server, and
/// what was lost there is kept here, as deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_put_back_is_seen_within_a_day() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    let maildir = server.file("mail/u/Maildir");
    let backup = server.file("mail/backup");
    let copy = |from: &str, to: &str| {
        fs::remove_dir_all(to).ok();
        let copied = std::process::Command::new("cp").args(["-a", from, to]).status().unwrap();
        assert!(copied.success());
    };
    let append = async |other: &mut crate::dovecot::Client, what: &str, count: usize| {
        for n in 0..count {
            let raw = format!("Message-ID: <{what}.{n}>\r\nSubject: {what}\r\n\r\n{what} {n}\r\n");
            other.append("INBOX", None, None, raw.as_bytes()).await.unwrap();
        }
    };
    append(&mut other, "old", 10).await;
    copy(&maildir, &backup);
    append(&mut other, "lost", 5).await;
    let postrider = follower(&server);
    let postrider = blocking(move || {
        postrider.sync().exits(0);
        postrider
    })
    .await;
    other.logout().await.unwrap();
    copy(&backup, &maildir);
    let mut other = client(&server, "u").await;
    append(&mut other, "found", 5).await;
    let want = truth(&mut other).await;
    blocking(move || {
        // A day later.
        postrider.sync();
        let day = "UPDATE folder SET opened_at = opened_at - 86400000000";
        change(&postrider.database(), day);
        let day = "UPDATE cursor SET state = json_remove(state, '$.state.flags', '$.state.compared_at') WHERE lane = 'live'";
        change(&postrider.database(), day);
        postrider.sync();
        postrider.sync();
        assert_eq!(postrider.manifest("u"), want);
        let deleted = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), deleted), "5");
        let kept = "SELECT count(*) AS x FROM message m JOIN body b ON b.id = m.body";
        assert_eq!(ask(&postrider.database(), kept), "20");
        postrider.run(&["verify", "u"]).exits(0);
        consistent(&postrider.database());
    })
    .await;
    other.logout().await.unwrap();
}
