//! What streams of events and subscribers cost a first sync: a thousand streams that match nothing, twenty subscribers that
//! answer in 50 ms, a hundred streams that take everything; and how soon an event is there. Prints ratios, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod dovecot;
    pub(crate) mod fits;
    pub(crate) mod mail;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::binary::{Postrider, account};
use support::dovecot::Dovecot;
use support::mail::seed;
use support::served::{Served, head, wait_within};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

/// A sync of a few seconds: one of 10,000 is over before two noisy cores have been even to it.
const MAILS: usize = 30_000;
/// New mails, and the time between two of them.
const NEW: usize = 200;
const PACE: Duration = Duration::from_millis(50);
const TURNS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(600);
/// A subscriber answers behind so long.
const ANSWERS: Duration = Duration::from_millis(50);
const NOTHING: &str = "?kind=message.restored";
const BESIDE: [Beside; 5] = [
    Beside { name: "nobody", streams: 0, query: "", subscribers: 0 },
    Beside {
        name: "1000 streams that match nothing",
        streams: 1000,
        query: NOTHING,
        subscribers: 0,
    },
    Beside { name: "20 subscribers", streams: 0, query: "", subscribers: 20 },
    Beside { name: "both", streams: 1000, query: NOTHING, subscribers: 20 },
    Beside { name: "100 streams that take everything", streams: 100, query: "", subscribers: 0 },
];

/// Who listens: so many streams, what they want, and so many subscribers, who want all.
#[derive(Clone, Copy)]
struct Beside {
    name: &'static str,
    streams: usize,
    query: &'static str,
    subscribers: usize,
}

fn maildir(server: &Dovecot) -> PathBuf {
    let dir = PathBuf::from(server.file("mail/u/Maildir"));
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    dir
}

fn fill(server: &Dovecot) {
    let (dir, mut dice) = (maildir(server), seed::Dice::new(7));
    for n in 0..MAILS {
        let raw = seed::message(&mut dice, n).raw;
        fs::write(dir.join(format!("cur/{n:06}.bench:2,S")), raw.to_vec()).unwrap();
    }
    server.own(Path::new(&server.file("mail")));
}

fn asked(served: &Served, query: &str) -> TcpStream {
    let (address, token) = (&served.address, &served.token);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET /v1/events/stream{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Takes everything of these, and counts its octets; each says how far it has come.
fn taken(streams: Vec<TcpStream>) -> (Arc<AtomicU64>, Vec<Arc<AtomicI64>>) {
    let octets = Arc::<AtomicU64>::default();
    let far: Vec<Arc<AtomicI64>> = streams.iter().map(|_| Arc::default()).collect();
    let (counted, seen) = (Arc::clone(&octets), far.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut all = tokio::task::JoinSet::new();
            for (stream, far) in streams.into_iter().zip(seen) {
                stream.set_nonblocking(true).unwrap();
                let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
                let counted = Arc::clone(&counted);
                all.spawn(async move {
                    let mut piece = vec![0; 65_536];
                    let mut last = Vec::new();
                    loop {
                        let n = stream.read(&mut piece).await.unwrap_or(0);
                        if n == 0 {
                            return;
                        }
                        counted.fetch_add(n as u64, Ordering::Relaxed);
                        // The last number of what came, be it cut in two.
                        last.extend_from_slice(&piece[..n]);
                        let text = String::from_utf8_lossy(&last);
                        if let Some((_, behind)) = text.rsplit_once("\nid: ")
                            && let Some((id, _)) = behind.split_once('\n')
                        {
                            far.store(id.parse().unwrap_or(0), Ordering::Relaxed);
                        }
                        last.drain(..last.len().saturating_sub(4096));
                    }
                });
            }
            while all.join_next().await.is_some() {}
        });
    });
    (octets, far)
}

/// Takes lists of events, behind a while each; counts events.
fn hook() -> (u16, Arc<AtomicU64>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (port, events) = (listener.local_addr().unwrap().port(), Arc::<AtomicU64>::default());
    let counted = Arc::clone(&events);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let mut all = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                all.spawn(answers(stream, Arc::clone(&counted)));
            }
        });
    });
    (port, events)
}

async fn answers(stream: tokio::net::TcpStream, counted: Arc<AtomicU64>) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut read = tokio::io::BufReader::new(read);
    loop {
        let (mut length, mut count, mut line) = (0, 1, String::new());
        loop {
            line.clear();
            if read.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let text = line.trim().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(told) = text.strip_prefix("content-length:") {
                length = told.trim().parse().ok()?;
            }
            // Of a list FIRST-COUNT-HASH: who reads the body takes of the same two cores.
            if let Some(id) = text.strip_prefix("webhook-id:") {
                count = id.split('-').nth(1).map_or(Some(1), |count| count.parse().ok())?;
            }
        }
        let mut body = vec![0; length];
        read.read_exact(&mut body).await.ok()?;
        tokio::time::sleep(ANSWERS).await;
        write.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n").await.ok()?;
        counted.fetch_add(count, Ordering::Relaxed);
    }
}

/// How long a first sync takes beside these; with the peak of memory, what the streams were told, and when subscribers had all.
fn first(server: &Dovecot, beside: Beside) -> (f64, u64, u64, f64) {
    let Beside { streams: count, query, subscribers, .. } = beside;
    let (port, given) = hook();
    let one = |n: usize| {
        format!(
            "[[subscriber]]\nid = \"s{n}\"\nurl = \"http://127.0.0.1:{port}/\"\nsecret_file = \"secret\"\nbatch = 100\nallow_private = true\n"
        )
    };
    let hooks: String = (0..subscribers).map(one).collect();
    let config = |password| {
        format!("{}{}{hooks}", head().replace("500ms", "5s"), account("u", server.port, password))
    };
    let postrider = Postrider::new(&config("wrong"));
    fs::write(postrider.path("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G\n")
        .unwrap();
    let served = postrider.serve(&[]);
    assert_eq!(served.ask("POST", "/v1/accounts/u/pause").0, 202);
    served.stop();
    fs::write(postrider.path("config.toml"), config("pw")).unwrap();
    let served = postrider.serve(&[]);
    let streams: Vec<TcpStream> = (0..count).map(|_| asked(&served, query)).collect();
    let open = || count == 0 || served.metric("postrider_streams") == count as f64;
    wait_within(PATIENCE, "the streams", open);
    let (octets, far) = taken(streams);
    let began = Instant::now();
    assert_eq!(served.ask("POST", "/v1/accounts/u/resume").0, 202);
    wait_within(PATIENCE, "all mail", || served.account("u")["messages"] == MAILS);
    let took = began.elapsed().as_secs_f64();
    let newest =
        served.get("/v1/events?after=now")["next"].as_str().unwrap().parse::<i64>().unwrap();
    if query.is_empty() {
        let all = || far.iter().all(|far| far.load(Ordering::Relaxed) >= newest);
        wait_within(PATIENCE, "everything at everybody", all);
    }
    // Each has every mail, and what is told beside.
    let all = || given.load(Ordering::Relaxed) >= (subscribers * MAILS) as u64;
    wait_within(PATIENCE, "everything at every subscriber", all);
    let (peak, had) = (served.status("VmHWM:"), began.elapsed().as_secs_f64());
    served.stop();
    (took, peak, octets.load(Ordering::Relaxed), had)
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Times from the beginning of an event's transaction until a stream has it, milliseconds.
fn soon(server: &Dovecot) -> Vec<f64> {
    let postrider = Postrider::new(&format!(
        "{}{}",
        head().replace("500ms", "5s"),
        account("u", server.port, "pw")
    ));
    let served = postrider.serve(&[]);
    wait_within(PATIENCE, "a watch", || served.account("u")["push"] == "notify");
    let stream = asked(&served, "?kind=message.created");
    let heard = std::thread::spawn(move || {
        let mut took = Vec::new();
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let Some(event) = line.strip_prefix("data: ") else { continue };
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            let at = OffsetDateTime::parse(event["at"].as_str().unwrap(), &Rfc3339).unwrap();
            let at = i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap();
            took.push((now() - at) as f64 / 1000.0);
            if took.len() == NEW {
                break;
            }
        }
        took
    });
    let dir = maildir(server);
    for n in 0..NEW {
        let (aside, there) = (dir.join(format!("tmp/{n}")), dir.join(format!("new/soon{n}.new")));
        fs::write(&aside, format!("Subject: soon {n}\r\n\r\nx\r\n")).unwrap();
        server.own(&aside);
        fs::rename(aside, there).unwrap();
        std::thread::sleep(PACE);
    }
    let mut took = heard.join().unwrap();
    served.stop();
    took.sort_by(f64::total_cmp);
    took
}

fn main() {
    let server = Dovecot::start();
    let took = soon(&server);
    println!(
        "a new mail's event at a stream, behind the beginning of its transaction, {NEW} mails: p50 {:.1} ms, p99 {:.1} ms",
        took[NEW / 2],
        took[NEW * 99 / 100]
    );
    let server = Dovecot::start();
    fill(&server);
    let mut all = vec![Vec::new(); BESIDE.len()];
    for turn in 0..TURNS {
        let mut alone = 0.0;
        for (beside, all) in BESIDE.into_iter().zip(&mut all) {
            let (took, peak, octets, had) = first(&server, beside);
            if beside.streams + beside.subscribers == 0 {
                alone = took;
            }
            all.push(took / alone);
            println!(
                "turn {turn}, first sync of {MAILS} beside {}: {took:.2} s, x{:.2}; peak {} MiB; {} MiB were told; all was given after {had:.2} s",
                beside.name,
                took / alone,
                peak / 1024,
                octets >> 20
            );
        }
    }
    let medians: Vec<f64> = all.into_iter().map(median).collect();
    for (beside, ratio) in BESIDE.iter().zip(&medians).skip(1) {
        println!("medians of {TURNS} turns, beside {}: x{ratio:.2}", beside.name);
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
