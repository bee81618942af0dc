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
    // Bodies, messages, locations, events: one document a table.
    PutBodies,
    InsertMessages,
    UpdateMessages,
    PutLocations,
    InsertEvents,
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
    LivingRows,
    LivingRowsAmong,
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn plan_of(text: impl Named) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db")).await.unwrap();
        let sql = format!("EXPLAIN QUERY PLAN {}", text.words());
        let rows = db
            .writer
            .query_all_raw(Statement::from_string(db.writer.get_database_backend(), sql))
            .await
            .unwrap();
        let plan = rows.iter().map(|row| row.try_get_by_index(3).unwrap()).collect();
        db.close().await;
        plan
    }

    /// However large a folder is, each of its locations is found once.
    #[tokio::test]
    async fn locations_are_renumbered_by_their_key() {
        let plan = plan_of(RematchText::Renumber).await;
        let by_key = |line: &String| line.starts_with("SEARCH location") && line.contains("uid=?");
        let last = plan.iter().rposition(by_key);
        assert_eq!(last, Some(plan.len() - 1), "{plan:?}");
    }

    /// However large an account is, what is asked about some messages of it is asked about these.
    #[tokio::test]
    async fn messages_that_are_named_are_found_by_their_names() {
        let (named, bytes) = ("message_named (account=? AND identity=?)", "(body=? AND account=?)");
        for (plan, by) in [
            (plan_of(HeldText::HeldBodies).await, &[named][..]),
            (plan_of(HeldText::Twins).await, &[named, bytes]),
            (plan_of(Text::MessagesTouched).await, &[named, bytes]),
            (plan_of(Text::PurgeBodies).await, &["message_bytes (body=?)", "message_named_body"]),
            (plan_of(FeedText::MessagesNamed).await, &[named]),
            (plan_of(FeedText::KnownMail).await, &[named]),
            (plan_of(FeedText::FeedTally).await, &[named]),
            (plan_of(FeedText::HeldMail).await, &["message_named (account=? AND identity>?)"]),
            (plan_of(FeedText::HeldCount).await, &["message_limbo (account=?"]),
            (plan_of(Text::PurgeMessages).await, &["message_account (account=?)"]),
            (plan_of(Text::LimboAfter).await, &["message_limbo (account=? AND limbo_since>?)"]),
            (plan_of(CountText::UncountPurged).await, &["message_account (account=?)"]),
        ] {
            for by in by {
                assert!(plan.iter().any(|line| line.contains(by)), "{by}: {plan:?}");
            }
            let by_account = |line: &String| {
                line.contains("message_named (account=?)") || line.starts_with("SCAN message")
            };
            assert!(!plan.iter().any(by_account), "{plan:?}");
        }
    }

    /// However many mailboxes there are, the folders of one are found by their names.
    #[tokio::test]
    async fn folders_that_are_left_out_are_found_by_their_account() {
        let plan = plan_of(Text::ExcludeFolders).await;
        let by_account = |line: &String| line.contains("folder_remote_id (account=?");
        assert!(plan.first().is_some_and(by_account), "{plan:?}");
    }

    /// Each is understood by a database of today's schema.
    #[tokio::test]
    async fn every_text_is_understood() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db")).await.unwrap();
        let plain = Text::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
        let feeds = FeedText::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
        let anew = RematchText::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
        let held = HeldText::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
        let opening = OpeningText::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
        let counts = CountText::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
        let plain = plain.chain(counts);
        for (text, words) in plain.chain(feeds).chain(anew).chain(held).chain(opening) {
            let sql = format!("EXPLAIN {words}");
            let explained = db
                .writer
                .query_all_raw(Statement::from_string(db.writer.get_database_backend(), sql))
                .await;
            assert!(explained.is_ok_and(|rows| !rows.is_empty()), "{text}");
        }
        db.close().await;
    }
}
