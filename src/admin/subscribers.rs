//! Who takes events as they come: looking at them, and what is done with them by hand.

use crate::admin::Shared;
use crate::admin::lists::{Asked, limited, number};
use crate::admin::note::AnswerNote;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::subscriber_view::{
    DeliveryView, ReplayFrom, SkipNote, SkippedView, SubscriberView, TestedView,
};
use crate::admin::view::Page;
use crate::deliver::{Done, Obeyed, SubscriberOrder, SubscriberSeen};
use crate::feed::{self, Beyond};
use crate::instant::instant_of;
use crate::store::{StoredDelivery, SubscriberReader};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use postrider_core::failure::{Class, Failure};
use postrider_core::plain::PlainText;
use postrider_core::wanted::After;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Ids that are named to who asks for another.
const NAMED: usize = 20;
/// Characters of a note.
const NOTE: usize = 300;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(subscribers))
        .routes(routes!(subscriber))
        .routes(routes!(deliveries))
        .routes(routes!(test))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(replay))
        .routes(routes!(skip))
}

impl Sight {
    /// The subscriber of this name, where it is seen.
    pub(super) fn subscriber(&self, shared: &Shared, id: &str) -> Result<SubscriberSeen, Problem> {
        let found = shared.desks.deliver.find(id);
        let seen = found.filter(|line| self.sees(line.subscriber.owner.as_deref()));
        seen.ok_or_else(|| {
            let all = shared.desks.deliver.seen();
            let seen = all.iter().filter(|line| self.sees(line.subscriber.owner.as_deref()));
            let ids: Vec<&str> = seen.take(NAMED).map(|line| line.subscriber.id.as_str()).collect();
            match ids.is_empty() {
                true => Problem::missing("subscriber"),
                false => Problem::missing(&format!("subscriber; there is {}", ids.join(", "))),
            }
        })
    }
}

/// Who takes events as they come, and how each stands.
#[utoipa::path(get, path = "/v1/subscribers", tag = "subscribers", responses(
    (status = 200, body = Page<SubscriberView>), ProblemOf<401>, ProblemOf<503>))]
pub(super) async fn subscribers(
    State(shared): State<Shared>,
    sight: Sight,
) -> Result<Json<Page<SubscriberView>>, Problem> {
    let now = shared.registry.clock().now().wall;
    let seen = shared.desks.deliver.seen();
    let seen = seen.iter().filter(|line| sight.sees(line.subscriber.owner.as_deref()));
    let items = seen.map(|line| SubscriberView::of(line, now)).collect();
    Ok(Json(Page { items, next: None }))
}

/// How it stands now.
fn shown(shared: &Shared, sight: &Sight, id: &str) -> Result<Json<SubscriberView>, Problem> {
    let line = sight.subscriber(shared, id)?;
    Ok(Json(SubscriberView::of(&line, shared.registry.clock().now().wall)))
}

/// A subscriber.
#[utoipa::path(get, path = "/v1/subscribers/{id}", tag = "subscribers", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = SubscriberView), ProblemOf<401>, ProblemOf<404>))]
pub(super) async fn subscriber(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
) -> Result<Json<SubscriberView>, Problem> {
    shown(&shared, &sight, &id)
}

/// Which tries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveriesQuery {
    /// Items at most (100; at most 1000).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What a subscriber was given, and what it answered: the last 1,000 tries, the newest first.
#[utoipa::path(get, path = "/v1/subscribers/{id}/deliveries", tag = "subscribers", params(("id" = String, Path, description = "Its id in the config"), DeliveriesQuery), responses(
    (status = 200, body = Page<DeliveryView>), ProblemOf<400>, ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn deliveries(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
    Asked(asked): Asked<DeliveriesQuery>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let limit = limited(asked.limit)?;
    let before = number(asked.cursor.as_ref())?.unwrap_or(i64::MAX);
    let line = sight.subscriber(&shared, &id)?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let fresh = shared.desks.deliver.unstored(&id, before).await;
    let before = fresh.last().map_or(before, |row| row.number);
    let stored = SubscriberReader::new(&shared.reader).deliveries(&id, before, limit).await?;
    let fresh = fresh.into_iter().map(StoredDelivery::from);
    let rows: Vec<StoredDelivery> = fresh.chain(stored).take(most).collect();
    let is_full = rows.len() >= most;
    let next = rows.last().filter(|_| is_full).map(|row| row.number.to_string());
    let shows_text = !line.subscriber.heads || sight.reads_mail().is_ok();
    let items = rows.into_iter().map(|row| DeliveryView::of(row, shows_text)).collect();
    Ok(Json(Page { items, next }))
}

/// Why something was not done.
fn refused(failure: Failure) -> Problem {
    match failure.class {
        Class::Config => Problem::conflict(failure.text),
        _ => Problem::late(),
    }
}

async fn ordered(
    shared: &Shared,
    sight: &Sight,
    id: &str,
    make: impl FnOnce(Done) -> SubscriberOrder,
) -> Result<Obeyed, Problem> {
    sight.subscriber(shared, id)?;
    shared.desks.deliver.order(id, make).await.map_err(refused)
}

fn read<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
    example: &str,
) -> Result<T, Problem> {
    let body = body.map_err(|_| Problem::bad("the body is too long, or has broken off"))?;
    serde_json::from_slice(&body)
        .map_err(|e| Problem::bad(format!("the body is no {example}: {e}")))
}

/// Give it an event of kind `test`, which has no number, once.
#[utoipa::path(post, path = "/v1/subscribers/{id}/test", tag = "subscribers", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = TestedView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn test(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
) -> Result<Json<TestedView>, Problem> {
    match ordered(&shared, &sight, &id, SubscriberOrder::Test).await? {
        Obeyed::Tried(tried) => Ok(Json(TestedView::of(id, tried))),
        Obeyed::Done | Obeyed::Skipped(_) => Err(Problem::late()),
    }
}

/// Go on with it where it was, at once.
#[utoipa::path(post, path = "/v1/subscribers/{id}/enable", tag = "subscribers", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = SubscriberView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn enable(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
) -> Result<Json<SubscriberView>, Problem> {
    ordered(&shared, &sight, &id, SubscriberOrder::Enable).await?;
    shown(&shared, &sight, &id)
}

/// Give it nothing, until it is enabled.
#[utoipa::path(post, path = "/v1/subscribers/{id}/disable", tag = "subscribers", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = SubscriberView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn disable(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
) -> Result<Json<SubscriberView>, Problem> {
    let by = sight.by().to_owned();
    ordered(&shared, &sight, &id, |done| SubscriberOrder::Disable(by, done)).await?;
    shown(&shared, &sight, &id)
}

/// Give it all from an event on, once more where it had them: with the ids that they had.
#[utoipa::path(post, path = "/v1/subscribers/{id}/replay", tag = "subscribers", request_body = ReplayFrom, params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = SubscriberView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<410>, ProblemOf<503>))]
pub(super) async fn replay(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Extension<AnswerNote>, Json<SubscriberView>), Problem> {
    let asked: ReplayFrom = read(body, "{\"from\": 4711}")?;
    let words = || {
        Problem::bad(
            "from: write the number of an event, an instant, as 2026-01-31T08:00:00Z, or `oldest`",
        )
    };
    let text = match &asked.from {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(words()),
    };
    sight.subscriber(&shared, &id)?;
    let cursor = match (After::of(&text), instant_of(&text)) {
        (Some(After::Number(first)), _) if first > 0 => first - 1,
        (Some(After::Oldest), _) => feed::begin(&shared.reader, After::Oldest).await?,
        (_, Some(at)) => feed::since(&shared.reader, at).await?,
        _ => return Err(words()),
    };
    match feed::beyond(&shared.reader, cursor).await? {
        Some(Beyond::Ahead { newest }) => {
            let problem = Problem::no_events(cursor, Beyond::Ahead { newest });
            let first = newest.saturating_add(1);
            let text = format!(
                "from: write a number up to {first}. Where more were told once, {}",
                problem.detail
            );
            return Err(Problem { detail: text, ..problem });
        }
        Some(beyond) => return Err(Problem::no_events(cursor, beyond)),
        None => {}
    }
    ordered(&shared, &sight, &id, |done| SubscriberOrder::GoTo(cursor, done)).await?;
    let note = AnswerNote(format!("from {}", cursor.saturating_add(1)));
    Ok((Extension(note), shown(&shared, &sight, &id)?))
}

/// Never give it what it is being given now, and go on behind that.
#[utoipa::path(post, path = "/v1/subscribers/{id}/skip", tag = "subscribers", request_body = SkipNote, params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = SkippedView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn skip(
    State(shared): State<Shared>,
    sight: Sight,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Extension<AnswerNote>, Json<SkippedView>), Problem> {
    let SkipNote { note, event } = read(body, "{\"note\": \"why\"}")?;
    let note = PlainText::from(note.trim()).first(NOTE).as_str().to_owned();
    if note.is_empty() {
        return Err(Problem::bad("note: write why, for who reads it later"));
    }
    let told = note.clone();
    let done =
        ordered(&shared, &sight, &id, |done| SubscriberOrder::Skip(told, event, done)).await?;
    let Obeyed::Skipped(hand) = done else { return Err(Problem::late()) };
    let Json(now) = shown(&shared, &sight, &id)?;
    let skipped = SkippedView::of(hand, now);
    Ok((Extension(AnswerNote(skipped.told(&note))), Json(skipped)))
}
