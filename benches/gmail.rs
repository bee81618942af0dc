//! A first sync of the built-in Gmail server against a raw parallel fetch of the same messages with
//! the same HTTP client, alternately, in one run: on this machine, and as over a network, where each
//! answer takes its time; then how soon a change that history tells is a row.
//! Prints medians and ratios, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use futures::StreamExt;
use postrider_feedd::{GmailBox, GmailServer, Play, seed};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MESSAGES: usize = 10_000;
const ROUNDS: usize = 5;
/// As over a network: fewer messages, each answer this late.
const FAR: (usize, usize, Duration) = (2_000, 3, Duration::from_millis(20));
const CHANGES: usize = 40;
const AT_ONCE: usize = 8;

/// Reads every message and throws it away; returns the octets that came.
async fn fetch(url: &str, ids: &[String]) -> u64 {
    let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    let get = |id: String| {
        let request = http
            .get(format!("{url}/gmail/v1/users/me/messages/{id}?format=raw"))
            .header("authorization", "Bearer good");
        async move {
            let mut answer = request.send().await.unwrap();
            assert!(answer.status().is_success());
            let mut octets = 0;
            while let Some(piece) = answer.chunk().await.unwrap() {
                octets += piece.len() as u64;
            }
            octets
        }
    };
    let all = futures::stream::iter(ids.iter().cloned().map(get)).buffer_unordered(AT_ONCE);
    all.fold(0, async |sum, octets| sum + octets).await
}

fn postrider(dir: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(args).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Wall time, CPU seconds and peak KiB of a first sync.
fn sync(dir: &Path) -> (f64, f64, u64) {
    std::fs::remove_dir_all(dir.join("data")).ok();
    let began = Instant::now();
    let mut child = postrider(dir, &["sync", "--once"]);
    let (mut cpu, mut peak) = (0.0, 0);
    let status = loop {
        let read = |what: &str| {
            std::fs::read_to_string(format!("/proc/{}/{what}", child.id())).unwrap_or_default()
        };
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        if let (Some(user), Some(system)) = (fields.get(11), fields.get(12)) {
            cpu = (user.parse::<f64>().unwrap() + system.parse::<f64>().unwrap()) / 100.0;
        }
        let status = read("status");
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        peak = peak.max(line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success());
    (began.elapsed().as_secs_f64(), cpu, peak)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// From the history's answer that tells a new mail to its row; in milliseconds.
async fn delays(dir: &Path, mailbox: &GmailBox, told: &Arc<Mutex<Option<Instant>>>) -> Vec<f64> {
    std::fs::remove_file(dir.join("data/admin.url")).ok();
    let mut server = postrider(dir, &["serve"]);
    let url = loop {
        if let Ok(url) = std::fs::read_to_string(dir.join("data/admin.url")) {
            break url.trim().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let token = std::fs::read_to_string(dir.join("data/admin.token")).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let file = format!("sqlite://{}?mode=ro", dir.join("data/postrider.db").display());
    let db = Database::connect(ConnectOptions::new(file)).await.unwrap();
    let mut delays = Vec::new();
    for n in 0..CHANGES {
        let subject = format!("change {n}");
        // What a run that is under way would find is not told by history.
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let account = http.get(format!("{url}/v1/accounts/u")).bearer_auth(token.trim());
            let account: serde_json::Value = account.send().await.unwrap().json().await.unwrap();
            if account["state"] == "idle" {
                break;
            }
        }
        // Whoever asks from here on is told of it.
        *told.lock().unwrap() = None;
        let id = mailbox.insert(
            format!("Subject: {subject}\r\n\r\nx\r\n"),
            &["INBOX", "UNREAD"],
            1_800_000_000_000,
        );
        let path = format!("{url}/v1/accounts/u/sync-now");
        http.post(path).bearer_auth(token.trim()).send().await.unwrap();
        let sql = format!("SELECT 1 FROM message WHERE identity = 'gm:{id}'");
        loop {
            let asked = Statement::from_string(DbBackend::Sqlite, sql.clone());
            if db.query_one_raw(asked).await.unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        let at = told.lock().unwrap().unwrap();
        delays.push(at.elapsed().as_secs_f64() * 1000.0);
    }
    server.kill().unwrap();
    server.wait().unwrap();
    delays
}

fn configure(dir: &Path, url: &str) {
    std::fs::write(dir.join("token"), "good\n").unwrap();
    let config = format!(
        "[telemetry]\nlog = \"error\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[[account]]\nid = \"u\"\nprovider = \"gmail\"\napi_url = \"{url}\"\n\
         username = \"demo@example.com\"\naccess_token_file = \"token\"\n\
         quota = {{ per_minute = 1000000000, shared_per_minute = 1000000000, per_day = \"none\" }}\n"
    );
    std::fs::write(dir.join("config.toml"), config).unwrap();
}

/// Fetches and syncs alternately, and prints what they took.
async fn compare(server: &GmailServer, mailbox: &GmailBox, dir: &Path, rounds: usize) {
    let (url, ids) = (server.url(), mailbox.ids());
    configure(dir, &url);
    let octets: usize = mailbox.lock().messages.values().map(|m| m.raw.len()).sum();
    let (mut fetches, mut syncs, mut cpus, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    fetch(&url, &ids[..1000]).await;
    for _ in 0..rounds {
        let began = Instant::now();
        assert!(fetch(&url, &ids).await > octets as u64);
        fetches.push(began.elapsed().as_secs_f64());
        let at = dir.to_owned();
        let (wall, cpu, kib) = tokio::task::spawn_blocking(move || sync(&at)).await.unwrap();
        syncs.push(wall);
        cpus.push(cpu);
        peak = peak.max(kib);
    }
    let (fetched, synced) = (median(fetches), median(syncs));
    let mb = octets as f64 / 1e6;
    println!("{} messages, {mb:.0} MB, {rounds} rounds, medians", ids.len());
    println!("raw fetch, {AT_ONCE} at a time  {fetched:6.2} s");
    println!(
        "first sync             {synced:6.2} s  = {:.2} x the fetch; {:.0} messages/s",
        synced / fetched,
        ids.len() as f64 / synced
    );
    println!("  CPU {:.2} s, peak memory {} MB", median(cpus), peak / 1024);
}

#[tokio::main]
async fn main() {
    tokio_rustls::rustls::crypto::ring::default_provider().install_default().ok();
    let dir = tempfile::tempdir().unwrap();
    let (messages, rounds, delay) = FAR;
    let mailbox = seed::mailbox(2, messages);
    let late = move |_: &_| Some(Play { delay, ..Play::default() });
    let server = GmailServer::start(&mailbox, late).await.unwrap();
    println!("each answer {} ms late:", delay.as_millis());
    compare(&server, &mailbox, dir.path(), rounds).await;
    drop(server);
    println!("on this machine:");
    let mailbox = seed::mailbox(1, MESSAGES);
    let told = Arc::new(Mutex::new(None));
    let note = Arc::clone(&told);
    let server = GmailServer::start(&mailbox, move |question| {
        if question.path == "history" {
            note.lock().unwrap().get_or_insert_with(Instant::now);
        }
        None
    })
    .await
    .unwrap();
    compare(&server, &mailbox, dir.path(), ROUNDS).await;
    drop(server.asked());
    let mut delays = delays(dir.path(), &mailbox, &told).await;
    delays.sort_by(f64::total_cmp);
    println!(
        "change told by history to row: p50 {:.1} ms, p90 {:.1} ms, worst {:.1} ms",
        delays[delays.len() / 2],
        delays[delays.len() * 9 / 10],
        delays[delays.len() - 1]
    );
}
