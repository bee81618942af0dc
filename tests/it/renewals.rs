//! Renewals that are killed, that come at once, that are needed in the middle of a run: no old token
//! is ever shown after its successor is durable.

use crate::dovecot::{client, fill, truth};
use crate::grants::{ENV, KEY, config, granted, start, sync};
use crate::support::binary::Postrider;
use crate::support::database::{ask, change};
use crate::support::issuer::IssuerServer;
use crate::support::mail::blocking;
use postrider::boot::claims::Claims;
use postrider::boot::wiring::Engine;
use postrider::config::load;
use postrider::credentials::Vault;
use postrider::credentials::tokens::TokenPair;
use postrider::provider::{Credential, Secret};
use postrider::store::{Reader, open_for_reading};
use postrider::telemetry::wire::WireLog;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The refresh token that is durable now.
fn durable(postrider: &Postrider) -> String {
    use secrecy::ExposeSecret;
    let vault = Vault::with(&KEY.to_owned().into()).unwrap();
    let database = postrider.database();
    let read = async {
        let db = open_for_reading(&database.place()).await.unwrap();
        let rows = Reader::new(&db).credentials(None).await.unwrap();
        db.close().await;
        TokenPair::open(&rows[0], &vault).unwrap().refresh.expose_secret().to_owned()
    };
    tokio::runtime::Handle::current().block_on(read)
}

/// Killed at any step of a renewal, or at any moment, again and again: a token whose successor is
/// durable is never shown again, and none is shown twice by one process.
#[tokio::test(flavor = "multi_thread")]
async fn no_old_token_is_shown_after_its_successor_is_durable() {
    const STEPS: [&str; 7] = [
        "credential.issued",
        "store.begun",
        "store.rows_written",
        "store.before_commit",
        "store.committed",
        "store.answered",
        "credential.written",
    ];
    let seed: u64 =
        std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(9);
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 4).await;
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        issuer.told.lock().unwrap().life = 0;
        granted(&postrider, &issuer);
        let mut random = seed;
        let mut draw = |n: u64| {
            random = postrider_core::recovery::backoff::mix(random);
            random % n
        };
        let (mut retired, mut killed, mut held) = (BTreeSet::new(), 0, durable(&postrider));
        for round in 0..70 {
            // Who was killed may have asked: it is heard before the next one asks.
            issuer.settled();
            issuer.told.lock().unwrap().shown.clear();
            let step = STEPS[usize::try_from(draw(7)).unwrap()];
            let times = if step.starts_with("credential") { 1 } else { 1 + draw(2) };
            let fault = format!("{step}:{times}");
            let after = Duration::from_millis(5 + draw(80));
            let ran = if draw(3) == 0 {
                let running = postrider.start(&["sync", "--once"], &ENV);
                std::thread::sleep(after);
                running.signal("KILL");
                running.wait(Duration::from_secs(60))
            } else {
                let env = [("KEY", KEY), ("POSTRIDER_FAULT", fault.as_str())];
                postrider.run_with(&["sync", "--once"], &env)
            };
            killed += u32::from(ran.code.is_none_or(|code| code > 100));
            let shown = issuer.told.lock().unwrap().shown.clone();
            let once: BTreeSet<&String> = shown.iter().collect();
            assert_eq!(once.len(), shown.len(), "{seed} {round} {fault}: shown twice: {shown:?}");
            let old: Vec<&String> = shown.iter().filter(|t| retired.contains(*t)).collect();
            assert!(old.is_empty(), "{seed} {round} {fault}: {old:?} was replaced long ago");
            assert!(shown.first().is_none_or(|t| *t == held), "{seed} {round} {fault}");
            let now = durable(&postrider);
            if now != held {
                retired.insert(std::mem::replace(&mut held, now));
            }
            // An issuer that rotates mildly: what was not made durable was not taken back.
            issuer.told.lock().unwrap().good = held.clone();
        }
        assert!(killed > 10 && retired.len() > 20, "{killed} kills, {} renewals", retired.len());
        // A mail that was asked for at so many of these ends may be a row of the ledger by now, or become one at the next
        // start: tried once more it is read like the others.
        issuer.settled();
        for _ in 0..3 {
            drop(sync(&postrider));
            change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
        }
        sync(&postrider).exits(0);
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM message"), "4");
    })
    .await;
}

/// What asks the actor of the only account's credential, in this process.
async fn credential_of(postrider: &Postrider) -> (Engine, Arc<dyn Credential>) {
    let variables = [("KEY".to_owned(), KEY.to_owned())];
    std::fs::write(postrider.path("key"), KEY).unwrap();
    let path = postrider.path("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("key_env = \"KEY\"", "key_file = \"key\"")).unwrap();
    let config = load(&path, variables.into_iter()).unwrap();
    let engine =
        Engine::start(&config, "a test", WireLog::default(), Claims::default()).await.unwrap();
    let credential = engine.given(&config.accounts[0]).await.unwrap().credential();
    (engine, credential)
}

/// An issuer that gave a refresh token alone, and a clock that was set back since: what the row says
/// to be good is nothing, and nothing is never shown.
#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_is_none_is_renewed_whatever_its_row_says() {
    tokio_rustls::rustls::crypto::ring::default_provider().install_default().ok();
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let postrider = Postrider::new(&config(&server, &issuer));
    let (postrider, issuer) = blocking(move || {
        granted(&postrider, &issuer);
        let row = tokio::runtime::Handle::current().block_on(async {
            let db = open_for_reading(&postrider.database().place()).await.unwrap();
            let row = Reader::new(&db).credentials(None).await.unwrap().remove(0);
            db.close().await;
            row
        });
        let vault = Vault::with(&KEY.to_owned().into()).unwrap();
        let tokens = TokenPair::open(&row, &vault).unwrap();
        let row = TokenPair { access: String::new().into(), ..tokens }.seal(row, &vault).unwrap();
        let sealed: String = row.sealed.iter().map(|b| format!("{b:02x}")).collect();
        let sql = format!("UPDATE credential SET sealed = x'{sealed}'");
        change(&postrider.database(), sql.leak());
        (postrider, issuer)
    })
    .await;
    issuer.told.lock().unwrap().shown.clear();
    let (engine, credential) = credential_of(&postrider).await;
    let secret = credential.secret().await.unwrap();
    assert!(!secrecy::ExposeSecret::expose_secret(secret.text()).is_empty());
    assert_eq!(issuer.told.lock().unwrap().shown.len(), 1, "it was renewed");
    engine.stop().await;
}

/// Many ask at once, and many are refused at once: the issuer is asked once.
#[tokio::test(flavor = "multi_thread")]
async fn two_renewals_at_once_are_one() {
    tokio_rustls::rustls::crypto::ring::default_provider().install_default().ok();
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let postrider = Postrider::new(&config(&server, &issuer));
    let (postrider, issuer) = blocking(move || {
        issuer.told.lock().unwrap().life = 0;
        granted(&postrider, &issuer);
        (postrider, issuer)
    })
    .await;
    issuer.told.lock().unwrap().life = 3600;
    let (engine, credential) = credential_of(&postrider).await;
    let ask = async |refused: Option<Secret>| {
        let asks = (0..8).map(|_| {
            let (credential, refused) = (Arc::clone(&credential), refused.clone());
            tokio::spawn(async move {
                match &refused {
                    None => credential.secret().await.unwrap(),
                    Some(refused) => credential.renewed(refused).await.unwrap().unwrap(),
                }
            })
        });
        let mut secrets = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            secrets.push(ask.await.unwrap());
        }
        secrets
    };
    let mut refused = None;
    for times in 1..=5 {
        let secrets = ask(refused.take()).await;
        let all: BTreeSet<&str> =
            secrets.iter().map(|s| secrecy::ExposeSecret::expose_secret(s.text())).collect();
        assert_eq!((all.len(), issuer.told.lock().unwrap().shown.len()), (1, times));
        refused = secrets.into_iter().next();
        // The next token is another by the second in which it is issued.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    engine.stop().await;
}

/// Stands before a server: it cuts the first connection in the middle, after a stall, and counts
/// what the server sends.
fn proxy(port: u16, cut_at: u64, stall: Duration) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    std::thread::spawn(move || {
        for (n, client) in listener.incoming().enumerate() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else {
                return;
            };
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (sent, mut server, mut client) = (Arc::clone(&counted), server, client);
            std::thread::spawn(move || {
                let (mut buffer, mut total) = (vec![0; 4096], 0);
                while let Ok(read) = server.read(&mut buffer)
                    && read > 0
                {
                    total += read as u64;
                    sent.fetch_add(read as u64, Ordering::SeqCst);
                    if client.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                    if n == 0 && total > cut_at {
                        std::thread::sleep(stall);
                        break;
                    }
                }
                drop(client.shutdown(Shutdown::Both));
                drop(server.shutdown(Shutdown::Both));
            });
        }
    });
    (own, sent)
}

/// The connection breaks off in a first sync, and the token is over by then: it is renewed once, and
/// what has come is not fetched again.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_in_a_first_sync() {
    const MAILS: u64 = 80;
    const OCTETS: u64 = 30_000;
    let (server, issuer) = (start(), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    for n in 0..MAILS {
        let line = format!("{n:076}\r\n");
        let body = line.repeat(usize::try_from(OCTETS).unwrap() / line.len());
        let text = format!("From: a@example.org\r\nSubject: {n}\r\n\r\n{body}");
        mail.append("INBOX", None, None, text.as_bytes()).await.unwrap();
    }
    let want = truth(&mut mail).await;
    blocking(move || {
        let (port, sent) = proxy(server.port, MAILS * OCTETS / 2, Duration::from_millis(2200));
        let text = config(&server, &issuer).replace("silence = \"500ms\"", "silence = \"10s\"");
        let text = text.replace(&format!("port = {}\n", server.port), &format!("port = {port}\n"));
        let postrider = Postrider::new(&text);
        // It is used for half of its life, and then renewed for an hour.
        (issuer.told.lock().unwrap().life, issuer.told.lock().unwrap().truly) = (3, 3);
        granted(&postrider, &issuer);
        (issuer.told.lock().unwrap().life, issuer.told.lock().unwrap().truly) = (3600, 3600);
        sync(&postrider).exits(0);
        assert_eq!(postrider.manifest("u"), want);
        let shown = issuer.told.lock().unwrap().shown.clone();
        assert_eq!(shown.len(), 1, "one renewal: {shown:?}");
        let (all, sent) = (MAILS * OCTETS, sent.load(Ordering::SeqCst));
        assert!((all..all * 5 / 4).contains(&sent), "{sent} octets for {all} of mail");
    })
    .await;
}

/// Of two grants one is sealed with a key that is lost: its account waits for a human, and the other goes
/// on.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_costs_the_account_whose_tokens_it_sealed() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let one = config(&server, &issuer);
        let (_, other) = one.split_once("[[account]]").unwrap();
        let other = format!("[[account]]{}", other.replace("id = \"u\"", "id = \"w\""));
        let postrider = Postrider::new(&format!("{one}{other}"));
        granted(&postrider, &issuer);
        change(
            &postrider.database(),
            "INSERT INTO credential SELECT 'w', issuer, username, version, zeroblob(64), before, 'lost', scopes, granted_at, \
             renewed_at, expires_at, error, failed_at FROM credential",
        );
        let listed = postrider.run_with(&["auth", "status"], &ENV).exits(0);
        let line = listed.stdout.lines().find(|line| line.starts_with('w')).unwrap();
        assert!(line.contains("sealed with another key (lost)"), "{line}");
        let served = postrider.serve(&ENV);
        served.wait_for_state("u", "idle");
        served.wait_for_state("w", "needs_reauth");
        let told = served.account("w");
        assert!(told["reason"].as_str().unwrap().contains("do not open with the key"), "{told}");
        served.stop();
        // A key that opens nothing is the wrong one.
        change(&postrider.database(), "UPDATE credential SET key_print = 'lost'");
        let ran = sync(&postrider).exits(2);
        assert!(ran.stderr.contains("the tokens of u, w were sealed"), "{}", ran.stderr);
    })
    .await;
}
