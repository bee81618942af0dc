//! `subscribers`: who takes events as they come; a thin client of the admin API.

use crate::admin::subscriber_view::{ReplayFrom, SkipNote};
use crate::cli::args::{
    ClientArgs, DeliveriesArgs, ReplayArgs, SkipArgs, SubscriberArgs, SubscriberVerb,
    SubscribersArgs,
};
use crate::cli::client::{CallError, Client, config_of, seen_by};
use crate::cli::exit::Exit;
use crate::cli::looking::{ask, have_done};
use crate::cli::out::{say, say_json, say_line};
use crate::cli::table::lay_out;
use crate::cli::verbs::text;
use reqwest::Method;
use serde_json::Value;
use std::path::Path;

/// Runs `subscribers`.
pub(super) async fn run(args: SubscribersArgs) -> Exit {
    let Some(verb) = args.verb else {
        return looks(&args.client, async |client| list(&args.client, client).await).await;
    };
    match verb {
        SubscriberVerb::Show(args) => {
            looks(&args.client, async |client| shown(&args, client).await).await
        }
        SubscriberVerb::Deliveries(args) => {
            looks(&args.client, async |client| deliveries(&args, client).await).await
        }
        SubscriberVerb::Test(args) => {
            does(&args.client, async |client| tested(&args, client).await).await
        }
        SubscriberVerb::Enable(args) => {
            does(&args.client, async |client| told(&args, "enable", client).await).await
        }
        SubscriberVerb::Disable(args) => {
            does(&args.client, async |client| told(&args, "disable", client).await).await
        }
        SubscriberVerb::Replay(args) => {
            does(&args.client, async |client| replayed(&args, client).await).await
        }
        SubscriberVerb::Skip(args) => {
            does(&args.client, async |client| skipped(&args, client).await).await
        }
    }
}

async fn looks(
    args: &ClientArgs,
    look: impl AsyncFnOnce(&Client) -> Result<(), CallError>,
) -> Exit {
    match seen_by(args) {
        Ok(config) => ask(&config, look).await,
        Err(exit) => exit,
    }
}

async fn does(
    args: &ClientArgs,
    work: impl AsyncFnOnce(&Client) -> Result<Exit, CallError>,
) -> Exit {
    let config = config_of(args).inspect_err(|_| {
        let file = args.config.as_deref().unwrap_or(Path::new("config.toml"));
        if file.exists() {
            eprintln!("nothing was done; a server goes on with the config it had, and --data DIR asks the one of that folder");
        }
    });
    have_done(config, work).await
}

async fn list(args: &ClientArgs, client: &Client) -> Result<(), CallError> {
    let items = client.all("/v1/subscribers", &[]).await?;
    if args.json {
        say_line(&Value::Array(items).to_string());
        return Ok(());
    }
    if items.is_empty() {
        say_line("the config has no [[subscriber]]");
        return Ok(());
    }
    let head = ["id", "target", "state", "cursor", "lag", "next try", "why"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in &items {
        let cells = ["id", "target", "state", "cursor", "lag_seconds", "next_at", "reason"];
        let mut row: Vec<String> = cells.iter().map(|key| text(item, key)).collect();
        if let Some(lag) = row.get_mut(4).filter(|lag| !lag.is_empty()) {
            lag.push_str(" s");
        }
        rows.push(row);
    }
    say(&lay_out(&rows));
    Ok(())
}

/// Which events they are.
fn span(events: &Value) -> String {
    let [first, last, count] = ["first", "last", "count"].map(|key| text(events, key));
    format!("{first} to {last} ({count})")
}

async fn shown(args: &SubscriberArgs, client: &Client) -> Result<(), CallError> {
    let path = format!("/v1/subscribers/{}", args.subscriber);
    let one = client.call(Method::GET, &path, &[]).await?;
    if args.client.json {
        say_json(&one);
        return Ok(());
    }
    let keys = [
        ("target", "target"),
        ("owner", "owner"),
        ("state", "state"),
        ("why", "reason"),
        ("since", "since"),
        ("fails since", "failing_since"),
        ("failed tries", "attempts"),
        ("next try", "next_at"),
        ("done up to", "cursor"),
        ("lag in seconds", "lag_seconds"),
    ];
    let lines = keys.into_iter().map(|(name, key)| (name, text(&one, key)));
    let told = lines.filter(|(_, value)| !value.is_empty());
    let mut told: Vec<Vec<String>> =
        told.map(|(name, value)| vec![format!("{name}:"), value]).collect();
    if let Some(sending) = one.get("sending").filter(|sending| !sending.is_null()) {
        told.push(vec!["is being given:".to_owned(), span(sending)]);
    }
    let wants = one.get("wants").unwrap_or(&Value::Null);
    for key in ["kinds", "accounts", "batch", "fields"] {
        let words = match wants.get(key).and_then(Value::as_array) {
            Some(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            None => text(wants, key),
        };
        if !words.is_empty() {
            told.push(vec![format!("{key}:"), words]);
        }
    }
    say(&lay_out(&told));
    Ok(())
}

async fn deliveries(args: &DeliveriesArgs, client: &Client) -> Result<(), CallError> {
    let path = format!("/v1/subscribers/{}/deliveries", args.subscriber);
    let query = [("limit", args.limit.to_string())];
    let page = client.call(Method::GET, &path, &query).await?;
    let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if args.client.json {
        say_line(&Value::Array(items).to_string());
        return Ok(());
    }
    if items.is_empty() {
        say_line("it was given nothing yet");
        return Ok(());
    }
    let head = ["at", "events", "try", "answer", "ms", "what it said"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in &items {
        let events = match (text(item, "first"), text(item, "last")) {
            (first, _) if first.is_empty() => "test".to_owned(),
            (first, last) if first == last => first,
            (first, last) => format!("{first} to {last}"),
        };
        let mut row = vec![text(item, "at"), events];
        row.extend(["attempt", "status", "millis", "text"].map(|key| text(item, key)));
        rows.push(row);
    }
    say(&lay_out(&rows));
    Ok(())
}

async fn tested(args: &SubscriberArgs, client: &Client) -> Result<Exit, CallError> {
    let path = format!("/v1/subscribers/{}/test", args.subscriber);
    let told = client.call(Method::POST, &path, &[]).await?;
    let is_taken = told.get("taken").and_then(Value::as_bool).unwrap_or(false);
    if args.client.json {
        say_json(&told);
    } else {
        let what = if is_taken { "taken" } else { "not taken" };
        let parts = [text(&told, "status"), text(&told, "text")];
        let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let (millis, said) = (text(&told, "millis"), said.join(": "));
        let said = if said.is_empty() { said } else { format!(" ({said})") };
        say_line(&format!("{what} after {millis} ms{said}"));
    }
    Ok(if is_taken { Exit::Success } else { Exit::Partial })
}

/// How it stands behind a command.
fn stands(args: &ClientArgs, told: &Value) -> Exit {
    if args.json {
        say_json(told);
    } else {
        let (id, state, cursor) = (text(told, "id"), text(told, "state"), text(told, "cursor"));
        say_line(&format!("{id}: {state}, done up to {cursor}"));
    }
    Exit::Success
}

async fn told(args: &SubscriberArgs, verb: &str, client: &Client) -> Result<Exit, CallError> {
    let path = format!("/v1/subscribers/{}/{verb}", args.subscriber);
    let told = client.call(Method::POST, &path, &[]).await?;
    Ok(stands(&args.client, &told))
}

async fn replayed(args: &ReplayArgs, client: &Client) -> Result<Exit, CallError> {
    let path = format!("/v1/subscribers/{}/replay", args.subscriber);
    let from = ReplayFrom { from: Value::String(args.from.clone()) };
    let told = client.send(&path, &from).await?;
    Ok(stands(&args.client, &told))
}

async fn skipped(args: &SkipArgs, client: &Client) -> Result<Exit, CallError> {
    let path = format!("/v1/subscribers/{}/skip", args.subscriber);
    let note = SkipNote { note: args.note.clone(), event: args.event };
    let told = client.send(&path, &note).await?;
    if let Some(skipped) = told.get("skipped").filter(|_| !args.client.json) {
        say_line(&format!("it is never given {}", span(skipped)));
    }
    Ok(stands(&args.client, &told))
}
