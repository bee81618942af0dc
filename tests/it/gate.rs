//! What a server's best proof of change costs: a folder that did not change is not opened, of one that
//! did what has changed is asked for, and all of it where nothing less is offered.

use crate::dovecot::{client, fill, truth};
use crate::support::answering::answering;
use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, state};
use crate::support::database::change;
use crate::support::dovecot::{Dovecot, Traits};
use crate::support::mail::blocking;
use crate::support::served::{head, wait_until};
use futures::TryStreamExt;
use std::sync::atomic::{AtomicU32, Ordering};

fn follower(server: &Dovecot) -> Postrider {
    Postrider::new(&format!(
        "{SHORT}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.port
    ))
}

/// Syncs once; returns the folders that were opened, and the commands between login and logout.
fn opened(postrider: &Postrider) -> (Vec<String>, usize) {
    let wire = postrider.path("wire");
    std::fs::remove_file(&wire).ok();
    postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
    let text = std::fs::read_to_string(wire).unwrap();
    let about_folders = |line: &&str| {
        [" EXAMINE ", " LIST ", " FETCH ", " STATUS "].iter().any(|word| line.contains(word))
    };
    let names = text.lines().filter_map(|line| line.split_once(" EXAMINE ")).map(|(_, name)| {
        name.split_once(" (").map_or(name, |(name, _)| name).trim().trim_matches('"').to_owned()
    });
    (names.collect(), text.lines().filter(about_folders).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_did_not_change_are_not_opened() {
    // Told along with LIST, or asked for.
    for (tier, capability) in &TIERS[..2] {
        unchanged_are_not_opened(tier, capability).await;
    }
}

/// LIST tells the counters that make a new folder's row, and those that prove what was read of it; one
/// that is empty (Sent) is not opened at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_opens_each_folder_once() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 80).await;
    // The last one has something to be proved, and is open still.
    other.create("Zoo").await.unwrap();
    other.append("Zoo", None, None, b"Subject: z\r\n\r\nz\r\n").await.unwrap();
    let want = truth(&mut other).await;
    let postrider = follower(&server);
    blocking(move || {
        let (mut names, _) = opened(&postrider);
        names.sort();
        assert_eq!(
            names,
            ["Archive", "Entw&APw-rfe &- &ZeVnLIqe-", "INBOX", "Projects/Alpha", "Zoo"]
        );
        let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
        assert!(wire.contains(" UNSELECT\n"), "{wire}");
        assert_eq!(postrider.manifest("u"), want);
        let unproved = "SELECT count(*) AS x FROM folder WHERE proved_at IS NULL";
        assert_eq!(crate::support::database::ask(&postrider.database(), unproved), "0");
    })
    .await;
}

async fn unchanged_are_not_opened(tier: &str, capability: &'static str) {
    let server = Dovecot::start_with(Traits { capability: Some(capability), ..Traits::default() });
    let mut other = client(&server, "u").await;
    fill(&mut other, 80).await;
    let want = truth(&mut other).await;
    let postrider = follower(&server);
    let commands = if tier == "qresync" { 1 } else { 1 + 5 };
    let postrider = blocking(move || {
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u"), want);
        let before = state(&postrider.database());
        assert_eq!(opened(&postrider), (Vec::new(), commands), "counters prove them all");
        assert_eq!(state(&postrider.database()), before);
        postrider
    })
    .await;

    // A flag, a mail that comes, one that goes: the folder of each is opened, and no other.
    for what in ["flag", "append", "expunge"] {
        other.select("Archive").await.unwrap();
        match what {
            "flag" => {
                let stored = other.store("2", "+FLAGS (\\Flagged)").await.unwrap();
                let _: Vec<_> = stored.try_collect().await.unwrap();
            }
            "append" => {
                other.append("Archive", None, None, b"Subject: n\r\n\r\nn\r\n").await.unwrap();
            }
            _ => {
                let stored = other.store("1", "+FLAGS (\\Deleted)").await.unwrap();
                let _: Vec<_> = stored.try_collect().await.unwrap();
                let _: Vec<_> = other.expunge().await.unwrap().try_collect().await.unwrap();
            }
        }
        other.close().await.unwrap();
        let want = truth(&mut other).await;
        let postrider = &postrider;
        let (opened, got) =
            tokio::task::block_in_place(|| (opened(postrider).0, postrider.manifest("u")));
        assert!(
            opened.iter().all(|name| name == "Archive") && !opened.is_empty(),
            "{what}: {opened:?}"
        );
        assert_eq!(got, want, "{what}");
    }

    // Nothing is believed for longer than a day.
    blocking(move || {
        postrider.sync().exits(0);
        assert!(opened(&postrider).0.is_empty());
        let sql = "UPDATE cursor SET state = json_set(state, '$.state.flags.listed_at', 0) WHERE lane = 'live'";
        change(&postrider.database(), sql);
        let mut names = opened(&postrider).0;
        names.sort();
        names.dedup();
        assert!(names.len() >= 4, "{names:?}");
        assert!(opened(&postrider).0.is_empty());
        consistent(&postrider.database());
    })
    .await;
    other.logout().await.unwrap();
}

/// Who asks for a look is answered by the best proof that there is; who doubts, by every message.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_by_hand_costs_what_a_look_costs() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 80).await;
    other.logout().await.unwrap();
    let config = format!("{}{}", head(), account("u", server.port, "pw"));
    blocking(move || {
        let postrider = Postrider::new(&config);
        let served = postrider.serve_with(&["serve", "--wire-log", "wire"], &[]);
        served.wait_for_state("u", "idle");
        wait_until("a watch", || served.account("u")["push"] != "none");
        let wire = || std::fs::read_to_string(postrider.path("wire")).unwrap();
        let asks = |by_hand: &str| {
            let before = wire().len();
            let (status, told) = served.ask("POST", &format!("/v1/accounts/u/{by_hand}"));
            assert_eq!(status, 202, "{told}");
            let run = told["run"].as_u64().unwrap();
            wait_until("its run", || served.account("u")["runs_ended"].as_u64() >= Some(run));
            wire().split_off(before)
        };
        // What is new of a first sync is looked at once more.
        asks("sync-now");
        let asked = asks("sync-now");
        assert!(asked.contains(" LIST ") && !asked.contains(" FETCH "), "{asked}");
        let asked = asks("reset-errors");
        let wholes = asked.matches(" UID FETCH 1:* (UID FLAGS").count();
        assert_eq!(wholes, 4, "each but the empty one: {asked}");
        served.stop();
    })
    .await;
}

/// What it says that it can do: by UID, by flags alone, nothing.
const TIERS: [(&str, &str); 3] = [
    ("qresync", "IMAP4rev1 ENABLE IDLE UIDPLUS MOVE CONDSTORE QRESYNC LIST-EXTENDED LIST-STATUS"),
    ("condstore", "IMAP4rev1 ENABLE IDLE UIDPLUS MOVE CONDSTORE"),
    ("plain", "IMAP4rev1 IDLE UIDPLUS MOVE"),
];

/// The same changes at each tier: the mirror is equal, and what was asked is what the tier offers.
#[tokio::test(flavor = "multi_thread")]
async fn each_tier_asks_for_what_has_changed() {
    for (tier, words) in TIERS {
        let server = Dovecot::start_with(Traits { capability: Some(words), ..Traits::default() });
        let mut other = client(&server, "u").await;
        fill(&mut other, 80).await;
        let postrider = follower(&server);
        let postrider = blocking(move || {
            postrider.sync().exits(0);
            postrider
        })
        .await;
        for what in ["flags", "mail", "less", "all"] {
            other.select("Archive").await.unwrap();
            if what == "flags" || what == "all" {
                let stored = other.store("2:5", "+FLAGS (\\Flagged later)").await.unwrap();
                let _: Vec<_> = stored.try_collect().await.unwrap();
                let stored = other.store("3", "-FLAGS (later)").await.unwrap();
                let _: Vec<_> = stored.try_collect().await.unwrap();
            }
            if what == "mail" || what == "all" {
                for n in 0..3 {
                    let raw = format!("Subject: {what} {n}\r\n\r\n{n}\r\n");
                    other.append("Archive", Some("(\\Seen)"), None, raw.as_bytes()).await.unwrap();
                }
            }
            if what == "less" || what == "all" {
                let stored = other.store("1,4", "+FLAGS (\\Deleted)").await.unwrap();
                let _: Vec<_> = stored.try_collect().await.unwrap();
                let _: Vec<_> = other.expunge().await.unwrap().try_collect().await.unwrap();
                other.uid_mv("8:9", "INBOX").await.unwrap();
            }
            other.close().await.unwrap();
            let want = truth(&mut other).await;
            let postrider = &postrider;
            let (got, wire) = tokio::task::block_in_place(|| {
                opened(postrider);
                (postrider.manifest("u"), std::fs::read_to_string(postrider.path("wire")).unwrap())
            });
            assert_eq!(got, want, "{tier}: {what}\n{wire}");
            let lists = wire.contains("UID FETCH 1:* (UID FLAGS)\n");
            let (by_uid, by_flags) = (wire.contains("(QRESYNC ("), wire.contains("(CHANGEDSINCE "));
            match tier {
                "qresync" => assert!(by_uid && !by_flags && !lists, "{what}\n{wire}"),
                "condstore" => {
                    assert!(!by_uid && by_flags && !lists, "{what}\n{wire}");
                    // That something went is found by the count, what went by all the UIDs.
                    let uids = wire.contains("UID FETCH 1:* (UID)\n");
                    assert_eq!(uids, what == "less" || what == "all", "{what}\n{wire}");
                }
                // Flags of what is newest, where counting proves the rest.
                _ => assert_eq!(
                    (by_uid, by_flags, lists),
                    (false, false, what == "less" || what == "all"),
                    "{what}\n{wire}"
                ),
            }
        }
        blocking(move || {
            postrider.run(&["verify", "u"]).exits(0);
            consistent(&postrider.database());
        })
        .await;
        other.logout().await.unwrap();
    }
}

/// A server that offers what it does not understand is asked without it, and mirrored.
#[test]
fn what_is_offered_and_refused_is_done_without() {
    let (port, heard) = answering(|command| {
        let can = "IMAP4rev1 ENABLE CONDSTORE QRESYNC LIST-EXTENDED LIST-STATUS";
        match command.split(' ').next().unwrap_or_default() {
            "" => "* OK hello\r\n".to_owned(),
            "CAPABILITY" => format!("* CAPABILITY {can}\r\nTAG OK\r\n"),
            "LIST" if command.contains("STATUS") => "TAG BAD what?\r\n".to_owned(),
            "LIST" => "* LIST () \"/\" INBOX\r\nTAG OK\r\n".to_owned(),
            "EXAMINE" if command.contains('(') => "TAG BAD what?\r\n".to_owned(),
            "EXAMINE" => {
                "* 1 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 2]\r\n* OK [HIGHESTMODSEQ 5]\r\nTAG OK\r\n".to_owned()
            }
            "UID" if command.contains("BODY") => {
                "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5 BODY[] {5}\r\na\r\n\r\n)\r\nTAG OK\r\n"
                    .to_owned()
            }
            "UID" => "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5)\r\nTAG OK\r\n".to_owned(),
            "LOGOUT" => "* BYE\r\nTAG OK\r\n".to_owned(),
            _ => "TAG OK\r\n".to_owned(),
        }
    });
    let postrider = Postrider::new(&format!(
        "{SHORT}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n"
    ));
    for _ in 0..2 {
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u").len(), 1);
    }
    let heard = heard.lock().unwrap();
    for tried in ["RETURN (STATUS", "(CONDSTORE)"] {
        assert!(heard.iter().any(|command| command.contains(tried)), "{tried}: {heard:?}");
    }
}

/// A mailbox of two folders with one mail each; `status` is what STATUS of the first and of the second
/// is answered with.
fn of_two(command: &str, status: [&str; 2]) -> String {
    let can = "IMAP4rev1 CONDSTORE";
    match command.split(' ').next().unwrap_or_default() {
        "" => "* OK hello\r\n".to_owned(),
        "CAPABILITY" => format!("* CAPABILITY {can}\r\nTAG OK\r\n"),
        "LIST" => "* LIST () \"/\" INBOX\r\n* LIST () \"/\" B\r\nTAG OK\r\n".to_owned(),
        "STATUS" => status[usize::from(command.contains("INBOX"))].to_owned(),
        "EXAMINE" => "* 1 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 2]\r\n* OK [HIGHESTMODSEQ 5]\r\nTAG OK\r\n".to_owned(),
        "UID" if command.contains("BODY") => {
            "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5 BODY[] {5}\r\na\r\n\r\n)\r\nTAG OK\r\n".to_owned()
        }
        "UID" => "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5)\r\nTAG OK\r\n".to_owned(),
        "LOGOUT" => "* BYE\r\nTAG OK\r\n".to_owned(),
        _ => "TAG OK\r\n".to_owned(),
    }
}

/// What STATUS tells is believed in whatever order it comes; where it is refused the folder is opened.
#[test]
fn counters_that_are_asked_for_prove_or_cost_an_examine() {
    type Server = (fn(&str) -> String, usize, usize);
    let servers: [Server; 4] = [
        // A folder at whose counters the line goes dead costs one session: both are opened.
        (|command| of_two(command, ["TAG OK\r\n", "CLOSE"]), 2, 2),
        (
            // Both answers when the second is asked, the second first.
            |command| {
                of_two(
                    command,
                    [
                        "",
                        "* STATUS Inbox (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1 HIGHESTMODSEQ 5)\r\nTAG OK\r\n* STATUS B (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1 HIGHESTMODSEQ 5)\r\nBEFORE OK\r\n",
                    ],
                )
            },
            2,
            0,
        ),
        (
            |command| {
                of_two(
                    command,
                    [
                        "TAG NO not now\r\n",
                        "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1 HIGHESTMODSEQ 5)\r\nTAG OK\r\n",
                    ],
                )
            },
            2,
            1,
        ),
        (|command| of_two(command, ["TAG BAD what?\r\n"; 2]), 2, 2),
    ];
    for (n, (answer, asked, opened)) in servers.into_iter().enumerate() {
        let (port, heard) = answering(answer);
        let postrider = Postrider::new(&format!(
            "{SHORT}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n"
        ));
        postrider.sync().exits(0);
        heard.lock().unwrap().clear();
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u").len(), 2);
        let heard = heard.lock().unwrap();
        let count = |word: &str| heard.iter().filter(|command| command.starts_with(word)).count();
        assert_eq!((count("STATUS"), count("EXAMINE")), (asked, opened), "{n}: {heard:?}");
    }
}

/// A server that promises to tell what changed, and then refuses to, is listed: no flag is lost.
#[test]
fn a_promise_that_is_not_kept_loses_no_flag() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let (port, heard) = answering(|command| {
        let run = RUNS.load(Ordering::SeqCst);
        let flags = if run > 0 { "\\Seen" } else { "" };
        match command.split(' ').next().unwrap_or_default() {
            "" => "* OK hello\r\n".to_owned(),
            "CAPABILITY" => {
                "* CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC\r\nTAG OK\r\n".to_owned()
            }
            "LIST" => "* LIST () \"/\" INBOX\r\nTAG OK\r\n".to_owned(),
            "EXAMINE" if command.contains("QRESYNC") => "TAG BAD what?\r\n".to_owned(),
            "EXAMINE" => format!(
                "* 1 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 2]\r\n* OK [HIGHESTMODSEQ {}]\r\nTAG OK\r\n",
                5 + run
            ),
            "UID" if command.contains("BODY") => format!(
                "* 1 FETCH (UID 1 FLAGS ({flags}) RFC822.SIZE 5 BODY[] {{5}}\r\na\r\n\r\n)\r\nTAG OK\r\n"
            ),
            "UID" => format!("* 1 FETCH (UID 1 FLAGS ({flags}) RFC822.SIZE 5)\r\nTAG OK\r\n"),
            "LOGOUT" => "* BYE\r\nTAG OK\r\n".to_owned(),
            _ => "TAG OK\r\n".to_owned(),
        }
    });
    let postrider = Postrider::new(&format!(
        "{SHORT}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n"
    ));
    postrider.sync().exits(0);
    RUNS.store(1, Ordering::SeqCst);
    postrider.sync().exits(0);
    let held = postrider.manifest("u");
    assert!(held[0].contains("\\Seen"), "{held:?}");
    assert!(heard.lock().unwrap().iter().any(|command| command.contains("(QRESYNC (")));
}

/// A folder of a Gmail that shows as many messages as its user may have limited it to: what is missing
/// below them is kept, and said not to be proved. One message fewer, and it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_limited_folder_does_not_show_is_kept() {
    let capability = Some("IMAP4rev1 IDLE UIDPLUS MOVE X-GM-EXT-1");
    let server = Dovecot::start_with(Traits { capability, ..Traits::default() });
    let mut other = client(&server, "u").await;
    let mail = |n: usize| format!("Subject: {n}\r\n\r\nx\r\n");
    for n in 0..=1000 {
        other.append("INBOX", None, None, mail(n).as_bytes()).await.unwrap();
    }
    let postrider = follower(&server);
    let postrider = blocking(move || {
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u").len(), 1001);
        postrider
    })
    .await;
    for (held, proved) in [(1001, false), (999, true)] {
        other.select("INBOX").await.unwrap();
        let stored = other.store("1", "+FLAGS (\\Deleted)").await.unwrap();
        let _: Vec<_> = stored.try_collect().await.unwrap();
        let _: Vec<_> = other.expunge().await.unwrap().try_collect().await.unwrap();
        let postrider = &postrider;
        tokio::task::block_in_place(|| {
            let ran = postrider.sync();
            assert_eq!(postrider.manifest("u").len(), held, "{}", ran.stderr);
            let sql = "SELECT coalesce(unproved, '') AS x FROM folder WHERE path = 'INBOX'";
            let unproved = crate::support::database::ask(&postrider.database(), sql);
            assert_eq!(unproved.is_empty(), proved, "{unproved}");
            assert_eq!(unproved.contains("shows 1000 messages of it at most"), !proved);
            let told = postrider.run(&["verify", "u"]);
            assert!(!told.stdout.contains("the server does not"), "{}", told.stdout);
            consistent(&postrider.database());
        });
    }
}

/// A server that answers for three messages at a time (RFC 9738) is asked for the rest.
#[test]
fn answers_in_parts_are_asked_for_to_their_end() {
    let (port, heard) = answering(|command| {
        let items = command.rsplit_once(" (").map_or("", |(_, items)| items);
        let fetched = |uids: [u32; 3], last: &str| {
            let lines = uids.iter().filter(|uid| **uid > 0).map(|uid| {
                let body = if items.contains("BODY") { " BODY[] {5}\r\na\r\n\r\n" } else { "" };
                format!("* {uid} FETCH (UID {uid} FLAGS () RFC822.SIZE 5 INTERNALDATE \"01-Jan-2026 00:00:00 +0000\"{body})\r\n")
            });
            lines.collect::<String>() + last
        };
        match command.split(' ').next().unwrap_or_default() {
            "" => "* OK hello\r\n".to_owned(),
            "CAPABILITY" => "* CAPABILITY IMAP4rev1 MESSAGELIMIT=3\r\nTAG OK\r\n".to_owned(),
            "LIST" => "* LIST () \"/\" INBOX\r\nTAG OK\r\n".to_owned(),
            "EXAMINE" => {
                "* 5 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 6]\r\nTAG OK\r\n".to_owned()
            }
            "UID" if command.contains(" 1:* ") || command.contains(" 1:5 ") => {
                fetched([5, 4, 3], "TAG OK [MESSAGELIMIT 3 3] a part\r\n")
            }
            "UID" if command.contains(" 1:2 ") => fetched([2, 1, 0], "TAG OK\r\n"),
            "UID" => fetched([5, 0, 0], "TAG OK\r\n"),
            "LOGOUT" => "* BYE\r\nTAG OK\r\n".to_owned(),
            _ => "TAG OK\r\n".to_owned(),
        }
    });
    let postrider = Postrider::new(&format!(
        "{SHORT}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n"
    ));
    for _ in 0..2 {
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u").len(), 5);
    }
    let heard = heard.lock().unwrap();
    assert!(heard.iter().any(|command| command == "UID FETCH 1:2 (UID FLAGS)"), "{heard:?}");
}

/// A LIST that proves everything is not written; one that tells what is not stored yet is, though no
/// folder has changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_tells_something_is_written() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 40).await;
    let postrider = follower(&server);
    let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
    let syncs = |config: &str| {
        std::fs::write(postrider.path("config.toml"), config).unwrap();
        tokio::task::block_in_place(|| postrider.sync().code)
    };
    let asked = |sql: &str| crate::support::database::ask(&postrider.database(), sql);
    // A folder that the config leaves out, and no more.
    let excluded = "SELECT coalesce(group_concat(path), '') AS x FROM folder WHERE excluded";
    let without = format!("{config}folders = {{ exclude = [\"Archive\"] }}\n");
    for (config, left_out) in [(&config, ""), (&without, "Archive"), (&config, "")] {
        assert_eq!(syncs(config), Some(0));
        assert_eq!(asked(excluded), left_out);
    }
    // A name that cannot be opened, and is listed no more.
    other.create("Locked").await.unwrap();
    let locked = std::path::PathBuf::from(server.file("mail/u/Maildir/.Locked"));
    std::fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let open_rows = "SELECT count(*) AS x FROM failure WHERE closed_at IS NULL";
    assert_eq!((syncs(&config), asked(open_rows)), (Some(3), "1".to_owned()));
    std::fs::remove_dir_all(&locked).unwrap();
    assert_eq!((syncs(&config), asked(open_rows)), (Some(0), "0".to_owned()));
}

/// A hundred folders that did not change are one question, and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_unchanged_folders_are_one_question() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    for n in 0..100 {
        let folder = format!("F{n}");
        other.create(&folder).await.unwrap();
        let mail = format!("Subject: {n}\r\n\r\n{n}\r\n");
        other.append(&folder, Some("(\\Seen)"), None, mail.as_bytes()).await.unwrap();
    }
    let want = truth(&mut other).await;
    let postrider = follower(&server);
    let database = postrider.database();
    let (before, _postrider) = blocking(move || {
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u"), want);
        let before = state(&postrider.database());
        assert_eq!(opened(&postrider), (Vec::new(), 1));
        ((before, want), postrider)
    })
    .await;
    assert_eq!((state(&database), truth(&mut other).await), before, "here and there");
}
