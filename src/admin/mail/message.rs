//! One message: what its server said of it, where it lies, and what its bytes say.

use crate::admin::Shared;
use crate::admin::mail::bytes::{beginning, not_left_out, stored};
use crate::admin::problem::{Problem, ProblemOf};
use crate::derive::read::read_now;
use crate::instant::instant;
use crate::store::mail::{MailPerson, MailPlace, StoredMail};
use axum::Json;
use axum::extract::{Path, State};
use postrider_core::contact::{MessageContact, is_outgoing};
use postrider_core::derive::{Attachment, Derived, Reads, VERSION};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::MessageId;
use postrider_core::mime::{Header, Parse, Person, PersonRole};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Somebody who is named.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonView {
    /// What the mail calls them.
    name: Option<String>,
    /// Their address, as the mail writes it.
    email: String,
}

/// Where a message lies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessagePlaceView {
    /// The folder's number.
    id: i64,
    /// Its name for people.
    path: String,
    /// What it is for.
    role: Option<String>,
    /// The message's UID there.
    uid: u64,
    /// Its flags and keywords there.
    flags: Vec<String>,
}

/// A file in a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttachmentView {
    /// Its number: `…/parts/{part}` has its bytes.
    part: String,
    /// Its type.
    content_type: String,
    /// Its name.
    filename: Option<String>,
    /// It is shown in the text.
    inline: bool,
    /// What the text calls it.
    content_id: Option<String>,
    /// Its length, decoded.
    size: u64,
    /// Its SHA-256, decoded.
    sha256: String,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// Its number.
    id: i64,
    /// Its account's id in the config.
    account: String,
    /// Its thread; none until it is derived.
    thread_id: Option<i64>,
    /// Its subject.
    subject: Option<String>,
    /// Who wrote it.
    from: Vec<PersonView>,
    /// To whom it goes.
    to: Vec<PersonView>,
    /// Who gets a copy.
    cc: Vec<PersonView>,
    /// Who gets one that the others do not see.
    bcc: Vec<PersonView>,
    /// Whom an answer is to go to.
    reply_to: Vec<PersonView>,
    /// How many more are named: of a thousand each is named here.
    more_people: u64,
    /// When it says that it was written.
    date: Option<String>,
    /// When its server received it; where that is not told, its `date`, else when it was stored.
    received_at: String,
    /// The beginning of its text.
    snippet: String,
    /// It is somewhere, and not read there.
    unread: bool,
    /// It is flagged somewhere.
    starred: bool,
    /// Where it lies.
    folders: Vec<MessagePlaceView>,
    /// The files in it.
    attachments: Vec<AttachmentView>,
    /// Its Message-ID, without angle brackets.
    message_id: Option<String>,
    /// The Message-IDs of what it answers.
    in_reply_to: Vec<String>,
    /// The id of the list that it came by.
    list_id: Option<String>,
    /// Octets.
    size: u64,
    /// SHA-256 of its octets.
    sha256: String,
    /// Who wrote it has one of the account's own addresses.
    outgoing: bool,
    /// When its server had deleted it.
    deleted_at: Option<String>,
    /// Its bytes cannot be read, and why: what they would say is missing here.
    damaged: Option<String>,
}

/// What its bytes say.
struct Said {
    people: Vec<(PersonRole, PersonView)>,
    more_people: u64,
    snippet: String,
    attachments: Vec<AttachmentView>,
    in_reply_to: Vec<String>,
    list_id: Option<String>,
    outgoing: bool,
}

/// A message, whole: what is not derived yet is read for the answer.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, body = MessageView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn message(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, Problem> {
    let (id, mail) = stored(&shared, &id).await?;
    let places = shared.mail.rows().places(id).await?;
    let is_read =
        mail.version == Some(VERSION) && mail.parse.as_deref() != Some(Parse::Failed.as_str());
    let (said, damaged) = if is_read {
        let people = shared.mail.rows().people(id).await?;
        let files = shared.mail.rows().files(id).await?;
        let header = header(&shared, &mail).await?;
        let (header, damaged) =
            header.map_or_else(|why| (Header::default(), Some(why)), |header| (header, None));
        (Said::of_rows(&mail, people, files, header.in_reply_to), damaged)
    } else {
        match read_whole(&shared, id, &mail).await? {
            Ok(read) => (Said::of_bytes(&mail, read), None),
            Err(why) => (Said::nothing(), Some(why)),
        }
    };
    let (mut from, mut to, mut cc) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bcc, mut reply_to) = (Vec::new(), Vec::new());
    for (role, person) in said.people {
        match role {
            PersonRole::From => from.push(person),
            PersonRole::To => to.push(person),
            PersonRole::Cc => cc.push(person),
            PersonRole::Bcc => bcc.push(person),
            PersonRole::ReplyTo => reply_to.push(person),
        }
    }
    let folders: Vec<MessagePlaceView> = places.into_iter().map(MessagePlaceView::from).collect();
    // Flags are in their canonical case.
    let has = |place: &MessagePlaceView, flag: &str| place.flags.iter().any(|name| name == flag);
    Ok(Json(MessageView {
        id: id.0,
        account: mail.account,
        thread_id: mail.thread,
        subject: mail.subject,
        from,
        to,
        cc,
        bcc,
        reply_to,
        more_people: said.more_people,
        date: mail.date.map(instant),
        received_at: instant(mail.received_at),
        snippet: said.snippet,
        unread: folders.iter().any(|place| !has(place, "\\Seen")),
        starred: folders.iter().any(|place| has(place, "\\Flagged")),
        folders,
        attachments: said.attachments,
        message_id: mail.message_id,
        in_reply_to: said.in_reply_to,
        list_id: said.list_id,
        size: mail.size,
        sha256: mail.hash.to_string(),
        outgoing: said.outgoing,
        deleted_at: mail.deleted_at.map(instant),
        damaged,
    }))
}

/// What its bytes say, or why they cannot be read.
async fn read_whole(
    shared: &Shared,
    id: MessageId,
    mail: &StoredMail,
) -> Result<Result<Derived, String>, Problem> {
    if let Err(why) = not_left_out(id, mail) {
        return Ok(Err(why));
    }
    let _turn = shared.mail.turn().await?;
    let read = read_now(shared.mail.bodies(), mail.body(), |mail| {
        Derived::read(mail, Reads::WithoutWords)
    });
    Ok(read.await)
}

/// Its header, or why its bytes cannot be read.
async fn header(shared: &Shared, mail: &StoredMail) -> Result<Result<Header, String>, Problem> {
    let _turn = shared.mail.turn().await?;
    let read =
        read_now(shared.mail.bodies(), mail.body(), |mail| Ok(Header::read(&beginning(mail)?)));
    Ok(read.await)
}

impl From<MailPlace> for MessagePlaceView {
    fn from(place: MailPlace) -> Self {
        let flags = Flags::from_columns(&place.flags, &place.keywords);
        let flags = flags.names().map(str::to_owned).collect();
        let MailPlace { folder, path, role, uid, .. } = place;
        Self { id: folder.0, path, role, uid, flags }
    }
}

impl From<Attachment> for AttachmentView {
    fn from(file: Attachment) -> Self {
        Self {
            part: file.number,
            content_type: file.media_type,
            filename: file.name,
            inline: file.is_inline,
            content_id: file.content_id,
            size: file.size,
            sha256: BodyHash(file.sha256).to_string(),
        }
    }
}

impl Said {
    fn nothing() -> Self {
        Self {
            people: Vec::new(),
            more_people: 0,
            snippet: String::new(),
            attachments: Vec::new(),
            in_reply_to: Vec::new(),
            list_id: None,
            outgoing: false,
        }
    }

    fn of_rows(
        mail: &StoredMail,
        people: Vec<MailPerson>,
        files: Vec<Attachment>,
        in_reply_to: Vec<String>,
    ) -> Self {
        let person = |row: MailPerson| {
            let role = PersonRole::of(&row.role)?;
            Some((role, PersonView { name: row.name, email: row.address }))
        };
        Self {
            people: people.into_iter().filter_map(person).collect(),
            more_people: mail.more_people.unwrap_or(0),
            snippet: mail.snippet.clone().unwrap_or_default(),
            attachments: files.into_iter().map(AttachmentView::from).collect(),
            in_reply_to,
            list_id: mail.list_id.clone(),
            outgoing: mail.outgoing.unwrap_or(false),
        }
    }

    fn of_bytes(mail: &StoredMail, read: Derived) -> Self {
        let own = mail.addresses.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let own: BTreeSet<String> = own.unwrap_or_default();
        let header = read.header;
        let outgoing = is_outgoing(&own, &MessageContact::all_of(&header.people));
        let person = |one: Person| (one.role, PersonView { name: one.name, email: one.address });
        Self {
            people: header.people.into_iter().map(person).collect(),
            more_people: header.more_people as u64,
            snippet: read.snippet,
            attachments: read.attachments.into_iter().map(AttachmentView::from).collect(),
            in_reply_to: header.in_reply_to,
            list_id: header.list_id,
            outgoing,
        }
    }
}
