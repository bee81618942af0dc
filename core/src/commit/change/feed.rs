//! Commits of feeds. Every page of changes names the cursor that it starts from; what lists and
//! Gets bring names nothing, and is judged id by id.

use crate::commit::rows::ListLook;
use crate::mail::feed::{FeedCursor, PlaceId};
use crate::mail::id::{FolderId, Identity, SessionId};
use crate::provider::feeds::{FeedItem, Got, ListedPlace};
use crate::time::Micros;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a commit of a feed goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// An answer to what was asked so long after the last change is current: no replica of a provider
    /// lags by more.
    pub settle_after: Duration,
    /// That a message is not there is believed so long after it was seen first.
    pub missing_after: Duration,
    /// What was before then counts as if it had been then: by how much the clock has leapt is not known.
    pub clock_since: Micros,
    /// Ends of one page up to this number need no second look (20 % of what is held beside it).
    pub guard_floor: u64,
    /// Lists show ids alone: a compare looks at every state.
    pub compares: bool,
}

impl Terms {
    /// Of hints, which go by none.
    pub const OF_HINTS: Self = Self {
        settle_after: Duration::ZERO,
        missing_after: Duration::ZERO,
        clock_since: Micros(i64::MIN),
        guard_floor: 0,
        compares: false,
    };
}

/// What hints tell of an account: never more than what is to be asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hinted {
    /// Something about these messages is another.
    pub ids: BTreeSet<Identity>,
    /// Something about the places is, or about who may see them.
    pub places: bool,
    /// The bytes of these are read again, though they are held.
    pub unread: BTreeSet<Identity>,
    /// All that is held is compared with what is listed.
    pub compare: bool,
}

/// A change of a feed.
#[derive(Debug)]
pub struct FeedChange {
    /// What it goes by.
    pub terms: Terms,
    /// What changes.
    pub step: FeedStep,
}

/// What changes.
#[derive(Debug)]
pub enum FeedStep {
    /// What Places has shown.
    Placed {
        /// When it was asked.
        asked: Micros,
        /// All of them.
        listed: Vec<ListedPlace>,
        /// Those that the config leaves out.
        excluded: BTreeSet<PlaceId>,
        /// The one that is computed.
        derived: Option<PlaceId>,
        /// What it lacks and waits for a second look.
        look: Option<ListLook>,
        /// The server's clock, where each place has a feed of its own: the account's opening, once.
        clock: Option<Micros>,
    },
    /// A place is gone: ends what lies there, as much as one commit takes; the place with the last.
    DropPlace {
        /// The place.
        place: FolderId,
    },
    /// The account's feed begins here.
    Opened {
        /// The cursor.
        cursor: FeedCursor,
        /// The server's clock: mail dated before it is old.
        clock: Micros,
    },
    /// The provider has forgotten what came after the cursor.
    Expired {
        /// The feed's place.
        place: FolderId,
        /// The cursor that it starts from.
        from: FeedCursor,
        /// The one that it goes on with; none where a first round tells it.
        cursor: Option<FeedCursor>,
    },
    /// A page of changes, and the cursor after it.
    Words {
        /// The feed's place.
        place: FolderId,
        /// The cursor that it starts from.
        from: Option<FeedCursor>,
        /// The cursor after it.
        to: Option<FeedCursor>,
        /// Who told it.
        session: SessionId,
        /// In order.
        items: Vec<FeedItem>,
    },
    /// Ids that a list shows and that are not held.
    Shown {
        /// Which, and whether it lies where the config leaves out.
        ids: Vec<(Identity, bool)>,
        /// How early they come.
        rank: u8,
    },
    /// Ids about which a compare has questions.
    Questions {
        /// Which.
        ids: Vec<Identity>,
        /// The session that did not show them, where it did not.
        absent: Option<SessionId>,
    },
    /// A listing is over.
    Listed {
        /// Of one place; else of everything.
        place: Option<FolderId>,
        /// The first of all.
        first: bool,
        /// The debt that it pays.
        pays: Option<Micros>,
        /// The list had more than one page: what moved between them may have been missed.
        shifts: bool,
    },
    /// What came of a Get.
    Got {
        /// When it was asked.
        asked: Micros,
        /// Who was asked.
        session: SessionId,
        /// What came.
        found: Vec<(Identity, Got)>,
    },
    /// What hints tell.
    Hinted(Hinted),
    /// The config leaves out others now.
    Excluded {
        /// Which.
        places: BTreeSet<FolderId>,
        /// The server's clock: what lies where it is looked at from now on, dated before it, is old.
        clock: Micros,
    },
}
