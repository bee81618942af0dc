//! `status` and `accounts`: a table from the server, or, while none runs, from the database; and
//! one account in full.
#![expect(clippy::disallowed_methods, reason = "a person sees so many pictures a second")]

use crate::cli::args::{ClientArgs, StatusArgs};
use crate::cli::client::{CallError, Client, exit_of, in_path, near_or_none, seen_by};
use crate::cli::exit::Exit;
use crate::cli::failures::is_left_out;
use crate::cli::offline::StoredMirror;
use crate::cli::out::{clean, is_read, say, say_line};
use crate::cli::sync::interrupted;
use crate::cli::table::{lay_out, named, octets, screen};
use crate::cli::verbs::text;
use crate::cli::when::{self, relative};
use crate::config::Config;
use crate::store::WhichFailures;
use postrider_core::standing::Standing;
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
                if args.is_of_all() {
                    let health = client.call(Method::GET, "/v1/health", &[]).await;
                    let health = health.map_err(|t| exit_of(t, &config))?;
                    say(&database_in_words(health.get("database").unwrap_or(&Value::Null)));
                    say(&notes_in_words(&health));
                }
                Ok(())
            }
            (None, false) => {
                let stored = StoredMirror::open(&config).await?;
                let items = stored.accounts(args.account.as_deref()).await?;
                let failures = match &args.account {
                    Some(account) => {
                        let account = Some(account.clone());
                        stored
                            .failures(&WhichFailures { account, ..WhichFailures::default() })
                            .await?
                    }
                    None => Vec::new(),
                };
                let database = stored.database().await;
                stored.close().await;
                show(&args, &items, &failures);
                if args.is_of_all() {
                    say(&database_in_words(&database));
                }
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
    if item.get("messages").is_none_or(Value::is_null) {
        eprintln!("the database does not answer now; what it knows of the account is left out");
        return Ok((vec![item], Vec::new()));
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
        if !is_read(&format!("\x1b[H\x1b[2J{}", clean(&told))) {
            return Ok(());
        }
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

impl StatusArgs {
    /// A table for people.
    fn is_of_all(&self) -> bool {
        self.account.is_none() && !self.client.json
    }
}

/// What the database is, where, and how soon it answers.
fn database_in_words(database: &Value) -> String {
    let place = text(database, "place");
    let trouble = text(database, "trouble");
    if !trouble.is_empty() {
        return format!("\ndatabase: {place}: {trouble}\n");
    }
    let took = database.get("latency_ms").and_then(Value::as_f64).unwrap_or(0.0);
    format!("\ndatabase: {}, {place}, answers in {took:.1} ms\n", text(database, "version"))
}

/// What somebody is to know beside how accounts stand, a line each.
fn notes_in_words(health: &Value) -> String {
    let notes = health.get("notes").and_then(Value::as_array).into_iter().flatten();
    notes.filter_map(Value::as_str).map(|note| format!("{note}\n")).collect()
}

/// Runs `accounts`.
pub(super) async fn accounts(args: ClientArgs) -> Exit {
    run(StatusArgs { client: args, account: None, check: false, watch: false }).await
}

/// Who needs somebody first: its rank.
fn rank(item: &Value) -> usize {
    let stuck = item.get("failures").and_then(Value::as_u64).is_some_and(|n| n > 0);
    let standing = Standing::from_word(&text(item, "state"));
    let order = [
        Standing::NeedsReauth,
        Standing::Failed,
        Standing::Waiting,
        Standing::Throttled,
        Standing::Paused,
    ];
    let place = order.iter().position(|one| Some(*one) == standing);
    place.unwrap_or(
        order.len() + usize::from(!stuck) + usize::from(standing == Some(Standing::Idle)),
    )
}

/// The state; who is not followed is not what it was.
fn state(item: &Value) -> String {
    let state = text(item, "state");
    let is_wanted = Standing::from_word(&state).is_none_or(Standing::is_wanted);
    let is_followed = item.get("followed") != Some(&Value::Bool(false));
    if is_followed || !is_wanted { state } else { format!("not followed (was {state})") }
}

/// The accounts as the API tells them: who is in trouble first. On a terminal it fits: why stands on a
/// line of its own, and of those that rest there is one line where they are too many.
pub(crate) fn table(items: &[Value]) -> String {
    let mut items: Vec<&Value> = items.iter().collect();
    items.sort_by_key(|item| rank(item));
    let Some((width, height)) = screen() else {
        return lay_out(&rows(&items, true));
    };
    let is_well = |item: &&Value| rank(item) > 6;
    let lines = items.iter().map(|item| 1 + usize::from(!text(item, "reason").is_empty()));
    let all = items.len();
    if lines.sum::<usize>() + 3 > height {
        items.retain(|item| !is_well(item));
    }
    let laid = lay_out(&rows(&items, false));
    let cut = |line: &str| match line.char_indices().nth(width) {
        Some(_) => line.chars().take(width.saturating_sub(1)).collect::<String>() + "…\n",
        None => format!("{line}\n"),
    };
    let mut out = String::new();
    for (n, line) in laid.lines().enumerate() {
        out.push_str(&cut(line));
        let why = n.checked_sub(1).and_then(|n| items.get(n)).map(|item| text(item, "reason"));
        if let Some(why) = why.filter(|why| !why.is_empty()) {
            out.push_str(&cut(&format!("    {}", why.replace('\n', " "))));
        }
    }
    if items.len() < all {
        out.push_str(&format!("{} more: idle\n", all - items.len()));
    }
    out
}

fn rows(items: &[&Value], with_why: bool) -> Vec<Vec<String>> {
    let head =
        ["account", "state", "behind", "messages", "to read", "stuck", "push", "next", "why"];
    let columns = head.len() - usize::from(!with_why);
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in items {
        let behind = item.get("overdue_seconds").and_then(Value::as_f64);
        let remaining =
            item.get("progress").and_then(|p| p.get("remaining")).and_then(Value::as_u64);
        let stuck = item.get("failures").and_then(Value::as_u64).filter(|n| *n > 0);
        rows.push(vec![
            text(item, "id"),
            state(item),
            behind.filter(|s| *s >= 60.0).map(seconds).unwrap_or_default(),
            text(item, "messages"),
            remaining.map(|n| n.to_string()).unwrap_or_default(),
            stuck.map(|n| n.to_string()).unwrap_or_default(),
            text(item, "push"),
            relative(&text(item, "next_attempt_at")),
            text(item, "reason"),
        ]);
    }
    rows.iter_mut().for_each(|row| row.truncate(columns));
    rows
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
    line("state", state(item));
    line("since", when::in_full(&text(item, "since")));
    line("why", text(item, "reason"));
    line("what next", text(item, "what_next"));
    let next = text(item, "next_attempt_at");
    line("next try", if next.is_empty() { next } else { when::in_full(&next) });
    line("what to do", text(item, "to_do").replace("ACCOUNT", &text(item, "id")));
    let lag = item.get("lag_seconds").and_then(Value::as_f64);
    line("unproved for", lag.map(seconds).unwrap_or_default());
    let well = text(item, "last_success_at");
    line("all well", if well.is_empty() { well } else { when::in_full(&well) });
    if let Some(bytes) = item.get("octets").and_then(Value::as_u64) {
        line("messages", format!("{} ({})", text(item, "messages"), octets(bytes)));
    }
    line("derived", item.get("derived").map(derived).unwrap_or_default());
    let progress = item.get("progress").filter(|p| p.is_object());
    line("to read", progress.map(to_read).unwrap_or_default());
    line("new mail by", text(item, "push"));
    let limits = item.get("limits").and_then(Value::as_array).cloned().unwrap_or_default();
    for (n, limit) in limits.iter().enumerate() {
        line(if n == 0 { "limits" } else { "" }, limit_in_words(limit));
    }
    let mut out = String::new();
    for (name, value) in &lines {
        out.push_str(&format!("{name:<12}  {}\n", value.replace('\n', " ")));
    }
    let (left_out, failures): (Vec<&Value>, Vec<&Value>) =
        failures.iter().partition(|failure| is_left_out(failure));
    if !left_out.is_empty() {
        out.push_str(&format!(
            "\nleft out by hand: {} mail(s), which `postrider failures` names\n",
            left_out.len()
        ));
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

/// What is still to be read into tables, and what is not.
fn derived(derived: &Value) -> String {
    let behind = derived.get("behind").and_then(Value::as_u64);
    let left_out = derived.get("left_out").and_then(Value::as_array).map_or(0, Vec::len);
    let mut words = match behind {
        None => return String::new(),
        Some(0) => "all of it".to_owned(),
        Some(behind) => format!("{behind} behind"),
    };
    if left_out > 0 {
        words += &format!("; {left_out} left out (see --json)");
    }
    words
}

/// What is left, and how long that takes at the run's pace.
fn to_read(progress: &Value) -> String {
    let number = |key| progress.get(key).and_then(Value::as_f64);
    let left = text(progress, "remaining");
    match (number("seconds_left"), number("per_second")) {
        (Some(time), Some(pace)) => format!("{left} (about {}, at {pace:.0}/s)", seconds(time)),
        _ => left,
    }
}

/// A span for people.
fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_is_in_trouble_comes_first() {
        let item = |id: &str, standing: Standing, stuck: u64| json!({ "id": id, "state": standing.as_str(), "failures": stuck, "reason": "" });
        let items = [
            item("rests", Standing::Idle, 0),
            item("works", Standing::Running, 0),
            item("sticks", Standing::Idle, 2),
            item("waits", Standing::Waiting, 0),
            item("needs", Standing::NeedsReauth, 0),
        ];
        let told = table(&items);
        let first = told.lines().skip(1).filter_map(|line| line.split(' ').next());
        assert_eq!(first.collect::<Vec<_>>(), ["needs", "waits", "works", "sticks", "rests"]);
    }

    #[test]
    fn who_is_not_followed_is_not_what_it_was() {
        let stored = |standing: Standing| json!({ "state": standing.as_str(), "followed": false });
        assert!(state(&stored(Standing::Idle)).starts_with("not followed (was "));
        assert_eq!(state(&stored(Standing::Paused)), Standing::Paused.as_str());
        assert_eq!(state(&json!({ "state": Standing::Idle.as_str() })), Standing::Idle.as_str());
    }
}
