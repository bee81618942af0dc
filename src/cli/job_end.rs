//! Waiting for a job that a command asked for.
#![expect(
    clippy::disallowed_methods,
    reason = "a command waits for what it asked for, and says so"
)]

use crate::cli::client::{CallError, Client};
use crate::cli::verbs::text;
use postrider_core::job::words::JobStatus;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// How often it is looked at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The job as it has ended.
pub(super) async fn ended(client: &Client, path: &str) -> Result<Value, CallError> {
    loop {
        let job = client.call(Method::GET, path, &[]).await?;
        let status = text(&job, "status");
        let is_open = JobStatus::from_word(&status).is_some_and(JobStatus::is_open);
        let has_failed = job.get("errors").and_then(Value::as_array).is_some_and(|e| !e.is_empty());
        // What has failed is tried again later; whoever waits here is told why.
        if !is_open || has_failed {
            return Ok(job);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

pub(super) fn said(job: &Value) -> String {
    let last = job.get("errors").and_then(Value::as_array).and_then(|errors| errors.last());
    match (text(job, "outcome"), last) {
        (outcome, _) if !outcome.is_empty() => outcome,
        (_, Some(error)) => format!("it could not be done: {}", text(error, "text")),
        _ => text(job, "status"),
    }
}
