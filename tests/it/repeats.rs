//! What was shown comes back nowhere, whoever says it: a provider that is new, Gmail's API, an issuer
//! of tokens. Nor does what they say forge a line.

use crate::door::run;
use crate::grants::{config, granted, log_in_with, start, sync};
use crate::support::binary::{Postrider, Ran, SHORT, account};
use crate::support::gmail::{gmail_account, mirrors, short};
use crate::support::issuer::{IssuerServer, Manner};
use crate::support::mail::blocking;
use crate::support::parrot::{Parrot, Says};
use postrider::config::load;
use postrider::provider::Endpoint;
use postrider_core::standing::Outcome;
use postrider_feedd::{GmailServer, Play, Question, seed};
use std::sync::Arc;

/// As long as a token is, and as odd.
const TOKEN: &str = "ya29.a0AfB_byC-x7Kk3lQ9vN2mZ8tR5wY1uE4iO6pL0sD3fG7hJ";

/// None of these pieces is in what was said, or in what is stored.
fn is_nowhere(postrider: &Postrider, ran: &[&Ran], pieces: &[&str]) {
    let mut texts: Vec<(String, String)> =
        ran.iter().map(|ran| ("said".into(), format!("{}{}", ran.stdout, ran.stderr))).collect();
    for entry in ["wire", "data/postrider.db", "data/postrider.db-wal"] {
        let bytes = std::fs::read(postrider.path(entry)).unwrap_or_default();
        texts.push((entry.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
    }
    for (place, text) in &texts {
        for piece in pieces {
            assert!(!text.contains(piece), "{piece} is in {place}: {text}");
        }
    }
}

/// The door takes it out, whatever a provider does with its texts.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_new_repeats_nothing() {
    for says in [Says::AtLogin, Says::AtList, Says::OfAFolder] {
        let password = "s3cr3t-hunter2-of-the-door";
        let accounts = account("u", 1, password).replace("username = \"u\"", "username = \"ux\"");
        let postrider = Postrider::new(&format!("{SHORT}{accounts}"));
        let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
        let endpoint: Arc<dyn Endpoint> = Arc::new(Parrot(says));
        assert_eq!(run(&config, Some(endpoint)).await, Outcome::Failed, "{says:?}");
        is_nowhere(&postrider, &[], &["s3cr3t", "hunter2-of"]);
        let told = postrider.run(&["status", "u"]);
        let failures = postrider.run(&["failures", "--json"]);
        let texts = format!("{}{}", told.stdout, failures.stdout);
        assert!(texts.contains("the server repeated the request"), "{says:?}: {texts}");
        is_nowhere(&postrider, &[&told, &failures], &["s3cr3t", "hunter2-of"]);
    }
}

/// A server of Gmail's API that says this instead of an answer.
async fn gmail_says(play: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static) -> Ran {
    let mailbox = seed::mailbox(3, 20);
    let server = GmailServer::start(&mailbox, play).await.unwrap();
    blocking(move || {
        let head = format!("[telemetry]\nlog = \"trace\"\n{SHORT}");
        let postrider = Postrider::new(&format!("{head}{}", gmail_account(&server.url())));
        std::fs::write(postrider.path("token"), format!("{TOKEN}\n")).unwrap();
        let ran = postrider.run(&["sync", "--once", "--wire-log", "wire"]);
        is_nowhere(&postrider, &[&ran], &["ya29.a0AfB", "byC-x7Kk3lQ9", "6pL0sD3fG7hJ"]);
        ran
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn gmail_repeats_nothing_and_forges_no_line() {
    let coded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, TOKEN);
    let json = |text: String| Play::says(200, "application/json", &text);
    let header = format!("Authorization: Bearer {TOKEN} is wrong");
    let cut = format!("{}{TOKEN}", "x".repeat(290));
    let of_labels = json(format!(r#"{{"labels":"{TOKEN}"}}"#));
    let of_a_page = json(format!(r#"{{"messages":[{{"id":"a1"}}],"nextPageToken":"{TOKEN}"}}"#));
    for (path, play) in [
        ("profile", Play::refuse(403, "forbidden", &header)),
        ("profile", Play::refuse(500, &coded, "odd")),
        ("profile", Play::refuse(403, TOKEN, &cut)),
        ("labels", of_labels),
        ("messages", of_a_page),
        ("history", Play::refuse(400, "badRequest", &header)),
    ] {
        let ran = gmail_says(move |q| (q.path == path).then(|| play.clone())).await;
        assert!(path == "history" || ran.code != Some(0), "{path}: {}", ran.stderr);
    }
    let forged = "no\r\n2026-11-25T00:00:00Z  INFO postrider: all is well\u{202e}\u{9b}31m";
    let ran =
        gmail_says(move |q| (q.path == "profile").then(|| Play::refuse(403, "forbidden", forged)))
            .await;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("all is well"), "{said}");
    assert!(!said.lines().any(|line| line.starts_with("2026-11-25T00:00:00Z")), "{said}");
    assert!(!said.contains(['\u{202e}', '\u{9b}', '\r']), "{said}");
}

/// What was stored wrongly once, or is told wrongly once, heals.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_id_that_is_no_number_is_no_cursor() {
    let long = "9".repeat(100_000);
    for lie in ["abc", "", "5008\\r\\nX: y", "5&maxResults=1", long.as_str()] {
        let mailbox = seed::mailbox(3, 20);
        let lies = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (lying, text) = (Arc::clone(&lies), format!(r#"{{"historyId":"{lie}"}}"#));
        let server = GmailServer::start(&mailbox, move |q| {
            let lies = q.path == "history" && lying.load(std::sync::atomic::Ordering::SeqCst);
            let odd = q.query.get("startHistoryId").is_some_and(|id| id.parse::<u64>().is_err());
            // Nothing of what it says tells what is wrong.
            let refused = || odd.then(|| Play::refuse(400, "badRequest", "Bad Request"));
            lies.then(|| Play::says(200, "application/json", &text)).or_else(refused)
        })
        .await
        .unwrap();
        blocking(move || {
            let postrider = short(&server);
            postrider.sync().exits(0);
            lies.store(true, std::sync::atomic::Ordering::SeqCst);
            mailbox.insert("Subject: new\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
            assert_ne!(postrider.sync().code, Some(0));
            lies.store(false, std::sync::atomic::Ordering::SeqCst);
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
            // One that an earlier version has stored.
            let stored = "UPDATE feed SET state = json_replace(state, '$.state.cursor', 'abc')";
            crate::support::database::change(&postrider.database(), stored);
            let shown = "SELECT state->>'$.state.cursor' AS x FROM feed";
            assert_eq!(crate::support::database::ask(&postrider.database(), shown), "abc");
            mailbox.insert("Subject: newer\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
            postrider.sync();
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_repeats_nothing() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        issuer.told.lock().unwrap().life = 0;
        // Whatever a library says at this level is looked at, too.
        let env =
            [crate::grants::ENV.as_slice(), &[("POSTRIDER_TELEMETRY__LOG", "trace")]].concat();
        issuer.behave(Manner::Echo(400));
        let (ran, ..) = log_in_with(&postrider, &env, |url| issuer.agree(url));
        assert!(
            ran.code != Some(0) && ran.stderr.contains("repeated the request"),
            "{}",
            ran.stderr
        );
        is_nowhere(&postrider, &[&ran], &["code-1", "code_verifier"]);
        issuer.behave(Manner::Well);
        granted(&postrider, &issuer);
        for status in [400, 401, 403, 429, 503] {
            issuer.behave(Manner::Echo(status));
            let args = ["sync", "--once", "--wire-log", "wire"];
            let ran = postrider.run_with(&args, &env);
            assert_ne!(ran.code, Some(0), "{status}");
            let shown = postrider.run_with(&["auth", "status"], &crate::grants::ENV);
            let status = postrider.run_with(&["status", "u"], &crate::grants::ENV);
            let good = issuer.told.lock().unwrap().good.clone();
            let coded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &good);
            is_nowhere(&postrider, &[&ran, &shown, &status], &[&good, &coded, "refresh-secret"]);
            assert!(ran.stderr.contains("repeated the request"), "{}", ran.stderr);
        }
    })
    .await;
}

/// Whatever stands beside it, a refresh token that was rotated is kept, and what can be read is read.
#[tokio::test(flavor = "multi_thread")]
async fn an_odd_answer_of_an_issuer_loses_no_rotated_token() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        issuer.told.lock().unwrap().life = 0;
        granted(&postrider, &issuer);
        for (members, code) in [
            (r#"{"expires_in":"3600"}"#, 0),
            (r#"{"expires_in":-1}"#, 0),
            (r#"{"expires_in":1.5}"#, 0),
            (r#"{"expires_in":1e30}"#, 0),
            (r#"{"token_type":null}"#, 0),
            (r#"{"access_token":null}"#, 6),
            (r#"{"access_token":"a\r\nb"}"#, 6),
        ] {
            // Each login renews.
            let over = "UPDATE credential SET expires_at = 0, renewed_at = 0";
            crate::support::database::change(&postrider.database(), over);
            let before = issuer.issued();
            issuer.behave(Manner::Odd(members));
            let ran = sync(&postrider);
            assert_eq!(ran.code, Some(code), "{members}: {}", ran.stderr);
            assert!(issuer.issued() > before, "{members}");
            issuer.behave(Manner::Well);
            sync(&postrider).exits(0);
        }
    })
    .await;
}
