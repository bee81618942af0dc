//! A server that runs, and its admin API.

use crate::support::binary::{Postrider, Running};
use crate::support::check::expected;
use crate::support::database::TestDatabase;
use postrider_imapd::Mailbox;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest time until something is there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Resident memory that nothing a server says may need: what every provider's floods are held against.
const RISE_KIB: u64 = 64 * 1024;

/// A running server.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) running: Running,
    pub(crate) address: String,
    pub(crate) token: String,
}

/// A config's head: short waits, a free port for the API.
pub(crate) fn head() -> String {
    format!(
        "{}[admin]\nlisten = \"127.0.0.1:0\"\n",
        crate::support::binary::SHORT
            .replace("command = \"5s\"", "command = \"5s\"\nidle = \"1s\"")
    )
}

/// Waits for a level, with a bound.
pub(crate) fn wait_until(what: &str, reached: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, reached);
}

/// The same, with a bound of its own.
pub(crate) fn wait_within(bound: Duration, what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + bound;
    while !reached() {
        assert!(Instant::now() < deadline, "{what} did not come within {bound:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One request, raw: status, headers, body.
pub(crate) fn request(address: &str, head: &str, body: impl AsRef<[u8]>) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let raw = [format!("{head}Connection: close\r\n\r\n").as_bytes(), body.as_ref()].concat();
    stream.write_all(&raw).unwrap();
    let mut raw = Vec::new();
    // A server may close before it has read all of a request that is too long.
    drop(stream.read_to_end(&mut raw));
    let text = String::from_utf8_lossy(&raw).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head.to_owned(), body.to_owned())
}

impl Postrider {
    /// Starts `serve` and waits until its API answers.
    pub(crate) fn serve(&self, env: &[(&str, &str)]) -> Served {
        self.serve_with(&["serve"], env)
    }

    pub(crate) fn serve_with(&self, args: &[&str], env: &[(&str, &str)]) -> Served {
        let file = self.path("data/admin.url");
        drop(std::fs::remove_file(&file));
        let mut running = self.start(args, env);
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            if let Ok(url) = std::fs::read_to_string(&file) {
                break url.trim().trim_start_matches("http://").to_owned();
            }
            assert!(running.child.try_wait().unwrap().is_none(), "it ended: {}", running.stderr());
            assert!(Instant::now() < deadline, "no API: {}", running.stderr());
            std::thread::sleep(Duration::from_millis(5));
        };
        let token =
            std::fs::read_to_string(self.path("data/admin.token")).unwrap().trim().to_owned();
        Served { running, address, token }
    }
}

impl Served {
    /// Where providers push to.
    pub(crate) fn inbound(&self) -> String {
        self.get("/v1/inbound")["listen"].as_str().unwrap().to_owned()
    }

    /// A request with the token.
    pub(crate) fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let (token, address) = (&self.token, &self.address);
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n"
        );
        let (status, _, body) = request(address, &head, "");
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// The same, with a body.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let (token, address, length) = (&self.token, &self.address, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n"
        );
        let (status, _, body) = request(address, &head, body);
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask("GET", path);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub(crate) fn account(&self, id: &str) -> Value {
        self.get(&format!("/v1/accounts/{id}"))
    }

    pub(crate) fn state(&self, id: &str) -> String {
        let (_, value) = self.ask("GET", &format!("/v1/accounts/{id}"));
        value["state"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn wait_for_state(&self, id: &str, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.state(id) != state {
            let last = self.ask("GET", &format!("/v1/accounts/{id}")).1;
            assert!(
                Instant::now() < deadline,
                "{id} is not {state}: {last}\n{}",
                self.running.stderr()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// An actor of the live tree.
    pub(crate) fn actor(&self, path: &str) -> Option<Value> {
        let tree = self.get("/v1/actors");
        tree["items"].as_array().unwrap().iter().find(|actor| actor["path"] == path).cloned()
    }

    /// Waits until the mirror is the mailbox.
    pub(crate) fn settle(&self, postrider: &Postrider, account: &str, mailbox: &Mailbox) {
        self.settle_with(postrider, account, mailbox, &[]);
    }

    /// The same; with these variables for whoever reads.
    pub(crate) fn settle_with(
        &self,
        postrider: &Postrider,
        account: &str,
        mailbox: &Mailbox,
        env: &[(&str, &str)],
    ) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let want = expected(mailbox);
            let mut got: Vec<String> = postrider
                .run_with(&["export", account], env)
                .stdout
                .lines()
                .map(str::to_owned)
                .collect();
            got.sort();
            if got == want {
                return;
            }
            let missing: Vec<&String> = want.iter().filter(|l| !got.contains(l)).take(3).collect();
            let extra: Vec<&String> = got.iter().filter(|l| !want.contains(l)).take(3).collect();
            assert!(
                Instant::now() < deadline,
                "{account} is not equal: missing {missing:?}, extra {extra:?}\n{}\n{}",
                self.ask("GET", &format!("/v1/accounts/{account}")).1,
                self.running.stderr()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The value of a metric; the name with its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, _, text) = request(
            &self.address,
            &format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n", self.address),
            "",
        );
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(-1.0)
    }

    /// A line of `/proc/PID/status` (`VmRSS:`, `VmHWM:`, `Threads:`): a number, or KiB.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let file = format!("/proc/{}/status", self.running.child.id());
        let status = std::fs::read_to_string(file).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Its threads, by name, and how nice each is.
    pub(crate) fn threads(&self) -> Vec<(String, i64)> {
        let tasks = format!("/proc/{}/task", self.running.child.id());
        let entries = std::fs::read_dir(tasks).unwrap();
        // One may end meanwhile.
        let stats = entries
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
        let read = |stat: String| {
            let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(") ").unwrap();
            // proc_pid_stat(5): the 19th, of which two stand before this.
            Some((name.to_owned(), rest.split(' ').nth(16)?.parse().ok()?))
        };
        stats.filter_map(read).collect()
    }

    /// The most memory that it has had, KiB.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// What has come since this peak, whoever sent it, was no reason to keep much of it; how it was called,
    /// and what it may be kept for beside.
    pub(crate) fn has_cost_little(&self, before: u64, what: &str, beside: u64) {
        let (after, most) = (self.peak(), before + RISE_KIB + beside);
        assert!(after < most, "{what}: {before} KiB before, {after} KiB after");
    }

    /// Ends it by SIGTERM; it must have settled and be gone within ten seconds.
    pub(crate) fn stop(self) -> String {
        self.running.signal("TERM");
        // Its own deadlines add up to ten seconds where nothing answers; on a machine that is starved, to more.
        let ran = self.running.wait(Duration::from_secs(20)).exits(0);
        ran.stderr
    }
}

/// How long until a query of the database says this.
pub(crate) fn until(database: &TestDatabase, sql: &str, want: &str) -> Duration {
    let began = Instant::now();
    let mut last = String::new();
    while began.elapsed() < PATIENCE {
        last = crate::support::database::ask(database, sql);
        if last == want {
            return began.elapsed();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{sql}: {last}, not {want}");
}
