//! How soon a webhook of Nylas's is answered, and how soon what it names is a row: at rest, and beside a first sync; then
//! ten thousand of them, through a store that is away and a process that is killed. Prints ratios, never a verdict; that each
//! change is a row once is asserted.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "support/heard.rs"]
mod heard;
#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod fits;
    pub(crate) mod nylas;
    pub(crate) mod nylas_push;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use heard::listens;
use postrider_core::recovery::backoff::mix;
use postrider_feedd::nylas::seed;
use postrider_feedd::{NylasApplication, NylasBox, NylasServer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::database::ask;
use support::nylas::{KEY, follower, granted, well};
use support::nylas_push::{SECRET, about, packed, rests, signature};
use support::served::{Served, head, wait_within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WEBHOOKS: u64 = 10_000;
/// A second.
const RATE: u32 = 200;
const MEASURED: u64 = 4_000;
const PATIENCE: Duration = Duration::from_secs(900);
const AWAY: Duration = Duration::from_secs(10);
const KILLS: u64 = 10;
const WORKERS: usize = 16;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// One webhook, and how it is sent.
#[derive(Clone)]
struct Sent {
    n: u64,
    octets: Vec<u8>,
    signature: String,
    is_packed: bool,
    is_wrong: bool,
}

/// A change in the mailbox, and the webhook that tells of it.
fn changed(mailbox: &NylasBox, n: u64) -> Sent {
    let raw = format!("Subject: news {n}\r\nMessage-ID: <{n}@x>\r\n\r\nnews\r\n");
    let id = mailbox.insert(raw, &["INBOX"], now());
    let body = about(&format!("e{n}"), "message.created", &id);
    let draw = mix(n);
    let (is_packed, is_wrong) = (draw.is_multiple_of(20), draw % 20 == 1);
    let octets = if is_packed { packed(&body) } else { body };
    let signature = signature(if is_wrong { "a wrong secret" } else { SECRET }, &octets);
    Sent { n, octets, signature, is_packed, is_wrong }
}

/// Sends on a connection that is kept; the status, or nothing where nobody answers.
async fn send(at: &str, kept: &mut Option<tokio::net::TcpStream>, it: &Sent) -> Option<u16> {
    let packed = if it.is_packed { "Content-Encoding: gzip\r\n" } else { "" };
    let head = format!(
        "POST /nylas/main HTTP/1.1\r\nHost: x\r\nX-Nylas-Signature: {}\r\n{packed}Content-Length: {}\r\n\r\n",
        it.signature,
        it.octets.len()
    );
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = tokio::net::TcpStream::connect(at).await.ok()?;
            stream.set_nodelay(true).ok()?;
            stream
        }
    };
    stream.write_all(&[head.as_bytes(), &it.octets].concat()).await.ok()?;
    let (mut told, mut piece) = (Vec::new(), [0; 1024]);
    while !told.windows(4).any(|w| w == b"\r\n\r\n") {
        let n = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        told.extend_from_slice(&piece[..n]);
    }
    let text = String::from_utf8_lossy(&told).to_lowercase();
    if !text.contains("connection: close") {
        *kept = Some(stream);
    }
    text.split(' ').nth(1)?.parse().ok()
}

fn quantile(of: &[f64], q: f64) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

/// Sends so many at the rate, and prints how soon each was answered and became a row.
fn measured(
    what: &str,
    served: &Served,
    (mailbox, from): (&NylasBox, u64),
    numbers: impl Fn() -> BTreeMap<u64, i64>,
) {
    let told = listens(served, |event| event["message"].as_i64());
    let at = served.inbound();
    let jobs = Arc::new(Mutex::new(VecDeque::<(Instant, Sent)>::new()));
    let answers = Arc::new(Mutex::new(Vec::<(u64, Instant, f64, u16)>::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (begin, pace) = (Instant::now(), Duration::from_secs(1) / RATE);
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..WORKERS {
            let (jobs, answers, at) = (Arc::clone(&jobs), Arc::clone(&answers), at.clone());
            all.spawn(async move {
                let mut kept = None;
                loop {
                    let job = jobs.lock().unwrap().pop_front();
                    match job {
                        Some((_, it)) if it.n == u64::MAX => return,
                        Some((due, it)) => {
                            let status = send(&at, &mut kept, &it).await.unwrap_or(0);
                            // Behind whoever was slow it is late, and that counts.
                            let took = due.elapsed().as_secs_f64() * 1e3;
                            answers.lock().unwrap().push((it.n, due, took, status));
                        }
                        None => tokio::time::sleep(Duration::from_millis(1)).await,
                    }
                }
            });
        }
        for n in from..from + MEASURED {
            let due = begin + pace * u32::try_from(n - from).unwrap();
            tokio::time::sleep_until(due.into()).await;
            let it = Sent { is_wrong: false, ..changed(mailbox, n) };
            let signature = signature(SECRET, &it.octets);
            jobs.lock().unwrap().push_back((Instant::now(), Sent { signature, ..it }));
        }
        let end = Sent {
            n: u64::MAX,
            octets: Vec::new(),
            signature: String::new(),
            is_packed: false,
            is_wrong: false,
        };
        (0..WORKERS).for_each(|_| jobs.lock().unwrap().push_back((Instant::now(), end.clone())));
        while all.join_next().await.is_some() {}
    });
    let answers = answers.lock().unwrap().clone();
    assert!(answers.iter().all(|(.., status)| *status == 200), "each is answered 200");
    wait_within(PATIENCE, "all of it", || {
        let (told, numbers) = (told.lock().unwrap(), numbers());
        answers.iter().all(|(n, ..)| numbers.get(n).is_some_and(|id| told.contains_key(id)))
    });
    let (told, numbers) = (told.lock().unwrap(), numbers());
    let rows: Vec<f64> = answers
        .iter()
        .map(|(n, due, ..)| told[&numbers[n]].duration_since(*due).as_secs_f64() * 1e3)
        .collect();
    let took: Vec<f64> = answers.iter().map(|(_, _, took, _)| *took).collect();
    println!(
        "{what}: {MEASURED} at {RATE}/s: answered p50 {:.1} ms, p99 {:.1} ms; a row p50 {:.0} ms, p99 {:.0} ms",
        quantile(&took, 0.5),
        quantile(&took, 0.99),
        quantile(&rows, 0.5),
        quantile(&rows, 0.99)
    );
}

/// Ten thousand, one in twenty each doubled, signed wrongly, packed; shuffled; what is not answered comes again.
fn endured(postrider: &support::binary::Postrider, mailbox: &NylasBox, from: u64) {
    let mut served = postrider.serve(&[]);
    rests(&served);
    let mut jobs: Vec<Sent> = Vec::new();
    for n in from..from + WEBHOOKS {
        let it = changed(mailbox, n);
        if mix(n) % 20 == 2 {
            jobs.push(it.clone());
        }
        jobs.push(it);
    }
    jobs.sort_by_key(|it| mix(it.n ^ 0x5eed) ^ it.octets.len() as u64);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let each = jobs.len() / usize::try_from(KILLS + 1).unwrap() + 1;
    let (mut again, mut refused, mut wrong) = (Vec::new(), 0_u64, 0_u64);
    let began = Instant::now();
    let parts: Vec<Vec<Sent>> = jobs.chunks(each).map(<[Sent]>::to_vec).collect();
    for (part, jobs) in parts.into_iter().enumerate() {
        let at = served.inbound();
        let mut kept = None;
        let most = jobs.len() * 9 / 10;
        let mut sends = |jobs: &[Sent], again: &mut Vec<Sent>| {
            for it in jobs {
                match runtime.block_on(send(&at, &mut kept, it)) {
                    Some(200) => assert!(!it.is_wrong),
                    Some(401) => {
                        assert!(it.is_wrong);
                        wrong += 1;
                        let signature = signature(SECRET, &it.octets);
                        again.push(Sent { signature, is_wrong: false, ..it.clone() });
                    }
                    _ => {
                        refused += 1;
                        again.push(it.clone());
                    }
                }
            }
        };
        if part == 3 {
            let until = Instant::now() + AWAY;
            support::database::locked(&postrider.database(), || {
                let mut rest = jobs.iter();
                while Instant::now() < until {
                    let Some(it) = rest.next() else { break };
                    sends(std::slice::from_ref(it), &mut again);
                }
                again.extend(rest.cloned());
            });
        } else {
            sends(&jobs[..most], &mut again);
            let child = served.running.child.id();
            let dies = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                drop(std::process::Command::new("kill").args(["-9", &child.to_string()]).status());
            });
            sends(&jobs[most..], &mut again);
            dies.join().unwrap();
            drop(served.running.wait(Duration::from_secs(60)));
            served = postrider.serve(&[]);
        }
    }
    let mut kept = None;
    while !again.is_empty() {
        let at = served.inbound();
        for it in std::mem::take(&mut again) {
            let it = match it.is_wrong {
                true => Sent { signature: signature(SECRET, &it.octets), is_wrong: false, ..it },
                false => it,
            };
            if runtime.block_on(send(&at, &mut kept, &it)) != Some(200) {
                again.push(it);
            }
        }
    }
    rests(&served);
    let database = postrider.database();
    let count = |what: &str| ask(&database, &format!("SELECT count(*) AS x FROM {what}"));
    let all = mailbox.ids().len().to_string();
    assert_eq!(count("message WHERE account = 1 AND deleted_at IS NULL"), all);
    assert_eq!(
        count("event WHERE account = 1 AND kind = 'message.created'"),
        all,
        "each is told once"
    );
    println!(
        "{WEBHOOKS} shuffled, the store away for {} s, {KILLS} kills: {refused} not answered and sent again, {wrong} signed \
         wrongly; every change is a row once, after {:.0} s",
        AWAY.as_secs(),
        began.elapsed().as_secs_f64()
    );
    served.stop();
}

fn main() {
    let (mailbox, large) =
        (seed::mailbox(3, 100, "microsoft"), seed::mailbox(4, 10_000, "microsoft"));
    large.lock().grant = "grant-2".into();
    large.lock().address = "large@example.com".into();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let application = NylasApplication::new(KEY, &[&mailbox, &large]);
    let server = runtime.block_on(NylasServer::start(&application, well)).unwrap();
    let account = granted("u", "grant-1", "demo@example.com");
    let usual = head().replace("confirm_after = \"1ms\"", "confirm_after = \"5s\"");
    let head = format!("{usual}[webhooks]\nlisten = \"127.0.0.1:0\"\n");
    let postrider = follower(&head, &server, &account);
    let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
    let config = config.replace("[nylas.main]\n", "[nylas.main]\nwebhook_secret_file = \"hook\"\n");
    std::fs::write(postrider.path("config.toml"), &config).unwrap();
    std::fs::write(postrider.path("hook"), format!("{SECRET}\n")).unwrap();
    let database = postrider.database();
    let numbers = || {
        let rows = ask(
            &database,
            "SELECT group_concat(id || ' ' || substr(subject, 6), char(10)) AS x FROM message WHERE subject LIKE 'news %'",
        );
        let pair = |line: &str| {
            let (id, n) = line.split_once(' ')?;
            Some((n.parse().ok()?, id.parse().ok()?))
        };
        rows.lines().filter_map(pair).collect::<BTreeMap<u64, i64>>()
    };

    let served = postrider.serve(&[]);
    rests(&served);
    measured("at rest", &served, (&mailbox, 0), numbers);
    let second = granted("large", "grant-2", "large@example.com");
    std::fs::write(postrider.path("config.toml"), format!("{config}{second}")).unwrap();
    wait_within(PATIENCE, "the first sync", || {
        served.ask("GET", "/v1/accounts/large").0 == 200 && served.account("large")["messages"] != 0
    });
    measured("beside a first sync of 10,000", &served, (&mailbox, MEASURED), numbers);
    println!("  ({} of 10,000 were there at its end)", served.account("large")["messages"]);
    served.stop();
    endured(&postrider, &mailbox, 2 * MEASURED);
}
