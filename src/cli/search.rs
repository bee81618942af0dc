//! `search`: stored messages, newest first.

use crate::admin::mail::of_messages;
use crate::cli::args::SearchArgs;
use crate::cli::client::{CallError, Client, seen_by};
use crate::cli::exit::Exit;
use crate::cli::looking::ask;
use crate::cli::out::{say, say_json};
use crate::cli::table::lay_out;
use crate::cli::verbs::text;
use reqwest::Method;
use serde_json::Value;

/// Messages of a page.
const PAGE: u64 = 200;
/// Signs of a subject, and of who wrote it.
const SUBJECT: usize = 60;
const FROM: usize = 30;

/// Runs the command.
pub(super) async fn run(args: SearchArgs) -> Exit {
    let config = match seen_by(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    ask(&config, async |client| found(&args, client).await).await
}

/// What was found so far.
struct Found {
    rows: Vec<Vec<String>>,
    has_more: bool,
    is_complete: bool,
}

/// What was found is told, whatever comes of the next page.
async fn found(args: &SearchArgs, client: &Client) -> Result<(), CallError> {
    let head = ["ID", "RECEIVED", "FROM", "SUBJECT", ""].map(str::to_owned).to_vec();
    let mut found = Found { rows: vec![head], has_more: false, is_complete: true };
    let ended = pages(args, client, &mut found).await;
    if !args.client.json && (ended.is_ok() || found.rows.len() > 1) {
        say(&lay_out(&found.rows));
    }
    if found.has_more {
        eprintln!("… and more: these are the newest {} (--limit)", args.limit);
    }
    if !found.is_complete {
        eprintln!(
            "mail is still to be derived: some may be missing (`postrider status ACCOUNT` says how much)"
        );
    }
    ended
}

async fn pages(args: &SearchArgs, client: &Client, found: &mut Found) -> Result<(), CallError> {
    let (mut left, mut cursor) = (args.limit, None);
    while left > 0 {
        let mut query: Vec<(&str, String)> = args.asked.clone();
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page = client.call_worded(Method::GET, "/v1/messages", &query, in_options).await?;
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        found.is_complete &= page.get("complete") != Some(&Value::Bool(false));
        left = left.saturating_sub(items.len() as u64);
        match args.client.json {
            true => items.iter().for_each(say_json),
            false => found.rows.extend(items.iter().map(row)),
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
    found.has_more = true;
    Ok(())
}

/// What the API says of its parameters, as the options are called.
fn in_options(text: &str) -> String {
    // What is somebody's own words stays so.
    if text.starts_with("no folder is called") {
        return text.to_owned();
    }
    let text = text.strip_prefix("q: ").unwrap_or(text);
    let said = of_messages().into_iter().fold(text.to_owned(), |said, (name, ..)| {
        let option = format!("--{}", name.replace('_', "-"));
        let said = match said.strip_prefix(&format!("{name}: ")) {
            Some(rest) => format!("{option}: {rest}"),
            None => said,
        };
        said.replace(&format!(" {name}="), &format!(" {option}="))
            .replace(&format!("`{name}`"), &format!("`{option}`"))
    });
    said.replace(" --q=", " ").replace("the parameter", "the option")
}

fn row(item: &Value) -> Vec<String> {
    let is = |field: &str| item.get(field) == Some(&Value::Bool(true));
    let has_files =
        item.get("attachments").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    let marks = [("unread", is("unread")), ("starred", is("starred")), ("files", has_files)];
    let marks: Vec<&str> = marks.into_iter().filter(|(_, is)| *is).map(|(mark, _)| mark).collect();
    let received = text(item, "received_at").chars().take(16).collect::<String>().replace('T', " ");
    vec![
        text(item, "id"),
        received,
        cut(&people(item, "from"), FROM),
        cut(&text(item, "subject"), SUBJECT),
        marks.join(" "),
    ]
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Who is named in a field, by name where they have one.
fn people(item: &Value, field: &str) -> String {
    let people = item.get(field).and_then(Value::as_array).into_iter().flatten();
    let named = |one: &Value| match one.get("name").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => text(one, "email"),
    };
    people.map(named).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who asks by options is told of options.
    #[test]
    fn parameters_are_told_as_options() {
        for (told, said) in [
            (
                "received_after: write an instant, for example received_after=2026-01-31T00:00:00Z",
                "--received-after: write an instant, for example --received-after=2026-01-31T00:00:00Z",
            ),
            (
                "q: is: is not asked so; ask with the parameters `unread` or `starred`",
                "is: is not asked so; ask with the options `--unread` or `--starred`",
            ),
            (
                "q: write words, for example q=invoice from:ada -draft",
                "write words, for example invoice from:ada -draft",
            ),
            ("no folder is called `unread`", "no folder is called `unread`"),
        ] {
            assert_eq!(in_options(told), said);
        }
    }
}
