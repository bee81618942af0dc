//! Logins by OAuth2 access token, against a real Dovecot that checks them.

use crate::dovecot::{client, fill, truth};
use crate::support::binary::{Postrider, SHORT};
use crate::support::check::state;
use crate::support::database::ask;
use crate::support::dovecot::{Dovecot, Traits};
use crate::support::issuer::IssuerServer;
use crate::support::mail::blocking;
use crate::support::served::{head, wait_until};
use crate::support::token::token;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const BOTH: &str = "plain login xoauth2 oauthbearer";

fn start(mechanisms: &'static str) -> Dovecot {
    Dovecot::start_with(Traits { mechanisms, ..Traits::default() })
}

/// An account `u` whose secret is in the file `secret`, named by this key.
fn config(server: &Dovecot, tls: &str, port: u16, key: &str) -> String {
    let file = server.file("cert.pem");
    format!(
        "{}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"{tls}\"\nca_file = \"{file}\"\n\
         username = \"u\"\n{key} = \"secret\"\n",
        head()
    )
}

fn keep(postrider: &Postrider, secret: &str) {
    // As a whole, as whoever renews a token should.
    let (file, next) = (postrider.path("secret"), postrider.path("secret.next"));
    fs::write(&next, format!("{secret}\n")).unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(next, file).unwrap();
}

/// Each mechanism, on each kind of connection, mirrors the mailbox; nothing keeps the token.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_logs_in() {
    let other = start(BOTH);
    let mut mail = client(&other, "u").await;
    fill(&mut mail, 40).await;
    let want = truth(&mut mail).await;
    let config_of = |server: &Dovecot, tls: &str| {
        let port = if tls == "implicit" { server.tls_port } else { server.port };
        config(server, tls, port, "access_token_file")
    };
    // The standard mechanism goes first; here is one server that has only the other.
    let alone = start("xoauth2");
    let mut ways =
        ["none", "starttls", "implicit"].map(|tls| (config_of(&other, tls), true)).to_vec();
    ways.push((config_of(&alone, "implicit"), false));
    blocking(move || {
        for (config, filled) in ways {
            let (postrider, token) = (Postrider::new(&config), token("u", 600));
            keep(&postrider, &token);
            let args = ["sync", "--once", "--wire-log", "wire"];
            let ran = postrider.run(&args).exits(0);
            if filled {
                assert_eq!(postrider.manifest("u"), want, "{config}");
                postrider.run(&["verify", "u"]).exits(0);
            }
            let wire = fs::read_to_string(postrider.path("wire")).unwrap();
            assert!(wire.contains("AUTHENTICATE …"), "{wire}");
            let signature = token.rsplit('.').next().unwrap();
            for name in ["wire", "data/postrider.db", "data/postrider.db-wal"] {
                let bytes = fs::read(postrider.path(name)).unwrap_or_default();
                assert!(!String::from_utf8_lossy(&bytes).contains(signature), "{name}");
            }
            assert!(!ran.stderr.contains(signature) && !ran.stdout.contains(signature));
        }
        drop(alone);
    })
    .await;
}

/// Tokens that are over, of another mailbox or none at all; passwords where only tokens are taken,
/// and tokens where only passwords are: each is told with what to do.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told() {
    let (both, alone, none) = (start(BOTH), start("xoauth2 oauthbearer"), start("plain login"));
    blocking(move || {
        let (token_key, password_key) = ("access_token_file", "password_file");
        for (server, key, secret, code, words) in [
            (&both, token_key, token("u", -60), 4, "the access token is not, or no longer, valid"),
            (&both, token_key, token("somebody", 600), 4, "the access token"),
            (&both, token_key, "no-token".to_owned(), 4, "the access token"),
            (&both, password_key, "wrong".to_owned(), 4, "write access_token_file"),
            (&alone, password_key, "pw".to_owned(), 2, "takes only OAuth2 logins"),
            (&none, token_key, token("u", 600), 2, "write password_file"),
            (&both, token_key, "{\"access_token\": \"x\"}".to_owned(), 2, "keep the token alone"),
            (&both, token_key, String::new(), 2, " is empty"),
        ] {
            let postrider = Postrider::new(&config(server, "none", server.port, key));
            keep(&postrider, &secret);
            let ran = postrider.sync();
            let told = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, Some(code), "{words}\n{told}");
            assert!(told.contains(words), "{words}\n{told}");
            assert!(secret.len() < 5 || !told.contains(&secret), "{told}");
        }
    })
    .await;
}

/// Another program renews the token: a running server takes the new one for its next login, and
/// who was refused meanwhile goes on at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_token_brings_the_account_back() {
    let server = start(BOTH);
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 12).await;
    let count = truth(&mut mail).await.len();
    blocking(move || {
        let postrider = Postrider::new(&config(&server, "none", server.port, "access_token_file"));
        keep(&postrider, &token("u", -60));
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "needs_reauth");
        let account = served.account("u");
        assert!(account["reason"].as_str().unwrap().contains("access token"), "{account}");
        keep(&postrider, &token("u", 600));
        served.wait_for_state("u", "idle");
        let held = "SELECT count(*) AS x FROM location WHERE ended_at IS NULL";
        wait_until("everything is held", || ask(&postrider.database(), held) == count.to_string());
        // Another one is no news to a session that is logged in.
        let before = state(&postrider.database());
        keep(&postrider, &token("u", 900));
        wait_until("it is seen", || {
            served.running.stderr().matches("it has a new secret").count() == 2
        });
        served.wait_for_state("u", "idle");
        assert_eq!(state(&postrider.database()), before);
        served.stop();
    })
    .await;
}

/// A service account signs for each mailbox of its domain: nobody grants, nothing is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_signs_for_its_mailboxes() {
    let (server, issuer) = (start(BOTH), IssuerServer::start("u"));
    let mut mail = client(&server, "u").await;
    fill(&mut mail, 8).await;
    let want = truth(&mut mail).await;
    blocking(move || {
        let key = issuer.robot();
        issuer.told.lock().unwrap().domain = vec!["u"];
        let account = |id: &str| {
            format!(
                "[[account]]\nid = \"{id}\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"{id}\"\nauth = \"service.google\"\n",
                server.port
            )
        };
        let postrider = Postrider::new(&format!(
            "{SHORT}[oauth.google]\nservice_account_file = \"service.json\"\ntoken_url = \"http://127.0.0.1:{}/token\"\nscopes = [\"mail\", \"email\"]\n{}",
            issuer.port,
            account("u")
        ));
        let none = postrider.sync().exits(2);
        assert!(none.stderr.contains("service.json: it cannot be read"), "{}", none.stderr);
        std::fs::write(postrider.path("service.json"), "{}").unwrap();
        let odd = postrider.run(&["check", "--offline"]).exits(2);
        assert!(odd.stderr.contains("no service account's key"), "{}", odd.stderr);
        std::fs::write(postrider.path("service.json"), key.to_string()).unwrap();
        postrider.run(&["check"]).exits(0);
        let asked = issuer.issued();
        let ran = postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
        assert_eq!(issuer.issued(), asked + 1, "one token for all of a run");
        assert_eq!(postrider.manifest("u"), want);
        for text in [ran.stdout, ran.stderr, std::fs::read_to_string(postrider.path("wire")).unwrap()] {
            assert!(!text.contains("eyJ"), "{text}");
        }
        let told = postrider.run(&["auth", "status"]).exits(0);
        assert!(told.stdout.contains("service.google"), "{}", told.stdout);
        assert!(postrider.run(&["auth", "login", "u"]).exits(2).stderr.contains("nobody has to grant"));

        // A token that the server no longer believes is replaced once.
        issuer.told.lock().unwrap().truly = -60;
        assert!(postrider.sync().exits(4).stderr.contains("access token"));
        issuer.told.lock().unwrap().truly = 3600;
        // A mailbox that it may not open is a matter of the domain's settings.
        issuer.told.lock().unwrap().domain.clear();
        let ran = postrider.sync().exits(2);
        assert!(ran.stderr.contains("unauthorized_client"), "{}", ran.stderr);
    })
    .await;
}
