//! `show`: a message, or its octets.

use crate::cli::args::ShowArgs;
use crate::cli::client::{CallError, Client, in_path, seen_by};
use crate::cli::exit::Exit;
use crate::cli::looking::ask;
use crate::cli::out::{say, say_json, say_line};
use crate::cli::table::octets;
use crate::cli::verbs::text;
use reqwest::Method;
use serde_json::Value;
use std::io::IsTerminal;

/// Runs the command.
pub(super) async fn run(args: ShowArgs) -> Exit {
    let config = match seen_by(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    ask(&config, async |client| shown(&args, client).await).await
}

async fn shown(args: &ShowArgs, client: &Client) -> Result<(), CallError> {
    let path = format!("/v1/messages/{}", args.message);
    let octets_of = match args {
        ShowArgs { raw: true, .. } => Some(format!("{path}/raw")),
        ShowArgs { headers: true, .. } => Some(format!("{path}/headers")),
        ShowArgs { html: true, .. } => Some(format!("{path}/html")),
        ShowArgs { part: Some(part), .. } => Some(format!("{path}/parts/{}", in_path(part))),
        _ => None,
    };
    if let Some(path) = octets_of {
        let mut out = std::io::stdout();
        if !out.is_terminal() {
            return client.copy(&path, &mut out).await;
        }
        // A terminal would obey them.
        if args.raw || args.part.is_some() {
            eprintln!("octets are not written to a terminal; send them into a file: > FILE");
            return Err(CallError::Said(Exit::Usage));
        }
        let mut read = Vec::new();
        client.copy(&path, &mut read).await?;
        say_line(&plain(&read));
        return Ok(());
    }
    let message = client.call(Method::GET, &path, &[]).await?;
    if args.client.json {
        say_json(&message);
        return Ok(());
    }
    say(&head(&message));
    if message.get("damaged").is_some_and(|damaged| !damaged.is_null()) {
        return Ok(());
    }
    let mut shown = Vec::new();
    client.copy(&format!("{path}/text"), &mut shown).await?;
    say_line(&format!("\n{}", plain(&shown)));
    Ok(())
}

/// A text as lines.
fn plain(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.replace("\r\n", "\n").replace('\t', "    ").trim_end().to_owned()
}

/// What stands above its text: a line for each field that it has.
fn head(message: &Value) -> String {
    let people = |field| {
        let of = message.get(field).and_then(Value::as_array).into_iter().flatten();
        let one = |one: &Value| match one.get("name").and_then(Value::as_str) {
            Some(name) => format!("{name} <{}>", text(one, "email")),
            None => text(one, "email"),
        };
        of.map(one).collect::<Vec<_>>().join(", ")
    };
    let list = |field, of: fn(&Value) -> String| {
        let all = message.get(field).and_then(Value::as_array).into_iter().flatten();
        all.map(of).collect::<Vec<_>>().join(", ")
    };
    let place = |place: &Value| format!("{} ({})", text(place, "path"), flags(place));
    let file = |file: &Value| {
        let size = octets(file.get("size").and_then(Value::as_u64).unwrap_or(0));
        let name = file.get("filename").and_then(Value::as_str).unwrap_or("no name");
        format!("{}: {name} ({}, {size})", text(file, "part"), text(file, "content_type"))
    };
    let lines = [
        ("From", people("from")),
        ("To", people("to")),
        ("Cc", people("cc")),
        ("Bcc", people("bcc")),
        ("Reply-To", people("reply_to")),
        ("Subject", text(message, "subject")),
        ("Date", text(message, "date")),
        ("Received", text(message, "received_at")),
        ("Account", text(message, "account")),
        ("Folders", list("folders", place)),
        ("Files", list("attachments", file)),
        ("Thread", text(message, "thread_id")),
        ("Message-ID", text(message, "message_id")),
        ("Deleted", text(message, "deleted_at")),
        ("Damaged", text(message, "damaged")),
    ];
    // A name that has a line's end in it begins no line.
    let line = |(name, value): (&str, String)| format!("{name}: {}\n", value.replace('\n', " "));
    lines.into_iter().filter(|(_, value)| !value.is_empty()).map(line).collect()
}

fn flags(place: &Value) -> String {
    let flags = place.get("flags").and_then(Value::as_array).into_iter().flatten();
    let flags: Vec<&str> = flags.filter_map(Value::as_str).collect();
    if flags.is_empty() { "no flags".to_owned() } else { flags.join(" ") }
}
