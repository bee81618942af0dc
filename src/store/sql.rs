//! The texts that are put to the database, by name: no caller knows its dialect, and numbers of
//! parameters are the same in all.

mod sqlite;

use sea_orm::{ConnectionTrait, Statement, Value};

/// A text, by name.
pub(super) trait Named: Copy + Send {
    /// Its words.
    fn words(self) -> &'static str;
}

macro_rules! texts {
    ($(#[$doc:meta])* $texts:ident, $words:path: $($name:ident,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $texts {
            $($name,)*
        }

        impl $texts {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name,)*];
        }

        impl Named for $texts {
            fn words(self) -> &'static str {
                $words(self)
            }
        }
    };
}

texts! {
    /// A text about the rows of feeds. What its parameters and columns are stands where it is used.
    FeedText, sqlite::feeds::words:
    FeedAccount,
    Feeds,
    Places,
    MessagesNamed,
    MessagesThere,
    LocationsOf,
    OwedOf,
    HeldCount,
    FeedStanding,
    PutFeedAccount,
    PutFeeds,
    DropFeed,
    RenewUnknown,
    RenewAway,
    PutOwed,
    PayOwed,
    PurgeFeeds,
    PurgeOwed,
    QuietPlaces,
    QuietFeed,
    DueOwed,
    NextOwed,
    DueCount,
    KnownIds,
    KnownMail,
    HeldMail,
    AwayMail,
    FeedTally,
}

texts! {
    /// A text about what an account and its folders hold.
    CountText, sqlite::counts::words:
    CountMessages,
    CountLocations,
    UncountPurged,
    UncountLocations,
    Miscounts,
}

texts! {
    /// A text about a folder whose UIDs begin anew.
    RematchText, sqlite::rematch::words:
    HeldKeys,
    ForgetSights,
    ForgetPlaces,
    Renumber,
    SwitchFolder,
}

texts! {
    /// A text about mail that is held already.
    HeldText, sqlite::held::words:
    HeldBodies,
    LostMail,
    Twins,
    FoundIn,
}

texts! {
    /// A text about handing out an account.
    OpeningText, sqlite::opening::words:
    AccountFound,
    HandOutAccount,
    FailuresToRetry,
    Notes,
    // What a clock has written that was ahead.
    AccountWas,
    FolderWas,
    NewestDate,
    DatesAhead,
    MessagesWere,
    NotesWere,
    FailuresWere,
    OwedWere,
}

texts! {
    /// A text that begins a part of a transaction, keeps it, or takes back what was written since it began.
    PointText, sqlite::points::words:
    BeginCommit,
    KeepCommit,
    BackCommit,
    BeginRows,
    KeepRows,
    BackRows,
}

texts! {
    /// A text that inserts rows.
    RowText, sqlite::inserts::words:
    Body,
    Message,
    Location,
    Event,
}

texts! {
    /// A text. What its parameters and columns are stands where it is used.
    Text, sqlite::words:
    // What every commit compares with, and the rows that it touches.
    Guard,
    AllFolders,
    Counters,
    SaveCounters,
    NameIsTaken,
    Stamped,
    MessagesTouched,
    LocationsNeeded,
    LocationElsewhere,
    MessagesLeft,
    LocationsLeft,
    LimboMayBeOver,
    LimboAfter,
    // What operators and the config change.
    StoodByName,
    StandByHand,
    SaveHistory,
    RemoveAccount,
    AccountExists,
    RenameAccount,
    FenceOff,
    PurgeLocations,
    PurgedBodies,
    PurgeMessages,
    PurgeBodies,
    PurgeFolderLocations,
    PurgeCursors,
    PurgeFolders,
    PurgeFailures,
    PurgeNotes,
    PurgeRuns,
    PurgeRunHours,
    PurgeEventData,
    PurgeAccount,
    PurgeCredential,
    PurgeSpent,
    RenameSpent,
    // What is renewed.
    FirstCredential,
    NextCredential,
    NotRenewed,
    Reseal,
    RenameCredential,
    Credentials,
    // What was spent of daily limits.
    PutSpent,
    ForgetSpent,
    Spent,
    // Messages that have changed.
    UpdateMessages,
    // Everything of a change that is not a message.
    AccountOpened,
    ReopenFolder,
    FolderGrew,
    DropNotes,
    DropFolder,
    CloseFailuresOfFolder,
    RenameFolder,
    FolderLook,
    FolderMisfit,
    FolderRefused,
    FolderPassed,
    SettleFolder,
    AccountListed,
    SettleAccount,
    ForgetClosed,
    ExcludeFolders,
    PutShut,
    SizesEstimated,
    Stand,
    CloseShut,
    ForgetNote,
    PutNote,
    ListLook,
    InsertFolder,
    PutLanes,
    CloseFailures,
    PutFailures,
    FailAgain,
    InsertFailure,
    InsertRun,
    InsertEvent,
    // What passes that changed nothing leave behind.
    QuietPasses,
    QuietSettle,
    QuietLists,
    QuietSettleLists,
    QuietForget,
    QuietSettleAccount,
    QuietRuns,
    // That database and data folder belong together.
    Setting,
    LeapRow,
    LeapCounter,
    NextEvent,
    PutSetting,
    ForgetSetting,
    // Reading for runs, manifests and verification.
    ManifestFolders,
    AllManifestFolders,
    Manifest,
    DeletedManifest,
    EstimatesSizes,
    FailedUids,
    Living,
    LivingAmong,
    SampleOfPart,
    Sample,
    LimboCount,
    EventGaps,
    // Reading for faces.
    StoredAccounts,
    StoredFolders,
    StoredRuns,
    StoredFailures,
    StoredEvents,
    EventSpan,
    LedgerByClass,
    UnprovedFolders,
    NamedPacks,
}

/// The statement of this name, in the words of this database. One is spoken; another's words would
/// be chosen here.
pub(super) fn statement(
    db: &impl ConnectionTrait,
    text: impl Named,
    values: Vec<Value>,
) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), text.words(), values)
}

/// A text that inserts a row, for so many rows.
pub(super) fn repeated(text: impl Named, count: usize) -> String {
    const BEFORE: &str = "VALUES ";
    let words = text.words();
    let row = words.find(BEFORE).map_or(words.len(), |at| at + BEFORE.len());
    let (head, row) = words.split_at(row);
    let (row, tail) = row.split_at(row.find(')').map_or(0, |at| at + 1));
    let row = format!("({})", vec!["?"; row.matches('?').count()].join(", "));
    let rows = vec![row.as_str(); count].join(", ");
    [head, &rows, tail].concat()
}

#[cfg(test)]
mod tests;
