//! Alive, and ready. Ready means: the database takes writes, there is room, and what is to be
//! followed is followed.

use crate::admin::Shared;
use crate::admin::view::HealthView;
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
    let mut reasons: Vec<String> = shared
        .registry
        .conditions()
        .into_iter()
        .map(|(about, what)| format!("{about}: {what}"))
        .collect();
    let accounts = shared.registry.accounts();
    let wanted: Vec<_> = accounts.iter().filter(|(_, line)| line.is_wanted()).collect();
    // No token is asked for here: neither an account nor a server's words are told, only how many
    // are in which state.
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
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    (code, Json(HealthView { status, reasons, troubled }))
}
