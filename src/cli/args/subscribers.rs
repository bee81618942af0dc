//! What can be written behind `postrider subscribers`.

use crate::cli::args::server::ClientArgs;
use clap::{Args, Subcommand};

/// `subscribers`
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SubscribersArgs {
    /// What to do with one; without a word they are listed.
    #[command(subcommand)]
    pub verb: Option<SubscriberVerb>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `subscribers …`
#[derive(Clone, Debug, Subcommand)]
pub enum SubscriberVerb {
    /// Show one in full.
    Show(SubscriberArgs),
    /// What one was given, and what it answered, the newest first.
    Deliveries(DeliveriesArgs),
    /// Give one an event of kind `test`, once.
    Test(SubscriberArgs),
    /// Go on with one where it was.
    Enable(SubscriberArgs),
    /// Give one nothing until it is enabled.
    Disable(SubscriberArgs),
    /// Give one all from an event on, once more where it had them.
    Replay(ReplayArgs),
    /// Never give one what it is being given now, and go on behind that.
    Skip(SkipArgs),
}

/// `subscribers show`, `test`, `enable`, `disable`
#[derive(Clone, Debug, Args)]
pub struct SubscriberArgs {
    /// Its id in the config.
    #[arg(value_name = "ID")]
    pub subscriber: String,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `subscribers deliveries`
#[derive(Clone, Debug, Args)]
pub struct DeliveriesArgs {
    /// Its id in the config.
    #[arg(value_name = "ID")]
    pub subscriber: String,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `subscribers replay`
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Its id in the config.
    #[arg(value_name = "ID")]
    pub subscriber: String,
    /// The number of the first event; or an instant, as 2026-01-31T08:00:00Z; or `oldest`.
    #[arg(long)]
    pub from: String,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `subscribers skip`
#[derive(Clone, Debug, Args)]
pub struct SkipArgs {
    /// Its id in the config.
    #[arg(value_name = "ID")]
    pub subscriber: String,
    /// Why, for who reads it later.
    #[arg(long)]
    pub note: String,
    /// Only where this event is in what it is being given.
    #[arg(long, value_name = "NUMBER")]
    pub event: Option<i64>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}
