//! The commands.

pub mod args;
mod check;
pub(crate) mod client;
mod events;
mod exit;
mod export;
mod names;
mod offline;
pub(crate) mod out;
mod progress;
mod purge;
pub(crate) mod serve;
mod status;
mod sync;
pub(crate) mod table;
mod verbs;
mod verify;

use crate::cli::out::{say, say_line};
use args::{Cli, Command};
use clap::Parser;
pub use exit::Exit;

/// The repository's config.toml.
const EXAMPLE: &str = include_str!("../config.toml");

/// Reads the arguments and runs the command.
pub async fn run() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Serve(args) => serve::run(args).await,
            Command::Status(args) => status::run(args).await,
            Command::Accounts(args) => status::accounts(args).await,
            Command::Pause(args) => verbs::run("pause", args).await,
            Command::Resume(args) => verbs::run("resume", args).await,
            Command::Cancel(args) => verbs::run("cancel", args).await,
            Command::ResetErrors(args) => verbs::run("reset-errors", args).await,
            Command::SyncNow(args) => verbs::sync_now(args).await,
            Command::Failures(args) => verbs::failures(args).await,
            Command::Events(args) => events::run(args).await,
            Command::Account(args) => purge::run(args).await,
            Command::Sync(args) => sync::run(args).await,
            Command::Demo(args) => crate::demo::run(args).await,
            Command::Export(args) => export::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Check(args) => check::run(args).await,
            Command::ConfigExample => {
                say(EXAMPLE);
                Exit::Success
            }
            Command::Faults => {
                for point in crate::fault::POINTS {
                    say_line(point);
                }
                Exit::Success
            }
        },
        Err(e) if e.use_stderr() => {
            eprint!("{e}");
            Exit::Usage
        }
        Err(e) => {
            say(&e.to_string());
            Exit::Success
        }
    }
}

pub(crate) use names::{start_log, variables, without_file};
pub use sync::{Outputs, sync_once};
