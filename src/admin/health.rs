//! Alive, and ready. Ready means: the database takes writes, there is room, and what is to be
//! followed is followed.

use crate::admin::Shared;
use crate::admin::problem::ProblemOf;
use crate::admin::view::{FullHealthView, HealthView};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::collections::BTreeMap;

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = HealthView)))]
pub(super) async fn healthz() -> Json<HealthView> {
    Json(HealthView { status: "ok", reasons: Vec::new(), troubled: BTreeMap::new() })
}

/// The server follows what it should; 503 with the reasons when it does not.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = HealthView), (status = 503, body = HealthView)))]
pub(super) async fn readyz(State(shared): State<Shared>) -> (StatusCode, Json<HealthView>) {
    // No token is asked for here: a condition is told by its name, not in a server's words.
    let told = shared.registry.conditions().into_iter();
    let reasons = told.map(|(about, what)| match about {
        "database" => "database: storage".to_owned(),
        _ => format!("{about}: {what}"),
    });
    let mut reasons: Vec<String> = reasons.collect();
    let database = shared.probe.asked().await;
    if database.trouble.is_some() && !reasons.iter().any(|told| told.starts_with("database:")) {
        reasons.push("database: storage".to_owned());
    }
    let (reasons, troubled) = standing(&shared, reasons);
    let (code, status) = status_of(&reasons);
    (code, Json(HealthView { status, reasons, troubled }))
}

/// The same in full, and the database: where it is, which version, how long it takes to answer.
#[utoipa::path(get, path = "/v1/health", tag = "health", responses(
    (status = 200, body = FullHealthView), ProblemOf<401>))]
pub(super) async fn health(State(shared): State<Shared>) -> Json<FullHealthView> {
    let database = shared.probe.asked().await;
    let told = shared.registry.conditions().into_iter();
    let mut reasons: Vec<String> = told.map(|(about, what)| format!("{about}: {what}")).collect();
    if let Some(trouble) = &database.trouble {
        reasons.push(format!("database: {trouble}"));
    }
    let (reasons, troubled) = standing(&shared, reasons);
    let (_, status) = status_of(&reasons);
    let told = shared.registry.notes().into_iter();
    let notes = told.map(|(about, what)| format!("{about}: {what}")).collect();
    Json(FullHealthView { status, reasons, notes, troubled, database })
}

/// How many accounts are in trouble, by state; and these reasons, with one more where all are.
fn standing(
    shared: &Shared,
    mut reasons: Vec<String>,
) -> (Vec<String>, BTreeMap<&'static str, usize>) {
    let accounts = shared.registry.accounts();
    let wanted: Vec<_> = accounts.iter().filter(|(_, line)| line.is_wanted()).collect();
    // Neither an account nor a server's words are told, only how many are in which state.
    let mut troubled: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (_, line) in wanted.iter().filter(|(_, line)| !line.is_well()) {
        *troubled.entry(line.standing.as_str()).or_default() += 1;
    }
    if !wanted.is_empty() && troubled.values().sum::<usize>() == wanted.len() && !shared.no_sync {
        reasons.push(format!(
            "no account is followed now: all {} are in trouble or starting",
            wanted.len()
        ));
    }
    (reasons, troubled)
}

fn status_of(reasons: &[String]) -> (StatusCode, &'static str) {
    if reasons.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}
