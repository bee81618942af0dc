//! Verbs: pause, resume, cancel, reset errors, sync now. Thin clients of the admin API.
#![expect(
    clippy::disallowed_methods,
    reason = "a command waits for what it asked for, and says so"
)]

use crate::cli::args::{ClientArgs, SyncNowArgs, VerbArgs, WhoseArgs};
use crate::cli::client::{CallError, Client, config_of, exit_of, in_path};
use crate::cli::exit::Exit;
use crate::cli::out::say_line;
use postrider_core::failure::Class;
use postrider_core::standing::{Outcome, Standing};
use reqwest::Method;
use serde_json::Value;
use std::cell::Cell;
use std::time::Duration;

/// How often a run that is waited for is looked at.
const RUN_LOOK_EVERY: Duration = Duration::from_millis(200);

/// A text of an answer.
pub(super) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

async fn with<T>(
    args: &ClientArgs,
    work: impl AsyncFnOnce(&Client) -> Result<T, CallError>,
) -> Result<T, Exit> {
    let config = config_of(args)?;
    let client = Client::of(&config).map_err(|trouble| exit_of(trouble, &config))?;
    work(&client).await.map_err(|trouble| exit_of(trouble, &config))
}

fn tell(args: &ClientArgs, told: &Value) {
    if args.json {
        return say_line(&told.to_string());
    }
    let reason = text(told, "reason");
    let why = if reason.is_empty() { reason } else { format!(" ({reason})") };
    say_line(&format!("{}: {}{why}", text(told, "id"), text(told, "state")));
}

pub(super) async fn run(verb: &str, args: VerbArgs) -> Exit {
    let Some(account) = &args.whose.account else {
        let query = query_of(&args.whose);
        let path = format!("/v1/control/{verb}");
        let told =
            with(&args.client, async |client| client.call(Method::POST, &path, &query).await);
        return match told.await {
            Ok(told) => told_many(&args.client, &told),
            Err(exit) => exit,
        };
    };
    let path = format!("/v1/accounts/{}/{verb}", in_path(account));
    let told = with(&args.client, async |client| client.call(Method::POST, &path, &[]).await).await;
    match told {
        Ok(told) => {
            tell(&args.client, &told);
            Exit::Success
        }
        Err(exit) => exit,
    }
}

/// Whose accounts, as the API is asked.
fn query_of(whose: &WhoseArgs) -> Vec<(&'static str, String)> {
    match &whose.owner {
        Some(owner) => vec![("owner", owner.clone())],
        None => vec![("all", "true".to_owned())],
    }
}

/// What became of a command to many.
fn told_many(args: &ClientArgs, told: &Value) -> Exit {
    let refused = told.get("refused").and_then(Value::as_array).cloned().unwrap_or_default();
    if args.json {
        say_line(&told.to_string());
    } else {
        say_line(&format!("{} of {}", text(told, "accepted"), text(told, "total")));
    }
    for one in &refused {
        eprintln!("{}: {}", text(one, "account"), text(one, "why"));
    }
    let is_all = text(told, "accepted") == text(told, "total");
    if is_all { Exit::Success } else { Exit::Partial }
}

/// How an account of an answer stands; a newer server may have words that this client does not
/// know.
pub(super) fn standing(account: &Value) -> Option<Standing> {
    Standing::from_word(&text(account, "state"))
}

/// Runs `sync-now`.
pub(super) async fn sync_now(args: SyncNowArgs) -> Exit {
    let Some(account) = &args.whose.account else {
        let SyncNowArgs { whose, client, .. } = args;
        return run("sync-now", VerbArgs { whose, client }).await;
    };
    let path = format!("/v1/accounts/{}", in_path(account));
    let (late, ordered) = (Cell::new(false), Cell::new(0));
    let done = with(&args.client, async |client| {
        let told = client.call(Method::POST, &format!("{path}/sync-now"), &[]).await?;
        let run = told.get("run").and_then(Value::as_u64).unwrap_or(0);
        ordered.set(run);
        if !args.wait {
            return Ok(told);
        }
        let mut told_why = String::new();
        let patience = Duration::from_secs(args.timeout);
        let until = tokio::time::Instant::now() + patience;
        loop {
            let now = client.call(Method::GET, &path, &[]).await?;
            // Whoever waits is told what for.
            let why = format!("{}: {}", text(&now, "state"), text(&now, "reason"));
            if standing(&now).is_some_and(Standing::tries_again) && why != told_why {
                eprintln!("{why}; it is tried again, Ctrl-C leaves it to the server");
                told_why = why;
            }
            let ended = now.get("runs_ended").and_then(Value::as_u64).unwrap_or(0);
            let stuck = standing(&now).is_some_and(|s| s.is_stuck() || s == Standing::Paused);
            if ended >= run || stuck {
                return Ok(now);
            }
            if tokio::time::Instant::now() >= until {
                eprintln!("it is not done after {} s; the server goes on with it", args.timeout);
                late.set(true);
                return Ok(now);
            }
            tokio::time::sleep(RUN_LOOK_EVERY).await;
        }
    });
    match done.await {
        Ok(told) => {
            tell(&args.client, &told);
            if args.wait { ended(&told, ordered.get(), late.get()) } else { Exit::Success }
        }
        Err(exit) => exit,
    }
}

/// The code of a run that was waited for: those of `sync --once`.
fn ended(account: &Value, run: u64, late: bool) -> Exit {
    let class = Class::from_word(&text(account, "class"));
    let is_left = account.get("failures").and_then(Value::as_u64).is_some_and(|n| n > 0);
    let ends = account.get("ended").and_then(Value::as_array).map(Vec::as_slice);
    let is_its = |end: &&Value| end.get("run").and_then(Value::as_u64) == Some(run);
    let its_end = ends.unwrap_or_default().iter().rev().find(is_its);
    let its_end = its_end.and_then(|end| Outcome::from_word(&text(end, "outcome")));
    // It had a number, and never began: somebody took it back before.
    let first = ends.and_then(<[Value]>::first).and_then(|end| end.get("run")?.as_u64());
    let is_given_up = its_end.is_none() && first.is_some_and(|first| first < run);
    match standing(account) {
        Some(Standing::NeedsReauth) => Exit::Auth,
        Some(s) if s.is_troubled() => class.map_or(Exit::Network, Exit::of_class),
        // What runs by now is another run, unless this one is not over.
        _ if late => Exit::Network,
        // Whatever has ended since.
        _ if is_given_up || its_end == Some(Outcome::Cancelled) => Exit::Interrupted,
        _ if its_end == Some(Outcome::Failed) => class.map_or(Exit::Network, Exit::of_class),
        // Without a row of the ledger: a large loss, say, that waits for its second look.
        _ if is_left || its_end == Some(Outcome::Partial) => Exit::Partial,
        _ => Exit::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_waits_hears_what_a_sync_says() {
        let told = |standing: Standing, class: Option<Class>, failures: u64| {
            let class = class.map(Class::as_str);
            ended(
                &json!({ "state": standing.as_str(), "class": class, "failures": failures }),
                5,
                false,
            )
        };
        assert_eq!(told(Standing::Idle, None, 0), Exit::Success);
        assert_eq!(
            told(Standing::Idle, None, 1),
            Exit::Partial,
            "a folder stands still, mail was left"
        );
        assert_eq!(told(Standing::NeedsReauth, Some(Class::Auth), 0), Exit::Auth);
        assert_eq!(told(Standing::Waiting, Some(Class::Provider), 0), Exit::Provider);
        assert_eq!(told(Standing::Waiting, None, 0), Exit::Network);
        let ends = |ends: &[(u64, Outcome)]| {
            let shown = ends.iter().map(|(run, end)| json!({"run": run, "outcome": end.as_str()}));
            json!({ "state": Standing::Idle.as_str(), "ended": shown.collect::<Vec<_>>() })
        };
        let [before, since] = [(4, Outcome::Success), (6, Outcome::Success)];
        for (its, exit) in [
            (Outcome::Partial, Exit::Partial),
            (Outcome::Failed, Exit::Network),
            (Outcome::Cancelled, Exit::Interrupted),
        ] {
            let told = ends(&[before, (5, its), since]);
            assert_eq!(ended(&told, 5, false), exit, "a loss waits for its second look, say");
            assert_eq!(ended(&told, 6, false), Exit::Success, "it was another run's");
        }
        let running = json!({ "state": Standing::Running.as_str(), "failures": 3 });
        assert_eq!(ended(&running, 5, true), Exit::Network, "it is not over");
    }
}
