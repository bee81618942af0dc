//! What providers push: believed or not, how soon it is a row, and what strangers can do at that door.

use crate::support::binary::Postrider;
use crate::support::gmail::{gmail_account, mirrors, well};
use crate::support::mail::blocking;
use crate::support::pusher::{
    ADDRESS, AUDIENCE, Certs, Pushed, SIGNER, Signer, claims, followed, insert, notification, push,
};
use crate::support::served::{head, request, wait_until};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postrider_core::recovery::backoff::mix;
use postrider_feedd::{GmailServer, seed};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_a_row_long_before_the_schedule() {
    let mailbox = seed::mailbox(11, 20);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let signer = Signer::new("one");
        let certs = Certs::showing(vec![signer.shown()]);
        let Pushed { postrider, served, at } = followed(&server, &certs, &[]);
        for n in 0..5 {
            let history = insert(&mailbox, n);
            assert_eq!(push(&at, &signer.token(), &notification(ADDRESS, history)), 204);
            served.holds("u", &mailbox);
        }
        assert_eq!(served.counted("taken"), 5.0);
        served.wait_for_state("u", "idle");
        mirrors(&postrider, &mailbox, |_| true);
        assert_eq!(served.last()["outcome"], "taken");
        assert_eq!(certs.asked.load(Ordering::SeqCst), 1, "keys are kept");
        assert!(served.metric("postrider_inbound_seconds_count") >= 5.0);

        // The address as others write it; and what the mailbox has seen, or nobody here has, asks nothing.
        let history = insert(&mailbox, 5);
        assert_eq!(push(&at, &signer.token(), &notification("Demo@Example.COM", history)), 204);
        served.holds("u", &mailbox);
        served.wait_for_state("u", "idle");
        wait_until("rest", || {
            std::thread::sleep(Duration::from_millis(300));
            server.asked().is_empty()
        });
        for (address, history, outcome) in [
            (ADDRESS, history, "known"),
            (ADDRESS, 1, "known"),
            ("who@example.com", u64::MAX, "stranger"),
        ] {
            assert_eq!(push(&at, &signer.token(), &notification(address, history)), 204);
            assert_eq!(served.last()["outcome"], outcome);
        }
        std::thread::sleep(Duration::from_millis(500));
        assert!(server.asked().is_empty());

        // No owner is told of it, and nothing of either API answers at the other's door.
        let get = |at: &str, path: &str| {
            request(at, &format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n"), "").0
        };
        for path in ["/", "/gmail", "/v1/accounts", "/healthz", "/metrics", "/docs/"] {
            assert_eq!(get(&at, path), 404, "{path}");
        }
        assert_eq!(push(&served.address, &signer.token(), &notification(ADDRESS, 9)), 404);
        served.stop();
    })
    .await;
}

/// A hundred in a moment are few looks, and the last one is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn many_pushes_are_few_looks() {
    let mailbox = seed::mailbox(12, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let signer = Signer::new("one");
        let certs = Certs::showing(vec![signer.shown()]);
        let Pushed { postrider: _files, served, at } = followed(&server, &certs, &[]);
        let (began, token) = (Instant::now(), signer.token());
        for n in 0..100 {
            let history = insert(&mailbox, n);
            assert_eq!(push(&at, &token, &notification(ADDRESS, history)), 204);
        }
        let took = began.elapsed().as_secs_f64();
        let looks = server.asked().iter().filter(|q| q.path == "history").count();
        // A look is a page or two.
        assert!(looks as f64 <= (took * 4.0 + 1.0) * 2.0, "{looks} looks in {took} s");
        served.holds("u", &mailbox);
        served.stop();
    })
    .await;
}

/// Pushes are lost, come twice, late, and out of order: the mirror is the mailbox's within a poll, and nothing is told twice.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_pushes_the_mirror_is_right() {
    let seed: u64 =
        std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(43);
    let mailbox = seed::mailbox(17, 20);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let signer = Signer::new("one");
        let certs = Certs::showing(vec![signer.shown()]);
        let Pushed { postrider, served, at } = followed(&server, &certs, &[]);
        let (token, mut late) = (signer.token(), Vec::new());
        let send = |history: u64| {
            assert_eq!(push(&at, &token, &notification(ADDRESS, history)), 204, "seed {seed}");
        };
        for n in 0..60 {
            let draw = mix(seed ^ n);
            let ids = mailbox.ids();
            let id = &ids[usize::try_from(draw >> 8).unwrap_or(0) % ids.len()];
            match draw % 4 {
                0 => mailbox.modify(id, &["STARRED"], &["UNREAD"]),
                1 if ids.len() > 5 => mailbox.delete(id),
                _ => drop(insert(&mailbox, usize::try_from(n).unwrap())),
            }
            let history = mailbox.lock().now;
            match (draw >> 4) % 6 {
                // Lost.
                0 => {}
                1 => late.push(history),
                2 => (0..2).for_each(|_| send(history)),
                3 => late.drain(..).rev().for_each(send),
                _ => send(history),
            }
        }
        late.drain(..).for_each(send);
        assert_eq!(served.ask("POST", "/v1/accounts/u/sync-now").0, 202);
        served.holds("u", &mailbox);
        wait_until("rest", || {
            std::thread::sleep(Duration::from_millis(600));
            served.state("u") == "idle" && server.asked().is_empty()
        });
        mirrors(&postrider, &mailbox, |_| true);
        let told = served.get("/v1/events?after=0&limit=1000&kind=message.created");
        let told = told["items"].as_array().unwrap();
        let held: BTreeSet<String> =
            told.iter().map(|event| event["message"].to_string()).collect();
        assert_eq!(held.len(), told.len(), "seed {seed}: each once");
        served.stop();
    })
    .await;
}

/// Whoever tells meets a bug: what had been answered is told all the same, without another push.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_told_behind_a_bug() {
    let mailbox = seed::mailbox(16, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let signer = Signer::new("one");
        let certs = Certs::showing(vec![signer.shown()]);
        let fault = [("POSTRIDER_FAULT", "panic.push:1")];
        let Pushed { postrider: _files, served, at } = followed(&server, &certs, &fault);
        let token = signer.token();
        // The first goes on at once, the second waits for its time.
        for n in 0..2 {
            let history = insert(&mailbox, n);
            assert_eq!(push(&at, &token, &notification(ADDRESS, history)), 204);
        }
        wait_until("a restart", || {
            served.metric("postrider_actor_restarts_total{kind=\"push\",class=\"bug\"}") >= 1.0
        });
        served.holds("u", &mailbox);
        let history = insert(&mailbox, 2);
        assert_eq!(push(&at, &token, &notification(ADDRESS, history)), 204);
        served.holds("u", &mailbox);
        served.stop();
    })
    .await;
}

/// Tokens as somebody else would make them, and what each is.
fn lies(signer: &Signer, other: &Signer) -> Vec<(&'static str, String)> {
    let now = claims(&[])["iat"].as_u64().unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |other: &[(&str, Value)]| signer.signs(&claims(other));
    let none = format!("{}.{}.", part(json!({"alg": "none", "kid": "one"})), part(claims(&[])));
    // The public key as the secret of another algorithm.
    let signed = format!("{}.{}", part(json!({"alg": "HS256", "kid": "one"})), part(claims(&[])));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &signer.public);
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    let confused = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
    let (good, forged) = (signer.token(), other.token());
    let swapped =
        format!("{}.{}", good.rsplit_once('.').unwrap().0, forged.rsplit_once('.').unwrap().1);
    let mut lacks = claims(&[]);
    lacks.as_object_mut().unwrap().remove("exp");
    vec![
        ("another audience", with(&[("aud", json!("https://evil.example/gmail"))])),
        ("no audience", with(&[("aud", Value::Null)])),
        ("another issuer", with(&[("iss", json!("https://evil.example"))])),
        ("another address", with(&[("email", json!("other@project.iam.gserviceaccount.com"))])),
        ("an address that is not verified", with(&[("email_verified", json!(false))])),
        ("no word of whether it is verified", with(&[("email_verified", Value::Null)])),
        ("its time is over", with(&[("iat", json!(now - 7200)), ("exp", json!(now - 62))])),
        ("of tomorrow", with(&[("iat", json!(now + 86_400)), ("exp", json!(now + 90_000))])),
        ("of a time that has not come", with(&[("iat", json!(now + 90))])),
        ("without an end", signer.signs(&lacks)),
        ("not signed at all", none),
        ("signed with the public key", confused),
        ("signed by somebody else", swapped),
        ("a key that is not shown", other.token()),
        ("no token", "x".to_owned()),
        ("nothing", String::new()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_believed_moves_nothing() {
    let mailbox = seed::mailbox(13, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let (signer, other) = (Signer::new("one"), Signer::new("two"));
        let certs = Certs::showing(vec![signer.shown()]);
        let Pushed { postrider: _files, served, at } = followed(&server, &certs, &[]);
        // Nobody can tell: it is to come again.
        certs.shows.lock().unwrap().0 = 500;
        let history = insert(&mailbox, 0);
        let body = notification(ADDRESS, history);
        assert_eq!(push(&at, &signer.token(), &body), 503);
        let why = served.last();
        assert_eq!(why["outcome"], "unjudged");
        assert!(why["reason"].as_str().unwrap().contains("it answers 500"), "{why}");
        served.stop();

        certs.shows.lock().unwrap().0 = 200;
        let Pushed { postrider: _files, served, at } = followed(&server, &certs, &[]);
        let asked = certs.asked.load(Ordering::SeqCst);
        let lies = lies(&signer, &other);
        for (what, token) in &lies {
            assert_eq!(push(&at, token, &body), 401, "{what}");
            assert_eq!(served.last()["outcome"], "unsigned", "{what}");
        }
        for _ in 0..100 {
            assert_eq!(push(&at, &other.token(), &body), 401);
        }
        let asked = certs.asked.load(Ordering::SeqCst) - asked;
        assert!(asked <= 2, "keys were asked for {asked} times");
        let said = served.running.stderr();
        let lines = said.lines().filter(|line| line.contains("was not believed")).count();
        assert_eq!(lines, 1, "once a minute: {said}");
        let token: String = signer.token().chars().take(40).collect();
        assert!(!said.contains(&token), "a token is written nowhere");
        // What is believed and cannot be read is told from that.
        for body in ["", "{}", "x", &notification("no address", 7)] {
            assert_eq!(push(&at, &signer.token(), body), 400, "{body}");
        }
        assert_eq!(served.counted("unreadable"), 4.0);
        std::thread::sleep(Duration::from_millis(300));
        assert!(server.asked().is_empty(), "nobody was asked anything");
        // Clocks may differ by a minute, and addresses are written as they are.
        let now = claims(&[])["iat"].as_u64().unwrap();
        for near in [
            ("exp", json!(now - 30)),
            ("iat", json!(now + 30)),
            ("iss", json!("accounts.google.com")),
            ("email", json!(SIGNER.to_uppercase())),
        ] {
            let token = signer.signs(&claims(std::slice::from_ref(&near)));
            assert_eq!(push(&at, &token, &body), 204, "{near:?}");
        }
        served.stop();
    })
    .await;
}

/// What a stranger may send, and a body that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_floods_the_door_takes_no_memory_and_keeps_nobody_out() {
    let mailbox = seed::mailbox(14, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let signer = Signer::new("one");
        let certs = Certs::showing(vec![signer.shown()]);
        let Pushed { postrider: _files, served, at } = followed(&server, &certs, &[]);
        let before = served.status("VmRSS:");
        let post = |more: &str, body: &[u8]| {
            request(&at, &format!("POST /gmail HTTP/1.1\r\nHost: x\r\n{more}"), body).0
        };
        assert_eq!(post("Content-Length: 20971520\r\n", b""), 413, "it is said to be long");
        // Chunks without an end.
        let mut stream = TcpStream::connect(&at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let sent = stream
            .write_all(b"POST /gmail HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        sent.unwrap();
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
        for _ in 0..64 {
            if stream.write_all(&chunk).is_err() {
                break;
            }
        }
        let mut said = [0; 12];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 413");
        // Heads of a megabyte.
        let long = format!("X: {}\r\n", "x".repeat(1 << 20));
        assert!(matches!(post(&long, b""), 0 | 431), "a head has 16 KiB");
        let unrouted = || served.get("/v1/inbound")["unrouted"].as_u64().unwrap();
        let already = unrouted();
        for (method, path) in
            [("DELETE", "/gmail"), ("POST", "/gmail/"), ("POST", "/nylas/main"), ("PUT", "/")]
        {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n");
            assert_eq!(request(&at, &head, "").0, 404, "{method} {path}");
        }
        assert_eq!(unrouted(), already + 4);
        // Whoever is not believed keeps no place, however often it asks.
        let asks: Vec<TcpStream> = (0..600)
            .map(|_| {
                let mut stream = TcpStream::connect(&at).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
                stream
            })
            .collect();
        for mut stream in asks {
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            assert!(said.starts_with("HTTP/1.1 404"), "{said}");
        }
        // Bodies that do not come, on more connections than there are.
        let slow: Vec<TcpStream> = (0..600)
            .map(|_| {
                let mut stream = TcpStream::connect(&at).unwrap();
                let head = "POST /gmail HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nxxxx";
                drop(stream.write_all(head.as_bytes()));
                stream
            })
            .collect();
        let began = Instant::now();
        let history = insert(&mailbox, 0);
        let token = signer.token();
        wait_until("a push beside them", || {
            push(&at, &token, &notification(ADDRESS, history)) == 204
        });
        served.holds("u", &mailbox);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
        let rise = served.status("VmRSS:").saturating_sub(before);
        assert!(rise < 16 * 1024, "{rise} KiB more");
        assert!(served.counted("too_slow") >= 1.0);
        drop(slow);
        served.stop();
    })
    .await;
}

/// An edit says whose mailboxes there are from then on.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_come_and_go_are_pushed_to_and_no_more() {
    let mailbox = seed::mailbox(15, 3);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let signer = Signer::new("one");
        let certs = Certs::showing(vec![signer.shown()]);
        let Pushed { postrider, served, at } = followed(&server, &certs, &[]);
        let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
        let one = gmail_account(&server.url());
        let twin = one.replace("id = \"u\"", "id = \"twin\"");
        std::fs::write(postrider.path("config.toml"), format!("{config}{twin}")).unwrap();
        served.wait_for_state("twin", "idle");
        let history = insert(&mailbox, 0);
        assert_eq!(push(&at, &signer.token(), &notification(ADDRESS, history)), 204);
        ["u", "twin"].iter().for_each(|id| served.holds(id, &mailbox));
        let other = one.replace("id = \"u\"", "id = \"w\"").replace(ADDRESS, "w@example.com");
        let config = config.replace(&one, &other);
        std::fs::write(postrider.path("config.toml"), config).unwrap();
        wait_until("nobody of this name", || {
            let history = insert(&mailbox, 1);
            assert_eq!(push(&at, &signer.token(), &notification(ADDRESS, history)), 204);
            served.last()["outcome"] == "stranger"
        });
        served.stop();
    })
    .await;
}

const PULLED: &str =
    "subscription = \"projects/p/subscriptions/s\"\nservice_account_file = \"robot.json\"\n";

/// Who has not written what is needed is told what.
#[test]
fn what_is_missing_in_the_config_is_said() {
    let account = gmail_account("http://127.0.0.1:9");
    let said = |webhooks: &str| {
        let postrider = Postrider::new(&format!("{webhooks}{account}"));
        std::fs::write(postrider.path("token"), "x\n").unwrap();
        let ran = postrider.run(&["check", "--offline"]);
        (ran.code, format!("{}{}", ran.stdout, ran.stderr))
    };
    let signer = format!("service_account = \"{SIGNER}\"\n");
    let listen = "[webhooks]\nlisten = \"127.0.0.1:8026\"\n";
    for (webhooks, wants) in [
        (listen.to_owned(), "config.toml:2: webhooks.listen: nobody may push there yet"),
        (
            format!("{listen}[webhooks.gmail]\n{signer}"),
            "config.toml:4: webhooks.gmail.audience: write the audience",
        ),
        (
            format!("{listen}[webhooks.gmail]\naudience = \"{AUDIENCE}\"\n"),
            "config.toml:4: webhooks.gmail.service_account: write the address",
        ),
        (
            format!(
                "[webhooks]\npublic_url = \"https://in.example.org\"\n[webhooks.gmail]\n{signer}"
            ),
            "config.toml:2: webhooks.public_url: it is of no use without an address",
        ),
        (
            format!("{listen}public_url = \"http://in.example.org\"\n[webhooks.gmail]\n{signer}"),
            "config.toml:3: webhooks.public_url: \"http://in.example.org\" will not do",
        ),
        (
            "[webhooks]\nlisten = \"0.0.0.0:8026\"\n".to_owned(),
            "config.toml:2: webhooks.listen: off loopback this needs tls_cert and tls_key, or behind_proxy = true",
        ),
        (
            format!("{listen}[webhooks.gmail]\n{signer}topic = \"t\"\n"),
            "config.toml:5: webhooks.gmail.topic: \"t\" will not do; write projects/PROJECT/topics/NAME",
        ),
        (
            "[webhooks.gmail]\ntopic = \"projects/p/topics/t\"\n".to_owned(),
            "config.toml:2: webhooks.gmail.topic: write service_account",
        ),
        (
            format!("{listen}[webhooks.gmail]\n{signer}{PULLED}"),
            "config.toml:4: webhooks.gmail.service_account: what is pulled with `subscription` is not sent here",
        ),
        (
            format!("{listen}[webhooks.gmail]\n{PULLED}"),
            "config.toml:2: webhooks.listen: nobody may push there yet",
        ),
        (
            "[webhooks.gmail]\nservice_account_file = \"robot.json\"\n".to_owned(),
            "config.toml:2: webhooks.gmail.subscription: write the subscription",
        ),
        (
            "[webhooks.gmail]\nsubscription = \"projects/p/subscriptions/s\"\n".to_owned(),
            "config.toml:2: webhooks.gmail.service_account_file: write the file with the key",
        ),
        (
            format!("[webhooks.gmail]\n{PULLED}pubsub_url = \"http://pubsub.example.org\"\n"),
            "config.toml:4: webhooks.gmail.pubsub_url: \"http://pubsub.example.org\" will not do",
        ),
    ] {
        let (code, text) = said(&webhooks);
        assert_eq!(code, Some(2), "{webhooks}\n{text}");
        assert!(text.contains(wants), "{webhooks}\n{text}");
    }
    let good = format!("{listen}[webhooks.gmail]\n{signer}audience = \"{AUDIENCE}\"\n");
    assert_eq!(said(&good).0, Some(0), "{}", said(&good).1);
    let pulled = format!("[webhooks.gmail]\ntopic = \"projects/p/topics/t\"\n{PULLED}");
    let lacking = said(&pulled);
    assert_eq!(lacking.0, Some(2), "{}", lacking.1);
    let wants = "config.toml: queue projects/p/subscriptions/s:";
    assert!(lacking.1.contains(wants), "{}", lacking.1);
    assert!(lacking.1.contains("robot.json: it cannot be read"), "{}", lacking.1);
    // A port that somebody has is said before anybody logs in.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = good.replace(":8026", &format!(":{port}"));
    let postrider = Postrider::new(&format!("{}{config}{account}", head()));
    std::fs::write(postrider.path("token"), "x\n").unwrap();
    let ran = postrider.run(&["serve"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("webhooks.listen: cannot listen on 127.0.0.1:"), "{}", ran.stderr);
}
