//! `events`: the feed, a JSON object a line.

use crate::cli::args::EventsArgs;
use crate::cli::client::{Client, config_of, exit_of};
use crate::cli::exit::Exit;
use crate::cli::out::say_line;
use crate::cli::sync::interrupted;
use reqwest::Method;
use serde_json::Value;

/// Runs the command.
pub(super) async fn run(args: EventsArgs) -> Exit {
    let config = match config_of(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let client = match Client::of(&config) {
        Ok(client) => client,
        Err(trouble) => return exit_of(trouble, &config),
    };
    let mut after = args.after;
    let feed = async {
        loop {
            let wait = if args.follow { "25" } else { "0" };
            let query = [("after", after.to_string()), ("limit", "1000".into()), ("wait", wait.into())];
            let page = client.call(Method::GET, "/v1/events", &query).await?;
            let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            for item in &items {
                say_line(&item.to_string());
                after = item.get("seq").and_then(Value::as_i64).unwrap_or(after);
            }
            if items.is_empty() && !args.follow {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = feed => match ended {
            Ok(()) => Exit::Success,
            Err(trouble) => exit_of(trouble, &config),
        },
        () = interrupted(false) => Exit::Success,
    }
}
