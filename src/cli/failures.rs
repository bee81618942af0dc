//! `failures`: the ledger of what could not be done; a thin client of the admin API.

use crate::admin::failures::Discarded;
use crate::cli::args::{
    DiscardArgs, FailureArgs, FailureKind, FailureVerb, FailuresArgs, RetryArgs,
};
use crate::cli::client::{CallError, Client, config_of, exit_of, in_path, near_or_none, seen_by};
use crate::cli::exit::Exit;
use crate::cli::looking::{ask, have_done};
use crate::cli::offline::StoredMirror;
use crate::cli::out::{say, say_json, say_line};
use crate::cli::table::{lay_out, named};
use crate::cli::verbs::{standing, text};
use crate::store::WhichFailures;
use postrider_core::failure::{Class, Reach};
use postrider_core::standing::Standing;
use reqwest::Method;
use serde_json::Value;
use std::io::IsTerminal;

/// Runs `failures`.
pub(super) async fn run(args: FailuresArgs) -> Exit {
    match args.verb {
        None => list(args).await,
        Some(FailureVerb::Show(args)) => looked(&args, shown).await,
        Some(FailureVerb::Raw(args)) => looked(&args, raw).await,
        Some(FailureVerb::Retry(args)) => {
            let config = config_of(&args.client);
            have_done(config, async |client| retried(&args, client).await).await
        }
        Some(FailureVerb::Discard(args)) => {
            let config = config_of(&args.client);
            have_done(config, async |client| discarded(&args, client).await).await
        }
    }
}

/// Asks about one, the database alone while no server runs.
async fn looked(
    args: &FailureArgs,
    what: impl AsyncFn(&FailureArgs, &Client) -> Result<(), CallError>,
) -> Exit {
    match seen_by(&args.client) {
        Ok(config) => ask(&config, async |client| what(args, client).await).await,
        Err(exit) => exit,
    }
}

/// What stands behind the `?` of a list.
fn query_of(account: Option<&str>, kind: &FailureKind) -> Vec<(&'static str, String)> {
    let FailureKind { class, owner } = kind;
    let of = [("account", account), ("class", class.as_deref()), ("owner", owner.as_deref())];
    of.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect()
}

/// The open rows of the ledger, and the accounts that are in trouble as a whole.
async fn ledger(args: &FailuresArgs) -> Result<(Vec<Value>, Vec<String>), Exit> {
    let config = seen_by(&args.client)?;
    let account = args.account.as_deref();
    let (items, accounts) = match near_or_none(&config)? {
        Some(client) => {
            let said = |trouble| exit_of(trouble, &config);
            let mut query = query_of(account, &args.kind);
            query.extend(args.reach.iter().map(|reach| ("reach", reach.clone())));
            let accounts = match account {
                Some(id) => {
                    let path = format!("/v1/accounts/{}", in_path(id));
                    vec![client.call(Method::GET, &path, &[]).await.map_err(said)?]
                }
                None => {
                    client.all("/v1/accounts", &[("limit", "1000".into())]).await.map_err(said)?
                }
            };
            (client.all("/v1/failures", &query).await.map_err(said)?, accounts)
        }
        None => {
            let stored = StoredMirror::open(&config).await?;
            let accounts = stored.accounts(account).await?;
            let which = WhichFailures {
                account: args.account.clone(),
                owner: args.kind.owner.clone(),
                class: args.kind.class.as_deref().and_then(Class::from_word),
                reach: args.reach.as_deref().and_then(Reach::from_word),
                run: None,
            };
            let items = stored.failures(&which).await?;
            stored.close().await;
            (items, accounts)
        }
    };
    let is_troubled = |item: &&Value| standing(item).is_some_and(Standing::is_troubled);
    Ok((items, accounts.iter().filter(is_troubled).map(|item| text(item, "id")).collect()))
}

async fn list(args: FailuresArgs) -> Exit {
    let (items, troubled) = match ledger(&args).await {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if args.client.json {
        say_line(&Value::Array(items).to_string());
        return Exit::Success;
    }
    if items.is_empty() {
        let is_all = args.reach.is_none() && args.kind.class.is_none() && args.kind.owner.is_none();
        let others =
            "no folder and no mail is left undone; but see `postrider status`, in trouble: ";
        match (is_all, troubled.is_empty()) {
            (false, _) => say_line("there is none of these"),
            (true, true) => say_line("nothing is left undone"),
            (true, false) => say_line(&format!("{others}{}", troubled.join(", "))),
        }
        return Exit::Success;
    }
    let head = ["id", "account", "folder", "mail", "class", "attempts", "next try", "text"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in &items {
        let cells = ["id", "account", "folder", "uid", "class", "attempts", "next_try_at", "text"];
        rows.push(cells.map(|key| cell(item, key)).to_vec());
    }
    say(&lay_out(&rows));
    Exit::Success
}

pub(super) fn is_left_out(item: &Value) -> bool {
    item.get("left_out").and_then(Value::as_bool).unwrap_or(false)
}

fn cell(item: &Value, key: &str) -> String {
    match key {
        "next_try_at" if is_left_out(item) => "left out".to_owned(),
        "text" if is_left_out(item) => text(item, "note"),
        _ => text(item, named(item, key)),
    }
}

async fn shown(args: &FailureArgs, client: &Client) -> Result<(), CallError> {
    let path = format!("/v1/failures/{}", args.failure);
    let failure = client.call(Method::GET, &path, &[]).await?;
    if args.client.json {
        say_json(&failure);
        return Ok(());
    }
    let came = failure.get("raw").and_then(Value::as_bool).unwrap_or(false);
    let lines = [
        ("account", text(&failure, "account")),
        ("folder", text(&failure, "folder")),
        ("mail", text(&failure, named(&failure, "uid"))),
        ("reach", text(&failure, "reach")),
        ("class", text(&failure, "class")),
        ("attempts", text(&failure, "attempts")),
        ("first", text(&failure, "first_at")),
        ("last", text(&failure, "last_at")),
        ("next try", cell(&failure, "next_try_at")),
        ("note", text(&failure, "note")),
        (
            "what came",
            if came { format!("postrider failures raw {}", args.failure) } else { String::new() },
        ),
        ("text", text(&failure, "text")),
    ];
    let told = lines.into_iter().filter(|(_, value)| !value.is_empty());
    let told: Vec<Vec<String>> =
        told.map(|(name, value)| vec![format!("{name}:"), value]).collect();
    say(&lay_out(&told));
    Ok(())
}

async fn raw(args: &FailureArgs, client: &Client) -> Result<(), CallError> {
    let mut out = std::io::stdout();
    // A terminal would obey them.
    if out.is_terminal() {
        eprintln!("octets are not written to a terminal; send them into a file: > FILE");
        return Err(CallError::Said(Exit::Usage));
    }
    client.copy(&format!("/v1/failures/{}/raw", args.failure), &mut out).await
}

async fn retried(args: &RetryArgs, client: &Client) -> Result<Exit, CallError> {
    let Some(id) = args.failure else {
        let query = query_of(args.account.as_deref(), &args.kind);
        let told = client.call(Method::POST, "/v1/failures/retry", &query).await?;
        if args.client.json {
            say_json(&told);
        } else {
            let (rows, accounts) = (text(&told, "rows"), text(&told, "accounts"));
            say_line(&format!("{rows} are due; {accounts} account(s) try them now"));
        }
        return Ok(Exit::Success);
    };
    let told = client.call(Method::POST, &format!("/v1/failures/{id}/retry"), &[]).await?;
    if args.client.json {
        say_json(&told);
    } else if told.get("run").is_some_and(|run| !run.is_null()) {
        let account = text(&told, "account");
        say_line(&format!("{id}: {account} tries it again now ({})", text(&told, "state")));
    } else {
        say_line(&format!(
            "{id}: it is due, and tried in the account's next run ({})",
            text(&told, "reason")
        ));
    }
    Ok(Exit::Success)
}

async fn discarded(args: &DiscardArgs, client: &Client) -> Result<Exit, CallError> {
    let path = format!("/v1/failures/{}/discard", args.failure);
    let told = client.send(&path, &Discarded::with(args.note.clone())).await?;
    if args.client.json {
        say_json(&told);
    } else {
        let id = args.failure;
        say_line(&format!("{id}: it is left out; `postrider failures retry {id}` takes that back"));
    }
    Ok(Exit::Success)
}
