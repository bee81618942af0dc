//! A message, as it is shown.

use crate::instant::instant;
use crate::store::listed::{ListedContact, ShownThread};
use crate::store::mail::{ListedMail, ListedMessage, MailPerson, MailPlace};
use postrider_core::contact::{MessageContact, is_outgoing};
use postrider_core::derive::{Attachment, Derived};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::flags::Flags;
use postrider_core::mime::PersonRole;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Somebody who is named.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonView {
    /// What the mail calls them.
    pub(super) name: Option<String>,
    /// Their address, as the mail writes it.
    pub(super) email: String,
}

/// Where a message lies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessagePlaceView {
    /// The folder's number.
    pub(super) id: i64,
    /// Its name for people.
    pub(super) path: String,
    /// What it is for.
    pub(super) role: Option<String>,
    /// The message's UID there.
    pub(super) uid: u64,
    /// Its flags and keywords there.
    pub(super) flags: Vec<String>,
}

/// A file in a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttachmentView {
    /// Its number: `…/parts/{part}` has its bytes.
    pub(super) part: String,
    /// Its type.
    pub(super) content_type: String,
    /// Its name.
    pub(super) filename: Option<String>,
    /// It is shown in the text.
    pub(super) inline: bool,
    /// What the text calls it.
    pub(super) content_id: Option<String>,
    /// Its length, decoded.
    pub(super) size: u64,
    /// Its SHA-256, decoded.
    pub(super) sha256: String,
}

/// What lists tell of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailView {
    /// Its number.
    pub(super) id: i64,
    /// Its account's id in the config.
    pub(super) account: String,
    /// Its thread; none until it is derived.
    pub(super) thread_id: Option<i64>,
    /// Its subject.
    pub(super) subject: Option<String>,
    /// Who wrote it.
    pub(super) from: Vec<PersonView>,
    /// To whom it goes.
    pub(super) to: Vec<PersonView>,
    /// Who gets a copy.
    pub(super) cc: Vec<PersonView>,
    /// Who gets one that the others do not see.
    pub(super) bcc: Vec<PersonView>,
    /// Whom an answer is to go to.
    pub(super) reply_to: Vec<PersonView>,
    /// How many more are named: of a thousand each is named here.
    pub(super) more_people: u64,
    /// When it says that it was written.
    pub(super) date: Option<String>,
    /// When its server received it; where that is not told, its `date`, else when it was stored.
    pub(super) received_at: String,
    /// The beginning of its text.
    pub(super) snippet: String,
    /// It is somewhere, and not read there.
    pub(super) unread: bool,
    /// It is flagged somewhere.
    pub(super) starred: bool,
    /// Where it lies.
    pub(super) folders: Vec<MessagePlaceView>,
    /// The files in it.
    pub(super) attachments: Vec<AttachmentView>,
    /// Its Message-ID, without angle brackets.
    pub(super) message_id: Option<String>,
    /// The id of the list that it came by.
    pub(super) list_id: Option<String>,
    /// Octets.
    pub(super) size: u64,
    /// SHA-256 of its octets.
    pub(super) sha256: String,
    /// Who wrote it has one of the account's own addresses.
    pub(super) outgoing: bool,
    /// When its server had deleted it.
    pub(super) deleted_at: Option<String>,
}

impl MailView {
    /// As it is stored, and as far as it is derived.
    pub(super) fn of(listed: ListedMessage) -> Self {
        let ListedMessage { mail, places, people, files } = listed;
        let (unread, starred) = (is_unread(&places), is_starred(&places));
        let folders = places.into_iter().map(MessagePlaceView::from).collect();
        let mut view = Self {
            id: mail.message.0,
            account: mail.account,
            thread_id: mail.thread,
            subject: mail.subject,
            from: Vec::new(),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
            more_people: mail.more_people.unwrap_or(0),
            date: mail.date.map(instant),
            received_at: instant(mail.received_at),
            snippet: mail.snippet.unwrap_or_default(),
            unread,
            starred,
            folders,
            attachments: files.into_iter().map(AttachmentView::from).collect(),
            message_id: mail.message_id,
            list_id: mail.list_id,
            size: mail.size,
            sha256: mail.hash.to_string(),
            outgoing: mail.outgoing.unwrap_or(false),
            deleted_at: mail.deleted_at.map(instant),
        };
        let person = |row: MailPerson| {
            let role = PersonRole::of(&row.role)?;
            Some((role, PersonView { name: row.name, email: row.address }))
        };
        view.name(people.into_iter().filter_map(person));
        view
    }

    /// With what was read of its bytes for the answer; `addresses` are its account's own, JSON.
    pub(super) fn with(self, read: Derived, addresses: Option<&str>) -> Self {
        let own = addresses.and_then(|text| serde_json::from_str(text).ok());
        let own: BTreeSet<String> = own.unwrap_or_default();
        let header = read.header;
        let mut view = Self {
            outgoing: is_outgoing(&own, &MessageContact::all_of(&header.people)),
            more_people: header.more_people as u64,
            snippet: read.snippet,
            attachments: read.attachments.into_iter().map(AttachmentView::from).collect(),
            list_id: header.list_id,
            ..self
        };
        let people = header.people.into_iter();
        view.name(people.map(|one| (one.role, PersonView { name: one.name, email: one.address })));
        view
    }

    fn name(&mut self, people: impl Iterator<Item = (PersonRole, PersonView)>) {
        let Self { from, to, cc, bcc, reply_to, .. } = self;
        for list in [&mut *from, to, cc, bcc, reply_to] {
            list.clear();
        }
        for (role, person) in people {
            match role {
                PersonRole::From => from.push(person),
                PersonRole::To => to.push(person),
                PersonRole::Cc => cc.push(person),
                PersonRole::Bcc => bcc.push(person),
                PersonRole::ReplyTo => reply_to.push(person),
            }
        }
    }
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

/// A page of a list of mail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailPage<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Where the next page begins; nothing when this is the last.
    pub(super) next: Option<String>,
    /// All mail of these accounts is derived. Else what is not yet is missing here; but for lists of folders, and of
    /// what is unread, where only what its bytes say is missing.
    pub(super) complete: bool,
}

/// A file, and the message that it is in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileView {
    /// The message's number: `/v1/messages/{message}/parts/{part}` has the file.
    message: i64,
    /// Its account's id in the config.
    account: String,
    /// The message's subject.
    subject: Option<String>,
    /// When its server received it.
    received_at: String,
    /// The file.
    #[serde(flatten)]
    file: AttachmentView,
}

impl FileView {
    pub(super) fn of(mail: &ListedMail, file: AttachmentView) -> Self {
        Self {
            message: mail.message.0,
            account: mail.account.clone(),
            subject: mail.subject.clone(),
            received_at: instant(mail.received_at),
            file,
        }
    }
}

/// People that a thread names, at most.
const PARTICIPANTS: usize = 50;

/// A thread: what its newest messages say, 200 at most, as far as their server still has them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ThreadView {
    /// Its number.
    id: i64,
    /// Its account's id in the config.
    account: String,
    /// The newest message's subject.
    subject: Option<String>,
    /// The beginning of the newest message's text.
    snippet: String,
    /// Who is named first in From, To and Cc of the newest ten messages, each address once; 50 at most.
    participants: Vec<PersonView>,
    /// When its first message was received.
    first_at: String,
    /// When its newest message was received.
    latest_at: Option<String>,
    /// Messages in it, those that their server has deleted, too.
    messages: u64,
    /// Its messages, newest first.
    message_ids: Vec<i64>,
    /// One of them is unread.
    unread: bool,
    /// One of them is flagged.
    starred: bool,
    /// One of them has a file.
    has_attachments: bool,
}

impl ThreadView {
    pub(super) fn of(shown: ShownThread) -> Self {
        let ShownThread { thread, messages } = shown;
        let (mut known, mut participants) = (BTreeSet::new(), Vec::new());
        let shown = |person: &&MailPerson| {
            let role = PersonRole::of(&person.role);
            matches!(role, Some(PersonRole::From | PersonRole::To | PersonRole::Cc))
        };
        for person in messages.iter().flat_map(|message| &message.people).filter(shown) {
            if participants.len() < PARTICIPANTS && known.insert(person.key.clone()) {
                let (name, email) = (person.name.clone(), person.address.clone());
                participants.push(PersonView { name, email });
            }
        }
        let newest = messages.first().map(|newest| &newest.mail);
        let has_attachments =
            messages.iter().any(|message| message.mail.attachments.unwrap_or(0) > 0);
        Self {
            id: thread.id,
            account: thread.account,
            subject: newest.and_then(|newest| newest.subject.clone()),
            snippet: newest.and_then(|newest| newest.snippet.clone()).unwrap_or_default(),
            participants,
            first_at: instant(thread.first_at),
            latest_at: newest.map(|newest| instant(newest.received_at)),
            messages: thread.messages,
            message_ids: messages.iter().map(|message| message.mail.message.0).collect(),
            unread: messages.iter().any(|message| is_unread(&message.places)),
            starred: messages.iter().any(|message| is_starred(&message.places)),
            has_attachments,
        }
    }
}

/// Whether it is unread somewhere.
fn is_unread(places: &[MailPlace]) -> bool {
    places.iter().any(|place| !has(place, "\\Seen"))
}

/// Whether it is flagged somewhere.
fn is_starred(places: &[MailPlace]) -> bool {
    places.iter().any(|place| has(place, "\\Flagged"))
}

/// Flags are in their canonical case.
fn has(place: &MailPlace, flag: &str) -> bool {
    place.flags.split(' ').any(|name| name == flag)
}

/// Somebody who is named in an account's mail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// Its number.
    id: i64,
    /// Its account's id in the config.
    account: String,
    /// Its name, as the newest message that has one writes it.
    name: Option<String>,
    /// Its address, as the newest message writes it.
    email: String,
    /// When the first message that names it was received.
    first_at: String,
    /// When the last one was.
    last_at: String,
    /// Messages from it.
    from_count: u64,
    /// Messages to it, or with a copy for it.
    to_count: u64,
}

impl From<ListedContact> for ContactView {
    fn from(row: ListedContact) -> Self {
        let ListedContact { id, account, address, name, first_at, last_at, .. } = row;
        Self {
            id,
            account,
            name,
            email: address,
            first_at: instant(first_at),
            last_at: instant(last_at),
            from_count: row.from_count,
            to_count: row.to_count,
        }
    }
}
