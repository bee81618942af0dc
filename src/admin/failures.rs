//! The ledger of what could not be done: looking, trying again, leaving out.

use crate::account::message::NotObeyed;
use crate::admin::Shared;
use crate::admin::lists::{Asked, limited, number, word};
use crate::admin::mail::as_file;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::view::Page;
use crate::instant::instant;
use crate::store::{
    Done, FailingAccount, FailureReader, FailureWork, StoredFailure, WhichFailures,
};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postrider_core::account::follow::{Command, Conflict};
use postrider_core::failure::{Class, Failure, Reach};
use postrider_core::plain::PlainText;
use postrider_core::standing::Standing;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Signs of a note.
const NOTE: usize = 500;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(failures))
        .routes(routes!(failure))
        .routes(routes!(raw))
        .routes(routes!(retry))
        .routes(routes!(discard))
        .routes(routes!(retry_all))
}

/// What could not be done, and when it is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureView {
    pub(crate) id: i64,
    account: String,
    folder: Option<String>,
    uid: Option<i64>,
    /// The message's identity, where it has no UID.
    message: Option<String>,
    reach: String,
    class: String,
    attempts: i64,
    /// When it is tried again; absent: with a new version, or never where it is left out.
    next_try_at: Option<String>,
    text: String,
    first_at: String,
    last_at: String,
    /// It was discarded: it is not tried again, and its folder is proved without it.
    left_out: bool,
    /// Why.
    note: Option<String>,
    /// `/v1/failures/{id}/raw` has the beginning of what came of it.
    raw: bool,
}

impl From<&StoredFailure> for FailureView {
    fn from(row: &StoredFailure) -> Self {
        let left_out = row.note.is_some();
        Self {
            id: row.id,
            account: row.account.clone(),
            folder: row.folder.clone(),
            uid: row.uid,
            message: row.message.clone(),
            reach: row.reach.clone(),
            class: row.class.clone(),
            attempts: row.attempts,
            next_try_at: row.next_try_at.filter(|_| !left_out).map(instant),
            text: row.text.clone(),
            first_at: instant(row.first_at),
            last_at: instant(row.last_at),
            left_out,
            note: row.note.clone(),
            raw: row.came,
        }
    }
}

/// What is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetriedView {
    /// Rows that are due now.
    rows: u64,
    /// Accounts of theirs that try them now; the others do when they work again.
    accounts: usize,
}

/// A row that is due, and what its account does with it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetryView {
    id: i64,
    account: String,
    /// The account's state.
    state: Option<&'static str>,
    /// Why; or why no run has begun: it is tried in the next.
    reason: String,
    /// It has been tried when so many runs have ended (`runs_ended`); absent where none has begun.
    run: Option<u64>,
}

/// Which failures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failures {
    /// Only of this account.
    account: Option<String>,
    /// Only of this owner's accounts.
    owner: Option<String>,
    /// Only of this class.
    #[param(example = "invalid_data")]
    class: Option<String>,
    /// Only of this reach: `message`, `folder` or `account`.
    #[param(example = "message")]
    reach: Option<String>,
    /// Only those that last failed in this run (its `id` in `/v1/runs`).
    run: Option<i64>,
    /// Items at most (100; at most 1000).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Of which rows of the ledger.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retried {
    /// Only of this account.
    account: Option<String>,
    /// Only of this owner's accounts.
    owner: Option<String>,
    /// Only of this class.
    #[param(example = "invalid_data")]
    class: Option<String>,
}

/// Why a row is left out.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discarded {
    /// For who reads it later: 1 to 500 characters.
    note: String,
}

impl Discarded {
    /// With this note.
    pub(crate) fn with(note: String) -> Self {
        Self { note }
    }
}

/// Which rows a request asks for, of those that it may see.
async fn seen(
    shared: &Shared,
    sight: &Sight,
    (account, owner): (Option<String>, Option<String>),
    (class, reach): (Option<&str>, Option<&str>),
) -> Result<WhichFailures, Problem> {
    let class = class.map(|given| word("class", given, Class::ALL, Class::as_str)).transpose()?;
    let reaches = [Reach::Message, Reach::Folder, Reach::Account];
    let reach = reach.map(|given| word("reach", given, &reaches, Reach::as_str)).transpose()?;
    let owner = sight.narrowed(shared, account.as_deref(), owner).await?;
    Ok(WhichFailures { account, owner, class, reach, run: None })
}

/// The open rows of the ledger: what could not be done, why, and when it is tried again.
#[utoipa::path(get, path = "/v1/failures", tag = "failures", params(Failures), responses(
    (status = 200, body = Page<FailureView>), ProblemOf<400>, ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn failures(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(asked): Asked<Failures>,
) -> Result<Json<Page<FailureView>>, Problem> {
    let limit = limited(asked.limit)?;
    let after = number(asked.cursor.as_ref())?.unwrap_or(0);
    let kinds = (asked.class.as_deref(), asked.reach.as_deref());
    let which = seen(&shared, &sight, (asked.account, asked.owner), kinds).await?;
    let which = WhichFailures { run: asked.run, ..which };
    let rows = FailureReader::new(&shared.reader).rows(&which, after, limit).await?;
    let items: Vec<FailureView> = rows.iter().map(FailureView::from).collect();
    let full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = items.last().filter(|_| full).map(|failure| failure.id.to_string());
    Ok(Json(Page { items, next }))
}

/// The open row of this number.
async fn row(shared: &Shared, id: &str) -> Result<StoredFailure, Problem> {
    let missing = || Problem::missing("failure");
    let id = id.parse().map_err(|_| missing())?;
    FailureReader::new(&shared.reader).row(id).await?.ok_or_else(missing)
}

/// An open row of the ledger.
#[utoipa::path(get, path = "/v1/failures/{id}", tag = "failures", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, body = FailureView), ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn failure(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<FailureView>, Problem> {
    row(&shared, &id).await.map(|row| Json(FailureView::from(&row)))
}

/// The beginning of what came of a mail that cannot be read: up to 64 KiB, as it came.
#[utoipa::path(get, path = "/v1/failures/{id}/raw", tag = "failures", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, content_type = "message/rfc822", body = Vec<u8>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn raw(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = row(&shared, &id).await?;
    let octets = FailureReader::new(&shared.reader).came_of(row.id).await?.ok_or_else(|| {
        let text = format!("nothing is kept of what came of it, but these words: {}", row.text);
        Problem::new(StatusCode::NOT_FOUND, "not_found", text)
    })?;
    let mut response = octets.into_response();
    as_file(&mut response, "message/rfc822", &format!("failure-{}.eml", row.id));
    Ok(response)
}

/// Has rows worked; those that have been settled meanwhile are missing.
async fn worked(shared: &Shared, work: FailureWork) -> Result<Done, Problem> {
    let refused = |failure: Failure| match failure.class {
        Class::Config => Problem::conflict(failure.text),
        _ => Problem::not_stored(),
    };
    shared.operator.failures(work).await.map_err(refused)
}

/// Try a row again now, also one that is left out.
#[utoipa::path(post, path = "/v1/failures/{id}/retry", tag = "failures", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 202, body = RetryView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn retry(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<RetryView>), Problem> {
    let row = row(&shared, &id).await?;
    let done = worked(&shared, FailureWork::Retry(row.id)).await?;
    // What reaches further has no time of its own: the run itself tries it.
    if done == Done::Missing && row.reach == Reach::Message.as_str() {
        return Err(Problem::missing("failure"));
    }
    let told = shared.operator.command(&row.account, Command::Retry).await;
    let (id, account) = (row.id, row.account);
    let view = match told {
        Ok((status, run)) => {
            let (state, reason) = (Some(status.standing.as_str()), status.reason);
            RetryView { id, account, state, reason, run: Some(run) }
        }
        // It is due, and stored as such: it is tried when the account works again.
        Err(NotObeyed::Conflict(Conflict(why))) => {
            RetryView { id, account, state: None, reason: why.to_owned(), run: None }
        }
        Err(NotObeyed::NotStored) => return Err(Problem::not_stored()),
        Err(NotObeyed::Late) => return Err(Problem::late()),
    };
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// Try rows again now, but for those that are left out.
#[utoipa::path(post, path = "/v1/failures/retry", tag = "failures", params(Retried), responses(
    (status = 202, body = RetriedView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn retry_all(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(asked): Asked<Retried>,
) -> Result<(StatusCode, Json<RetriedView>), Problem> {
    let kinds = (asked.class.as_deref(), None);
    let which = seen(&shared, &sight, (asked.account, asked.owner), kinds).await?;
    let accounts = FailureReader::new(&shared.reader).failing_accounts(&which).await?;
    if !accounts.is_empty() {
        worked(&shared, FailureWork::RetryAll(which)).await?;
    }
    // Who waits for a human, or is not followed, was not named: its rows are due when it works again.
    let is_at_work = |account: &&FailingAccount| {
        let line = shared.registry.find(&account.name);
        line.is_some_and(|line| !line.standing.is_stuck() && line.standing != Standing::Paused)
    };
    let told: Vec<&FailingAccount> = accounts.iter().filter(is_at_work).collect();
    for account in &told {
        shared.operator.tell(&account.name, Command::Retry);
    }
    let rows = accounts.iter().map(|account| account.rows).sum();
    Ok((StatusCode::ACCEPTED, Json(RetriedView { rows, accounts: told.len() })))
}

/// Leave a mail out that cannot be read, with a note why: it is not tried again before somebody asks for it by number.
#[utoipa::path(post, path = "/v1/failures/{id}/discard", tag = "failures", request_body = Discarded,
    params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, body = FailureView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn discard(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<FailureView>, Problem> {
    let row = row(&shared, &id).await?;
    let body = body.map_err(|_| Problem::bad("the body is too long, or has broken off"))?;
    let asked: Discarded = serde_json::from_slice(&body).map_err(|e| {
        Problem::bad(format!("the body is no {{\"note\": \"why it is left out\"}}: {e}"))
    })?;
    let note = PlainText::from(asked.note.trim());
    if note.as_str().is_empty() || note.as_str().chars().count() > NOTE {
        return Err(Problem::bad(format!(
            "note: write why it is left out, in 1 to {NOTE} characters"
        )));
    }
    if row.reach != Reach::Message.as_str() {
        let text = "only a mail is left out here; a folder is, by `folders.exclude` of its account in the config";
        return Err(Problem::conflict(text));
    }
    if worked(&shared, FailureWork::LeaveOut(row.id, note)).await? == Done::Missing {
        // Unless it has been settled meanwhile.
        self::row(&shared, &id).await?;
        let text = "the mail is held, and only what the server says of it now could not be read: it is tried again";
        return Err(Problem::conflict(text));
    }
    failure(State(shared), Path(id)).await
}
