//! `events`: the feed, a JSON object a line.
#![expect(clippy::disallowed_methods, reason = "a server that restarts is asked again")]

use crate::cli::args::EventsArgs;
use crate::cli::client::{CallError, Client, exit_of, near_or_none, seen_by};
use crate::cli::exit::Exit;
use crate::cli::offline::StoredMirror;
use crate::cli::out::{clean, is_read};
use crate::cli::sync::interrupted;
use crate::config::Config;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// How often a server that is away is looked for.
const RECONNECT_EVERY: Duration = Duration::from_secs(1);

/// Runs the command.
pub(super) async fn run(args: EventsArgs) -> Exit {
    let config = match seen_by(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let client = match near_or_none(&config) {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let told = async {
        match client {
            Some(client) => from_server(&args, &config, client).await,
            None if args.follow => Err(exit_of(CallError::NoServer, &config)),
            None => from_database(args.after, &config).await,
        }
    };
    tokio::select! {
        ended = told => ended.err().unwrap_or(Exit::Success),
        () = interrupted(false) => Exit::Success,
    }
}

/// Prints a page of the feed; whether somebody still reads.
fn print(items: &[Value]) -> bool {
    items.iter().all(|item| is_read(&clean(&format!("{item}\n"))))
}

async fn from_server(args: &EventsArgs, config: &Config, client: Client) -> Result<(), Exit> {
    let (mut client, mut after, mut away) = (Some(client), args.after, false);
    loop {
        let wait = if args.follow { "25" } else { "0" };
        let query = [("after", after.to_string()), ("limit", "1000".into()), ("wait", wait.into())];
        let page = match &client {
            Some(client) if args.follow => client.patient("/v1/events", &query).await,
            Some(client) => client.call(Method::GET, "/v1/events", &query).await.map(Some),
            None => Ok(None),
        };
        let Some(page) = page.map_err(|trouble| exit_of(trouble, config))? else {
            // Whoever follows does so across a restart; another server has another address.
            if !std::mem::replace(&mut away, true) {
                eprintln!("the server is away; waiting for it");
            }
            tokio::time::sleep(RECONNECT_EVERY).await;
            client = near_or_none(config)?;
            continue;
        };
        away = false;
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_read = print(&items);
        let next = page.get("next").and_then(Value::as_str).and_then(|next| next.parse().ok());
        let next = next.unwrap_or(after);
        if !is_read || next == after && !args.follow {
            return Ok(());
        }
        after = next;
    }
}

async fn from_database(mut after: i64, config: &Config) -> Result<(), Exit> {
    let stored = StoredMirror::open(config).await?;
    let newest = stored.newest_event().await?;
    if after > newest {
        eprintln!(
            "the feed ends at {newest}, and {after} is behind that: of another mirror, or of a newer copy of this one"
        );
        stored.close().await;
        return Err(Exit::Usage);
    }
    loop {
        let (items, next) = stored.events(after).await?;
        let is_read = print(&items);
        let Some(next) = next.filter(|_| is_read) else {
            stored.close().await;
            return Ok(());
        };
        after = next;
    }
}
