//! What can be written behind `postrider jobs`.

use crate::cli::args::server::ClientArgs;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use postrider_core::job::words::{JobKind, JobStatus, JobTask};

/// `jobs`
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct JobsArgs {
    /// What to do with them; without a word they are listed.
    #[command(subcommand)]
    pub verb: Option<JobVerbs>,
    /// Only of this account.
    pub account: Option<String>,
    /// Only of this status.
    #[arg(long, value_parser = PossibleValuesParser::new(JobStatus::ALL.iter().copied().map(JobStatus::as_str)))]
    pub status: Option<String>,
    /// Only of this kind.
    #[arg(long, value_parser = PossibleValuesParser::new(JobKind::ALL.iter().copied().map(JobKind::as_str)))]
    pub kind: Option<String>,
    /// Only of this owner's accounts.
    #[arg(long)]
    pub owner: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `jobs …`
#[derive(Clone, Debug, Subcommand)]
pub enum JobVerbs {
    /// Have something done: equal jobs that wait become one.
    Add(AddArgs),
    /// Show one in full.
    Show(JobArgs),
    /// Take one back, and end its run; or all of an account, of an owner.
    Cancel(CancelArgs),
    /// Have one done after all that is dead, or was taken back.
    Retry(JobArgs),
    /// Say that nobody needs a dead one any more.
    Discard(JobArgs),
}

/// `jobs add`
#[derive(Clone, Debug, Args)]
pub struct AddArgs {
    /// What it is: full (everything is compared), incremental (the best proof that there is), selective (some of the unread history comes first), webhook_triggered (the same, because a program says so), maintenance.
    #[arg(value_parser = PossibleValuesParser::new(JobKind::ALL.iter().copied().map(JobKind::as_str)))]
    pub kind: String,
    /// For which accounts.
    #[arg(conflicts_with_all = ["owner", "all"])]
    pub accounts: Vec<String>,
    /// Which maintenance: reindex (an account's mail is read anew into tables), purge (rows of finished jobs go), verify (an account's mirror is looked at whole: bodies are hashed, rows have what they name), gc (what is kept no longer goes).
    #[arg(long, value_parser = PossibleValuesParser::new(JobTask::ALL.iter().copied().map(JobTask::as_str)))]
    pub task: Option<String>,
    /// Of selective: only of this folder, by path; may be written more than once.
    #[arg(long = "folder", value_name = "PATH")]
    pub folders: Vec<String>,
    /// Of selective: mail that its server took in since this day (as 2026-01-31, in UTC) or instant.
    #[arg(long, value_name = "DAY")]
    pub since: Option<String>,
    /// Of selective: up to the end of this day, or before this instant.
    #[arg(long, value_name = "DAY")]
    pub until: Option<String>,
    /// Of selective: so many of each folder at most, the newest.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// For this owner's accounts.
    #[arg(long, conflicts_with = "all")]
    pub owner: Option<String>,
    /// For all accounts.
    #[arg(long)]
    pub all: bool,
    /// How soon: 0 is the best.
    #[arg(long, value_name = "0-3", value_parser = clap::value_parser!(u8).range(0..=3))]
    pub priority: Option<u8>,
    /// Not before then, as 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    pub not_before: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `jobs show`, `jobs retry`, `jobs discard`
#[derive(Clone, Debug, Args)]
pub struct JobArgs {
    /// Its number.
    #[arg(value_name = "ID")]
    pub job: u64,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `jobs cancel`
#[derive(Clone, Debug, Args)]
pub struct CancelArgs {
    /// Its number.
    #[arg(value_name = "ID", required_unless_present_any = ["account", "owner"], conflicts_with_all = ["account", "owner"])]
    pub job: Option<u64>,
    /// All of this account.
    #[arg(long, conflicts_with = "owner")]
    pub account: Option<String>,
    /// All of this owner's accounts.
    #[arg(long)]
    pub owner: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}
