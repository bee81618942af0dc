//! Answers that do not end: memory stays small, other accounts go on, and the server stops when it
//! is told to.

use crate::support::binary::account;
use crate::support::check::equal;
use crate::support::database::ask;
use crate::support::mail::{blocking, seed, serve_well};
use crate::support::{binary::Postrider, served::wait_within};
use postrider_core::mail::uid_set::UidSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// KiB that an index of as many rows as are believed takes, beside what any answer may.
const INDEX_KIB: u64 = 32 * 1024;
/// Rows are mail, and stored: 240 MB of them bring what a database takes while it writes so much, which a
/// server that rests has not taken yet.
const STORING_KIB: u64 = 16 * 1024;
/// Octets after which what is no answer has shown what it costs, and after which an answer must
/// have been given up.
const ENOUGH: [u64; 2] = [32 * 1024 * 1024, 300 * 1024 * 1024];
/// Octets of what would stay if it were kept.
const ENOUGH_TO_KEEP: u64 = 160 * 1024 * 1024;

/// Messages whose rows are large.
const ROWS: u32 = 5000;

/// What is said without an end, and to which command.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Endless {
    /// Counters, in IDLE.
    Exists,
    /// LIST of names of a megabyte.
    LongNames,
    /// LIST of short names.
    Names,
    /// An index, after an EXISTS of four billion.
    Index,
    /// The same with a flag set of its own for each message.
    Flags,
    /// Messages that nobody asked for, in answer to a question about others.
    Strangers,
    /// The same, where mail was asked for.
    Page,
    /// Ends of commands that nobody has sent, while counters are asked for.
    Tagged,
    /// Counters of ever new folders, in IDLE.
    Notified,
    /// Mail whose rows are as large as rows may be: flags, and header fields.
    Rows,
}

impl Endless {
    fn capabilities(self) -> &'static str {
        match self {
            Self::Tagged => "IMAP4rev1 IDLE ENABLE CONDSTORE",
            Self::Notified => "IMAP4rev1 IDLE ENABLE CONDSTORE QRESYNC NOTIFY",
            _ => "IMAP4rev1 IDLE",
        }
    }

    /// It is no answer, and heard until its deadline.
    fn is_talk(self) -> bool {
        matches!(self, Self::Exists | Self::LongNames | Self::Tagged | Self::Notified)
    }
}

/// One connection of a server that says one thing without an end; octets said so are counted.
fn talk(stream: TcpStream, what: Endless, said: &AtomicU64) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    let flood = |out: &mut TcpStream, line: &dyn Fn(u64) -> String| -> std::io::Result<()> {
        for n in 0.. {
            let block: String = (0..1000).map(|m| line(n * 1000 + m)).collect();
            out.write_all(block.as_bytes())?;
            said.fetch_add(block.len() as u64, Ordering::SeqCst);
        }
        Ok(())
    };
    // Only one folder is ill; in IDLE it is the server.
    let mut ill = false;
    let capabilities = what.capabilities();
    out.write_all(format!("* OK [CAPABILITY {capabilities}] ready\r\n").as_bytes())?;
    while let Some(line) = lines.next() {
        let line = line?;
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        let word = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match (word.as_str(), what) {
            ("LIST", Endless::LongNames) => {
                let name = "n".repeat(1024 * 1024);
                // A thousand of these are a block too many.
                loop {
                    let line = format!("* LIST () \"/\" \"{name}\"\r\n");
                    out.write_all(line.as_bytes())?;
                    said.fetch_add(line.len() as u64, Ordering::SeqCst);
                }
            }
            ("LIST", Endless::Names) => {
                flood(&mut out, &|n| format!("* LIST () \"/\" \"folder {n}\"\r\n"))?
            }
            ("CAPABILITY", _) => {
                out.write_all(format!("* CAPABILITY {capabilities}\r\n").as_bytes())?;
            }
            ("STATUS", Endless::Tagged) => {
                // As much of a line as is kept of one.
                let text = "n".repeat(4000);
                flood(&mut out, &|n| format!("z{n} NO {text}\r\n"))?;
            }
            ("IDLE", Endless::Notified) => {
                out.write_all(b"+ idling\r\n")?;
                let name = "n".repeat(4000);
                flood(&mut out, &|n| {
                    format!("* STATUS \"{n}{name}\" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\r\n")
                })?;
            }
            ("LIST", _) => out.write_all(
                b"* LIST () \"/\" INBOX\r\n* LIST () \"/\" Ill\r\n* LIST () \"/\" Well\r\n",
            )?,
            ("EXAMINE", _) => {
                ill = command.contains("Ill");
                let large = ill && matches!(what, Endless::Index | Endless::Flags);
                let (exists, uidnext) = match what {
                    _ if large => (u32::MAX, u32::MAX),
                    Endless::Rows if ill => (ROWS, ROWS + 1),
                    _ => (3, 4),
                };
                let told = format!(
                    "* {exists} EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT {uidnext}] x\r\n* OK [HIGHESTMODSEQ 5] x\r\n"
                );
                out.write_all(told.as_bytes())?;
            }
            ("UID", Endless::Rows) if ill => {
                let asked = command.split(' ').nth(2).unwrap_or_default();
                let set = UidSet::parse(&asked.replace('*', &ROWS.to_string())).unwrap();
                let set = set.intersect(&UidSet::range(1, ROWS));
                let (keyword, long) = ("k".repeat(7000), "é".repeat(8000));
                for uid in set.iter() {
                    let mut line = format!("* {uid} FETCH (UID {uid} RFC822.SIZE 81000");
                    if command.contains("BODY") {
                        let fields = ["Subject", "From", "To", "Cc", "Message-ID"];
                        let mut mail: String =
                            fields.iter().map(|f| format!("{f}: {uid}{long}\r\n")).collect();
                        mail.push_str("\r\n");
                        let (length, flags) = (mail.len(), format!("{keyword}{uid}"));
                        line.push_str(&format!(
                            " FLAGS ({flags}) BODY[] {{{length}}}\r\n{mail})\r\n"
                        ));
                        line = line.replace("RFC822.SIZE 81000", &format!("RFC822.SIZE {length}"));
                    } else {
                        line.push_str(" FLAGS ())\r\n");
                    }
                    out.write_all(line.as_bytes())?;
                    said.fetch_add(line.len() as u64, Ordering::SeqCst);
                }
            }
            ("UID", Endless::Strangers) if ill => {
                flood(&mut out, &|n| format!("* {n} FETCH (UID {} RFC822.SIZE 10)\r\n", n + 100))?;
            }
            ("UID", Endless::Page) if ill && command.contains("BODY") => {
                flood(&mut out, &|n| format!("* {n} FETCH (UID {} FLAGS ())\r\n", n + 100))?;
            }
            ("UID", Endless::Index)
                if ill && command.contains("FLAGS") && !command.contains("BODY") =>
            {
                flood(&mut out, &|n| {
                    format!("* {} FETCH (UID {} FLAGS (\\Seen))\r\n", n + 1, n * 2 + 1)
                })?;
            }
            ("UID", Endless::Flags)
                if ill && command.contains("FLAGS") && !command.contains("BODY") =>
            {
                let long = "k".repeat(1000);
                flood(&mut out, &|n| {
                    format!("* {} FETCH (UID {} FLAGS ({long}{n}))\r\n", n + 1, n + 1)
                })?;
            }
            ("UID", _) if !command.contains("BODY") => {
                for uid in 1..=3 {
                    let line = format!("* {uid} FETCH (UID {uid} FLAGS () RFC822.SIZE 12)\r\n");
                    out.write_all(line.as_bytes())?;
                }
            }
            ("UID", _) => {
                for uid in 1..=3 {
                    let line = format!(
                        "* {uid} FETCH (UID {uid} FLAGS () RFC822.SIZE 12 BODY[] {{12}}\r\nA: b\r\n\r\nmai{uid})\r\n"
                    );
                    out.write_all(line.as_bytes())?;
                }
            }
            ("IDLE", Endless::Exists) => {
                out.write_all(b"+ idling\r\n")?;
                flood(&mut out, &|_| "* 1 EXISTS\r\n".into())?;
            }
            ("IDLE", _) => {
                out.write_all(b"+ idling\r\n")?;
                lines.next().transpose()?;
            }
            _ => {}
        }
        out.write_all(format!("{tag} OK done\r\n").as_bytes())?;
    }
    Ok(())
}

/// Its port, the octets that it has said, and what makes it greet.
fn serve_endless(what: Endless) -> (u16, Arc<AtomicU64>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, said) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&said);
    let (begin, begun) = channel();
    std::thread::spawn(move || {
        begun.recv().unwrap();
        for stream in listener.incoming().flatten() {
            let said = Arc::clone(&counter);
            // The client goes away in the middle: that is what is tested.
            std::thread::spawn(move || drop(talk(stream, what, &said)));
        }
    });
    (port, said, begin)
}

async fn does_not_end(what: Endless) {
    let mailbox = seed::mailbox(91, 40);
    let server = serve_well("good", &mailbox).await;
    let (port, said, begin) = serve_endless(what);
    let head = "[admin]\nlisten = \"127.0.0.1:0\"\n[recovery]\nfirst_wait = \"20ms\"\n";
    let postrider = Postrider::new(&format!(
        "{head}{}{}",
        account("bad", port, "pw"),
        account("good", server.port(), "pw")
    ));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("good", "idle");
        let before = served.peak();
        begin.send(()).unwrap();
        // Small talk is heard until its deadline; what looks like an answer is not.
        let talk = what.is_talk();
        let is_kept = matches!(what, Endless::Tagged | Endless::Notified);
        let enough = if is_kept { ENOUGH_TO_KEEP } else { ENOUGH[usize::from(!talk)] };
        let mut reported = false;
        // An unoptimized build reads some megabytes a second.
        wait_within(Duration::from_secs(240), "the flood, or its end", || {
            let reason = served.account("bad")["reason"].as_str().unwrap_or_default().to_owned();
            reported |= reason.contains("not read to its end");
            reported || said.load(Ordering::SeqCst) > enough || what == Endless::Rows
        });
        assert!(reported || talk || what == Endless::Rows, "{what:?} was read and read");
        // Where one folder is ill, the others of that account are mirrored, too.
        if !matches!(what, Endless::LongNames | Endless::Names | Endless::Tagged) {
            let well = "SELECT count(*) AS x FROM location l JOIN folder f ON f.id = l.folder JOIN account a ON a.id = f.account \
                        WHERE a.name = 'bad' AND f.path IN ('INBOX', 'Well')";
            wait_within(Duration::from_secs(120), "the other folders", || ask(&postrider.database(), well) == "6");
        }
        if what == Endless::Rows {
            let ill = "SELECT count(*) AS x FROM location l JOIN folder f ON f.id = l.folder WHERE f.path = 'Ill'";
            let (all, time) = (ROWS.to_string(), Duration::from_secs(240));
            wait_within(time, "the large rows", || ask(&postrider.database(), ill) == all);
        }
        mailbox.append("INBOX", crate::support::mail::note("meanwhile"));
        served.settle(&postrider, "good", &mailbox);
        equal(&postrider, "good", &mailbox);
        let beside = match what {
            Endless::Index => INDEX_KIB,
            Endless::Rows => STORING_KIB,
            _ => 0,
        };
        served.has_cost_little(before, &format!("{what:?}"), beside);
        served.stop();
    })
    .await;
}

macro_rules! endless {
    ($($test:ident => $what:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                does_not_end(Endless::$what).await;
            }
        )*
    };
}

endless! {
    counters_in_idle => Exists;
    names_of_a_megabyte => LongNames;
    names => Names;
    an_index => Index;
    an_index_of_flags => Flags;
    messages_that_nobody_asked_for => Strangers;
    messages_that_nobody_asked_for_in_a_page => Page;
    ends_of_commands_that_nobody_sent => Tagged;
    counters_of_ever_new_folders => Notified;
    rows_as_large_as_they_may_be => Rows;
}
