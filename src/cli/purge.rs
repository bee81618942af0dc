//! `account purge`: through the server if one runs, else with the data folder's lock in hand.

use crate::boot::claims::Claims;
use crate::boot::wiring::Engine;
use crate::cli::args::{AccountVerb, PurgeArgs, RowsArgs};
use crate::cli::client::{CallError, Client, config_of, exit_of, in_path};
use crate::cli::exit::Exit;
use crate::cli::out::say_line;
use crate::cli::patience::opened;
use crate::cli::table::octets;
use crate::config::Config;
use crate::store::orders::Control;
use crate::store::{Done, OpenError};
use crate::telemetry::wire::WireLog;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// Longest time of a purge without a server.
const PURGE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Runs the command.
pub(super) async fn run(args: RowsArgs) -> Exit {
    let AccountVerb::Purge(args) = args.verb;
    let config = match config_of(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if !args.yes {
        eprintln!(
            "this deletes every row and all mail of {} here, for good; say --yes to do it",
            args.account
        );
        return Exit::Usage;
    }
    match Client::of(&config) {
        Ok(client) => {
            let path = format!("/v1/accounts/{}/purge", in_path(&args.account));
            match client.call(Method::POST, &path, &[]).await {
                Ok(told) => {
                    tell(&args, told.get("freed").and_then(Value::as_u64).unwrap_or(0));
                    Exit::Success
                }
                Err(trouble) => exit_of(trouble, &config),
            }
        }
        Err(CallError::NoServer) => alone(&args, &config).await,
        Err(trouble) => exit_of(trouble, &config),
    }
}

fn tell(args: &PurgeArgs, freed: u64) {
    say_line(&format!("{}: purged; {} of bodies given back", args.account, octets(freed)));
}

async fn alone(args: &PurgeArgs, config: &Config) -> Exit {
    if config.accounts.iter().any(|a| a.id == args.account || a.was.as_ref() == Some(&args.account))
    {
        eprintln!("the config names {}: take it out there first", args.account);
        return Exit::Usage;
    }
    match opened(config).await {
        Ok(db) => db.close().await,
        Err(OpenError::Missing(place)) => {
            eprintln!("there is no database at {place}");
            return Exit::Usage;
        }
        // Whoever writes says what it is.
        Err(_) => {}
    }
    let engine =
        match Engine::start(config, "account purge", WireLog::default(), Claims::default()).await {
            Ok(engine) => engine,
            Err(e) => {
                eprintln!("{e}");
                return Exit::of_start(&e);
            }
        };
    let control = Control::Purge { account: args.account.clone() };
    let purged = engine.switchboard().control(control, PURGE_TIMEOUT).await;
    let exit = match purged {
        Ok(Done::Missing) => {
            eprintln!("there is no account {} in {}", args.account, config.data_dir.display());
            Exit::Usage
        }
        Ok(Done::Changed | Done::Same | Done::Taken) => {
            match crate::server::operator::unlink(engine.packs(), engine.reader()).await {
                Ok(freed) => {
                    tell(args, freed);
                    Exit::Success
                }
                Err(failure) => {
                    eprintln!("{failure}");
                    Exit::of_class(failure.class)
                }
            }
        }
        Err(failure) => {
            eprintln!("{failure}");
            Exit::of_class(failure.class)
        }
    };
    engine.stop().await;
    exit
}
