//! `events`: the feed, a JSON object a line.
#![expect(clippy::disallowed_methods, reason = "a server that restarts is asked again")]

use crate::cli::args::EventsArgs;
use crate::cli::client::{CallError, Client, exit_of, near_or_none, seen_by};
use crate::cli::exit::Exit;
use crate::cli::offline::StoredMirror;
use crate::cli::out::{clean, is_read};
use crate::cli::sync::interrupted;
use crate::config::Config;
use crate::feed::EventFilter;
use postrider_core::wanted::{After, Kinds};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;
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
            None => from_database(&args, &config).await,
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
    let (mut client, mut after, mut away) = (Some(client), args.after.clone(), false);
    let said = [
        ("kind", &args.kind),
        ("account", &args.account),
        ("owner", &args.owner),
        ("fields", &args.fields),
    ];
    let said: Vec<_> =
        said.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    loop {
        // What happens while a word is waited with would be behind it no more.
        let is_number = after.parse::<i64>().is_ok();
        let wait = if args.follow && is_number { "25" } else { "0" };
        let mut query =
            vec![("after", after.clone()), ("limit", "1000".into()), ("wait", wait.into())];
        query.extend(said.iter().cloned());
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
        let next = page.get("next").and_then(Value::as_str).unwrap_or(&after).to_owned();
        if !is_read || next == after && !args.follow {
            return Ok(());
        }
        after = next;
    }
}

async fn from_database(args: &EventsArgs, config: &Config) -> Result<(), Exit> {
    let stored = StoredMirror::open(config).await?;
    let told = told(args, &stored).await;
    stored.close().await;
    told
}

async fn told(args: &EventsArgs, stored: &StoredMirror) -> Result<(), Exit> {
    let filter = EventFilter {
        owner: args.owner.clone(),
        accounts: args.account.clone().map(|id| BTreeSet::from([id])),
        // Read once already.
        kinds: args.kind.as_deref().and_then(|kinds| Kinds::of(kinds).ok()),
    };
    if let Some(account) = &args.account {
        stored.accounts(Some(account)).await?;
    }
    let after = After::of(&args.after).unwrap_or(After::Oldest);
    let mut after = stored.first_of(after).await?;
    loop {
        let (items, next) = stored.events(&filter, args.fields.is_some(), after).await?;
        let is_read = print(&items);
        let Some(next) = next.filter(|_| is_read) else { return Ok(()) };
        after = next;
    }
}
