//! A server that tells of every folder (RFC 5465), and what becomes of it when it does not.

use crate::dovecot::{client, fill, truth};
use crate::support::answering::answering;
use crate::support::binary::{Postrider, account};
use crate::support::check::consistent;
use crate::support::database::ask;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{Mailbox, blocking, note};
use crate::support::served::{head, until, wait_until};
use futures::TryStreamExt;
use postrider_imapd::{Misbehaviour, Server, User};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, Ordering::SeqCst};

const LIVING: &str = "SELECT count(*) AS x FROM location l JOIN folder f ON f.id = l.folder AND f.deleted_at IS NULL \
                      WHERE l.ended_at IS NULL AND f.path = ";

/// What happens in a folder that nobody watches is seen at once: mail, flags, moves, a new folder, a
/// new name.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_any_folder_is_told() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 40).await;
    let head = head().replace("silence = \"500ms\"", "silence = \"5s\"");
    let postrider = Postrider::new(&format!(
        "{head}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.port
    ));
    let (served, postrider) = blocking(move || {
        let served = postrider.serve(&[]);
        // What is told at first begins a run, which is no watch.
        wait_until("a watch of every folder", || {
            let account = served.account("u");
            let folders = account["folders"].as_array().unwrap();
            account["push"] == "notify" && folders.iter().all(|f| f["push"] == "notify")
        });
        (served, postrider)
    })
    .await;
    let database = postrider.database();
    let comes = async |sql: String, want: &str| {
        let (database, want) = (database.clone(), want.to_owned());
        blocking(move || until(&database, &sql, &want)).await
    };
    let count =
        |folder: &str| ask(&database, &format!("{LIVING}'{folder}'")).parse::<u32>().unwrap();

    let before = count("Archive");
    other.append("Archive", None, None, b"Subject: told\r\n\r\nx\r\n").await.unwrap();
    comes(format!("{LIVING}'Archive'"), &(before + 1).to_string()).await;

    other.select("Archive").await.unwrap();
    let stored = other.store("1:3", "+FLAGS (told)").await.unwrap();
    let _: Vec<_> = stored.try_collect().await.unwrap();
    let flagged =
        "SELECT count(*) AS x FROM location WHERE ended_at IS NULL AND keywords LIKE '%told%'";
    comes(flagged.to_owned(), "3").await;

    other.mv("1:2", "Projects/Alpha").await.unwrap();
    let moved = "SELECT count(*) AS x FROM event WHERE kind = 'message.moved'";
    comes(moved.to_owned(), "2").await;

    other.create("New").await.unwrap();
    other.append("New", None, None, b"Subject: first\r\n\r\nx\r\n").await.unwrap();
    comes(format!("{LIVING}'New'"), "1").await;
    other.rename("New", "Newer").await.unwrap();
    comes("SELECT count(*) AS x FROM event WHERE kind = 'folder.renamed'".to_owned(), "1").await;

    let want = truth(&mut other).await;
    blocking(move || {
        assert_eq!(postrider.manifest("u"), want);
        served.stop();
        consistent(&postrider.database());
    })
    .await;
}

async fn scripted(
    mailbox: &Mailbox,
    script: impl Fn(&str) -> Option<Misbehaviour> + Send + Sync + 'static,
) -> Server {
    let user = User { password: "pw".into(), mailbox: mailbox.clone() };
    let users = BTreeMap::from([("u".to_owned(), user)]);
    Server::start_with("NOTIFY", users, move |_, command| script(command)).await.unwrap()
}

/// A server that offers it and refuses, or tells each time that it cannot tell everything, is watched
/// as one without; what it could not tell is looked for.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_tell_of_every_folder_is_watched_as_before() {
    let overflow = || Misbehaviour::Inject(b"* OK [NOTIFICATIONOVERFLOW] too much\r\n".to_vec());
    let refused = || Misbehaviour::Refuse("NO [BADEVENT (MessageNew)] no".into());
    for (n, times) in [(0, 2), (1, 3)] {
        let mailbox = Mailbox::new();
        mailbox.append("INBOX", note("a"));
        mailbox.append("Work", note("b"));
        let late = mailbox.clone();
        let server = scripted(&mailbox, move |command| {
            if !command.starts_with("NOTIFY") {
                return None;
            }
            if n == 0 {
                return Some(refused());
            }
            // It comes after the first look.
            if late.lock()["Work"].mail.len() == 1 {
                late.append("Work", note("late"));
            }
            Some(overflow())
        })
        .await;
        blocking(move || {
            let postrider =
                Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
            let served = postrider.serve(&[]);
            let asked = || server.log().iter().filter(|c| c.starts_with("NOTIFY")).count();
            wait_until("it was asked", || asked() == times);
            wait_until("a watch", || served.account("u")["push"] == "idle");
            if n == 1 {
                until(&postrider.database(), &format!("{LIVING}'Work'"), "2");
            }
            mailbox.append("INBOX", note("new"));
            until(&postrider.database(), &format!("{LIVING}'INBOX'"), "2");
            assert_eq!(asked(), times);
            served.stop();
        })
        .await;
    }
}

/// A new name that is told between the lines of a LIST is not of its answer: it is the old folder's.
#[tokio::test(flavor = "multi_thread")]
async fn a_rename_that_is_told_in_a_list_is_a_rename() {
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("a"));
    mailbox.append("Work", note("b"));
    let stage = Arc::new(AtomicU32::new(0));
    let (late, now) = (mailbox.clone(), Arc::clone(&stage));
    let server = scripted(&mailbox, move |command| {
        let step = |from: u32| now.compare_exchange(from, from + 1, SeqCst, SeqCst).is_ok();
        // Whatever is asked behind that LIST finds the new name.
        if step(2) {
            late.rename("Work", "Newer");
        }
        let told = b"* LIST () \"/\" Newer (\"OLDNAME\" (\"Work\"))\r\n".to_vec();
        (command.starts_with("LIST") && step(1)).then_some(Misbehaviour::Inject(told))
    })
    .await;
    blocking(move || {
        let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
        let served = postrider.serve(&[]);
        wait_until("a watch", || served.account("u")["push"] == "notify");
        stage.store(1, SeqCst);
        served.ask("POST", "/v1/accounts/u/sync-now");
        let told = |kind: &str| format!("SELECT count(*) AS x FROM event WHERE kind = '{kind}'");
        until(&postrider.database(), &told("folder.renamed"), "1");
        assert_eq!(ask(&postrider.database(), &told("folder.created")), "2");
        assert_eq!(ask(&postrider.database(), &told("folder.deleted")), "0");
        served.stop();
        consistent(&postrider.database());
    })
    .await;
}

/// What a server tells of the folder that was open, while it is asked to open another, is not of that
/// other: until the end of the IDLE, until it says CLOSED (RFC 7162 §3.2.11), and, where it never says
/// so, in front of the other's UIDVALIDITY.
#[test]
fn what_is_told_of_the_folder_before_is_not_of_the_next() {
    /// INBOX and B have two mails each; flags of INBOX's first change, and of B's second.
    fn open(command: &str, done: &str, examined: &str, happened: &AtomicBool) -> String {
        let begin = |folder: &str, modseq: u8| {
            format!(
                "* 2 EXISTS\r\n* OK [UIDVALIDITY {}]\r\n* OK [UIDNEXT 3]\r\n* OK [HIGHESTMODSEQ {modseq}]\r\n",
                folder.len()
            )
        };
        let begun = happened.load(Ordering::SeqCst);
        match command.split(' ').next().unwrap_or_default() {
            "" => "* OK hello\r\n".to_owned(),
            "CAPABILITY" => {
                "* CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC IDLE NOTIFY\r\nTAG OK\r\n"
                    .to_owned()
            }
            "LIST" => "* LIST () \"/\" INBOX\r\n* LIST () \"/\" B\r\nTAG OK\r\n".to_owned(),
            "IDLE" if begun => "+ idling\r\n".to_owned(),
            "IDLE" => {
                happened.store(true, Ordering::SeqCst);
                "+ idling\r\n* STATUS B (MESSAGES 2 UIDNEXT 3 HIGHESTMODSEQ 6)\r\n".to_owned()
            }
            "DONE" => format!("{done}BEFORE OK\r\n"),
            "EXAMINE" if command.contains("INBOX") => begin("INBOX", 5) + "TAG OK\r\n",
            "EXAMINE" if !begun => begin("B", 5) + "TAG OK\r\n",
            "EXAMINE" => format!(
                "{examined}{}* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (6))\r\nTAG OK\r\n",
                begin("B", 6)
            ),
            "UID" => {
                let seen = if begun { "\\Seen" } else { "" };
                let items = |uid: u8, flags: &str| {
                    let body =
                        if command.contains("BODY") { " BODY[] {5}\r\na\r\n\r\n" } else { "" };
                    format!("* {uid} FETCH (UID {uid} FLAGS ({flags}) RFC822.SIZE 5{body})\r\n")
                };
                items(1, "") + &items(2, seen) + "TAG OK\r\n"
            }
            "LOGOUT" => "* BYE\r\nTAG OK\r\n".to_owned(),
            _ => "TAG OK\r\n".to_owned(),
        }
    }
    const OTHERS: &str = "* 9 EXISTS\r\n* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (6))\r\n";
    const CLOSED: &str = "* 9 EXISTS\r\n* OK [UIDVALIDITY 5]\r\n* OK [HIGHESTMODSEQ 99]\r\n\
                          * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (6))\r\n* OK [CLOSED]\r\n";
    static HAPPENED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
    let servers: [fn(&str) -> String; 3] = [
        |command| open(command, OTHERS, "", &HAPPENED[0]),
        |command| open(command, "", CLOSED, &HAPPENED[1]),
        |command| open(command, "", OTHERS, &HAPPENED[2]),
    ];
    for (n, answer) in servers.into_iter().enumerate() {
        let (port, heard) = answering(answer);
        let postrider = Postrider::new(&format!("{}{}", head(), account("u", port, "pw")));
        let served = postrider.serve(&[]);
        let flags = "SELECT group_concat(l.uid || l.flags, ',') AS x FROM location l \
                     JOIN folder f ON f.id = l.folder AND f.path = 'B' WHERE l.ended_at IS NULL";
        // It was asked for what has changed in B, and watched again: that was committed.
        wait_until("a look at B", || {
            let heard = heard.lock().unwrap();
            let asked = |command: &&String| command.starts_with("EXAMINE \"B\" (QRESYNC (1 5))");
            heard
                .iter()
                .skip_while(|command| *command != "DONE")
                .skip_while(|c| !asked(c))
                .any(|c| c == "IDLE")
        });
        // Who is not sure leaves it to the next look at all flags.
        let seen = if n == 2 { "1,2" } else { "1,2\\Seen" };
        assert_eq!(ask(&postrider.database(), flags), seen, "{n}");
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        assert_eq!(ask(&postrider.database(), flags), "1,2\\Seen", "{n}");
        served.stop();
    }
}

/// Flags that are told while an IDLE ends are looked at, whether it ends before somebody asks (a hint came in
/// it) or because of that (it came before).
#[test]
fn what_is_told_at_the_end_of_an_idle_is_heard() {
    for is_early in [false, true] {
        let idles = AtomicU32::new(0);
        let (port, _) = answering(move |command| answers_to_idle(command, is_early, &idles));
        let postrider = Postrider::new(&format!("{}{}", head(), account("u", port, "pw")));
        let served = postrider.serve(&[]);
        let flags =
            "SELECT group_concat(uid || flags, ',') AS x FROM location WHERE ended_at IS NULL";
        until(&postrider.database(), flags, "1\\Flagged,2\\Seen,3");
        served.stop();
    }
}

/// Of two flags one is told in the first IDLE, or before it begins, and one at its end.
fn answers_to_idle(command: &str, is_early: bool, begun: &AtomicU32) -> String {
    let idles = begun.load(Ordering::SeqCst);
    let flags = |uid: u32| match (uid, idles) {
        (1, 1..) => "\\Flagged",
        (2, 1..) => "\\Seen",
        _ => "",
    };
    match command.split(' ').next().unwrap_or_default() {
        "" => "* OK hello\r\n".to_owned(),
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC IDLE\r\nTAG OK\r\n".to_owned(),
        "LIST" => "* LIST () \"/\" INBOX\r\nTAG OK\r\n".to_owned(),
        "IDLE" => match begun.fetch_add(1, Ordering::SeqCst) {
            0 if is_early => "* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n+ idling\r\n".to_owned(),
            0 => "+ idling\r\n* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n".to_owned(),
            _ => "+ idling\r\n".to_owned(),
        },
        "DONE" if idles == 1 => "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\nBEFORE OK\r\n".to_owned(),
        "DONE" => "BEFORE OK\r\n".to_owned(),
        "EXAMINE" => "* 3 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 4]\r\n* OK [HIGHESTMODSEQ 5]\r\nTAG OK\r\n".to_owned(),
        "UID" => {
            let asked = command.split(' ').nth(2).unwrap();
            let uids: Vec<u32> = match asked {
                "1:*" | "1:3" => vec![1, 2, 3],
                "4:*" | "*" => vec![3],
                "1:2" => vec![1, 2],
                uids => uids.split(',').map(|uid| uid.parse().unwrap()).collect(),
            };
            let body = if command.contains("BODY") { " BODY[] {5}\r\na\r\n\r\n" } else { "" };
            let line = |uid| format!("* {uid} FETCH (UID {uid} FLAGS ({}) RFC822.SIZE 5{body})\r\n", flags(uid));
            uids.into_iter().map(line).collect::<String>() + "TAG OK\r\n"
        }
        "LOGOUT" => "* BYE\r\nTAG OK\r\n".to_owned(),
        _ => "TAG OK\r\n".to_owned(),
    }
}
