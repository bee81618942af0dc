//! A first sync against a raw drain of the same mailbox, alternately, in one run. Prints medians
//! and ratios, never a verdict.
//!
//! The drain is the lower bound: one connection, everything pipelined, bytes thrown away. Nothing
//! here needs more than Dovecot: the mail is seeded.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/it/support/dovecot.rs"]
mod dovecot;

use dovecot::Dovecot;
use postrider_imapd::seed;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MESSAGES: usize = 10_000;
const ROUNDS: usize = 5;
const FOLDERS: [&str; 4] = ["", ".Archive", ".Sent", ".Projects.Alpha"];

/// Reads every message over one connection and throws it away; returns the octets of mail.
fn drain(port: u16, folders: &[&str]) -> u64 {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::with_capacity(256 * 1024, stream.try_clone().unwrap());
    let mut writer = stream;
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut commands = "a LOGIN u pw\r\n".to_owned();
    for folder in folders {
        let name = folder.trim_start_matches('.').replace('.', "/");
        let name = if name.is_empty() { "INBOX".to_owned() } else { name };
        commands += &format!(
            "b EXAMINE \"{name}\"\r\nc UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])\r\n"
        );
    }
    commands += "z LOGOUT\r\n";
    writer.write_all(commands.as_bytes()).unwrap();
    let (mut octets, mut sink) = (0, vec![0; 256 * 1024]);
    let mut raw = Vec::new();
    loop {
        raw.clear();
        if reader.read_until(b'\n', &mut raw).unwrap() == 0 || raw.starts_with(b"z ") {
            return octets;
        }
        assert!(
            !raw.starts_with(b"a NO") && !raw.starts_with(b"c NO") && !raw.starts_with(b"c BAD")
        );
        let text = raw.trim_ascii_end();
        let literal = text.strip_suffix(b"}").and_then(|t| t.rsplit(|b| *b == b'{').next());
        let length =
            literal.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        if let Some(mut left) = length {
            octets += left;
            while left > 0 {
                let want = usize::try_from(left).unwrap().min(sink.len());
                let n = reader.read(&mut sink[..want]).unwrap();
                assert!(n > 0, "cut");
                left -= n as u64;
            }
        }
    }
}

/// One LIST with every folder's counters, login and logout included: what proves that nothing has
/// changed.
fn counters(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let list = "b LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))";
    stream.write_all(format!("a LOGIN u pw\r\n{list}\r\nz LOGOUT\r\n").as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let told = lines.filter(|line| line.starts_with("* STATUS ")).count();
    assert!(told >= FOLDERS.len(), "{told} folders have told their counters");
}

/// Wall time, CPU seconds and peak KiB of a first sync.
fn sync(dir: &Path, config: &str) -> (Duration, f64, u64) {
    fs::remove_dir_all(dir.join("data")).ok();
    fs::write(dir.join("config.toml"), config).unwrap();
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_postrider"))
        .args(["sync", "--once"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut cpu, mut peak) = (0.0, 0);
    let status = loop {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        if let (Some(user), Some(system)) = (fields.get(11), fields.get(12)) {
            cpu = (user.parse::<f64>().unwrap() + system.parse::<f64>().unwrap()) / 100.0;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        peak = peak.max(line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success());
    (began.elapsed(), cpu, peak)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let server = Dovecot::start();
    let maildir = PathBuf::from(server.file("mail/u/Maildir"));
    let mut dice = seed::Dice::new(1);
    for folder in FOLDERS {
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(maildir.join(folder).join(part)).unwrap();
        }
    }
    for n in 0..MESSAGES {
        let raw = seed::message(&mut dice, n).raw;
        let text: Vec<u8> = raw.iter().copied().filter(|b| *b != b'\r').collect();
        fs::write(
            maildir
                .join(FOLDERS[n % 4])
                .join("cur")
                .join(format!("{}.M{n}.bench:2,S", 1_700_000_000 + n)),
            text,
        )
        .unwrap();
    }
    server.own(Path::new(&server.file("mail/u")));
    let octets = drain(server.port, &FOLDERS);
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[telemetry]\nlog = \"error\"\n[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.port
    );
    let (mut drains, mut syncs, mut cpus, mut peaks) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut idles, mut asked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        assert_eq!(drain(server.port, &FOLDERS), octets);
        drains.push(began.elapsed().as_secs_f64());
        let (wall, cpu, peak) = sync(dir.path(), &config);
        syncs.push(wall.as_secs_f64());
        cpus.push(cpu);
        peaks = peaks.max(peak);
        let began = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .args(["sync", "--once"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        idles.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        counters(server.port);
        asked.push(began.elapsed().as_secs_f64());
    }
    let (drained, synced) = (median(drains), median(syncs));
    let mb = octets as f64 / 1e6;
    println!("{MESSAGES} messages, {mb:.0} MB, {ROUNDS} rounds, medians");
    println!("raw drain        {drained:6.2} s");
    println!(
        "first sync       {synced:6.2} s  = {:.2} x the drain; {:.0} messages/s, {:.0} MB/s",
        synced / drained,
        MESSAGES as f64 / synced,
        mb / synced
    );
    println!(
        "  CPU {:.2} s ({:.2} s a GB), peak memory {} MB",
        median(cpus.clone()),
        median(cpus) * 1000.0 / mb,
        peaks / 1024
    );
    let idle = median(idles);
    println!("sync, no change  {idle:6.3} s  = {:.2} x the drain", idle / drained);
    let asked = median(asked);
    println!(
        "  a login and one LIST with counters {asked:6.3} s: {:.1} x, {:.0} ms more",
        idle / asked,
        (idle - asked) * 1000.0
    );
}
