//! What can be written behind `postrider`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// An always-on email sync server: a faithful, provable mirror of every mailbox in a database you own.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Mirror every account once and end.
    Sync(SyncArgs),
    /// Mirror a built-in mailbox: no account anywhere is needed.
    Demo(DemoArgs),
    /// Write a mirror out: a manifest, or a file for each message.
    Export(ExportArgs),
    /// Compare a mirror with its server, and every body with its hash.
    Verify(VerifyArgs),
    /// Check the config, then each account's login and folder list.
    Check(CheckArgs),
    /// Print a config to begin with.
    ConfigExample,
    /// Print the names of the fault points (test builds abort there).
    Faults,
}

/// A mailbox without a config.
#[derive(Clone, Debug, Args)]
pub struct Direct {
    /// A mailbox without a config: `imaps://user@host:port` (the port may be left out), or `imap://` (plain on loopback,
    /// STARTTLS elsewhere).
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub imap: Option<String>,
    /// The environment variable that holds its password.
    #[arg(long, value_name = "VAR", requires = "imap")]
    pub password_env: Option<String>,
}

/// `sync`
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Run once and end (the only way until the server is here).
    #[arg(long)]
    pub once: bool,
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
    /// Sync once and end (the only way until the server is here).
    #[arg(long)]
    pub once: bool,
    /// The data folder.
    #[arg(long, value_name = "DIR", default_value = "demo-data")]
    pub data: PathBuf,
    /// Files about the run.
    #[command(flatten)]
    pub outputs: OutputArgs,
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
    pub account: String,
    /// Without the server: bodies and references only.
    #[arg(long)]
    pub offline: bool,
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
    /// The config file.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    pub config: PathBuf,
    /// Do not log in anywhere.
    #[arg(long)]
    pub offline: bool,
}
