//! `reindex`: reads stored mail anew into what is derived of it.
#![expect(
    clippy::disallowed_methods,
    reason = "a command waits for what it asked for, and says so"
)]

use crate::cli::args::ReindexArgs;
use crate::cli::client::{CallError, Client, config_of, exit_of, in_path};
use crate::cli::exit::Exit;
use crate::cli::out::{say_json, say_line};
use crate::cli::verbs::text;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How often what is left is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) async fn run(args: ReindexArgs) -> Exit {
    let config = match config_of(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let done = match Client::of(&config) {
        Ok(client) => reindexed(&args, &client).await,
        Err(trouble) => Err(trouble),
    };
    done.unwrap_or_else(|trouble| exit_of(trouble, &config))
}

async fn reindexed(args: &ReindexArgs, client: &Client) -> Result<Exit, CallError> {
    let accounts = match &args.account {
        Some(id) => vec![id.clone()],
        None => {
            let all = client.all("/v1/accounts", &[("limit", "1000".into())]).await?;
            // One that never logged in has no mail. What the database does not tell now is asked for all the same.
            let has_mail = |account: &&Value| {
                behind(account).is_some()
                    || account.get("messages").and_then(Value::as_u64) != Some(0)
            };
            all.iter().filter(has_mail).map(|account| text(account, "id")).collect()
        }
    };
    for id in &accounts {
        let path = format!("/v1/accounts/{}/reindex", in_path(id));
        let told = client.call(Method::POST, &path, &[]).await?;
        if args.client.json {
            say_json(&told);
        } else {
            let count = behind(&told).map_or_else(|| "its".to_owned(), |count| count.to_string());
            say_line(&format!("{id}: {count} messages are read anew"));
        }
    }
    if !args.wait {
        return Ok(Exit::Success);
    }
    let until = Instant::now() + Duration::from_secs(args.timeout);
    let mut told = Instant::now();
    for id in &accounts {
        let path = format!("/v1/accounts/{}", in_path(id));
        loop {
            let account = client.call(Method::GET, &path, &[]).await?;
            let left = behind(&account);
            if left == Some(0) {
                match args.client.json {
                    true => say_json(&account),
                    false => say_line(&format!("{id}: done")),
                }
                break;
            }
            if Instant::now() >= until {
                let (left, after) = (count(left), args.timeout);
                eprintln!("{id}: {left} are left after {after} s; the server goes on with them");
                return Ok(Exit::Partial);
            }
            if told.elapsed() >= TELL_EVERY {
                eprintln!("{id}: {} are left", count(left));
                told = Instant::now();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(Exit::Success)
}

fn count(left: Option<u64>) -> String {
    left.map_or_else(|| "some".to_owned(), |left| left.to_string())
}

/// How many messages of an account are still to be read, where that is told.
fn behind(account: &Value) -> Option<u64> {
    account.get("derived")?.get("behind")?.as_u64()
}
