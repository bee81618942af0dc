//! What is derived of stored mail: the same whatever happens on the way, and nothing of it in the sync's way.

use crate::support::binary::{Postrider, account};
use crate::support::check::equal;
use crate::support::database::{TestDatabase, ask, change, rows};
use crate::support::mail::{Mail, Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_core::derive::{Derived, Octets, Reads, VERSION, rank};
use postrider_core::mail::id::MessageId;
use postrider_core::time::Micros;
use std::convert::Infallible;
use std::ops::{Add, Range};
use std::time::Duration;

/// A mail in memory.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl Octets for Raw<'_> {
    type Error = Infallible;

    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, range: Range<u64>, take: &mut dyn FnMut(&[u8])) -> Result<(), Infallible> {
        take(&self.0[range.start as usize..range.end as usize]);
        Ok(())
    }
}

/// A mail with files, the `n`-th.
fn with_files(n: u32) -> Mail {
    Mail::new(format!(
        "From: a{n}@example.org\r\nSubject: files {n}\r\nList-Id: <l{n}.example.org>\r\n\
         Date: Thu, 1 Feb 2024 10:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
         text  of\r\n{n}\r\n--b\r\nContent-Type: image/png; name=\"i{n}.png\"\r\nContent-ID: <c{n}>\r\n\
         Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b\r\nContent-Type: application/x-z\r\n\
         Content-Disposition: attachment; filename*=utf-8''%c3%bc{n}\r\n\r\n{}\r\n--b--\r\n",
        "x".repeat(n as usize)
    ))
}

/// Bytes that no mail should be.
fn broken(n: u32) -> Mail {
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(60);
    Mail::new(format!("Subject: deep {n}\r\n{nested}x"))
}

fn fill(mailbox: &Mailbox, from: u32, count: u32) {
    for n in from..from + count {
        mailbox.append(
            "INBOX",
            match n % 3 {
                0 => with_files(n),
                1 => note(&format!("plain {n}")),
                _ => broken(n),
            },
        );
    }
}

const DERIVED: &str = "SELECT hex(b.hash) || ' ' || d.account || ' ' || d.message || ' ' || d.rank || ' ' || d.received_at || ' ' || \
     d.snippet || ' ' || d.attachments || ' ' || COALESCE(d.list_id, '-') || ' ' || d.parse || ' ' || COALESCE(d.error, '-') \
     || ' ' || d.version AS x FROM derived d JOIN message m ON m.id = d.message JOIN body b ON b.id = m.body ORDER BY x";

const FILES: &str = "SELECT hex(b.hash) || ' ' || a.part || ' ' || a.type || ' ' || COALESCE(a.name, '-') || ' ' || CASE WHEN a.inline \
     THEN 1 ELSE 0 END || ' ' || COALESCE(a.content_id, '-') || ' ' || a.encoding || ' ' || a.\"offset\" || ' ' || a.octets || ' ' || \
     a.size || ' ' || hex(a.sha256) AS x FROM attachment a JOIN message m ON m.id = a.message JOIN body b ON b.id = m.body ORDER BY x";

/// What there is of it.
fn derived(database: &TestDatabase) -> (Vec<String>, Vec<String>) {
    (rows(database, DERIVED), rows(database, FILES))
}

/// What there must be: each message read by itself.
fn expected(database: &TestDatabase, mailboxes: &[&Mailbox]) -> (Vec<String>, Vec<String>) {
    let hex = |octets: &[u8]| octets.iter().map(|o| format!("{o:02X}")).collect::<String>();
    let (mut mails, mut files) = (Vec::new(), Vec::new());
    let all = "SELECT hex(b.hash) || ' ' || m.account || ' ' || m.id || ' ' || COALESCE(m.internal_date, m.date, m.stored_at) AS x \
               FROM message m JOIN body b ON b.id = m.body";
    for line in rows(database, all) {
        let [hash, account, id, received] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let mut raws = mailboxes.iter().flat_map(|mailbox| mailbox.all());
        let raw = raws
            .find(|(_, _, mail)| crate::support::check::sha256(&mail.raw).to_uppercase() == hash);
        let (_, _, mail) = raw.unwrap();
        let Ok(read) = Derived::read(&mut Raw(&mail.raw), Reads::Off);
        let received = Micros(received.parse().unwrap());
        let rank = rank(received, MessageId(id.parse().unwrap()));
        let parse = if read.is_lenient { "lenient" } else { "ok" };
        mails.push(format!(
            "{hash} {account} {id} {rank} {} {} {} {} {parse} - {VERSION}",
            received.0,
            read.snippet,
            read.attachments.len(),
            read.header.list_id.as_deref().unwrap_or("-"),
        ));
        files.extend(read.attachments.iter().map(|file| {
            format!(
                "{hash} {} {} {} {} {} {} {} {} {} {}",
                file.number,
                file.media_type,
                file.name.as_deref().unwrap_or("-"),
                u8::from(file.is_inline),
                file.content_id.as_deref().unwrap_or("-"),
                file.encoding.as_str(),
                file.octets.start,
                file.octets.end - file.octets.start,
                file.size,
                hex(&file.sha256),
            )
        }));
    }
    mails.sort();
    files.sort();
    (mails, files)
}

/// A config that derives what is there.
pub(crate) fn config(port: u16, ids: &[&str]) -> String {
    format!("{}{}", head(), ids.iter().map(|id| account(id, port, "pw")).collect::<String>())
}

/// Messages of which nothing is derived.
const LEFT: &str = "SELECT (SELECT count(*) FROM message) - (SELECT count(*) FROM derived) AS x";

/// Waits until nothing is owed.
pub(crate) fn wait_until_derived(served: &Served, database: &TestDatabase) {
    wait_until(&format!("everything derived\n{}", served.running.stderr()), || {
        ask(database, LEFT) == "0"
            && served.get("/v1/accounts")["items"]
                .as_array()
                .unwrap()
                .iter()
                .all(|account| account["derived"]["behind"] == 0)
    });
}

/// What was stored before, what comes while it runs: each is derived once, with its own bytes.
#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_read_into_its_rows() {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    let server = serve(&[("u", &u), ("v", &v)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u", "v"]));
    blocking(move || {
        fill(&u, 0, 40);
        fill(&v, 20, 40);
        postrider.sync().exits(0);
        let database = postrider.database();
        assert_eq!(ask(&database, "SELECT count(*) AS x FROM derived"), "0", "nobody waits for it");
        let served = postrider.serve(&[]);
        wait_until_derived(&served, &database);
        assert_eq!(derived(&database), expected(&database, &[&u, &v]));
        served.wait_for_state("u", "idle");
        fill(&u, 100, 9);
        served.settle(&postrider, "u", &u);
        wait_until_derived(&served, &database);
        let all = derived(&database);
        assert_eq!(all, expected(&database, &[&u, &v]));
        assert!(all.1.iter().any(|line| line.contains("\u{fc}3")), "{:?}", all.1);
        let kept = "SELECT count(*) AS x FROM account WHERE derive->>'asked' IS NOT NULL";
        assert_eq!(ask(&database, kept), "0", "nothing is being read");
        assert_eq!(served.metric("postrider_derive_behind_messages"), 0.0);
        served.running.signal("TERM");
        served.running.wait(SOON).exits(0);
        equal(&postrider, "u", &u);
    })
    .await;
}

/// A process that is killed at each step reads again what it has not kept, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_changes_nothing() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        fill(&u, 0, 12);
        postrider.sync().exits(0);
        let database = postrider.database();
        let want = expected(&database, &[&u]);
        for point in ["derive.reading", "derive.written", "derive.kept"] {
            let mut killed = 0;
            for nth in 1..6 {
                change(&database, "DELETE FROM attachment");
                change(&database, "DELETE FROM derived");
                change(&database, "UPDATE account SET derive = NULL");
                let fault = format!("{point}:{nth}");
                let mut running = postrider.start(&["serve"], &[("POSTRIDER_FAULT", &fault)]);
                wait_until("a kill, or the end", || {
                    running.child.try_wait().unwrap().is_some() || ask(&database, LEFT) == "0"
                });
                if running.child.try_wait().unwrap().is_none() {
                    running.signal("TERM");
                }
                let ran = running.wait(SOON);
                let is_hit = ran.stderr.contains("scripted fault");
                assert_eq!(ran.code, if is_hit { None } else { Some(0) }, "{}", ran.stderr);
                killed += usize::from(is_hit);
                let served = postrider.serve(&[]);
                wait_until_derived(&served, &database);
                assert_eq!(derived(&database), want, "{fault}");
                let left_out = &served.account("u")["derived"]["left_out"];
                assert_eq!(left_out.as_array().map(Vec::len), Some(0), "{fault}");
                stop(served);
            }
            assert!(killed > 1, "{point}: {killed}");
        }
    })
    .await;
}

/// The longest that a process takes to end.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn stop(served: Served) {
    served.running.signal("TERM");
    served.running.wait(SOON).exits(0);
}

/// A mail at which the process ends twice is left out and named; the others are read, and it is tried again
/// when somebody asks.
#[tokio::test(flavor = "multi_thread")]
async fn who_ends_the_process_twice_is_left_out() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        fill(&u, 0, 7);
        postrider.sync().exits(0);
        let database = postrider.database();
        for _ in 0..2 {
            let killed = postrider.start(&["serve"], &[("POSTRIDER_FAULT", "derive.reading:1")]);
            assert_eq!(killed.wait(SOON).code, None);
        }
        let served = postrider.serve(&[]);
        wait_until("all but one", || ask(&database, LEFT) == "1");
        let missing = ask(
            &database,
            "SELECT id AS x FROM message WHERE id NOT IN (SELECT message FROM derived)",
        );
        let shown = served.account("u")["derived"].clone();
        assert_eq!(shown["left_out"].to_string(), format!("[{missing}]"));
        assert_eq!(shown["behind"], 0);
        let told = format!("nothing is derived of {missing}");
        wait_until("it is told", || served.running.stderr().contains(&told));
        let status = postrider.run(&["status", "u"]).exits(0).stdout;
        assert!(status.contains("1 left out"), "{status}");
        // Who asks for it is given its octets, and nobody parses it.
        let told = served.get(&format!("/v1/messages/{missing}"));
        assert!(told["damaged"].as_str().unwrap().contains("twice"), "{told}");
        for (of, status) in
            [("raw", 200), ("headers", 200), ("text", 502), ("html", 502), ("parts/1", 502)]
        {
            let path = format!("/v1/messages/{missing}/{of}");
            assert_eq!(served.ask("GET", &path).0, status, "{path}");
        }
        postrider.run(&["reindex", "u", "--wait"]).exits(0);
        assert_eq!(derived(&database), expected(&database, &[&u]));
        assert_eq!(served.account("u")["derived"]["left_out"].to_string(), "[]");
        stop(served);
    })
    .await;
}

/// A panic costs its mail what is derived of it, and says nothing of what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_one_mail_what_is_derived() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        fill(&u, 0, 7);
        postrider.sync().exits(0);
        let database = postrider.database();
        let served = postrider.serve(&[("POSTRIDER_FAULT", "panic.reading:3")]);
        wait_until_derived(&served, &database);
        let failed = "SELECT count(*) || ' ' || max(error) || max(snippet) AS x FROM derived WHERE parse = 'failed'";
        assert_eq!(ask(&database, failed), "1 its parser panicked");
        let said = served.running.stderr();
        assert!(said.contains("a mail could not be parsed: a panic at src/fault.rs"), "{said}");
        assert!(!said.contains("scripted fault"), "what a panic says may be of the mail: {said}");
        postrider.run(&["reindex", "--wait"]).exits(0);
        assert_eq!(derived(&database), expected(&database, &[&u]));
        stop(served);
    })
    .await;
}

/// The actor that dies goes on from its rows.
#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_dies_goes_on() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        fill(&u, 0, 7);
        postrider.sync().exits(0);
        let database = postrider.database();
        let served = postrider.serve(&[("POSTRIDER_FAULT", "panic.derive:1-2")]);
        wait_until_derived(&served, &database);
        assert_eq!(derived(&database), expected(&database, &[&u]));
        assert_eq!(served.actor("root/derive").unwrap()["restarts"], 2);
        stop(served);
    })
    .await;
}

/// What was made of a mail by other code, or by hand, is made anew; and what is as it should be stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn other_code_and_a_reindex_make_the_same_rows() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        fill(&u, 0, 30);
        postrider.sync().exits(0);
        let database = postrider.database();
        let served = postrider.serve(&[]);
        wait_until_derived(&served, &database);
        let want = derived(&database);
        assert_eq!(want, expected(&database, &[&u]));
        for damage in [
            "UPDATE derived SET snippet = 'another', parse = 'ok', attachments = 9",
            "DELETE FROM attachment",
            "UPDATE attachment SET name = 'another', size = 1",
            "DELETE FROM derived",
            "UPDATE derived SET rank = 5",
        ] {
            change(&database, damage);
            assert_ne!(derived(&database), want, "{damage}");
            postrider.run(&["reindex", "u", "--wait"]).exits(0);
            assert_eq!(derived(&database), want, "{damage}");
        }
        stop(served);
        // Rows of code that was.
        change(&database, "UPDATE derived SET version = 0, snippet = 'as it was'");
        let before = format!(
            "UPDATE account SET derive = replace(derive, '\"version\":{VERSION}', '\"version\":0')"
        );
        change(&database, before.leak());
        let left = "SELECT count(*) AS x FROM derived WHERE version = 0";
        assert_eq!(ask(&database, left), "30", "who only stores leaves them");
        postrider.sync().exits(0);
        assert_eq!(ask(&database, left), "30");
        let served = postrider.serve(&[]);
        wait_until("none of them is left", || ask(&database, left) == "0");
        wait_until_derived(&served, &database);
        assert_eq!(derived(&database), want);
        let other = served.ask("POST", "/v1/accounts/nobody/reindex");
        assert_eq!(other.0, 404, "{other:?}");
        stop(served);
    })
    .await;
}

/// Where the config has it off nothing is read, and whoever asks for it is told why.
#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_off_nothing_is_derived() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let off =
        config(server.port(), &["u"]).replace("[limits]\n", "[limits]\nderive_bytes = \"0\"\n");
    let postrider = Postrider::new(&off);
    blocking(move || {
        fill(&u, 0, 7);
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        assert!(served.actor("root/derive").is_none());
        let (status, said) = served.ask("POST", "/v1/accounts/u/reindex");
        assert!(status == 409 && said.to_string().contains("limits.derive_bytes"), "{said}");
        assert_eq!(served.account("u")["derived"]["behind"], 7);
        let ran = postrider.run(&["reindex", "u"]);
        assert!(ran.code == Some(2) && ran.stderr.contains("limits.derive_bytes"), "{ran:?}");
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM derived"), "0");
        stop(served);
    })
    .await;
}

/// An account that goes takes it along.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_it_along() {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    let server = serve(&[("u", &u), ("v", &v)], |_, _| None).await;
    let both = config(server.port(), &["u", "v"]);
    let postrider = Postrider::new(&both);
    blocking(move || {
        fill(&u, 0, 9);
        fill(&v, 100, 9);
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        served.settle(&postrider, "v", &v);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        stop(served);
        std::fs::write(postrider.path("config.toml"), config(server.port(), &["v"])).unwrap();
        postrider.run(&["account", "purge", "u", "--yes"]).exits(0);
        assert_eq!(derived(&database), expected(&database, &[&v]));
        let strays = "SELECT (SELECT count(*) FROM derived WHERE message NOT IN (SELECT id FROM message)) + (SELECT count(*) \
                      FROM attachment WHERE message NOT IN (SELECT id FROM message)) + (SELECT count(*) FROM thread WHERE id \
                      NOT IN (SELECT id FROM message)) + (SELECT count(*) FROM thread_alias WHERE id NOT IN (SELECT id FROM \
                      message)) + (SELECT count(*) FROM thread_key WHERE account NOT IN (SELECT id FROM account)) AS x";
        assert_eq!(ask(&database, strays), "0");
    })
    .await;
}

/// A mail of which each seven octets are a file.
fn digest(n: u32) -> String {
    let parts = "--m\r\n\r\n".repeat(6000);
    format!(
        "Subject: digest{n}\r\nContent-Type: multipart/digest; boundary=m\r\n\r\n{parts}--m--\r\n"
    )
}

/// While the folder of packs cannot be read nothing is said of the mails in it.
#[tokio::test(flavor = "multi_thread")]
async fn packs_that_are_away_are_waited_for() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        fill(&u, 0, 12);
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        let (bodies, away) = (postrider.path("data/bodies"), postrider.path("data/away"));
        std::fs::rename(&bodies, &away).unwrap();
        postrider.run(&["reindex", "u"]).exits(0);
        wait_until("it is told", || {
            let actor = served.actor("root/derive").unwrap();
            actor["last_failure"]["text"].to_string().contains("stored mail cannot be read")
        });
        let failed = "SELECT count(*) AS x FROM derived WHERE parse = 'failed'";
        assert_eq!(ask(&database, failed), "0");
        assert_eq!(served.account("u")["derived"]["behind"], 12);
        std::fs::rename(&away, &bodies).unwrap();
        wait_until_derived(&served, &database);
        assert_eq!(derived(&database), expected(&database, &[&u]));
        stop(served);
    })
    .await;
}

/// Mails made to be hard: however much lies in one, memory is bounded, and what comes meanwhile is not late.
#[tokio::test(flavor = "multi_thread")]
async fn hard_mails_take_little_memory() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        u.append("INBOX", note("first"));
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        let before = served.peak();
        let parts = "--b\r\nContent-Type: image/png; name=x.png\r\n\r\nx\r\n".repeat(20_000);
        let file = "QUJD".repeat(19).add("\r\n").repeat(500_000);
        let hard = [
            format!("Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n"),
            format!("Subject: nested\r\n{}x", "Content-Type: message/rfc822\r\n\r\n".repeat(400)),
            format!("Subject: header\r\n{}\r\nx", "X-Long: yes\r\n".repeat(2_000_000)),
            format!("Subject: people\r\nTo: {}\r\n\r\nx", "Some Body <some.body@example.org>, ".repeat(100_000)),
            format!("Subject: references\r\nReferences: {}\r\n\r\nx", "<r@example.org> ".repeat(5_000)),
            format!(
                "Subject: file\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/zip\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{file}--b--\r\n"
            ),
            digest(1),
            digest(2),
            digest(3),
            digest(4),
            format!("Subject: text\r\nContent-Type: text/html\r\n\r\n{}", "<p>words <b>".repeat(1_000_000)),
        ];
        let count = hard.len();
        for mail in hard {
            u.append("INBOX", Mail::new(mail));
        }
        u.append("INBOX", note("last"));
        served.settle(&postrider, "u", &u);
        wait_until_derived(&served, &database);
        let found = "SELECT m.subject || ' ' || d.attachments || ' ' || d.parse AS x FROM derived d JOIN message m ON m.id = d.message ORDER BY x";
        let found = rows(&database, found);
        assert_eq!(found.len(), count + 2);
        for line in ["file 1 ok", "nested 1 lenient", "parts 9999 lenient", "text 0 ok"] {
            assert!(found.iter().any(|found| found == line), "{line}: {found:?}");
        }
        let size = "SELECT size AS x FROM attachment WHERE type = 'application/zip'";
        assert_eq!(ask(&database, size), (500_000 * 19 * 3).to_string());
        served.has_cost_little(before, "hard mails", 0);
        stop(served);
    })
    .await;
}
