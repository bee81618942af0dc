//! The model server's mail in the core's words.

use crate::server::Mail;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::{BodyHash, BodyRef};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::Identity;
use postrider_core::mail::key::MatchKey;
use postrider_core::mail::message::Fetched;
use postrider_core::mail::recognise::{IdentityKind, LONG};
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::Request;
use postrider_core::provider::folders::FolderRequest;
use postrider_core::provider::watch::WatchRequest;
use postrider_core::time::Micros;

pub(crate) fn gone() -> Failure {
    Failure::new(Class::InvalidData, Reach::Folder, Provenance::Server, "no such folder")
}

/// What is told of an EXAMINE that lacks EXISTS or UIDVALIDITY.
pub(crate) fn untold() -> Failure {
    Failure { provenance: Provenance::Inferred, ..gone() }
}

pub(crate) fn flags(bits: u8) -> Flags {
    let names = [(1, "\\Seen"), (2, "work"), (4, "\\Flagged")];
    Flags::new(names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name))
}

pub(crate) fn hash(cid: u32) -> BodyHash {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&cid.to_be_bytes());
    BodyHash(bytes)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the model server's bodies are durable by definition"
)]
pub(crate) fn fetched(uid: u32, mail: &Mail, short: bool, names: IdentityKind) -> Fetched {
    let (cid, length) =
        if short { (mail.cid | 1 << 31, length(mail) - 1) } else { (mail.cid, length(mail)) };
    let body = BodyRef::sealed(hash(cid), 1, 0, length);
    Fetched {
        thread: None,
        uid,
        identity: names
            .identity(&mail.cid.to_string())
            .unwrap_or_else(|| Identity(format!("h:{}", body.hash()))),
        body,
        flags: flags(mail.flags),
        modseq: None,
        internal_date: Some(Micros::from_seconds(mail.date)),
        header: HeaderFacts::default(),
        announced: None,
        held: false,
    }
}

/// A mail that was rewritten by so much is another, and looks like the one that it was.
pub(crate) const REWRITTEN: u32 = 1_000_000;

/// Octets of a mail: most are so long that they are not read again where they are moved to.
pub(crate) fn weight(cid: u32) -> u64 {
    let cid = cid % REWRITTEN;
    10 + u64::from(cid % 7) + if cid.is_multiple_of(4) { 0 } else { LONG }
}

/// What a mail is recognised by.
pub(crate) fn key(cid: u32, date: Option<Micros>, alike: bool) -> MatchKey {
    let cid = cid % REWRITTEN;
    let id = if alike { cid % 3 } else { cid };
    MatchKey::of(Some(&id.to_string()), date.filter(|_| !alike), None)
}

/// Octets of a mail.
pub(crate) fn length(mail: &Mail) -> u64 {
    weight(mail.cid)
}

/// A question in words.
pub(crate) fn question(request: &Request) -> String {
    let name = request
        .remote_id()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .unwrap_or_default();
    match request {
        Request::Feed(request) => format!("{request:?}"),
        Request::Folders(FolderRequest::List { .. }) => "list".into(),
        Request::Folders(FolderRequest::Examine { .. }) => format!("examine {name}"),
        Request::Folders(FolderRequest::Index { uids: Some(uids), .. }) => {
            format!("flags {name} {uids}")
        }
        Request::Folders(FolderRequest::Index { .. }) => format!("index {name}"),
        Request::Folders(FolderRequest::Uids { .. }) => format!("uids {name}"),
        Request::Folders(FolderRequest::Keys { .. }) => format!("keys {name}"),
        Request::Folders(FolderRequest::Fetch { uids, .. }) => format!("fetch {name} {uids}"),
        Request::Folders(FolderRequest::Newest { .. }) => format!("newest {name}"),
        Request::Folders(FolderRequest::Sample { .. }) => format!("sample {name}"),
        Request::Folders(FolderRequest::Sizes { .. })
        | Request::Watch(WatchRequest { .. })
        | Request::Push(_) => "something else".into(),
    }
}
