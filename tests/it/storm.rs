//! A storm: another mail client appends, flags, moves, deletes and renames in a real Dovecot while
//! the server follows, and is killed. In the end the mirror is the mailbox, and the feed replayed
//! is the mirror.
//!
//! STORM_SECONDS and STORM_KILLS say how long and how often (`cargo xtask soak` says more);
//! POSTRIDER_TEST_SEED replays.

use crate::dovecot::{Client, client, fill, truth_and_ghosts};
use crate::support::binary::Postrider;
use crate::support::check::consistent;
use crate::support::database::{TestDatabase, ask, readable, rows};
use crate::support::dovecot::{Dovecot, Traits};
use crate::support::mail::{blocking, seed};
use crate::support::served::{Served, head, wait_until};
use futures::TryStreamExt;
use postrider_core::mail::flags::Flags;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn config(server: &Dovecot, port: u16) -> String {
    let head = head().replace("silence = \"500ms\"", "silence = \"5s\"");
    let head = head.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    format!(
        "{head}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.port
    )
}

/// Where the API is across restarts: below the ports that connections go out from.
fn own_port(seed: u64) -> u16 {
    let mut dice = seed::Dice::new(seed ^ u64::from(std::process::id()));
    let mut free = std::iter::from_fn(|| Some(u16::try_from(10_000 + dice.below(20_000)).unwrap()));
    free.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Copies of the mailbox's state that are kept from the feed alone, as a user would have them.
#[derive(Debug)]
struct Mirrors {
    running: Vec<(&'static str, Child)>,
    kills: usize,
}

impl Mirrors {
    fn command(postrider: &Postrider, mode: &str, how: &str) -> Command {
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mirror.py"));
        command.args(["u", postrider.path(&format!("{mode}.db")).to_str().unwrap(), how]);
        command
    }

    fn start(postrider: &Postrider, served: &Served, mode: &'static str) -> (&'static str, Child) {
        let mut command = Self::command(postrider, mode, mode);
        command.env("POSTRIDER_URL", format!("http://{}", served.address));
        let log = std::fs::File::create(postrider.path(&format!("{mode}.log"))).unwrap();
        (mode, command.env("POSTRIDER_TOKEN", &served.token).stderr(log).spawn().unwrap())
    }

    fn of(postrider: &Postrider, served: &Served) -> Self {
        let running = ["poll", "stream"].map(|mode| Self::start(postrider, served, mode));
        Self { running: running.into(), kills: 0 }
    }

    /// One of them is killed, and begun again.
    fn kill_one(&mut self, postrider: &Postrider, served: &Served) {
        let (mode, mut child) = self.running.remove(0);
        child.kill().unwrap();
        child.wait().unwrap();
        self.kills += 1;
        self.running.push(Self::start(postrider, served, mode));
    }

    /// Each has come to the end of the feed, and is what is exported.
    fn end(mut self, postrider: &Postrider, served: &Served, exported: &[String]) {
        let newest = served.get("/v1/events?after=now")["next"].as_str().unwrap().to_owned();
        for (mode, mut child) in std::mem::take(&mut self.running) {
            let file = TestDatabase::File(postrider.path(&format!("{mode}.db")));
            let told = std::fs::read_to_string(postrider.path(&format!("{mode}.log"))).unwrap();
            // A filter tells nothing of what it leaves out: the last that is of the account counts.
            let last = format!(
                "SELECT COALESCE(max(seq), 0) AS x FROM event WHERE account IS NOT NULL AND seq <= {newest}"
            );
            let last = ask(&postrider.database(), &last);
            wait_until(&format!("{mode} at {last} {told}"), || {
                let after = readable(&file, "SELECT CAST(after AS TEXT) AS x FROM cursor");
                let after = after.and_then(|rows| rows.first()?.parse::<i64>().ok());
                after >= last.parse().ok()
            });
            child.kill().unwrap();
            child.wait().unwrap();
            let ran = Self::command(postrider, mode, "print").output().unwrap();
            let mut lines: Vec<String> =
                String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect();
            lines.sort();
            let missing: Vec<_> = exported.iter().filter(|l| !lines.contains(l)).collect();
            let extra: Vec<_> = lines.iter().filter(|l| !exported.contains(l)).collect();
            assert!(lines == exported, "{mode}: missing {missing:?}, extra {extra:?}");
        }
    }
}

impl Drop for Mirrors {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// One thing happens; what cannot happen now (an empty folder, a name that is taken) does not.
async fn happens(other: &mut Client, dice: &mut seed::Dice, n: usize) {
    let folders = ["INBOX", "Archive", "Projects/Alpha", "Projects/Beta", "Later"];
    let at = folders[dice.below(folders.len())];
    let kind = dice.below(100);
    if kind < 40 {
        let mail = seed::message(dice, 100_000 + n);
        let folder = if kind < 30 { "INBOX" } else { at };
        drop(other.append(folder, None, None, mail.raw.as_slice()).await);
        return;
    }
    if (90..92).contains(&kind) {
        let name = format!("New {}", dice.below(3));
        drop(other.create(&name).await);
        return;
    }
    if (92..93).contains(&kind) {
        // What lies there goes with it.
        drop(other.delete(format!("New {}", dice.below(3))).await);
        return;
    }
    if kind >= 96 {
        let (from, to) = if dice.below(2) == 0 {
            ("Projects/Alpha", "Projects/Beta")
        } else {
            ("Projects/Beta", "Projects/Alpha")
        };
        drop(other.rename(from, to).await);
        return;
    }
    let Ok(mailbox) = other.select(if kind < 80 { "INBOX" } else { at }).await else { return };
    if mailbox.exists == 0 {
        return;
    }
    let one = (1 + dice.below(usize::try_from(mailbox.exists).unwrap())).to_string();
    match kind {
        40..60 => {
            let flags =
                ["+FLAGS (\\Seen)", "+FLAGS (\\Flagged)", "-FLAGS (\\Seen)", "+FLAGS (storm)"];
            if let Ok(stored) = other.store(&one, flags[dice.below(4)]).await {
                drop(stored.try_collect::<Vec<_>>().await);
            }
        }
        60..75 | 80..88 => {
            let to = ["Archive", "Later", "INBOX", "New 1"][dice.below(4)];
            drop(other.mv(&one, to).await);
        }
        88..90 | 93..96 => drop(other.copy(&one, ["Archive", "New 0"][dice.below(2)]).await),
        _ => {
            if let Ok(stored) = other.store(&one, "+FLAGS (\\Deleted)").await {
                drop(stored.try_collect::<Vec<_>>().await);
            }
            if let Ok(gone) = other.expunge().await {
                drop(gone.try_collect::<Vec<_>>().await);
            }
        }
    }
}

/// The feed replayed: each message's last told places and flags; nothing is created twice, no
/// number is missing.
fn replayed(served: &Served) -> BTreeMap<i64, Vec<(i64, String)>> {
    let mut state: BTreeMap<i64, Vec<(i64, String)>> = BTreeMap::new();
    let mut created = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = served.get(&format!("/v1/events?after={after}&limit=1000"));
        let items = page["items"].as_array().unwrap();
        if items.is_empty() {
            return state;
        }
        for event in items {
            assert_eq!(
                event["seq"].as_i64().unwrap(),
                after + 1,
                "a number is missing before {event}"
            );
            after += 1;
            let Some(message) = event["message"].as_i64() else { continue };
            if event["kind"] == "message.created" {
                assert!(created.insert(message, ()).is_none(), "created twice: {event}");
            }
            let places = event["data"]["locations"].as_array().unwrap();
            let mut places: Vec<(i64, String)> = places
                .iter()
                .map(|l| (l["folder"].as_i64().unwrap(), l["flags"].as_str().unwrap().to_owned()))
                .collect();
            places.sort();
            state.insert(message, places);
        }
    }
}

/// What the database holds, in the same words.
fn held(postrider: &Postrider) -> BTreeMap<i64, Vec<(i64, String)>> {
    let sql = "SELECT l.message || '|' || l.folder || '|' || trim(l.flags || ' ' || l.keywords) AS x FROM location l \
               JOIN folder f ON f.id = l.folder AND f.uidvalidity = l.uidvalidity AND f.deleted_at IS NULL WHERE l.ended_at IS NULL";
    let mut state: BTreeMap<i64, Vec<(i64, String)>> = BTreeMap::new();
    for row in rows(&postrider.database(), sql) {
        let mut parts = row.splitn(3, '|');
        let (message, folder) =
            (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap());
        let flags = Flags::new(parts.next().unwrap().split_whitespace()).to_string();
        state.entry(message).or_default().push((folder, flags));
    }
    for places in state.values_mut() {
        places.sort();
    }
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_with_kills_ends_equal() {
    let (seconds, kills) = (number("STORM_SECONDS", 8), number("STORM_KILLS", 3));
    storm(number("POSTRIDER_TEST_SEED", 20_26), seconds, kills, None).await;
}

/// Shorter ones, on a server that says that it can do this and no more.
async fn storms(capability: &'static str) {
    let (seconds, kills) = (number("STORM_SECONDS", 8) / 4, number("STORM_KILLS", 3) / 2);
    let first = number("POSTRIDER_TEST_SEED", 20_26);
    for seed in first..first + number("STORM_SEEDS", 5) {
        storm(seed, seconds.max(1), kills, Some(capability)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_on_a_server_with_qresync_end_equal() {
    let can = "IMAP4rev1 ENABLE IDLE UIDPLUS MOVE CONDSTORE QRESYNC LIST-EXTENDED LIST-STATUS SPECIAL-USE";
    storms(can).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_on_a_server_with_condstore_end_equal() {
    storms("IMAP4rev1 ENABLE IDLE UIDPLUS MOVE CONDSTORE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_on_a_server_without_either_end_equal() {
    storms("IMAP4rev1 IDLE UIDPLUS MOVE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_on_a_server_that_tells_nothing_end_equal() {
    storms("IMAP4rev1").await;
}

/// Cuts everybody's connections; there may be none.
fn kick(config: &str) {
    drop(Command::new("doveadm").args(["-c", config, "kick", "u"]).output().unwrap());
}

async fn storm(first: u64, seconds: u64, kills: u64, capability: Option<&'static str>) {
    println!("seed {first}, {seconds} s, {kills} kills, {}", capability.unwrap_or("all"));
    let server = Dovecot::start_with(Traits { capability, ..Traits::default() });
    let mut other = client(&server, "u").await;
    fill(&mut other, 80).await;
    let postrider = Postrider::new(&config(&server, own_port(first)));
    let mut dice = seed::Dice::new(first);
    let mut chaos = seed::Dice::new(first ^ 0x5151);
    let (mut served, mut postrider) = blocking(move || (postrider.serve(&[]), postrider)).await;
    let mut mirrors = Mirrors::of(&postrider, &served);
    let began = Instant::now();
    let mut moments: Vec<u64> =
        (0..kills).map(|_| chaos.below(usize::try_from(seconds * 1000).unwrap()) as u64).collect();
    moments.sort_unstable();
    let (mut n, mut again) = (0, 0);
    while began.elapsed() < Duration::from_secs(seconds) || !moments.is_empty() {
        happens(&mut other, &mut dice, n).await;
        n += 1;
        // Now and then everybody's connections are cut.
        if chaos.below(150) == 0 {
            kick(&server.file("dovecot.conf"));
        }
        // Dovecot shows out who has a folder selected that is renamed.
        if other.noop().await.is_err() {
            other = client(&server, "u").await;
            again += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        if chaos.below(40) == 0 {
            mirrors.kill_one(&postrider, &served);
        }
        if moments.first().is_some_and(|at| began.elapsed() >= Duration::from_millis(*at)) {
            moments.remove(0);
            (served, postrider) = blocking(move || {
                let Served { mut running, .. } = served;
                running.child.kill().unwrap();
                running.child.wait().unwrap();
                (postrider.serve(&[]), postrider)
            })
            .await;
            mirrors.kill_one(&postrider, &served);
        }
    }
    println!("{} kills of mirrors", mirrors.kills);
    // To a session that saw folders come and go Dovecot may list what is no more, and not what is.
    let mut fresh = client(&server, "u").await;
    let (want, ghosts) = truth_and_ghosts(&mut fresh).await;
    let conf = server.file("dovecot.conf");
    let log = blocking(move || {
        // What vanished last is looked for once more (3): that, or the look after it, ends it.
        let is_settled = || {
            let ran = postrider.run(&["sync-now", "u", "--wait"]);
            ran.code != Some(3) && ran.exits(0).code == Some(0)
        };
        is_settled();
        assert!(is_settled() || is_settled(), "seed {first}: it is left for one more look for ever");
        // What cannot be opened is kept as it was.
        let folder = |line: &String| line.split('\t').next().unwrap().to_owned();
        let manifest = || {
            let lines = postrider.manifest("u").into_iter();
            lines.filter(|line| !ghosts.contains(&folder(line))).collect::<Vec<_>>()
        };
        let mut got = manifest();
        // To a session that saw a folder go Dovecot may list it still: a new one is told the truth.
        let real: Vec<String> = want.iter().map(folder).collect();
        for _ in 0..3 {
            let known = |line: &String| want.contains(line) || !real.contains(&folder(line));
            if got == want || !want.iter().all(|l| got.contains(l)) || !got.iter().all(known) {
                break;
            }
            kick(&conf);
            is_settled();
            got = manifest();
        }
        let missing: Vec<&String> = want.iter().filter(|l| !got.contains(l)).collect();
        let extra: Vec<&String> = got.iter().filter(|l| !want.contains(l)).collect();
        assert!(got == want, "seed {first}: missing {missing:?}, extra {extra:?}\n{}", served.running.stderr());
        let (mut told, held) = (replayed(&served), held(&postrider));
        told.retain(|_, places| !places.is_empty());
        let apart: Vec<_> = told
            .keys()
            .chain(held.keys())
            .filter(|id| told.get(id) != held.get(id))
            .map(|id| (id, told.get(id), held.get(id)))
            .collect();
        assert!(apart.is_empty(), "seed {first}: the feed leads elsewhere: {apart:?}");
        postrider.run(&["verify", "u"]).exits(0);
        mirrors.end(&postrider, &served, &postrider.manifest("u"));
        served.stop();
        consistent(&postrider.database());
        ask(&postrider.database(), "SELECT count(*) || ' events, ' || sum(kind = 'message.moved') || ' moves, ' || sum(kind = 'folder.renamed') || ' renames' AS x FROM event")
    })
    .await;
    println!("{n} happenings, {again} logins more, {log}");
}

/// How long from Dovecot's own notice until a mail is in the database.
#[tokio::test(flavor = "multi_thread")]
async fn delivered_mail_is_there_soon_after_the_notice() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 40).await;
    let postrider = Postrider::new(&config(&server, 0));
    let port = server.port;
    let (served, postrider) = blocking(move || {
        let served = postrider.serve(&[]);
        crate::support::served::wait_until("a watch", || served.account("u")["push"] == "notify");
        (served, postrider)
    })
    .await;
    // A client that only listens: when does Dovecot tell of it?
    let (notices, noticed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"a LOGIN u pw\r\nb EXAMINE INBOX\r\nc IDLE\r\n").unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.ends_with(" EXISTS") && notices.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let noticed = std::sync::Arc::new(std::sync::Mutex::new(noticed));
    noticed.lock().unwrap().recv().unwrap();
    let mut delays = Vec::new();
    let mut postrider = postrider;
    for n in 0..12 {
        let raw = format!("Subject: notice-{n}\r\n\r\nx\r\n");
        other.append("INBOX", None, None, raw.as_bytes()).await.unwrap();
        let noticed = std::sync::Arc::clone(&noticed);
        let delay;
        (postrider, delay) = blocking(move || {
            let notice = noticed.lock().unwrap().recv_timeout(Duration::from_secs(10)).unwrap();
            let sql = format!("SELECT count(*) AS x FROM message WHERE subject = 'notice-{n}'");
            crate::support::served::until(&postrider.database(), &sql, "1");
            (postrider, Instant::now().saturating_duration_since(notice))
        })
        .await;
        delays.push(delay);
    }
    delays.sort();
    println!("from Dovecot's notice to the database, {} mails: {delays:?}", delays.len());
    blocking(move || served.stop()).await;
    // A bound for a broken machine, not a measure: the distribution is printed.
    assert!(delays[delays.len() / 2] < Duration::from_secs(1), "{delays:?}");
}
