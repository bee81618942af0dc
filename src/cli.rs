//! The commands.

pub mod args;
mod audit;
mod auth;
mod check;
pub(crate) mod client;
mod events;
pub(crate) mod exit;
mod export;
mod failures;
mod gc;
mod job_end;
mod jobs;
mod looking;
pub(crate) mod names;
mod offline;
pub(crate) mod out;
mod patience;
mod progress;
mod purge;
mod reindex;
mod search;
pub(crate) mod serve;
mod show;
mod status;
mod subscribers;
pub(crate) mod sync;
pub(crate) mod table;
mod verbs;
mod verify;
mod when;

use crate::cli::out::{say, say_line};
use args::{Cli, Verb};
use clap::Parser;
pub use exit::Exit;

/// The repository's config.toml.
const EXAMPLE: &str = include_str!("../config.toml");

/// Reads the arguments and runs the command; `demo` is the one that stands above this module.
pub async fn run(demo: impl AsyncFnOnce(args::DemoArgs) -> Exit) -> Exit {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Verb::Serve(args) => Box::pin(serve::run(args)).await,
            Verb::Status(args) => status::run(args).await,
            Verb::Accounts(args) => status::accounts(args).await,
            Verb::Ask(asked) => verbs::run(asked.verb.name, asked.args).await,
            Verb::SyncNow(args) => verbs::sync_now(args).await,
            Verb::Search(args) => search::run(args).await,
            Verb::Show(args) => show::run(args).await,
            Verb::Reindex(args) => reindex::run(args).await,
            Verb::Failures(args) => failures::run(args).await,
            Verb::Jobs(args) => jobs::run(args).await,
            Verb::Subscribers(args) => subscribers::run(args).await,
            Verb::Events(args) => events::run(args).await,
            Verb::Audit(args) => audit::run(args).await,
            Verb::Account(args) => purge::run(args).await,
            Verb::Auth(args) => auth::run(args).await,
            Verb::Sync(args) => sync::run(args).await,
            Verb::Demo(args) => demo(args).await,
            Verb::Export(args) => export::run(args).await,
            Verb::Verify(args) => verify::run(args).await,
            Verb::Check(args) => check::run(args).await,
            Verb::Gc(args) => gc::run(args).await,
            Verb::ConfigExample => {
                say(EXAMPLE);
                Exit::Success
            }
            Verb::Faults => {
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

pub use sync::{Outputs, sync_once};
