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
    pub(crate) mod dovecot;
    #[expect(unused_imports, reason = "the tests use more of it")]
    pub(crate) mod mail;
    pub(crate) mod served;
}

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::dovecot::{Dovecot, Traits};

/// Messages of the mailboxes.
const SIZES: [usize; 2] = [10_000, 100_000];
/// Syncs of each kind; the median counts.
const ROUNDS: usize = 5;
/// Mails that arrive while it is watched.
const ARRIVALS: usize = 60;
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
    raw.ask("LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))");
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

/// From the server's line to an own client in IDLE until the row can be read.
fn arrivals(server: &Dovecot, postrider: &Postrider) -> Vec<f64> {
    let served = postrider.serve(&[]);
    served.wait_for_state("u", "idle");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = format!("sqlite://{}?mode=ro", postrider.database().display());
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
    served.stop();
    delays.sort_by(f64::total_cmp);
    delays
}

fn main() {
    for count in SIZES {
        let server = mailbox(count);
        let postrider = Postrider::new(&format!("{HEAD}{}", account("u", server.port, "pw")));
        sync(&postrider);
        sync(&postrider);
        let mut times: [Vec<f64>; 4] = Default::default();
        for round in 0..ROUNDS {
            let began = Instant::now();
            raw_counters(server.port);
            times[0].push(ms(began));
            times[1].push(sync(&postrider));
            let since = ["INBOX", "Archive"].map(|folder| (folder, known(server.port, folder)));
            change(&server, round);
            let began = Instant::now();
            raw_changes(server.port, &since);
            times[2].push(ms(began));
            times[3].push(sync(&postrider));
        }
        let [counters, nothing, changes, changed] = times.map(median);
        println!(
            "{count} messages: nothing has changed {nothing:.0} ms / {counters:.0} ms raw = {:.1} x; 100 new, 200 flags, 50 deleted, 30 moved {changed:.0} ms / {changes:.0} ms raw = {:.1} x",
            nothing / counters,
            changed / changes
        );
        let delays = arrivals(&server, &postrider);
        println!(
            "{count} messages: the server's line of new mail until its row can be read: p50 {:.1} ms, p90 {:.1} ms, worst {:.1} ms",
            delays[delays.len() / 2],
            delays[delays.len() * 9 / 10],
            delays[delays.len() - 1]
        );
    }
}
