//! What a session of a folder provider is asked, and what it answers.

use crate::budget::Lane;
use crate::mail::folder::{ListedFolder, WireName};
use crate::mail::id::{MailboxId, UidValidity};
use crate::mail::key::Keyed;
use crate::mail::page::Page;
use crate::mail::recognise::IdentityKind;
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::plain::PlainText;
use crate::time::Micros;
use std::collections::BTreeMap;

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

/// A question to a session of a folder provider. It names the folder by its wire name and the
/// UIDVALIDITY that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderRequest {
    /// All folders that can be opened.
    List {
        /// By wire name, those whose counters may prove that nothing has happened there: they are told
        /// along, where the server can.
        counters_of: Vec<WireName>,
        /// No LIST of this account was ever whole: the counters of folders that are new are of use, too.
        anew: bool,
    },
    /// The folder's counters now.
    Examine {
        /// Wire name.
        remote_id: WireName,
        /// And what has changed since then, where the server can tell.
        since: Option<Since>,
        /// What is enough of a folder that is open still: then its HIGHESTMODSEQ is that of its
        /// opening, and no changes are told.
        enough: Enough,
    },
    /// UIDs and flags of the folder.
    Index {
        /// Wire name.
        remote_id: WireName,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// These alone; none is the whole folder.
        uids: Option<UidSet>,
    },
    /// The UIDs of the folder, all of them.
    Uids {
        /// Wire name.
        remote_id: WireName,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
    /// The size of every message of the folder (to verify; a run never asks it).
    Sizes {
        /// Wire name.
        remote_id: WireName,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
    /// What every message of the folder is recognised by, whatever its UID.
    Keys {
        /// Wire name.
        remote_id: WireName,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// With their sizes, which elsewhere are estimates.
        with_size: bool,
    },
    /// Size and INTERNALDATE of these UIDs: whether they are the mail that we hold.
    Sample {
        /// Wire name.
        remote_id: WireName,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// The UIDs.
        uids: UidSet,
        /// What names messages: it says of threads, too.
        names: IdentityKind,
    },
    /// Messages, in pages; each UID is settled by exactly one part.
    Fetch {
        /// Wire name.
        remote_id: WireName,
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
        /// It was on its way when processes ended: nothing like it is asked for beside it.
        suspect: bool,
    },
    /// Size and INTERNALDATE of the newest message of a folder that is open.
    Newest {
        /// Wire name.
        remote_id: WireName,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
}

impl FolderRequest {
    /// The folder's counters now, and nothing else.
    #[must_use]
    pub fn examine(remote_id: WireName) -> Self {
        Self::Examine { remote_id, since: None, enough: Enough::Nothing }
    }

    /// The folder that it is about, by wire name.
    #[must_use]
    pub fn remote_id(&self) -> Option<&WireName> {
        match self {
            Self::List { .. } => None,
            Self::Examine { remote_id, .. }
            | Self::Index { remote_id, .. }
            | Self::Uids { remote_id, .. }
            | Self::Keys { remote_id, .. }
            | Self::Sizes { remote_id, .. }
            | Self::Sample { remote_id, .. }
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

/// An answer to a question about folders. There is one per request, but for `Fetch`, which may come
/// in several parts.
#[derive(Debug)]
pub enum FolderAnswer {
    /// To `List`.
    Listed {
        /// The folders that can be read.
        folders: Vec<ListedFolder>,
        /// A line that cannot be read, if there was one: a folder without a name.
        unreadable: Option<PlainText>,
        /// The counters of those whose counters were told, by wire name. Of the folder that is open
        /// there are none: a server may show those of its opening.
        counters: BTreeMap<WireName, Examined>,
    },
    /// To `Examine`.
    Examined {
        /// The name that was asked about.
        remote_id: WireName,
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
        remote_id: WireName,
        /// UIDs and flags.
        rows: UidFlags,
        /// The folder's EXISTS after the tagged OK.
        exists: u32,
    },
    /// To `Uids`.
    Uids {
        /// The name that was asked about.
        remote_id: WireName,
        /// The UIDs.
        uids: UidSet,
        /// The folder's EXISTS after the tagged OK.
        exists: u32,
    },
    /// To `Keys`.
    Keyed {
        /// The name that was asked about.
        remote_id: WireName,
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
        remote_id: WireName,
        /// What is there of what was asked for.
        rows: Vec<Sampled>,
        /// What their threads are called, where that was told.
        threads: BTreeMap<u32, String>,
    },
    /// To `Fetch`: a part settles the next UIDs of those asked for, ascending; `last` when none are
    /// left.
    Fetched {
        /// What was settled.
        page: Page,
        /// Whether this was the last part.
        last: bool,
    },
}

impl FolderAnswer {
    /// The folder that it says that it is about, by wire name.
    #[must_use]
    pub fn remote_id(&self) -> Option<&WireName> {
        match self {
            Self::Examined { remote_id, .. }
            | Self::Indexed { remote_id, .. }
            | Self::Uids { remote_id, .. }
            | Self::Keyed { remote_id, .. }
            | Self::Sampled { remote_id, .. } => Some(remote_id),
            Self::Listed { .. } | Self::Sized(_) | Self::Fetched { .. } => None,
        }
    }
}
