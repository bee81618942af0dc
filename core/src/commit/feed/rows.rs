//! The rows of a feed account beside its messages: cursors, what is owed, its places.

use crate::commit::rows::{AccountRow, FolderRow};
use crate::commit::whole::MessageState;
use crate::failure::Class;
use crate::mail::feed::{FeedCursor, MailVersion, PlaceId};
use crate::mail::flags::Flags;
use crate::mail::folder::Role;
use crate::mail::id::{FolderId, Identity, SessionId};
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The rank of what comes behind everything else.
pub const LAST: u8 = 2;

/// Stands for the feed of a whole account where feeds are named by place.
pub const WHOLE: FolderId = FolderId(0);

/// How far a feed has been read: a chain, who commits names the cursor it starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedState {
    /// Its cursor; none before a first round is over.
    pub cursor: Option<FeedCursor>,
    /// When the cursor was last taken from the server without what lay before it.
    pub head_at: Micros,
}

/// What a feed account has still to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedAccount {
    /// Everything was listed once.
    pub listed: bool,
    /// Since when a compare is owed: one pays it that began `settle_after` or more after the `head_at` of
    /// each feed.
    pub debt: Option<Micros>,
    /// When the last Places was asked that was stored.
    pub placed_at: Option<Micros>,
    /// When a hint last told that something about the places is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places_told_at: Option<Micros>,
    /// When the messages were counted last.
    pub counted_at: Option<Micros>,
    /// How many more messages the server counts than it lists, as the last compare has found: chats,
    /// say. While it is so many, the count is no reason to compare. Where the compare's own list or
    /// count was stale it hides a loss of as many: the daily compare finds that one.
    #[serde(default)]
    pub misfit: Option<i64>,
    /// The place that is computed: what lies in neither trash nor spam.
    pub derived: Option<FolderId>,
    /// Places that appeared later: each owes a listing of its own.
    pub listings: BTreeSet<FolderId>,
}

impl FeedAccount {
    /// Whether what was told of the places has not been asked about since.
    #[must_use]
    pub fn places_are_told(&self) -> bool {
        self.places_told_at.is_some() && self.places_told_at >= self.placed_at
    }
}

/// A first look at a message that is not there, or in no place of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingLook {
    /// When.
    pub at: Micros,
    /// The session that saw it.
    pub session: SessionId,
}

/// A message id that is to be read. With attempts it is that id's failure row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Which message.
    pub id: Identity,
    /// When the last word about it came.
    pub told_at: Micros,
    /// The highest version that was told.
    pub version: Option<MailVersion>,
    /// A place that it has left: one that still shows it there is older than the word.
    pub left: Option<PlaceId>,
    /// When it is to be asked for; none while it is known to be in no place of ours.
    pub due_at: Option<Micros>,
    /// A first look that waits for its second.
    pub missing: Option<MissingLook>,
    /// A list brought it, and no word since: how early it comes among those.
    pub rank: Option<u8>,
    /// Its bytes are not held.
    pub bytes: bool,
    /// Tries that failed.
    pub attempts: u32,
    /// What went wrong last, and the raw words.
    pub failure: Option<(Class, String)>,
    /// When that was.
    pub failed_at: Option<Micros>,
}

impl Owed {
    /// It is known to be in no place of ours, and nothing is asked about it.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.due_at.is_none()
    }

    /// It is no failure row any more.
    pub(super) fn forget_failure(&mut self) {
        (self.attempts, self.failure, self.failed_at) = (0, None, None);
    }

    /// The provider no longer knows what came after the cursor: what was asked before the new one
    /// settles nothing, and what was away may have come back.
    pub fn renew_unknown(&mut self, at: Micros) {
        if self.told_at < at {
            self.told_at = at;
            self.version = None;
        }
        if self.is_away() {
            self.wake(at);
        }
    }

    /// The places that are ours have changed.
    pub fn renew_away(&mut self, at: Micros) {
        if self.is_away() {
            self.told_at = at;
            self.wake(at);
        }
    }

    /// It is asked where it is, behind everything else: its bytes only if that is a place of ours.
    fn wake(&mut self, at: Micros) {
        self.due_at = Some(at);
        (self.bytes, self.rank) = (false, Some(LAST));
    }
}

/// Everything of a feed account but messages and what is owed. Small, whatever the mailbox holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRows {
    /// The account.
    pub account: AccountRow,
    /// What it has still to do.
    pub state: FeedAccount,
    /// Its feeds, by place, or [`WHOLE`].
    pub feeds: BTreeMap<FolderId, FeedState>,
    /// Its places; those that the config leaves out too.
    pub places: BTreeMap<FolderId, FolderRow>,
}

/// What a set of places comes to here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ours {
    /// Those that are synced.
    pub(crate) places: BTreeSet<FolderId>,
    /// All that are known of those that were named.
    pub(crate) named: BTreeSet<FolderId>,
    /// There is none, and each that was named is known, and left out by the config.
    pub(crate) is_away: bool,
}

impl Ours {
    /// The state of a mail that lies there.
    pub(crate) fn state<'a>(
        &'a self,
        flags: &'a Flags,
        version: Option<MailVersion>,
    ) -> MessageState<'a> {
        MessageState { places: &self.places, named: &self.named, flags, version }
    }
}

impl FeedRows {
    /// Rows of an account that has none yet.
    #[must_use]
    pub fn fresh(account: AccountRow) -> Self {
        Self {
            account,
            state: FeedAccount::default(),
            feeds: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    /// A place by the provider's id.
    #[must_use]
    pub fn place(&self, id: &PlaceId) -> Option<&FolderRow> {
        self.places.values().find(|place| *place.remote_id == *id.0.as_bytes())
    }

    /// The places that the config leaves out.
    pub fn excluded(&self) -> impl Iterator<Item = &FolderRow> {
        self.places.values().filter(|place| place.excluded)
    }

    /// What lies here is not among the rest: trash, spam and chats, where the rest is computed.
    #[must_use]
    pub fn is_apart(&self, place: &FolderRow) -> bool {
        let is_apart = |role| matches!(role, Role::Trash | Role::Junk | Role::Chats);
        self.state.derived.is_some() && place.role.is_some_and(is_apart)
    }

    /// What a message that lies in `named` lies in here.
    pub(crate) fn ours<'a>(&self, named: impl IntoIterator<Item = &'a PlaceId>) -> Ours {
        let known: Vec<Option<&FolderRow>> = named.into_iter().map(|id| self.place(id)).collect();
        let all_known = !known.is_empty() && known.iter().all(Option::is_some);
        let known: Vec<&FolderRow> = known.into_iter().flatten().collect();
        self.derive(known.iter().map(|place| place.id), all_known)
    }

    /// Computes what is computed, then leaves out what the config leaves out.
    pub(crate) fn derive(
        &self,
        explicit: impl IntoIterator<Item = FolderId>,
        all_known: bool,
    ) -> Ours {
        let rows: Vec<&FolderRow> = explicit
            .into_iter()
            .filter(|id| Some(*id) != self.state.derived)
            .filter_map(|id| self.places.get(&id))
            .collect();
        let apart = rows.iter().any(|place| self.is_apart(place));
        // Who leaves out the trash leaves out what lies there, whatever labels it carries.
        let hidden = rows.iter().any(|place| self.is_apart(place) && place.excluded);
        let derived = self.state.derived.filter(|_| !apart).and_then(|id| self.places.get(&id));
        let excluded = |place: &&&FolderRow| place.excluded;
        let places: BTreeSet<FolderId> = rows
            .iter()
            .chain(&derived)
            .filter(|place| !hidden && !excluded(place))
            .map(|place| place.id)
            .collect();
        let is_away = hidden || (places.is_empty() && (all_known || derived.is_some()));
        let named = rows.iter().map(|place| place.id).collect();
        Ours { places, named, is_away }
    }
}
