//! What a change costs in a mailbox that is mirrored already, small and large, in one run: a sync in
//! which nothing or little has changed beside the raw exchange that tells it, and the time from the
//! server's own line of new mail until its row can be read. Prints ratios, never a verdict.
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
    #[expect(unused_imports, reason = "the tests use more of it")]
    pub(crate) mod mail;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::dovecot::{Dovecot, Traits};
use support::served::Served;
use tempfile::TempDir;

/// Messages of the mailboxes.
const SIZES: [usize; 2] = [10_000, 100_000];
/// Syncs of each kind; the median counts.
const ROUNDS: usize = 5;
/// Mails that arrive while it is watched.
const ARRIVALS: usize = 60;
/// Looks of a server at work that find nothing.
const LOOKS: usize = 21;
/// What proves that nothing has changed.
const COUNTERS: &str =
    "LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))";
/// Dovecot holds a notice back for up to half a second after the one before.
const PACE: Duration = Duration::from_millis(800);

const HEAD: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

/// A client of few words.
struct Raw {
    reader: BufReader<TcpStream>,
    tags: u32,
}

impl Raw {
    fn login(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Self { reader: BufReader::new(stream), tags: 0 };
        raw.line();
        raw.ask("LOGIN u pw");
        raw
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        assert!(self.reader.read_until(b'\n', &mut line).unwrap() > 0, "cut");
        String::from_utf8_lossy(&line).into_owned()
    }

    fn say(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// What the answer says, line by line; literals are lines like others.
    fn ask(&mut self, command: &str) -> Vec<String> {
        self.tags += 1;
        let tag = format!("r{} ", self.tags);
        self.say(&format!("{tag}{command}\r\n"));
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if let Some(told) = line.strip_prefix(&tag) {
                assert!(told.starts_with("OK"), "{command}: {line}");
                return lines;
            }
            lines.push(line);
        }
    }

    /// All at once (RFC 3502).
    fn append(&mut self, mails: &[String]) {
        self.tags += 1;
        let tag = format!("r{} ", self.tags);
        let mut command = format!("{tag}APPEND INBOX");
        for mail in mails {
            command.push_str(&format!(" {{{}+}}\r\n{mail}", mail.len()));
        }
        command.push_str("\r\n");
        self.say(&command);
        loop {
            let line = self.line();
            if let Some(told) = line.strip_prefix(&tag) {
                assert!(told.starts_with("OK"), "{line}");
                return;
            }
        }
    }
}

/// A client of the API that keeps its connection.
struct Http {
    reader: BufReader<TcpStream>,
    head: String,
}

impl Http {
    fn connect(served: &Served) -> Self {
        let stream = TcpStream::connect(&served.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let (address, token) = (&served.address, &served.token);
        let head = format!(
            "Host: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        Self { reader: BufReader::new(stream), head }
    }

    fn ask(&mut self, method: &str, path: &str) -> String {
        let request = format!("{method} {path} HTTP/1.1\r\n{}", self.head);
        self.reader.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "cut");
            if let Some(octets) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = octets.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

/// mbsync beside the same server, where it is installed.
struct Mbsync {
    dir: TempDir,
}

impl Mbsync {
    fn new(port: u16) -> Option<Self> {
        Command::new("mbsync").arg("--version").output().ok()?;
        let dir = TempDir::new().unwrap();
        let at = dir.path().display();
        let config = format!(
            "SyncState *\n\nIMAPAccount far\nHost 127.0.0.1\nPort {port}\nUser u\nPass pw\nSSLType None\nAuthMechs LOGIN\n\n\
             IMAPStore far\nAccount far\n\nMaildirStore near\nPath {at}/mail/\nInbox {at}/mail/INBOX\nSubFolders Verbatim\n\n\
             Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nExpunge Near\nSync Pull\n"
        );
        std::fs::create_dir(dir.path().join("mail")).unwrap();
        std::fs::write(dir.path().join("rc"), config).unwrap();
        Some(Self { dir })
    }

    fn sync(&self) -> f64 {
        let began = Instant::now();
        let rc = self.dir.path().join("rc");
        let ran = Command::new("mbsync").arg("-q").arg("-c").arg(rc).arg("all").output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        ms(began)
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// A Dovecot whose INBOX holds so many mails, in a format in which a large folder costs it little.
fn mailbox(count: usize) -> Dovecot {
    let server = Dovecot::start_with(Traits { location: "sdbox:~/sdbox", ..Traits::default() });
    let mut raw = Raw::login(server.port);
    raw.ask("CREATE Archive");
    for first in (0..count).step_by(1000) {
        let mails = (first..first + 1000)
            .map(|n| format!("Message-ID: <{n}@bench>\r\nSubject: {n}\r\n\r\nText {n}\r\n"));
        raw.append(&mails.collect::<Vec<_>>());
    }
    server
}

/// 100 new, 200 flags, 50 deleted, 30 moved.
fn change(server: &Dovecot, round: usize) {
    let mut raw = Raw::login(server.port);
    let new = |n| format!("Message-ID: <{round}.{n}@new>\r\nSubject: new {n}\r\n\r\nnew\r\n");
    raw.append(&(0..100).map(new).collect::<Vec<_>>());
    raw.ask("SELECT INBOX");
    let sign = if round.is_multiple_of(2) { '+' } else { '-' };
    raw.ask(&format!("STORE 1000:1199 {sign}FLAGS.SILENT (\\Flagged)"));
    raw.ask("STORE 2000:2049 +FLAGS.SILENT (\\Deleted)");
    raw.ask("EXPUNGE");
    raw.ask("MOVE 3000:3029 Archive");
    raw.ask("LOGOUT");
}

/// Up to where a folder is known: UIDVALIDITY, HIGHESTMODSEQ, UIDNEXT.
fn known(port: u16, folder: &str) -> [u64; 3] {
    let mut raw = Raw::login(port);
    let told = raw.ask(&format!("STATUS {folder} (UIDVALIDITY HIGHESTMODSEQ UIDNEXT)")).join("");
    ["UIDVALIDITY ", "HIGHESTMODSEQ ", "UIDNEXT "].map(|word| {
        let rest = told.split(word).nth(1).unwrap();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    })
}

/// One login, one LIST with counters.
fn raw_counters(port: u16) {
    let mut raw = Raw::login(port);
    raw.ask(COUNTERS);
    raw.ask("LOGOUT");
}

/// What a server tells of the changes since then, and the new mail's bytes.
fn raw_changes(port: u16, since: &[(&str, [u64; 3])]) {
    let mut raw = Raw::login(port);
    raw.ask("ENABLE QRESYNC");
    for (folder, [uidvalidity, modseq, uidnext]) in since {
        raw.ask(&format!("EXAMINE {folder} (QRESYNC ({uidvalidity} {modseq}))"));
        let items = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])";
        assert!(raw.ask(&format!("UID FETCH {uidnext}:* {items}")).len() > 100);
    }
    raw.ask("LOGOUT");
}

fn sync(postrider: &Postrider) -> f64 {
    let began = Instant::now();
    postrider.run(&["sync", "--once"]).exits(0);
    ms(began)
}

/// The server at work: a look that finds nothing, from the order until its run is seen to have ended,
/// and the raw exchange on an open session.
fn looks(server: &Dovecot, served: &Served) -> [f64; 3] {
    let mut raw = Raw::login(server.port);
    let mut http = Http::connect(served);
    let runs = |metrics: &str| {
        let ended = metrics.lines().filter(|line| line.starts_with("postrider_runs_total"));
        ended.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..LOOKS {
        let began = Instant::now();
        raw.ask(COUNTERS);
        times[0].push(ms(began));
        let began = Instant::now();
        let before = runs(&http.ask("GET", "/metrics"));
        times[1].push(ms(began));
        let began = Instant::now();
        http.ask("POST", "/v1/accounts/u/sync-now");
        while runs(&http.ask("GET", "/metrics")) == before {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
        }
        times[2].push(ms(began));
        // It watches again.
        std::thread::sleep(Duration::from_millis(100));
    }
    times.map(median)
}

/// From the server's line to an own client in IDLE until the row can be read.
fn arrivals(server: &Dovecot, postrider: &Postrider) -> Vec<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = format!("sqlite://{}?mode=ro", postrider.database().file().display());
    let db = runtime.block_on(Database::connect(ConnectOptions::new(file))).unwrap();
    let mut watching = Raw::login(server.port);
    watching.ask("EXAMINE INBOX");
    watching.say("w IDLE\r\n");
    watching.line();
    let mut sender = Raw::login(server.port);
    let mut delays = Vec::new();
    for n in 0..ARRIVALS {
        sender.append(&[format!("Subject: arrival {n}\r\n\r\nx\r\n")]);
        while !watching.line().contains("EXISTS") {}
        let told = Instant::now();
        let sql = format!("SELECT 1 FROM message WHERE subject = 'arrival {n}'");
        // The newest are found first.
        let sql = format!("{sql} AND id > (SELECT max(id) - 5 FROM message)");
        let is_there = || {
            let asked = Statement::from_string(DbBackend::Sqlite, sql.clone());
            runtime.block_on(db.query_one_raw(asked)).unwrap().is_some()
        };
        while !is_there() {
            assert!(told.elapsed() < Duration::from_secs(60), "it does not come");
            std::thread::sleep(Duration::from_micros(100));
        }
        delays.push(ms(told));
        std::thread::sleep(PACE);
    }
    delays.sort_by(f64::total_cmp);
    delays
}

fn main() {
    for count in SIZES {
        let server = mailbox(count);
        let postrider = Postrider::new(&format!("{HEAD}{}", account("u", server.port, "pw")));
        let mbsync = Mbsync::new(server.port);
        for _ in 0..2 {
            sync(&postrider);
            mbsync.as_ref().map(Mbsync::sync);
        }
        let mut times: [Vec<f64>; 6] = Default::default();
        for round in 0..ROUNDS {
            let began = Instant::now();
            raw_counters(server.port);
            times[0].push(ms(began));
            times[1].push(sync(&postrider));
            // It waits itself where its own files are of this second.
            std::thread::sleep(Duration::from_secs(2));
            times[2].extend(mbsync.as_ref().map(Mbsync::sync));
            let since = ["INBOX", "Archive"].map(|folder| (folder, known(server.port, folder)));
            change(&server, round);
            let began = Instant::now();
            raw_changes(server.port, &since);
            times[3].push(ms(began));
            times[4].push(sync(&postrider));
            times[5].extend(mbsync.as_ref().map(Mbsync::sync));
        }
        let beside = |times: &[f64]| match times.is_empty() {
            true => "not installed".to_owned(),
            false => format!("{:.0} ms", median(times.to_vec())),
        };
        let said = |what: &str, [raw, ours, theirs]: [&Vec<f64>; 3]| {
            let (raw, ours) = (median(raw.clone()), median(ours.clone()));
            println!(
                "{count} messages: {what} {ours:.0} ms / {raw:.0} ms raw = {:.1} x (mbsync {})",
                ours / raw,
                beside(theirs)
            );
        };
        said("nothing has changed", [&times[0], &times[1], &times[2]]);
        let what = "100 new, 200 flags, 50 deleted, 30 moved";
        said(what, [&times[3], &times[4], &times[5]]);
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        let [raw, look, pass] = looks(&server, &served);
        println!(
            "{count} messages: in serve nothing has changed {pass:.1} ms from the order until it is seen (a look alone {look:.1} ms) / {raw:.1} ms raw"
        );
        let delays = arrivals(&server, &postrider);
        served.stop();
        println!(
            "{count} messages: the server's line of new mail until its row can be read: p50 {:.1} ms, p90 {:.1} ms, worst {:.1} ms",
            delays[delays.len() / 2],
            delays[delays.len() * 9 / 10],
            delays[delays.len() - 1]
        );
    }
}
