//! What can be written behind `postrider failures`.

use crate::cli::args::server::ClientArgs;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use postrider_core::failure::{Class, Reach};

/// `failures`
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct FailuresArgs {
    /// What to do with them; without a word they are listed.
    #[command(subcommand)]
    pub verb: Option<FailureVerb>,
    /// Only of this account.
    pub account: Option<String>,
    /// Which of them.
    #[command(flatten)]
    pub kind: FailureKind,
    /// Only of this reach.
    #[arg(long, value_parser = PossibleValuesParser::new([Reach::Message, Reach::Folder, Reach::Account].map(Reach::as_str)))]
    pub reach: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Which rows of the ledger.
#[derive(Clone, Debug, Args)]
pub struct FailureKind {
    /// Only of this class.
    #[arg(long, value_parser = PossibleValuesParser::new(Class::ALL.iter().copied().map(Class::as_str)))]
    pub class: Option<String>,
    /// Only of this owner's accounts.
    #[arg(long)]
    pub owner: Option<String>,
}

/// `failures …`
#[derive(Clone, Debug, Subcommand)]
pub enum FailureVerb {
    /// Show one in full.
    Show(FailureArgs),
    /// Write the beginning of what came of its mail, where something did.
    Raw(FailureArgs),
    /// Try it again now, also where it is left out; or all, of an account, of a class, of an owner.
    Retry(RetryArgs),
    /// Leave its mail out: it is not tried again before somebody names it, and its folder is proved without it.
    Discard(DiscardArgs),
}

/// `failures show`, `failures raw`
#[derive(Clone, Debug, Args)]
pub struct FailureArgs {
    /// Its number.
    #[arg(value_name = "ID")]
    pub failure: i64,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `failures retry`
#[derive(Clone, Debug, Args)]
pub struct RetryArgs {
    /// Its number.
    #[arg(value_name = "ID", required_unless_present_any = ["account", "class", "owner", "all"], conflicts_with_all = ["class", "owner"])]
    pub failure: Option<i64>,
    /// Those of this account, but for what is left out.
    #[arg(long, conflicts_with = "failure")]
    pub account: Option<String>,
    /// Which of them.
    #[command(flatten)]
    pub kind: FailureKind,
    /// All, but for what is left out.
    #[arg(long, conflicts_with_all = ["failure", "account", "class", "owner"])]
    pub all: bool,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `failures discard`
#[derive(Clone, Debug, Args)]
pub struct DiscardArgs {
    /// Its number.
    #[arg(value_name = "ID")]
    pub failure: i64,
    /// Why, for who reads it later.
    #[arg(long)]
    pub note: String,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}
