//! `audit`: who has had what done; a thin client of the admin API.

use crate::cli::args::AuditArgs;
use crate::cli::client::{CallError, Client, seen_by};
use crate::cli::exit::Exit;
use crate::cli::looking::ask;
use crate::cli::out::{say, say_line};
use crate::cli::table::lay_out;
use crate::cli::verbs::text;
use reqwest::Method;
use serde_json::Value;

/// Rows that the API gives at a time.
const PAGE: usize = 1000;

/// Runs `audit`.
pub(super) async fn run(args: AuditArgs) -> Exit {
    match seen_by(&args.client) {
        Ok(config) => ask(&config, async |client| list(&args, client).await).await,
        Err(exit) => exit,
    }
}

/// The newest rows, so many at most.
async fn newest(args: &AuditArgs, client: &Client) -> Result<Vec<Value>, CallError> {
    let of = [("what", &args.what), ("who", &args.by), ("owner", &args.owner)];
    let query: Vec<(&str, String)> =
        of.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let (mut all, mut cursor) = (Vec::new(), None);
    while all.len() < args.limit {
        let mut query = query.clone();
        query.push(("limit", (args.limit - all.len()).min(PAGE).to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page = client.call(Method::GET, "/v1/audit", &query).await?;
        all.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
        match text(&page, "next") {
            none if none.is_empty() => break,
            next => cursor = Some(next),
        }
    }
    Ok(all)
}

async fn list(args: &AuditArgs, client: &Client) -> Result<(), CallError> {
    let items = newest(args, client).await?;
    if args.client.json {
        say_line(&Value::Array(items).to_string());
        return Ok(());
    }
    if items.is_empty() {
        let is_all = args.what.is_none() && args.by.is_none() && args.owner.is_none();
        say_line(if is_all { "nobody has had anything done" } else { "there is none of these" });
        return Ok(());
    }
    let head = ["at", "who", "from", "verb", "of", "answer", "what of it"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in &items {
        let cells = ["at", "who", "source", "verb", "what", "status", "detail"];
        rows.push(cells.iter().map(|key| text(item, key)).collect());
    }
    say(&lay_out(&rows));
    Ok(())
}
