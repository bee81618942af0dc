//! Gmail's API as Google serves it: over TLS and HTTP/2.

use crate::support::binary::{Postrider, SHORT};
use crate::support::gmail::{gmail_account, mirrors, well};
use crate::support::mail::blocking;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use postrider_feedd::{play, seed};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Makes a certificate for `localhost` in a folder.
fn certify(dir: &std::path::Path) -> ServerConfig {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let chain = CertificateDer::pem_file_iter(dir.join("cert.pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Everything goes over one connection a session, long messages beside short ones.
#[tokio::test(flavor = "multi_thread")]
async fn one_connection_a_session() {
    let mailbox = seed::mailbox(67, 400);
    for n in 0..12 {
        let line = format!("{n:04} {}\r\n", "y".repeat(70));
        let body = format!("Subject: long {n}\r\n\r\n{}", line.repeat(3_000_000 / line.len()));
        mailbox.insert(body, &["INBOX"], i64::MAX / 2000);
    }
    let folder = tempfile::tempdir().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(certify(folder.path())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = play::router(&mailbox, well);
    let (connections, spoken) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, words) = (Arc::clone(&connections), Arc::clone(&spoken));
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (acceptor, app, words) = (acceptor.clone(), app.clone(), Arc::clone(&words));
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                let word = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                words.lock().unwrap().push(word);
                let service = TowerToHyperService::new(app);
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    let cert = folder.path().join("cert.pem");
    blocking(move || {
        // Credits for one page and nothing else: long bodies take turns.
        let slow = SHORT.replace("silence = \"500ms\"", "silence = \"5s\"");
        let slow = slow.replace("command = \"5s\"", "command = \"60s\"");
        let slow = slow.replace("[limits]\n", "[limits]\ninflight_bytes = \"2MiB\"\n");
        let account = gmail_account(&format!("https://localhost:{port}"));
        let config = format!("{slow}{account}ca_file = \"{}\"\n", cert.display());
        let postrider = Postrider::new(&config);
        std::fs::write(postrider.path("token"), "good\n").unwrap();
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        drop(folder);
    })
    .await;
    serving.abort();
    let spoken = spoken.lock().unwrap().clone();
    assert!(spoken.iter().all(|word| word.as_deref() == Some(b"h2")), "{spoken:?}");
    let connections = connections.load(Ordering::SeqCst);
    assert_eq!(connections, 1, "one session, one connection");
}
