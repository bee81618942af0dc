//! Which server a command speaks to.

use clap::Args;
use std::path::PathBuf;

/// Which server is spoken to.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// The config file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder of the server, without a config (default: data).
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub data: Option<PathBuf>,
    /// Print the API's own JSON.
    #[arg(long)]
    pub json: bool,
}

/// `gc`
#[derive(Clone, Debug, Args)]
pub struct GcArgs {
    /// Only say how much that is.
    #[arg(long)]
    pub dry_run: bool,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}
