//! What can be written behind `postrider events`.

use crate::cli::args::server::ClientArgs;
use clap::Args;
use postrider_core::wanted::{After, Kinds};

fn after(text: &str) -> Result<String, String> {
    let bad = || "write a number from 0, `oldest` or `now`".to_owned();
    After::of(text).map(|_| text.to_owned()).ok_or_else(bad)
}

fn kinds(text: &str) -> Result<String, String> {
    Kinds::of(text).map(|_| text.to_owned()).map_err(|why| why.to_string())
}

/// `events`
#[derive(Clone, Debug, Args)]
pub struct EventsArgs {
    /// Those after this number; or `oldest`: from the first that is kept; or `now`.
    #[arg(long, value_name = "SEQ", default_value = "oldest", value_parser = after)]
    pub after: String,
    /// Only of these kinds, between commas: `message.created`, `message.*`.
    #[arg(long, value_name = "KINDS", value_parser = kinds)]
    pub kind: Option<String>,
    /// Only of this account.
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Only of this owner's accounts.
    #[arg(long)]
    pub owner: Option<String>,
    /// `head`: with what is stored of a message.
    #[arg(long, value_parser = ["head"])]
    pub fields: Option<String>,
    /// Go on with what happens from now on, until stopped.
    #[arg(long)]
    pub follow: bool,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}
