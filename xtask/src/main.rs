//! Postrider's tasks: `cargo xtask TASK`. Nothing to install: this is plain Rust without
//! dependencies.

mod dovecot;
mod emulate;
mod fuzz;
mod mutants;
mod packages;
mod postgres;
mod rules;
mod supply;

use std::env;
use std::process::{Command, ExitCode};

/// The tasks and what they do, a line each.
const TASKS: &[(&str, &str)] = &[
    (
        "test",
        "run every test, what the database matters to on SQLite and on PostgreSQL; installs Dovecot and PostgreSQL (Debian and its kin) and a Gmail emulator (npm) if they are missing, starts real servers privately",
    ),
    ("check", "format, lints, documentation, licences, versions that come twice; changes nothing"),
    (
        "bench",
        "first syncs (IMAP, Gmail) against a raw drain, new mail beside a large mailbox, memory at rest; prints ratios",
    ),
    (
        "soak",
        "fresh seeds: model world, a fleet, crashes, a storm with kills, mail in any order, the fuzz: cargo xtask soak [RUNS [SECONDS [KILLS]]]",
    ),
    (
        "fuzz",
        "ask the admin API what nobody would (schemathesis, in a venv of its own): cargo xtask fuzz [SECONDS]",
    ),
    (
        "mutants",
        "break the core's rules line by line; what no test notices is shown: cargo xtask mutants [cargo-mutants' own arguments]",
    ),
    (
        "rules",
        "put the rules of feeds back, one at a time, and show what the model world notices: cargo xtask rules [SEEDS] [NAME …]",
    ),
    (
        "sizing",
        "what so many Gmail mailboxes would spend in a day; writes the table of docs/sizing.md",
    ),
    (
        "audit",
        "licences, advisories, sources of what we depend on; a build with the oldest Rust; a client of the API",
    ),
    ("dovecot", "install Dovecot for the tests, if it is missing"),
    (
        "postgres",
        "start a private PostgreSQL as the tests have it, until Ctrl-C, and print what tests want to know of it",
    ),
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match task.as_str() {
        "test" => {
            emulate::ensure();
            dovecot::ensure() && postgres::ensure() && test(&rest)
        }
        "check" => check(),
        "bench" => {
            dovecot::offer_mbsync();
            let server = postgres::ensure()
                .then(|| postgres::Server::start(&std::env::temp_dir()))
                .flatten();
            let url = server.as_ref().map_or("", |server| server.url.as_str());
            let here = (postgres::VARIABLE, url);
            dovecot::ensure()
                && cargo(
                    &[
                        "bench", "--bench", "first", "--bench", "changes", "--bench", "serve",
                        "--bench", "derive", "--bench", "gmail", "--bench", "grown", "--bench",
                        "idle", "--bench", "slots", "--bench", "streams",
                    ],
                    if url.is_empty() { &[] } else { std::slice::from_ref(&here) },
                )
        }
        "soak" => soak(&rest),
        "fuzz" => fuzz::fuzz(rest.first().map_or("120", String::as_str)),
        "mutants" => mutants::mutants(&rest),
        "rules" => rules::rules(&rest),
        "sizing" => sizing(),
        "audit" => supply::audit(),
        "dovecot" => dovecot::ensure(),
        "postgres" => postgres::ensure() && postgres::stay(),
        _ => {
            for (name, what) in TASKS {
                println!("cargo xtask {name:8} {what}");
            }
            return if task.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a command, saying so; whether it succeeded.
fn run(command: &mut Command) -> bool {
    eprintln!("$ {command:?}");
    // What cargo tells this program about itself says nothing of what is run: build scripts that look
    // at it (ring's) would run anew, and all that rests on them.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST"))
        {
            command.env_remove(name);
        }
    }
    match command.status() {
        Ok(status) => status.success(),
        Err(e) => {
            eprintln!("it cannot be run: {e}");
            false
        }
    }
}

/// Writes what the simulation prints into its document.
fn sizing() -> bool {
    const DOCUMENT: &str = "docs/sizing.md";
    const MARKS: (&str, &str) = ("<!-- sizing -->\n", "<!-- /sizing -->");
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let example = ["run", "--release", "-q", "-p", "postrider-core", "--example", "sizing"];
    let printed = match Command::new(cargo).args(example).output() {
        Ok(ran) if ran.status.success() => String::from_utf8_lossy(&ran.stdout).into_owned(),
        Ok(ran) => {
            eprintln!("{}", String::from_utf8_lossy(&ran.stderr));
            return false;
        }
        Err(e) => {
            eprintln!("cargo cannot be run: {e}");
            return false;
        }
    };
    print!("{printed}");
    let text = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    let Some((before, rest)) = text.split_once(MARKS.0) else {
        eprintln!("{DOCUMENT} has no place for it");
        return false;
    };
    let after = rest.split_once(MARKS.1).map_or("", |(_, after)| after);
    let text = format!("{before}{}{printed}{}{after}", MARKS.0, MARKS.1);
    match std::fs::write(DOCUMENT, text) {
        Ok(()) => true,
        Err(e) => {
            eprintln!("{DOCUMENT}: {e}");
            false
        }
    }
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> bool {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    run(Command::new(cargo).args(arguments).envs(variables.iter().copied()))
}

/// Makes sure that `cargo TOOL` is there; installs `cargo-TOOL` when it is missing.
fn ensure(tool: &str) -> bool {
    let installed =
        Command::new("cargo").args([tool, "--version"]).output().is_ok_and(|o| o.status.success());
    let there = installed || cargo(&["install", &format!("cargo-{tool}"), "--locked"], &[]);
    if !there {
        eprintln!("cargo-{tool} could not be installed");
    }
    there
}

/// Tests that run on PostgreSQL, too: those whose outcome rests on the database.
const ON_BOTH: [&str; 39] = [
    "damaged",
    "gc",
    "scrub",
    "integrity",
    "repair",
    "deliver",
    "events",
    "shuffled",
    "verified",
    "watched",
    "nylas_hooks",
    "nylas_webhooks",
    "rights",
    "failures",
    "contacts",
    "control",
    "sync",
    "serve",
    "edits",
    "faults",
    "crash_at_every_step",
    "derive",
    "supervision",
    "storage",
    "storm",
    "streams",
    "gmail",
    "grants",
    "jobs",
    "lists",
    "migration",
    "poison_by_death",
    "reading",
    "schedules",
    "schema",
    "search",
    "threads",
    "waits",
    "words",
];

/// With nextest where there is one, else with the runner that comes with Rust.
fn test(rest: &[String]) -> bool {
    let Some(server) = postgres::Server::start(&postgres::quick()) else { return false };
    let nextest = Command::new("cargo")
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|o| o.status.success());
    let run: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let with: &[&str] = &["--workspace", "--features", "faults"];
    let given: Vec<&str> = rest.iter().map(String::as_str).collect();
    let here = (postgres::VARIABLE, server.url.as_str());
    if !cargo(&[run, with, &given].concat(), &[here]) {
        return false;
    }
    // Whoever names tests has named all that there is to run.
    if !nextest || !given.is_empty() {
        return true;
    }
    let filter = format!("binary(it) & test(/^({})::/)", ON_BOTH.join("|"));
    let again = [run, with, &["-E", &filter]].concat();
    cargo(&again, &[here, ("POSTRIDER_TEST_STORE", "postgres")])
}

fn check() -> bool {
    cargo(&["fmt", "--all", "--", "--check"], &[])
        && cargo(
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--features",
                "faults",
                "--",
                "-D",
                "warnings",
            ],
            &[],
        )
        && cargo(
            &["doc", "--workspace", "--no-deps", "--document-private-items"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
        && supply::check()
}

/// Seeds that no run has seen: they begin at the clock, and are printed.
fn soak(rest: &[String]) -> bool {
    let clock = Command::new("date")
        .arg("+%s")
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let Ok(first) = clock else {
        eprintln!("there is no clock to take seeds from");
        return false;
    };
    let given = |n: usize, default: &'static str| rest.get(n).map_or(default, String::as_str);
    let first = first.as_str();
    let runs = given(0, "100000");
    let worlds = ["WORLD", "LIFE", "TOWN", "FEED"]
        .map(|of| [(format!("{of}_FIRST"), first), (format!("{of}_RUNS"), runs)]);
    let fleet = [("FLEET_SEED", first), ("FLEET_ACCOUNTS", "2000"), ("FLEET_DAYS", "28")];
    let worlds = worlds.iter().flatten().map(|(name, value)| (name.as_str(), *value));
    let variables: Vec<(&str, &str)> = worlds.chain(fleet).collect();
    let seed = ("POSTRIDER_TEST_SEED", first);
    let (seconds, kills) = (given(1, "600"), given(2, "20"));
    let storm = [seed, ("STORM_SECONDS", seconds), ("STORM_KILLS", kills), ("STORM_SEEDS", "1")];
    let shuffled = [("SHUFFLED_SEED", first), ("SHUFFLED_MAILS", "4000"), ("SHUFFLED_TIMES", "5")];
    let damaged = [("DAMAGED_SEED", first), ("DAMAGED_MAILS", "300"), ("DAMAGED_TIMES", "200")];
    eprintln!("seeds from {first}");
    let it = |tests: &[&str], variables: &[(&str, &str)]| {
        let test = [
            "test",
            "--features",
            "faults",
            "--test",
            "it",
            "--",
            "--nocapture",
            "--test-threads",
            "2",
        ];
        cargo(&[&test, tests].concat(), variables)
    };
    cargo(
        &["test", "--release", "-p", "postrider-core", "--test", "world", "--", "--nocapture"],
        &variables,
    ) && dovecot::ensure()
        && it(&["crash_at_every_step", "faults::", "supervision::"], &[seed])
        && it(&["storm::"], &storm)
        && it(&["shuffled::"], &shuffled)
        && it(&["damaged::"], &damaged)
        && fuzz::fuzz("180")
}
