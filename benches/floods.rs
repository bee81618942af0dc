//! What whoever floods the door of pushes costs everybody else: how soon new mail of other accounts is told, and how much
//! memory is taken, beside each kind of flood and without one, in turns. Prints ratios, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "support/heard.rs"]
mod heard;
#[path = "support/news.rs"]
mod news;
#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod fits;
    #[expect(unused_imports, reason = "the tests use more of it")]
    pub(crate) mod mail;
    pub(crate) mod nylas;
    pub(crate) mod nylas_push;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use heard::listens;
use news::{Measured, PATIENCE, measured, median, quantile};
use postrider_feedd::nylas::seed;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::binary::account;
use support::mail::{Mailbox, note};
use support::nylas_push::{SECRET, about, packed_with, signature};
use support::served::wait_within;

/// Mailboxes that new mail comes to.
const OTHERS: usize = 20;
/// Turns of each kind; the medians count.
const TURNS: usize = 5;
/// Who floods at a time, but for those who are slow.
const FLOODERS: usize = 8;
const SLOW: usize = 1000;
/// A process that floods is given these.
const KIND: &str = "FLOODS_KIND";
const AT: &str = "FLOODS_AT";

/// Only these kinds, by number: `FLOODS_ONLY=2,8`.
const ONLY: &str = "FLOODS_ONLY";
/// Nobody is at the door: what a machine that has much to do at the lowest priority does to whoever mirrors.
const RECKONS: usize = 8;

const KINDS: [&str; 9] = [
    "a gigabyte, packed, not signed",
    "a gigabyte, packed, signed",
    "bodies of 20 MiB, as they say",
    "bodies of 2 MiB, not signed",
    "chunks without an end",
    "1,000 of an octet a second",
    "heads of a megabyte",
    "paths and methods that are not",
    "no flood: as many who only reckon, at the same priority",
];

/// Whether it was answered, or cut off, before all was sent.
fn send(at: &str, parts: impl Iterator<Item = Vec<u8>>) {
    let Ok(mut stream) = TcpStream::connect(at) else { return };
    drop(stream.set_read_timeout(Some(Duration::from_secs(20))));
    for part in parts {
        if stream.write_all(&part).is_err() {
            break;
        }
    }
    drop(stream.read(&mut [0; 512]));
}

fn head(of: &str) -> Vec<u8> {
    format!("POST /nylas/main HTTP/1.1\r\nHost: x\r\n{of}\r\n").into_bytes()
}

/// Bodies that come an octet a second, each again when it is cut off.
fn trickles(at: &str, count: &AtomicU64) {
    let begin = || {
        let mut stream = TcpStream::connect(at).ok()?;
        stream.set_nonblocking(true).ok()?;
        stream.write_all(&head("Content-Length: 1000000\r\n")).ok()?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    };
    let mut all: Vec<Option<TcpStream>> = (0..SLOW).map(|_| begin()).collect();
    loop {
        for stream in &mut all {
            let is_there = stream.as_mut().is_some_and(|stream| stream.write_all(b"x").is_ok());
            if !is_there {
                *stream = begin();
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Floods until it is killed; says how often it has, each second.
fn flood(kind: usize, at: &str) {
    let count = Arc::new(AtomicU64::new(0));
    let gib = if kind < 2 { 1024 } else { 0 };
    let bomb = packed_with(&about("bomb", "message.created", "x"), gib);
    let signed = if kind == 1 { signature(SECRET, &bomb) } else { String::new() };
    let length = bomb.len();
    let packed = head(&format!(
        "X-Nylas-Signature: {signed}\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n"
    ));
    let packed = [packed, bomb].concat();
    let mib = vec![b'x'; 1 << 20];
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
    let once = move |at: &str, n: u64| match kind {
        0 | 1 => send(at, std::iter::once(packed.clone())),
        RECKONS => drop(signature(SECRET, std::hint::black_box(&mib))),
        2 | 3 => {
            let mibs = if kind == 2 { 20 } else { 2 };
            let said = head(&format!("Content-Length: {}\r\n", mibs << 20));
            send(at, std::iter::once(said).chain((0..mibs).map(|_| mib.clone())));
        }
        4 => {
            let said = head("Transfer-Encoding: chunked\r\n");
            send(at, std::iter::once(said).chain(std::iter::repeat_with(|| chunk.clone())));
        }
        6 => {
            let long = [b"X: ".as_slice(), &mib, b"\r\n"].concat();
            send(at, std::iter::once(head(&String::from_utf8(long).unwrap())));
        }
        _ => {
            let method = ["GET", "DELETE", "PUT", "POST", "BREW"][usize::try_from(n).unwrap() % 5];
            let asked = format!("{method} /v1/accounts/{n} HTTP/1.1\r\nHost: x\r\n\r\n");
            send(at, std::iter::once(asked.into_bytes()));
        }
    };
    let once = Arc::new(once);
    if kind == 5 {
        let (count, at) = (Arc::clone(&count), at.to_owned());
        std::thread::spawn(move || trickles(&at, &count));
    } else {
        for _ in 0..FLOODERS {
            let (once, count, at) = (Arc::clone(&once), Arc::clone(&count), at.to_owned());
            std::thread::spawn(move || {
                loop {
                    let n = count.fetch_add(1, Ordering::Relaxed);
                    once(&at, n);
                }
            });
        }
    }
    loop {
        println!("{}", count.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Somebody who floods: a process whose own work is to cost nobody anything.
struct Flooder {
    child: Child,
    sent: Arc<AtomicU64>,
}

impl Flooder {
    fn start(kind: usize, at: &str) -> Self {
        let mut child = Command::new("nice")
            .args(["-n", "19"])
            .arg(std::env::current_exe().unwrap())
            .env(KIND, kind.to_string())
            .env(AT, at)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&sent);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                counted.store(line.parse().unwrap_or(0), Ordering::Relaxed);
            }
        });
        wait_within(PATIENCE, "the flood", || sent.load(Ordering::Relaxed) > 0);
        Self { child, sent }
    }
}

impl Drop for Flooder {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn main() {
    if let (Ok(kind), Ok(at)) = (std::env::var(KIND), std::env::var(AT)) {
        return flood(kind.parse().unwrap(), &at);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let boxes: Vec<Mailbox> = (0..OTHERS).map(|_| Mailbox::new()).collect();
    let names: Vec<String> = (0..OTHERS).map(|n| format!("other{n:02}")).collect();
    let users: Vec<(&str, &Mailbox)> = names.iter().map(String::as_str).zip(&boxes).collect();
    for (_, mailbox) in &users {
        mailbox.append("INBOX", note("old"));
    }
    let server = runtime.block_on(support::mail::serve(&users, |_, _| None));
    let nylas = runtime
        .block_on(support::nylas::serves(&seed::mailbox(3, 20, "microsoft"), support::nylas::well));
    let postrider = support::nylas_push::seldom(&nylas);
    let mut config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
    for name in &names {
        config += &account(name, server.port(), "pw");
    }
    std::fs::write(postrider.path("config.toml"), config).unwrap();
    let only = std::env::var(ONLY).ok();
    let only: Option<Vec<usize>> =
        only.map(|only| only.split(',').map(|kind| kind.parse().unwrap()).collect());
    let wanted = |kind: &usize| only.as_ref().is_none_or(|only| only.contains(kind));
    for (kind, name) in KINDS.iter().enumerate().filter(|(kind, _)| wanted(kind)) {
        // What one flood has left is not another's.
        let served = postrider.serve(&[]);
        for name in names.iter().map(String::as_str).chain(["u"]) {
            served.wait_for_state(name, "idle");
        }
        let (at, told) = (
            served.inbound(),
            listens(&served, |event| Some(event["mail"]["subject"].as_str()?.to_owned())),
        );
        drop(measured(&format!("warm {kind}"), &served, &boxes, &told));
        let told = |name: &str| measured(name, &served, &boxes, &told);
        let (mut rest, mut flood) = (Vec::new(), Vec::new());
        let (began, mut sent) = (Instant::now(), 0);
        let mut flooded = Duration::ZERO;
        for turn in 0..TURNS {
            rest.push(told(&format!("rest {kind} {turn}")));
            let flooder = Flooder::start(kind, &at);
            let (begins, before) = (began.elapsed(), flooder.sent.load(Ordering::Relaxed));
            flood.push(told(&format!("{name} {turn}")));
            sent += flooder.sent.load(Ordering::Relaxed) - before;
            flooded += began.elapsed() - begins;
        }
        let of = |all: &[Measured], q| median(all.iter().map(|it| quantile(&it.took, q)).collect());
        let most = flood.iter().map(|it| it.most).max().unwrap() as f64 / 1024.0;
        println!(
            "{name}, {:.0} a second: new mail is told after p50 {:.1} ms ({:.2} of rest), p99 {:.1} ms ({:.2}); \
             {most:.0} MiB at most, {:.0} before",
            sent as f64 / flooded.as_secs_f64(),
            of(&flood, 0.5),
            of(&flood, 0.5) / of(&rest, 0.5),
            of(&flood, 0.99),
            of(&flood, 0.99) / of(&rest, 0.99),
            rest[0].most as f64 / 1024.0
        );
        served.stop();
    }
}
