//! Every text is understood, and finds what it asks for by a key.

use super::change::ChangeText;
use super::commit::CommitText;
use super::control::ControlText;
use super::counts::CountText;
use super::expired::ExpiredText;
use super::feeds::FeedText;
use super::held::HeldText;
use super::inserts::Message;
use super::list::ListText;
use super::mail::MailText;
use super::points::PointText;
use super::query::{Dialect, Named, Shape};
use super::reading::ReadText;
use super::rematch::RematchText;
use super::*;
use crate::store::connect::Readers;
use crate::store::transaction::Sql;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::time::Micros;
use sea_orm::sqlx::{Column, Executor, SqlStr, Statement as Prepared};

/// Every text there is.
pub(super) fn shapes() -> Vec<Shape> {
    [
        change::shapes(),
        check::shapes(),
        commit::shapes(),
        control::shapes(),
        counts::shapes(),
        credential::shapes(),
        derive::shapes(),
        expired::shapes(),
        failures::shapes(),
        feeds::shapes(),
        held::shapes(),
        inbound::shapes(),
        inserts::shapes(),
        integrity::shapes(),
        audit::shapes(),
        deliver::shapes(),
        jobs::shapes(),
        opening::shapes(),
        copies::shapes(),
        packs::shapes(),
        quiet::shapes(),
        reading::shapes(),
        rematch::shapes(),
        repair::shapes(),
        repair_asked::shapes(),
        asked::shapes(),
        setting::shapes(),
        shown::shapes(),
        subscriptions::shapes(),
        contacts::shapes(),
        list::shapes(),
        mail::shapes(),
        threads::shapes(),
        words::shapes(),
    ]
    .concat()
}

async fn plan_of(text: impl Named) -> Vec<String> {
    plan_of_words(text.words(Dialect::Sqlite)).await
}

async fn plan_of_words(words: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
    let sql = format!("EXPLAIN QUERY PLAN {words}");
    let rows = db.writer.run(&sql).await.unwrap();
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
        (plan_of(CommitText::MessagesTouched).await, &[named, bytes]),
        (
            plan_of(ControlText::PurgeBodies).await,
            &["message_bytes (body=?)", "message_named_body"],
        ),
        (plan_of(FeedText::MessagesNamed).await, &[named]),
        (plan_of(FeedText::KnownWhole).await, &[named]),
        (plan_of(FeedText::TallyOfFeed).await, &[named]),
        (plan_of(FeedText::HeldMail).await, &["message_named (account=? AND identity>?)"]),
        (plan_of(FeedText::HeldCount).await, &["message_limbo (account=?"]),
        (plan_of(ControlText::PurgeMessages).await, &["message_account (account=?)"]),
        (plan_of(CommitText::LimboAfter).await, &["message_limbo (account=? AND limbo_since>?)"]),
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

/// However large a folder is, a piece of what lives there costs that piece.
#[tokio::test]
async fn a_piece_of_a_folder_is_found_by_its_uids() {
    for (text, by) in [(ReadText::Living, "uid>?"), (ReadText::LivingAmong, "uid>? AND uid<?")] {
        let plan = plan_of(text).await;
        let by_uid = |line: &String| line.starts_with("SEARCH l ") && line.contains(by);
        assert!(plan.iter().any(by_uid), "{plan:?}");
    }
}

/// However much is kept, what is kept no longer is found by when it ended.
#[tokio::test]
async fn what_is_kept_no_longer_is_found_by_its_time() {
    for (text, by) in [
        (
            ExpiredText::ExpiredMails,
            "message_deleted (account=? AND deleted_at>? AND deleted_at<?)",
        ),
        (ExpiredText::DeletedAhead, "message_deleted (account=? AND deleted_at>?)"),
        (ExpiredText::DropExpiredPlaces, "location_ended (folder=? AND ended_at>? AND ended_at<?)"),
        (ExpiredText::DropExpiredFailures, "failure_closed (closed_at>? AND closed_at<?)"),
        (ExpiredText::UnnamedSince, "body_unnamed (unnamed_at>? AND unnamed_at<?)"),
    ] {
        let plan = plan_of(text).await;
        assert!(plan.iter().any(|line| line.contains(by)), "{by}: {plan:?}");
    }
}

/// However many mailboxes there are, the folders of one are found by their names.
#[tokio::test]
async fn folders_that_are_left_out_are_found_by_their_account() {
    let plan = plan_of(ChangeText::ExcludeFolders).await;
    let by_account = |line: &String| line.contains("folder_remote_id (account=?");
    assert!(plan.first().is_some_and(by_account), "{plan:?}");
}

/// Each list, and the index that it is read by.
pub(super) const READ_BY: [(ListText, &str); 7] = [
    (ListText::NewestOfAccounts, "derived_account"),
    (ListText::NewestOfThreads, "derived_thread"),
    (ListText::NewestOfContacts, "message_contact_contact"),
    (ListText::NewestOfFolders, "location_dates"),
    (ListText::UnseenOfFolders, "location_unseen"),
    (ListText::ThreadsOfAccounts, "thread_account"),
    (ListText::ContactsOfAccounts, "contact_account"),
];

/// However long a list is, a page of it costs that page.
#[tokio::test]
async fn lists_are_read_from_where_they_go_on() {
    for (text, index) in READ_BY {
        let plan = plan_of(text).await;
        let by_index: Vec<&String> =
            plan.iter().filter(|line| line.contains(&format!(" {index} ("))).collect();
        assert!(by_index.iter().all(|line| line.contains('<')) && !by_index.is_empty(), "{plan:?}");
        let sorted = plan.iter().filter(|line| line.contains("TEMP B-TREE")).count();
        // Two pieces are merged.
        let pieces = if index.starts_with("location") { 2 } else { 0 };
        assert!(sorted <= pieces, "{text:?}: {plan:?}");
    }
    let plan = plan_of(MailText::HistoryOfMail).await;
    assert!(
        plan.iter().any(|line| line.contains("event_message (message=? AND seq>?)")),
        "{plan:?}"
    );
}

/// Texts that are about all folders of an account: where each of them is meant.
const OF_ALL_FOLDERS: &[&str] = &[
    "DatesAhead",
    "ExcludeFolders",
    "FoldersOf",
    "FoldersOfAccounts",
    "LimboMayBeOver",
    "ManifestFolders",
    "NewestDate",
    "NoCursors",
    "Places",
    "QuietPlaces",
    "StandingOfFeed",
    "StoredAccounts",
    "StoredFolders",
];

/// However many folders an account has, one is found by its key: an OR hides both of two keys, and then each
/// commit looks at every folder.
#[tokio::test]
async fn a_folder_is_found_by_its_key() {
    let mut by_account = Vec::new();
    for Shape { name, words: [words, _], .. } in shapes() {
        let plan = plan_of_words(words).await;
        let of_folders = |line: &String| line.ends_with("folder_remote_id (account=?)");
        if plan.iter().any(of_folders) {
            by_account.push(name);
        }
    }
    by_account.sort_unstable();
    assert_eq!(by_account, OF_ALL_FOLDERS);
}

/// Each is understood by a database of today's schema.
#[tokio::test]
async fn every_text_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
    let points = PointText::ALL.map(|text| (format!("{text:?}"), text.words(Dialect::Sqlite)));
    let texts = shapes().into_iter().map(|shape| (shape.name.to_owned(), shape.words[0]));
    for (text, words) in texts.chain(points) {
        let sql = format!("EXPLAIN {words}");
        let explained = db.writer.run(&sql).await;
        assert!(explained.is_ok_and(|rows| !rows.is_empty()), "{text}");
    }
    db.close().await;
}

/// A text is given as many values as it has numbers for, and answers with the columns that are read.
#[tokio::test]
async fn every_text_is_what_is_said_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
    for Shape { name, words: [words, _], given, columns } in shapes() {
        let numbers = words.split('?').skip(1).filter_map(|behind| {
            let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().ok()
        });
        assert_eq!(numbers.max().unwrap_or(0), given, "{name}");
        let Some(columns) = columns else { continue };
        let Readers::File(reader) = &db.readers else { unreachable!("it is a file") };
        let pool = reader.get_sqlite_connection_pool();
        let told = pool.prepare(SqlStr::from_static(words)).await.unwrap();
        let told: Vec<&str> = told.columns().iter().map(Column::name).collect();
        let mut sorted = (told.clone(), columns.clone());
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        assert_eq!(sorted.0, sorted.1, "{name}");
    }
    db.close().await;
}

/// A body's row that has lost its octets keeps a hash, and no new mail is given it.
#[tokio::test]
async fn a_message_is_not_given_a_body_without_octets() {
    let hash = BodyHash([10; 32]);
    for (length, is_taken) in [(9, true), (0, false)] {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let body = format!(
            "INSERT INTO body (hash, pack, \"offset\", length, stored_at) VALUES (x'{hash}', 1, 0, {length}, 0)"
        );
        db.writer.run(&body).await.unwrap();
        let message = Message {
            account: AccountId(1),
            id: MessageId(1),
            identity: None,
            hash,
            size: 9,
            internal_date: None,
            stored_at: Micros(0),
            places: 0,
            announced: None,
            message_id: None,
            subject: None,
            from_text: None,
            to_text: None,
            cc_text: None,
            date: None,
            parse: "",
            version: None,
            thread: None,
            synthetic: false,
        };
        let put = db.writer.put(message).await;
        assert_eq!(put.is_ok(), is_taken, "{length}: {put:?}");
        db.close().await;
    }
}
