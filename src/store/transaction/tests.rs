//! What waits, what goes together, and what is said of it.

use super::*;
use crate::store::connect::Database;
use crate::store::sql::LARGE;
use crate::store::sql::inserts::{Body, Event, Location, Message};
use crate::store::sql::query::{Document, queries, rows};
use crate::store::sql::sqlite::transaction::{COMPANY, WRITES_TOGETHER};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, FolderId, MessageId, UidValidity};
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;
use sea_orm::DbErr;

/// However many, behind what was written before them and in front of what comes after.
#[tokio::test]
async fn rows_are_all_there_in_their_order() {
    let row = |n: usize| Insert { id: n as i64, n: (n % 10) as i64 };
    for count in [0, 1, 2, 3, 31, 32, 33, 63, 64, 95, 97, 127, 128, 129, 200, 400] {
        let (_dir, db) = table().await;
        let tx = db.begin().await.unwrap();
        tx.put(Insert { id: 1000, n: 1 }).await.unwrap();
        tx.put_rows((0..count).map(row)).await.unwrap();
        tx.put(Double { by: 1 }).await.unwrap();
        tx.commit().await.unwrap();
        let mut want: Vec<(i64, i64)> = (0..count).map(|n| (n as i64, (n % 10) as i64)).collect();
        want.push((1000, 1));
        assert_eq!(all(&db.writer).await, want);
    }
}

#[tokio::test]
async fn a_row_that_is_refused_is_said() {
    for bad in [0, 1, 32, 34] {
        let (_dir, db) = table().await;
        let tx = db.begin().await.unwrap();
        let row = |n: i64| Insert { id: n, n: if n == bad { 70 } else { 7 } };
        let put = tx.put_rows((0..35_i32).map(|n| row(n.into()))).await;
        let said = match put {
            Ok(()) => tx.commit().await,
            Err(trouble) => tx.rollback().await.and(Err(trouble)),
        };
        assert!(matches!(said, Err(Trouble::Refused(_))), "{bad}");
        assert_eq!(all(&db.writer).await, []);
    }
}

async fn table() -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
    db.writer
        .run("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 10))")
        .await
        .unwrap();
    (dir, db)
}

rows! {
    pub(in crate::store) struct Pair {
        pub(in crate::store) id: i64,
        pub(in crate::store) n: i64,
    }
}

queries! {
    @ Say, words, words:
    Insert { id: i64, n: i64 };
    InsertText { id: i64, n: String };
    Double { by: i64 };
    Above { id: i64, n: i64, text: String } -> Pair;
    All {} -> Pair;
    Away {};
}

const fn words(text: Say) -> &'static str {
    match text {
        Say::Insert | Say::InsertText => {
            "INSERT INTO t (id, n) SELECT * FROM (VALUES (?1, ?2)) WHERE column1 IS NOT NULL"
        }
        Say::Double => "UPDATE t SET n = n * ?1 WHERE n * ?1 > 0",
        Say::Above => "SELECT id, n FROM t WHERE n > ?2 AND id > ?1 AND n > ?2 AND length(?3) > 0",
        Say::All => "SELECT n, id FROM t ORDER BY id",
        Say::Away => "ROLLBACK",
    }
}

#[test]
fn what_a_statement_is_given_is_counted() {
    let given: Vec<usize> = shapes().iter().map(|shape| shape.given).collect();
    assert_eq!(given, [2, 2, 1, 3, 0, 0]);
}

async fn all(db: &impl Sql) -> Vec<(i64, i64)> {
    db.ask(All {}).await.unwrap().into_iter().map(|row| (row.id, row.n)).collect()
}

#[tokio::test]
async fn writes_are_there_in_their_order_for_whoever_reads() {
    let (_dir, db) = table().await;
    let tx = db.begin().await.unwrap();
    tx.put(Insert { id: 1, n: 2 }).await.unwrap();
    tx.put(Double { by: 2 }).await.unwrap();
    tx.put(Insert { id: 2, n: 3 }).await.unwrap();
    assert_eq!(all(&tx).await, [(1, 4), (2, 3)]);
    tx.put(Insert { id: 3, n: 1 }).await.unwrap();
    assert_eq!(tx.put_now(Double { by: 2 }).await.unwrap(), 3);
    tx.put(Insert { id: 4, n: 9 }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(all(&db.writer).await, [(1, 8), (2, 6), (3, 2), (4, 9)]);
}

#[tokio::test]
async fn a_savepoint_takes_back_only_its_own() {
    let (_dir, db) = table().await;
    let tx = db.begin().await.unwrap();
    tx.put(Insert { id: 1, n: 1 }).await.unwrap();
    let put = async |n: i64| tx.put(Insert { id: n, n }).await.unwrap();
    for is_sent in [true, false] {
        let savepoint = tx.begin(SavepointOf::Commit).await.unwrap();
        put(2).await;
        if is_sent {
            tx.hand_over().await.unwrap();
        }
        savepoint.rollback().await.unwrap();
        // What waits is of nobody any more.
        assert_eq!(all(&tx).await, [(1, 1)], "{is_sent}");
    }
    let savepoint = tx.begin(SavepointOf::Commit).await.unwrap();
    put(3).await;
    tx.hand_over().await.unwrap();
    savepoint.keep().await.unwrap();
    let savepoint = tx.begin(SavepointOf::Rows).await.unwrap();
    put(4).await;
    tx.hand_over().await.unwrap();
    savepoint.keep().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(all(&db.writer).await, [(1, 1), (3, 3), (4, 4)]);
}

/// Whoever takes back the outer one never meets an inner one that was given up, sent or not.
#[tokio::test]
async fn an_inner_savepoint_goes_with_the_outer_one() {
    for (is_sent, is_kept) in [(true, true), (true, false), (false, true), (false, false)] {
        let (_dir, db) = table().await;
        let tx = db.begin().await.unwrap();
        let put = async |n: i64| tx.put(Insert { id: n, n }).await.unwrap();
        put(1).await;
        let outer = tx.begin(SavepointOf::Commit).await.unwrap();
        put(2).await;
        let inner = tx.begin(SavepointOf::Rows).await.unwrap();
        put(3).await;
        if is_sent {
            tx.hand_over().await.unwrap();
        }
        if is_kept {
            inner.keep().await.unwrap();
        } else {
            drop(inner);
        }
        outer.rollback().await.unwrap();
        put(4).await;
        tx.commit().await.unwrap();
        assert_eq!(all(&db.writer).await, [(1, 1), (4, 4)], "{is_sent} {is_kept}");
    }
}

/// What was given up is not kept with what is around it.
#[tokio::test]
async fn a_savepoint_that_was_given_up_spoils_what_is_around_it() {
    let (_dir, db) = table().await;
    for is_nested in [true, false] {
        let tx = db.begin().await.unwrap();
        let outer = tx.begin(SavepointOf::Commit).await.unwrap();
        tx.put(Insert { id: 1, n: 1 }).await.unwrap();
        drop(tx.begin(SavepointOf::Rows).await.unwrap());
        if is_nested {
            let again = tx.begin(SavepointOf::Rows).await;
            assert!(matches!(again, Err(Trouble::Database(_))), "nor written to");
            assert!(matches!(outer.keep().await, Err(Trouble::Database(_))));
        } else {
            drop(outer);
        }
        assert!(matches!(tx.commit().await, Err(Trouble::Database(_))));
        assert_eq!(all(&db.writer).await, []);
    }
}

/// A question goes along with what was written before it, or behind it: it is answered alike, and told
/// what was refused.
#[tokio::test]
async fn a_question_goes_along_with_what_waits() {
    for count in [1, COMPANY, COMPANY + 1, WRITES_TOGETHER - 1] {
        for size in [1, LARGE] {
            let (_dir, db) = table().await;
            let tx = db.begin().await.unwrap();
            for n in 0..count {
                tx.put(Insert { id: n as i64, n: n as i64 % 8 }).await.unwrap();
            }
            let above = Above { id: 0, n: 1, text: "x".repeat(size) };
            let rows = tx.ask(above.clone()).await.unwrap();
            let want = (0..count).filter(|n| *n > 0 && n % 8 > 1).count();
            assert_eq!(rows.len(), want, "{count} {size}");
            tx.put(Insert { id: 100, n: 70 }).await.unwrap();
            let said = tx.ask(above).await;
            assert!(matches!(said, Err(Trouble::Refused(_))), "{count} {size}: {said:?}");
        }
    }
}

/// Rows of a lot that is not full are what they are, and no more, in each table.
#[tokio::test]
async fn rows_of_nothing_are_none() {
    const LACKING: u8 = 5;
    let dir = tempfile::tempdir().unwrap();
    let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
    for lacks in [false, true] {
        let tx = db.begin().await.unwrap();
        let part = tx.begin(SavepointOf::Rows).await.unwrap();
        let hash = |n: u8| BodyHash([n; 32]);
        let body = |n: u8| Body {
            hash: hash(n),
            pack: 1,
            offset: n.into(),
            length: u64::from(n) + 1,
            stored_at: Micros(0),
        };
        tx.put_rows((0..7_u8).map(body)).await.unwrap();
        let message = |n: u8| Message {
            thread: None,
            synthetic: false,
            account: AccountId(1),
            id: MessageId(n.into()),
            identity: None,
            hash: hash(if lacks && n == LACKING { 77 } else { n }),
            size: u64::from(n) + 1,
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
        };
        let said = tx.put_rows((0..7_u8).map(message)).await;
        if lacks {
            let said = part.undo(said.unwrap_err()).await;
            assert!(matches!(said, Trouble::Refused(_)), "{said:?}");
        } else {
            said.unwrap();
            let location = |n: u8| Location {
                folder: FolderId(1),
                uidvalidity: UidValidity(1),
                uid: n.into(),
                message: MessageId(1),
                flags: String::new(),
                keywords: String::new(),
                modseq: None,
                internal_date: None,
                began_at: Micros(1),
                ended_at: None,
            };
            tx.put_rows((0..7_u8).map(location)).await.unwrap();
            let event = |n: u8| Event {
                account: AccountId(1),
                at: Micros(1),
                seq: n.into(),
                id: n.to_string(),
                kind: EventKind::RunFinished,
                folder: None,
                message: None,
                backfill: false,
                data: Document::of(&()).unwrap(),
            };
            tx.put_rows((0..7_u8).map(event)).await.unwrap();
            tx.hand_over().await.unwrap();
            part.keep().await.unwrap();
        }
        for table in ["body", "message", "location", "event"] {
            let held = tx.sqlite().count(table).await;
            assert_eq!(held, if lacks { 0 } else { 7 }, "{table}");
        }
        tx.rollback().await.unwrap();
    }
    db.close().await;
}

/// A row that is refused in one text with others leaves a savepoint that can be taken back.
#[tokio::test]
async fn a_savepoint_is_there_when_its_first_row_is_refused() {
    let (_dir, db) = table().await;
    let tx = db.begin().await.unwrap();
    tx.put(Insert { id: 1, n: 1 }).await.unwrap();
    let savepoint = tx.begin(SavepointOf::Rows).await.unwrap();
    tx.put(Insert { id: 2, n: 70 }).await.unwrap();
    assert!(matches!(tx.hand_over().await, Err(Trouble::Refused(_))));
    let said = savepoint.undo(Trouble::Refused(DbErr::Custom(String::new()))).await;
    assert!(matches!(said, Trouble::Refused(_)), "{said:?}");
    tx.commit().await.unwrap();
    assert_eq!(all(&db.writer).await, [(1, 1)]);
}

/// A full disk takes the whole transaction back: what is told is the disk, and nobody goes on because a
/// single message seems to be at fault.
#[tokio::test]
async fn a_transaction_that_is_gone_says_why() {
    let full = || Trouble::Database(DbErr::Custom("full".into()));
    for (why, is_told) in [(full(), true), (Trouble::Damaged("a row".into()), false)] {
        let (_dir, db) = table().await;
        let tx = db.begin().await.unwrap();
        let savepoint = tx.begin(SavepointOf::Rows).await.unwrap();
        tx.put_now(Away {}).await.unwrap();
        let told = why.to_string();
        let said = savepoint.undo(why).await;
        assert!(matches!(said, Trouble::Database(_)), "{said:?}");
        assert_eq!(said.to_string() == told, is_told, "{said}");
    }
    let (_dir, db) = table().await;
    let tx = db.begin().await.unwrap();
    let said = tx.undo(Trouble::Damaged("a row".into())).await;
    assert!(matches!(said, Trouble::Damaged(_)), "{said:?}");
}

#[tokio::test]
async fn what_is_refused_is_said_before_it_is_kept() {
    let (_dir, db) = table().await;
    let tx = db.begin().await.unwrap();
    tx.put(Insert { id: 1, n: 1 }).await.unwrap();
    tx.put(Insert { id: 2, n: 70 }).await.unwrap();
    tx.put(Insert { id: 3, n: 3 }).await.unwrap();
    assert!(matches!(tx.hand_over().await, Err(Trouble::Refused(_))));
    tx.rollback().await.unwrap();
    assert_eq!(all(&db.writer).await, []);
    let tx = db.begin().await.unwrap();
    tx.put(Insert { id: 2, n: 70 }).await.unwrap();
    assert!(matches!(tx.commit().await, Err(Trouble::Refused(_))));
    assert_eq!(all(&db.writer).await, []);
}

#[tokio::test]
async fn not_many_wait() {
    let (_dir, db) = table().await;
    let tx = db.begin().await.unwrap();
    for n in 0..100_i64 {
        tx.put(Insert { id: n, n: 1 }).await.unwrap();
        assert!(tx.sqlite().waiting() < WRITES_TOGETHER);
    }
    tx.commit().await.unwrap();
    assert_eq!(all(&db.writer).await.len(), 100);
}

#[tokio::test]
async fn large_ones_do_not_wait() {
    let (_dir, db) = table().await;
    let tx = db.begin().await.unwrap();
    tx.put(Insert { id: 1, n: 1 }).await.unwrap();
    let large = "9".repeat(LARGE);
    assert!(matches!(tx.put(InsertText { id: 2, n: large }).await, Err(Trouble::Refused(_))));
    assert!(tx.sqlite().waiting() == 0);
}
