//! Gmail is asked to push, again and again, and it is seen whether it does; and what is pushed is taken from a queue.

use crate::support::binary::Postrider;
use crate::support::database::ask;
use crate::support::gmail::{gmail_account, mirrors, well};
use crate::support::issuer::IssuerServer;
use crate::support::mail::blocking;
use crate::support::pubsub::{Pubsub, SUBSCRIPTION};
use crate::support::pusher::{
    ADDRESS, Certs, Signer, claims, insert, notification, push, seldom, webhooks,
};
use crate::support::served::{Served, wait_until};
use postrider_feedd::{GmailServer, Play, Question, seed};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const TOPIC: &str = "projects/p/topics/mail";
const HOUR: i64 = 3600;

fn asked_to_push(certs: &Certs) -> String {
    format!("{}topic = \"{TOPIC}\"\n", webhooks(certs))
}

/// How often something was asked since this was looked at last.
fn times(server: &GmailServer, path: &str) -> usize {
    server.asked().iter().filter(|question| question.path == path).count()
}

impl Served {
    /// What the only source was asked to push, of this account.
    fn subscription(&self, account: &str) -> Value {
        let seen = self.get("/v1/inbound");
        let all = seen["sources"][0]["subscriptions"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["account"] == account).unwrap_or_default()
    }

    fn is_pushed(&self, account: &str) {
        wait_until("it pushes", || {
            self.subscription(account)["state"] == "active"
                && self.account(account)["push"] == "pubsub"
        });
    }
}

fn stored(postrider: &Postrider, what: &str) -> String {
    ask(&postrider.database(), &format!("SELECT {what} AS x FROM subscription"))
}

#[tokio::test(flavor = "multi_thread")]
async fn gmail_is_asked_at_the_start_and_daily_and_told_when_it_is_over() {
    let mailbox = seed::mailbox(21, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let certs = Certs::showing(Vec::new());
        let postrider = seldom(&server, &asked_to_push(&certs));
        let clock = postrider.path("clock");
        fs::write(&clock, "0").unwrap();
        let env = [("POSTRIDER_CLOCK", clock.to_str().unwrap())];
        let served = postrider.serve(&env);
        served.is_pushed("u");
        assert_eq!(mailbox.lock().topic.as_deref(), Some(TOPIC));
        let seen = served.subscription("u");
        assert_eq!((seen["to"].as_str(), seen["reason"].as_str()), (Some(TOPIC), None), "{seen}");
        assert_eq!(seen["expires_at"], "2100-01-01T00:00:00Z", "{seen}");
        wait_until("it is durable", || stored(&postrider, "count(*)") == "1");
        // The next process goes on with it.
        served.stop();
        assert_eq!(times(&server, "watch"), 1);
        let served = postrider.serve(&env);
        served.is_pushed("u");
        wait_until("a run", || served.account("u")["runs_ended"].as_u64() >= Some(1));
        fs::write(&clock, (24 * HOUR - 60).to_string()).unwrap();
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(times(&server, "watch"), 0, "it is not a day old");
        fs::write(&clock, (24 * HOUR + 60).to_string()).unwrap();
        wait_until("a day later", || times(&server, "watch") == 1);

        // Another account of the same mailbox is pushed to as well; the one that leaves takes nothing from it.
        let config = fs::read_to_string(postrider.path("config.toml")).unwrap();
        let one = gmail_account(&server.url());
        let twin = one.replace("id = \"u\"", "id = \"twin\"");
        fs::write(postrider.path("config.toml"), format!("{config}{twin}")).unwrap();
        served.is_pushed("twin");
        fs::write(postrider.path("config.toml"), config.replace(&one, &twin)).unwrap();
        wait_until("it is gone", || served.subscription("u").is_null());
        wait_until("its row, too", || stored(&postrider, "count(*)") == "1");
        assert!(mailbox.lock().topic.is_some());
        let other = twin.replace(ADDRESS, "w@example.com").replace("twin", "w");
        let _ = server.asked();
        fs::write(postrider.path("config.toml"), config.replace(&one, &other)).unwrap();
        wait_until("it is told", || times(&server, "stop") == 1);
        wait_until("no row", || stored(&postrider, "count(*)") == "0");
        assert!(mailbox.lock().topic.is_none());
        served.stop();
    })
    .await;
}

/// Pushes that are lost: what a poll finds and nobody told of for two minutes has it asked anew, once an hour, and is
/// seen until a push comes.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_that_are_lost_are_a_doubt() {
    let mailbox = seed::mailbox(22, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let signer = Signer::new("one");
        let certs = Certs::showing(vec![signer.shown()]);
        let postrider = seldom(&server, &asked_to_push(&certs));
        let clock = postrider.path("clock");
        let at = |seconds: i64| fs::write(&clock, seconds.to_string()).unwrap();
        at(0);
        let served = postrider.serve(&[("POSTRIDER_CLOCK", clock.to_str().unwrap())]);
        served.is_pushed("u");
        let door = served.get("/v1/inbound")["listen"].as_str().unwrap().to_owned();
        let age = "postrider_push_proof_age_seconds{kind=\"gmail\",quantile=\"1\"}";
        let looks = |n: usize| {
            insert(&mailbox, n);
            assert_eq!(served.ask("POST", "/v1/accounts/u/sync-now").0, 202);
            served.holds("u", &mailbox);
            served.wait_for_state("u", "idle");
        };
        at(2 * HOUR);
        looks(0);
        assert!(served.metric(age) >= 7200.0, "{}", served.metric(age));
        let _ = server.asked();
        at(2 * HOUR + 100);
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(times(&server, "watch"), 0, "it may be on its way");
        at(2 * HOUR + 130);
        wait_until("it is asked anew", || times(&server, "watch") == 1);
        wait_until("it is in doubt", || served.subscription("u")["state"] == "doubted");
        assert!(served.subscription("u")["reason"].as_str().unwrap().contains("had not told"));
        // Not again within the hour.
        looks(1);
        at(2 * HOUR + 400);
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(times(&server, "watch"), 0);
        assert!(served.metric(age) >= 7500.0, "it goes on: {}", served.metric(age));
        // One comes: that was all.
        let (now, iat) =
            (mailbox.lock().now, claims(&[])["iat"].as_i64().unwrap() + 2 * HOUR + 400);
        let token = signer.signs(&claims(&[("iat", json!(iat)), ("exp", json!(iat + HOUR))]));
        assert_eq!(push(&door, &token, &notification(ADDRESS, now)), 204);
        served.is_pushed("u");
        assert!(served.metric(age) < 60.0, "{}", served.metric(age));
        at(4 * HOUR);
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(times(&server, "watch"), 0);
        mirrors(&postrider, &mailbox, |_| true);
        served.stop();
    })
    .await;
}

/// A topic that Gmail may not publish to: the account is followed as before, and it is said once.
#[tokio::test(flavor = "multi_thread")]
async fn what_gmail_refuses_to_push_costs_no_mail() {
    let mailbox = seed::mailbox(23, 5);
    let refused = Arc::new(AtomicU16::new(403));
    let status = Arc::clone(&refused);
    let script = move |question: &Question| {
        let status = status.load(Ordering::SeqCst);
        let text = "Error sending test message to Cloud PubSub projects/p/topics/mail : User not authorized to perform this action.";
        (question.path == "watch" && status != 200).then(|| Play::refuse(status, "forbidden", text))
    };
    let server = GmailServer::start(&mailbox, script).await.unwrap();
    blocking(move || {
        let certs = Certs::showing(Vec::new());
        let postrider = seldom(&server, &asked_to_push(&certs));
        let clock = postrider.path("clock");
        fs::write(&clock, "0").unwrap();
        let env = [("POSTRIDER_CLOCK", clock.to_str().unwrap())];
        let served = postrider.serve(&env);
        served.wait_for_state("u", "idle");
        wait_until("it is told", || {
            let seen = served.subscription("u");
            seen["reason"].as_str().is_some_and(|why| why.contains("User not authorized"))
                && seen["state"] == "failed"
        });
        let account = served.account("u");
        assert_eq!((&account["push"], &account["state"]), (&json!("poll"), &json!("idle")));
        insert(&mailbox, 1);
        assert_eq!(served.ask("POST", "/v1/accounts/u/sync-now").0, 202);
        served.holds("u", &mailbox);
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(times(&server, "watch"), 1, "what only a human mends is asked once an hour");
        let said = served.running.stderr();
        assert_eq!(said.matches("its provider does not push").count(), 1, "{said}");
        // What passes is asked again soon.
        served.stop();
        refused.store(503, Ordering::SeqCst);
        let served = postrider.serve(&env);
        wait_until("it is asked again", || times(&server, "watch") >= 1);
        refused.store(200, Ordering::SeqCst);
        served.is_pushed("u");
        // Who is paused is not asked.
        assert_eq!(served.ask("POST", "/v1/accounts/u/pause").0, 202);
        served.wait_for_state("u", "paused");
        let _ = server.asked();
        fs::write(&clock, (25 * HOUR).to_string()).unwrap();
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(times(&server, "watch"), 0);
        assert_eq!(served.ask("POST", "/v1/accounts/u/resume").0, 202);
        wait_until("then it is", || times(&server, "watch") == 1);
        served.stop();
    })
    .await;
}

/// Killed between the answer and the row: the next process asks again, and that is all.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_behind_the_answer_costs_a_question() {
    let mailbox = seed::mailbox(24, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let certs = Certs::showing(Vec::new());
        let postrider = seldom(&server, &asked_to_push(&certs));
        let killed = postrider.start(&["serve"], &[("POSTRIDER_FAULT", "watch.renewed:1")]);
        let ran = killed.wait(Duration::from_secs(60));
        assert!(ran.stderr.contains("scripted fault watch.renewed"), "{}", ran.stderr);
        assert_eq!((times(&server, "watch"), stored(&postrider, "count(*)")), (1, "0".to_owned()));
        let served = postrider.serve(&[]);
        served.is_pushed("u");
        wait_until("it is durable", || stored(&postrider, "state") == "active");
        assert_eq!(times(&server, "watch"), 1);
        served.stop();
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// A folder that pulls.
fn pulls(server: &GmailServer, pubsub: &Pubsub, issuer: &IssuerServer) -> Postrider {
    let webhooks = format!(
        "[webhooks.gmail]\ntopic = \"{TOPIC}\"\nsubscription = \"{SUBSCRIPTION}\"\nservice_account_file = \"robot.json\"\npubsub_url = \"{}\"\n",
        pubsub.url
    );
    let postrider = seldom(server, &webhooks);
    fs::write(postrider.path("robot.json"), issuer.robot().to_string()).unwrap();
    postrider
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_a_queue_is_a_row_and_then_acknowledged() {
    let mailbox = seed::mailbox(25, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let (pubsub, issuer) = (Pubsub::start(), IssuerServer::start("u"));
        let postrider = pulls(&server, &pubsub, &issuer);
        // It was pushed elsewhere: that is given up for this.
        mailbox.lock().topic = Some("projects/p/topics/other".into());
        let served = postrider.serve(&[]);
        served.is_pushed("u");
        assert_eq!(mailbox.lock().topic.as_deref(), Some(TOPIC));
        assert_eq!(times(&server, "stop"), 1);
        let seen = served.get("/v1/inbound");
        assert_eq!(seen["listen"], Value::Null, "nobody has to reach it: {seen}");
        let source = &seen["sources"][0];
        assert_eq!((&source["path"], &source["queue"]), (&Value::Null, &json!(SUBSCRIPTION)));
        for n in 0..3 {
            let number = pubsub.publish(ADDRESS, insert(&mailbox, n));
            served.holds("u", &mailbox);
            wait_until("it is acknowledged", || pubsub.lock().acknowledged.contains(&number));
        }
        assert_eq!(served.last()["outcome"], "taken");
        assert_eq!(served.last()["from"], Value::Null);
        // What is no notification, and what is nobody's, would come for days.
        let odd = [pubsub.put(json!({"attributes": {"a": "b"}})), pubsub.put(json!({"data": "!"}))];
        let stranger = pubsub.publish("who@example.com", 7);
        wait_until("they are acknowledged", || {
            odd.iter().chain([&stranger]).all(|n| pubsub.lock().acknowledged.contains(n))
        });
        assert_eq!((served.counted("unreadable"), served.counted("stranger")), (2.0, 1.0));
        // An empty queue is waited for, not asked again and again; one token is enough.
        let before = pubsub.lock().pulls;
        std::thread::sleep(Duration::from_millis(2500));
        assert!(pubsub.lock().pulls - before <= 4);
        assert_eq!(issuer.issued(), 1);
        let said = served.running.stderr();
        assert!(!said.contains("eyJ"), "no token is written: {said}");

        // An acknowledgement that is lost: it comes again, and does nothing.
        pubsub.lock().deaf = true;
        let number = pubsub.publish(ADDRESS, insert(&mailbox, 9));
        served.holds("u", &mailbox);
        let told = |n: usize| pubsub.lock().acknowledged.iter().filter(|of| **of == n).count();
        wait_until("it comes again", || told(number) >= 2);
        pubsub.lock().deaf = false;
        wait_until("it does nothing", || served.counted("known") >= 1.0);

        // Killed: what was not acknowledged comes to the next process.
        served.running.signal("KILL");
        let number = pubsub.publish(ADDRESS, insert(&mailbox, 10));
        let served = postrider.serve(&[]);
        served.holds("u", &mailbox);
        wait_until("it is acknowledged", || told(number) >= 1);
        served.stop();
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// A queue that refuses, and one that is away.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_fails_is_said_and_asked_again() {
    let mailbox = seed::mailbox(26, 5);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let (pubsub, issuer) = (Pubsub::start(), IssuerServer::start("u"));
        let postrider = pulls(&server, &pubsub, &issuer);
        let refuses = |n: usize, status: u16, word: &str, text: &str| {
            let error = json!({"error": {"code": status, "message": text, "status": word}});
            let mut lies = pubsub.lock();
            (lies.refuses, lies.refusal) = (n, (status, error.to_string()));
        };
        // The first token is refused: another one is shown, and that is all.
        refuses(1, 401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        let served = postrider.serve(&[]);
        wait_until("it is asked with another", || pubsub.lock().pulls >= 1);
        assert_eq!(served.get("/v1/inbound")["sources"][0]["failing"], Value::Null);
        let failing = |text: &str| {
            wait_until(text, || {
                let why = served.get("/v1/inbound")["sources"][0]["failing"].clone();
                why.as_str().is_some_and(|why| why.contains(text))
            });
        };
        refuses(3, 503, "UNAVAILABLE", "The service was unable to fulfill your request.");
        failing("unable to fulfill");
        let number = pubsub.publish(ADDRESS, insert(&mailbox, 0));
        wait_until("it goes on", || pubsub.lock().acknowledged.contains(&number));
        served.holds("u", &mailbox);
        assert_eq!(served.get("/v1/inbound")["sources"][0]["failing"], Value::Null);
        // One that waits for nothing is not asked again and again; nor is that it has waited an error.
        pubsub.lock().hasty = true;
        let before = pubsub.lock().pulls;
        std::thread::sleep(Duration::from_millis(2500));
        assert!(pubsub.lock().pulls - before <= 4, "{}", pubsub.lock().pulls - before);
        refuses(2, 504, "DEADLINE_EXCEEDED", "The request timed out.");
        wait_until("they are over", || pubsub.lock().refuses == 0);
        let failing_now = || served.get("/v1/inbound")["sources"][0]["failing"].clone();
        assert_eq!(failing_now(), Value::Null);
        refuses(1, 504, "", "upstream request timeout");
        failing("upstream request timeout");
        assert_eq!(served.metric("postrider_inbound_failing"), 1.0);
        wait_until("it goes on", || failing_now().is_null());
        // What is longer than anything of Gmail's is taken alone, and is over then.
        let long = pubsub.put(json!({"data": "x".repeat(5 << 20)}));
        let number = pubsub.publish(ADDRESS, insert(&mailbox, 1));
        wait_until("they are acknowledged", || {
            [long, number].iter().all(|n| pubsub.lock().acknowledged.contains(n))
        });
        served.holds("u", &mailbox);
        pubsub.lock().hasty = false;
        // What only a human mends is not asked again at once, and no secret is repeated.
        let token = pubsub.lock().tokens.last().unwrap().clone();
        refuses(100, 403, "PERMISSION_DENIED", &format!("User not authorized: Bearer {token}"));
        failing("(the server repeated the request)");
        let left = pubsub.lock().refuses;
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(pubsub.lock().refuses, left);
        assert!(!served.running.stderr().contains(&token));
        served.stop();

        // A key that is none ends the start, in words.
        for (text, wants) in [
            ("{}", "robot.json: it is no service account's key"),
            ("", "robot.json: it is no service account's key"),
        ] {
            fs::write(postrider.path("robot.json"), text).unwrap();
            let ran = postrider.run(&["serve"]);
            assert!(ran.stderr.contains(wants), "{}", ran.stderr);
            assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        }
    })
    .await;
}
