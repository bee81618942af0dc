//! Looking: accounts, folders, cursors, runs, actors.

use crate::admin::Shared;
use crate::admin::derived_view::derived;
use crate::admin::feed_view::FeedView;
use crate::admin::folder_view::{CursorView, FolderView};
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::view::{AccountView, ActorView, Page, RunView};
use crate::store::{OfAccounts, StoredAccount};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use utoipa::IntoParams;

/// Items of a page, if nothing else is asked.
const LIMIT: u32 = 100;
/// And at most.
const LIMIT_MOST: u32 = 1000;

/// A query, or a problem that says what is wrong with it.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        Ok(Self(query?.0))
    }
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Items at most (100; at most 1000).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

pub(super) fn limited(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MOST => Ok(limit),
        _ => Err(Problem::bad(format!("limit: write a number from 1 to {LIMIT_MOST}"))),
    }
}

pub(super) fn number(cursor: Option<&String>) -> Result<Option<i64>, Problem> {
    let read = |text: &String| {
        text.parse::<i64>().map_err(|_| Problem::bad("cursor: write the `next` of a page before"))
    };
    cursor.map(read).transpose()
}

/// One of these words, or a problem that names them.
pub(super) fn word<T: Copy>(
    name: &str,
    given: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, Problem> {
    let words: Vec<&str> = all.iter().copied().map(as_str).collect();
    let found = all.iter().copied().find(|one| as_str(*one) == given);
    found.ok_or_else(|| {
        Problem::bad(format!("{name}: there is no `{given}`; write one of {}", words.join(", ")))
    })
}

/// Longest wait for the rows of accounts: behind it what is known without them is told.
const ROWS: Duration = Duration::from_secs(10);

async fn rows(shared: &Shared, id: Option<&str>) -> Result<Vec<StoredAccount>, Problem> {
    let late = |_| Err(Failure::storage("it does not answer"));
    let read = tokio::time::timeout(ROWS, shared.reader.stored_accounts(id));
    Ok(read.await.unwrap_or_else(late)?)
}

async fn row(shared: &Shared, id: &str) -> Result<StoredAccount, Problem> {
    let rows = rows(shared, Some(id)).await?;
    rows.into_iter().next().ok_or_else(|| Problem::missing("account"))
}

/// Every account: what it is doing, why, and what is next.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(ListQuery), responses(
    (status = 200, body = Page<AccountView>), ProblemOf<401>, ProblemOf<503>))]
pub(super) async fn accounts(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(part): Asked<ListQuery>,
) -> Result<Json<Page<AccountView>>, Problem> {
    let limit = usize::try_from(limited(part.limit)?).unwrap_or(usize::MAX);
    let (mode, now) = (*shared.mode.borrow(), shared.registry.clock().now());
    let mut rows = rows(&shared, None).await;
    let mut live = shared.registry.accounts();
    // What the config says now counts, where it says anything.
    if let Ok(rows) = &mut rows {
        rows.retain(|row| {
            let owner = live.get(&row.name).map_or(&row.owner, |line| &line.owner);
            sight.sees(owner.as_deref())
        });
    }
    live.retain(|_, line| sight.sees(line.owner.as_deref()));
    let mut items: Vec<AccountView> = match rows {
        Ok(rows) => {
            let mut derived = derived(&shared.reader, None).await;
            let born = rows.iter().map(|row| {
                let mut view = AccountView::of(row, live.remove(&row.name).as_ref(), mode, now);
                view.derived = derived.remove(&AccountId(row.id));
                view
            });
            let mut items: Vec<_> = born.collect();
            items.extend(live.iter().map(|(id, line)| AccountView::unborn(id, line, mode, now)));
            items
        }
        // What the accounts do and wait for is known here.
        Err(_) if !live.is_empty() => {
            live.iter().map(|(id, line)| AccountView::unread(id, line, mode, now)).collect()
        }
        Err(problem) => return Err(problem),
    };
    items.sort_by(|a, b| a.id.cmp(&b.id));
    let mut items: Vec<AccountView> = items
        .into_iter()
        .filter(|a| part.cursor.as_ref().is_none_or(|after| a.id > *after))
        .collect();
    let next = (items.len() > limit).then(|| items.get(limit - 1).map(|a| a.id.clone())).flatten();
    items.truncate(limit);
    Ok(Json(Page { items, next }))
}

/// One account.
#[utoipa::path(get, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = AccountView), ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn account(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<AccountView>, Problem> {
    let (mode, now) = (*shared.mode.borrow(), shared.registry.clock().now());
    let live = shared.registry.find(&id);
    match (row(&shared, &id).await, live) {
        (Ok(row), live) => {
            let feed = shared.reader.feed_standing(AccountId(row.id), now.wall).await?;
            let account = AccountId(row.id);
            let mut view = AccountView::of(&row, live.as_ref(), mode, now);
            view.derived = derived(&shared.reader, Some(account)).await.remove(&account);
            view.feed = feed.as_ref().map(FeedView::from);
            Ok(Json(view))
        }
        (Err(problem), Some(line)) if problem.status == StatusCode::NOT_FOUND => {
            Ok(Json(AccountView::unborn(&id, &line, mode, now)))
        }
        (Err(_), Some(line)) => Ok(Json(AccountView::unread(&id, &line, mode, now))),
        (Err(problem), None) => Err(problem),
    }
}

/// An account's folders, as they are stored.
#[utoipa::path(get, path = "/v1/accounts/{id}/folders", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = Page<FolderView>), ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn folders(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Page<FolderView>>, Problem> {
    let folders = shared.reader.stored_folders(row(&shared, &id).await?.id).await?;
    Ok(Json(Page { items: folders.iter().map(FolderView::from).collect(), next: None }))
}

/// An account's cursors, as they are stored.
#[utoipa::path(get, path = "/v1/accounts/{id}/cursors", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 200, body = Page<CursorView>), ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn cursors(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Page<CursorView>>, Problem> {
    let folders = shared.reader.stored_folders(row(&shared, &id).await?.id).await?;
    Ok(Json(Page { items: folders.iter().map(CursorView::from).collect(), next: None }))
}

async fn run_page(
    shared: &Shared,
    of: OfAccounts<'_>,
    part: ListQuery,
) -> Result<Json<Page<RunView>>, Problem> {
    let limit = limited(part.limit)?;
    let rows = shared.reader.stored_runs(of, number(part.cursor.as_ref())?, limit).await?;
    let items: Vec<RunView> = rows.iter().map(RunView::from).collect();
    let full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = items.last().filter(|_| full).map(|run| run.id.to_string());
    Ok(Json(Page { items, next }))
}

/// An account's runs that changed something or failed, the newest first.
#[utoipa::path(get, path = "/v1/accounts/{id}/runs", tag = "accounts", params(("id" = String, Path, description = "Its id in the config"), ListQuery), responses(
    (status = 200, body = Page<RunView>), ProblemOf<401>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn account_runs(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Asked(part): Asked<ListQuery>,
) -> Result<Json<Page<RunView>>, Problem> {
    row(&shared, &id).await?;
    run_page(&shared, OfAccounts { account: Some(&id), owner: None }, part).await
}

/// Runs that changed something or failed, the newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(ListQuery), responses(
    (status = 200, body = Page<RunView>), ProblemOf<401>, ProblemOf<503>))]
pub(super) async fn runs(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(part): Asked<ListQuery>,
) -> Result<Json<Page<RunView>>, Problem> {
    run_page(&shared, OfAccounts { account: None, owner: sight.owner() }, part).await
}

/// The live tree: every actor with what it does, what waits for it, and what it met.
#[utoipa::path(get, path = "/v1/actors", tag = "actors", responses(
    (status = 200, body = Page<ActorView>), ProblemOf<401>))]
pub(super) async fn actors(State(shared): State<Shared>) -> Json<Page<ActorView>> {
    let actors = shared.registry.actors();
    Json(Page {
        items: actors.into_iter().map(|(path, line)| ActorView::of(path, &line)).collect(),
        next: None,
    })
}
