//! Taking in a grant that a human has given to `postrider auth login`: sealed by the command, so
//! that no token passes here in the clear.

use crate::admin::Shared;
use crate::admin::problem::{Problem, ProblemOf};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::Class;
use postrider_core::oauth::CredentialRow;
use postrider_core::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A grant, sealed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct GrantBody {
    /// The generation that is stored now; 0 if there is none.
    from: i64,
    issuer: String,
    username: String,
    /// The tokens, sealed, in base64.
    sealed: String,
    /// A mark of the key.
    key_print: String,
    scopes: String,
    /// Microseconds UTC.
    granted_at: i64,
    /// Microseconds UTC.
    expires_at: i64,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantView {
    id: String,
    /// Whether it is stored; if not, another generation is stored than the one named.
    stored: bool,
}

/// As it is sent.
pub(crate) fn body(from: i64, row: &CredentialRow) -> GrantBody {
    GrantBody {
        from,
        issuer: row.issuer.clone(),
        username: row.username.clone(),
        sealed: STANDARD.encode(&row.sealed),
        key_print: row.key_print.clone(),
        scopes: row.scopes.clone(),
        granted_at: row.granted_at.0,
        expires_at: row.expires_at.0,
    }
}

/// Store a grant that `postrider auth login` has sealed, and try again to log in.
#[utoipa::path(post, path = "/v1/accounts/{id}/credential", tag = "accounts", request_body = GrantBody,
    params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = GrantView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn grant(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<GrantView>, Problem> {
    let body = body.map_err(|_| Problem::bad("the body is too long, or has broken off"))?;
    let body: GrantBody = serde_json::from_slice(&body)
        .map_err(|e| Problem::bad(format!("the body is no sealed grant: {e}")))?;
    if shared.registry.find(&id).is_none() {
        return Err(Problem::missing("account"));
    }
    let Ok(sealed) = STANDARD.decode(&body.sealed) else {
        return Err(Problem::bad("what is sealed is no base64"));
    };
    let row = CredentialRow {
        account: id.clone(),
        issuer: body.issuer,
        username: body.username,
        version: body.from.saturating_add(1),
        sealed,
        key_print: body.key_print,
        scopes: body.scopes,
        granted_at: Micros(body.granted_at),
        renewed_at: Micros(body.granted_at),
        expires_at: Micros(body.expires_at),
        trouble: None,
    };
    let stored = shared.operator.grant(body.from, row).await.map_err(|e| match e.class {
        Class::Config => Problem::conflict(e.text),
        _ => e.into(),
    })?;
    Ok(Json(GrantView { id, stored }))
}
