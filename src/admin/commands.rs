//! Commanding: pause, resume, cancel, sync now, reset errors, purge. Idempotent; answered when
//! durable.

use crate::admin::problem::Problem;
use crate::admin::view::{PurgedView, StateView};
use crate::admin::{NotPurged, Shared};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postrider_core::account::follow::{Command, Conflict};

type Obedience = Result<(StatusCode, Json<StateView>), Problem>;

async fn obey(shared: &Shared, id: String, command: Command) -> Obedience {
    let is_known = shared.registry.find(&id).is_some();
    if !is_known && shared.reader.stored_accounts(Some(&id)).await?.is_empty() {
        return Err(Problem::missing("account"));
    }
    match shared.operator.command(&id, command).await {
        Ok((status, run)) => {
            let view =
                StateView { id, state: status.standing.as_str(), reason: status.reason, run };
            Ok((StatusCode::ACCEPTED, Json(view)))
        }
        Err(Conflict(why)) => Err(Problem::conflict(why)),
    }
}

/// Stops working on an account until it is resumed; survives restarts.
#[utoipa::path(post, path = "/v1/accounts/{id}/pause", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 202, body = StateView), (status = 401, body = Problem, content_type = "application/problem+json"), (status = 403, body = Problem, content_type = "application/problem+json"), (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem, content_type = "application/problem+json"), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn pause(State(shared): State<Shared>, Path(id): Path<String>) -> Obedience {
    obey(&shared, id, Command::Pause).await
}

/// Works on a paused account again.
#[utoipa::path(post, path = "/v1/accounts/{id}/resume", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 202, body = StateView), (status = 401, body = Problem, content_type = "application/problem+json"), (status = 403, body = Problem, content_type = "application/problem+json"), (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem, content_type = "application/problem+json"), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn resume(State(shared): State<Shared>, Path(id): Path<String>) -> Obedience {
    obey(&shared, id, Command::Resume).await
}

/// Ends the run that is under way; the schedule goes on.
#[utoipa::path(post, path = "/v1/accounts/{id}/cancel", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 202, body = StateView), (status = 401, body = Problem, content_type = "application/problem+json"), (status = 403, body = Problem, content_type = "application/problem+json"), (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem, content_type = "application/problem+json"), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel(State(shared): State<Shared>, Path(id): Path<String>) -> Obedience {
    obey(&shared, id, Command::Cancel).await
}

/// Looks at every folder now, whatever failed before.
#[utoipa::path(post, path = "/v1/accounts/{id}/sync-now", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 202, body = StateView), (status = 401, body = Problem, content_type = "application/problem+json"), (status = 403, body = Problem, content_type = "application/problem+json"), (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem, content_type = "application/problem+json"), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn sync_now(State(shared): State<Shared>, Path(id): Path<String>) -> Obedience {
    obey(&shared, id, Command::SyncNow).await
}

/// Forgets an account's failures, and tries.
#[utoipa::path(post, path = "/v1/accounts/{id}/reset-errors", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 202, body = StateView), (status = 401, body = Problem, content_type = "application/problem+json"), (status = 403, body = Problem, content_type = "application/problem+json"), (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem, content_type = "application/problem+json"), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn reset_errors(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Obedience {
    obey(&shared, id, Command::ResetErrors).await
}

/// Deletes every row of an account that the config no longer names. There is no way back.
#[utoipa::path(post, path = "/v1/accounts/{id}/purge", tag = "accounts", params(("id" = String, Path, description = "The id it had in the config")), responses(
    (status = 200, body = PurgedView), (status = 401, body = Problem, content_type = "application/problem+json"), (status = 403, body = Problem, content_type = "application/problem+json"), (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem, content_type = "application/problem+json"), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn purge(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<PurgedView>, Problem> {
    match shared.operator.purge(&id).await {
        Ok(freed) => Ok(Json(PurgedView { id, freed })),
        Err(NotPurged::Refused(why)) => Err(Problem::conflict(why)),
        Err(NotPurged::Missing) => Err(Problem::missing("account")),
        Err(NotPurged::Failed(failure)) => Err(failure.into()),
    }
}
