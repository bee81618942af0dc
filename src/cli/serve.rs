//! `serve`.

use crate::admin::token::Tokens;
use crate::boot::claims::Claims;
use crate::cli::args::{ServeArgs, VERSION};
use crate::cli::exit::Exit;
use crate::cli::names::from_file;
use crate::cli::sync::interrupted;
use crate::config::Place;
use crate::server::no_sync::look;
use crate::server::serve::{RunningServer, ServerStart, recorder};
use crate::server::serve_error::ServeError;
use crate::telemetry::wire::WireLog;

/// Runs the command.
pub(super) async fn run(args: ServeArgs) -> Exit {
    let config = match from_file(&args.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let metrics = match recorder() {
        Ok(metrics) => metrics,
        Err(e) => {
            eprintln!("counters cannot be kept: {e}");
            return Exit::Bug;
        }
    };
    if args.no_sync {
        let listening = |url: &str| {
            tracing::info!("looking only: the admin API is at {url}, nothing is synced")
        };
        let looked = match Tokens::open(&config.data_dir) {
            Ok(tokens) => look(&config, tokens, metrics, listening, interrupted(true)).await,
            Err(why) => Err(why.into()),
        };
        return ended(looked);
    }
    let wire = match args
        .wire_log
        .as_ref()
        .map(|file| WireLog::create(file).map_err(|e| (file, e)))
        .transpose()
    {
        Ok(wire) => wire.unwrap_or_default(),
        Err((file, e)) => {
            eprintln!("--wire-log {}: {e}", file.display());
            return Exit::Usage;
        }
    };
    let claims = Claims { adopt: args.adopt, take_over: args.take_over };
    if let (true, Place::File(file)) = (claims.take_over, &config.database) {
        eprintln!(
            "--take-over is for a database of PostgreSQL's; {} is a file, and who has its folder is on this machine: stop that one",
            file.display()
        );
        return Exit::Usage;
    }
    let data = config.data_dir.display().to_string();
    let accounts = config.accounts.len();
    let start = ServerStart { config, file: Some(args.config), purpose: "serve", wire, claims };
    match RunningServer::start(start, metrics).await {
        Ok(server) => {
            tracing::info!(
                "postrider {VERSION} on {data}: {accounts} account(s); the admin API is at {}, its token in {data}/admin.token",
                server.url()
            );
            ended(server.run(at_once).await)
        }
        Err(e) => ended(Err(e)),
    }
}

/// The second signal.
pub(crate) fn at_once() {
    std::process::exit(i32::from(Exit::Interrupted as u8));
}

/// How a server's end ends the process.
pub(crate) fn ended(ended: Result<(), ServeError>) -> Exit {
    let Err(e) = ended else { return Exit::Success };
    eprintln!("{e}");
    match &e {
        ServeError::Start(e) => Exit::of_start(e),
        ServeError::Config(_)
        | ServeError::Token(_)
        | ServeError::Tls(_)
        | ServeError::Listen { .. } => Exit::Usage,
        ServeError::System { .. } => Exit::Storage,
        ServeError::Stopped => Exit::Interrupted,
        ServeError::Taken(_) => Exit::InUse,
        ServeError::Ended => Exit::Bug,
    }
}
