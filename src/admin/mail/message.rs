//! One message: what its server said of it, where it lies, and what its bytes say; and what was told of it.

use crate::admin::Shared;
use crate::admin::mail::bytes::{bytes_of, not_left_out, stored};
use crate::admin::mail::views::MailView;
use crate::admin::problem::{Problem, ProblemOf};
use crate::derive::read::{beginning, read_now};
use crate::store::mail::StoredMail;
use axum::Json;
use axum::extract::{Path, State};
use postrider_core::derive::{Derived, Reads, VERSION};
use postrider_core::mime::{Header, Parse};
use serde::Serialize;
use utoipa::ToSchema;

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// What lists tell of it, too.
    #[serde(flatten)]
    mail: MailView,
    /// The Message-IDs of what it answers.
    in_reply_to: Vec<String>,
    /// Its provider hands out no bytes of it: what is held in their place is what it tells of it, as JSON.
    synthetic: bool,
    /// Its bytes cannot be read, and why: what they would say is missing here.
    damaged: Option<String>,
}

/// A message, whole: what is not derived yet is read for the answer.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, body = MessageView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn message(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, Problem> {
    let stored = stored(&shared, &id).await?;
    let view = MailView::of(shared.mail.rows().around(stored.mail.clone()).await?);
    let is_read =
        stored.version == Some(VERSION) && stored.parse.as_deref() != Some(Parse::Failed.as_str());
    let (mail, in_reply_to, damaged) = if is_read {
        match header(&shared, &stored).await? {
            Ok(header) => (view, header.in_reply_to, None),
            Err(why) => (view, Vec::new(), Some(why)),
        }
    } else {
        match read_whole(&shared, &stored).await? {
            Ok(mut read) => {
                let in_reply_to = std::mem::take(&mut read.header.in_reply_to);
                (view.with(read, stored.addresses.as_deref()), in_reply_to, None)
            }
            Err(why) => (view, Vec::new(), Some(why)),
        }
    };
    Ok(Json(MessageView { mail, in_reply_to, synthetic: stored.synthetic, damaged }))
}

/// What its bytes say, or why they cannot be read.
async fn read_whole(
    shared: &Shared,
    mail: &StoredMail,
) -> Result<Result<Derived, String>, Problem> {
    if let Err(why) = not_left_out(mail) {
        return Ok(Err(why));
    }
    let _turn = shared.mail.turn().await?;
    let read =
        read_now(shared.mail.bodies(), bytes_of(mail), |mail| Derived::read(mail, Reads::Off));
    Ok(read.await)
}

/// Its header, or why its bytes cannot be read.
async fn header(shared: &Shared, mail: &StoredMail) -> Result<Result<Header, String>, Problem> {
    let _turn = shared.mail.turn().await?;
    let read =
        read_now(shared.mail.bodies(), bytes_of(mail), |mail| Ok(Header::read(&beginning(mail)?)));
    Ok(read.await)
}
