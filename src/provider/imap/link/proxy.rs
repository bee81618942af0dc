//! Through a proxy to a server: HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, RFC 1929). The
//! proxy finds the server by its name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::{Proxy, ProxyKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_socks::Error as SocksError;
use tokio_socks::tcp::Socks5Stream;

/// Octets of a proxy's answer.
const ANSWER_OCTETS: usize = 8 * 1024;

fn network(proxy: &Proxy, text: &str) -> Failure {
    let text = format!("the proxy {proxy} {text}");
    Failure::new(Class::Network, Reach::Endpoint, Provenance::Server, text)
}

fn refused(proxy: &Proxy) -> Failure {
    let text = format!(
        "the proxy {proxy} wants another login: see whether its user and `proxy_password_file` are right"
    );
    Failure::new(Class::Config, Reach::Endpoint, Provenance::Server, text).when(When::AfterChange)
}

/// User and password, as the files say now.
#[expect(clippy::disallowed_methods, reason = "who reads a file waits for its end")]
async fn login(proxy: &Proxy) -> Result<Option<(String, String)>, Failure> {
    let Some(name) = proxy.username.clone() else { return Ok(None) };
    let Some(file) = &proxy.password_file else { return Ok(Some((name, String::new()))) };
    let wanted = file.clone();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(wanted)).await;
    let read = read.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
    let text = read.map_err(|e| {
        let text = format!("cannot read {}", file.display());
        let failure = Failure::new(Class::Config, Reach::Endpoint, Provenance::Local, text);
        failure.when(When::AfterChange).caused_by(e)
    })?;
    Ok(Some((name, text.trim_end_matches(['\r', '\n']).to_owned())))
}

/// Asks the proxy behind this connection for one to a server.
///
/// # Errors
/// Network; class config, where it wants another login.
pub(in crate::provider::imap) async fn through(
    proxy: &Proxy,
    tcp: TcpStream,
    (host, port): (&str, u16),
) -> Result<TcpStream, Failure> {
    let login = login(proxy).await?;
    match proxy.kind {
        ProxyKind::Connect => connect(proxy, tcp, (host, port), login).await,
        ProxyKind::Socks5 => {
            let target = (host, port);
            let opened = match &login {
                Some((user, password)) => {
                    Socks5Stream::connect_with_password_and_socket(tcp, target, user, password)
                        .await
                }
                None => Socks5Stream::connect_with_socket(tcp, target).await,
            };
            opened.map(Socks5Stream::into_inner).map_err(|e| match e {
                SocksError::PasswordAuthFailure(_)
                | SocksError::AuthorizationRequired
                | SocksError::NoAcceptableAuthMethods
                | SocksError::InvalidAuthValues(_) => refused(proxy),
                other => network(proxy, "does not reach the server").caused_by(other),
            })
        }
    }
}

async fn connect(
    proxy: &Proxy,
    mut tcp: TcpStream,
    (host, port): (&str, u16),
    login: Option<(String, String)>,
) -> Result<TcpStream, Failure> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let mut asked = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some((user, password)) = login {
        let coded = STANDARD.encode(format!("{user}:{password}"));
        asked.push_str(&format!("Proxy-Authorization: Basic {coded}\r\n"));
    }
    asked.push_str("\r\n");
    let cut = |e| network(proxy, "ends the connection").caused_by(e);
    tcp.write_all(asked.as_bytes()).await.map_err(cut)?;
    // Octet by octet: what comes behind the answer is the server's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b"\n\n") {
        if answer.len() >= ANSWER_OCTETS {
            return Err(network(proxy, "answers without an end"));
        }
        answer.push(tcp.read_u8().await.map_err(cut)?);
    }
    let status = answer.split(|b| *b == b'\r').next().unwrap_or_default();
    let status = String::from_utf8_lossy(status).into_owned();
    match status.split(' ').nth(1) {
        Some(code) if status.starts_with("HTTP/1.") && code.starts_with('2') => Ok(tcp),
        Some("407") => Err(refused(proxy)),
        _ => {
            let said: String = status.chars().filter(|c| !c.is_control()).take(100).collect();
            Err(network(proxy, &format!("says {said:?}")))
        }
    }
}
