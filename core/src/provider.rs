//! The vocabulary of providers: where a server is, questions of runs, answers of sessions. A
//! provider speaks it in `src/provider`.

pub mod feeds;
pub mod folders;
pub mod server;

use crate::mail::id::SessionId;
use crate::mail::recognise::IdentityKind;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedTraits {
    /// Each place has a feed of its own, and a first round of it takes the place of a list.
    pub by_place: bool,
    /// Lists show states. Where they show ids alone, each label is listed to compare, and pages
    /// shift under deletion and arrival.
    pub shows_state: bool,
}

/// A session that is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its number.
    pub session: SessionId,
    /// What the server can do there.
    pub capabilities: Capabilities,
}
