//! A list under way: what it is for, where it stands, what it has shown.

use crate::mail::feed::{FeedCursor, PageToken};
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, Identity, MessageId, SessionId};
use crate::provider::feeds::{ListedMail, Within};
use crate::run::feed::trail::Trail;
use crate::time::Micros;
use std::collections::{BTreeSet, VecDeque};

/// Questions in a commit, and rows that are read at a time.
pub(super) const CHUNK: usize = 1000;

/// What a list is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WalkKind {
    /// The first of all.
    First,
    /// One place, which appeared later.
    Place(FolderId),
    /// The first round of a place's feed, which takes the place of a list.
    Round(FolderId),
    /// Everything beside what is held.
    Compare,
}

/// What belongs together of a list's answers.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Whether a message lies there.
    Place(FolderId),
    /// Whether it carries the flag, or (true) does not.
    Flag(Flags, bool),
}

/// One list of those that a walk takes.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) within: Within,
    pub(super) rank: u8,
    /// Everything there is left out by the config.
    pub(super) away: bool,
    /// No more than the newest of it.
    pub(super) most: Option<u64>,
    pub(super) test: Option<Test>,
}

/// Rows that one list may show: more than any mailbox holds.
pub(super) const MOST_ROWS: u64 = 5_000_000;

/// What a walk waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WalkTurn {
    /// To ask for the next page.
    Next,
    /// A page.
    Asked,
    /// How many messages there are: a list that shows many more has no end.
    Sizing,
    /// What is known of the ids of a page.
    Known,
    /// The store.
    Sent,
    /// The store, which takes questions.
    Questioned,
    /// What is held, behind this message.
    Held,
    /// The places of now: what has come since is not compared.
    Placing,
    /// The server's count.
    Counting,
    /// Ours.
    Tallying(u64),
    /// The last commit.
    Ending,
}

/// A list under way.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) kind: WalkKind,
    pub(super) turn: WalkTurn,
    pub(super) began: Micros,
    pub(super) session: SessionId,
    /// The debt that it pays.
    pub(super) pays: Option<Micros>,
    /// It began late enough to show all that lay before the heads.
    pub(super) ripe: bool,
    pub(super) legs: VecDeque<Leg>,
    pub(super) token: Option<PageToken>,
    pub(super) dead: u8,
    /// Rows that one of its lists may show, where that was asked.
    pub(super) most: Option<u64>,
    /// What the pages of this list have shown.
    pub(super) trail: Trail,
    pub(super) pages: u32,
    /// The page that is being looked at.
    pub(super) page: Vec<ListedMail>,
    pub(super) found: Found,
    /// The cursor that a first round has told.
    pub(super) cursor: Option<FeedCursor>,
}

/// What a walk has shown so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) seen: BTreeSet<MessageId>,
    /// For each list that is compared: who is in it.
    pub(super) got: Vec<(Test, BTreeSet<MessageId>)>,
    pub(super) here: BTreeSet<MessageId>,
    /// Ids that are not held.
    pub(super) others: BTreeSet<Identity>,
    /// Those that lie where the config leaves out.
    pub(super) hidden: BTreeSet<Identity>,
    /// It has shown what nobody knew.
    pub(super) news: bool,
    pub(super) differ: BTreeSet<Identity>,
    pub(super) absent: BTreeSet<Identity>,
    /// What its pages have told of threads, and is to be stored.
    pub(super) threads: Vec<(MessageId, String)>,
}

impl Walk {
    /// A page of one of its lists leads nowhere, or to more than there can be.
    pub(super) fn is_endless<'a>(
        &mut self,
        next: Option<&PageToken>,
        ids: impl Iterator<Item = &'a Identity>,
    ) -> bool {
        self.trail.is_endless(self.token.as_ref(), next, ids)
            || self.trail.rows() > self.most.unwrap_or(MOST_ROWS)
    }
}
