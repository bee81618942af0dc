//! Lists of mail: messages, files, threads, contacts, and what was told of a message.

use crate::admin::Shared;
use crate::admin::mail::bytes::stored;
use crate::admin::mail::query::{Contacts, Files, History, Messages, Threads, Wanted};
use crate::admin::mail::views::{
    AttachmentView, ContactView, FileView, MailPage, MailView, ThreadView,
};
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::view::Page;
use crate::feed::EventView;
use crate::store::list::{Listed, NoPage, Part, With};
use crate::store::mail::ListedMessage;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postrider_core::list::Position;
use postrider_core::word::folded;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// No list is read for longer.
const TIME: Duration = Duration::from_secs(5);

impl From<NoPage> for Problem {
    fn from(why: NoPage) -> Self {
        match why {
            NoPage::Missing(what) => Self::missing(what),
            NoPage::NoFolder(name) => Self::new(
                StatusCode::NOT_FOUND,
                "not_found",
                format!(
                    "no folder is called `{name}`: write its path, the last part of it, or its role (/v1/accounts/ID/folders lists them)"
                ),
            ),
            NoPage::TooMany(lists) => Self::bad(format!(
                "{lists} accounts or folders are not read as one (5,000 at most; where words are looked for, all, or 200); name an `account`, or an `owner` of few"
            )),
            NoPage::NoWords => Self::conflict(
                "no words of these accounts are indexed here: `postrider serve` has not read them yet, or the config has search.index = \"off\"",
            ),
            NoPage::Failed(failure) => failure.into(),
        }
    }
}

/// A list, within its time. Few are read at once, whoever asks for many: one that takes longer than anybody waits has
/// its turn until the database has answered, which nobody can have it stop.
#[expect(clippy::disallowed_methods, reason = "who asked waits for it, and its turn ends with it")]
async fn in_time<T: Send + 'static>(
    turns: Arc<Semaphore>,
    narrow: &str,
    page: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let late = || {
        let text = format!("it was looked for longer than 5 s; {narrow}");
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "slow", text))
    };
    let read = async {
        let turn = turns.acquire_owned().await.map_err(|_| Problem::late())?;
        let read = tokio::spawn(async move {
            let _turn = turn;
            page.await
        });
        let bug = |_| {
            let text = "it could not be read; the log says why";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", text))
        };
        read.await.unwrap_or_else(bug)
    };
    tokio::time::timeout(TIME, read).await.unwrap_or_else(|_| late())
}

/// What makes a list of messages shorter, one of others, and none.
const MESSAGES: &str =
    "narrow it: name an `account`, a `folder`, or a span by `received_after` and `received_before`";
const OTHERS: &str = "narrow it: name an `account`";
const ONE: &str = "try again";

/// Messages, newest first. A page may be short, even empty, and go on all the same.
#[utoipa::path(get, path = "/v1/messages", tag = "mail", params(Messages), responses(
    (status = 200, body = MailPage<MailView>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn messages(
    State(shared): State<Shared>,
    sight: Sight,
    wanted: Wanted<Messages>,
) -> Result<Json<MailPage<MailView>>, Problem> {
    in_time(shared.mail.turns(), MESSAGES, async move {
        let lists = shared.mail.lists();
        let scope = lists.scope(wanted.accounts(), sight.owner()).await?;
        let listed =
            Box::pin(lists.messages(&scope, &wanted.filter, wanted.part(), With::Everything))
                .await?;
        let items = listed.items.into_iter().map(|(_, message)| MailView::of(message)).collect();
        let next = wanted.next(listed.next, 0);
        Ok(Json(MailPage { items, next, complete: scope.is_complete_for(&wanted.filter) }))
    })
    .await
}

/// Files in messages, those of the newest message first. A page may be short, even empty, and go on all the same.
#[utoipa::path(get, path = "/v1/attachments", tag = "mail", params(Files), responses(
    (status = 200, body = MailPage<FileView>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn attachments(
    State(shared): State<Shared>,
    sight: Sight,
    wanted: Wanted<Files>,
) -> Result<Json<MailPage<FileView>>, Problem> {
    in_time(shared.mail.turns(), MESSAGES, async move {
        let lists = shared.mail.lists();
        let scope = lists.scope(wanted.accounts(), sight.owner()).await?;
        let mut filter = wanted.filter.clone();
        filter.has_attachment = Some(true);
        // A message of which only some files were told is read again.
        let behind = wanted.behind().map(|(position, told)| match (told, position.list) {
            (0, _) => position,
            (_, 0) => Position { list: i64::MAX, ..position },
            (_, list) => Position { list: list.saturating_add(1), ..position },
        });
        let part = Part { behind, limit: wanted.limit };
        let Listed { items, next } =
            Box::pin(lists.messages(&scope, &filter, part, With::Files)).await?;
        let begun = wanted.behind().filter(|(_, told)| *told > 0);
        let (mut files, mut next) = (Vec::new(), (next, 0));
        for (position, message) in items {
            let told = match begun {
                Some((begun, told)) if begun == position => told as usize,
                _ => 0,
            };
            let room = wanted.limit - files.len();
            let all = of_message(message, wanted.filename.as_deref());
            let is_cut = all.len().saturating_sub(told) > room;
            files.extend(all.into_iter().skip(told).take(room));
            if is_cut {
                next = (Some(position), u32::try_from(told + room).unwrap_or(u32::MAX));
                break;
            }
            if files.len() == wanted.limit {
                next = (Some(position), 0);
                break;
            }
        }
        let next = wanted.next(next.0, next.1);
        Ok(Json(MailPage { items: files, next, complete: scope.is_complete_for(&wanted.filter) }))
    })
    .await
}

/// The files of a message in whose names this stands.
fn of_message(message: ListedMessage, filename: Option<&str>) -> Vec<FileView> {
    let ListedMessage { mail, files, .. } = message;
    let wanted = filename.map(folded);
    let is_named = |file: &AttachmentView| {
        let Some(wanted) = &wanted else { return true };
        file.filename.as_deref().is_some_and(|name| folded(name).contains(wanted))
    };
    let files = files.into_iter().map(AttachmentView::from).filter(is_named);
    files.map(|file| FileView::of(&mail, file)).collect()
}

/// Threads, the one with the newest message first.
#[utoipa::path(get, path = "/v1/threads", tag = "mail", params(Threads), responses(
    (status = 200, body = MailPage<ThreadView>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn threads(
    State(shared): State<Shared>,
    sight: Sight,
    wanted: Wanted<Threads>,
) -> Result<Json<MailPage<ThreadView>>, Problem> {
    in_time(shared.mail.turns(), OTHERS, async move {
        let lists = shared.mail.lists();
        let scope = lists.scope(wanted.accounts(), sight.owner()).await?;
        let listed = Box::pin(lists.threads(&scope, wanted.part())).await?;
        let items = listed.items.into_iter().map(|(_, thread)| ThreadView::of(thread)).collect();
        let next = wanted.next(listed.next, 0);
        Ok(Json(MailPage { items, next, complete: scope.is_complete }))
    })
    .await
}

/// A thread, by any number that it had.
#[utoipa::path(get, path = "/v1/threads/{id}", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, body = ThreadView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn thread(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<ThreadView>, Problem> {
    let id = id.parse().map_err(|_| Problem::missing("thread"))?;
    in_time(shared.mail.turns(), ONE, async move {
        Ok(Json(ThreadView::of(shared.mail.lists().thread(id).await?)))
    })
    .await
}

/// Contacts: who is named in mail, whom the newest one names first.
#[utoipa::path(get, path = "/v1/contacts", tag = "mail", params(Contacts), responses(
    (status = 200, body = MailPage<ContactView>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn contacts(
    State(shared): State<Shared>,
    sight: Sight,
    wanted: Wanted<Contacts>,
) -> Result<Json<MailPage<ContactView>>, Problem> {
    in_time(shared.mail.turns(), OTHERS, async move {
        let lists = shared.mail.lists();
        let scope = lists.scope(wanted.accounts(), sight.owner()).await?;
        let listed = Box::pin(lists.contacts(&scope, wanted.email.clone(), wanted.part())).await?;
        let items = listed.items.into_iter().map(|(_, row)| ContactView::from(row)).collect();
        let next = wanted.next(listed.next, 0);
        Ok(Json(MailPage { items, next, complete: scope.is_complete }))
    })
    .await
}

/// A contact.
#[utoipa::path(get, path = "/v1/contacts/{id}", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, body = ContactView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn contact(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<ContactView>, Problem> {
    let id = id.parse().map_err(|_| Problem::missing("contact"))?;
    in_time(shared.mail.turns(), ONE, async move {
        Ok(Json(shared.mail.lists().contact(id).await?.into()))
    })
    .await
}

/// What was told of a message, oldest first: its events.
#[utoipa::path(get, path = "/v1/messages/{id}/history", tag = "mail", params(("id" = i64, Path, description = "Its number"), History), responses(
    (status = 200, body = Page<EventView>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn history(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    wanted: Wanted<History>,
) -> Result<Json<Page<EventView>>, Problem> {
    in_time(shared.mail.turns(), ONE, async move {
        let message = stored(&shared, &id).await?.mail.message;
        let after = wanted.behind().map_or(0, |(position, _)| position.id);
        let most = u32::try_from(wanted.limit).unwrap_or(u32::MAX);
        let rows = shared.mail.rows().history(message, after, most).await?;
        let last = rows.last().map(|row| Position { at: 0, id: row.seq, list: 0 });
        let next = wanted.next(last.filter(|_| rows.len() == wanted.limit), 0);
        Ok(Json(Page { items: rows.iter().map(EventView::from).collect(), next }))
    })
    .await
}
