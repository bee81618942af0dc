//! `sync --once` against the built-in server: mirrors, follows changes, stops and goes on.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{equal, sha256, state};
use crate::support::database::{TestDatabase, ask, rows};
use crate::support::mail::{Mail, Mailbox, blocking, note, seed, serve, serve_well};
use postrider_imapd::Misbehaviour;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn the_demo_mirrors_and_then_finds_nothing_to_do() {
    let postrider = Postrider::new("");
    let first = postrider.run(&["demo", "--once"]).exits(0);
    assert!(
        first.stdout.contains("success") && first.stdout.contains("the mirror is in demo-data"),
        "{}",
        first.stdout
    );
    let database = TestDatabase::File(postrider.path("demo-data/postrider.db"));
    let before = state(&database);
    assert!(before[0].parse::<u32>().unwrap() > 300, "{before:?}");
    let second = postrider.run(&["demo", "--once", "--wire-log", "wire"]).exits(0);
    assert!(second.stdout.contains("0 messages in"), "{}", second.stdout);
    assert_eq!(state(&database), before);
    let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
    assert!(!wire.contains("BODY") && wire.contains("EXAMINE"), "{wire}");
    postrider.run(&["verify", "demo", "--offline", "--data", "demo-data"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_what_happens_to_a_mailbox() {
    let mailbox = seed::mailbox(7, 150);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        let last = ask(&postrider.database(), "SELECT max(seq) AS x FROM event");
        let first_uid = |folder: &str| *mailbox.lock()[folder].mail.keys().next().unwrap();

        mailbox.append("INBOX", note("new").dated("01-Feb-2031 10:00:00 +0000"));
        mailbox.set_flags("INBOX", first_uid("INBOX"), &["\\Seen", "\\Flagged", "done"]);
        let gone = first_uid("Archive");
        mailbox.expunge("Archive", gone);
        mailbox.relocate("Sent", first_uid("Sent"), "Trash");
        mailbox.append("Fresh folder", note("in a folder that appeared"));
        mailbox.delete("Junk");
        // A folder ends at the second look only.
        let first = postrider.sync().exits(3);
        assert!(first.stdout.contains("LIST lacks 1 folder(s) (Junk)"), "{}", first.stdout);
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);

        let sql = format!("SELECT kind || ' ' || backfill AS x FROM event WHERE seq > {last} AND kind LIKE 'message%'");
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for kind in rows(&postrider.database(), &sql) {
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(kinds.get("message.moved 0"), Some(&1), "{kinds:?}");
        assert!(kinds.contains_key("message.updated 0") && kinds.contains_key("message.deleted 0"), "{kinds:?}");
        assert_eq!(kinds.get("message.created 0").copied().unwrap_or(0), 1, "only the arrival is new: {kinds:?}");
        let deleted = postrider.run(&["export", "u", "--deleted"]).exits(0);
        assert!(!deleted.stdout.is_empty());

        let before = state(&postrider.database());
        postrider.sync().exits(0);
        assert_eq!(state(&postrider.database()), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_takes_its_mail_with_it_at_once() {
    let mailbox = Mailbox::new();
    for folder in ["Kept", "Junk"] {
        mailbox.create(folder, "");
        for n in 0..3 {
            mailbox.append(folder, note(&format!("{folder} {n}")));
        }
    }
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        mailbox.delete("Junk");
        postrider.sync().exits(3);
        postrider.sync().exits(0);
        let ended = "SELECT kind || ' ' || count(*) AS x FROM event WHERE kind LIKE '%.deleted' GROUP BY kind";
        // Nothing else changes, so no later commit would tell it.
        assert_eq!(rows(&postrider.database(), ended), ["folder.deleted 1", "message.deleted 3"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_exact_bytes_under_safe_names() {
    let mailbox = Mailbox::new();
    mailbox.append("../up/..", note("escape"));
    mailbox.append("INBOX", seed::broken());
    mailbox.append("INBOX", Mail::new(&b""[..]));
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        postrider.run(&["export", "u", "--format", "eml", "--out", "files"]).exits(0);
        let escaped = postrider.path("files/%2E./up/%2E./1000.1.eml");
        assert_eq!(std::fs::read(escaped).unwrap(), *note("escape").raw);
        assert_eq!(
            std::fs::read(postrider.path("files/INBOX/1000.1.eml")).unwrap(),
            *seed::broken().raw
        );
        assert_eq!(std::fs::read(postrider.path("files/INBOX/1000.2.eml")).unwrap(), b"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_at_a_signal_and_goes_on_where_it_was() {
    let mailbox = seed::mailbox(3, 700);
    let slow = |_: &str, command: &str| {
        command.contains("BODY").then(|| Misbehaviour::Delay(Duration::from_millis(150)))
    };
    let server = serve(&[("u", &mailbox)], slow).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    let log = blocking(move || {
        let running = postrider.start(&["sync", "--once"], &[]);
        while !postrider.database().exists() || ask_stored(&postrider) < 1 {
            std::thread::sleep(Duration::from_millis(20));
        }
        let second = postrider.sync().exits(8);
        assert!(
            second.stderr.contains(&format!("process {}", running.child.id())),
            "{}",
            second.stderr
        );
        running.signal("INT");
        let ran = running.wait(Duration::from_secs(10)).exits(130);
        assert!(ran.stdout.contains("cancelled"), "{}", ran.stdout);
        let stored = ask_stored(&postrider);
        assert!(stored > 0);

        let running = postrider.start(&["sync", "--once"], &[]);
        while ask_stored(&postrider) <= stored {
            std::thread::sleep(Duration::from_millis(20));
        }
        running.signal("KILL");
        assert_eq!(running.wait(Duration::from_secs(10)).code, None);

        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        ask_stored(&postrider)
    })
    .await;
    assert!(log > 600);
}

fn ask_stored(postrider: &Postrider) -> u64 {
    // The tables may not be there yet.
    if !postrider.database().is_made() {
        return 0;
    }
    ask(&postrider.database(), "SELECT count(*) AS x FROM message").parse().unwrap()
}

/// What a header says stands in the columns that are named after it.
#[tokio::test(flavor = "multi_thread")]
async fn headers_are_stored_under_their_names() {
    let mailbox = Mailbox::new();
    mailbox.append(
        "INBOX",
        Mail::new(
            "Message-ID: <one@example.org>\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nFrom: Ann <a@example.org>\r\n\
             To: b@example.org, Bo <c@example.org>\r\nCc: d@example.org\r\n\
             Date: Thu, 1 Feb 2024 10:00:00 +0000\r\n\r\nbody\r\n",
        )
        .dated("02-Feb-2024 11:00:00 +0000"),
    );
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.run(&["sync", "--once"]).exits(0);
        let columns = "message_id, subject, from_text, to_text, cc_text, date, parse, internal_date, (CASE WHEN announced IS NULL THEN 1 ELSE 0 END), places, size";
        let each = columns.split(", ").map(|c| format!("COALESCE(CAST({c} AS TEXT), 'NULL')")).collect::<Vec<_>>().join(" || ' | ' || ");
        let stored = ask(&postrider.database(), &format!("SELECT {each} AS x FROM message"));
        let size = mailbox.all()[0].2.raw.len();
        let want = format!(
            "one@example.org | café | Ann <a@example.org> | b@example.org, Bo <c@example.org> | d@example.org | \
             1706781600000000 | ok | 1706871600000000 | 1 | 1 | {size}"
        );
        assert_eq!(stored, want);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_streams() {
    let mailbox = Mailbox::new();
    let mut raw = b"Subject: large\r\nFrom: a@example.org\r\n\r\n".to_vec();
    raw.resize(60 << 20, b'x');
    let hash = sha256(&raw);
    mailbox.append("INBOX", Mail::new(raw));
    mailbox.append("INBOX", note("beside it"));
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let ran = postrider.sync().exits(0);
        assert!(
            ran.peak_kib > 0 && ran.peak_kib < 60 << 10,
            "peak {} KiB for a message of 60 MiB",
            ran.peak_kib
        );
        assert!(postrider.manifest("u").iter().any(|line| line.contains(&hash)));
        postrider.run(&["verify", "u", "--offline"]).exits(0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_loss_needs_two_looks() {
    let mailbox = Mailbox::new();
    for n in 0..120 {
        mailbox.append("INBOX", note(&format!("n{n}")));
    }
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        for uid in 1..=100 {
            mailbox.expunge("INBOX", uid);
        }
        let first = postrider.sync().exits(3);
        assert!(first.stdout.contains("a second look"), "{}", first.stdout);
        assert_eq!(postrider.manifest("u").len(), 120, "one look ends nothing");
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        assert_eq!(
            ask(
                &postrider.database(),
                "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'"
            ),
            "100"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_is_one_failure_and_not_the_page() {
    let mailbox = Mailbox::new();
    for n in 0..40 {
        mailbox.append("INBOX", note(&format!("n{n}")));
    }
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        // Makes the schema; then the database itself refuses one message for its content.
        mailbox.lock().get_mut("INBOX").unwrap().mail.clear();
        postrider.sync().exits(0);
        crate::support::database::refuse(&postrider.database(), "n17");
        for n in 0..40 {
            mailbox.append("INBOX", note(&format!("n{n}")));
        }
        postrider.sync().exits(3);
        assert_eq!(postrider.manifest("u").len(), 39);
        let ledger = "SELECT class || ' ' || reach || ' ' || count(*) AS x FROM failure WHERE closed_at IS NULL GROUP BY class, reach";
        assert_eq!(ask(&postrider.database(), ledger), "invalid_data message 1");
        crate::support::database::forgive(&postrider.database());
        crate::support::database::change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_tried_again_and_then_kept() {
    let mailbox = seed::mailbox(5, 60);
    let uid = *mailbox.lock()["INBOX"].mail.keys().nth(4).unwrap();
    let refusals = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&refusals);
    let script = move |_: &str, command: &str| {
        if counter.load(Ordering::SeqCst) > 1000 {
            return None;
        }
        // The page with the bad message is refused after its data, the bad message always.
        if command.starts_with(&format!("UID FETCH {uid} ")) && command.contains("BODY") {
            counter.fetch_add(1, Ordering::SeqCst);
            return Some(Misbehaviour::Refuse("NO cannot read that".into()));
        }
        command.contains("BODY").then_some(Misbehaviour::LoseUid(uid))
    };
    let server = serve(&[("u", &mailbox)], script).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let ran = postrider.sync().exits(3);
        assert!(ran.stdout.contains("could not be fetched"), "{}", ran.stdout);
        let ledger =
            "SELECT uid || ' ' || class || ' ' || text AS x FROM failure WHERE closed_at IS NULL AND uid IS NOT NULL";
        assert_eq!(ask(&postrider.database(), ledger), format!("{uid} invalid_data the server said cannot read that"));
        // Not due yet: the same run again asks for nothing, and says what is open.
        let asked = refusals.load(Ordering::SeqCst);
        postrider.sync().exits(3);
        assert_eq!(refusals.load(Ordering::SeqCst), asked, "a failure is not hammered");
        refusals.store(2000, Ordering::SeqCst);
        crate::support::database::change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// Every regular file below a folder.
fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Names that a disk takes for one, and nothing that others may read, whatever the umask.
#[tokio::test(flavor = "multi_thread")]
async fn exported_files_are_as_many_as_locations_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let mailbox = seed::mailbox(7, 5);
    let long = "n".repeat(210);
    let long = |end: &str| format!("{long}{end}");
    let names = [
        "Foo", "foo", "x//y", "x/_/y", "x/%_/y", "con:", "con%3A", "a.eml", "1.1.eml", "..", "%2E.",
    ];
    for name in names.map(str::to_owned).into_iter().chain([long("a"), long("b"), long("A")]) {
        mailbox.create(&name, "");
        mailbox.append(&name, note(&name));
        mailbox.append(&name, note("the same in all"));
    }
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.shell("umask 000; exec \"$0\" sync --once").exits(0);
        equal(&postrider, "u", &mailbox);
        let told =
            postrider.shell("umask 000; exec \"$0\" export u --format eml --out files").exits(0);
        let count = mailbox.all().len();
        let written = files(&postrider.path("files"));
        assert_eq!(written.len(), count, "{}\n{written:#?}", told.stderr);
        assert!(told.stderr.contains(&format!("{count} files")), "{}", told.stderr);
        for path in files(&postrider.path("data")).into_iter().chain(written) {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        }
    })
    .await;
}
