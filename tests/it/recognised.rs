//! Mail that is held already: it is not read again, wherever it turns up, and a move is told as one.

use crate::dovecot::{client, fill, truth};
use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::database::{ask, rows};
use crate::support::dovecot::Dovecot;
use crate::support::mail::{Mail, Mailbox, blocking};
use crate::support::served::{head, until};
use futures::TryStreamExt;
use postrider_imapd::{Misbehaviour, Server, User};
use std::collections::BTreeMap;

const KINDS: &str = "SELECT group_concat(kind || ' ' || n, ', ') AS x FROM (SELECT kind, count(*) AS n FROM event WHERE kind LIKE 'message.%' GROUP BY kind ORDER BY kind)";

/// Of what was created, what was moved.
const MOVED: &str =
    "SELECT sum(kind = 'message.moved') || ' of ' || sum(kind = 'message.created') AS x FROM event";

fn wire(postrider: &Postrider) -> String {
    let wire = std::fs::read_to_string(postrider.path("wire")).unwrap_or_default();
    std::fs::remove_file(postrider.path("wire")).ok();
    wire
}

/// Syncs once; returns how often bodies were asked for.
fn reads(postrider: &Postrider) -> usize {
    postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
    wire(postrider).matches("BODY.PEEK[])").count()
}

async fn server(can: &str, mailbox: &Mailbox) -> Server {
    let user = User { password: "pw".into(), mailbox: mailbox.clone() };
    Server::start_with(can, BTreeMap::from([("u".to_owned(), user)]), |_, _| None).await.unwrap()
}

/// Where messages have ids, one that lies in several folders is read in the first, and wherever it is
/// moved to, it is the row that it was. What ids an account goes by is said once: they may be hidden
/// and shown again.
#[tokio::test(flavor = "multi_thread")]
async fn mail_with_an_id_is_read_once() {
    for (can, prefix) in [("OBJECTID", "em:M"), ("X-GM-EXT-1", "gm:")] {
        let mailbox = Mailbox::new();
        for n in 0..40 {
            let mail = Mail::new(format!("Subject: {n}\r\n\r\n{n}\r\n"));
            for folder in ["INBOX", "All", "Label"] {
                mailbox.append(folder, mail.clone());
            }
        }
        let (named, hidden) = (server(can, &mailbox).await, server("", &mailbox).await);
        blocking(move || {
            let config = |port| format!("{SHORT}{}", account("u", port, "pw"));
            let postrider = Postrider::new(&config(named.port()));
            let at = |port| std::fs::write(postrider.path("config.toml"), config(port)).unwrap();
            assert_eq!(reads(&postrider), 1, "{can}: each was read where it was seen first");
            equal(&postrider, "u", &mailbox);
            let sql = format!(
                "SELECT count(*) || '/' || sum(identity LIKE '{prefix}%') AS x FROM message"
            );
            assert_eq!(ask(&postrider.database(), &sql), "40/40", "{can}");
            assert_eq!(ask(&postrider.database(), KINDS), "message.created 40, message.updated 80");

            // A move, a new mail.
            for uid in 1..=5 {
                mailbox.relocate("Label", uid, "INBOX");
            }
            mailbox.append("INBOX", Mail::new("Subject: new\r\n\r\nnew\r\n"));
            assert_eq!(reads(&postrider), 1, "{can}: the new one");
            equal(&postrider, "u", &mailbox);
            assert_eq!(ask(&postrider.database(), &sql), "41/41", "{can}");

            // Hidden: what comes is named by its bytes, and what is held is what it was.
            at(hidden.port());
            mailbox.append("INBOX", Mail::new("Subject: hidden\r\n\r\nx\r\n"));
            assert_eq!(reads(&postrider), 1, "{can}");
            at(named.port());
            mailbox.relocate("All", 7, "INBOX");
            assert_eq!(reads(&postrider), 0, "{can}: it is known");
            equal(&postrider, "u", &mailbox);
            assert_eq!(ask(&postrider.database(), &sql), "42/41", "{can}");
            postrider.run(&["verify", "u"]).exits(0);
            consistent(&postrider.database());

            // An account that began without goes on without.
            let other = Postrider::new(&config(hidden.port()));
            other.sync().exits(0);
            std::fs::write(other.path("config.toml"), config(named.port())).unwrap();
            mailbox.append("INBOX", Mail::new("Subject: late\r\n\r\nlate\r\n"));
            other.sync().exits(0);
            equal(&other, "u", &mailbox);
            let sql = "SELECT count(*) AS x FROM message WHERE identity NOT LIKE 'h:%'";
            assert_eq!(ask(&other.database(), sql), "0");
        })
        .await;
    }
}

/// A server that refuses to tell names, or does not know what it has offered, is read as one without.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_refused_cost_nothing() {
    for word in ["NO some messages could not be fetched", "BAD what?"] {
        let mailbox = Mailbox::new();
        for n in 0..20 {
            let mail = Mail::new(format!("Subject: {n}\r\n\r\n{n}\r\n"));
            for folder in ["INBOX", "All"] {
                mailbox.append(folder, mail.clone());
            }
        }
        let user = User { password: "pw".into(), mailbox: mailbox.clone() };
        let users = BTreeMap::from([("u".to_owned(), user)]);
        let script = move |_: &str, command: &str| {
            let names = command.contains("EMAILID");
            let refused = names && (word.starts_with("BAD") || !command.contains("BODY.PEEK[]"));
            refused.then(|| Misbehaviour::Refuse(word.to_owned()))
        };
        let server = Server::start_with("OBJECTID", users, script).await.unwrap();
        blocking(move || {
            let config = format!("{SHORT}{}", account("u", server.port(), "pw"));
            let postrider = Postrider::new(&config);
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            let named = "SELECT count(*) || ' ' || count(identity) AS x FROM message";
            let all = if word.starts_with("BAD") { "20 0" } else { "20 20" };
            assert_eq!(ask(&postrider.database(), named), all, "{word}");
        })
        .await;
    }
}

fn follower(server: &Dovecot, head: &str) -> Postrider {
    Postrider::new(&format!(
        "{head}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.port
    ))
}

/// Without ids: what vanished in one folder and comes in another is what vanished, as its Message-ID,
/// date and size say, if it is long and nothing else of ours is like it. What is short is read, and so is
/// what comes where it vanished: there it is another mail.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_was_moved_is_not_read_again() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 40).await;
    // Like another but for one letter of its text, and from the same second.
    let long = |id: &str, text: &str| {
        let text = text.repeat(70_000);
        format!("Message-ID: <{id}@x>\r\nSubject: {id}\r\n\r\n{text}\r\n")
    };
    let twin = |text: &str| long("twin", text);
    let date = Some("\"01-Feb-2024 10:00:00 +0000\"");
    for n in 0..6 {
        other.append("INBOX", None, date, long(&n.to_string(), "x").as_bytes()).await.unwrap();
    }
    other.append("INBOX", None, date, twin("a").as_bytes()).await.unwrap();
    let postrider = follower(&server, SHORT);
    let reads = |postrider: &Postrider| tokio::task::block_in_place(|| reads(postrider));
    reads(&postrider);
    assert_eq!(reads(&postrider), 0);

    let all = other.select("INBOX").await.unwrap().exists;
    other.mv(format!("{}:{all}", all - 6), "Archive").await.unwrap();
    other.close().await.unwrap();
    assert_eq!(reads(&postrider), 0, "moved");
    assert_eq!(postrider.manifest("u"), truth(&mut other).await);
    let moved = "SELECT count(*) AS x FROM event WHERE kind = 'message.moved'";
    assert_eq!(ask(&postrider.database(), moved), "7");

    other.select("INBOX").await.unwrap();
    other.mv("3", "Archive").await.unwrap();
    other.close().await.unwrap();
    assert_eq!(reads(&postrider), 1, "it is short");
    assert_eq!(postrider.manifest("u"), truth(&mut other).await);

    // One is written anew where it lies: all that is told of it is as before.
    other.select("Archive").await.unwrap();
    let deleted = other.uid_store("11", "+FLAGS (\\Deleted)").await.unwrap();
    assert_eq!(deleted.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    other.close().await.unwrap();
    other.append("Archive", None, date, long("0", "y").as_bytes()).await.unwrap();
    assert_eq!(reads(&postrider), 1, "it is another");
    assert_eq!(postrider.manifest("u"), truth(&mut other).await);

    // The twin comes as the first one goes: it is read.
    other.append("Projects/Alpha", None, date, twin("b").as_bytes()).await.unwrap();
    assert_eq!(reads(&postrider), 1);
    other.select("Archive").await.unwrap();
    other.uid_mv("17", "INBOX").await.unwrap();
    other.close().await.unwrap();
    assert_eq!(reads(&postrider), 1, "another message of ours is like it");
    assert_eq!(postrider.manifest("u"), truth(&mut other).await);
    blocking(move || {
        postrider.run(&["verify", "u"]).exits(0);
        consistent(&postrider.database());
    })
    .await;
}

/// Thirty moves from a watched folder to a polled one, and back.
#[tokio::test(flavor = "multi_thread")]
async fn thirty_moves_are_thirty_whichever_side_is_seen_first() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 130).await;
    let head = head().replace("silence = \"500ms\"", "silence = \"5s\"");
    let postrider = follower(&server, &head);
    let (served, postrider) = blocking(move || {
        let served = postrider.serve(&[]);
        crate::support::served::wait_until("a watch", || served.account("u")["push"] == "notify");
        (served, postrider)
    })
    .await;
    let database = postrider.database();
    let seen = "SELECT count(*) AS x FROM location l JOIN folder f ON f.id = l.folder WHERE f.path = 'INBOX' AND l.ended_at IS NULL";
    let begin = ask(&database, seen).parse::<usize>().unwrap();
    // What goes is seen first.
    other.select("INBOX").await.unwrap();
    other.mv("1:30", "Archive").await.unwrap();
    let (db, moved) = (database.clone(), MOVED);
    blocking(move || until(&db, moved, "30 of 130")).await;
    // What comes is, and what goes when the other folder is looked at.
    other.select("Archive").await.unwrap();
    other.mv("1:30", "INBOX").await.unwrap();
    let db = database.clone();
    blocking(move || until(&db, seen, &begin.to_string())).await;
    let want = truth(&mut other).await;
    blocking(move || {
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        assert_eq!(postrider.manifest("u"), want);
        assert_eq!(ask(&database, MOVED), "60 of 130", "{:?}", rows(&database, KINDS));
        served.stop();
        consistent(&database);
    })
    .await;
}

/// Killed at each step between the look that something has gone and the one that finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_vanish_and_find_tells_each_move_once() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 130).await;
    let mut kills = 0;
    for n in 0..12 {
        let (point, nth) = (["store.committed", "store.rows_written"][n / 2 % 2], [1, 2, 4][n / 4]);
        let postrider = follower(&server, SHORT);
        let postrider = blocking(move || {
            postrider.sync().exits(0);
            postrider
        })
        .await;
        // From the folder that is looked at first, and from the one that is looked at last.
        let (from, to) = if n % 2 == 0 { ("INBOX", "Archive") } else { ("Archive", "INBOX") };
        other.select(from).await.unwrap();
        other.mv("1:15", to).await.unwrap();
        other.mv("1:15", to).await.unwrap();
        other.close().await.unwrap();
        let want = truth(&mut other).await;
        let fault = format!("{point}:{nth}");
        kills += blocking(move || {
            let ran =
                postrider.run_with(&["sync", "--once"], &[("POSTRIDER_FAULT", fault.as_str())]);
            for _ in 0..2 {
                postrider.sync().exits(0);
            }
            assert_eq!(postrider.manifest("u"), want);
            let kinds = ask(&postrider.database(), KINDS);
            assert_eq!(ask(&postrider.database(), MOVED), "30 of 130", "{fault}: {kinds}");
            consistent(&postrider.database());
            u32::from(ran.stderr.contains("scripted fault"))
        })
        .await;
    }
    assert!(kills >= 6, "{kills}");
}

/// An empty folder that keeps its MAILBOXID is the one that it was, under whatever name: nothing else tells
/// it from a new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_an_id_is_known_by_it() {
    let mailbox = Mailbox::new();
    mailbox.create("Empty", "");
    for n in 0..10 {
        mailbox.append("Full", Mail::new(format!("Subject: {n}\r\n\r\n{n}\r\n")));
    }
    let server = server("OBJECTID", &mailbox).await;
    blocking(move || {
        let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
        postrider.sync().exits(0);
        let told = "SELECT coalesce(group_concat(kind), '') AS x FROM event WHERE kind LIKE 'folder.%' AND kind <> 'folder.created'";
        for (round, names) in [["Empty", "Full", "Empty2", "Full2"], ["Empty2", "Full2", "Full", "Empty"]]
            .into_iter()
            .enumerate()
        {
            mailbox.rename(names[0], names[2]);
            mailbox.rename(names[1], names[3]);
            postrider.sync().exits(0);
            let renames = ["folder.renamed"; 4][..round * 2 + 2].join(",");
            assert_eq!(ask(&postrider.database(), told), renames);
            equal(&postrider, "u", &mailbox);
        }
        // Another one of the old name is another folder.
        mailbox.delete("Full");
        mailbox.create("Full", "");
        mailbox.append("Full", Mail::new("Subject: other\r\n\r\nx\r\n"));
        postrider.sync();
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        consistent(&postrider.database());
    })
    .await;
}

/// Two folders have changed their names with each other, and both count from the same UIDVALIDITY: their
/// MAILBOXIDs say that each is another one now.
#[tokio::test(flavor = "multi_thread")]
async fn folders_that_swap_their_names_are_seen() {
    let mailbox = Mailbox::new();
    for n in 0..6 {
        mailbox.append("A", Mail::new(format!("Subject: a{n}\r\n\r\n{n}\r\n")));
        mailbox.append("B", Mail::new(format!("Subject: b{n}\r\n\r\nlonger {n}\r\n")));
    }
    let server = server("OBJECTID", &mailbox).await;
    blocking(move || {
        let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
        postrider.sync().exits(0);
        for (from, to) in [("A", "T"), ("B", "A"), ("T", "B")] {
            mailbox.rename(from, to);
        }
        for _ in 0..3 {
            postrider.sync();
        }
        equal(&postrider, "u", &mailbox);
        postrider.run(&["verify", "u"]).exits(0);
        consistent(&postrider.database());
        let lost = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), lost), "0");
    })
    .await;
}

fn alike(mailbox: &Mailbox, name: &str, mails: u32) {
    mailbox.create(name, "");
    for n in 0..mails {
        mailbox.append(name, Mail::new(format!("Subject: {n}\r\n\r\n{n}\r\n")));
    }
}

/// A new folder that looks like one that is gone is another one: without rows where nothing names it, and
/// with equal mail under equal UIDs where its MAILBOXID says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_only_looks_alike_is_another() {
    for (can, mails) in [("", 0), ("OBJECTID", 0), ("OBJECTID", 6)] {
        let mailbox = Mailbox::new();
        alike(&mailbox, "Old", mails);
        let server = server(can, &mailbox).await;
        let config = format!("{SHORT}{}", account("u", server.port(), "pw"));
        let (postrider, mailbox) = blocking({
            let mailbox = mailbox.clone();
            move || {
                let postrider = Postrider::new(&config);
                postrider.sync().exits(0);
                (postrider, mailbox)
            }
        })
        .await;
        mailbox.delete("Old");
        alike(&mailbox, "New", mails);
        blocking(move || {
            // A folder that LIST lacks is looked for twice.
            postrider.sync();
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            let told = "SELECT coalesce(group_concat(kind), '') AS x FROM (SELECT kind FROM event WHERE kind LIKE 'folder.%' ORDER BY seq DESC LIMIT 2)";
            let told = ask(&postrider.database(), told);
            assert!(!told.contains("renamed") && told.contains("deleted"), "{can} {mails}: {told}");
        })
        .await;
    }
}
