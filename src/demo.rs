//! The demo: a built-in mailbox on loopback that lives, followed over real TCP.
#![expect(clippy::disallowed_methods, reason = "the demo's mailbox lives at its own pace")]

mod screen;
mod stage;

use crate::admin::token;
use crate::bodies::disk::{RealDisk, make_dir};
use crate::boot::claims::Claims;
use crate::cli::args::DemoArgs;
use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::names::start_log;
use crate::cli::out::say_line;
use crate::cli::serve::{at_once, ended};
use crate::cli::sync::{Outputs, sync_once};
use crate::config::validate::without_file;
use crate::config::{Config, variables};
use crate::demo::stage::{DemoMailbox, PULSE};
use crate::server::serve::{RunningServer, ServerStart, recorder};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Runs the command.
pub async fn run(args: DemoArgs) -> Exit {
    if let Some(open) = args.listen.filter(|address| !address.ip().is_loopback()) {
        eprintln!(
            "--listen {open}: the demo's API has no TLS; choose an address of loopback, like 127.0.0.1:8025"
        );
        return Exit::Usage;
    }
    let data = args.folder();
    let named = variables().map(|(name, _)| name).filter(|name| name.starts_with("POSTRIDER_"));
    let named: Vec<String> = named.collect();
    if !named.is_empty() {
        eprintln!(
            "the demo takes no settings ({} stays unused): its mirror is in {}, on SQLite",
            named.join(", "),
            data.display()
        );
    }
    let mut stage = match (args.gmail, args.nylas) {
        (true, _) => DemoMailbox::gmail(),
        (_, true) => DemoMailbox::nylas(),
        _ => DemoMailbox::imap(),
    };
    let mut diary = match Diary::open(&data) {
        Ok(diary) => diary,
        Err(e) => {
            eprintln!("{}: {e}", data.display());
            return Exit::Storage;
        }
    };
    // What happened before the last stop has happened.
    for unix in &diary.past {
        stage.step(*unix);
    }
    let (port, _server) = match stage.serve().await {
        Ok(served) => served,
        Err(e) => {
            eprintln!("the demo's mail server cannot listen on 127.0.0.1: {e}");
            return Exit::Network;
        }
    };
    let config = config(&data, &stage, port);
    if args.once {
        return once(&args, &config).await;
    }
    let living = tokio::spawn(async move { live(&mut stage, &mut diary).await });
    let exit = Box::pin(follow(args, config)).await;
    living.abort();
    exit
}

async fn live(stage: &mut DemoMailbox, diary: &mut Diary) {
    loop {
        tokio::time::sleep(PULSE).await;
        match diary.note() {
            Ok(unix) => stage.step(unix),
            Err(e) => {
                eprintln!("the demo's diary cannot be written, nothing more happens: {e}");
                return;
            }
        }
    }
}

fn config(data: &Path, stage: &DemoMailbox, port: u16) -> Config {
    let mut config = without_file(data);
    config.accounts.push(stage.account(port));
    config
}

async fn once(args: &DemoArgs, config: &Config) -> Exit {
    let outputs = match Outputs::open(&args.outputs) {
        Ok(outputs) => outputs,
        Err(exit) => return exit,
    };
    let exit = sync_once(config, "demo", &outputs, false).await;
    if matches!(exit, Exit::Success | Exit::Partial) {
        say_line(&look_at(&args.folder()));
    }
    exit
}

fn look_at(data: &Path) -> String {
    let data = data.display();
    format!(
        "look at it: postrider export demo --data {data}, postrider verify demo --offline --data {data}"
    )
}

/// Follows the mailbox until a signal, showing a table.
async fn follow(args: DemoArgs, mut config: Config) -> Exit {
    let outputs = match Outputs::open(&args.outputs) {
        Ok(outputs) => outputs,
        Err(exit) => return exit,
    };
    if let Err(exit) = start_log(&config) {
        return exit;
    }
    config.admin.listen = args.listen.unwrap_or_else(free);
    let metrics = match outputs.recorder().map_or_else(recorder, Ok) {
        Ok(metrics) => metrics,
        Err(e) => {
            eprintln!("counters cannot be kept: {e}");
            return Exit::Bug;
        }
    };
    let data = args.folder();
    let start = ServerStart {
        config,
        file: None,
        purpose: "demo",
        wire: outputs.wire(),
        claims: Claims::default(),
    };
    let server = match RunningServer::start(start, metrics).await {
        Ok(server) => server,
        Err(e) => return ended(Err(e)),
    };
    let token = token::own(&data).unwrap_or_default();
    say_line(&screen::where_to_look(server.url(), &data));
    // An API tells nobody by itself: what it has is asked for after each thing that happens.
    let asker = Client::near(server.url(), token.clone())
        .filter(|_| args.gmail || args.nylas)
        .map(|client| tokio::spawn(stage::ask_on(client)));
    let painter =
        Client::near(server.url(), token).map(|client| tokio::spawn(screen::draw(client)));
    let exit = ended(server.run(at_once).await);
    for helper in [painter, asker].into_iter().flatten() {
        helper.abort();
    }
    outputs.write_metrics();
    if exit == Exit::Success {
        say_line(&format!(
            "stopped; the mirror is in {}, and the demo goes on from there\n{}",
            data.display(),
            look_at(&data)
        ));
    }
    exit
}

/// The usual address, or a free port beside it when another server has it.
fn free() -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], 8025));
    match std::net::TcpListener::bind(usual) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            eprintln!(
                "port 8025 is taken: the admin API listens on a free port, which is told below"
            );
            SocketAddr::new(usual.ip(), 0)
        }
        Ok(_) | Err(_) => usual,
    }
}

/// When something happened: the mailbox itself is in memory, and lives again through this.
struct Diary {
    file: File,
    past: Vec<i64>,
}

impl Diary {
    fn open(data: &Path) -> io::Result<Self> {
        make_dir(&RealDisk, data)?;
        let path = data.join("life");
        let text = match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        // A last line that was cut off has not happened.
        let whole = text.rfind('\n').map_or("", |end| text.get(..=end).unwrap_or_default());
        let past = whole.lines().filter_map(|line| line.parse().ok()).collect();
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        file.set_len(u64::try_from(whole.len()).unwrap_or(0))?;
        Ok(Self { file, past })
    }

    /// Something happens now: noted before it does, so that a mirror never knows more than the
    /// diary.
    fn note(&mut self) -> io::Result<i64> {
        let now = crate::clock::Clock::start().now().wall.0 / 1_000_000;
        writeln!(self.file, "{now}")?;
        self.file.sync_data()?;
        Ok(now)
    }
}
