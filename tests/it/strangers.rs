//! Who only connects, lays links, or calls itself something: nobody else is kept out, and nothing is
//! overwritten.

use crate::dovecot::fill;
use crate::grants::{config, log_in_with, start};
use crate::support::binary::{Postrider, SHORT, account};
use crate::support::issuer::IssuerServer;
use crate::support::mail::{blocking, seed, serve_well};
use crate::support::served::head;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

/// Thrice as many connections as there is room for, and none of them says anything.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_nobody_from_the_api() {
    let mailbox = seed::mailbox(71, 5);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        let silent: Vec<TcpStream> =
            (0..800).map(|_| TcpStream::connect(&served.address).unwrap()).collect();
        let began = Instant::now();
        assert_eq!(served.ask("GET", "/healthz").0, 200);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        drop(silent);
        served.stop();
    })
    .await;
}

/// The answer of a grant comes behind forty connections that say nothing.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_no_grant_waiting() {
    let (server, issuer) = (start(), IssuerServer::start("u"));
    fill(&mut crate::dovecot::client(&server, "u").await, 4).await;
    blocking(move || {
        let postrider = Postrider::new(&config(&server, &issuer));
        let mut silent = Vec::new();
        let mut began = Instant::now();
        let (ran, status, page) = log_in_with(&postrider, &crate::grants::ENV, |url| {
            let agreed = issuer.agree(url);
            let rest = agreed.strip_prefix("http://").unwrap();
            let host = rest.split('/').next().unwrap().to_owned();
            silent.extend((0..40).map(|_| TcpStream::connect(&host).unwrap()));
            began = Instant::now();
            agreed
        });
        assert_eq!((ran.code, status), (Some(0), 200), "{}\n{page}", ran.stderr);
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    })
    .await;
}

/// What lies in the place of an export's files is not written through.
#[tokio::test(flavor = "multi_thread")]
async fn links_in_an_export_are_not_followed() {
    let mailbox = seed::mailbox(72, 12);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        let victim = postrider.path("victim");
        std::fs::write(&victim, "untouched").unwrap();
        let export = ["export", "u", "--format", "eml", "--out", "out"];
        postrider.run(&export).exits(0);
        let folder = postrider.path("out/INBOX");
        let mail = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&mail).unwrap();
        std::fs::remove_file(&mail).unwrap();
        symlink(&victim, mail.with_extension("part")).unwrap();
        symlink(&victim, &mail).unwrap();
        postrider.run(&export).exits(0);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(std::fs::read(&mail).unwrap(), whole);
        // A folder that is a link leads elsewhere.
        std::fs::rename(&folder, postrider.path("moved")).unwrap();
        std::fs::create_dir(postrider.path("elsewhere")).unwrap();
        symlink(postrider.path("elsewhere"), &folder).unwrap();
        let ran = postrider.run(&export).exits(3);
        assert!(ran.stderr.contains("a link?"), "{}", ran.stderr);
        assert_eq!(std::fs::read_dir(postrider.path("elsewhere")).unwrap().count(), 0);
        // Nor is the wire log.
        symlink(&victim, postrider.path("wire")).unwrap();
        assert_ne!(postrider.run(&["sync", "--once", "--wire-log", "wire"]).code, Some(0));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    })
    .await;
}
