//! A first sync beside what bounds it and beside mbsync, on one Dovecot in one run: medians and
//! ratios, never a verdict.
//!
//! The bounds are clients that mirror nothing: a raw drain (one connection, all commands pipelined,
//! bytes thrown away), the same on two, and drains that hash each mail and make it durable, through
//! the page cache and past it. `FIRST_ROUNDS` says how often (5), `FIRST_ONLY` which mailboxes (big,
//! small, folders, many, users, tls, far), `FIRST_WITHOUT=mbsync` leaves out what takes longest.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../../tests/it/support/database.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod database;
#[path = "../../tests/it/support/dovecot.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod dovecot;
mod drain;
mod far;
mod mailboxes;
mod mbsync;
mod measure;
#[path = "../../tests/it/support/pgway.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod pgway;
#[path = "../../tests/it/support/ports.rs"]
mod ports;
mod postgres;

use dovecot::{Dovecot, Traits};
use mailboxes::{Line, MAILBOXES, Mailbox};
use measure::{Cost, median};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Every user's password.
const PASSWORD: &str = "pw";

/// Runs something once in an empty folder; `None` where it is not here.
type Run = Box<dyn Fn(&Path) -> Option<Cost>>;

/// What is measured, in the order of its rounds.
struct Program {
    name: &'static str,
    run: Run,
}

fn config(mailbox: &Mailbox, server: &Dovecot, port: u16, sessions: usize) -> String {
    let mut text = format!(
        "[telemetry]\nlog = \"error\"\n[limits]\nlogins_per_second = 1000\nsessions_per_account = {sessions}\n"
    );
    let tls = match mailbox.line {
        Line::Tls => format!("tls = \"implicit\"\nca_file = \"{}\"\n", server.file("cert.pem")),
        Line::Plain | Line::Far => "tls = \"none\"\n".to_owned(),
    };
    for user in mailbox.users() {
        text += &format!(
            "[[account]]\nid = \"{user}\"\nhost = \"127.0.0.1\"\nport = {port}\n{tls}username = \"{user}\"\npassword = \"{PASSWORD}\"\n"
        );
    }
    text
}

fn programs(mailbox: &'static Mailbox, server: &Dovecot) -> Vec<Program> {
    let mut all = Vec::new();
    let port = match mailbox.line {
        Line::Plain => server.port,
        Line::Tls => server.tls_port,
        Line::Far => far::lines_to(server.port),
    };
    let drains = [
        ("raw drain, one connection", 1, "discard"),
        ("raw drain, two connections", 2, "discard"),
        ("drain, hashed and durable (page cache)", 1, "cache"),
        ("drain, hashed and durable (O_DIRECT)", 1, "direct"),
    ];
    for (name, connections, how) in drains {
        let args = drain::args(mailbox, server, port, connections, how);
        let run = move |dir: &Path| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            Some(measure::run(command.args(&args).current_dir(dir)))
        };
        all.push(Program { name, run: Box::new(run) });
    }
    for (name, sessions) in [("**Postrider**", 2), ("Postrider, one session an account", 1)] {
        let text = config(mailbox, server, port, sessions);
        let run = move |dir: &Path| {
            fs::write(dir.join("config.toml"), &text).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
            let cost = measure::run(command.args(["sync", "--once"]).current_dir(dir));
            let rows = dir.join("data/postrider.db");
            let wal = dir.join("data/postrider.db-wal");
            let length = |path: &Path| fs::metadata(path).map_or(0, |m| m.len());
            Some(Cost { database: length(&rows) + length(&wal), ..cost })
        };
        all.push(Program { name, run: Box::new(run) });
    }
    all.extend(postgres::programs(&config(mailbox, server, port, 2)));
    let without = std::env::var("FIRST_WITHOUT").unwrap_or_default();
    if mailbox.line == Line::Plain && without != "mbsync" {
        for (name, compress) in [("mbsync", false), ("mbsync with COMPRESS", true)] {
            let run = move |dir: &Path| mbsync::run(dir, port, mailbox, compress);
            all.push(Program { name, run: Box::new(run) });
        }
    }
    all
}

/// The table of one mailbox.
fn compare(mailbox: &'static Mailbox, rounds: usize) {
    let server = Dovecot::start_with(Traits { compress: true, ..Traits::default() });
    let octets = mailbox.fill(&server);
    let programs = programs(mailbox, &server);
    // What the server makes of its own at the first look is not measured.
    let dir = tempfile::tempdir().unwrap();
    (programs[0].run)(dir.path()).unwrap();
    let mut costs: Vec<Vec<Cost>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (program, costs) in programs.iter().zip(&mut costs) {
            let dir = tempfile::tempdir().unwrap();
            costs.extend((program.run)(dir.path()));
        }
    }
    let mb = octets as f64 / 1e6;
    let count = mailbox.messages();
    println!("\n{}: {count} messages, {mb:.0} MB, medians of {rounds}\n", mailbox.title);
    println!(
        "| | s (least to most) | × drain | messages/s | MB/s | CPU s | PostgreSQL's cores | peak MB | written MB |\n|---|---|---|---|---|---|---|---|---|"
    );
    let of = |costs: &[Cost], what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
    let drained = of(&costs[0], |cost| cost.wall);
    for (program, costs) in programs.iter().zip(&costs) {
        if costs.is_empty() {
            println!("| {} | not installed | | | | | | | |", program.name);
            continue;
        }
        let wall = of(costs, |cost| cost.wall);
        let walls = || costs.iter().map(|cost| cost.wall);
        let (least, most) = (walls().fold(f64::MAX, f64::min), walls().fold(0.0, f64::max));
        let database = of(costs, |cost| cost.database as f64 / 1e6);
        let database =
            if database > 0.0 { format!(" (database {database:.1})") } else { String::new() };
        println!(
            "| {} | {wall:.3} ({least:.3}–{most:.3}) | {:.2} | {:.0} | {:.0} | {:.2} | {:.2} | {:.0} | {:.1}{database} |",
            program.name,
            wall / drained,
            count as f64 / wall,
            mb / wall,
            of(costs, |cost| cost.cpu),
            of(costs, |cost| cost.backend / cost.wall),
            of(costs, |cost| cost.peak as f64 / 1024.0),
            of(costs, |cost| cost.written as f64 / 1e6),
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == drain::WORD) {
        return drain::main(&args[1..]);
    }
    let rounds = std::env::var("FIRST_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let only = std::env::var("FIRST_ONLY").ok();
    for mailbox in MAILBOXES {
        if only.as_ref().is_none_or(|only| only.split(',').any(|name| name == mailbox.name)) {
            compare(mailbox, rounds);
        }
    }
}
