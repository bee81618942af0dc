//! What a session of a feed provider is asked, and what it answers: one request, one answer.
//! Messages go by their identity in the account; a provider adds and takes away what is before its
//! own id in it.

use crate::budget::Lane;
use crate::failure::Class;
use crate::mail::body::BodyRef;
use crate::mail::feed::{FeedCursor, MailVersion, PageToken, PlaceId};
use crate::mail::flags::Flags;
use crate::mail::folder::Role;
use crate::mail::id::Identity;
use crate::mail::page::Fragment;
use crate::mail::room::Room;
use crate::mime::HeaderFacts;
use crate::plain::PlainText;
use crate::time::Micros;
use std::collections::BTreeSet;

/// What a list is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// Every message, spam and trash too.
    All,
    /// What lies in a place.
    Place(PlaceId),
    /// What carries a label that stands for a flag.
    Label(PlaceId),
}

/// A message to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedMail {
    /// Which.
    pub id: Identity,
    /// Its bytes too, or its state alone.
    pub bytes: bool,
    /// What came of it an hour or more ago was no mail (class invalid_data).
    pub tried: bool,
}

/// A question to a session of a feed provider. `place` is none for the feed of a whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedRequest {
    /// Every place, and the labels that stand for flags.
    Places,
    /// A feed's cursor now.
    Head {
        /// Whose feed.
        place: Option<PlaceId>,
    },
    /// How many messages there are in all.
    Counts,
    /// What has changed. Without `since`: the whole of it, in a first round.
    Changes {
        /// Whose feed.
        place: Option<PlaceId>,
        /// The cursor that it starts from.
        since: Option<FeedCursor>,
        /// Where an earlier answer said that it goes on.
        token: Option<PageToken>,
    },
    /// Ids, newest first.
    List {
        /// Of what.
        within: Within,
        /// The page.
        token: Option<PageToken>,
    },
    /// Messages.
    Get {
        /// Which.
        wanted: Vec<WantedMail>,
        /// Whether a change told of them, or a list of the past.
        lane: Lane,
        /// It was on its way when processes ended: nothing like it is asked for beside it.
        suspect: bool,
    },
}

/// A place as the provider tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPlace {
    /// Its id.
    pub id: PlaceId,
    /// Its name for people; parents come before a `/`.
    pub path: String,
    /// Its role, if it has one.
    pub role: Option<Role>,
}

/// A label that stands for a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagLabel {
    /// The label.
    pub id: PlaceId,
    /// The flag.
    pub flag: Flags,
    /// Whoever carries the label has not the flag.
    pub inverted: bool,
}

/// A message's state as a provider tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenState {
    /// The places that it lies in.
    pub places: BTreeSet<PlaceId>,
    /// Its flags and keywords.
    pub flags: Flags,
    /// The version of that state, where there is one.
    pub version: Option<MailVersion>,
}

/// What a page of changes says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedWord {
    /// It came.
    New {
        /// The version of its coming, where there is one.
        version: Option<MailVersion>,
        /// Where it lay then, where that is told.
        places: Option<BTreeSet<PlaceId>>,
    },
    /// Something about it is another.
    Touched,
    /// Its state is this.
    State(SeenState),
    /// Its state differs by this from what it was.
    Delta {
        /// Places that it came into.
        into: BTreeSet<PlaceId>,
        /// Places that it left.
        out_of: BTreeSet<PlaceId>,
        /// Flags that it got.
        set: Flags,
        /// Flags that it lost.
        cleared: Flags,
        /// The version that this made.
        version: MailVersion,
    },
    /// It is no longer in a place; where it is now is not told.
    Left(PlaceId),
    /// It is gone for good.
    Gone(Option<MailVersion>),
    /// A list shows it, in this state.
    Shown(SeenState),
}

impl FeedWord {
    /// The version that it tells of, where it tells of one.
    #[must_use]
    pub fn version(&self) -> Option<&MailVersion> {
        match self {
            Self::New { version, .. } | Self::Gone(version) => version.as_ref(),
            Self::State(state) | Self::Shown(state) => state.version.as_ref(),
            Self::Delta { version, .. } => Some(version),
            Self::Touched | Self::Left(_) => None,
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    /// Of which message.
    pub id: Identity,
    /// What it is.
    pub word: FeedWord,
}

/// How a feed goes on behind a page of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// The same question goes on; the cursor stays.
    Page(PageToken),
    /// The cursor after this page.
    Cursor {
        /// The cursor.
        cursor: FeedCursor,
        /// More has changed since.
        more: bool,
    },
}

/// A message as a Get found it.
#[derive(Clone, Debug)]
pub struct FoundMail {
    /// Its state.
    pub state: SeenState,
    /// The state of the whole feed at which it was read, where there is one.
    pub stamp: Option<FeedCursor>,
    /// What its server calls its thread.
    pub thread: Option<String>,
    /// When it came, by the server's clock.
    pub date: Option<Micros>,
    /// Its bytes and what its header says, where they were asked for.
    pub bytes: Option<(BodyRef, HeaderFacts)>,
    /// What it takes of the process's memory, with those that came along.
    pub room: Room,
}

impl Got {
    /// Octets that it takes in memory.
    #[must_use]
    pub fn row_octets(&self) -> u64 {
        match self {
            Self::Found(found) => {
                let header = found.bytes.as_ref().map_or(0, |(_, header)| header.octets());
                let places = found.state.places.iter().map(|place| place.0.len() + 64);
                let thread = found.thread.as_ref().map_or(0, String::len);
                let state = found.state.flags.as_str().len() + places.sum::<usize>() + thread;
                (size_of::<FoundMail>() + state) as u64 + header
            }
            Self::Failed { text, came, .. } => {
                (text.len() + came.as_ref().map_or(0, |came| came.octets().len())) as u64
            }
            Self::Missing => 0,
        }
    }
}

/// What a Get says of one message.
#[derive(Clone, Debug)]
pub enum Got {
    /// It is there.
    Found(Box<FoundMail>),
    /// It is not there (404).
    Missing,
    /// It is there, and cannot be read.
    Failed {
        /// The class of what went wrong.
        class: Class,
        /// The server's words.
        text: PlainText,
        /// What came of it, where something did.
        came: Option<Fragment>,
    },
}

/// A message as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMail {
    /// Which.
    pub id: Identity,
    /// Its state, where lists show that.
    pub state: Option<SeenState>,
    /// What its server calls its thread.
    pub thread: Option<String>,
}

/// An answer of a feed provider's session. There is one per request, but for `Get`, which may come
/// in several parts.
#[derive(Debug)]
pub enum FeedAnswer {
    /// To `Places`.
    Placed {
        /// All of them.
        places: Vec<ListedPlace>,
        /// Labels that stand for flags, where each is to be listed since lists show no states.
        labels: Vec<FlagLabel>,
        /// The place that is computed: what lies in neither trash nor spam.
        derived: Option<PlaceId>,
        /// The server's clock.
        clock: Micros,
    },
    /// To `Head`.
    Headed {
        /// The cursor.
        cursor: FeedCursor,
        /// The server's clock.
        clock: Micros,
    },
    /// To `Counts`; none where the provider does not count.
    Counted(Option<u64>),
    /// To `Changes`.
    Changed {
        /// In order.
        items: Vec<FeedItem>,
        /// How it goes on.
        next: Onward,
    },
    /// To `Changes`: the provider no longer knows what came after this cursor.
    Expired,
    /// To `Changes` and `List`: there is no such place.
    NoPlace,
    /// To `Changes` and `List`: the token is no longer known.
    TokenDead,
    /// To `List`: ids, with their state where the provider shows it.
    Page {
        /// Newest first.
        rows: Vec<ListedMail>,
        /// The next page.
        next: Option<PageToken>,
    },
    /// To `Get`: what came of some ids; who is in no part was cut off.
    Got {
        /// What came.
        found: Vec<(Identity, Got)>,
        /// Whether this was the last part.
        last: bool,
    },
}
