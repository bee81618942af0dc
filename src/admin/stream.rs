//! The feed as it comes: server-sent events (WHATWG HTML §9.2). A reader that is behind reads pages; who waits is woken
//! from memory. Nothing lies here for a client that takes nothing: what it has not taken is not read yet.
#![expect(
    clippy::disallowed_methods,
    reason = "a stream tells that it is there while nothing happens"
)]

use crate::admin::Shared;
use crate::admin::events::{WantedEvents, begins};
use crate::admin::lists::Asked;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::feed::{self, Behind, Beyond, Hub, Listener, NoPage, ToldEvent, with_heads};
use crate::http::listen::Line;
use crate::store::{Reader, StoredEvent};
use crate::telemetry::names;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use postrider_core::wanted::After;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

/// While nothing happens, a comment comes so often.
const COMMENT: Duration = Duration::from_secs(15);
/// Octets that are handed over at a time, and an event more.
const PIECE: usize = 16 * 1024;
/// Events that are read at a time by who is behind.
const PAGE: u32 = 200;
/// Who is cut off comes again behind so many milliseconds.
const RETRY: u32 = 2000;
/// A database that is away is asked so often.
const AGAIN: Duration = Duration::from_secs(1);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    /// Those after this number; or `oldest`; or `now` (unless it is said). `Last-Event-ID` goes before it.
    #[param(example = "4711")]
    after: Option<String>,
    /// Only of these kinds, between commas: `message.created`, `message.*`.
    kind: Option<String>,
    /// Only of this account (its id in the config).
    account: Option<String>,
    /// Only of this owner's accounts.
    owner: Option<String>,
    /// `head`: with what is stored of a message (`mail`). The token must allow to read mail.
    #[param(pattern = "^head$")]
    fields: Option<String>,
}

/// A stream under way.
struct Stream {
    hub: Arc<Hub>,
    reader: Reader,
    listener: Listener,
    /// The last number that was looked at.
    after: i64,
    heads: bool,
    is_begun: bool,
    /// It has told nothing yet, and begins with the first that is kept.
    is_from_oldest: bool,
    /// It goes through pages.
    is_behind: bool,
    _place: Place,
}

/// One of the streams that may be open.
struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn taken(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!(names::STREAMS).increment(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!(names::STREAMS).decrement(1.0);
    }
}

/// Writes an event: its number, its kind, and itself.
fn write_event(to: &mut String, row: &StoredEvent, text: &str) {
    to.push_str(&format!("id: {}\nevent: {}\ndata: {text}\n\n", row.seq, row.kind));
}

impl Stream {
    /// What comes next; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        if !std::mem::replace(&mut self.is_begun, true) {
            // Whoever is cut off before the first event begins there again.
            return Some(format!("retry: {RETRY}\nid: {}\n\n", self.after));
        }
        let comment = tokio::time::sleep(COMMENT);
        let mut comment = std::pin::pin!(comment);
        let mut is_due = false;
        while !self.listener.is_over() {
            let told = match self.hub.behind(self.after, &self.listener, PIECE) {
                Behind::Told(told, next) => {
                    (self.after, self.is_behind) = (next, false);
                    told
                }
                Behind::Further => match self.page().await {
                    Ok(told) => told,
                    Err(NoPage::Beyond(Beyond::Gone { oldest })) if self.is_from_oldest => {
                        self.after = oldest - 1;
                        continue;
                    }
                    // Who cannot go on is told why when it comes again.
                    Err(NoPage::Beyond(_)) => return None,
                    Err(NoPage::Failed(failure)) => {
                        tracing::debug!("a stream waits for the database: {failure}");
                        tokio::time::sleep(AGAIN).await;
                        return Some(self.comment());
                    }
                },
            };
            if !told.is_empty() {
                let written = self.written(&told).await;
                self.is_from_oldest = false;
                return written;
            }
            if is_due || self.is_behind {
                return Some(self.comment());
            }
            tokio::select! {
                heard = self.listener.hears() => if !heard {
                    return None;
                },
                // How far it was looked is found out once more.
                () = &mut comment => is_due = true,
            }
        }
        None
    }

    /// How far it was looked: who is cut off behind it need not look at what it wanted nothing of.
    fn comment(&self) -> String {
        format!(":\nid: {}\n\n", self.after)
    }

    /// What follows, where that is not in memory.
    async fn page(&mut self) -> Result<Vec<Arc<ToldEvent>>, NoPage> {
        let _turn = self.hub.turn().await;
        let page = feed::page(&self.reader, self.listener.filter(), self.after, PAGE).await?;
        self.after = page.next;
        self.is_behind = !page.is_last;
        Ok(page.rows.into_iter().map(|row| Arc::new(ToldEvent::from(row))).collect())
    }

    /// What is told, in words. An end where the database is away: who comes again is told all of it.
    async fn written(&self, told: &[Arc<ToldEvent>]) -> Option<String> {
        let mut written = String::new();
        if !self.heads {
            for event in told {
                write_event(&mut written, &event.row, &event.text);
            }
            return Some(written);
        }
        let rows = told.iter().map(|event| &event.row);
        let _turn = self.hub.turn().await;
        let views = with_heads(&self.reader, rows.clone()).await;
        let views = views.inspect_err(|why| tracing::debug!("a stream ends: {why}")).ok()?;
        for (row, view) in rows.zip(views) {
            write_event(&mut written, row, &serde_json::to_string(&view).ok()?);
        }
        Some(written)
    }
}

/// Where a client goes on that was cut off.
fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let bad = |_| Problem::bad("Last-Event-ID: write the number of an event");
    headers.get("last-event-id").map(|id| id.to_str().map_err(bad)).transpose()
}

/// Events as they come, as server-sent events: `id` is the number, `event` the kind, `data` the event. It begins behind
/// `Last-Event-ID`, else `after`, else now. A comment comes every 15 s; who takes nothing for 30 s is cut off.
#[utoipa::path(get, path = "/v1/events/stream", tag = "events", params(
    StreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event that was read.")), responses(
    (status = 200, description = "The stream", content_type = "text/event-stream", body = String),
    ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<410>, ProblemOf<503>))]
pub(super) async fn stream(
    State(shared): State<Shared>,
    sight: Sight,
    line: Option<Extension<Arc<Line>>>,
    headers: HeaderMap,
    Asked(query): Asked<StreamQuery>,
) -> Result<Response, Problem> {
    let after = begins("after", query.after.as_deref(), After::Now)?;
    let after = begins("Last-Event-ID", last_event_id(&headers)?, after)?;
    let wanted = WantedEvents {
        kind: query.kind.as_deref(),
        account: query.account.as_deref(),
        owner: query.owner,
        fields: query.fields.as_deref(),
    };
    let (filter, heads) = wanted.read(&shared, &sight).await?;
    let Ok(permit) = Arc::clone(&shared.streams).try_acquire_owned() else {
        let text = "as many streams are open as admin.streams allows; end one, or allow more";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "streams", text));
    };
    // Before the look, so that no event falls between.
    let listener = shared.hub.listen_soon(filter).await.ok_or_else(Problem::nobody_listens)?;
    if listener.is_over() {
        let text = "the server is stopping; come again";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", text));
    }
    let is_from_oldest = after == After::Oldest;
    let after = feed::begin(&shared.reader, after).await?;
    match feed::beyond(&shared.reader, after).await? {
        Some(beyond) if !is_from_oldest => return Err(Problem::no_events(after, beyond)),
        Some(_) | None => {}
    }
    if let Some(Extension(line)) = line {
        line.streams();
    }
    let place = Place::taken(permit);
    let (hub, reader) = (Arc::clone(&shared.hub), shared.reader.clone());
    let (is_begun, is_behind) = (false, false);
    let begun = Stream {
        hub,
        reader,
        listener,
        after,
        heads,
        is_begun,
        is_from_oldest,
        is_behind,
        _place: place,
    };
    let pieces = stream::unfold(begun, async |mut stream| {
        let piece = stream.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), stream))
    });
    let told = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // Proxies hand on what comes when it comes.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
        (header::CONNECTION, "close"),
    ];
    Ok((told, Body::from_stream(pieces)).into_response())
}
