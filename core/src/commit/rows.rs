//! The rows that commits compare with and change, as the core sees them.

use crate::mail::body::{BodyHash, BodyRef};
use crate::mail::cursor::{Lanes, Mark};
use crate::mail::feed::MailVersion;
use crate::mail::flags::Flags;
use crate::mail::folder::{Role, WireName};
use crate::mail::id::{
    AccountId, FolderId, Identity, Incarnation, MessageId, SessionId, UidValidity,
};
use crate::mail::recognise::IdentityKind;
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The account row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Row number.
    pub id: AccountId,
    /// Raised whenever the cursors are handed out.
    pub incarnation: Incarnation,
    /// When the EXAMINE was asked for that opened its first folder.
    pub opened_at: Option<Micros>,
    /// Start of the last LIST that was complete and lacked nothing.
    pub listed_at: Option<Micros>,
    /// Folders that one LIST lacked and a second must lack too.
    pub list_look: Option<ListLook>,
    /// Folders that are listed and cannot be opened, by wire name. The empty name stands for lines
    /// of LIST that cannot be read.
    pub shut: BTreeMap<WireName, Shut>,
    /// The server's RFC822.SIZE is an estimate (Exchange): a length that differs from it says
    /// nothing.
    pub sizes_estimated: bool,
    /// What the server deletes is kept for ever, and told so.
    pub keep: bool,
    /// What its messages are named by: fixed when its first folder was opened.
    pub names: IdentityKind,
    /// The latest instant that a change of it has carried: those that follow carry later ones, also
    /// when the wall clock was set back and the process restarted since.
    pub stamped_at: Option<Micros>,
}

impl AccountRow {
    /// A row as it is made, before its first LIST.
    #[must_use]
    pub fn fresh(id: AccountId, incarnation: Incarnation) -> Self {
        Self {
            id,
            incarnation,
            opened_at: None,
            listed_at: None,
            list_look: None,
            shut: BTreeMap::new(),
            sizes_estimated: false,
            keep: false,
            names: IdentityKind::Hash,
            stamped_at: None,
        }
    }
}

/// The ledger row of a folder that is listed and cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shut {
    /// Start of the LIST that showed it first so: mail older than this is old mail once it opens.
    pub first_at: Micros,
    /// How often it has refused.
    pub attempts: u32,
    /// When it is asked again; a hint or an operator asks at once.
    pub due_at: Micros,
}

/// The first look at a LIST that lacks folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListLook {
    /// The folders that were missing.
    pub missing: BTreeSet<FolderId>,
    /// The session that saw it.
    pub session: SessionId,
    /// When that LIST began.
    pub at: Micros,
}

/// The first look at a folder that lost a lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderLook {
    /// The UIDVALIDITY it was seen under.
    pub uidvalidity: UidValidity,
    /// The locations that would end.
    pub ends: UidSet,
    /// The session that saw it.
    pub session: SessionId,
    /// When that pass began.
    pub at: Micros,
}

/// The first look at a listing that does not fit EXISTS. Kept apart from [`FolderLook`]: neither
/// overwrites the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// The UIDVALIDITY it was seen under.
    pub uidvalidity: UidValidity,
    /// What the listing showed.
    pub listed: UidSet,
    /// EXISTS minus the length of the listing.
    pub surplus: i64,
    /// The session that saw it.
    pub session: SessionId,
    /// When that pass began.
    pub at: Micros,
}

/// The first refusal of a folder that a LIST shows, while another folder of its server opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLook {
    /// The session that saw it.
    pub session: SessionId,
    /// When.
    pub at: Micros,
}

/// A folder, or another place where messages lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRow {
    /// Row number.
    pub id: FolderId,
    /// Wire name.
    pub remote_id: WireName,
    /// Name for people.
    pub path: String,
    /// Role.
    pub role: Option<Role>,
    /// How far it is read, where its messages have UIDs; the place of a feed has no cursor of its
    /// own.
    pub lanes: Option<Lanes>,
    /// When its EXAMINE was asked for that opened it.
    pub opened_at: Micros,
    /// Start of the last complete pass that opened the folder or counted it anew.
    pub passed_at: Option<Micros>,
    /// Start of the last pass that proved the folder whole.
    pub proved_at: Option<Micros>,
    /// Why it is not proved although its pass was complete.
    pub unproved: Option<String>,
    /// A first look that waits for its second.
    pub look: Option<FolderLook>,
    /// A listing that does not fit EXISTS and waits for its second.
    pub misfit: Option<Misfit>,
    /// It was refused, and waits for a second time.
    pub refused: Option<RefusedLook>,
    /// By how much EXISTS is known never to fit this folder's listing.
    pub surplus: i64,
    /// Start of the last pass that put something back into `remaining`.
    pub grown_at: Option<Micros>,
    /// UIDs with an open failure.
    pub failures: UidSet,
    /// Of those, what a human leaves out.
    pub left_out: UidSet,
    /// Something was stored of it under this UIDVALIDITY: a location, or a failure.
    pub held: bool,
    /// When it was last refused, while it has an open ledger row of its own: it is shut, or stands
    /// still.
    pub stalled_at: Option<Micros>,
    /// The config leaves it out: its rows stay, it is not looked at, and nobody waits for it.
    pub excluded: bool,
}

impl FolderRow {
    /// One of which nothing was read yet. A place of a feed stays without lanes.
    #[must_use]
    pub fn new(
        id: FolderId,
        remote_id: WireName,
        path: String,
        role: Option<Role>,
        opened_at: Micros,
    ) -> Self {
        Self {
            id,
            remote_id,
            path,
            role,
            lanes: None,
            opened_at,
            passed_at: None,
            proved_at: None,
            unproved: None,
            look: None,
            misfit: None,
            refused: None,
            surplus: 0,
            grown_at: None,
            failures: UidSet::new(),
            left_out: UidSet::new(),
            held: false,
            stalled_at: None,
            excluded: false,
        }
    }

    /// What its messages' numbers belong to; 0 where they are not UIDs.
    #[must_use]
    pub fn uidvalidity(&self) -> UidValidity {
        self.lanes.as_ref().map_or(UidValidity(0), |lanes| lanes.live.uidvalidity)
    }

    /// UIDs with an open failure that are tried again.
    #[must_use]
    pub fn tried_again(&self) -> UidSet {
        self.failures.minus(&self.left_out)
    }

    /// How many messages its server showed at the last complete pass, where nothing has happened since: so many are held, or
    /// failed. None where that cannot be told: something is still to be read, to be looked at, or known not to fit.
    #[must_use]
    pub fn shown(&self) -> Option<u64> {
        let live = &self.lanes.as_ref()?.live;
        let is_settled = self.proved_at.is_some()
            && (live.mark != Mark::CLEARED && live.uidnext == live.mark.uidnext && !live.ended)
            && self.is_read()
            && (self.look.is_none() && self.misfit.is_none() && self.refused.is_none())
            && (self.unproved.is_none() && self.surplus == 0 && self.stalled_at.is_none());
        is_settled.then_some(u64::from(live.mark.exists))
    }

    /// Nothing of its history is left to be read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.lanes.as_ref().is_none_or(|lanes| lanes.backfill.remaining.is_empty())
    }
}

/// A message, as far as commits decide on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Row number.
    pub id: MessageId,
    /// Identity in the account.
    pub identity: Identity,
    /// Its bytes.
    pub body: BodyHash,
    /// How many these are.
    pub size: u64,
    /// Its living locations.
    pub places: u64,
    /// Since when it has no location.
    pub limbo_since: Option<Micros>,
    /// The folder it was seen in last.
    pub last_folder: Option<FolderId>,
    /// When it was last seen there.
    pub last_sight: Option<Micros>,
    /// When it was declared deleted.
    pub deleted_at: Option<Micros>,
    /// The version of its state, where the provider has them.
    pub version: Option<MailVersion>,
}

impl MessageRow {
    /// Whether it is neither deleted nor in limbo.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.limbo_since.is_none() && self.deleted_at.is_none()
    }

    /// Nothing is known of its bytes any more, and these may be they: they are as long.
    #[must_use]
    pub fn takes(&self, body: &BodyRef) -> bool {
        self.body.is_unknown() && self.size == body.length()
    }
}

/// A message's place in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationRow {
    /// The folder.
    pub folder: FolderId,
    /// The folder's UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// The UID, or what numbers it where there is none.
    pub uid: u64,
    /// The message.
    pub message: MessageId,
    /// Flags and keywords.
    pub flags: Flags,
    /// Modification sequence.
    pub modseq: Option<i64>,
    /// INTERNALDATE.
    pub internal_date: Option<Micros>,
    /// When we first stored it.
    pub began_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
}
