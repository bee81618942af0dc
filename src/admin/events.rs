//! The feed: events in the order of their numbers, from any number on; waits for the next one if
//! asked to.
#![expect(clippy::disallowed_methods, reason = "a long poll waits for as long as its client asked")]

use crate::admin::Shared;
use crate::admin::lists::{Asked, limited};
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::view::Page;
use crate::feed::{self, Beyond, EventFilter, EventView, NoPage, with_heads};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_core::wanted::{After, Kinds};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;
use utoipa::IntoParams;

/// A request waits no longer than this.
const WAIT_MOST: u64 = 25;
/// Whoever waits while the server stops is answered so late.
const STOPPING: Duration = Duration::from_millis(500);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// Those after this number; or `oldest` (unless it is said): from the first that is kept; or `now`.
    #[param(example = "4711")]
    after: Option<String>,
    /// Items at most (100; at most 1000).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where there is none yet, wait so many seconds for the next (at most 25).
    #[param(minimum = 0, maximum = 25)]
    wait: Option<u64>,
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

/// Which events somebody wants, as it is asked.
pub(super) struct WantedEvents<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) account: Option<&'a str>,
    pub(super) owner: Option<String>,
    pub(super) fields: Option<&'a str>,
}

impl WantedEvents<'_> {
    /// Which those are, as far as they are seen; and whether with what is stored of their messages.
    pub(super) async fn read(
        self,
        shared: &Shared,
        sight: &Sight,
    ) -> Result<(EventFilter, bool), Problem> {
        let kinds = self.kind.map(Kinds::of).transpose();
        let kinds = kinds.map_err(|why| Problem::bad(format!("kind: {why}")))?;
        let with_heads = match self.fields {
            None => false,
            Some("head") => sight.reads_mail()?,
            Some(_) => return Err(Problem::bad("fields: write `head`, or leave it out")),
        };
        let owner = sight.narrowed(shared, self.account, self.owner).await?;
        let accounts = self.account.map(|id| BTreeSet::from([id.to_owned()]));
        Ok((EventFilter { owner, accounts, kinds }, with_heads))
    }
}

/// Where somebody begins, as it is asked.
pub(super) fn begins(name: &str, given: Option<&str>, unless: After) -> Result<After, Problem> {
    let bad = || Problem::bad(format!("{name}: write a number from 0, `oldest` or `now`"));
    given.map_or(Ok(unless), |text| After::of(text).ok_or_else(bad))
}

impl Problem {
    /// There are no events behind this number.
    pub(super) fn no_events(after: i64, beyond: Beyond) -> Self {
        let (code, oldest, newest) = match beyond {
            Beyond::Gone { oldest } => ("events_gone", Some(oldest), None),
            Beyond::Ahead { newest } => ("events_ahead", None, Some(newest)),
        };
        let problem = Self::new(StatusCode::GONE, code, beyond.text(after));
        Self { oldest, newest, ..problem }
    }

    /// Nobody can listen now.
    pub(super) fn nobody_listens() -> Self {
        let text = "the database has not been read yet; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", text)
    }
}

/// Events after a number. `next` is the last number that was looked at (10,000 at most): ask from there the next time. A
/// page may be short, even empty, and go on all the same.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventsQuery), responses(
    (status = 200, body = Page<EventView>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<410>, ProblemOf<503>))]
pub(super) async fn events(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(query): Asked<EventsQuery>,
) -> Result<Json<Page<EventView>>, Problem> {
    let limit = limited(query.limit)?;
    let begin = begins("after", query.after.as_deref(), After::Oldest)?;
    let wait = query.wait.unwrap_or(0);
    if wait > WAIT_MOST {
        return Err(Problem::bad(format!("wait: seconds from 0 to {WAIT_MOST}")));
    }
    let wanted = WantedEvents {
        kind: query.kind.as_deref(),
        account: query.account.as_deref(),
        owner: query.owner,
        fields: query.fields.as_deref(),
    };
    let (filter, heads) = wanted.read(&shared, &sight).await?;
    // Before the look, so that no event falls between.
    let mut listener = match wait {
        0 => None,
        _ => {
            let listener = shared.hub.listen_soon(filter.clone()).await;
            Some(listener.ok_or_else(Problem::nobody_listens)?)
        }
    };
    let mut after = feed::begin(&shared.reader, begin).await?;
    let deadline = tokio::time::sleep(Duration::from_secs(wait));
    let mut deadline = std::pin::pin!(deadline);
    let mut from = after;
    let page = loop {
        let page = match feed::page(&shared.reader, &filter, from, limit).await {
            Ok(page) => page,
            // What was the oldest goes while it is looked at.
            Err(NoPage::Beyond(Beyond::Gone { oldest }))
                if begin == After::Oldest && from == after =>
            {
                (after, from) = (oldest - 1, oldest - 1);
                continue;
            }
            Err(NoPage::Beyond(beyond)) => return Err(Problem::no_events(from, beyond)),
            Err(NoPage::Failed(failure)) => return Err(failure.into()),
        };
        let is_over =
            !page.rows.is_empty() || !page.is_last || page.next - after >= feed::LOOKED_AT;
        let Some(listening) = listener.as_mut().filter(|_| !is_over) else { break page };
        from = page.next;
        tokio::select! {
            heard = listening.hears() => if !heard {
                // It stops: who asks again at once finds nobody else's turn.
                tokio::time::sleep(STOPPING).await;
                break page;
            },
            // What was looked at meanwhile need not be looked at again.
            () = &mut deadline => listener = None,
        }
    };
    let items = match heads {
        true => with_heads(&shared.reader, page.rows.iter()).await?,
        false => page.rows.iter().map(EventView::from).collect(),
    };
    Ok(Json(Page { items, next: Some(page.next.to_string()) }))
}
