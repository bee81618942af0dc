//! Webhooks of Nylas's: believed or not, written down before they are answered, and asked about: never the truth.

use crate::support::database::{ask, try_change};
use crate::support::mail::blocking;
use crate::support::nylas::{mirrors, serves, well};
use crate::support::nylas_push::{
    Hooked, SECRET, about, hook, hook_packed, hooked, notice, packed, packed_with, rests, seldom,
    send, signature,
};
use crate::support::served::{request, wait_until};
use postrider_core::recovery::backoff::mix;
use postrider_feedd::nylas::seed;
use postrider_feedd::{NylasBox, Play, Question};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn insert(mailbox: &NylasBox, n: u64) -> String {
    mailbox.insert(format!("Subject: news {n}\r\n\r\nx\r\n"), &["INBOX"], now())
}

/// What is new, another and gone is a row long before the schedule, and no list is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_a_row_long_before_the_schedule() {
    let mailbox = seed::mailbox(21, 20, "microsoft");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let Hooked { postrider, served, at } = hooked(&server, &[]);
        let database = postrider.database();
        let holds = |what: &str| {
            wait_until(what, || {
                ask(&database, &format!("SELECT count(*) AS x FROM message WHERE {what}")) == "1"
            })
        };
        let new = insert(&mailbox, 1);
        assert_eq!(hook(&at, &about("e1", "message.created", &new)), 200);
        holds("subject = 'news 1'");
        mailbox.change(&new, |mail| (mail.unread, mail.starred) = (false, true));
        assert_eq!(hook_packed(&at, &about("e2", "message.updated.transformed", &new)), 200);
        holds("subject = 'news 1' AND EXISTS (SELECT 1 FROM location l WHERE l.message = message.id AND l.flags LIKE '%Seen%')");
        rests(&served);
        let asked = server.asked();
        assert!(!asked.iter().any(Question::lists), "nothing is listed: {asked:?}");
        mailbox.delete(&new);
        assert_eq!(hook(&at, &about("e3", "message.deleted", &new)), 200);
        holds("subject = 'news 1' AND deleted_at IS NOT NULL");
        rests(&served);
        mirrors(&postrider, &mailbox);
        assert_eq!(served.hooks("taken"), 3.0);
        assert_eq!(
            ask(&database, "SELECT count(*) AS x FROM inbound WHERE source = 'nylas/main'"),
            "3"
        );
        let told = served.get("/v1/inbound");
        let source = &told["sources"][0];
        assert_eq!(
            (&source["source"], &source["path"]),
            (&json!("nylas/main"), &json!("/nylas/main"))
        );
        assert_eq!(source["latest"][0]["outcome"], "taken");

        // A folder is known before the schedule, too.
        let folder = mailbox.create_folder("Made", None);
        let object = json!({"id": folder, "grant_id": "grant-1", "object": "folder"});
        assert_eq!(hook(&at, &notice("e4", "folder.created", &object)), 200);
        wait_until("the folder", || {
            ask(&database, "SELECT count(*) AS x FROM folder WHERE path = 'Made'") == "1"
        });
        served.stop();
    })
    .await;
}

/// Whoever does not know the secret has nothing done; what is believed and of no use is answered.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_signed_has_nothing_done() {
    let mailbox = seed::mailbox(22, 5, "google");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let Hooked { postrider, served, at } = hooked(&server, &[]);
        let id = mailbox.ids()[0].clone();
        let body = about("e1", "message.updated", &id);
        let zip = packed(&body);
        let gzip = "Content-Encoding: gzip\r\n";
        for (what, octets, told, more) in [
            ("another secret", &body, signature("another secret", &body), ""),
            ("other octets", &body, signature(SECRET, b"other"), ""),
            ("none", &body, String::new(), ""),
            ("half of it", &body, signature(SECRET, &body).chars().take(32).collect(), ""),
            ("what is in it is signed, and not what came", &zip, signature(SECRET, &body), gzip),
        ] {
            assert_eq!(send(&at, octets, &told, more), 401, "{what}");
        }
        for body in ["", "{}", "x", r#"{"type":"message.created","data":{}}"#] {
            assert_eq!(hook(&at, body.as_bytes()), 400, "{body}");
        }
        assert_eq!(send(&at, &body, &signature(SECRET, &body), "Content-Encoding: br\r\n"), 400);
        assert_eq!(send(&at, &body, &signature(SECRET, &body), gzip), 400, "it is not packed");
        for kind in ["thread.replied", "message.opened", "message.send_success", "calendar.created"]
        {
            assert_eq!(hook(&at, &about(kind, kind, &id)), 200, "{kind}");
        }
        let object = json!({"id": id, "grant_id": "grant-9"});
        assert_eq!(hook(&at, &notice("e2", "message.created", &object)), 200);
        let seen = |outcome: &str| served.hooks(outcome);
        assert_eq!(
            (seen("unsigned"), seen("unreadable"), seen("ignored"), seen("stranger")),
            (5.0, 6.0, 4.0, 1.0)
        );
        std::thread::sleep(Duration::from_millis(300));
        assert!(server.asked().is_empty(), "nobody was asked anything");
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM inbound"), "0");
        let said = served.running.stderr();
        assert!(!said.contains(SECRET), "{said}");
        assert_eq!(said.lines().filter(|line| line.contains("was not believed")).count(), 1);

        // The secret is exchanged while the server runs, and where it cannot be had it is asked for again.
        std::fs::write(postrider.path("hook"), "another secret\n").unwrap();
        wait_until("the other secret", || {
            send(&at, &body, &signature("another secret", &body), "") == 200
        });
        std::fs::remove_file(postrider.path("hook")).unwrap();
        wait_until("none", || send(&at, &body, &signature("another secret", &body), "") == 503);
        assert_eq!(served.last()["outcome"], "unjudged");
        assert!(served.last()["reason"].as_str().unwrap().contains("webhook_secret_file"));
        served.stop();
    })
    .await;
}

/// Who makes a webhook asks whether somebody is here, and is told so in its own words.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered_in_its_own_words() {
    let mailbox = seed::mailbox(23, 1, "google");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let Hooked { postrider: _files, served, at } = hooked(&server, &[]);
        let get = |path: &str| request(&at, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n"), "");
        let (status, head, body) = get("/nylas/main?challenge=aZ0.-_");
        let head = head.to_lowercase();
        assert_eq!((status, body.as_str()), (200, "aZ0.-_"));
        assert!(
            head.contains("content-type: text/plain\r\n") && head.contains("nosniff"),
            "{head}"
        );
        assert!(head.contains("content-length: 6"), "{head}");
        for path in ["/nylas/main?challenge=%3Cb%3E", "/nylas/main", "/nylas/main?challenge="] {
            assert_eq!(get(path).0, 400, "{path}");
        }
        for path in ["/nylas/other?challenge=a", "/nylas?challenge=a", "/nylas/main/?challenge=a"] {
            assert_eq!(get(path).0, 404, "{path}");
        }
        let put = request(
            &at,
            "PUT /nylas/main?challenge=a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
            "",
        );
        assert_eq!(put.0, 404);
        assert_eq!((served.hooks("challenged"), served.hooks("bad_challenge")), (1.0, 3.0));
        served.stop();
    })
    .await;
}

/// What a webhook says of a grant decides nothing: the grant is asked, and its answer does.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_asked_whatever_is_told_of_it() {
    let mailbox = seed::mailbox(24, 10, "microsoft");
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let server = serves(&mailbox, move |question| {
        let is_it = question.path.starts_with("grants/grant-1") && is_gone.load(Ordering::SeqCst);
        is_it.then(|| Play::nylas(404, "grant_not_found", "No Grant found with this ID"))
    })
    .await;
    blocking(move || {
        let Hooked { postrider, served, at } = hooked(&server, &[]);
        let object = json!({"grant_id": "grant-1", "code": 25009, "provider": "microsoft"});
        let tell = |event: &str, kind: &str| {
            assert_eq!(hook(&at, &notice(event, kind, &object)), 200, "{kind}")
        };
        let grants = || server.asked().iter().filter(|question| question.is_of_grant()).count();
        // An old one may be sent again: it is a lie now.
        tell("e1", "grant.expired");
        wait_until("it is asked", || grants() > 0);
        rests(&served);
        assert_eq!(served.state("u"), "idle");
        served.stop();

        // Each is told once a minute: a process begins anew for the next.
        let served = postrider.serve(&[]);
        rests(&served);
        let at = served.inbound();
        let tell = |event: &str, kind: &str| {
            assert_eq!(hook(&at, &notice(event, kind, &object)), 200, "{kind}")
        };
        mailbox.lock().is_valid = false;
        tell("e2", "grant.expired");
        served.wait_for_state("u", "needs_reauth");
        let missed = insert(&mailbox, 7);
        assert_eq!(hook(&at, &about("e3", "message.created", &missed)), 200, "it is written down");
        mailbox.lock().is_valid = true;
        served.stop();

        let served = postrider.serve(&[]);
        let at = served.inbound();
        assert_eq!(served.state("u"), "needs_reauth", "who is parked stays so");
        assert_eq!(hook(&at, &notice("e4", "grant.updated", &object)), 200);
        served.wait_for_state("u", "idle");
        rests(&served);
        mirrors(&postrider, &mailbox);
        served.stop();

        let served = postrider.serve(&[]);
        rests(&served);
        let at = served.inbound();
        gone.store(true, Ordering::SeqCst);
        assert_eq!(hook(&at, &notice("e5", "grant.deleted", &object)), 200);
        served.wait_for_state("u", "needs_reauth");
        let held = ask(
            &postrider.database(),
            "SELECT count(*) AS x FROM message WHERE deleted_at IS NULL",
        );
        assert_eq!(held, "12", "every row stays");
        served.stop();
    })
    .await;
}

/// Who was refused and may be let in again asks, though the process ends before anybody has told it so.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_a_grant_outlives_the_process() {
    let mailbox = seed::mailbox(28, 5, "google");
    mailbox.lock().is_valid = false;
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let postrider = seldom(&server);
        let served = postrider.serve(&[("POSTRIDER_FAULT", "inbound.stored")]);
        served.wait_for_state("u", "needs_reauth");
        mailbox.lock().is_valid = true;
        let object = json!({"grant_id": "grant-1"});
        let body = notice("e1", "grant.updated", &object);
        assert_ne!(send_to(&served.inbound(), &body, &signature(SECRET, &body)), Some(200));
        drop(served.running.wait(Duration::from_secs(60)));
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        mirrors(&postrider, &mailbox);
        served.stop();
    })
    .await;
}

/// That something came is forgotten after three days, a part at a time; and what comes for an account that has another id
/// since is its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_is_forgotten_and_who_was_renamed_is_known() {
    let mailbox = seed::mailbox(29, 5, "google");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let Hooked { postrider, served, at } = hooked(&server, &[]);
        let database = postrider.database();
        let rows = |what: &str| ask(&database, &format!("SELECT count(*) AS x FROM inbound WHERE {what}"));
        served.stop();
        drop(at);
        for (n, age) in [(2500, 73), (7, 71)] {
            let at = (now() - age * 3600) * 1_000_000;
            let text = format!("INSERT INTO inbound (source, event, at) WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {n}) SELECT 'nylas/main', 'a' || {age} || n, {at} FROM c");
            assert!(try_change(&database, &text));
        }
        let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
        let config = config.replace("id = \"u\"\n", "id = \"v\"\nwas = \"u\"\n");
        std::fs::write(postrider.path("config.toml"), config).unwrap();
        let served = postrider.serve(&[]);
        wait_until("it is forgotten", || rows("event LIKE 'a73%'") == "0");
        assert_eq!(rows("event LIKE 'a71%'"), "7");
        served.wait_for_state("v", "idle");
        let new = insert(&mailbox, 1);
        assert_eq!(hook(&served.inbound(), &about("e1", "message.created", &new)), 200);
        wait_until("the mail", || {
            ask(&database, "SELECT count(*) AS x FROM message WHERE subject = 'news 1'") == "1"
        });
        served.stop();
    })
    .await;
}

/// Whatever becomes of webhooks and of the process that takes them, each change is a row once: what was answered is
/// written down, and what is sent again is no news.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_not_lost_and_what_comes_again_is_no_news() {
    let seed: u64 =
        std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(47);
    let mailbox = seed::mailbox(seed, 30, "google");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let postrider = seldom(&server);
        let (mut all, mut sent) = (Vec::new(), 0_u64);
        for round in 0..4 {
            let fault = [("POSTRIDER_FAULT", "inbound.stored:12")];
            let mut served = postrider.serve(if round > 0 { &fault } else { &[] });
            rests(&served);
            let mut at = served.inbound();
            let mut late: Vec<Vec<u8>> = Vec::new();
            for n in 0..40 {
                let draw = mix(seed ^ (round << 32) ^ n);
                let ids = mailbox.ids();
                let id = ids[usize::try_from(draw >> 8).unwrap_or(0) % ids.len()].clone();
                let (kind, id) = match draw % 5 {
                    0 => {
                        mailbox.change(&id, |mail| mail.starred = !mail.starred);
                        ("message.updated", id)
                    }
                    1 if ids.len() > 10 => {
                        mailbox.delete(&id);
                        ("message.deleted", id)
                    }
                    _ => ("message.created.truncated", insert(&mailbox, sent)),
                };
                sent += 1;
                let body = about(&format!("e{sent}"), kind, &id);
                all.push(body.clone());
                if (draw >> 4).is_multiple_of(4) {
                    late.push(body);
                    continue;
                }
                for body in
                    std::iter::once(&body).chain((draw >> 6).is_multiple_of(8).then_some(&body))
                {
                    let signed = signature(
                        if (draw >> 12).is_multiple_of(20) { "wrong secret" } else { SECRET },
                        body,
                    );
                    // Whoever is not answered sends it again, later.
                    if !matches!(send_to(&at, body, &signed), Some(200)) {
                        late.push(body.clone());
                    }
                }
            }
            if round > 0 {
                drop(served.running.wait(Duration::from_secs(60)));
                served = postrider.serve(&[]);
                at = served.inbound();
            }
            for body in late.iter().rev() {
                wait_until("it is taken", || hook(&at, body) == 200);
            }
            rests(&served);
            mirrors(&postrider, &mailbox);
            served.stop();
        }
        let served = postrider.serve(&[]);
        rests(&served);
        let at = served.inbound();
        let told = || {
            let found = served.get("/v1/events?after=0&limit=1000");
            let items = found["items"].as_array().unwrap().clone();
            let kinds = items
                .iter()
                .filter(|event| event["kind"].as_str().unwrap().starts_with("message."));
            kinds
                .map(|event| (event["kind"].to_string(), event["message"].to_string()))
                .collect::<Vec<_>>()
        };
        let before = told();
        let created: Vec<&String> = before
            .iter()
            .filter(|(kind, _)| kind.contains("created"))
            .map(|(_, message)| message)
            .collect();
        assert_eq!(
            created.iter().collect::<BTreeSet<_>>().len(),
            created.len(),
            "seed {seed}: each once"
        );
        // All of it once more: nothing is told twice, nor asked about.
        drop(server.asked());
        for body in &all {
            wait_until("it is taken", || hook(&at, body) == 200);
        }
        rests(&served);
        assert_eq!(told(), before, "seed {seed}");
        let asked = server.asked();
        assert!(asked.iter().all(|question| question.message().is_none()), "{asked:?}");
        let rows = ask(&postrider.database(), "SELECT count(*) AS x FROM inbound");
        assert_eq!(rows, sent.to_string(), "seed {seed}");
        served.stop();
    })
    .await;
}

/// Sends it to a server that may end meanwhile.
fn send_to(at: &str, body: &[u8], signed: &str) -> Option<u16> {
    std::net::TcpStream::connect(at).ok()?;
    std::panic::catch_unwind(|| send(at, body, signed, "")).ok()
}

/// A database that takes no writes is no end of a webhook: it is to come again, and is told so in time.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_webhooks_are_to_come_again() {
    let mailbox = seed::mailbox(26, 5, "microsoft");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let Hooked { postrider, served, at } = hooked(&server, &[]);
        let new = insert(&mailbox, 1);
        let body = about("e1", "message.created", &new);
        crate::support::database::locked(&postrider.database(), || {
            let began = Instant::now();
            assert_eq!(hook(&at, &body), 503);
            assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
            assert_eq!(served.last()["outcome"], "unstored");
        });
        wait_until("it is taken", || hook(&at, &body) == 200);
        wait_until("the mail", || {
            ask(&postrider.database(), "SELECT count(*) AS x FROM message WHERE subject = 'news 1'")
                == "1"
        });
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM inbound"), "1");
        served.stop();
    })
    .await;
}

/// Somebody who knows the secret may pack anything: no more than a limit is unpacked, and nothing of it is kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_takes_no_memory() {
    let mailbox = seed::mailbox(27, 5, "microsoft");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let Hooked { postrider: _files, served, at } = hooked(&server, &[]);
        let new = insert(&mailbox, 1);
        let before = served.peak();
        let mut told: serde_json::Value =
            serde_json::from_slice(&about("e1", "message.created", &new)).unwrap();
        told["data"]["object"]["body"] = json!("x".repeat(19 << 20));
        assert_eq!(
            hook_packed(&at, told.to_string().as_bytes()),
            200,
            "it is long, and not too long"
        );
        told["data"]["object"]["body"] = json!("x".repeat(21 << 20));
        assert_eq!(hook_packed(&at, told.to_string().as_bytes()), 413, "it is too long");
        // A gigabyte.
        let bomb = packed_with(&about("e2", "message.created", &new), 1024);
        for signed in [signature(SECRET, &bomb), String::new()] {
            let status = send(&at, &bomb, &signed, "Content-Encoding: gzip\r\n");
            assert_eq!(status, if signed.is_empty() { 401 } else { 413 });
        }
        let rise = served.peak().saturating_sub(before);
        assert!(rise < 16 * 1024, "{rise} KiB more");
        served.stop();
    })
    .await;
}
