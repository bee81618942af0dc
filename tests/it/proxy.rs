//! Servers behind proxies.

use crate::dovecot::{client, truth};
use crate::support::binary::{Postrider, SHORT};
use crate::support::dovecot::Dovecot;
use crate::support::mail::blocking;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Connect,
    Socks5,
}

/// What is asked of a proxy: where to, and by whom.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A proxy that knows one server by a name of its own, and one user, or anybody.
fn proxy(kind: Kind, port: u16, user: Option<&'static str>) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let noted = Arc::clone(&noted);
            std::thread::spawn(move || {
                let opened = match kind {
                    Kind::Connect => by_http(&client, port, user, &noted),
                    Kind::Socks5 => by_socks(&client, port, user, &noted),
                };
                let Ok(Some(server)) = opened else { return };
                let (mut a, mut b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || drop(std::io::copy(&mut a, &mut b)));
                drop(std::io::copy(&mut &server, &mut &client));
                drop(client.shutdown(std::net::Shutdown::Both));
            });
        }
    });
    (here, asked)
}

fn by_http(
    mut client: &TcpStream,
    port: u16,
    user: Option<&str>,
    asked: &Asked,
) -> std::io::Result<Option<TcpStream>> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    let mut login = None;
    for line in lines {
        let line = line?;
        if let Some(coded) = line.strip_prefix("Proxy-Authorization: Basic ") {
            login = Some(String::from_utf8(STANDARD.decode(coded).unwrap()).unwrap());
        }
        if line.is_empty() {
            break;
        }
    }
    asked.lock().unwrap().push((first.clone(), login.clone()));
    if login.as_deref() != user {
        client.write_all(b"HTTP/1.1 407 who are you\r\nProxy-Authenticate: Basic\r\n\r\n")?;
        return Ok(None);
    }
    if !first.starts_with("CONNECT mail.example.org:") {
        client.write_all(b"HTTP/1.1 502 there is no such place\r\n\r\n")?;
        return Ok(None);
    }
    // The greeting comes along with the answer.
    let server = TcpStream::connect(("127.0.0.1", port))?;
    server.set_read_timeout(Some(std::time::Duration::from_millis(300)))?;
    let mut answer = b"HTTP/1.1 200 there you are\r\nVia: a test\r\n\r\n".to_vec();
    let mut greeting = [0; 1024];
    let came = (&server).read(&mut greeting).unwrap_or(0);
    server.set_read_timeout(None)?;
    answer.extend_from_slice(&greeting[..came]);
    client.write_all(&answer)?;
    Ok(Some(server))
}

fn by_socks(
    client: &TcpStream,
    port: u16,
    user: Option<&str>,
    asked: &Asked,
) -> std::io::Result<Option<TcpStream>> {
    let take = |n: usize| {
        let mut bytes = vec![0; n];
        (&mut &*client).read_exact(&mut bytes).map(|()| bytes)
    };
    let methods = take(2)?[1];
    let offered = take(methods.into())?;
    let wanted = if user.is_some() { 2 } else { 0 };
    if !offered.contains(&wanted) {
        (&mut &*client).write_all(&[5, 0xff])?;
        return Ok(None);
    }
    (&mut &*client).write_all(&[5, wanted])?;
    let mut login = None;
    if user.is_some() {
        let name = take(2)?[1];
        let name = take(name.into())?;
        let length = take(1)?[0];
        let password = take(length.into())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        login = Some(format!("{}:{}", text(&name), text(&password)));
        let is_right = login.as_deref() == user;
        (&mut &*client).write_all(&[1, u8::from(!is_right)])?;
        if !is_right {
            return Ok(None);
        }
    }
    let head = take(5)?;
    assert_eq!((head[1], head[3]), (1, 3), "by name");
    let name = take(head[4].into())?;
    take(2)?;
    let name = String::from_utf8(name).unwrap();
    asked.lock().unwrap().push((name.clone(), login));
    let is_known = name == "mail.example.org";
    (&mut &*client).write_all(&[5, if is_known { 0 } else { 4 }, 0, 1, 0, 0, 0, 0, 0, 0])?;
    if !is_known {
        return Ok(None);
    }
    TcpStream::connect(("127.0.0.1", port)).map(Some)
}

fn config(host: &str, tls: &str, ca: &str, way: &str) -> String {
    format!(
        "{SHORT}[[account]]\nid = \"u\"\nhost = \"{host}\"\ntls = \"{tls}\"\nallow_plaintext = true\n{ca}username = \"u\"\npassword = \"pw\"\n{way}"
    )
}

/// A server whose name only the proxy knows is mirrored through it, whatever the protection.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_mirrored_through_a_proxy() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    other.append("INBOX", None, None, b"Subject: one\r\n\r\nText\r\n").await.unwrap();
    let want = truth(&mut other).await;
    other.logout().await.unwrap();
    for kind in [Kind::Connect, Kind::Socks5] {
        let scheme = if kind == Kind::Connect { "http" } else { "socks5" };
        for user in [None, Some("me:se cret")] {
            for tls in ["none", "starttls"] {
                let (port, asked) = proxy(kind, server.port, user);
                let name = if user.is_some() { "me@" } else { "" };
                let mut way = format!("proxy = \"{scheme}://{name}127.0.0.1:{port}\"\n");
                if user.is_some() {
                    way += "proxy_password_file = \"there\"\n";
                }
                let postrider = Postrider::new(&config("mail.example.org", tls, "", &way));
                let password = postrider.path("there");
                std::fs::write(&password, "se cret\n").unwrap();
                std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600))
                    .unwrap();
                let want = want.clone();
                blocking(move || {
                    if tls == "none" {
                        postrider.sync().exits(0);
                        assert_eq!(postrider.manifest("u"), want, "{kind:?} {user:?}");
                    } else {
                        // Its certificate has another name: so far the proxy has led us.
                        let told = postrider.sync().exits(2);
                        assert!(told.stdout.contains("certificate"), "{}", told.stdout);
                    }
                    let asked = asked.lock().unwrap().clone();
                    assert!(!asked.is_empty());
                    assert!(
                        asked.iter().all(|(place, login)| place.contains("mail.example.org")
                            && login.as_deref() == user),
                        "{asked:?}"
                    );
                    if user.is_some() && tls == "none" {
                        std::fs::write(postrider.path("there"), "other").unwrap();
                        let told = postrider.sync().exits(2);
                        assert!(told.stdout.contains("wants another login"), "{}", told.stdout);
                        assert!(!told.stdout.contains("se cret"));
                    }
                })
                .await;
            }
        }
        // What the proxy does not reach is tried again, and told with the proxy's name.
        let (port, _) = proxy(kind, server.port, None);
        let way = format!("proxy = \"{scheme}://127.0.0.1:{port}\"\n");
        let postrider = Postrider::new(&config("nowhere.example.org", "none", "", &way));
        blocking(move || {
            let told = postrider.sync().exits(5);
            assert!(
                told.stdout.contains(&format!("{scheme}://127.0.0.1:{port}")),
                "{}",
                told.stdout
            );
        })
        .await;
    }
}

#[test]
fn what_is_wrong_with_a_proxy_is_told() {
    for (way, want) in [
        ("proxy = \"ftp://a:1\"\n", "proxy: it will not do; write an address"),
        ("proxy = \"http://a:geheim@b:1\"\n", "it has a password"),
        ("proxy = 5\n", "it must be an address"),
        ("proxy_password_file = \"x\"\n", "there is no proxy"),
        ("proxy = \"http://b:1\"\nproxy_password_file = \"x\"\n", "nobody logs in at the proxy"),
    ] {
        let postrider = Postrider::new(&config("mail.example.org", "none", "", way));
        let told = postrider.run(&["check", "--offline"]).exits(2).stderr;
        assert!(told.contains(want) && !told.contains("geheim"), "{way}: {told}");
    }
}
