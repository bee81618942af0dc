//! `status` and `accounts`: a table from the server, or, while none runs, from the database.

use crate::cli::args::{ClientArgs, StatusArgs};
use crate::cli::client::{Client, Trouble, config_of, exit_of};
use crate::cli::exit::Exit;
use crate::cli::out::{say, say_line};
use crate::cli::sync::interrupted;
use crate::cli::table::{lay_out, octets};
use crate::cli::verbs::text;
use crate::config::Config;
use crate::store::{Reader, StoredAccount, open_for_reading};
use serde_json::Value;
use std::time::Duration;

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(2);

/// Runs `status`.
pub(super) async fn run(args: StatusArgs) -> Exit {
    let config = match config_of(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let client = match Client::of(&config) {
        Ok(client) => client,
        Err(Trouble::NoServer) if !args.watch => return offline(&config, args.client.json).await,
        Err(trouble) => return exit_of(trouble, &config),
    };
    let watching = async {
        loop {
            let items = client.all("/v1/accounts", &[("limit", "1000".into())]).await?;
            if args.client.json {
                say_line(&Value::Array(items).to_string());
                return Ok(());
            }
            let table = live_table(&items);
            if !args.watch {
                say(&table);
                return Ok(());
            }
            // From the top of a cleared screen.
            crate::cli::out::say_raw(&format!("\x1b[H\x1b[2J{table}"));
            tokio::time::sleep(WATCH).await;
        }
    };
    tokio::select! {
        ended = watching => match ended {
            Ok(()) => Exit::Success,
            Err(trouble) => exit_of(trouble, &config),
        },
        () = interrupted(false) => Exit::Success,
    }
}

/// Runs `accounts`.
pub(super) async fn accounts(args: ClientArgs) -> Exit {
    run(StatusArgs { client: args, watch: false }).await
}

/// The accounts as the server tells them.
pub(crate) fn live_table(items: &[Value]) -> String {
    let head = ["account", "state", "lag", "messages", "to read", "push", "next", "why"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in items {
        let lag = item.get("lag_seconds").and_then(Value::as_f64);
        let remaining = item.get("progress").and_then(|p| p.get("remaining")).and_then(Value::as_u64);
        rows.push(vec![
            text(item, "id"),
            text(item, "state"),
            lag.map(seconds).unwrap_or_default(),
            text(item, "messages"),
            remaining.map(|n| n.to_string()).unwrap_or_default(),
            text(item, "push"),
            time_of_day(&text(item, "next_attempt_at")),
            shortened(&text(item, "reason")),
        ]);
    }
    lay_out(&rows)
}

/// A span for people.
fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// The hours, minutes and seconds of an instant.
fn time_of_day(instant: &str) -> String {
    instant.get(11..19).unwrap_or_default().to_owned()
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(59).collect::<String>() + "…" }
}

async fn offline(config: &Config, json: bool) -> Exit {
    let db = match open_for_reading(&config.database).await {
        Ok(db) => db,
        Err(e) => {
            eprintln!("{e}");
            return Exit::Storage;
        }
    };
    let stored = Reader::new(&db).stored_accounts(None).await;
    let exit = match stored {
        Ok(rows) if json => {
            let item = |row: &StoredAccount| {
                serde_json::json!({ "id": row.name, "provider": row.provider, "state": row.state, "reason": row.reason,
                    "messages": row.messages, "octets": row.octets })
            };
            say_line(&Value::Array(rows.iter().map(item).collect()).to_string());
            Exit::Success
        }
        Ok(rows) => {
            eprintln!("no server runs on {}; this is what the database says", config.data_dir.display());
            let head = ["account", "state", "messages", "bytes", "why"];
            let mut table = vec![head.map(str::to_owned).to_vec()];
            for row in rows {
                let bytes = octets(u64::try_from(row.octets).unwrap_or(0));
                table.push(vec![row.name, row.state, row.messages.to_string(), bytes, shortened(&row.reason)]);
            }
            say(&lay_out(&table));
            Exit::Success
        }
        Err(failure) => {
            eprintln!("{failure}");
            Exit::of_class(failure.class)
        }
    };
    db.close().await;
    exit
}
