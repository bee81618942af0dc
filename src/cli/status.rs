//! `status` and `accounts`: a table from the server, or, while none runs, from the database; and
//! one account in full.
#![expect(clippy::disallowed_methods, reason = "a person sees so many pictures a second")]

use crate::admin::view::instant;
use crate::cli::args::{ClientArgs, StatusArgs};
use crate::cli::client::{CallError, Client, exit_of, in_path, near_or_none, seen_by};
use crate::cli::exit::Exit;
use crate::cli::offline::StoredMirror;
use crate::cli::out::{say, say_line, say_raw};
use crate::cli::sync::interrupted;
use crate::cli::table::{fitting, lay_out, named, octets};
use crate::cli::verbs::text;
use crate::config::Config;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(2);

/// Failures that one account's page shows.
const SHOWN: usize = 20;

pub(super) async fn run(args: StatusArgs) -> Exit {
    let config = match seen_by(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let client = match near_or_none(&config) {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    if args.check {
        return check(client.as_ref(), &config).await;
    }
    let shown = async {
        match (client, args.watch) {
            (Some(client), false) => {
                let (items, failures) = live(&client, args.account.as_deref())
                    .await
                    .map_err(|t| exit_of(t, &config))?;
                show(&args, &items, &failures);
                Ok(())
            }
            (None, false) => {
                let stored = StoredMirror::open(&config).await?;
                let items = stored.accounts(args.account.as_deref()).await?;
                let failures = match &args.account {
                    Some(account) => stored.failures(Some(account)).await?,
                    None => Vec::new(),
                };
                stored.close().await;
                show(&args, &items, &failures);
                Ok(())
            }
            (client, true) => watch(&args, &config, client).await,
        }
    };
    tokio::select! {
        ended = shown => ended.err().unwrap_or(Exit::Success),
        () = interrupted(false) => Exit::Success,
    }
}

/// Whether a server runs here and calls itself ready.
async fn check(client: Option<&Client>, config: &Config) -> Exit {
    let Some(client) = client else {
        eprintln!("no server runs on {}", config.data_dir.display());
        return Exit::Network;
    };
    match client.ready().await {
        Ok(()) => Exit::Success,
        Err(why) => {
            eprintln!("not ready: {why}");
            Exit::Network
        }
    }
}

async fn live(
    client: &Client,
    account: Option<&str>,
) -> Result<(Vec<Value>, Vec<Value>), CallError> {
    let Some(account) = account else {
        return Ok((client.all("/v1/accounts", &[("limit", "1000".into())]).await?, Vec::new()));
    };
    let mut item =
        client.call(Method::GET, &format!("/v1/accounts/{}", in_path(account)), &[]).await?;
    let limits = client.call(Method::GET, "/v1/limits", &[]).await?;
    if let Some(item) = item.as_object_mut() {
        item.insert("limits".into(), limits_of(&limits, account));
    }
    Ok((vec![item], client.all("/v1/failures", &[("account", account.to_owned())]).await?))
}

/// The limits of an account, those that it shares with others too.
fn limits_of(answer: &Value, account: &str) -> Value {
    let list = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let own = |limit: &Value| limit.get("account").and_then(Value::as_str) == Some(account);
    let shared = |limit: &Value| limit.get("account").is_some_and(Value::is_null);
    let mut mine = list(answer, "items");
    mine.retain(|endpoint| list(endpoint, "limits").iter().any(own));
    // After an edit of where its server is there is more than one: each says whose it is.
    let many = mine.len() > 1;
    let named = |endpoint: &Value, mut limit: Value| {
        if let (true, Some(limit)) = (many, limit.as_object_mut()) {
            limit.insert("endpoint".into(), text(endpoint, "endpoint").into());
        }
        limit
    };
    let of = |endpoint: &Value| {
        let limits = list(endpoint, "limits").into_iter();
        let limits = limits.filter(|limit| own(limit) || shared(limit));
        limits.map(|limit| named(endpoint, limit)).collect::<Vec<_>>()
    };
    Value::Array(mine.iter().flat_map(of).collect())
}

/// A limit for people: what there is of it, and how much is in use.
fn limit_in_words(limit: &Value) -> String {
    let number = |key: &str| limit.get(key).and_then(Value::as_u64);
    let unit = text(limit, "unit");
    let told = |n: u64| if unit == "octets" { octets(n) } else { format!("{n} {unit}") };
    let per = match limit.get("per_seconds").and_then(Value::as_f64) {
        Some(86_400.0) => " a day".to_owned(),
        Some(per) => format!(" in {per} s"),
        None => " at once".to_owned(),
    };
    let mut words = format!("{}{per}", told(number("limit").unwrap_or(0)));
    if number("in_force") != number("limit") {
        words += &format!("; {} now", told(number("in_force").unwrap_or(0)));
    }
    if let Some(spent) = number("spent") {
        let is_at_once = text(limit, "kind") == "sessions";
        words += &if is_at_once {
            format!("; {spent} in use")
        } else {
            format!("; {} spent", told(spent))
        };
    }
    let until = text(limit, "paused_until");
    if !until.is_empty() {
        words += &format!("; paused until {until}: {}", text(limit, "reason"));
    }
    if limit.get("account").is_some_and(Value::is_null) {
        words += " (all accounts there together)";
    }
    let endpoint = text(limit, "endpoint");
    if !endpoint.is_empty() {
        words += &format!(" [{endpoint}]");
    }
    words
}

/// Again and again; a server that is restarted is waited for.
async fn watch(args: &StatusArgs, config: &Config, mut client: Option<Client>) -> Result<(), Exit> {
    loop {
        let shown = match &client {
            Some(near) if args.account.is_none() => {
                let page = near.patient("/v1/accounts", &[("limit", "1000".into())]).await;
                let page = page.map_err(|trouble| exit_of(trouble, config))?;
                page.and_then(|page| page.get("items").and_then(Value::as_array).cloned())
                    .map(|items| table(&items))
            }
            Some(near) => {
                let path = format!(
                    "/v1/accounts/{}",
                    in_path(args.account.as_deref().unwrap_or_default())
                );
                let item =
                    near.patient(&path, &[]).await.map_err(|trouble| exit_of(trouble, config))?;
                item.map(|item| in_full(&item, &[]))
            }
            None => None,
        };
        let told = shown.unwrap_or_else(|| {
            format!("no server runs on {}; waiting for it\n", config.data_dir.display())
        });
        // From the top of a cleared screen.
        say_raw("\x1b[H\x1b[2J");
        say(&told);
        tokio::time::sleep(WATCH).await;
        // Another server has another address.
        client = near_or_none(config)?;
    }
}

fn show(args: &StatusArgs, items: &[Value], failures: &[Value]) {
    match (args.client.json, &args.account, items.first()) {
        (true, Some(_), Some(item)) => say_line(&item.to_string()),
        (true, ..) => say_line(&Value::Array(items.to_vec()).to_string()),
        (false, Some(_), Some(item)) => say(&in_full(item, failures)),
        (false, ..) => say(&table(items)),
    }
}

/// Runs `accounts`.
pub(super) async fn accounts(args: ClientArgs) -> Exit {
    run(StatusArgs { client: args, account: None, check: false, watch: false }).await
}

/// The accounts as the API tells them, as wide as the terminal.
pub(crate) fn table(items: &[Value]) -> String {
    let head = ["account", "state", "lag", "messages", "to read", "stuck", "push", "next", "why"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in items {
        let lag = item.get("lag_seconds").and_then(Value::as_f64);
        let remaining =
            item.get("progress").and_then(|p| p.get("remaining")).and_then(Value::as_u64);
        let stuck = item.get("failures").and_then(Value::as_u64).filter(|n| *n > 0);
        rows.push(vec![
            text(item, "id"),
            text(item, "state"),
            lag.map(seconds).unwrap_or_default(),
            text(item, "messages"),
            remaining.map(|n| n.to_string()).unwrap_or_default(),
            stuck.map(|n| n.to_string()).unwrap_or_default(),
            text(item, "push"),
            moment(&text(item, "next_attempt_at")),
            text(item, "reason"),
        ]);
    }
    fitting(&rows)
}

/// Everything that is known of one account.
fn in_full(item: &Value, failures: &[Value]) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let mut line = |name, value: String| {
        if !value.is_empty() {
            lines.push((name, value));
        }
    };
    line("account", text(item, "id"));
    line("state", text(item, "state"));
    line("since", text(item, "since"));
    line("why", text(item, "reason"));
    line("what next", text(item, "what_next"));
    line("next try", text(item, "next_attempt_at"));
    line("what to do", text(item, "to_do").replace("ACCOUNT", &text(item, "id")));
    let lag = item.get("lag_seconds").and_then(Value::as_f64);
    line("unproved for", lag.map(seconds).unwrap_or_default());
    line("all well at", text(item, "last_success_at"));
    let bytes = octets(item.get("octets").and_then(Value::as_u64).unwrap_or(0));
    line("messages", format!("{} ({bytes})", text(item, "messages")));
    let progress = item.get("progress").filter(|p| p.is_object());
    line("to read", progress.map(|p| text(p, "remaining")).unwrap_or_default());
    line("new mail by", text(item, "push"));
    let limits = item.get("limits").and_then(Value::as_array).cloned().unwrap_or_default();
    for (n, limit) in limits.iter().enumerate() {
        line(if n == 0 { "limits" } else { "" }, limit_in_words(limit));
    }
    let mut out = String::new();
    for (name, value) in &lines {
        out.push_str(&format!("{name:<12}  {}\n", value.replace('\n', " ")));
    }
    if !failures.is_empty() {
        out.push_str(&format!("\nleft undone: {}\n", failures.len()));
        let head = ["folder", "mail", "class", "since", "tries", "next try", "text"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for failure in failures.iter().take(SHOWN) {
            let cells = ["folder", "uid", "class", "first_at", "attempts", "next_try_at", "text"];
            rows.push(cells.map(|key| text(failure, named(failure, key))).to_vec());
        }
        out.push_str(&lay_out(&rows));
        if failures.len() > SHOWN {
            out.push_str("all of them: postrider failures\n");
        }
    }
    out
}

/// A span for people.
fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// The hours, minutes and seconds of an instant; its day, too, where that is not today.
fn moment(at: &str) -> String {
    let today = instant(crate::clock::Clock::start().now().wall);
    let time = at.get(11..19).unwrap_or_default();
    match (at.get(..10), today.get(..10)) {
        (Some(day), Some(today)) if day != today => {
            format!("{} {time}", day.get(5..).unwrap_or_default())
        }
        _ => time.to_owned(),
    }
}
