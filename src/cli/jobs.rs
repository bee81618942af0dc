//! `jobs`: what somebody asked for, or a fixed time; a thin client of the admin API.

use crate::admin::job_view::WishedJob;
use crate::cli::args::{AddArgs, CancelArgs, JobArgs, JobVerbs, JobsArgs};
use crate::cli::client::{CallError, Client, config_of, seen_by};
use crate::cli::exit::Exit;
use crate::cli::looking::{ask, have_done};
use crate::cli::out::{say, say_json, say_line};
use crate::cli::table::lay_out;
use crate::cli::verbs::text;
use reqwest::Method;
use serde_json::Value;

/// Runs `jobs`.
pub(super) async fn run(args: JobsArgs) -> Exit {
    match args.verb {
        None => match seen_by(&args.client) {
            Ok(config) => ask(&config, async |client| list(&args, client).await).await,
            Err(exit) => exit,
        },
        Some(JobVerbs::Show(args)) => match seen_by(&args.client) {
            Ok(config) => ask(&config, async |client| shown(&args, client).await).await,
            Err(exit) => exit,
        },
        Some(JobVerbs::Add(args)) => {
            have_done(config_of(&args.client), async |client| added(&args, client).await).await
        }
        Some(JobVerbs::Cancel(args)) => {
            have_done(config_of(&args.client), async |client| cancelled(&args, client).await).await
        }
        Some(JobVerbs::Retry(args)) => {
            have_done(config_of(&args.client), async |client| told(&args, "retry", client).await)
                .await
        }
        Some(JobVerbs::Discard(args)) => {
            have_done(config_of(&args.client), async |client| told(&args, "discard", client).await)
                .await
        }
    }
}

async fn list(args: &JobsArgs, client: &Client) -> Result<(), CallError> {
    let of = [
        ("account", &args.account),
        ("status", &args.status),
        ("kind", &args.kind),
        ("owner", &args.owner),
    ];
    let query: Vec<(&str, String)> =
        of.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let items = client.all("/v1/jobs", &query).await?;
    if args.client.json {
        say_line(&Value::Array(items).to_string());
        return Ok(());
    }
    if items.is_empty() {
        say_line(if query.is_empty() {
            "nobody has asked for anything; `postrider jobs add` does"
        } else {
            "there is none of these"
        });
        return Ok(());
    }
    let head = ["id", "kind", "account", "status", "asked for", "by", "what of it"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for item in &items {
        let cells = ["id", "kind", "account", "status", "created_at", "by"];
        let mut row: Vec<String> = cells.iter().map(|key| text(item, key)).collect();
        let task = text(item, "task");
        if let Some(kind) = row.get_mut(1).filter(|_| !task.is_empty()) {
            kind.push_str(&format!(" ({task})"));
        }
        row.push(what_of(item));
        rows.push(row);
    }
    say(&lay_out(&rows));
    Ok(())
}

/// What has come of a job, or why it waits.
fn what_of(item: &Value) -> String {
    let last = item.get("errors").and_then(Value::as_array).and_then(|errors| errors.last());
    let last = || last.map(|error| text(error, "text")).unwrap_or_default();
    let said = [text(item, "outcome"), text(item, "reason"), last()];
    said.into_iter().find(|said| !said.is_empty()).unwrap_or_default()
}

async fn shown(args: &JobArgs, client: &Client) -> Result<(), CallError> {
    let job = client.call(Method::GET, &format!("/v1/jobs/{}", args.job), &[]).await?;
    if args.client.json {
        say_json(&job);
        return Ok(());
    }
    let keys = [
        ("kind", "kind"),
        ("task", "task"),
        ("account", "account"),
        ("folders", "folders"),
        ("since", "since"),
        ("until", "until"),
        ("limit", "limit"),
        ("status", "status"),
        ("why", "reason"),
        ("priority", "priority"),
        ("asked for", "created_at"),
        ("by", "by"),
        ("wishes", "merged"),
        ("not before", "not_before"),
        ("begun", "started_at"),
        ("ended", "finished_at"),
        ("outcome", "outcome"),
        ("stored", "stored"),
        ("attempts", "attempts"),
    ];
    let lines = keys.into_iter().map(|(name, key)| (name, text(&job, key)));
    let told = lines.filter(|(_, value)| !value.is_empty());
    let mut told: Vec<Vec<String>> =
        told.map(|(name, value)| vec![format!("{name}:"), value]).collect();
    for error in job.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let (at, class, why) = (text(error, "at"), text(error, "class"), text(error, "text"));
        told.push(vec!["failed:".to_owned(), format!("{at} {class}: {why}")]);
    }
    say(&lay_out(&told));
    Ok(())
}

async fn added(args: &AddArgs, client: &Client) -> Result<Exit, CallError> {
    let wish = WishedJob {
        kind: args.kind.clone(),
        task: args.task.clone(),
        folders: Some(args.folders.clone()).filter(|folders| !folders.is_empty()),
        since: args.since.clone(),
        until: args.until.clone(),
        limit: args.limit,
        accounts: Some(args.accounts.clone()).filter(|accounts| !accounts.is_empty()),
        owner: args.owner.clone(),
        all: args.all,
        priority: args.priority,
        not_before: args.not_before.clone(),
    };
    let told = client.send("/v1/jobs", &wish).await?;
    let all = |key: &str| told.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (items, refused) = (all("items"), all("refused"));
    if args.client.json {
        say_json(&told);
    } else {
        for item in &items {
            let merged = match text(item, "merged").as_str() {
                "1" => String::new(),
                n => format!(", {n} wishes in one"),
            };
            let of = match text(item, "account") {
                account if account.is_empty() => String::new(),
                account => format!(" of {account}"),
            };
            say_line(&format!("job {}{of}: {}{merged}", text(item, "id"), text(item, "status")));
        }
        if items.is_empty() && refused.is_empty() {
            say_line("there is no account yet");
        }
    }
    for one in &refused {
        eprintln!("{}: {}", text(one, "account"), text(one, "why"));
    }
    Ok(if refused.is_empty() && !items.is_empty() { Exit::Success } else { Exit::Partial })
}

async fn cancelled(args: &CancelArgs, client: &Client) -> Result<Exit, CallError> {
    if let Some(job) = args.job {
        return told(&JobArgs { job, client: args.client.clone() }, "cancel", client).await;
    }
    let of = [("account", &args.account), ("owner", &args.owner)];
    let query: Vec<(&str, String)> =
        of.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let told = client.call(Method::POST, "/v1/jobs/cancel", &query).await?;
    if args.client.json {
        say_json(&told);
    } else {
        let (jobs, kept) = (text(&told, "jobs"), text(&told, "refused"));
        let kept = if kept == "0" { String::new() } else { format!("; {kept} end by themselves") };
        say_line(&format!("{jobs} taken back{kept}"));
    }
    Ok(Exit::Success)
}

/// Has something done with one job, and says how it stands then.
async fn told(args: &JobArgs, verb: &str, client: &Client) -> Result<Exit, CallError> {
    let path = format!("/v1/jobs/{}/{verb}", args.job);
    let told = client.call(Method::POST, &path, &[]).await?;
    if args.client.json {
        say_json(&told);
    } else {
        let why = match text(&told, "outcome") {
            outcome if outcome.is_empty() => String::new(),
            outcome => format!(" ({outcome})"),
        };
        say_line(&format!("job {}: {}{why}", args.job, text(&told, "status")));
    }
    Ok(Exit::Success)
}
