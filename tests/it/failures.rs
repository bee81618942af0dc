//! Failures as they are worked: found, tried again, left out.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::database::{ask, change, rows};
use crate::support::gmail::{follower, mirrors, short, well};
use crate::support::mail::{Mail, Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_feedd::{GmailServer, Play};
use postrider_imapd::{Misbehaviour, Server};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// UIDs of INBOX that are handed out without bytes.
type Hollow = Arc<Mutex<Vec<u32>>>;

/// Twenty mails, of which these come without bytes.
async fn hollow(uids: &[u32]) -> (Mailbox, Server, Hollow) {
    let mailbox = Mailbox::new();
    for n in 1..=20 {
        mailbox.append("INBOX", note(&format!("mail {n}")));
    }
    let hollow: Hollow = Arc::new(Mutex::new(uids.to_vec()));
    let of = Arc::clone(&hollow);
    let plays = move |_: &str, asked: &str| {
        let uids = of.lock().unwrap().clone();
        (asked.contains("BODY") && !uids.is_empty()).then_some(Misbehaviour::Hollow(uids))
    };
    let server = serve(&[("u", &mailbox)], plays).await;
    (mailbox, server, hollow)
}

fn following(server: &Server) -> Postrider {
    Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")))
}

fn items(served: &Served, query: &str) -> Vec<Value> {
    served.get(&format!("/v1/failures{query}"))["items"].as_array().unwrap().clone()
}

/// The failure of a UID.
fn of_uid(served: &Served, uid: u64) -> Value {
    let mut all = items(served, "").into_iter();
    all.find(|item| item["uid"] == uid).unwrap_or_else(|| panic!("UID {uid} is no failure"))
}

/// The run that was begun for it is over.
fn has_run(served: &Served, told: &Value) {
    let run = told["run"].as_u64().unwrap_or_else(|| panic!("no run: {told}"));
    wait_until("the run is over", || served.account("u")["runs_ended"].as_u64() >= Some(run));
}

/// What asks for the bytes of a UID, or of a range with it.
fn asks_for(log: &[String], uid: u32) -> usize {
    let has = |line: &&String| {
        let mut words = line.split(' ').skip_while(|word| *word != "FETCH").skip(1);
        let set = words.next().unwrap_or_default();
        line.contains("BODY.PEEK[]")
            && set.split(',').any(|range| {
                let (low, high) = range.split_once(':').unwrap_or((range, range));
                let read = |n: &str| n.parse::<u32>().unwrap_or(u32::MAX);
                (read(low)..=read(high)).contains(&uid)
            })
    };
    log.iter().filter(has).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_tried_again_and_the_others_wait() {
    let (mailbox, server, hollow) = hollow(&[5, 9, 14]).await;
    let postrider = following(&server);
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("three failures", || items(&served, "").len() == 3);
        served.wait_for_state("u", "idle");
        for (query, count) in [
            ("?class=invalid_data", 3),
            ("?class=network", 0),
            ("?reach=message", 3),
            ("?reach=folder", 0),
            ("?account=u&class=invalid_data&reach=message&limit=2", 2),
            ("?owner=nobody", 0),
        ] {
            assert_eq!(items(&served, query).len(), count, "{query}");
        }
        let page = served.get("/v1/failures?limit=2");
        let rest = served.get(&format!("/v1/failures?cursor={}", page["next"].as_str().unwrap()));
        assert_eq!(rest["items"].as_array().unwrap().len(), 1);
        let nine = of_uid(&served, 9);
        let path = format!("/v1/failures/{}", nine["id"]);
        assert_eq!(served.get(&path), nine);
        assert_eq!((&nine["left_out"], &nine["raw"]), (&false.into(), &false.into()));
        // Nothing came of it but words.
        let (status, told) = served.ask("GET", &format!("{path}/raw"));
        assert_eq!(status, 404, "{told}");
        let words = nine["text"].as_str().unwrap();
        assert!(told["detail"].as_str().unwrap().contains(words), "{told}");
        // Tried in vain it fails once more, and it alone.
        let (status, told) = served.post(&format!("{path}/retry"), "");
        assert_eq!((status, &told["account"]), (202, &"u".into()), "{told}");
        has_run(&served, &told);
        let tries = || {
            items(&served, "").iter().map(|f| f["attempts"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(tries(), [1, 2, 1]);
        // It comes now: by hand, through the command.
        hollow.lock().unwrap().retain(|uid| *uid != 9);
        let ran = postrider.run(&["failures", "retry", &nine["id"].to_string()]).exits(0);
        assert!(ran.stdout.contains("u tries it again now"), "{}", ran.stdout);
        wait_until("it is stored", || items(&served, "").len() == 2);
        assert_eq!(tries(), [1, 1]);
        assert_eq!(served.ask("GET", &path).0, 404, "it is settled");
        assert_eq!(served.post(&format!("{path}/retry"), "").0, 404);
        // All of a class, of an account.
        hollow.lock().unwrap().clear();
        let told = served.post("/v1/failures/retry?class=network", "");
        assert_eq!(told, (202, serde_json::json!({ "rows": 0, "accounts": 0 })));
        let args = ["failures", "retry", "--account", "u", "--class", "invalid_data"];
        let ran = postrider.run(&args).exits(0);
        assert!(ran.stdout.contains("2 are due; 1 account(s) try them now"), "{}", ran.stdout);
        wait_until("all are stored", || items(&served, "").is_empty());
        served.stop();
        equal(&postrider, "u", &mailbox);
        consistent(&postrider.database());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_asked_for_by_nobody() {
    let (mailbox, server, hollow) = hollow(&[5, 9]).await;
    let postrider = following(&server);
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("two failures", || items(&served, "").len() == 2);
        served.wait_for_state("u", "idle");
        let [five, nine] = [5, 9].map(|uid| of_uid(&served, uid)["id"].to_string());
        let ran =
            postrider.run(&["failures", "discard", &nine, "--note", "a bounce\nof 2009"]).exits(0);
        assert!(ran.stdout.contains(&format!("failures retry {nine}")), "{}", ran.stdout);
        let told = of_uid(&served, 9);
        assert_eq!(told["left_out"], true);
        assert_eq!(told["note"], "a bounce of 2009");
        assert!(told["next_try_at"].is_null(), "{told}");
        let view = served.account("u");
        assert_eq!((&view["failures"], &view["left_out"]), (&1.into(), &1.into()), "{view}");
        // What is asked for with others is not asked for.
        const NEXT: &str = "SELECT next_try_at AS x FROM failure WHERE note IS NOT NULL";
        let next = ask(&postrider.database(), NEXT);
        let ran = postrider.run(&["failures", "retry", "--all"]).exits(0);
        assert!(ran.stdout.contains("1 are due; 1 account(s)"), "{}", ran.stdout);
        assert_eq!(ask(&postrider.database(), NEXT), next, "it is left out");
        wait_until("five is tried", || of_uid(&served, 5)["attempts"] == 2);
        let (status, _) =
            served.post(&format!("/v1/failures/{five}/discard"), "{\"note\": \"this, too\"}");
        assert_eq!(status, 200);
        assert!((served.metric("postrider_ledger_open{class=\"invalid_data\"}") - 0.0).abs() < 0.1);
        // Nobody who asks for everything asks for it, and nothing is left undone.
        let before = asks_for(&server.log(), 9);
        assert!(before > 0, "it was asked for");
        for verb in ["sync-now", "reset-errors", "sync-now"] {
            let ran = postrider.run(&[verb, "u"]).exits(0);
            assert!(!ran.stdout.is_empty());
            postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        }
        let ran = postrider.run(&["failures", "retry", "--all"]).exits(0);
        assert!(ran.stdout.contains("0 are due"), "{}", ran.stdout);
        served.stop();
        // Nor another version, or another process; and nothing is partial for it.
        change(
            &postrider.database(),
            "UPDATE failure SET version = 'another', next_try_at = 0, burst = TRUE",
        );
        postrider.sync().exits(0);
        assert_eq!(asks_for(&server.log(), 9), before, "it is asked for");
        let status = postrider.run(&["status", "u"]).exits(0).stdout;
        assert!(
            status.contains("left out by hand: 2") && !status.contains("left undone"),
            "{status}"
        );
        let told = postrider.run(&["failures"]).exits(0).stdout;
        assert!(told.contains("left out") && told.contains("a bounce of 2009"), "{told}");
        for more in [&[][..], &["--offline"]] {
            let verified = postrider.run(&[&["verify", "u"], more].concat()).exits(0).stdout;
            let says = verified.contains("left out: UID 9 (a bounce of 2009)");
            assert!(says && verified.contains("18 messages, 0 failures"), "{verified}");
        }
        // Named, it is tried again; it fails, and is no longer left out.
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        let (status, told) = served.post(&format!("/v1/failures/{nine}/retry"), "");
        assert_eq!(status, 202, "{told}");
        has_run(&served, &told);
        let told = of_uid(&served, 9);
        assert_eq!((&told["left_out"], &told["attempts"]), (&false.into(), &2.into()), "{told}");
        // What leaves its folder is no failure any more, left out or not.
        mailbox.expunge("INBOX", 5);
        hollow.lock().unwrap().clear();
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        assert!(items(&served, "").is_empty());
        served.stop();
        equal(&postrider, "u", &mailbox);
        consistent(&postrider.database());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_account_tries_it_when_it_is_resumed() {
    let (mailbox, server, hollow) = hollow(&[5]).await;
    let postrider = following(&server);
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("a failure", || items(&served, "").len() == 1);
        served.wait_for_state("u", "idle");
        postrider.run(&["pause", "u"]).exits(0);
        hollow.lock().unwrap().clear();
        let id = of_uid(&served, 5)["id"].to_string();
        let (status, told) = served.post(&format!("/v1/failures/{id}/retry"), "");
        assert_eq!((status, &told["run"]), (202, &Value::Null), "{told}");
        assert!(told["reason"].as_str().unwrap().contains("paused"), "{told}");
        let ran = postrider.run(&["failures", "retry", &id]).exits(0);
        assert!(
            ran.stdout.contains("it is due, and tried") && ran.stdout.contains("paused"),
            "{}",
            ran.stdout
        );
        // With others it is due, and nobody is told.
        let told = served.post("/v1/failures/retry", "");
        assert_eq!(told, (202, serde_json::json!({ "rows": 1, "accounts": 0 })));
        postrider.run(&["resume", "u"]).exits(0);
        wait_until("it is stored", || items(&served, "").is_empty());
        served.stop();
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said() {
    let (_mailbox, server, _) = hollow(&[5]).await;
    let postrider = following(&server);
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("a failure", || items(&served, "").len() == 1);
        served.wait_for_state("u", "idle");
        let id = of_uid(&served, 5)["id"].as_i64().unwrap();
        let discard = format!("/v1/failures/{id}/discard");
        let long = format!("{{\"note\": \"{}\"}}", "x".repeat(501));
        for (path, body, status, says) in [
            (discard.as_str(), "", 400, "note"),
            (&discard, "{\"note\": \" \"}", 400, "why it is left out"),
            (&discard, &long, 400, "500"),
            (&discard, "{\"note\": \"x\", \"more\": 1}", 400, "more"),
            ("/v1/failures/999999/discard", "{\"note\": \"x\"}", 404, "failure"),
            ("/v1/failures/9999999999999/retry", "", 404, "failure"),
            ("/v1/failures/-9223372036854775808/retry", "", 404, "failure"),
            ("/v1/failures/x/retry", "", 404, "failure"),
            ("/v1/failures/retry?class=bad", "", 400, "invalid_data"),
            ("/v1/failures/retry?account=v", "", 404, "account"),
            ("/v1/failures/retry?reach=message", "", 400, "reach"),
        ] {
            let (got, told) = served.post(path, body);
            assert_eq!(got, status, "{path} {body}: {told}");
            assert!(told["detail"].as_str().unwrap().contains(says), "{path} {body}: {told}");
        }
        for (path, says) in [("?class=x", "invalid_data"), ("?reach=planet", "message, folder")] {
            let (status, told) = served.ask("GET", &format!("/v1/failures{path}"));
            assert_eq!(status, 400, "{path}: {told}");
            assert!(told["detail"].as_str().unwrap().contains(says), "{path}: {told}");
        }
        assert_eq!(of_uid(&served, 5)["left_out"], false, "nothing of it was done");
        for args in [
            &["failures", "retry", "1", "--class", "network"][..],
            &["failures", "retry"],
            &["failures", "discard", "1"],
            &["failures", "--class", "x"],
        ] {
            postrider.run(args).exits(2);
        }
        served.stop();
        // Without a server what is stored is seen, and nothing is done.
        let id = id.to_string();
        let shown = postrider.run(&["failures", "show", &id]).exits(0).stdout;
        assert!(shown.contains("invalid_data") && shown.contains("INBOX"), "{shown}");
        assert!(
            postrider
                .run(&["failures", "--class", "network"])
                .exits(0)
                .stdout
                .contains("none of these")
        );
        for args in [&["failures", "retry", &id][..], &["failures", "discard", &id, "--note", "x"]]
        {
            let ran = postrider.run(args).exits(5);
            assert!(ran.stderr.contains("no server runs"), "{}", ran.stderr);
        }
    })
    .await;
}

/// What has come of a mail that we cannot read is kept for who looks into it.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_a_mail_can_be_looked_at() {
    const MARK: &str = "a mail like no other";
    let raw = format!("Subject: {MARK}\r\nX-Long: {}\r\n\r\nits text\r\n", "y".repeat(100));
    let fault = ("POSTRIDER_FAULT_MAIL", "read.panic:a mail like no other");
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("one"));
    mailbox.append("INBOX", Mail::new(raw.clone()));
    let imap = serve(&[("u", &mailbox)], |_, _| None).await;
    let feed = postrider_feedd::GmailBox::new("demo@example.com");
    feed.insert("Subject: one\r\n\r\nx\r\n", &["INBOX"], 1_700_000_000_000);
    feed.insert(raw.clone(), &["INBOX"], 1_700_000_000_001);
    let gmail = GmailServer::start(&feed, well).await.unwrap();
    let head_of = raw.split_inclusive("\r\n\r\n").next().unwrap().to_owned();
    blocking(move || {
        let of_imap = Postrider::new(&format!("{SHORT}{}", account("u", imap.port(), "pw")));
        for (postrider, came) in [(of_imap, &head_of), (short(&gmail), &raw)] {
            postrider.run_with(&["sync", "--once"], &[fault]).exits(3);
            let told: Value =
                serde_json::from_str(&postrider.run(&["failures", "--json"]).exits(0).stdout)
                    .unwrap();
            assert_eq!(
                (told[0]["class"].as_str(), &told[0]["raw"]),
                (Some("bug"), &true.into()),
                "{told}"
            );
            let id = told[0]["id"].to_string();
            let shown = postrider.run(&["failures", "show", &id]).exits(0).stdout;
            assert!(shown.contains(&format!("postrider failures raw {id}")), "{shown}");
            let octets = postrider.run(&["failures", "raw", &id]).exits(0).stdout;
            assert_eq!(&octets, came);
            // It is content, and in no list.
            assert!(!told.to_string().contains(MARK), "{told}");
            let served = postrider.serve(&[fault]);
            let (status, told) = served.ask("GET", &format!("/v1/failures/{id}"));
            assert!(status == 200 && !told.to_string().contains(MARK), "{told}");
            served.stop();
        }
    })
    .await;
}

/// A mail that is held is not left out because it could not be looked at once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_held_is_not_left_out() {
    let mailbox = postrider_feedd::GmailBox::new("demo@example.com");
    mailbox.insert("Subject: one\r\n\r\nx\r\n", &["INBOX"], 1_700_000_000_000);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = follower(&head(), &server, "");
        postrider.sync().exits(0);
        change(
            &postrider.database(),
            "INSERT INTO owed (account, identity, told_at, due_at, rank, bytes, attempts, class, text) \
             SELECT account, identity, 1, 9000000000000000, -1, FALSE, 1, 'provider', 'no' FROM message",
        );
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        let id = items(&served, "")[0]["id"].to_string();
        let path = format!("/v1/failures/{id}/discard");
        let (status, told) = served.post(&path, "{\"note\": \"x\"}");
        assert_eq!(status, 409, "{told}");
        assert!(told["detail"].as_str().unwrap().contains("is held"), "{told}");
        assert_eq!(items(&served, "")[0]["left_out"], false);
        // Of all that are due none is left: with others it is tried, too.
        let told = served.post("/v1/failures/retry?class=provider", "");
        assert_eq!(told, (202, serde_json::json!({ "rows": 1, "accounts": 1 })));
        wait_until("it is looked at", || items(&served, "").is_empty());
        served.stop();
    })
    .await;
}

/// Where messages go by their ids the same is so: what is left out is not asked for, and all is proved without it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_a_feed() {
    let mailbox = postrider_feedd::GmailBox::new("demo@example.com");
    let ids: Vec<String> = (0..12)
        .map(|n| {
            let raw = format!("Subject: mail {n}\r\n\r\nx\r\n");
            mailbox.insert(raw, &["INBOX"], 1_700_000_000_000 + n * 1000)
        })
        .collect();
    let bad: Arc<Mutex<Vec<String>>> = Arc::new(Mutex::new(ids[3..5].to_vec()));
    let of = Arc::clone(&bad);
    let server = GmailServer::start(&mailbox, move |q| {
        let is_bad = q.raw().is_some_and(|id| of.lock().unwrap().iter().any(|bad| bad == id));
        is_bad.then(|| Play::says(200, "application/json", "{\"id\": \"x\", \"raw\": \"*\"}"))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = follower(&head(), &server, "");
        let served = postrider.serve(&[]);
        wait_until("two failures", || items(&served, "?class=invalid_data").len() == 2);
        served.wait_for_state("u", "idle");
        let all = items(&served, "");
        let of_id = |id: &str| {
            let name = format!("gm:{id}");
            all.iter().find(|f| f["message"] == *name).unwrap()["id"].to_string()
        };
        let (out, other) = (of_id(&ids[3]), of_id(&ids[4]));
        let path = format!("/v1/failures/{out}/discard");
        let (status, told) = served.post(&path, "{\"note\": \"spoilt\"}");
        assert_eq!((status, &told["note"]), (200, &"spoilt".into()), "{told}");
        drop(server.asked());
        let asked_for = |id: &str| server.asked().iter().filter(|q| q.raw() == Some(id)).count();
        // One that is named is tried alone; when it comes nothing is left undone.
        bad.lock().unwrap().retain(|id| *id != ids[4]);
        let (status, told) = served.post(&format!("/v1/failures/{other}/retry"), "");
        assert_eq!(status, 202, "{told}");
        has_run(&served, &told);
        assert!(asked_for(&ids[4]) > 0, "it is named");
        for verb in ["sync-now", "reset-errors"] {
            postrider.run(&[verb, "u"]).exits(0);
            postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        }
        assert_eq!(asked_for(&ids[3]), 0, "it is left out");
        let view = served.account("u");
        assert_eq!((&view["failures"], &view["left_out"]), (&0.into(), &1.into()), "{view}");
        // All is proved without it.
        let unproved = "SELECT count(*) AS x FROM folder WHERE proved_at IS NULL AND NOT excluded";
        wait_until("it is proved", || ask(&postrider.database(), unproved) == "0");
        let owed = &view["feed"]["owed"];
        assert_eq!((&owed["failed"], &owed["left_out"]), (&0.into(), &1.into()), "{view}");
        // A word about it does not bring it back, and does not forget that it is left out.
        mailbox.modify(&ids[3], &["STARRED"], &[]);
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        served.stop();
        postrider.sync().exits(0);
        assert_eq!(asked_for(&ids[3]), 0, "it is left out");
        let notes = "SELECT count(*) AS x FROM owed WHERE note = 'spoilt'";
        assert_eq!(ask(&postrider.database(), notes), "1");
        for more in [&[][..], &["--offline"]] {
            let ran = postrider.run(&[&["verify", "u"], more].concat()).exits(0);
            assert!(!ran.stdout.contains("not proved"), "{}", ran.stdout);
            assert!(ran.stderr.contains("1 mail(s) are left out by hand"), "{}", ran.stderr);
        }
        bad.lock().unwrap().clear();
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        let told = served.post(&format!("/v1/failures/{out}/retry"), "");
        assert_eq!(told.0, 202, "{told:?}");
        wait_until("it is stored", || items(&served, "").is_empty());
        served.stop();
        assert_eq!(rows(&postrider.database(), "SELECT identity AS x FROM owed"), [""; 0]);
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}
