//! What can be written behind `postrider`.

mod events;
mod failures;
mod jobs;
mod mail;
mod server;
mod subscribers;

pub use events::EventsArgs;
pub use failures::{DiscardArgs, FailureArgs, FailureKind, FailureVerb, FailuresArgs, RetryArgs};
pub use jobs::{AddArgs, CancelArgs, JobArgs, JobVerbs, JobsArgs};
pub use mail::{SearchArgs, ShowArgs};
pub use server::{ClientArgs, GcArgs};
pub use subscribers::{
    DeliveriesArgs, ReplayArgs, SkipArgs, SubscriberArgs, SubscriberVerb, SubscribersArgs,
};

use crate::admin::verbs::{VERBS, VerbRow, verb_named};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Version and commit of this program.
pub(super) const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");

/// An always-on email sync server: a faithful, provable mirror of every mailbox in a database you
/// own.
#[derive(Debug, Parser)]
#[command(name = "postrider", version = VERSION, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Verb,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Follow every account of a config until stopped.
    Serve(ServeArgs),
    /// Follow a built-in mailbox that lives: no account anywhere is needed.
    Demo(DemoArgs),
    /// Mirror every account once and end.
    Sync(SyncArgs),
    /// Show what every account is doing.
    Status(StatusArgs),
    /// List the accounts, also those that the config no longer names.
    Accounts(ClientArgs),
    /// A verb of the table.
    #[command(flatten)]
    Ask(AskedVerb),
    /// The one that can be waited for.
    #[command(about = verb_named("sync-now").map(|verb| verb.help), long_about = None)]
    SyncNow(SyncNowArgs),
    /// Find stored messages, newest first
    Search(SearchArgs),
    /// Show a message
    Show(ShowArgs),
    /// Read stored mail anew into tables: snippets, attachments, threads
    Reindex(ReindexArgs),
    /// Show what could not be done, why, and when it is tried again; try it now, or leave it out.
    Failures(FailuresArgs),
    /// Show what somebody asked for, and what has come of it; ask for more, or take it back.
    Jobs(JobsArgs),
    /// Print events, a JSON object a line.
    Events(EventsArgs),
    /// Show who is given events as they come, and how each stands; give one a test, go on, or pass over something.
    Subscribers(SubscribersArgs),
    /// Show who has had what done: pauses, jobs, purges, and what was refused.
    Audit(AuditArgs),
    /// Delete an account that the config no longer names.
    Account(RowsArgs),
    /// Grant access to a mailbox by OAuth2, and see what was granted.
    Auth(AuthArgs),
    /// Write a mirror out: a manifest, or a file for each message.
    Export(ExportArgs),
    /// Compare a mirror with its server, and every body with its hash.
    Verify(VerifyArgs),
    /// Delete what is kept no longer now; a running server does it once a day.
    Gc(GcArgs),
    /// Check the config, then each account's login and folder list.
    Check(CheckArgs),
    /// Print a config to begin with.
    ConfigExample,
    /// Print the names of the fault points (test builds abort there).
    #[command(hide = true)]
    Faults,
}

/// `serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The config file; watched while serving.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    pub config: PathBuf,
    /// Only look: the admin API over any copy of a mirror; no login, nothing written.
    #[arg(long, conflicts_with = "adopt")]
    pub no_sync: bool,
    /// Make a copy a mirror of its own (once, after moving or restoring data).
    #[arg(long)]
    pub adopt: bool,
    /// Take the PostgreSQL database from whoever has it on another machine; what that one still sends is refused.
    #[arg(long, conflicts_with = "no_sync")]
    pub take_over: bool,
    /// Write every command that is sent, secrets cut.
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
}

/// `status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Everything about this one: since when, why, what happens next, what to do.
    pub account: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Show it again every two seconds.
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// Say nothing while a server runs and is ready; else why not, and exit 5 (for containers).
    #[arg(long, conflicts_with_all = ["json", "watch", "account"])]
    pub check: bool,
}

/// A verb of the table that takes nothing but an account.
#[derive(Clone, Debug)]
pub struct AskedVerb {
    /// Which.
    pub verb: &'static VerbRow,
    /// Of whom.
    pub args: VerbArgs,
}

/// The verbs that need no arguments of their own.
fn plain() -> impl Iterator<Item = &'static VerbRow> {
    VERBS.iter().filter(|verb| verb.name != "sync-now")
}

impl FromArgMatches for AskedVerb {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let asked = matches.subcommand();
        let found =
            asked.and_then(|(name, args)| Some((plain().find(|verb| verb.name == name)?, args)));
        let (verb, args) = found.ok_or_else(|| clap::Error::new(ErrorKind::InvalidSubcommand))?;
        Ok(Self { verb, args: VerbArgs::from_arg_matches(args)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for AskedVerb {
    fn augment_subcommands(cli: clap::Command) -> clap::Command {
        let command = |verb: &VerbRow| {
            VerbArgs::augment_args(clap::Command::new(verb.name)).about(verb.help).long_about(None)
        };
        plain().fold(cli, |cli, verb| cli.subcommand(command(verb)))
    }

    fn augment_subcommands_for_update(cli: clap::Command) -> clap::Command {
        Self::augment_subcommands(cli)
    }

    fn has_subcommand(name: &str) -> bool {
        plain().any(|verb| verb.name == name)
    }
}

/// One account, or many
#[derive(Clone, Debug, Args)]
pub struct WhoseArgs {
    /// The account's id.
    #[arg(required_unless_present_any = ["owner", "all"])]
    pub account: Option<String>,
    /// All of this owner's accounts.
    #[arg(long, conflicts_with_all = ["account", "all"])]
    pub owner: Option<String>,
    /// All accounts.
    #[arg(long, conflicts_with = "account")]
    pub all: bool,
}

/// The verbs of the table
#[derive(Clone, Debug, Args)]
pub struct VerbArgs {
    /// Of whom.
    #[command(flatten)]
    pub whose: WhoseArgs,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `sync-now`
#[derive(Clone, Debug, Args)]
pub struct SyncNowArgs {
    /// Of whom.
    #[command(flatten)]
    pub whose: WhoseArgs,
    /// Wait until it is done (of one account; `POST /v1/sync` waits for many).
    #[arg(long, conflicts_with_all = ["owner", "all"])]
    pub wait: bool,
    /// Seconds that it is waited for at most.
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 600)]
    pub timeout: u64,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `reindex`
#[derive(Clone, Debug, Args)]
pub struct ReindexArgs {
    /// The account's id; all accounts, if none is named.
    pub account: Option<String>,
    /// Wait until everything is read.
    #[arg(long)]
    pub wait: bool,
    /// Seconds that it is waited for at most.
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 3600)]
    pub timeout: u64,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `audit`
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// Only about this: an account's id, a job's or a failure's number.
    pub what: Option<String>,
    /// Only by the token of this name.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Only about this owner's accounts.
    #[arg(long)]
    pub owner: Option<String>,
    /// So many of them, the newest.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `account`
#[derive(Clone, Debug, Args)]
pub struct RowsArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub verb: AccountVerb,
}

/// `account …`
#[derive(Clone, Debug, Subcommand)]
pub enum AccountVerb {
    /// Delete every row of an account that the config no longer names, and its mail. There is no
    /// way back.
    Purge(PurgeArgs),
}

/// `account purge`
#[derive(Clone, Debug, Args)]
pub struct PurgeArgs {
    /// The id it had.
    pub account: String,
    /// Yes, delete it.
    #[arg(long)]
    pub yes: bool,
    /// Which server, or (while none runs) which data.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `auth`
#[derive(Clone, Debug, Args)]
pub struct AuthArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: AuthVerb,
}

/// `auth …`
#[derive(Clone, Debug, Subcommand)]
pub enum AuthVerb {
    /// Grant access to an account's mailbox, in a browser.
    Login(LoginArgs),
    /// Show how each account logs in: kind, expiry, scopes, what went wrong last.
    Status(ClientArgs),
    /// Seal every token, and what webhooks sign with, with another key (while no server runs).
    RotateKey(RotateArgs),
}

/// `auth rotate-key`
#[derive(Clone, Debug, Args)]
pub struct RotateArgs {
    /// The new key: 32 octets in base64.
    #[arg(long, value_name = "FILE")]
    pub new_key_file: PathBuf,
    /// Which data.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `auth login`
#[derive(Clone, Debug, Args)]
pub struct LoginArgs {
    /// Its id in the config.
    pub account: String,
    /// The browser is on another machine: paste the address that it ends at.
    #[arg(long)]
    pub paste: bool,
    /// Access is granted on any other device, by a code that is entered there (Microsoft).
    #[arg(long, conflicts_with = "paste")]
    pub device: bool,
    /// Who grants access may read the account's mailbox, which is another's.
    #[arg(long)]
    pub delegate: bool,
    /// Which server, or (while none runs) which data.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// A mailbox without a config.
#[derive(Clone, Debug, Args)]
pub struct Direct {
    /// A mailbox without a config: `imaps://user@host:port` (the port may be left out), or
    /// `imap://` (plain on loopback, STARTTLS elsewhere).
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub imap: Option<String>,
    /// The environment variable that holds its password.
    #[arg(long, value_name = "VAR", requires = "imap")]
    pub password_env: Option<String>,
}

/// `sync`
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Run once and end (`postrider serve` follows).
    #[arg(long)]
    pub once: bool,
    /// Make a copy a mirror of its own (once, after moving or restoring data).
    #[arg(long)]
    pub adopt: bool,
    /// The config file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A mailbox without a config.
    #[command(flatten)]
    pub direct: Direct,
    /// The data folder, without a config.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub data: Option<PathBuf>,
    /// Files about the run.
    #[command(flatten)]
    pub outputs: OutputArgs,
}

/// Files about a run.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Write every command that is sent, secrets cut.
    #[arg(long, value_name = "FILE")]
    pub wire_log: Option<PathBuf>,
    /// Write counters as Prometheus text at the end.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Sync once and end, instead of following.
    #[arg(long)]
    pub once: bool,
    /// Where the admin API listens, on loopback [default: 127.0.0.1:8025, or a free port when that
    /// is taken].
    #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
    pub listen: Option<std::net::SocketAddr>,
    /// A mailbox of Gmail's API, instead of IMAP's.
    #[arg(long)]
    pub gmail: bool,
    /// A mailbox behind Nylas, instead of IMAP's.
    #[arg(long, conflicts_with = "gmail")]
    pub nylas: bool,
    /// The data folder [default: demo-data, or demo-gmail, or demo-nylas].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Files about the run.
    #[command(flatten)]
    pub outputs: OutputArgs,
}

impl DemoArgs {
    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let usual = match (self.gmail, self.nylas) {
            (true, _) => "demo-gmail",
            (_, true) => "demo-nylas",
            _ => "demo-data",
        };
        self.data.clone().unwrap_or_else(|| usual.into())
    }
}

/// Where a mirror lies.
#[derive(Clone, Debug, Args)]
pub struct Mirror {
    /// The config file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder, without a config (default: data).
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub data: Option<PathBuf>,
}

/// How a mirror is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A line for each living location: folder, SHA-256, flags.
    Manifest,
    /// A file for each living location.
    Eml,
}

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The account's id.
    pub account: String,
    /// Manifest lines to stdout, or files.
    #[arg(long, value_enum, default_value = "manifest")]
    pub format: ExportFormat,
    /// Where files go.
    #[arg(long, value_name = "DIR", required_if_eq("format", "eml"))]
    pub out: Option<PathBuf>,
    /// What the server has deleted and we still hold.
    #[arg(long)]
    pub deleted: bool,
    /// Where the mirror lies.
    #[command(flatten)]
    pub mirror: Mirror,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The account's id.
    #[arg(required_unless_present = "all")]
    pub account: Option<String>,
    /// Every account, and what is of none: counters, numbers of events, rows of accounts that are not there.
    #[arg(long, conflicts_with = "account")]
    pub all: bool,
    /// Without the server: bodies, references, and what is derived.
    #[arg(long)]
    pub offline: bool,
    /// Only the mirror: what is derived of it (threads, contacts, files, words) is not looked at.
    #[arg(long)]
    pub mirror_only: bool,
    /// Have the server that runs set right what is damaged: bodies are read again before that is believed, and then from the
    /// mail server; counts and references are those of the rows.
    #[arg(long, conflicts_with_all = ["offline", "mirror_only"])]
    pub repair: bool,
    /// Of bodies that cannot be read at all, and of very many, give up what is here, too.
    #[arg(long, requires = "repair")]
    pub yes: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Where the mirror lies.
    #[command(flatten)]
    pub mirror: Mirror,
    /// The mailbox, without a config.
    #[command(flatten)]
    pub direct: Direct,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Only this account (its id in the config).
    #[arg(value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// The config file.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    pub config: PathBuf,
    /// Do not log in anywhere.
    #[arg(long)]
    pub offline: bool,
    /// A JSON object a line: one for the config, then one for each account.
    #[arg(long)]
    pub json: bool,
}
