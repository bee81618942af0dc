//! `reindex`: reads stored mail anew into what is derived of it.
#![expect(
    clippy::disallowed_methods,
    reason = "a command waits for what it asked for, and says so"
)]

use crate::cli::args::ReindexArgs;
use crate::cli::client::{CallError, Client, config_of, exit_of, in_path};
use crate::cli::exit::Exit;
use crate::cli::out::say_line;
use crate::cli::verbs::text;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// How often what is left is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
            // One that never logged in has no mail.
            let has_rows = |account: &&Value| account.get("derived").is_some_and(Value::is_object);
            all.iter().filter(has_rows).map(|account| text(account, "id")).collect()
        }
    };
    for id in &accounts {
        let path = format!("/v1/accounts/{}/reindex", in_path(id));
        let told = client.call(Method::POST, &path, &[]).await?;
        if args.client.json {
            say_line(&told.to_string());
        } else {
            say_line(&format!("{id}: {} messages are read anew", behind(&told)));
        }
    }
    if !args.wait {
        return Ok(Exit::Success);
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(args.timeout);
    for id in &accounts {
        let path = format!("/v1/accounts/{}", in_path(id));
        loop {
            let left = behind(&client.call(Method::GET, &path, &[]).await?);
            if left == 0 {
                break;
            }
            if tokio::time::Instant::now() >= until {
                eprintln!(
                    "{id}: {left} are left after {} s; the server goes on with them",
                    args.timeout
                );
                return Ok(Exit::Partial);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(Exit::Success)
}

/// How many messages of an account are still to be read.
fn behind(account: &Value) -> u64 {
    let behind = account.get("derived").and_then(|derived| derived.get("behind"));
    behind.and_then(Value::as_u64).unwrap_or(0)
}
