//! A way to PostgreSQL that knows where its messages end: it counts what is asked, is as slow as a network, and
//! loses what is told to be lost (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It never comes there.
    Commit,
    /// It does, and nobody hears of it.
    Answer,
    /// It comes there so much later, when who sent it has given up.
    Late(Duration),
}

/// A way to a server on this machine. It lasts as long as the process.
#[derive(Clone, Debug)]
pub(crate) struct PgWay {
    port: u16,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What was asked, each time that an answer was waited for.
    asked: Mutex<Vec<String>>,
    lost: Mutex<Option<Lost>>,
    /// How many were lost.
    losses: AtomicU64,
    /// Microseconds that each question takes longer.
    latency: AtomicU64,
    /// Connections that were made.
    made: AtomicU64,
    /// Those made before this one lead nowhere any more, and nobody is told.
    silent: AtomicU64,
}

impl PgWay {
    /// To the server of this URL.
    pub(crate) fn to(url: &str) -> Self {
        let (_, place) = url.rsplit_once(':').unwrap();
        let target: u16 = place.split('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Seen>::default();
        let way = Self { port, seen: Arc::clone(&seen) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                server.set_nodelay(true).unwrap();
                client.set_nodelay(true).unwrap();
                let number = seen.made.fetch_add(1, Ordering::SeqCst);
                let (seen, sees) = (Arc::clone(&seen), Arc::clone(&seen));
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || drop(answers(&back, &forth, &sees, number)));
                std::thread::spawn(move || drop(questions(&client, &server, &seen, number)));
            }
        });
        way
    }

    /// A URL by this way.
    pub(crate) fn url(&self, url: &str) -> String {
        let (before, place) = url.rsplit_once(':').unwrap();
        let database = place.split('/').nth(1).unwrap();
        format!("{before}:{}/{database}", self.port)
    }

    pub(crate) fn lose(&self, what: Lost) {
        *self.seen.lost.lock().unwrap() = Some(what);
    }

    pub(crate) fn losses(&self) -> u64 {
        self.seen.losses.load(Ordering::SeqCst)
    }

    pub(crate) fn delay(&self, by: Duration) {
        self.seen.latency.store(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// What comes by the connections there are is lost from here on, and they stay as they are.
    pub(crate) fn silence(&self) {
        self.seen.silent.store(self.seen.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.asked.lock().unwrap())
    }
}

impl Seen {
    fn is_silent(&self, number: u64) -> bool {
        number < self.silent.load(Ordering::SeqCst)
    }
}

fn answers(
    mut from: &TcpStream,
    mut to: &TcpStream,
    seen: &Seen,
    number: u64,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = from.read(&mut buffer)?;
        if seen.is_silent(number) {
            // Both sockets stay open.
            loop {
                std::thread::park();
            }
        }
        if n == 0 {
            // Whoever still listens there hears that it is over.
            return to.shutdown(Shutdown::Both);
        }
        to.write_all(&buffer[..n])?;
    }
}

fn text_at(body: &[u8], from: usize) -> String {
    let end = body[from..].iter().position(|octet| *octet == 0).map_or(body.len(), |at| from + at);
    String::from_utf8_lossy(&body[from..end]).into_owned()
}

fn questions(
    mut from: &TcpStream,
    mut to: &TcpStream,
    seen: &Seen,
    number: u64,
) -> std::io::Result<()> {
    let mut names = std::collections::BTreeMap::<String, String>::new();
    let (mut is_begun, mut asks) = (false, String::new());
    let done = loop {
        let mut head = vec![0; if is_begun { 5 } else { 4 }];
        if let Err(e) = from.read_exact(&mut head) {
            break Err(e);
        }
        let at = head.len() - 4;
        let octets = u32::from_be_bytes(head[at..].try_into().unwrap()) as usize;
        let mut body = vec![0; octets - 4];
        if let Err(e) = from.read_exact(&mut body) {
            break Err(e);
        }
        if seen.is_silent(number) {
            continue;
        }
        let whole = [head.as_slice(), &body].concat();
        if !is_begun {
            // A wish for TLS is no beginning.
            is_begun = body[..4] != 80_877_103_u32.to_be_bytes();
            to.write_all(&whole)?;
            continue;
        }
        match head[0] {
            b'Q' => asks = text_at(&body, 0),
            b'P' => {
                let name = text_at(&body, 0);
                names.insert(name.clone(), text_at(&body, name.len() + 1));
                asks = "PREPARE".to_owned();
            }
            b'B' => {
                let portal = text_at(&body, 0);
                let name = text_at(&body, portal.len() + 1);
                asks = names.get(&name).cloned().unwrap_or_default();
            }
            _ => {}
        }
        if matches!(head[0], b'Q' | b'S') {
            std::thread::sleep(Duration::from_micros(seen.latency.load(Ordering::SeqCst)));
            seen.asked.lock().unwrap().push(std::mem::take(&mut asks));
        }
        let is_commit = head[0] == b'Q' && text_at(&body, 0) == "COMMIT";
        let lost = is_commit.then(|| seen.lost.lock().unwrap().take()).flatten();
        match lost {
            None => to.write_all(&whole)?,
            Some(lost) => {
                seen.losses.fetch_add(1, Ordering::SeqCst);
                // Who asks hears no more of it.
                from.shutdown(Shutdown::Both)?;
                match lost {
                    Lost::Commit => {}
                    Lost::Answer => to.write_all(&whole)?,
                    Lost::Late(by) => {
                        std::thread::sleep(by);
                        to.write_all(&whole)?;
                    }
                }
                // The server's answer is read by nobody: what it was asked is done before it sees the end.
                break to.shutdown(Shutdown::Write);
            }
        }
    };
    // A client that is gone is gone for the server, too.
    to.shutdown(Shutdown::Write)?;
    done
}
