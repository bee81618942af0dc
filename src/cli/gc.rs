//! `gc`: what is kept no longer goes now, and not at its time of the day; or it is only said how much that is.

use crate::admin::job_view::WishedJob;
use crate::cli::args::GcArgs;
use crate::cli::client::{CallError, Client, config_of, exit_of};
use crate::cli::exit::Exit;
use crate::cli::job_end::{ended, said};
use crate::cli::out::{say_json, say_line};
use crate::cli::patience::opened;
use crate::cli::verbs::text;
use crate::clock::Clock;
use crate::config::Config;
use crate::instant::instant;
use crate::store::{ExpiredCounts, ExpiredReader, Reader};
use postrider_core::failure::Failure;
use postrider_core::job::words::{JobKind, JobStatus, JobTask};
use postrider_core::retention::ClockSeen;
use postrider_core::time::Micros;
use serde_json::{Value, json};
use std::time::Duration;

/// Runs the command.
pub(super) async fn run(args: GcArgs) -> Exit {
    let config = match config_of(&args.client) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if args.dry_run {
        return counted(&args, &config).await;
    }
    let done = match Client::of(&config) {
        Ok(client) => collected(&args, &client).await,
        Err(trouble) => Err(trouble),
    };
    done.unwrap_or_else(|trouble| exit_of(trouble, &config))
}

async fn collected(args: &GcArgs, client: &Client) -> Result<Exit, CallError> {
    let (kind, task) = (JobKind::Maintenance.as_str(), JobTask::Gc.as_str());
    let wish = WishedJob { kind: kind.into(), task: Some(task.into()), ..WishedJob::default() };
    let told = client.send("/v1/jobs", &wish).await?;
    let job = told.pointer("/items/0").map_or(Value::Null, Clone::clone);
    let job = ended(client, &format!("/v1/jobs/{}", text(&job, "id"))).await?;
    if args.client.json {
        say_json(&job);
    } else {
        say_line(&said(&job));
    }
    let is_done = text(&job, "status") == JobStatus::Done.as_str();
    Ok(if is_done { Exit::Success } else { Exit::Partial })
}

/// What would go now; the database says, whether a server runs or not.
async fn counted(args: &GcArgs, config: &Config) -> Exit {
    let db = match opened(config).await {
        Ok(db) => db,
        Err(e) => {
            eprintln!("{e}");
            return Exit::Storage;
        }
    };
    let told = count(&Reader::new(&db), config).await;
    db.close().await;
    let (counts, until) = match told {
        Ok(told) => told,
        Err(failure) => {
            eprintln!("{failure}");
            return Exit::of_class(failure.class);
        }
    };
    let ExpiredCounts { messages, octets, places, runs, failures, bodies } = counts;
    if args.client.json {
        let counts = json!({
            "messages": messages, "octets": octets, "places": places, "runs": runs, "failures": failures, "bodies": bodies,
            "not_before": until.map(instant),
        });
        say_json(&counts);
        return Exit::Success;
    }
    say_line(&format!(
        "{messages} deleted messages ({octets} octets), {places} more places of messages, {runs} runs, {failures} failures and {bodies} \
         bodies would go"
    ));
    if let Some(until) = until {
        let until = instant(until);
        say_line(&format!("not before {until}: the clock has risen by more than two days"));
    }
    Exit::Success
}

async fn count(
    reader: &Reader,
    config: &Config,
) -> Result<(ExpiredCounts, Option<Micros>), Failure> {
    let (expired, now) = (ExpiredReader::new(reader), Clock::start().now().wall);
    let seen = ClockSeen::look(expired.clock().await?, now, Duration::ZERO);
    let counts = expired.counted(config.retention.expiry(now)).await?;
    Ok((counts, seen.waits_until(now)))
}
