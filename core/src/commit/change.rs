//! Commits: what the account machine sends to the store, and what the store answers.

pub mod feed;

use crate::commit::change::feed::{FeedChange, FeedStep};
use crate::commit::feed::rows::FeedRows;
use crate::commit::rows::{AccountRow, FolderLook, FolderRow, ListLook, Misfit, RefusedLook};
use crate::failure::{Class, Failure};
use crate::haste::Haste;
use crate::mail::body::BodyHash;
use crate::mail::cursor::{FlagsMark, Mark};
use crate::mail::flags::Flags;
use crate::mail::folder::{ListedFolder, WireName};
use crate::mail::id::{AccountId, FolderId, Incarnation, MailboxId, MessageId, UidValidity};
use crate::mail::page::Page;
use crate::mail::recognise::IdentityKind;
use crate::mail::uid_set::UidSet;
use crate::provider::feeds::Got;
use crate::recovery::asked::Asked;
use crate::standing::{EventKind, Outcome, RunCause, Standing};
use crate::time::Micros;
use std::collections::BTreeSet;

/// One decision, committed whole or not at all.
#[derive(Debug)]
pub struct Commit {
    /// The account.
    pub account: AccountId,
    /// The incarnation it was planned under.
    pub incarnation: Incarnation,
    /// When the machine decided: the instant that rows and events carry.
    pub at: Micros,
    /// What changes.
    pub change: Change,
    /// Whether whoever decided has nothing else to do until it is answered.
    pub haste: Haste,
}

/// What a commit changes.
#[derive(Debug)]
pub enum Change {
    /// A folder and the mail in it.
    Folder(FolderChange),
    /// The account, or what is told of it.
    Account(AccountChange),
    /// A feed and the mail that it tells of.
    Feed(FeedChange),
}

impl From<FeedChange> for Change {
    fn from(change: FeedChange) -> Self {
        Self::Feed(change)
    }
}

impl From<FolderChange> for Change {
    fn from(change: FolderChange) -> Self {
        Self::Folder(change)
    }
}

impl From<AccountChange> for Change {
    fn from(change: AccountChange) -> Self {
        Self::Account(change)
    }
}

/// A change of a folder. Every variant says what it starts from; the store compares that in the
/// same transaction.
#[derive(Debug)]
pub enum FolderChange {
    /// Folder row and both lanes from one EXAMINE, before any page.
    Open {
        /// As listed.
        folder: ListedFolder,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// That EXAMINE: fixes the boundary.
        mark: Mark,
        /// Start of the LIST that showed it.
        started: Micros,
        /// The newest INTERNALDATE that INBOX showed, asked at the account's first opening alone.
        newest: Option<Micros>,
        /// What the server can name messages by; said once and for all at that opening.
        names: IdentityKind,
    },
    /// A folder of which nothing was ever stored, under another UIDVALIDITY: opened anew.
    Reopen {
        /// The folder.
        folder: FolderId,
        /// The UIDVALIDITY it was opened under.
        from: UidValidity,
        /// The one it shows now.
        uidvalidity: UidValidity,
        /// That EXAMINE: fixes the boundary.
        mark: Mark,
        /// When its pass began.
        started: Micros,
    },
    /// Arrivals in UID order: a link of the live chain.
    Arrivals {
        /// The folder.
        folder: FolderId,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// The `uidnext` it begins at.
        from: u32,
        /// The `uidnext` it leaves.
        to: u32,
        /// What was read.
        page: Page,
    },
    /// History: commits only if all of `range` still remains.
    Backfill {
        /// The folder.
        folder: FolderId,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// What it takes out of `remaining`, holes included.
        range: UidSet,
        /// What was read.
        page: Page,
    },
    /// A retry takes its failure rows as a page takes its range.
    Retry {
        /// The folder.
        folder: FolderId,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// The failures it settles.
        uids: UidSet,
        /// What was read.
        page: Page,
    },
    /// Flags and absences. Names nothing: applied where there is a row or a failure, ignored
    /// elsewhere.
    Facts {
        /// The folder.
        folder: FolderId,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// Flags by UID.
        flags: Vec<(u32, Flags)>,
        /// UIDs that a complete answer lacks, or under which another mail lies now.
        gone: UidSet,
        /// Of those the UIDs under which another mail lies: they are read anew.
        again: UidSet,
        /// When the pass began.
        started: Micros,
    },
    /// A listing that does not fit EXISTS, seen for the first time.
    Misfit {
        /// The folder.
        folder: FolderId,
        /// What was seen.
        misfit: Misfit,
    },
    /// A first look that waits for its second.
    Look {
        /// The folder.
        folder: FolderId,
        /// The look.
        look: FolderLook,
    },
    /// The end of a pass: the last link of the live chain.
    Pass {
        /// The folder.
        folder: FolderId,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// The mark that the pass compared with.
        from: Mark,
        /// The `uidnext` that its arrivals have left, or will: they may be on their way.
        chain: u32,
        /// The mark it took.
        to: Mark,
        /// UIDs that the server has and we lack.
        put_back: UidSet,
        /// When the pass began.
        started: Micros,
        /// The folder was open still: what it told may be older than the pass.
        told: bool,
        /// Why a complete pass proves nothing, if so.
        unproved: Option<String>,
        /// By how much EXISTS never fits the listing.
        surplus: i64,
        /// UIDNEXT had fallen: the lanes go back to this, one above the highest UID that is held or listed.
        rewind: Option<u32>,
        /// What lies under our UIDs was compared by size and date.
        compared: bool,
        /// Up to where flags are compared now; none where the pass did not look at them.
        flags: Option<FlagsMark>,
        /// What the server names the folder by, where it has told.
        mailbox: Option<MailboxId>,
    },
    /// Its UIDs have begun anew: every location that was found again gets its new number, what
    /// was not found remains to be read. The next pass lists it.
    Rematch {
        /// The folder.
        folder: FolderId,
        /// Its UIDVALIDITY.
        from: UidValidity,
        /// Its wire name: what was compared was the folder of this name.
        remote_id: WireName,
        /// The UIDVALIDITY it has now.
        to: UidValidity,
        /// The EXAMINE that showed it: fixes the boundary.
        mark: Mark,
        /// The old UID and the new one of each location that was found again.
        pairs: Vec<(u32, u32)>,
        /// New UIDs that are nothing of ours.
        remaining: UidSet,
        /// By how much EXISTS never fits the listing.
        surplus: i64,
        /// When its pass began.
        started: Micros,
    },
    /// A folder under another name: row, lanes and pages in flight go on; the next pass lists it.
    Rename {
        /// The folder.
        folder: FolderId,
        /// The wire name it starts from.
        from: WireName,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// As listed now.
        to: ListedFolder,
    },
    /// Ends locations of a folder that is gone; with `last`, the folder too.
    DropFolder {
        /// The folder.
        folder: FolderId,
        /// The locations that this commit ends.
        uids: UidSet,
        /// Whether none are left after this.
        last: bool,
    },
}

/// A change of an account. What is about a name that may have no folder yet is here, too.
#[derive(Debug)]
pub enum AccountChange {
    /// A LIST that lacks folders, seen for the first time.
    ListLook(ListLook),
    /// A LIST that was complete and lacked nothing.
    Listed {
        /// When it began.
        started: Micros,
        /// The folders that the config leaves out.
        excluded: BTreeSet<FolderId>,
        /// Names that were shut and are no longer listed.
        unlisted: BTreeSet<WireName>,
    },
    /// A folder is listed and cannot be opened, or a line of LIST cannot be read (then the name is
    /// empty).
    Shut {
        /// Wire name.
        remote_id: WireName,
        /// Name for people.
        path: String,
        /// The folder's number, where we hold it.
        folder: Option<FolderId>,
        /// The class.
        class: Class,
        /// The raw words.
        text: String,
        /// Start of the LIST that showed it.
        seen: Micros,
        /// When it refused.
        at: Micros,
        /// It has told nothing, neither yes nor no: it is looked at again in minutes.
        soon: bool,
    },
    /// A folder was refused for the first time; or (none) it opens again.
    Refused {
        /// The folder.
        folder: FolderId,
        /// The refusal.
        look: Option<RefusedLook>,
    },
    /// Something at which sessions end: the second note of it, or none any more.
    Note(Note),
    /// What is left of what was on its way when processes ended.
    Asked(Asked),
    /// The server's RFC822.SIZE is an estimate.
    SizesEstimated,
    /// What servers call the threads of messages that were stored without: it is kept where nothing is known, and what
    /// is derived of them is owed anew.
    Threads(Vec<(MessageId, String)>),
    /// A ledger row of reach folder or account.
    Fail {
        /// The folder, or the whole account.
        folder: Option<FolderId>,
        /// The class.
        class: Class,
        /// The raw words.
        text: String,
        /// When it was noticed.
        at: Micros,
    },
    /// What the account is doing now, for people.
    Stand {
        /// How it stands.
        standing: Standing,
        /// Why.
        reason: String,
        /// When something happens next.
        next_attempt_at: Option<Micros>,
        /// The event that tells it, if any.
        event: Option<EventKind>,
    },
    /// The end of a run that changed something or failed.
    Finish(RunRecord),
}

/// What a session was asked when it ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Poison {
    /// The EXAMINE of a folder, by wire name.
    Examine(WireName),
    /// The index of a folder, by wire name.
    Index(WireName),
    /// A message.
    Mail(FolderId, UidValidity, u32),
}

/// A note of poison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub about: Poison,
    /// How many sessions have ended there; 0 takes the note away.
    pub count: u32,
    /// What ended the last one.
    pub text: String,
}

/// A run's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// When it began.
    pub started: Micros,
    /// Why it was begun.
    pub cause: RunCause,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it is not a success.
    pub reason: String,
    /// Messages stored.
    pub stored: u64,
    /// Octets fetched.
    pub octets: u64,
    /// Facts applied: flags and absences.
    pub facts: u64,
    /// Messages that could not be fetched.
    pub failed: u64,
}

impl Change {
    /// The folder it is about.
    #[must_use]
    pub fn folder(&self) -> Option<FolderId> {
        match self {
            Self::Folder(change) => change.folder(),
            Self::Account(
                AccountChange::Fail { folder, .. } | AccountChange::Shut { folder, .. },
            ) => *folder,
            Self::Account(AccountChange::Refused { folder, .. }) => Some(*folder),
            Self::Account(_) | Self::Feed(_) => None,
        }
    }

    /// It carries mail.
    #[must_use]
    pub fn brings_mail(&self) -> bool {
        let got = |change: &FeedChange| matches!(change.step, FeedStep::Got { .. });
        self.page().is_some() || matches!(self, Self::Feed(change) if got(change))
    }

    /// The page it carries.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        match self {
            Self::Folder(change) => change.page(),
            Self::Account(_) | Self::Feed(_) => None,
        }
    }

    /// Whether bytes that were read for it lie in such a pack.
    pub fn brings_of(&self, is_such: impl Fn(i64) -> bool) -> bool {
        match self {
            Self::Feed(FeedChange { step: FeedStep::Got { found, .. }, .. }) => {
                let bytes = |got: &Got| match got {
                    Got::Found(found) => found.bytes.as_ref().map(|(body, _)| body.pack()),
                    _ => None,
                };
                found.iter().filter_map(|(_, got)| bytes(got)).any(is_such)
            }
            _ => self.page().is_some_and(|page| {
                page.rows.iter().any(|row| !row.held && is_such(row.body.pack()))
            }),
        }
    }

    /// The bytes that were not read for it, because they are here.
    #[must_use]
    pub fn held_bytes(&self) -> BTreeSet<BodyHash> {
        let rows = self.page().into_iter().flat_map(|page| &page.rows);
        rows.filter(|row| row.held).map(|row| row.body.hash()).collect()
    }
}

impl FolderChange {
    fn folder(&self) -> Option<FolderId> {
        match self {
            Self::Arrivals { folder, .. }
            | Self::Backfill { folder, .. }
            | Self::Retry { folder, .. }
            | Self::Facts { folder, .. }
            | Self::Look { folder, .. }
            | Self::Misfit { folder, .. }
            | Self::Reopen { folder, .. }
            | Self::Pass { folder, .. }
            | Self::Rematch { folder, .. }
            | Self::Rename { folder, .. }
            | Self::DropFolder { folder, .. } => Some(*folder),
            // It gets its number when it is admitted.
            Self::Open { .. } => None,
        }
    }

    /// The page it carries.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        match self {
            Self::Arrivals { page, .. }
            | Self::Backfill { page, .. }
            | Self::Retry { page, .. } => Some(page),
            _ => None,
        }
    }
}

/// Why a commit was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A later incarnation holds the account: who is refused so stops.
    Incarnation,
    /// No such account or folder.
    Missing,
    /// The folder's UIDVALIDITY is another.
    UidValidity,
    /// The chain stands elsewhere.
    Chain,
    /// Part of the range has left `remaining` already.
    Range,
    /// A failure row is closed already.
    Failures,
    /// The folder is open already.
    Open,
    /// Bytes that it brings, or names by id, are here no more: they are to be read again.
    Bytes,
}

/// The stored rows, as they are after the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRows {
    /// The account.
    pub account: AccountRow,
    /// The folder the commit was about, if it (still) exists.
    pub folder: Option<FolderRow>,
    /// The rows of its feeds, where the commit was about those.
    pub feed: Option<Box<FeedRows>>,
}

impl StoredRows {
    /// Of a commit that was about no feed.
    #[must_use]
    pub fn of(account: AccountRow, folder: Option<FolderRow>) -> Self {
        Self { account, folder, feed: None }
    }
}

/// What the store answers to a commit.
#[derive(Debug)]
pub enum CommitAnswer {
    /// Durable.
    Done(Box<StoredRows>),
    /// Refused; nothing changed. Plan anew from these rows.
    Refused(Refusal, Option<Box<StoredRows>>),
    /// The store could not do it now; nothing changed, and here is the commit to be sent again.
    Failed(Failure, Box<Commit>),
}
