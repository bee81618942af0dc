//! The feed: events in the order of their numbers, from any number on; waits for the next one if
//! asked to.
#![expect(clippy::disallowed_methods, reason = "a long poll waits for as long as its client asked")]

use crate::admin::Shared;
use crate::admin::lists::{Asked, limited};
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::view::Page;
use crate::feed::{self, Beyond, EventView};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// A request waits no longer than this.
const WAIT_MOST: u64 = 25;
/// Where what comes is not its reader's, it is looked so often at most.
const LOOK: Duration = Duration::from_millis(100);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// Those after this number (0: from the first that is kept).
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Items at most (100; at most 1000).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where there is none yet, wait so many seconds for the next (at most 25).
    #[param(minimum = 0, maximum = 25)]
    wait: Option<u64>,
}

/// Events after a number. `next` is the last number that was looked at (10,000 at most): ask from there the next time. A
/// page may be short, even empty, and go on all the same.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventsQuery), responses(
    (status = 200, body = Page<EventView>), ProblemOf<401>, ProblemOf<410>, ProblemOf<503>))]
pub(super) async fn events(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(query): Asked<EventsQuery>,
) -> Result<Json<Page<EventView>>, Problem> {
    let limit = limited(query.limit)?;
    let after = query.after.unwrap_or(0);
    let wait = query.wait.unwrap_or(0);
    if after < 0 || wait > WAIT_MOST {
        return Err(Problem::bad(format!(
            "after: a number from 0; wait: seconds from 0 to {WAIT_MOST}"
        )));
    }
    // Registered before the look, so that no event falls between.
    let mut news = shared.events.clone();
    news.mark_unchanged();
    if let Some(beyond) = feed::beyond(&shared.reader, after).await? {
        let (code, oldest, newest) = match beyond {
            Beyond::Gone { oldest } => ("events_gone", Some(oldest), None),
            Beyond::Ahead { newest } => ("events_ahead", None, Some(newest)),
        };
        let problem = Problem::new(StatusCode::GONE, code, beyond.text(after));
        return Err(Problem { oldest, newest, ..problem });
    }
    let deadline = tokio::time::sleep(Duration::from_secs(wait));
    let mut deadline = std::pin::pin!(deadline);
    let mut from = after;
    loop {
        let page = feed::page(&shared.reader, from, limit, sight.owner()).await?;
        let looked_at = page.next - after;
        if page.events.is_empty() && page.is_last && looked_at < feed::LOOKED_AT && wait > 0 {
            let news = async {
                // What was looked at was others'.
                if page.next > from {
                    tokio::time::sleep(LOOK).await;
                }
                news.changed().await.is_ok()
            };
            let changed = tokio::select! {
                changed = news => changed,
                () = &mut deadline => false,
            };
            if changed {
                from = page.next;
                continue;
            }
        }
        return Ok(Json(Page { items: page.events, next: Some(page.next.to_string()) }));
    }
}
