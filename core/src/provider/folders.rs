//! What a session of a folder provider is asked, and what it answers.

use crate::budget::{Lane, Wait};
use crate::mail::cursor::Mark;
use crate::mail::folder::ListedFolder;
use crate::mail::id::{MailboxId, UidValidity};
use crate::mail::key::Keyed;
use crate::mail::page::Page;
use crate::mail::recognise::IdentityKind;
use crate::mail::room::Room;
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::plain::PlainText;
use crate::provider::feeds::{FeedAnswer, FeedRequest, Got};
use crate::time::Micros;
use std::collections::BTreeMap;
use std::time::Duration;

/// What EXAMINE said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    /// UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// UIDNEXT.
    pub uidnext: u32,
    /// The server did not tell UIDNEXT: the session has asked `UID FETCH * (UID)`, and it may fall.
    pub inferred: bool,
    /// EXISTS.
    pub exists: u32,
    /// HIGHESTMODSEQ, 0 where there is none.
    pub modseq: u64,
    /// MAILBOXID, where it is told.
    pub mailbox: Option<MailboxId>,
}

/// Up to where the changes of a folder are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// HIGHESTMODSEQ.
    pub modseq: u64,
}

/// What has changed in a folder since then, as a server with modseqs tells it (RFC 7162).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// What came, and what has other flags.
    pub rows: UidFlags,
    /// What went, UIDs among it that nobody here knows; none where only counting tells.
    pub vanished: Option<UidSet>,
}

/// What is enough of a folder that is open still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// Nothing: it is opened anew.
    Nothing,
    /// EXISTS as it was told meanwhile, and the UIDs that came.
    Counts,
    /// The same, with the flags of what came and of what the server has told of by itself.
    Flags,
}

/// A question to a session. Folder questions name the folder by its wire name and the UIDVALIDITY
/// they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// All folders that can be opened.
    List {
        /// By wire name, those whose counters may prove that nothing has happened there: they are told
        /// along, where the server can.
        counters_of: Vec<Vec<u8>>,
        /// No LIST of this account was ever whole: the counters of folders that are new are of use, too.
        anew: bool,
    },
    /// The folder's counters now.
    Examine {
        /// Wire name.
        remote_id: Vec<u8>,
        /// And what has changed since then, where the server can tell.
        since: Option<Since>,
        /// What is enough of a folder that is open still: then its HIGHESTMODSEQ is that of its
        /// opening, and no changes are told.
        enough: Enough,
    },
    /// UIDs and flags of the folder.
    Index {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// These alone; none is the whole folder.
        uids: Option<UidSet>,
    },
    /// The UIDs of the folder, all of them.
    Uids {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
    /// The size of every message of the folder (to verify; a run never asks it).
    Sizes {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
    /// What every message of the folder is recognised by, whatever its UID.
    Keys {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// With their sizes, which elsewhere are estimates.
        sized: bool,
    },
    /// Size and INTERNALDATE of these UIDs: whether a folder is another one under a new name.
    Sample {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// The UIDs.
        uids: UidSet,
    },
    /// IDLE in this folder until another question comes. `seen` is what the last pass saw: where
    /// the folder is another now, that is the first hint.
    Watch {
        /// Wire name.
        remote_id: Vec<u8>,
        /// Its counters; a HIGHESTMODSEQ that is not 0 says that flags are compared up to it.
        seen: Mark,
        /// Begin IDLE anew after this: connections were cut when it lasted longer.
        renew: Option<Duration>,
        /// Be told of every other folder, too, where the server can.
        wide: bool,
    },
    /// Messages, in pages; each UID is settled by exactly one part.
    Fetch {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// UIDs that an index has shown.
        uids: UidSet,
        /// RFC822.SIZE is an estimate there: a length that differs from it is no suspicion.
        estimated: bool,
        /// Whether it is mail that has just come, or of the past.
        lane: Lane,
        /// What messages are named by: what is held already is not read again.
        names: IdentityKind,
        /// Messages of the account are looked for: they may be among these.
        seeks: bool,
        /// As a whole it has not come: it is asked for by ranges, where the server knows them.
        pieces: bool,
    },
    /// A question of the other family.
    Feed(FeedRequest),
    /// Size and INTERNALDATE of the newest message of a folder that is open.
    Newest {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
}

impl Request {
    /// The folder's counters now, and nothing else.
    #[must_use]
    pub fn examine(remote_id: Vec<u8>) -> Self {
        Self::Examine { remote_id, since: None, enough: Enough::Nothing }
    }

    /// The folder that it is about, by wire name.
    #[must_use]
    pub fn remote_id(&self) -> Option<&[u8]> {
        match self {
            Self::List { .. } | Self::Feed(_) => None,
            Self::Examine { remote_id, .. }
            | Self::Index { remote_id, .. }
            | Self::Uids { remote_id, .. }
            | Self::Keys { remote_id, .. }
            | Self::Sizes { remote_id, .. }
            | Self::Sample { remote_id, .. }
            | Self::Watch { remote_id, .. }
            | Self::Newest { remote_id, .. }
            | Self::Fetch { remote_id, .. } => Some(remote_id),
        }
    }
}

/// A message as a sample tells it, to recognise a folder under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// UID.
    pub uid: u32,
    /// RFC822.SIZE, or the stored length.
    pub size: u64,
    /// INTERNALDATE.
    pub internal_date: Option<Micros>,
}

/// What a watch noticed. A hint, never the truth: a pass looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Mail came or went.
    Counts,
    /// Flags changed.
    Flags,
    /// The folder had to be opened anew: nobody tells what happened to flags since the last pass.
    Stale,
    /// Nothing: the server has proved that it is there.
    Alive,
    /// From here on the server tells of every folder.
    Wide,
    /// Folders may have come, gone or got other names.
    Names,
    /// Anything may have happened anywhere: the server did not tell all of it.
    Untold,
}

/// What a server tells of a folder that is not open, as far as it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// UIDNEXT.
    pub uidnext: Option<u32>,
    /// MESSAGES.
    pub exists: Option<u32>,
    /// HIGHESTMODSEQ.
    pub modseq: Option<u64>,
}

impl Noticed {
    /// Whether it is what a pass has left: nothing has happened since. A server that told nothing has
    /// told of something.
    #[must_use]
    pub fn is_as(&self, mark: &Mark) -> bool {
        let differs = self.uidnext.is_some_and(|uidnext| uidnext != mark.uidnext)
            || self.exists.is_some_and(|exists| exists != mark.exists)
            || self.modseq.is_some_and(|modseq| modseq != mark.modseq);
        !differs && (self.uidnext.is_some() && self.exists.is_some())
    }

    /// This, and what is told later.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            uidnext: later.uidnext.or(self.uidnext),
            exists: later.exists.or(self.exists),
            modseq: later.modseq.or(self.modseq),
        }
    }
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwatched {
    /// Another question came.
    Asked,
    /// The server has no IDLE.
    Unable,
    /// Somebody else needs the session more: it has logged out.
    Retired,
}

impl Request {
    /// Whether its answer brings mail, whose rows go to the database.
    #[must_use]
    pub fn brings_mail(&self) -> bool {
        matches!(self, Self::Fetch { .. } | Self::Feed(FeedRequest::Get { .. }))
    }

    /// Whose units it costs: all but mail of the past keeps the mirror current.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::Fetch { lane, .. } => *lane,
            Self::Feed(request) => request.lane(),
            _ => Lane::Live,
        }
    }
}

/// A session's answer. There is one per request, but for `Fetch`, which may come in several parts,
/// and `Watch`, whose hints are followed by `Unwatched`.
#[derive(Debug)]
pub enum Answer {
    /// To `List`.
    Listed {
        /// The folders that can be read.
        folders: Vec<ListedFolder>,
        /// A line that cannot be read, if there was one: a folder without a name.
        unreadable: Option<PlainText>,
        /// The counters of those whose counters were told, by wire name. Of the folder that is open
        /// there are none: a server may show those of its opening.
        counters: BTreeMap<Vec<u8>, Examined>,
    },
    /// To `Examine`.
    Examined {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// The counters.
        examined: Examined,
        /// What has changed, where that was asked and could be told.
        changed: Option<Changed>,
        /// It was open still, and not opened anew: flags of what it told of.
        told: Option<UidFlags>,
    },
    /// To `Index`: the rows, and EXISTS when the answer was complete.
    Indexed {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// UIDs and flags.
        rows: UidFlags,
        /// The folder's EXISTS after the tagged OK.
        exists: u32,
    },
    /// To `Uids`.
    Uids {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// The UIDs.
        uids: UidSet,
        /// The folder's EXISTS after the tagged OK.
        exists: u32,
    },
    /// To `Keys`.
    Keyed {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// UIDs and what they are recognised by.
        rows: Vec<Keyed>,
        /// The folder's EXISTS after the tagged OK.
        exists: u32,
    },
    /// To `Sizes`: RFC822.SIZE by UID.
    Sized(BTreeMap<u32, u64>),
    /// To `Sample` and `Newest`.
    Sampled {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// What is there of what was asked for.
        rows: Vec<Sampled>,
    },
    /// To `Fetch`, in the lane of history: its units are not to be had before then, and nothing was
    /// asked.
    Deferred(Wait),
    /// To `Feed`.
    Feed(FeedAnswer),
    /// To `Watch`: something may have changed.
    Hinted(Hint),
    /// To `Watch`: so is another folder, by wire name.
    Told(Vec<u8>, Noticed),
    /// To `Watch`: it is over.
    Unwatched(Unwatched),
    /// To `Fetch`: a part settles the next UIDs of those asked for, ascending; `last` when none are
    /// left.
    Fetched {
        /// What was settled.
        page: Page,
        /// Whether this was the last part.
        last: bool,
    },
}

impl Answer {
    /// Octets that rows of mail in it take in memory.
    #[must_use]
    pub fn row_octets(&self) -> u64 {
        match self {
            Self::Fetched { page, .. } => page.row_octets(),
            Self::Feed(FeedAnswer::Got { found, .. }) => {
                found.iter().map(|(id, got)| id.0.len() as u64 + got.row_octets()).sum()
            }
            _ => 0,
        }
    }

    /// Its rows hold this until they are dropped.
    pub fn holds(&mut self, held: &Room) {
        match self {
            Self::Fetched { page, .. } => page.room = held.clone(),
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
            Self::Fetched { last: false, .. }
                | Self::Hinted(_)
                | Self::Told(..)
                | Self::Feed(FeedAnswer::Got { last: false, .. })
        )
    }
}
