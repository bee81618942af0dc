//! A folder of 1,000,000 messages on a real Dovecot: its first sync, a look at it when nothing has
//! happened, and new mail while it is watched. Prints figures, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/it/support"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
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

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::binary::{Postrider, account};
use support::database::ask;
use support::dovecot::{Dovecot, Traits};

const MAILS: (&str, usize) = ("HUGE_MAILS", 1_000_000);
const NEW: usize = 9;
const PATIENCE: Duration = Duration::from_secs(1200);
/// A command over so many messages takes a while; so does a first look of a server that has just begun.
const HEAD: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n[timeouts]\nsilence = \"5m\"\ncommand = \"5m\"\n[sync]\nconfirm_after = \"1s\"\n";

/// Puts so many short mails into INBOX.
fn fill(server: &Dovecot, mails: usize) {
    let home = PathBuf::from(server.file("mail/u"));
    std::fs::create_dir_all(home.join("mail")).unwrap();
    let mut out = BufWriter::new(File::create(home.join("inbox")).unwrap());
    for n in 0..mails {
        write!(
            out,
            "From a@example.org Thu Jan  1 10:00:00 2026\nFrom: a@example.org\nTo: u@example.org\n\
             Subject: Mail {n}\nMessage-ID: <{n}@example.org>\nDate: Thu, 1 Jan 2026 10:00:00 +0000\n\nText of {n}.\n\n"
        )
        .unwrap();
    }
    out.flush().unwrap();
    server.own(&home);
}

/// Another client's session.
struct Other {
    out: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Other {
    fn begin(port: u16) -> Self {
        let out = TcpStream::connect(("127.0.0.1", port)).unwrap();
        out.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut other = Self { lines: BufReader::new(out.try_clone().unwrap()), out };
        other.line();
        other.say("a LOGIN u pw", "a OK");
        other
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        let tagged = line.split(' ').nth(1);
        assert!(
            !line.is_empty() && !matches!(tagged, Some("NO" | "BAD")),
            "the server says {line:?}"
        );
        line
    }

    fn say(&mut self, command: &str, until: &str) {
        write!(self.out, "{command}\r\n").unwrap();
        while !self.line().starts_with(until) {}
    }

    fn append(&mut self, subject: &str) {
        let mail = format!("Subject: {subject}\r\n\r\nText\r\n");
        self.say(&format!("b APPEND INBOX {{{}}}", mail.len()), "+");
        self.say(&mail, "b OK");
    }
}

fn main() {
    let mails = std::env::var(MAILS.0).map_or(MAILS.1, |n| n.parse().unwrap());
    let server =
        Dovecot::start_with(Traits { location: "mbox:~/mail:INBOX=~/inbox", ..Traits::default() });
    fill(&server, mails);
    let mut other = Other::begin(server.port);
    // Its index is its own affair.
    other.say("c SELECT INBOX", "c OK");
    other.say("d UID FETCH 1:* (FLAGS RFC822.SIZE)", "d OK");
    let began = Instant::now();
    other.say("e UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])", "e OK");
    let drain = began.elapsed();
    other.say("f CLOSE", "f OK");
    let postrider = Postrider::new(&format!("{HEAD}{}", account("u", server.port, "pw")));
    let sync = |what: &str| {
        let began = Instant::now();
        let ran = postrider.start(&["sync", "--once"], &[]).wait(PATIENCE).exits(0);
        let took = began.elapsed();
        println!(
            "{what}: {:.1} s, {:.2} x a raw drain ({:.1} s), peak {} MiB",
            took.as_secs_f64(),
            took.as_secs_f64() / drain.as_secs_f64(),
            drain.as_secs_f64(),
            ran.peak_kib / 1024
        );
    };
    sync(&format!("first sync of a folder of {mails} messages"));
    sync("the same again, nothing has happened");
    let count = || ask(&postrider.database(), "SELECT count(*) AS x FROM message");
    assert_eq!(count(), mails.to_string());
    let served = postrider.serve(&[]);
    served.wait_for_state("u", "idle");
    std::thread::sleep(Duration::from_secs(2));
    let mut times = Vec::new();
    for n in 0..NEW {
        let subject = format!("new {n}");
        let began = Instant::now();
        other.append(&subject);
        let sql = format!(
            "SELECT count(*) AS x FROM message WHERE id > {mails} AND subject = '{subject}'"
        );
        while ask(&postrider.database(), &sql) != "1" {
            assert!(began.elapsed() < PATIENCE, "{subject} did not come");
            std::thread::sleep(Duration::from_millis(5));
        }
        times.push(began.elapsed());
    }
    times.sort();
    println!(
        "serve: new mail there after {:.0} ms (median of {NEW}, of which Dovecot's APPEND is a part), {} MiB, peak {} MiB",
        times.get(NEW / 2).unwrap().as_secs_f64() * 1000.0,
        served.status("VmRSS:") / 1024,
        served.status("VmHWM:") / 1024
    );
    served.stop();
}
