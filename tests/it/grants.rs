//! Grants by OAuth2: a human grants, tokens are renewed, and every way in which that may go wrong.
//! The authorization server is ours, the mail server is a Dovecot that checks the tokens.

use crate::dovecot::{client, fill, truth};
use crate::support::binary::{Postrider, Ran};
use crate::support::dovecot::{Dovecot, Traits};
use crate::support::issuer::{IssuerServer, Manner};
use crate::support::mail::blocking;
use crate::support::served::{head, request, wait_until};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const ENV: [(&str, &str); 1] = [("KEY", KEY)];

pub(crate) fn start() -> Dovecot {
    Dovecot::start_with(Traits {
        mechanisms: "plain login xoauth2 oauthbearer",
        ..Traits::default()
    })
}

pub(crate) fn config(server: &Dovecot, issuer: &IssuerServer) -> String {
    format!(
        "{}{}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\nauth = \"oauth.google\"\n",
        head(),
        issuer.config(),
        server.port
    )
}

/// `auth login u`, and a browser that goes where `agree` says. Returns what the browser saw last.
fn log_in(postrider: &Postrider, agree: impl FnOnce(&str) -> String) -> (Ran, u16, String) {
    log_in_with(postrider, &ENV, agree)
}

pub(crate) fn log_in_with(
    postrider: &Postrider,
    env: &[(&str, &str)],
    agree: impl FnOnce(&str) -> String,
) -> (Ran, u16, String) {
    let running = postrider.start(&["auth", "login", "u"], env);
    let mut url = String::new();
    wait_until("the address is printed", || {
        let printed = running.stdout();
        url = printed.lines().find(|line| line.starts_with("http")).unwrap_or_default().to_owned();
        !url.is_empty()
    });
    let (status, page) = visit(&agree(&url));
    (running.wait(Duration::from_secs(60)), status, page)
}

fn visit(address: &str) -> (u16, String) {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let (status, _, page) = request(
        host,
        &format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"),
        "",
    );
    (status, page)
}

pub(crate) fn granted(postrider: &Postrider, issuer: &IssuerServer) {
    let (ran, status, page) = log_in(postrider, |url| issuer.agree(url));
    assert_eq!((ran.code, status), (Some(0), 200), "{}\n{page}", ran.stderr);
}

pub(crate) fn sync(postrider: &Postrider) -> Ran {
    postrider.run_with(&["sync", "--once", "--wire-log", "wire"], &ENV)
}

/// No secret of the issuer is anywhere in the folder, or was said.
fn keeps_quiet(postrider: &Postrider, issuer: &IssuerServer, ran: &[&Ran]) {
    let told = issuer.told.lock().unwrap();
    let mut secrets: Vec<String> = told.shown.clone();
    secrets.extend([
        told.good.clone(),
        "refresh-secret".into(),
        "eyJhbGciOiJIUzI1NiIs".into(),
        KEY.into(),
    ]);
    let mut texts: Vec<(String, String)> = ran
        .iter()
        .map(|ran| ("said".to_owned(), format!("{}{}", ran.stdout, ran.stderr)))
        .collect();
    for entry in ["wire", "data/postrider.db", "data/postrider.db-wal"] {
        let bytes = std::fs::read(postrider.path(entry)).unwrap_or_default();
        texts.push((entry.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
    }
    for (place, text) in texts {
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            assert!(!text.contains(secret.as_str()), "{secret} is in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_granted_and_renewed() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 24).await;
    let want = truth(&mut mail).await;
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        let before = sync(&postrider).exits(4);
        assert!(before.stderr.contains("postrider auth login u"), "{}", before.stderr);
        // Good for two seconds: each sync renews.
        issuer.told.lock().unwrap().life = 2;
        granted(&postrider, &issuer);
        let first = sync(&postrider).exits(0);
        assert_eq!(postrider.manifest("u"), want);
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(1100));
            sync(&postrider).exits(0);
        }
        let shown = issuer.told.lock().unwrap().shown.clone();
        let once: BTreeSet<&String> = shown.iter().collect();
        assert!(shown.len() >= 3 && once.len() == shown.len(), "each is shown once: {shown:?}");
        let told = postrider.run_with(&["auth", "status"], &ENV).exits(0);
        assert!(told.stdout.contains("oauth.google"), "{}", told.stdout);
        keeps_quiet(&postrider, &issuer, &[&before, &first, &told]);
    })
    .await;
}

/// Wrong states, errors, other mailboxes, too little: told in clear words, and nothing is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_none_is_told() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        let other = |url: &str| issuer.agree(url).replace("state=", "state=x");
        let running = postrider.start(&["auth", "login", "u"], &ENV);
        let mut url = String::new();
        wait_until("the address is printed", || {
            let printed = running.stdout();
            url = printed
                .lines()
                .find(|line| line.starts_with("http"))
                .unwrap_or_default()
                .to_owned();
            !url.is_empty()
        });
        // Another's answer, and what browsers ask for besides, end nothing.
        let (status, page) = visit(&other(&url));
        assert!(status == 400 && page.contains("does not belong to this login"), "{status} {page}");
        let good = issuer.agree(&url);
        let icon = format!("{}favicon.ico", good.split_once('?').unwrap().0);
        assert_eq!(visit(&icon).0, 404);
        assert_eq!(visit(&good).0, 200);
        assert_eq!(running.wait(Duration::from_secs(60)).code, Some(0));
        let place = good.strip_prefix("http://").unwrap().split('/').next().unwrap();
        assert!(std::net::TcpStream::connect(place).is_err(), "it is closed after one answer");

        let refuse = |url: &str| issuer.agree(url).replace("code=", "error=access_denied&x=");
        let (ran, status, page) = log_in(&postrider, refuse);
        assert_eq!((ran.code, status), (Some(4), 400));
        assert!(
            page.contains("access_denied") && ran.stderr.contains("access_denied"),
            "{}",
            ran.stderr
        );
        // A code that was caught on its way is worth nothing without its verifier.
        let (ran, ..) = log_in(&postrider, |url| issuer.agree(url).replace("code=", "code=x"));
        assert!(ran.code == Some(4) && ran.stderr.contains("invalid_grant"), "{}", ran.stderr);
        issuer.told.lock().unwrap().mailbox = "somebody".into();
        let (ran, ..) = log_in(&postrider, |url| issuer.agree(url));
        assert!(
            ran.code == Some(2) && ran.stderr.contains("granted to somebody"),
            "{}",
            ran.stderr
        );
        issuer.told.lock().unwrap().mailbox = "U".into();
        issuer.told.lock().unwrap().scopes = Some("openid other".into());
        let (ran, ..) = log_in(&postrider, |url| issuer.agree(url));
        assert!(ran.code == Some(2) && ran.stderr.contains("missing: mail"), "{}", ran.stderr);
        issuer.behave(Manner::Garbage);
        let (ran, ..) = log_in(&postrider, |url| issuer.agree(url));
        assert!(ran.code != Some(0) && ran.stderr.contains("not one of OAuth2"), "{}", ran.stderr);
    })
    .await;
}

/// Only a grant that was taken back is for a human; a new one brings the account back while the
/// server runs.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_revoked_grant_is_for_a_human() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 8).await;
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        // What is granted is over at once: each login renews.
        issuer.told.lock().unwrap().life = 0;
        granted(&postrider, &issuer);
        for (manner, words) in [
            (Manner::Status(503), "HTTP 503"),
            (Manner::TooMany(1), "HTTP 429"),
            (Manner::Garbage, "not one of OAuth2"),
        ] {
            issuer.behave(manner.clone());
            let ran = sync(&postrider);
            assert!(!matches!(ran.code, Some(0 | 4)), "{manner:?}: {:?} {}", ran.code, ran.stderr);
            assert!(
                format!("{}{}", ran.stdout, ran.stderr).contains(words),
                "{manner:?}: {}{}",
                ran.stdout,
                ran.stderr
            );
            keeps_quiet(&postrider, &issuer, &[&ran]);
        }
        issuer.behave(Manner::Well);
        sync(&postrider).exits(0);
        issuer.behave(Manner::Revoked);
        let ran = sync(&postrider).exits(4);
        assert!(ran.stderr.contains("invalid_grant"), "{}", ran.stderr);
        let status = postrider.run_with(&["auth", "status", "--json"], &ENV).exits(0);
        assert!(status.stdout.contains("invalid_grant"), "{}", status.stdout);

        let served = postrider.serve(&ENV);
        served.wait_for_state("u", "needs_reauth");
        issuer.behave(Manner::Well);
        issuer.told.lock().unwrap().life = 3600;
        granted(&postrider, &issuer);
        served.wait_for_state("u", "idle");
        assert!(served.actor("root/credentials/u").is_some());
        // A grant that is sealed with another key is refused by the server, and nothing is stored.
        let other = [("KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
        let (ran, ..) = log_in_with(&postrider, &other, |url| issuer.agree(url));
        assert!(ran.code != Some(0) && ran.stderr.contains("another key"), "{}", ran.stderr);
        // What is no grant is a problem as any other is.
        for octets in [&b"x"[..], b"\xff"] {
            let (token, address) = (&served.token, &served.address);
            let head = format!(
                "POST /v1/accounts/u/credential HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: 1\r\n"
            );
            let (status, head, body) = request(address, &head, octets);
            assert!(status == 400 && head.contains("application/problem+json"), "{head}: {body}");
        }
        served.stop();
    })
    .await;
}

/// The mail server is quicker to call a token over than the issuer said: it is renewed once, and
/// tried once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_early_is_renewed_once() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 8).await;
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        issuer.told.lock().unwrap().truly = -60;
        granted(&postrider, &issuer);
        issuer.told.lock().unwrap().truly = 3600;
        sync(&postrider).exits(0);
        assert_eq!(issuer.told.lock().unwrap().shown.len(), 1);
        // Where the next one is refused as well, it is for a human.
        issuer.told.lock().unwrap().truly = -60;
        granted(&postrider, &issuer);
        let ran = sync(&postrider).exits(4);
        assert!(ran.stderr.contains("access token"), "{}", ran.stderr);
        assert_eq!(issuer.told.lock().unwrap().shown.len(), 2);
    })
    .await;
}

/// Who has no grant waits for a human at once; so does who is to be granted by another issuer. A
/// grant brings either back, and nothing is started again for it.
#[tokio::test(flavor = "multi_thread")]
async fn another_issuer_needs_another_grant() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 4).await;
    blocking(move || {
        let first = config(&server, &issuer);
        // Its actors are started with both.
        let second = "[[account]]\nid = \"v\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nusername = \"v\"\nauth = \"oauth.microsoft\"\n";
        let postrider = Postrider::new(&format!("{first}{second}"));
        let served = postrider.serve(&ENV);
        served.wait_for_state("u", "needs_reauth");
        granted(&postrider, &issuer);
        served.wait_for_state("u", "idle");
        let other = first.replace("auth = \"oauth.google\"", "auth = \"oauth.microsoft\"");
        std::fs::write(postrider.path("config.new"), format!("{other}{second}")).unwrap();
        std::fs::rename(postrider.path("config.new"), postrider.path("config.toml")).unwrap();
        served.wait_for_state("u", "needs_reauth");
        let reason = served.account("u")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("granted to u by google"), "{reason}");
        granted(&postrider, &issuer);
        served.wait_for_state("u", "idle");
        served.stop();
    })
    .await;
}

/// A stop in the middle of a renewal: what the issuer has rotated is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_loses_no_rotated_token() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 4).await;
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        issuer.told.lock().unwrap().life = 0;
        granted(&postrider, &issuer);
        issuer.behave(Manner::Late);
        let served = postrider.serve(&ENV);
        wait_until("it is asked", || !issuer.told.lock().unwrap().shown.is_empty());
        served.stop();
        issuer.behave(Manner::Well);
        sync(&postrider).exits(0);
        let shown = issuer.told.lock().unwrap().shown.clone();
        let once: BTreeSet<&String> = shown.iter().collect();
        assert_eq!(once.len(), shown.len(), "each is shown once: {shown:?}");
    })
    .await;
}

/// Killed before the successor is durable, the old one is tried once more, and then it is for a
/// human; killed after it, the old one is never shown again.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_durable_before_it_is_used() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 4).await;
    blocking(move || {
        for (point, code) in [("credential.issued", 4), ("credential.written", 0)] {
            let postrider = Postrider::new(&config(&server, &issuer));
            issuer.told.lock().unwrap().life = 0;
            granted(&postrider, &issuer);
            issuer.told.lock().unwrap().shown.clear();
            let fault = format!("{point}:1");
            let env = [("KEY", KEY), ("POSTRIDER_FAULT", fault.as_str())];
            let ran = postrider.run_with(&["sync", "--once"], &env);
            assert!(ran.stderr.contains("scripted fault"), "{}", ran.stderr);
            sync(&postrider).exits(code);
            let shown = issuer.told.lock().unwrap().shown.clone();
            assert_eq!((shown.len(), shown[0] == shown[1]), (2, code == 4), "{point}: {shown:?}");
        }
    })
    .await;
}

/// The browser is on another machine: the address that it ends at is pasted.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_be_pasted() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        let script = format!(
            "export KEY={KEY}; mkfifo in; \"$0\" auth login u --paste < in > out & exec 3> in; \
             until grep -q ^http out; do sleep 0.05; done; until test -f answer; do sleep 0.05; done; cat answer >&3; exec 3>&-; wait $!"
        );
        let (place, told) = (postrider.path("out"), postrider.path("answer"));
        let ran = std::thread::scope(|scope| {
            let running = scope.spawn(|| postrider.shell(&script));
            let mut url = String::new();
            wait_until("the address is printed", || {
                let text = std::fs::read_to_string(&place).unwrap_or_default();
                let line = text.lines().find(|line| line.starts_with("http") && text.contains("Paste"));
                url = line.unwrap_or_default().to_owned();
                !url.is_empty()
            });
            std::fs::write(told.with_extension("new"), issuer.agree(&url) + "\n").unwrap();
            std::fs::rename(told.with_extension("new"), &told).unwrap();
            running.join().unwrap()
        });
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        sync(&postrider).exits(0);
    })
    .await;
}

/// Without the key, or with another one, nothing starts, and it is said which; a new grant needs no
/// old key.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_told() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        granted(&postrider, &issuer);
        let ran = postrider.run(&["sync", "--once"]).exits(2);
        assert!(ran.stderr.contains("KEY (key_env)"), "{}", ran.stderr);
        let other = [("KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
        let ran = postrider.run_with(&["sync", "--once"], &other).exits(2);
        assert!(ran.stderr.contains("sealed with another key"), "{}", ran.stderr);
        let ran = postrider.run_with(&["sync", "--once"], &[("KEY", "short")]).exits(2);
        assert!(ran.stderr.contains("openssl rand -base64 32"), "{}", ran.stderr);
        sync(&postrider).exits(0);
        let bare = config(&server, &issuer).replace("[credentials]\nkey_env = \"KEY\"\n", "");
        let ran = Postrider::new(&bare).run(&["check", "--offline"]).exits(2);
        assert!(ran.stderr.contains("key_file"), "{}", ran.stderr);
    })
    .await;
}

/// Every token under another key, or none: the old key opens nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_rotated() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        granted(&postrider, &issuer);
        let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let rotate = |file: &str, env: &[(&str, &str)]| {
            postrider.run_with(&["auth", "rotate-key", "--new-key-file", file], env)
        };
        let told = rotate("nowhere", &ENV).exits(2);
        assert!(told.stderr.contains("nowhere"), "{}", told.stderr);
        std::fs::write(postrider.path("new"), "short\n").unwrap();
        assert!(rotate("new", &ENV).exits(2).stderr.contains("--new-key-file"));
        std::fs::write(postrider.path("new"), format!("{other}\n")).unwrap();
        let served = postrider.serve(&ENV);
        rotate("new", &ENV).exits(8);
        served.stop();
        // With a key that is not the one, nothing is changed.
        let wrong = [("KEY", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=")];
        rotate("new", &wrong).exits(2);
        sync(&postrider).exits(0);
        let told = rotate("new", &ENV).exits(0);
        assert!(told.stdout.starts_with("1 grant(s)"), "{}", told.stdout);
        assert!(rotate("new", &ENV).exits(0).stdout.starts_with("0 grant(s)"));
        sync(&postrider).exits(2);
        postrider.run_with(&["sync", "--once"], &[("KEY", other)]).exits(0);
        let before = "SELECT count(*) AS x FROM credential WHERE before IS NULL";
        assert_eq!(crate::support::database::ask(&postrider.database(), before), "1");
    })
    .await;
}

/// A code is entered on another device: what the issuer says meanwhile is obeyed, and told in words.
#[tokio::test(flavor = "multi_thread")]
async fn access_is_granted_on_another_device() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 4).await;
    blocking(move || {
        let google = config(&server, &issuer);
        let postrider = Postrider::new(&google.replace("\"oauth.google\"", "\"oauth.microsoft\""));
        let login = || postrider.run_with(&["auth", "login", "u", "--device"], &ENV);
        issuer.told.lock().unwrap().device = vec!["authorization_pending"; 2];
        let began = std::time::Instant::now();
        let ran = login().exits(0);
        let shown = "open https://example.org/device as u, and enter the code ABCD-EFGH";
        assert!(ran.stdout.contains(shown), "{}", ran.stdout);
        assert!(began.elapsed() >= Duration::from_secs(2), "it asks once a second");
        let synced = sync(&postrider).exits(0);
        keeps_quiet(&postrider, &issuer, &[&ran, &synced]);

        for (answers, words, code) in [
            (vec!["authorization_pending", "access_denied"], "access_denied", 4),
            (vec!["expired_token"], "expired_token", 4),
            (vec!["invalid_client"], "the OAuth client is wrong", 2),
        ] {
            issuer.told.lock().unwrap().device = answers;
            let ran = login().exits(code);
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
        // Nobody comes: it ends when the code does.
        issuer.told.lock().unwrap().device = vec!["authorization_pending"; 50];
        issuer.told.lock().unwrap().code_life = 1;
        assert!(login().exits(4).stderr.contains("expired"));
        // Google gives no mail that way, and says so before anybody enters a code.
        std::fs::write(postrider.path("config.toml"), google).unwrap();
        assert!(login().exits(2).stderr.contains("--paste"));
    })
    .await;
}
