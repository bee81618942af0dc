//! The vocabulary of providers: where a server is, questions of runs, answers of sessions. A
//! provider speaks it in `src/provider`.

pub mod feeds;
pub mod folders;
pub mod push;
pub mod server;
pub mod subscription;
pub mod watch;
pub mod webhook;

use crate::budget::{Lane, Wait};
use crate::failure::Failure;
use crate::mail::folder::WireName;
use crate::mail::id::SessionId;
use crate::mail::recognise::IdentityKind;
use crate::mail::room::Room;
use crate::provider::feeds::{FeedAnswer, FeedRequest, Got};
use crate::provider::folders::{FolderAnswer, FolderRequest};
use crate::provider::push::{PushReply, PushRequest};
use crate::provider::watch::{WatchAnswer, WatchRequest};
use std::time::Duration;

/// What a server can do on a session; whoever plans asks here, never for a protocol's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It tells by itself when something happens in a folder.
    pub push: bool,
    /// How it proves what has changed in a folder.
    pub proof: Proof,
    /// What it can name messages by, whatever folder they lie in.
    pub names: IdentityKind,
    /// No page is to ask for more messages than this: what a page brings is known when it has come.
    pub page: Option<usize>,
    /// How its feeds are, where changes are told by message id.
    pub feed: FeedTraits,
}

/// How changes of a folder are proved, at best; what does not fit is listed whole all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Counters come with LIST (RFC 5819), or are asked for (STATUS): what they prove unchanged is not
    /// opened.
    pub counted: bool,
    /// What is asked where they do not.
    pub tells: Tells,
    /// How much of a folder is shown.
    pub view: View,
}

/// How much of a folder a server shows. Of what lies beyond, absence says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// All of it.
    #[default]
    Whole,
    /// So many messages at most, the newest.
    Newest(u32),
    /// At most one of these numbers, as its user has set it; the newest.
    OneOf(&'static [u32]),
}

impl View {
    /// Whether a folder that shows so many messages may have older ones.
    #[must_use]
    pub fn hides(self, exists: u32) -> bool {
        match self {
            Self::Whole => false,
            Self::Newest(most) => exists >= most,
            Self::OneOf(limits) => limits.contains(&exists),
        }
    }
}

/// What a server tells of changes since a modification sequence (RFC 7162).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tells {
    /// Nothing: the folder is listed.
    #[default]
    Nothing,
    /// What came and what has other flags; what went is counted.
    Came,
    /// What went, too.
    Went,
}

impl Tells {
    /// The word of the extension that tells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "listing",
            Self::Came => "condstore",
            Self::Went => "qresync",
        }
    }
}

/// The two families of provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// It answers about folders and UIDs.
    #[default]
    Folders,
    /// It answers about messages, by ids that outlive a move.
    Feed,
}

/// How a provider's feeds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedTraits {
    /// Each place has a feed of its own, and a first round of it takes the place of a list.
    pub by_place: bool,
    /// Lists show states. Where they show ids alone, each label is listed to compare, and pages
    /// shift under deletion and arrival.
    pub shows_state: bool,
    /// In a long run changes are asked for so often.
    pub every: Duration,
    /// They are lists of the newest mail: a hint that names ids is no reason to ask for one.
    pub windows: bool,
    /// That a message is not there is believed after so many times the wait for a second look: no feed tells ends,
    /// and what answers is not always the mailbox itself.
    pub doubt: u32,
}

impl Default for FeedTraits {
    fn default() -> Self {
        Self {
            by_place: false,
            shows_state: false,
            every: Duration::from_secs(30),
            windows: false,
            doubt: 1,
        }
    }
}

/// A session that is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its number.
    pub session: SessionId,
    /// What the server can do there.
    pub capabilities: Capabilities,
}

/// A question to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// About folders and UIDs.
    Folders(FolderRequest),
    /// About messages by their ids.
    Feed(FeedRequest),
    /// To tell what happens.
    Watch(WatchRequest),
    /// To tell it from outside a session.
    Push(PushRequest),
}

impl Request {
    /// The folder that it is about, by wire name.
    #[must_use]
    pub fn remote_id(&self) -> Option<&WireName> {
        match self {
            Self::Folders(request) => request.remote_id(),
            Self::Watch(WatchRequest { remote_id, .. }) => Some(remote_id),
            Self::Feed(_) | Self::Push(_) => None,
        }
    }

    /// Whether its answer brings mail, whose rows go to the database.
    #[must_use]
    pub fn brings_mail(&self) -> bool {
        match self {
            Self::Folders(request) => matches!(request, FolderRequest::Fetch { .. }),
            Self::Feed(request) => matches!(request, FeedRequest::Get { .. }),
            Self::Watch(_) | Self::Push(_) => false,
        }
    }

    /// Whether it asks for a mail that was on its way when processes ended.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        match self {
            Self::Folders(request) => matches!(request, FolderRequest::Fetch { suspect: true, .. }),
            Self::Feed(request) => matches!(request, FeedRequest::Get { suspect: true, .. }),
            Self::Watch(_) | Self::Push(_) => false,
        }
    }

    /// Whose units it costs: all but mail of the past keeps the mirror current.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::Folders(FolderRequest::Fetch { lane, .. })
            | Self::Feed(FeedRequest::Get { lane, .. }) => *lane,
            _ => Lane::Live,
        }
    }
}

impl From<FolderRequest> for Request {
    fn from(request: FolderRequest) -> Self {
        Self::Folders(request)
    }
}

impl From<FeedRequest> for Request {
    fn from(request: FeedRequest) -> Self {
        Self::Feed(request)
    }
}

impl From<WatchRequest> for Request {
    fn from(request: WatchRequest) -> Self {
        Self::Watch(request)
    }
}

/// A session's answer. There is one per request, but for those that bring mail, which may come in
/// several parts, and a watch, whose hints are followed by `Unwatched`.
#[derive(Debug)]
pub enum Answer {
    /// To a question about folders.
    Folders(FolderAnswer),
    /// To a question about messages by their ids.
    Feed(FeedAnswer),
    /// To a watch.
    Watch(WatchAnswer),
    /// To a question about pushes.
    Push(PushReply),
    /// To one that brings mail, in the lane of history: its units are not to be had before then, and
    /// nothing was asked.
    Deferred(Wait),
}

impl Answer {
    /// Octets that rows of mail in it take in memory.
    #[must_use]
    pub fn row_octets(&self) -> u64 {
        match self {
            Self::Folders(FolderAnswer::Fetched { page, .. }) => page.row_octets(),
            Self::Feed(FeedAnswer::Got { found, .. }) => {
                found.iter().map(|(id, got)| id.0.len() as u64 + got.row_octets()).sum()
            }
            _ => 0,
        }
    }

    /// Its rows hold this until they are dropped.
    pub fn holds(&mut self, held: &Room) {
        match self {
            Self::Folders(FolderAnswer::Fetched { page, .. }) => page.room = held.clone(),
            Self::Feed(FeedAnswer::Got { found, .. }) => {
                for (_, got) in found {
                    if let Got::Found(found) = got {
                        found.room = held.clone();
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether more answers to the same question are to come.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Folders(FolderAnswer::Fetched { last: false, .. })
                | Self::Feed(FeedAnswer::Got { last: false, .. })
                | Self::Watch(WatchAnswer::Hinted(_) | WatchAnswer::Told(..))
        )
    }
}

impl From<FolderAnswer> for Answer {
    fn from(answer: FolderAnswer) -> Self {
        Self::Folders(answer)
    }
}

impl From<FeedAnswer> for Answer {
    fn from(answer: FeedAnswer) -> Self {
        Self::Feed(answer)
    }
}

impl From<WatchAnswer> for Answer {
    fn from(answer: WatchAnswer) -> Self {
        Self::Watch(answer)
    }
}

/// An answer to a question that was not asked is a fault of the provider's code.
#[must_use]
pub fn not_asked() -> Failure {
    Failure::bug("a session answered another question than it was asked")
}
