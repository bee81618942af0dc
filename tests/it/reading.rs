//! Reading mail over HTTP: a message whole, its octets, its parts.

use crate::derive::{config, stop, wait_until_derived};
use crate::support::binary::Postrider;
use crate::support::check::sha256;
use crate::support::database::ask;
use crate::support::mail::{Mail, Mailbox, blocking, serve};
use crate::support::served::{Served, request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// An answer, octet by octet.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn get(served: &Served, path: &str, more: &str) -> Answer {
    let (address, token) = (&served.address, &served.token);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{more}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).unwrap();
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    Answer { status, headers: lines.map(header).collect(), body: raw[end + 4..].to_vec() }
}

/// A file as its mail carries it, in lines.
fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet));
        let bits = bits << (8 * (3 - group.len()));
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n) & 63) as usize];
            text.push(if n > group.len() { '=' } else { char::from(digit) });
        }
        if text.len() % 78 == 76 {
            text.push_str("\r\n");
        }
    }
    text
}

fn octets(count: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// A mail with a file of so many octets.
fn with_file(count: usize) -> Mail {
    Mail::new(format!(
        "From: =?utf-8?q?J=C3=BCrgen?= <J@Example.org>\r\nReply-To: r@x.y\r\nTo: a@x.y, \"B, C\" <b@x.y>\r\nCc: c@x.y\r\nBcc: d@x.y\r\n\
         Subject: file\r\nMessage-ID: <one@x.y>\r\nIn-Reply-To: <zero@x.y>\r\nList-Id: <l.x.y>\r\nDate: Thu, 1 Feb 2024 10:00:00 +0000\r\n\
         Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n\
         plain  text\r\n--a\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         <script>alert(1)</script><p>gr=FC=DFe</p>\r\n--a--\r\n--m\r\nContent-Type: image/png; name=\"../gr\u{fc}n; x.png\"\r\nContent-ID: <i>\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--m--\r\n",
        base64(&octets(count))
    ))
}

/// What is told of that one, but for what the database alone knows.
fn told(mail: &Mail, count: usize) -> Value {
    let person = |name: Option<&str>, email: &str| json!({"name": name, "email": email});
    json!({
        "id": 1, "account": "u", "thread_id": 1, "subject": "file",
        "from": [person(Some("J\u{fc}rgen"), "J@Example.org")],
        "to": [person(None, "a@x.y"), person(Some("B, C"), "b@x.y")],
        "cc": [person(None, "c@x.y")], "bcc": [person(None, "d@x.y")], "reply_to": [person(None, "r@x.y")],
        "more_people": 0, "date": "2024-02-01T10:00:00Z", "received_at": "2024-02-03T04:05:06Z",
        "snippet": "plain text", "unread": false, "starred": true,
        "folders": [{"id": 1, "path": "INBOX", "role": "inbox", "uid": 1, "flags": ["$Work", "\\Flagged", "\\Seen"]}],
        "attachments": [{
            "part": "2", "content_type": "image/png", "filename": ".._gr\u{fc}n; x.png", "inline": true, "content_id": "i",
            "size": count, "sha256": sha256(&octets(count)),
        }],
        "message_id": "one@x.y", "in_reply_to": ["zero@x.y"], "list_id": "l.x.y", "size": mail.raw.len(),
        "sha256": sha256(&mail.raw), "outgoing": true, "deleted_at": null, "synthetic": false, "damaged": null,
    })
}

fn flagged(count: usize) -> Mail {
    let mut mail = with_file(count);
    mail.flags = ["\\Seen", "\\Flagged", "$Work"].map(str::to_owned).into();
    mail.date = "03-Feb-2024 04:05:06 +0000".into();
    mail
}

/// A message is told whole, whether it is derived already or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_told_whole() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let own = format!("{}addresses = [\"j@example.org\"]\n", config(server.port(), &["u"]));
    let postrider = Postrider::new(&own);
    blocking(move || {
        let mail = flagged(1000);
        u.append("INBOX", mail.clone());
        let off = own.replace("[limits]\n", "[limits]\nderive_bytes = \"0\"\n");
        std::fs::write(postrider.path("config.toml"), off).unwrap();
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let want = told(&mail, 1000);
        let mut untold = want.clone();
        untold["thread_id"] = Value::Null;
        assert_eq!(served.get("/v1/messages/1"), untold, "it is read for the answer");
        let part = get(&served, "/v1/messages/1/parts/2", "");
        assert_eq!((part.status, part.body), (200, octets(1000)));
        stop(served);
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM derived"), "0");
        std::fs::write(postrider.path("config.toml"), own).unwrap();
        let served = postrider.serve(&[]);
        wait_until_derived(&served, &postrider.database());
        assert_eq!(served.get("/v1/messages/1"), want);
        // What its server has deleted is there, and says so.
        assert!(u.expunge("INBOX", 1).is_some());
        served.settle(&postrider, "u", &u);
        let gone = served.get("/v1/messages/1");
        assert!(gone["deleted_at"].is_string() || gone["folders"] == json!([]), "{gone}");
        assert_eq!(gone["unread"], false);
        // Where the header ends with the first line there is none.
        u.append("INBOX", Mail::new("\r\nno header\r\n\r\nat all"));
        served.settle(&postrider, "u", &u);
        let id = ask(&postrider.database(), "SELECT max(id) AS x FROM message");
        assert_eq!(id, "2");
        let none = get(&served, "/v1/messages/2/headers", "");
        assert_eq!((none.status, none.body), (200, Vec::new()));
        for nothing in ["0", "3", "-1", "x", "1.5", "99999999999999999999"] {
            for of in ["", "/raw", "/headers", "/text", "/html", "/parts/1"] {
                let path = format!("/v1/messages/{nothing}{of}");
                assert_eq!(served.ask("GET", &path).0, 404, "{path}");
            }
        }
        stop(served);
    })
    .await;
}

/// Octets are the server's, whole and in ranges, and no browser shows them.
#[tokio::test(flavor = "multi_thread")]
async fn octets_are_the_servers() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        let sizes = [1000, 3_000_001];
        let mails = sizes.map(with_file);
        mails.iter().for_each(|mail| assert!(u.append("INBOX", mail.clone()) > 0));
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        for (mail, count) in mails.iter().zip(sizes) {
            let id = format!("SELECT id AS x FROM message WHERE size = {}", mail.raw.len());
            let id = ask(&database, &id);
            let file = octets(count);
            for (path, want, kind) in [
                ("raw", mail.raw.as_slice(), "message/rfc822"),
                ("parts/2", &file, "image/png"),
                ("parts/1.1", b"plain  text", "text/plain"),
            ] {
                let path = format!("/v1/messages/{id}/{path}");
                let whole = get(&served, &path, "");
                assert_eq!((whole.status, whole.body.as_slice()), (200, want), "{path}");
                let told = |name: &str| whole.headers[name].as_str();
                assert_eq!(told("content-type"), kind);
                assert_eq!(told("etag"), format!("\"{}\"", sha256(want)));
                assert_eq!(told("content-length"), want.len().to_string());
                assert_eq!(told("x-content-type-options"), "nosniff");
                assert_eq!(told("content-security-policy"), "default-src 'none'; sandbox");
                assert_eq!(told("cross-origin-resource-policy"), "same-origin");
                assert_eq!(told("cache-control"), "private");
                assert!(told("content-disposition").starts_with("attachment;"));
                assert!(told("repr-digest").starts_with("sha-256=:"));
                let again = get(&served, &path, &format!("If-None-Match: {}\r\n", told("etag")));
                assert_eq!((again.status, again.body.len()), (304, 0));
                let length = want.len();
                for (first, last) in [
                    (0, 0),
                    (5, 5),
                    (0, length - 1),
                    (3, length - 2),
                    (length / 3, length / 3 + 70_000),
                    (length - 1, length + 9),
                ] {
                    let part = get(&served, &path, &format!("Range: bytes={first}-{last}\r\n"));
                    let end = length.min(last + 1);
                    assert_eq!(part.status, 206, "{path} {first}-{last}");
                    assert!(part.body == want[first..end], "{path} {first}-{last}");
                    let range = format!("bytes {first}-{}/{length}", end - 1);
                    assert_eq!(part.headers["content-range"], range);
                    assert_eq!(part.headers["repr-digest"], told("repr-digest"), "of the whole");
                }
                let ranged = format!(
                    "HEAD {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nRange: bytes=0-0\r\n",
                    served.address, served.token
                );
                let (status, head, body) = request(&served.address, &ranged, "");
                assert_eq!((status, body.as_str()), (200, ""), "ranges are of GET alone");
                assert!(head.to_lowercase().contains(&format!("content-length: {length}")), "{head}");
                let beyond = get(&served, &path, &format!("Range: bytes={length}-\r\n"));
                assert_eq!(beyond.status, 416);
                assert_eq!(beyond.headers["content-range"], format!("bytes */{length}"));
            }
            let name = &get(&served, &format!("/v1/messages/{id}/parts/2"), "").headers;
            let name = &name["content-disposition"];
            assert_eq!(name, "attachment; filename*=UTF-8''.._gr%C3%BCn%3B%20x.png");
            let shown = |of: &str| {
                let answer = get(&served, &format!("/v1/messages/{id}/{of}"), "");
                assert_eq!(
                    answer.headers["content-security-policy"],
                    "default-src 'none'; sandbox"
                );
                assert!(answer.headers["content-disposition"].starts_with("attachment;"));
                (answer.status, String::from_utf8(answer.body).unwrap())
            };
            assert_eq!(shown("text"), (200, "plain  text".into()));
            let html = "<script>alert(1)</script><p>gr\u{fc}\u{df}e</p>";
            assert_eq!(shown("html"), (200, html.into()), "nothing is taken out, and nothing runs");
            let raw = String::from_utf8(mail.raw.to_vec()).unwrap();
            let header = raw.split_once("\r\n\r\n").unwrap().0;
            assert_eq!(shown("headers"), (200, format!("{header}\r\n")));
            for none in ["parts/3", "parts/0", "parts/x"] {
                let path = format!("/v1/messages/{id}/{none}");
                assert_eq!(served.ask("GET", &path).0, 404, "{path}");
            }
        }
        let log = served.running.stderr();
        assert!(!log.contains("plain") && !log.contains("example.org>"), "no text of mail: {log}");
        stop(served);
    })
    .await;
}

/// Every pack.
fn packs(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(packs(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all
}

/// Changes the last octet of these, wherever they lie.
fn damage(dir: &Path, octets: &[u8]) {
    let mut found = 0;
    for path in packs(dir) {
        let mut stored = std::fs::read(&path).unwrap();
        let places = stored.windows(octets.len()).position(|window| window == octets);
        if let Some(at) = places {
            stored[at + octets.len() - 1] ^= 1;
            std::fs::write(&path, stored).unwrap();
            found += 1;
        }
    }
    assert_eq!(found, 1);
}

/// Octets that are not what they were are not sent as if they were; what else is known of the message is told.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_octets_are_not_told_as_whole() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        let (small, large) = (with_file(1000), with_file(3_000_000));
        for mail in [&small, &large] {
            u.append("INBOX", mail.clone());
        }
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        let id = |mail: &Mail| {
            ask(&database, &format!("SELECT id AS x FROM message WHERE size = {}", mail.raw.len()))
        };
        let (one, other) = (id(&small), id(&large));
        let bodies = postrider.path("data/bodies");
        damage(&bodies, &small.raw[small.raw.len() - 700..small.raw.len() - 100]);
        damage(&bodies, &large.raw[large.raw.len() - 700..large.raw.len() - 100]);
        for of in ["raw", "parts/2"] {
            let (status, told) = served.ask("GET", &format!("/v1/messages/{one}/{of}"));
            assert_eq!(status, 502, "{of}: {told}");
            assert!(told["detail"].as_str().unwrap().contains("postrider verify"), "{told}");
            // What is long is broken off.
            let broken = get(&served, &format!("/v1/messages/{other}/{of}"), "");
            let length: usize = broken.headers["content-length"].parse().unwrap();
            assert!(broken.status == 200 && broken.body.len() < length, "{}", broken.body.len());
            // A part of it is held against nothing.
            let part = get(&served, &format!("/v1/messages/{one}/{of}"), "Range: bytes=0-9\r\n");
            assert_eq!(part.status, 206);
        }
        let subject = |told: &Value| told["subject"] == "file" && told["snippet"] == "plain text";
        assert!(subject(&served.get(&format!("/v1/messages/{one}"))));
        std::fs::rename(&bodies, postrider.path("data/away")).unwrap();
        let told = served.get(&format!("/v1/messages/{one}"));
        assert!(subject(&told) && told["damaged"].is_string(), "{told}");
        assert_eq!(told["attachments"][0]["size"], 1000);
        for of in ["raw", "parts/2", "parts/1.1", "headers", "text", "html"] {
            let (status, told) = served.ask("GET", &format!("/v1/messages/{one}/{of}"));
            assert_eq!(status, 502, "{of}: {told}");
        }
        std::fs::rename(postrider.path("data/away"), &bodies).unwrap();
        stop(served);
    })
    .await;
}
