//! A client that reads all and keeps no mirror of it: what any mirror takes at least.

use crate::PASSWORD;
use crate::dovecot::Dovecot;
use crate::mailboxes::{Line, Mailbox};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What makes this program a drain.
pub(crate) const WORD: &str = "drain";

/// Octets of a block on its way to the disk; what O_DIRECT writes is aligned to [`ALIGN`].
const BLOCK: usize = 1 << 20;
const ALIGN: usize = 4096;
/// Messages that are made durable together.
const TOGETHER: usize = 100;

/// What the process is told: the way, how many connections, what becomes of the mail, and, of each
/// connection's turns, who logs in and what it reads.
pub(crate) fn args(
    mailbox: &Mailbox,
    server: &Dovecot,
    port: u16,
    connections: usize,
    how: &str,
) -> Vec<String> {
    let certificate =
        if mailbox.line == Line::Tls { server.file("cert.pem") } else { "-".to_owned() };
    let mut args = vec![WORD.into(), port.to_string(), certificate, how.into()];
    let folders = mailbox.folders();
    for connection in 0..connections {
        args.push("connection".into());
        for (n, user) in mailbox.users().into_iter().enumerate() {
            // Whole users; of one user whole folders; of one folder a part.
            let users = mailbox.users().len() > 1;
            if users && n % connections != connection {
                continue;
            }
            args.push(format!("user={user}"));
            for (at, folder) in folders.iter().enumerate() {
                let part = mailbox.in_folder() / connections;
                let (first, last) = (part * connection + 1, part * (connection + 1));
                if folders.len() == 1 && !users && connections > 1 {
                    args.push(format!("{folder} {first}:{last}"));
                } else if users || at % connections == connection {
                    args.push(format!("{folder} 1:*"));
                }
            }
        }
    }
    args
}

/// What becomes of the mail.
enum Keep {
    Nothing,
    /// Hashed here, written and made durable by a thread of its own.
    Durable {
        hash: Sha256,
        block: Vec<u8>,
        messages: usize,
        orders: SyncSender<Order>,
    },
}

enum Order {
    Write(Vec<u8>),
    Sync,
}

impl Keep {
    fn durable(direct: bool, name: usize) -> (Self, std::thread::JoinHandle<()>) {
        let (orders, received) = sync_channel(4);
        let writer = std::thread::spawn(move || write(direct, name, received));
        let block = Vec::with_capacity(BLOCK);
        (Self::Durable { hash: Sha256::new(), block, messages: 0, orders }, writer)
    }

    fn take(&mut self, mut bytes: &[u8]) {
        let Self::Durable { hash, block, orders, .. } = self else { return };
        hash.update(bytes);
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - block.len()));
            block.extend_from_slice(now);
            bytes = rest;
            if block.len() == BLOCK {
                let full = std::mem::replace(block, Vec::with_capacity(BLOCK));
                orders.send(Order::Write(full)).unwrap();
            }
        }
    }

    fn end_of_message(&mut self) {
        let Self::Durable { hash, block, messages, orders } = self else { return };
        std::hint::black_box(hash.finalize_reset());
        *messages += 1;
        if messages.is_multiple_of(TOGETHER) {
            let part = std::mem::replace(block, Vec::with_capacity(BLOCK));
            orders.send(Order::Write(part)).unwrap();
            orders.send(Order::Sync).unwrap();
        }
    }

    fn end(self) {
        if let Self::Durable { block, orders, .. } = self {
            orders.send(Order::Write(block)).unwrap();
            orders.send(Order::Sync).unwrap();
        }
    }
}

/// Writes what comes; past the page cache in whole aligned blocks, with zeros behind a part.
fn write(direct: bool, name: usize, orders: Receiver<Order>) {
    let flags = if direct { OFlags::DIRECT.bits().cast_signed() } else { 0 };
    let mut file: File = OpenOptions::new()
        .create_new(true)
        .write(true)
        .custom_flags(flags)
        .open(format!("{name}.pack"))
        .unwrap();
    let mut room = vec![0; BLOCK + ALIGN];
    let at = room.as_ptr().align_offset(ALIGN);
    let aligned = &mut room[at..at + BLOCK];
    for order in orders {
        match order {
            Order::Write(block) if direct => {
                let whole = block.len().next_multiple_of(ALIGN);
                aligned[..block.len()].copy_from_slice(&block);
                aligned[block.len()..whole].fill(0);
                file.write_all(&aligned[..whole]).unwrap();
            }
            Order::Write(block) => file.write_all(&block).unwrap(),
            Order::Sync => file.sync_data().unwrap(),
        }
    }
}

trait Socket: Read + Write + Send {}
impl<T: Read + Write + Send> Socket for T {}

fn connect(port: u16, certificate: &str) -> Box<dyn Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    if certificate == "-" {
        return Box::new(stream);
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    Box::new(StreamOwned::new(session, stream))
}

/// Reads what one user has: behind the login all commands are sent at once.
fn read_user(line: Box<dyn Socket>, user: &str, parts: &[&str], keep: &mut Keep) {
    let mut reader = BufReader::with_capacity(256 * 1024, line);
    reader.get_mut().write_all(format!("a LOGIN {user} {PASSWORD}\r\n").as_bytes()).unwrap();
    reader.get_mut().flush().unwrap();
    let mut raw = Vec::new();
    while !raw.starts_with(b"a OK") {
        raw.clear();
        assert!(reader.read_until(b'\n', &mut raw).unwrap() > 0, "no login");
    }
    let mut commands = String::new();
    for part in parts {
        let (folder, uids) = part.split_once(' ').unwrap();
        commands += &format!(
            "b EXAMINE \"{folder}\"\r\nc UID FETCH {uids} (UID FLAGS INTERNALDATE BODY.PEEK[])\r\n"
        );
    }
    commands += "z LOGOUT\r\n";
    reader.get_mut().write_all(commands.as_bytes()).unwrap();
    reader.get_mut().flush().unwrap();
    let mut messages = 0;
    loop {
        raw.clear();
        if reader.read_until(b'\n', &mut raw).unwrap() == 0 || raw.starts_with(b"z ") {
            break;
        }
        assert!(
            ![b"b NO".as_slice(), b"c NO", b"c BAD"].iter().any(|refused| raw.starts_with(refused))
        );
        let text = raw.trim_ascii_end();
        let literal = text.strip_suffix(b"}").and_then(|t| t.rsplit(|b| *b == b'{').next());
        let length =
            literal.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
        if let Some(mut left) = length {
            while left > 0 {
                let here = reader.fill_buf().unwrap();
                assert!(!here.is_empty(), "cut");
                let n = left.min(here.len());
                keep.take(&here[..n]);
                reader.consume(n);
                left -= n;
            }
            keep.end_of_message();
            messages += 1;
        }
    }
    assert!(messages > 0, "{user} has no mail");
}

/// The process itself.
pub(crate) fn main(args: &[String]) {
    let (port, certificate, how) = (args[0].parse().unwrap(), &args[1], &args[2]);
    let connections = args[3..].split(|word| word == "connection").skip(1);
    std::thread::scope(|scope| {
        for (n, turns) in connections.enumerate() {
            scope.spawn(move || {
                let (mut keep, writer) = match how.as_str() {
                    "discard" => (Keep::Nothing, None),
                    how => {
                        let (keep, writer) = Keep::durable(how == "direct", n);
                        (keep, Some(writer))
                    }
                };
                let mut turns = turns.iter().map(String::as_str).peekable();
                while let Some(user) = turns.next() {
                    let user = user.strip_prefix("user=").unwrap();
                    let mut parts = Vec::new();
                    while let Some(part) = turns.next_if(|word| !word.starts_with("user=")) {
                        parts.push(part);
                    }
                    read_user(connect(port, certificate), user, &parts, &mut keep);
                }
                keep.end();
                if let Some(writer) = writer {
                    writer.join().unwrap();
                }
            });
        }
    });
}
