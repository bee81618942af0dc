//! Every text is understood, and finds what it asks for by a key.

use super::*;

#[test]
fn rows_are_repeated() {
    assert_eq!(
        repeated(RowText::Body, 3),
        "INSERT OR FAIL INTO body (hash, pack, \"offset\", length, stored_at) SELECT * FROM (VALUES (?, ?, ?, ?, ?), \
         (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)) WHERE column1 IS NOT NULL ON CONFLICT (hash) DO NOTHING"
    );
    // They are given in the order of their columns, so that numbers are not needed.
    for text in RowText::ALL {
        // Else each statement keeps what every page of the database held before it: a third of the work.
        assert!(text.words().starts_with("INSERT OR FAIL INTO "), "{text:?}");
        // Else a lot that is not full has rows of nothing.
        assert!(text.words().contains("WHERE column1 IS NOT NULL"), "{text:?}");
        let (_, row) = text.words().split_once("VALUES (").unwrap();
        let (row, _) = row.split_once(')').unwrap();
        let numbers: Vec<&str> = row.split(", ").collect();
        let rising: Vec<String> = (1..=numbers.len()).map(|n| format!("?{n}")).collect();
        assert_eq!(numbers, rising, "{text:?}");
    }
}

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

/// However large a folder is, a piece of what lives there costs that piece.
#[tokio::test]
async fn a_piece_of_a_folder_is_found_by_its_uids() {
    for (text, by) in [(Text::Living, "uid>?"), (Text::LivingAmong, "uid>? AND uid<?")] {
        let plan = plan_of(text).await;
        let by_uid = |line: &String| line.starts_with("SEARCH l ") && line.contains(by);
        assert!(plan.iter().any(by_uid), "{plan:?}");
    }
}

/// However many mailboxes there are, the folders of one are found by their names.
#[tokio::test]
async fn folders_that_are_left_out_are_found_by_their_account() {
    let plan = plan_of(Text::ExcludeFolders).await;
    let by_account = |line: &String| line.contains("folder_remote_id (account=?");
    assert!(plan.first().is_some_and(by_account), "{plan:?}");
}

/// Texts that are about all folders of an account: where each of them is meant.
const OF_ALL_FOLDERS: &[&str] = &[
    "LimboMayBeOver",
    "ExcludeFolders",
    "ManifestFolders",
    "StoredAccounts",
    "StoredFolders",
    "Places",
    "FeedStanding",
    "QuietPlaces",
    // Asked when a clock was wrong.
    "NewestDate",
    "DatesAhead",
];

/// However many folders an account has, one is found by its key: an OR hides both of two keys, and then each
/// commit looks at every folder.
#[tokio::test]
async fn a_folder_is_found_by_its_key() {
    let mut by_account = Vec::new();
    macro_rules! look {
        ($($texts:ident),*) => {
            $(for text in $texts::ALL {
                let plan = plan_of(*text).await;
                let of_folders = |line: &String| line.ends_with("folder_remote_id (account=?)");
                if plan.iter().any(of_folders) {
                    by_account.push(format!("{text:?}"));
                }
            })*
        };
    }
    look!(Text, FeedText, RematchText, HeldText, OpeningText, CountText);
    assert_eq!(by_account, OF_ALL_FOLDERS);
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
    let rows = RowText::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
    let points = PointText::ALL.iter().map(|text| (format!("{text:?}"), text.words()));
    let plain = plain.chain(counts).chain(rows).chain(points);
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

/// A body's row that has lost its octets keeps a hash, and no new mail is given it.
#[tokio::test]
async fn a_message_is_not_given_a_body_without_octets() {
    for (length, is_taken) in [(9, true), (0, false)] {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db")).await.unwrap();
        let body = format!(
            "INSERT INTO body (hash, pack, \"offset\", length, stored_at) VALUES (x'0A', 1, 0, {length}, 0)"
        );
        db.writer.execute_unprepared(&body).await.unwrap();
        let mut values: Vec<sea_orm::Value> = vec![0.into(); 17];
        values[2] = None::<String>.into();
        values[3] = vec![0x0A_u8].into();
        values[4] = 9.into();
        let put = db.writer.execute_raw(statement(&db.writer, RowText::Message, values)).await;
        assert_eq!(put.is_ok(), is_taken, "{length}: {put:?}");
        db.close().await;
    }
}
