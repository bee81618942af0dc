//! Some of the unread history comes first, because somebody asked; nothing is left out, and nothing comes twice.

use crate::jobs::wait_for;
use crate::support::binary::{Postrider, account};
use crate::support::database::ask;
use crate::support::mail::{Mail, Mailbox, blocking, note, serve};
use crate::support::relay::Relay;
use crate::support::served::{Served, head, wait_until};
use postrider_core::mail::uid_set::UidSet;
use postrider_imapd::{Misbehaviour, Server};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MAILS: u32 = 10_000;
/// Until a page comes.
const PAGE: Duration = Duration::from_millis(400);

/// A slow server whose archive is long: of each message the UID says on which day it came.
async fn slow(delay: Option<Duration>) -> (Server, Arc<Mutex<Vec<UidSet>>>, Relay, Postrider) {
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("one"));
    mailbox.create("Archive", "");
    for uid in 1..=MAILS {
        let (year, day) = (2001 + uid / 1000, 1 + uid / 100 % 10);
        let date = format!("{day:02}-Mar-{year} 10:00:00 +0000");
        let mail =
            Mail::new(format!("From: a@example.org\r\nSubject: {uid}\r\n\r\n{}", "x".repeat(8000)));
        mailbox.append("Archive", mail.dated(&date));
    }
    let read = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&read);
    let server = serve(&[("a", &mailbox)], move |_, asked| {
        let set = asked.strip_prefix("UID FETCH ")?.split(' ').next()?;
        if !asked.contains("BODY.PEEK[]") {
            return None;
        }
        log.lock().unwrap().push(UidSet::parse(set).unwrap());
        delay.map(Misbehaviour::Delay)
    })
    .await;
    let relay = match delay {
        Some(_) => Relay::cut_after(server.port(), &[]),
        // So many octets a second of each connection.
        None => Relay::slow(server.port(), 8e6),
    };
    let head = head().replace("500ms", "5s");
    let head = head.replace("[sync]\n", "[sync]\nrecent_messages = 10\n");
    let postrider = Postrider::new(&format!("{head}{}", account("a", relay.port, "pw")));
    (server, read, relay, postrider)
}

/// Pages of the archive that were asked for.
fn pages(read: &Mutex<Vec<UidSet>>) -> Vec<UidSet> {
    read.lock().unwrap().iter().filter(|uids| uids.last() > Some(1)).cloned().collect()
}

fn stored(postrider: &Postrider) -> u64 {
    ask(&postrider.database(), "SELECT count(*) AS x FROM location").parse().unwrap()
}

fn chosen(served: &Served, wish: &Value) -> u64 {
    let (status, told) = served.post("/v1/jobs", &wish.to_string());
    assert_eq!((status, &told["refused"]), (202, &json!([])), "{told}");
    told["items"][0]["id"].as_u64().unwrap()
}

/// A run that reads the history leaves it for who was asked for some of it, and goes on behind.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_comes_before_the_rest() {
    let (server, read, _, postrider) = slow(Some(PAGE)).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("history is read", || stored(&postrider) > 1000);
        let wish = json!({ "kind": "selective", "accounts": ["a"], "folders": ["Archive"], "since": "2001-03-02", "until": "2001-03-02" });
        let id = chosen(&served, &wish);
        let done = wait_for(&served, id, "done");
        let asked = pages(&read);
        let wanted = UidSet::range(100, 199);
        assert_eq!(asked.iter().filter(|page| **page == wanted).count(), 1, "{asked:?}");
        assert_eq!(
            (&done["outcome"], &done["folders"], &done["since"], &done["until"]),
            (
                &"what was asked for is read; the rest of the history follows".into(),
                &json!(["Archive"]),
                &"2001-03-02T00:00:00Z".into(),
                &"2001-03-03T00:00:00Z".into()
            )
        );
        let before = stored(&postrider);
        assert!(before < 8000, "{before} are stored before the rest is read");
        wait_until("everything is there", || stored(&postrider) == u64::from(MAILS) + 1);
        served.wait_for_state("a", "idle");
        let asked = pages(&read);
        let octets: u64 = asked.iter().map(UidSet::len).sum();
        assert_eq!(octets, u64::from(MAILS), "each is read once: {asked:?}");
        let runs = served.get("/v1/runs")["items"].as_array().unwrap().clone();
        let causes: Vec<&str> = runs.iter().rev().filter_map(|run| run["cause"].as_str()).collect();
        assert_eq!(causes, ["schedule", "job", "history"], "{runs:?}");
        drop(server);
        served.stop();
    })
    .await;
}

/// Killed at half of it: the next process goes on where that one was, and the job is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_job_goes_on_where_it_was() {
    let (server, _, relay, postrider) = slow(None).await;
    blocking(move || {
        let mut served = postrider.serve(&[]);
        served.wait_for_state("a", "running");
        let wish = json!({ "kind": "selective", "accounts": ["a"], "limit": MAILS });
        let id = chosen(&served, &wish);
        wait_until("half of it is there", || stored(&postrider) > u64::from(MAILS) / 2);
        assert_eq!(served.get(&format!("/v1/jobs/{id}"))["status"], "running");
        served.running.child.kill().unwrap();
        served.running.child.wait().unwrap();
        let octets = |relay: &Relay| relay.octets.load(Ordering::SeqCst);
        let (kept, before) = (stored(&postrider), octets(&relay));
        let served = postrider.serve(&[]);
        let done = wait_for(&served, id, "done");
        assert_eq!((&done["attempts"], &done["merged"]), (&0.into(), &1.into()), "{done}");
        assert_eq!(stored(&postrider), u64::from(MAILS) + 1);
        let behind = octets(&relay) - before;
        // As much as one process needs for all of it.
        let at_once = Relay::cut_after(server.port(), &[]);
        let config = head().replace("500ms", "5s");
        let other = Postrider::new(&format!("{config}{}", account("a", at_once.port, "pw")));
        other.run(&["sync", "--once"]).exits(0);
        let whole = octets(&at_once);
        // What was stored is not read again.
        let left = whole * (u64::from(MAILS) + 1 - kept) / u64::from(MAILS);
        assert!(
            whole > u64::from(MAILS) * 8000 && behind * 100 <= left * 105,
            "{behind}, {left} of {whole}"
        );
        drop(server);
        served.stop();
    })
    .await;
}

/// What cannot be chosen is told, account by account.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_chosen_is_told() {
    let (server, _, _, postrider) = slow(Some(PAGE)).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("its folders are known", || stored(&postrider) > 0);
        let of = |more: &str| {
            served.post("/v1/jobs", &format!(r#"{{"kind": "selective", "accounts": ["a"]{more}}}"#))
        };
        for (more, words) in [
            ("", "selective needs one of these: folders, since, until, limit"),
            (r#", "folders": []"#, "selective needs one of these"),
            (r#", "limit": 0"#, "limit: write how many"),
            (r#", "since": "soon""#, "since: write a day, as 2026-01-31"),
            (r#", "since": "2026-02-01", "until": "2026-01-31""#, "until: it is not behind since"),
            (r#", "until": "2026-1-31""#, "until: write a day"),
            (r#", "task": "purge", "limit": 1"#, "only maintenance"),
        ] {
            let (status, told) = of(more);
            assert_eq!(status, 400, "{more}: {told}");
            assert!(told["detail"].as_str().unwrap().contains(words), "{more}: {told}");
        }
        let other = r#"{"kind": "full", "accounts": ["a"], "limit": 1}"#;
        assert_eq!(served.post("/v1/jobs", other).0, 400);
        let (status, told) = of(r#", "folders": ["inbox", "Archives"]"#);
        assert_eq!((status, &told["items"]), (202, &json!([])), "{told}");
        let why = told["refused"][0]["why"].as_str().unwrap();
        assert!(why.contains("it has none of the name \"Archives\""), "{told}");
        let run = postrider.run(&[
            "jobs",
            "add",
            "selective",
            "a",
            "--folder",
            "inbox",
            "--limit",
            "5",
            "--since",
            "2001-01-01",
        ]);
        run.exits(0);
        drop(server);
        served.stop();
    })
    .await;
}

/// A server that ends sessions where it is asked when mail came: history comes in its order, nothing is shut, and the
/// job says why it could not be done.
#[tokio::test(flavor = "multi_thread")]
async fn who_ends_at_dates_loses_nothing() {
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("one"));
    mailbox.create("Archive", "");
    for n in 1..=10_000 {
        mailbox.append("Archive", note(&format!("{n}")));
    }
    let closed = Arc::new(Mutex::new(0));
    let count = Arc::clone(&closed);
    let server = serve(&[("a", &mailbox)], move |_, asked| {
        let is_dates =
            asked.starts_with("UID FETCH") && asked.ends_with("RFC822.SIZE INTERNALDATE)");
        *count.lock().unwrap() += u32::from(is_dates);
        let is_page = asked.contains("BODY.PEEK[]");
        let slow = is_page.then_some(Misbehaviour::Delay(PAGE / 2));
        is_dates.then_some(Misbehaviour::Close).or(slow)
    })
    .await;
    let head = head().replace("500ms", "5s").replace("[sync]\n", "[sync]\nrecent_messages = 10\n");
    let postrider = Postrider::new(&format!("{head}{}", account("a", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("history is read", || stored(&postrider) > 500);
        let wish = json!({ "kind": "selective", "accounts": ["a"], "folders": ["Archive"], "since": "2001-01-01" });
        let path = format!("/v1/jobs/{}", chosen(&served, &wish));
        wait_until("the job has ended", || !served.get(&path)["finished_at"].is_null());
        // Unless all was read meanwhile it would be dead behind the third.
        let errors = served.get(&path)["errors"].clone();
        assert!(errors[0]["text"].as_str().unwrap().contains("cannot be learned"), "{errors}");
        wait_until("everything is there", || stored(&postrider) == 10_001);
        assert_eq!(served.get("/v1/failures")["items"], json!([]));
        let closed = *closed.lock().unwrap();
        // It may come to a run under way, and is then tried three times.
        assert!((2..=8).contains(&closed), "two in each: {closed}");
        drop(server);
        served.stop();
    })
    .await;
}
