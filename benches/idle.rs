//! Mailboxes at rest, each watched by IDLE on a scripted server: how long it takes until they are, what
//! each costs in memory, plain and over TLS, what all of them cost in CPU, and how long new mail of some
//! takes. Prints figures, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "support/cpu.rs"]
mod cpu;
#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod fits;
    pub(crate) mod mail;
    pub(crate) mod served;
}

use cpu::cpu;
use postrider_imapd::{Server, User};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::database::ask;
use support::mail::{Mailbox, note, seed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const PLAIN: (&str, usize) = ("IDLE_PLAIN", 10_000);
const TLS: (&str, usize) = ("IDLE_TLS", 5_000);
/// Mailboxes that get a mail at once.
const MAILS: usize = 100;
/// Logins a second.
const PACE: usize = 40;
const QUIET: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(900);

fn head(sessions: usize) -> String {
    format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nlogins_per_second = {PACE}\nsessions_per_endpoint = {sessions}\n"
    )
}

fn wait(what: &str, mut reached: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(250));
    }
    began.elapsed()
}

/// A way to `port` over TLS; returns its port.
async fn behind_tls(port: u16, dir: &Path) -> u16 {
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&key).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                // Whichever side goes away ends it.
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    there
}

/// Memory of the process with so many mailboxes at rest, in KiB.
fn at_rest(count: usize, is_tls: bool) -> u64 {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mailboxes: BTreeMap<String, Mailbox> =
        (0..count as u64).map(|n| (format!("rest{n:05}"), seed::mailbox(n, 3))).collect();
    let user = |mailbox: &Mailbox| User { password: "pw".into(), mailbox: mailbox.clone() };
    let users = mailboxes.iter().map(|(name, mailbox)| (name.clone(), user(mailbox))).collect();
    let server = runtime.block_on(Server::start(users, |_, _| None)).unwrap();
    // One for a look beside the watch.
    let mut config = head(count * 2 + 10);
    let aside = tempfile::tempdir().unwrap();
    let port = if is_tls {
        runtime.block_on(behind_tls(server.port(), aside.path()))
    } else {
        server.port()
    };
    for name in mailboxes.keys() {
        let one = account(name, port, "pw");
        if is_tls {
            let trusted = format!(
                "tls = \"implicit\"\nca_file = \"{}\"",
                aside.path().join("cert.pem").display()
            );
            config += &one.replace("tls = \"none\"", &trusted);
        } else {
            config += &one;
        }
    }
    let postrider = Postrider::new(&config);
    let began = Instant::now();
    postrider.run(&["check", "--offline"]).exits(0);
    let read = began.elapsed();
    let began = Instant::now();
    let served = postrider.serve(&[]);
    let up = began.elapsed();
    let of = |state: &str| served.metric(state);
    #[expect(clippy::cast_precision_loss, reason = "so many are exact")]
    let (all, per_second) = (count as f64, PACE as f64);
    wait("rest", || of("postrider_accounts{state=\"idle\"}") >= all);
    let rest = began.elapsed();
    wait("every watch", || of("postrider_sessions{state=\"watching\"}") >= all);
    let watched = began.elapsed();
    std::thread::sleep(Duration::from_secs(5));
    let before = cpu(&served);
    std::thread::sleep(QUIET);
    let busy = (cpu(&served) - before) / QUIET.as_secs_f64() * 100.0;
    let (now, peak) = (served.status("VmRSS:"), served.status("VmHWM:"));
    let came = || {
        let sql = "SELECT count(*) AS x FROM message WHERE subject = 'new here'";
        ask(&postrider.database(), sql).parse::<usize>().unwrap()
    };
    let mails = MAILS.min(count);
    for mailbox in mailboxes.values().step_by(count / mails).take(mails) {
        mailbox.append("INBOX", note("new here"));
    }
    let new = wait("the new mail", || came() == mails);
    served.stop();
    println!(
        "{count} mailboxes at rest{}: config checked in {:.2} s, up after {:.1} s, all at rest after {:.0} s, all watched after {:.0} s ({PACE} logins a second: {:.0} s); \
         {} MiB, peak {} MiB; CPU {busy:.1} % of a core; {mails} new mails in {:.1} s",
        if is_tls { " over TLS" } else { "" },
        read.as_secs_f64(),
        up.as_secs_f64(),
        rest.as_secs_f64(),
        watched.as_secs_f64(),
        all / per_second,
        now / 1024,
        peak / 1024,
        new.as_secs_f64()
    );
    now
}

/// So many, unless a variable says otherwise.
fn told((variable, usual): (&str, usize)) -> usize {
    std::env::var(variable).map_or(usual, |n| n.parse().unwrap())
}

fn main() {
    let one = at_rest(1, false);
    let plain = at_rest(told(PLAIN), false);
    let tls = at_rest(told(TLS), true);
    let each = |all: u64, count: usize| all.saturating_sub(one) / (count as u64 - 1).max(1);
    println!(
        "a mailbox at rest: {} KiB, over TLS {} KiB (one alone: {} MiB)",
        each(plain, told(PLAIN)),
        each(tls, told(TLS)),
        one / 1024
    );
}
