//! Many accounts are commanded at once, and looked at for who waits; and who has had what done is written down.

use crate::support::binary::{Postrider, account};
use crate::support::mail::{Mail, Mailbox, blocking, note, serve};
use crate::support::relay::Relay;
use crate::support::served::{Served, head, request, wait_until};
use postrider_imapd::{Misbehaviour, Server};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Accounts of two owners, and one that never logs in.
async fn begun() -> (Server, Arc<AtomicBool>, Postrider) {
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("one"));
    let slow = Arc::<AtomicBool>::default();
    let is_slow = Arc::clone(&slow);
    let users = [("a", &mailbox), ("b", &mailbox), ("c", &mailbox)];
    let server = serve(&users, move |_, asked| {
        let is_look = asked.starts_with("EXAMINE") || asked.starts_with("STATUS");
        let waits = is_look && is_slow.load(Ordering::SeqCst);
        waits.then_some(Misbehaviour::Delay(Duration::from_secs(4)))
    })
    .await;
    let of = |id: &str, owner: &str, password: &str| {
        format!("{}owner = \"{owner}\"\n", account(id, server.port(), password))
    };
    let accounts = [of("a", "ada", "pw"), of("b", "ada", "pw"), of("c", "bob", "wrong")].concat();
    let head = head().replace("500ms", "6s");
    (server, slow, Postrider::new(&format!("{head}{accounts}")))
}

fn ready(postrider: &Postrider) -> Served {
    let served = postrider.serve(&[]);
    ["a", "b"].iter().for_each(|id| served.wait_for_state(id, "idle"));
    served.wait_for_state("c", "needs_reauth");
    served
}

fn states(served: &Served) -> Vec<String> {
    let items = served.get("/v1/accounts?limit=1000")["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["state"].as_str().unwrap().to_owned()).collect()
}

fn told(served: &Served, path: &str) -> Value {
    let (status, told) = served.post(path, "");
    assert!(status == 202 || status == 200, "{path}: {status} {told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_commanded_at_once() {
    let (server, _, postrider) = begun().await;
    blocking(move || {
        let served = ready(&postrider);
        let none = json!([]);
        let paused = told(&served, "/v1/control/pause?owner=ada");
        assert_eq!(paused, json!({ "total": 2, "accepted": 2, "refused": none }));
        assert_eq!(states(&served), ["paused", "paused", "needs_reauth"]);
        let now = told(&served, "/v1/control/sync-now?owner=ada");
        assert_eq!((&now["accepted"], &now["refused"][0]["account"]), (&0.into(), &"a".into()));
        assert_eq!(now["refused"][1]["why"], "the account is paused: resume it first");
        let ran = postrider.run(&["pause", "--all"]).exits(0);
        assert_eq!(ran.stdout.trim(), "3 of 3");
        postrider.run(&["resume", "--owner", "bob"]).exits(0);
        let ran = postrider.run(&["cancel", "--all"]).exits(3);
        assert!(ran.stdout.contains("0 of 3") && ran.stderr.contains("b: no run"), "{ran:?}");
        postrider.run(&["pause"]).exits(2);
        postrider.run(&["pause", "a", "--all"]).exits(2);
        postrider.run(&["resume", "--all"]).exits(0);
        for (path, status, words) in [
            ("/v1/control/pause", 400, "owner=, or all=true"),
            ("/v1/control/pause?owner=ada&all=true", 400, "owner=, or all=true"),
            ("/v1/control/stop?all=true", 400, "pause, resume, cancel, sync-now, reset-errors"),
            ("/v1/control/pause?owner=nobody", 404, "there is no such owner"),
            ("/v1/control/pause?all=maybe", 400, "all"),
            ("/v1/sync?wait=61", 400, "from 0 to 60"),
            ("/v1/accounts/a/schedule-at", 400, "2026-01-31T08:00:00Z"),
        ] {
            let (found, told) = served.post(path, "");
            assert!(
                found == status && told["detail"].as_str().unwrap().contains(words),
                "{path}: {found} {told}"
            );
        }
        drop(server);
        served.stop();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_waits_for_all() {
    let (server, slow, postrider) = begun().await;
    blocking(move || {
        let served = ready(&postrider);
        let ada = served.get("/v1/sync?owner=ada");
        assert_eq!(
            ada,
            json!({ "success": true, "total": 2, "successful": 2, "failed": 0, "pending": 0, "failures": [] })
        );
        assert_eq!(served.ask("HEAD", "/v1/sync").0, 405, "what changes something has no head");
        let all = told(&served, "/v1/sync");
        let counts = |told: &Value| {
            ["total", "successful", "failed", "pending"].map(|key| told[key].as_u64().unwrap())
        };
        assert_eq!((all["success"].as_bool(), counts(&all)), (Some(false), [3, 2, 1, 0]), "{all}");
        let why = all["failures"][0]["why"].as_str().unwrap();
        assert!(why.contains("waits until something changes"), "no login is tried: {all}");
        // Who is not done when the time is over goes on.
        slow.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        let late = told(&served, "/v1/sync?wait=1&owner=ada");
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
        assert_eq!((late["success"].as_bool(), counts(&late)), (Some(false), [2, 0, 0, 2]));
        slow.store(false, Ordering::SeqCst);
        let ran = postrider.run(&["sync-now", "--owner", "ada"]).exits(0);
        assert_eq!(ran.stdout.trim(), "2 of 2");
        postrider.run(&["sync-now", "--all", "--wait"]).exits(2);
        // A look at a certain time is a job.
        let (status, told) =
            served.post("/v1/accounts/a/schedule-at", r#"{"at": "2099-01-01T00:00:00Z"}"#);
        assert_eq!((status, &told["status"]), (202, &"queued".into()), "{told}");
        let job = served.get(&format!("/v1/jobs/{}", told["id"]));
        assert_eq!(
            (&job["not_before"], &told["not_before"]),
            (&"2099-01-01T00:00:00Z".into(), &"2099-01-01T00:00:00Z".into())
        );
        // Another time is another look, and who asks for one now takes neither with it.
        let at = |at: &str| {
            let body = format!(r#"{{"at": "{at}"}}"#);
            served.post("/v1/accounts/a/schedule-at", &body).1["id"].clone()
        };
        let (same, other) = (at("2099-01-01T00:00:00Z"), at("2099-01-02T00:00:00Z"));
        assert!(same == told["id"] && other != told["id"], "{told} {same} {other}");
        postrider.run(&["jobs", "add", "incremental", "a"]).exits(0);
        let open = served.get("/v1/jobs?status=queued&account=a");
        assert!(open["items"].as_array().unwrap().len() >= 2, "{open}");
        drop(server);
        served.stop();
    })
    .await;
}

fn ask_as(served: &Served, token: &str, method: &str, path: &str) -> (u16, Value) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nAuthorization: Bearer {token}\r\n",
        served.address
    );
    let (status, _, body) = request(&served.address, &head, "");
    (status, serde_json::from_str(&body).unwrap_or_default())
}

/// Each request that is to change something has a row: who, what, of what, from where, and what came of it. Looks have
/// none; who sees an owner's accounts alone sees its rows alone.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_had_what_done_is_written_down() {
    let (server, _, postrider) = begun().await;
    blocking(move || {
        drop(ready(&postrider));
        let token = |name: &str| format!("{name:x<40}");
        let lines = ["admin root", "admin@ada ada", "operate@bob bob", "read eye"].map(|line| {
            let name = line.split_once(' ').unwrap().1;
            format!("{line} {}\n", token(name))
        });
        fs::write(postrider.path("data/admin.token"), lines.concat()).unwrap();
        let mut served = postrider.serve(&[]);
        served.token = token("root");
        wait_until("they are idle", || states(&served)[..2] == ["idle", "idle"]);
        let asked = [
            ("root", "POST", "/v1/accounts/a/pause", 202),
            ("ada", "POST", "/v1/control/resume?owner=ada", 202),
            ("bob", "POST", "/v1/accounts/a/pause", 404),
            ("eye", "POST", "/v1/accounts/a/pause", 403),
            ("bob", "GET", "/v1/sync?wait=0", 200),
            ("root", "POST", "/v1/accounts/a/purge", 409),
            ("root", "POST", "/v1/accounts/none%0Asuch/pause", 404),
            ("wrong", "POST", "/v1/accounts/a/cancel", 401),
            ("root", "GET", "/v1/accounts", 200),
            ("root", "POST", "/v1/jobs/77/cancel", 404),
            ("root", "POST", "/v1/jobs/cancel?account=a", 202),
            ("root", "POST", "/v1/control/cancel?owner=ada", 202),
        ];
        for (who, method, path, status) in asked {
            let (told, body) = ask_as(&served, &token(who), method, path);
            assert_eq!(told, status, "{who} {method} {path}: {body}");
        }
        let rows = |who: &str, query: &str| {
            let (status, told) = ask_as(&served, &token(who), "GET", &format!("/v1/audit{query}"));
            assert_eq!(status, 200, "{told}");
            told["items"].as_array().unwrap().clone()
        };
        let all = rows("root", "");
        let said: Vec<String> = all
            .iter()
            .rev()
            .map(|row| {
                assert_eq!(row["source"], "127.0.0.1");
                let word = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
                let (who, role, verb, what) =
                    (word("who"), word("role"), word("verb"), word("what"));
                format!("{who} {role} {verb} {what} {}", row["status"])
            })
            .collect();
        assert_eq!(
            said,
            [
                "root admin POST /v1/accounts/{id}/pause a 202",
                "ada admin POST /v1/control/{verb} resume 202",
                "bob operate POST /v1/accounts/{id}/pause a 404",
                "eye read POST /v1/accounts/{id}/pause a 403",
                "bob operate GET /v1/sync - 200",
                "root admin POST /v1/accounts/{id}/purge a 409",
                "root admin POST /v1/accounts/{id}/pause none such 404",
                "- - POST /v1/accounts/{id}/cancel a 401",
                "root admin POST /v1/jobs/{id}/cancel 77 404",
                "root admin POST /v1/jobs/cancel a 202",
                "root admin POST /v1/control/{verb} cancel 202",
            ]
        );
        assert_eq!(all[9]["detail"], "resume those of ada: 2 of 2");
        assert!(all[5]["detail"].as_str().unwrap().contains("take it out there first"));
        let of = |rows: Vec<Value>| {
            rows.iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        // The operator's, of ada's account, and its own.
        let ids = of(all.clone());
        assert_eq!(of(rows("ada", "")), [ids[0], ids[1], ids[3], ids[5], ids[7], ids[9], ids[10]]);
        assert_eq!(of(rows("root", "?who=bob")), [ids[6], ids[8]]);
        assert_eq!(of(rows("root", "?what=77")), [ids[2]]);
        assert_eq!(of(rows("root", &format!("?limit=2&cursor={}", ids[2]))), [ids[3], ids[4]]);
        assert_eq!(ask_as(&served, &token("bob"), "GET", "/v1/audit").0, 403);
        assert_eq!(ask_as(&served, &token("ada"), "GET", "/v1/audit?owner=bob").0, 404);
        let ran = postrider.run(&["audit", "a", "--by", "root"]).exits(0);
        assert!(ran.stdout.lines().count() == 4 && ran.stdout.contains("/pause"), "{ran:?}");
        drop(server);
        served.stop();
    })
    .await;
}

/// Whoever hangs up has it done all the same, and it is written down; as is what is too long.
#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_is_written_down() {
    let (server, slow, postrider) = begun().await;
    blocking(move || {
        let served = ready(&postrider);
        slow.store(true, Ordering::SeqCst);
        let token = &served.token;
        let head = format!(
            "POST /v1/sync?wait=3&owner=ada HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nAuthorization: Bearer {token}\r\n\r\n",
            served.address
        );
        let mut stream = TcpStream::connect(&served.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let rows = |verb: &str| {
            let all = served.get("/v1/audit")["items"].as_array().unwrap().clone();
            all.into_iter().filter(|row| row["verb"] == verb).collect::<Vec<_>>()
        };
        wait_until("it has begun", || rows("POST /v1/sync").len() == 1);
        assert_eq!(rows("POST /v1/sync")[0]["status"], Value::Null);
        drop(stream);
        wait_until("it has ended", || rows("POST /v1/sync")[0]["status"] == 200);
        let (status, _) = served.post("/v1/jobs", &"x".repeat(20_000));
        assert_eq!((status, &rows("POST /v1/jobs")[0]["status"]), (413, &413.into()));
        drop(server);
        served.stop();
    })
    .await;
}

/// Two hundred accounts are paused while each reads a mail that takes long: it is durable when that is said, and nothing is
/// read any more.
#[tokio::test(flavor = "multi_thread")]
async fn all_are_paused_within_a_second() {
    const ACCOUNTS: usize = 200;
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("one"));
    let names: Vec<String> = (0..ACCOUNTS).map(|n| format!("u{n}")).collect();
    let users: Vec<(&str, &Mailbox)> = names.iter().map(|name| (name.as_str(), &mailbox)).collect();
    let looks = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&looks);
    let server = serve(&users, move |_, asked| {
        let is_look = asked.starts_with("EXAMINE") || asked.starts_with("LIST");
        count.fetch_add(usize::from(is_look), Ordering::SeqCst);
        None
    })
    .await;
    let accounts: String = names.iter().map(|name| account(name, server.port(), "pw")).collect();
    let head = head().replace("500ms", "10s");
    let postrider = Postrider::new(&format!("{head}{accounts}"));
    blocking(move || {
        let mut served = postrider.serve(&[]);
        wait_until("all have begun", || {
            states(&served).iter().filter(|state| *state == "idle").count() == ACCOUNTS
        });
        let begun = Instant::now();
        let (_, paused) = served.post("/v1/control/pause?all=true", "");
        eprintln!("PAUSED in {:?}", begun.elapsed());
        assert_eq!(paused, json!({ "total": ACCOUNTS, "accepted": ACCOUNTS, "refused": [] }));
        served.running.child.kill().unwrap();
        served.running.child.wait().unwrap();
        let before = looks.load(Ordering::SeqCst);
        let served = postrider.serve(&[]);
        wait_until("all are paused", || states(&served).iter().all(|state| state == "paused"));
        assert_eq!(looks.load(Ordering::SeqCst), before, "nobody has looked");
        drop(server);
        served.stop();
    })
    .await;
}

/// Paused in the middle of a mail of 60 MB: nothing of it is read a second later, and the rest comes when that is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_what_is_being_read() {
    const ACCOUNTS: usize = 10;
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", Mail::new(vec![b'x'; 60_000_000]));
    let names: Vec<String> = (0..ACCOUNTS).map(|n| format!("u{n}")).collect();
    let users: Vec<(&str, &Mailbox)> = names.iter().map(|name| (name.as_str(), &mailbox)).collect();
    let server = serve(&users, |_, _| None).await;
    let relay = Relay::slow(server.port(), 2e6);
    let accounts: String = names.iter().map(|name| account(name, relay.port, "pw")).collect();
    let head = head().replace("500ms", "10s");
    let postrider = Postrider::new(&format!("{head}{accounts}"));
    blocking(move || {
        let served = postrider.serve(&[]);
        let octets = || relay.octets.load(Ordering::SeqCst);
        wait_until("all are in the middle of it", || octets() > 2_000_000 * ACCOUNTS as u64);
        let paused = told(&served, "/v1/control/pause?all=true");
        assert_eq!(paused["accepted"], ACCOUNTS);
        assert!(states(&served).iter().all(|state| state == "paused"));
        std::thread::sleep(Duration::from_secs(1));
        let before = octets();
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(octets(), before, "nothing is read any more");
        drop(server);
        served.stop();
    })
    .await;
}
