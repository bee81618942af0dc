//! The issuer of tokens is away: the account waits for it, and nobody else does.

use crate::grants::{ENV, config, granted, start, sync};
use crate::support::binary::Postrider;
use crate::support::issuer::{IssuerServer, Manner};
use crate::support::mail::blocking;
use crate::support::served::{head, wait_until};

/// An issuer that does not answer, and one that is not there: the account waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_answer_is_waited_for() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        issuer.told.lock().unwrap().life = 0;
        granted(&postrider, &issuer);
        let path = postrider.path("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let url = format!("http://127.0.0.1:{}/token", issuer.port);
        std::fs::write(&path, config.replace(&url, "http://127.0.0.1:9/token")).unwrap();
        let ran = sync(&postrider).exits(5);
        assert!(ran.stderr.contains("token endpoint cannot be reached"), "{}", ran.stderr);
        std::fs::write(&path, config).unwrap();
        issuer.behave(Manner::Silent);
        let served = postrider.serve(&ENV);
        let reason = || served.account("u")["reason"].as_str().unwrap_or_default().to_owned();
        wait_until("it is said", || reason().contains("token endpoint does not answer"));
        assert_ne!(served.state("u"), "needs_reauth");
        issuer.behave(Manner::Well);
        wait_until("it goes on", || served.state("u") == "idle");
        served.stop();
    })
    .await;
}

/// Where no token is to be had, nothing is said against the server of the mail.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_is_no_fault_of_the_mails_server() {
    let (mailbox, issuer) = (postrider_feedd::seed::mailbox(3, 5), IssuerServer::start("u"));
    mailbox.lock().address = "u".into();
    let server = postrider_feedd::GmailServer::start(&mailbox, |_| None).await.unwrap();
    blocking(move || {
        let account = format!(
            "[[account]]\nid = \"u\"\nprovider = \"gmail\"\napi_url = \"{}\"\nusername = \"u\"\nauth = \"oauth.google\"\n",
            server.url()
        );
        let config = format!("{}{}{account}", head(), issuer.config());
        let postrider = Postrider::new(&config);
        issuer.told.lock().unwrap().life = 0;
        granted(&postrider, &issuer);
        let url = format!("http://127.0.0.1:{}/token", issuer.port);
        let away = config.replace(&url, "http://127.0.0.1:9/token");
        assert_ne!(away, config);
        std::fs::write(postrider.path("config.toml"), away).unwrap();
        let served = postrider.serve(&ENV);
        let reason = || served.account("u")["reason"].as_str().unwrap_or_default().to_owned();
        wait_until("it is said", || reason().contains("token endpoint cannot be reached"));
        let said = served.running.stderr();
        assert!(!said.contains("the server is waited for"), "{said}");
        std::fs::write(postrider.path("config.toml"), config).unwrap();
        served.stop();
        sync(&postrider).exits(0);
    })
    .await;
}
