//! Jobs: asking for them, looking, taking them back.

use crate::admin::Shared;
use crate::admin::job_view::{
    CancelledView, JobView, RefusedView, ScheduledAt, SubmittedView, TakenView, WishedJob,
};
use crate::admin::lists::{Asked, limited, number, word};
use crate::admin::note::AnswerNote;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::view::Page;
use crate::admin::wish::{choosing, kind_of, places, wished};
use crate::instant::{instant, instant_of};
use crate::jobs::JobVerb;
use crate::store::{JobReader, WhichJobs};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use postrider_core::failure::{Class, Failure};
use postrider_core::job::queue::{Job, JobPlace, JobWish, Submitted};
use postrider_core::job::slots::Level;
use postrider_core::job::words::{JobKind, JobStatus, JobTask};
use postrider_core::time::Micros;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// Jobs of an account that are taken back at once; more than it may have.
const OPEN_MOST: u32 = 1000;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(jobs, submit))
        .routes(routes!(job))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(discard))
        .routes(routes!(cancel_all))
        .routes(routes!(schedule_at))
        .routes(routes!(repair))
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jobs {
    /// Only of this status.
    #[param(example = "queued")]
    status: Option<String>,
    /// Only of this kind.
    #[param(example = "full")]
    kind: Option<String>,
    /// Only of this account.
    account: Option<String>,
    /// Only of this owner's accounts.
    owner: Option<String>,
    /// Items at most (100; at most 1000).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Whose jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobsOf {
    /// Of this account.
    account: Option<String>,
    /// Of this owner's accounts.
    owner: Option<String>,
}

/// Which of them a request may see.
async fn seen(
    shared: &Shared,
    sight: &Sight,
    (account, owner): (Option<String>, Option<String>),
) -> Result<WhichJobs, Problem> {
    let owner = sight.narrowed(shared, account.as_deref(), owner).await?;
    Ok(WhichJobs { account, owner, ..WhichJobs::default() })
}

/// What somebody asked for, or a fixed time: what waits, what is done, and what has come of it, for a week.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(Jobs), responses(
    (status = 200, body = Page<JobView>), ProblemOf<400>, ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn jobs(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(asked): Asked<Jobs>,
) -> Result<Json<Page<JobView>>, Problem> {
    let limit = limited(asked.limit)?;
    let after = number(asked.cursor.as_ref())?.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let status = asked.status.as_deref();
    let status = status.map(|given| word("status", given, JobStatus::ALL, JobStatus::as_str));
    let (status, kind) = (status.transpose()?, asked.kind.as_deref().map(kind_of).transpose()?);
    let which = seen(&shared, &sight, (asked.account, asked.owner)).await?;
    let which = WhichJobs { status, kind, ..which };
    let rows = JobReader::new(&shared.reader).rows(&which, after, limit).await?;
    let full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|job| job.id.to_string());
    let items = rows.iter().map(|job| JobView::of(&shared, job)).collect();
    Ok(Json(Page { items, next }))
}

/// The job of this number.
async fn row(shared: &Shared, id: &str) -> Result<Job, Problem> {
    let missing = || Problem::missing("job");
    let id = id.parse().map_err(|_| missing())?;
    JobReader::new(&shared.reader).row(id).await?.ok_or_else(missing)
}

/// A job.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = u64, Path, description = "Its number")), responses(
    (status = 200, body = JobView), ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn job(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    row(&shared, &id).await.map(|job| Json(JobView::of(&shared, &job)))
}

/// Whether something could be done, or why not.
fn refused(failure: Failure) -> Problem {
    match failure.class {
        Class::Config => Problem::conflict(failure.text),
        _ => {
            let text = "the database is away, or has not answered in time; it may yet be done: `postrider jobs` tells";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage", text)
        }
    }
}

/// Have something done, for some accounts or of the whole process. Equal jobs that wait become one.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = WishedJob, responses(
    (status = 202, body = SubmittedView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn submit(
    State(shared): State<Shared>,
    sight: Sight,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Extension<AnswerNote>, Json<SubmittedView>), Problem> {
    let body = body.map_err(|_| Problem::bad("the body is too long, or has broken off"))?;
    let asked: WishedJob = serde_json::from_slice(&body).map_err(|e| {
        Problem::bad(format!(
            "the body is no job, as {{\"kind\": \"full\", \"accounts\": [\"work\"]}}: {e}"
        ))
    })?;
    let (items, refused) = submitted(&shared, &sight, &asked, false).await?;
    let ids: Vec<String> = items.iter().map(|item| item.id.to_string()).collect();
    let told = format!("{}: job {}; {} refused", asked.kind, ids.join(", "), refused.len());
    let outcome = Extension(AnswerNote(told));
    Ok((StatusCode::ACCEPTED, outcome, Json(SubmittedView { items, refused })))
}

/// Puts what is asked for in the queue: what was taken, and what was not. `for_its_time`: another time is another job.
async fn submitted(
    shared: &Shared,
    sight: &Sight,
    asked: &WishedJob,
    for_its_time: bool,
) -> Result<(Vec<TakenView>, Vec<RefusedView>), Problem> {
    let priority = match asked.priority {
        None => Level::Operator,
        Some(n) => {
            let levels = Level::ALL.into_iter().filter(|level| *level != Level::History);
            let found = levels.into_iter().find(|level| level.number() == n);
            found.ok_or_else(|| Problem::bad("priority: write a number from 0 (the best) to 3"))?
        }
    };
    let now = shared.registry.clock().now().wall;
    let not_before = asked.not_before.as_deref().map(|text| {
        let words = "not_before: write an instant, as 2026-01-31T08:00:00Z";
        instant_of(text).ok_or_else(|| Problem::bad(words))
    });
    let not_before = not_before.transpose()?.map_or(now, |at: Micros| at.max(now));
    let (accounts, mut refused_views) = wished(shared, sight, asked).await?;
    let accounts = choosing(shared, accounts, asked, &mut refused_views).await?;
    let owner_of = |name: &str| shared.registry.look(name, |line| line.owner.clone()).flatten();
    let wishes: Vec<JobWish> = places(asked, sight, accounts)?
        .into_iter()
        .map(|what| JobWish {
            uuid: Uuid::new_v4().to_string(),
            owner: what.account.as_deref().and_then(owner_of),
            what: JobPlace { at: for_its_time.then_some(not_before.0), ..what },
            priority,
            not_before,
            by: sight.by().to_owned(),
        })
        .collect();
    let of: Vec<Option<String>> = wishes.iter().map(|wish| wish.what.account.clone()).collect();
    let submitted = shared.operator.submit(wishes).await.map_err(refused)?;
    let mut items = Vec::new();
    for (account, submitted) in of.into_iter().zip(submitted) {
        match submitted {
            Submitted::Taken(job) => {
                let (status, merged) = (job.status.as_str(), job.merged);
                let not_before = instant(job.not_before);
                items.push(TakenView { id: job.id, account, status, merged, not_before });
            }
            Submitted::Refused(why) => refused_views.push(RefusedView { account, why }),
        }
    }
    Ok((items, refused_views))
}

/// Look at an account at a certain time: a job, which is shown, and can be taken back.
#[utoipa::path(post, path = "/v1/accounts/{id}/schedule-at", tag = "accounts", request_body = ScheduledAt,
    params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 202, body = TakenView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn schedule_at(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Extension<AnswerNote>, Json<TakenView>), Problem> {
    let body = body.map_err(|_| Problem::bad("the body is too long, or has broken off"))?;
    let asked: ScheduledAt = serde_json::from_slice(&body).map_err(|e| {
        Problem::bad(format!("the body is no {{\"at\": \"2026-01-31T08:00:00Z\"}}: {e}"))
    })?;
    if instant_of(&asked.at).is_none() {
        return Err(Problem::bad("at: write an instant, as 2026-01-31T08:00:00Z"));
    }
    let (kind, at) = (JobKind::Incremental.as_str().to_owned(), asked.at);
    let wish =
        WishedJob { kind, accounts: Some(vec![id]), not_before: Some(at), ..WishedJob::default() };
    let (items, refused) = submitted(&shared, &sight, &wish, true).await?;
    let why = || refused.into_iter().next().map_or_else(String::new, |refused| refused.why);
    let taken = items.into_iter().next().ok_or_else(|| Problem::conflict(why()))?;
    let outcome = AnswerNote(format!("job {}", taken.id));
    Ok((StatusCode::ACCEPTED, Extension(outcome), Json(taken)))
}

/// How a repair is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repair {
    /// What cannot be read, or is much, is taken for damage and given up, too (false).
    yes: Option<bool>,
}

/// Set right what is damaged of an account: a job. Bodies are hashed, and again before that is believed; what is damaged is
/// read again from its server, counts and references are those of the rows.
#[utoipa::path(post, path = "/v1/accounts/{id}/repair", tag = "accounts", params(("id" = String, Path, description = "Its id in the config"), Repair), responses(
    (status = 202, body = TakenView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn repair(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
    Asked(asked): Asked<Repair>,
) -> Result<(StatusCode, Extension<AnswerNote>, Json<TakenView>), Problem> {
    let owner = shared.registry.look(&id, |line| line.owner.clone());
    let owner = owner.ok_or_else(|| Problem::missing("account"))?;
    let insists = asked.yes.unwrap_or(false);
    let task = if insists { JobTask::RepairInsisted } else { JobTask::Repair };
    let (kind, account) = (JobKind::Maintenance, Some(id));
    let wish = JobWish {
        uuid: Uuid::new_v4().to_string(),
        owner,
        what: JobPlace { kind, task: Some(task), account, first: None, at: None },
        priority: Level::Operator,
        not_before: shared.registry.clock().now().wall,
        by: sight.by().to_owned(),
    };
    let submitted = shared.operator.submit(vec![wish.clone()]).await.map_err(refused)?;
    match submitted.into_iter().next() {
        Some(Submitted::Taken(job)) => {
            let (status, merged) = (job.status.as_str(), job.merged);
            let (account, not_before) = (wish.what.account, instant(job.not_before));
            let outcome = AnswerNote(format!("job {}", job.id));
            let taken = TakenView { id: job.id, account, status, merged, not_before };
            Ok((StatusCode::ACCEPTED, Extension(outcome), Json(taken)))
        }
        Some(Submitted::Refused(why)) => Err(Problem::conflict(why)),
        None => Err(Problem::late()),
    }
}

/// Does something with a job; answered when that is durable.
async fn worked(
    shared: &Shared,
    sight: &Sight,
    id: &str,
    verb: JobVerb,
) -> Result<Json<JobView>, Problem> {
    let missing = || Problem::missing("job");
    let id = id.parse().map_err(|_| missing())?;
    let worked = shared.operator.work_jobs(verb, vec![id], sight.by()).await.map_err(refused)?;
    match worked.into_iter().next().ok_or_else(missing)? {
        Ok(job) => Ok(Json(JobView::of(shared, &job))),
        Err(why) => Err(Problem::conflict(why)),
    }
}

/// Take a job back; its run that is under way is ended.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = u64, Path, description = "Its number")), responses(
    (status = 200, body = JobView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn cancel(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    worked(&shared, &sight, &id, JobVerb::Cancel).await
}

/// Have a job that is dead, or was taken back, done after all.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(("id" = u64, Path, description = "Its number")), responses(
    (status = 200, body = JobView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn retry(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    worked(&shared, &sight, &id, JobVerb::Retry).await
}

/// Say that nobody needs a dead job any more.
#[utoipa::path(post, path = "/v1/jobs/{id}/discard", tag = "jobs", params(("id" = u64, Path, description = "Its number")), responses(
    (status = 200, body = JobView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn discard(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    worked(&shared, &sight, &id, JobVerb::Discard).await
}

/// Take all jobs of an account, or of an owner's accounts, back.
#[utoipa::path(post, path = "/v1/jobs/cancel", tag = "jobs", params(JobsOf), responses(
    (status = 202, body = CancelledView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn cancel_all(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(asked): Asked<JobsOf>,
) -> Result<(StatusCode, Json<CancelledView>), Problem> {
    if asked.account.is_none() && asked.owner.is_none() {
        return Err(Problem::bad("write whose: account or owner"));
    }
    let which = seen(&shared, &sight, (asked.account, asked.owner)).await?;
    let reader = JobReader::new(&shared.reader);
    let (mut jobs, mut kept) = (0, 0);
    for status in JobStatus::ALL.iter().copied().filter(|status| status.is_open()) {
        let mut after = 0;
        loop {
            let which = WhichJobs { status: Some(status), ..which.clone() };
            let rows = reader.rows(&which, after, OPEN_MOST).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let ids = rows.iter().map(|job| job.id).collect();
            let told = shared.operator.work_jobs(JobVerb::Cancel, ids, sight.by());
            let told = told.await.map_err(refused)?;
            let done = told.iter().filter(|one| one.is_ok()).count();
            (jobs, kept) = (jobs + done, kept + told.len() - done);
        }
    }
    Ok((StatusCode::ACCEPTED, Json(CancelledView { jobs, refused: kept })))
}
