//! `sync --once`: a run of every account, a summary, an exit code.
#![expect(clippy::disallowed_methods, reason = "signals are heard while accounts run")]

use crate::boot::claims::Claims;
use crate::boot::wiring::Engine;
use crate::cli::args::{OutputArgs, SyncArgs};
use crate::cli::check::reachable;
use crate::cli::exit::Exit;
use crate::cli::names::resolve;
use crate::cli::out::{say, say_line};
use crate::cli::progress::{Board, Painter};
use crate::cli::table::{lay_out, octets};
use crate::clock::Clock;
use crate::config::Config;
use crate::server::serve_error::ServeError;
use crate::telemetry::wire::WireLog;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use postrider_core::run::summary::Summary;
use postrider_core::standing::Outcome;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Files about a run, opened before it begins.
#[derive(Debug, Default)]
pub struct Outputs {
    wire: WireLog,
    metrics: Option<(PathBuf, PrometheusHandle)>,
}

impl Outputs {
    /// Opens the files.
    ///
    /// # Errors
    /// Usage, when one cannot be written; it has been said.
    pub fn open(args: &OutputArgs) -> Result<Self, Exit> {
        let mut outputs = Self::default();
        if let Some(file) = &args.wire_log {
            outputs.wire = WireLog::create(file).map_err(|e| {
                eprintln!("--wire-log {}: {e}", file.display());
                Exit::Usage
            })?;
        }
        if let Some(file) = &args.metrics {
            std::fs::write(file, "").map_err(|e| {
                eprintln!("--metrics {}: {e}", file.display());
                Exit::Usage
            })?;
            let handle = PrometheusBuilder::new().install_recorder().map_err(|e| {
                eprintln!("--metrics: {e}");
                Exit::Bug
            })?;
            outputs.metrics = Some((file.clone(), handle));
        }
        Ok(outputs)
    }

    /// The counters, if they are written to a file.
    pub(crate) fn recorder(&self) -> Option<PrometheusHandle> {
        self.metrics.as_ref().map(|(_, handle)| handle.clone())
    }

    /// Where commands are noted.
    pub(crate) fn wire(&self) -> WireLog {
        self.wire.clone()
    }

    pub(crate) fn write_metrics(&self) {
        if let Some((file, handle)) = &self.metrics
            && let Err(e) = std::fs::write(file, handle.render())
        {
            eprintln!("--metrics {}: {e}", file.display());
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: SyncArgs) -> Exit {
    if !args.once {
        eprintln!(
            "say `postrider sync --once`, or `postrider serve` to follow mailboxes as they change"
        );
        return Exit::Usage;
    }
    let config = match resolve(args.config.as_ref(), args.data.as_ref(), &args.direct) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match Outputs::open(&args.outputs) {
        Ok(outputs) => sync_once(&config, "sync --once", &outputs, args.adopt).await,
        Err(exit) => exit,
    }
}

/// Runs every account of the config once, shows progress, prints the summary.
pub async fn sync_once(config: &Config, purpose: &str, outputs: &Outputs, adopt: bool) -> Exit {
    // When nobody can log in, nothing is begun, and nothing is left behind.
    let refused: Vec<_> =
        config.accounts.iter().filter_map(|a| reachable(a, config).err()).collect();
    if !refused.is_empty() && refused.len() == config.accounts.len() {
        for flaw in refused {
            eprintln!("{flaw}");
        }
        return Exit::Usage;
    }
    let clock = Clock::start();
    let engine = match Engine::start(
        config,
        purpose,
        outputs.wire.clone(),
        Claims { adopt, ..Claims::default() },
    )
    .await
    {
        Ok(engine) => engine,
        Err(e) => {
            eprintln!("{e}");
            return Exit::of_start(&e);
        }
    };
    let board = Arc::new(Board::default());
    let painter = Painter::start(Arc::clone(&board));
    let ended = tokio::select! {
        ended = engine.run_once(config, board, interrupted(true)) => Ok(ended),
        who = engine.taken() => Err(who),
    };
    drop(painter);
    engine.stop().await;
    outputs.write_metrics();
    let ended = match ended {
        Ok(ended) => ended,
        Err(who) => {
            eprintln!("{}", ServeError::Taken(who));
            return Exit::InUse;
        }
    };
    match ended {
        Ok(summaries) => {
            say(&told(&summaries, clock.now().mono));
            // Where nothing was read there may be none.
            if summaries.iter().any(|(_, summary)| summary.outcome != Outcome::Failed) {
                say_line(&format!("the mirror is in {}", config.data_dir.display()));
            }
            summaries.iter().map(|(_, s)| Exit::of_run(s)).max().unwrap_or(Exit::Success)
        }
        Err(failure) => {
            eprintln!("{failure}");
            Exit::of_class(failure.class)
        }
    }
}

/// Ends at the first SIGINT or SIGTERM. `settles`: there is something to settle, and a second one
/// ends the process at once.
pub(crate) async fn interrupted(settles: bool) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let mut wait = async move || {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    };
    wait().await;
    if settles {
        eprintln!("stopping: pages in hand are settled; once more to end at once");
        tokio::spawn(async move {
            wait().await;
            std::process::exit(i32::from(Exit::Interrupted as u8));
        });
    }
}

fn told(summaries: &[(String, Summary)], took: Duration) -> String {
    let head = ["account", "outcome", "folders", "stored", "bytes", "changes", "failed", "to read"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (account, s) in summaries {
        let c = s.counts;
        rows.push(vec![
            account.clone(),
            s.outcome.as_str().to_owned(),
            c.folders.to_string(),
            c.stored.to_string(),
            octets(c.octets),
            c.facts.to_string(),
            c.failed.to_string(),
            c.remaining.to_string(),
        ]);
    }
    let mut out = lay_out(&rows);
    for (account, s) in summaries {
        if let Some(failure) = &s.failure {
            out.push_str(&format!("{account}: {failure}\n"));
        }
        for wait in &s.waits {
            out.push_str(&format!("{account}: in a while, {wait}\n"));
        }
        for left in &s.left {
            out.push_str(&format!("{account}: {left}\n"));
        }
    }
    let stored: u64 = summaries.iter().map(|(_, s)| s.counts.stored).sum();
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    out.push_str(&format!("{stored} messages in {}.{:03} s\n", millis / 1000, millis % 1000));
    out
}
