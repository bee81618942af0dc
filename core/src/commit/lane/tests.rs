//! The rules of the lanes, line by line.

use super::*;
use crate::mail::body::{BodyHash, BodyRef};
use crate::mail::cursor::{FlagsMark, Mark};
use crate::mail::flags::Flags;
use crate::mail::id::{AccountId, Identity, UidValidity};
use crate::mail::message::Fetched;
use crate::mail::page::Page;
use crate::mime::HeaderFacts;
use crate::plain::PlainText;
use crate::time::Micros;

const V: UidValidity = UidValidity(9);

fn mark(uidnext: u32) -> Mark {
    Mark { uidnext, exists: uidnext - 1, modseq: 0 }
}

#[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
fn fetched(uid: u32) -> Fetched {
    Fetched {
        thread: None,
        uid,
        identity: Identity("h:x".into()),
        body: BodyRef::sealed(BodyHash([1; 32]), 1, 0, 5),
        flags: Flags::default(),
        modseq: None,
        internal_date: None,
        header: HeaderFacts::default(),
        announced: None,
        held: false,
    }
}

fn account() -> AccountRow {
    AccountRow::fresh(AccountId(1), Incarnation(3))
}

fn open() -> Change {
    let folder = crate::mail::folder::ListedFolder {
        remote_id: b"INBOX".into(),
        path: "INBOX".into(),
        delimiter: None,
        role: None,
    };
    Change::Folder(FolderChange::Open {
        folder,
        uidvalidity: V,
        mark: mark(11),
        started: Micros(5),
        newest: None,
        names: crate::mail::recognise::IdentityKind::Hash,
    })
}

fn admit_on(folder: Option<&FolderRow>, change: &Change) -> Result<Option<FolderRow>, Refusal> {
    admit(&account(), folder, Incarnation(3), change, Micros(1), FolderId(1)).map(|a| a.folder)
}

fn lanes_of(row: &FolderRow) -> &Lanes {
    row.lanes.as_ref().unwrap()
}

fn opened() -> FolderRow {
    admit_on(None, &open()).unwrap().unwrap()
}

fn arrivals(uidvalidity: UidValidity, from: u32, to: u32) -> Change {
    Change::Folder(FolderChange::Arrivals {
        folder: FolderId(1),
        uidvalidity,
        from,
        to,
        page: Page::default(),
    })
}

fn backfill(a: u32, b: u32) -> Change {
    Change::Folder(FolderChange::Backfill {
        folder: FolderId(1),
        uidvalidity: V,
        range: UidSet::range(a, b),
        page: Page::default(),
    })
}

fn pass(from: u32, to: u32, put_back: UidSet) -> Change {
    pass_of(from, to, put_back, false)
}

fn pass_of(from: u32, to: u32, put_back: UidSet, told: bool) -> Change {
    pass_behind(from, from, to, put_back, told)
}

/// Behind what its arrivals leave.
fn pass_behind(from: u32, chain: u32, to: u32, put_back: UidSet, told: bool) -> Change {
    Change::Folder(FolderChange::Pass {
        folder: FolderId(1),
        uidvalidity: V,
        from: mark(from),
        chain,
        to: mark(to),
        put_back,
        started: Micros(7),
        told,
        unproved: None,
        surplus: 0,
        rewind: None,
        compared: false,
        flags: None,
        mailbox: None,
    })
}

#[test]
fn opening_fixes_the_boundary_and_happens_once() {
    let row = opened();
    assert_eq!(
        (
            lanes_of(&row).live.uidnext,
            lanes_of(&row).backfill.boundary,
            lanes_of(&row).backfill.remaining.to_string()
        ),
        (11, 11, "1:10".to_owned())
    );
    assert_eq!(admit_on(Some(&row), &open()), Err(Refusal::Open));
}

#[test]
fn an_old_incarnation_changes_nothing() {
    let answer = admit(
        &account(),
        Some(&opened()),
        Incarnation(2),
        &arrivals(V, 11, 12),
        Micros(1),
        FolderId(1),
    );
    assert_eq!(answer, Err(Refusal::Incarnation));
}

#[test]
fn live_is_a_chain() {
    let row = opened();
    let next = admit_on(Some(&row), &arrivals(V, 11, 15)).unwrap().unwrap();
    assert_eq!(lanes_of(&next).live.uidnext, 15);
    assert_eq!(admit_on(Some(&next), &arrivals(V, 11, 15)), Err(Refusal::Chain));
    assert_eq!(admit_on(Some(&next), &arrivals(V, 16, 17)), Err(Refusal::Chain));
    assert_eq!(admit_on(Some(&next), &arrivals(UidValidity(8), 15, 17)), Err(Refusal::UidValidity));
    assert_eq!(admit_on(None, &arrivals(V, 15, 17)), Err(Refusal::Missing));
}

#[test]
fn backfill_is_a_set_and_twice_is_impossible() {
    let row = opened();
    let upper = admit_on(Some(&row), &backfill(6, 10)).unwrap().unwrap();
    let both = admit_on(Some(&upper), &backfill(1, 5)).unwrap().unwrap();
    assert!(lanes_of(&both).backfill.remaining.is_empty());
    assert_eq!(admit_on(Some(&upper), &backfill(5, 6)), Err(Refusal::Range));
    // What was read again is what any other mail is from then on.
    let mut row = opened();
    row.lanes.as_mut().unwrap().backfill.again = UidSet::range(4, 7);
    let upper = admit_on(Some(&row), &backfill(6, 10)).unwrap().unwrap();
    assert_eq!(lanes_of(&upper).backfill.again, UidSet::range(4, 5));
}

#[test]
fn the_mark_is_compared_and_raises_uidnext() {
    let row = opened();
    assert_eq!(admit_on(Some(&row), &pass(10, 12, UidSet::new())), Err(Refusal::Chain));
    let next = admit_on(Some(&row), &pass(11, 14, UidSet::new())).unwrap().unwrap();
    assert_eq!(
        (lanes_of(&next).live.uidnext, lanes_of(&next).live.mark, next.proved_at),
        (14, mark(14), None)
    );
    let all = admit_on(Some(&next), &backfill(1, 10)).unwrap().unwrap();
    let proved = admit_on(Some(&all), &pass(14, 14, UidSet::new())).unwrap().unwrap();
    assert_eq!(proved.proved_at, Some(Micros(7)));
    let hole = admit_on(Some(&proved), &pass(14, 14, UidSet::one(3))).unwrap().unwrap();
    assert_eq!(lanes_of(&hole).backfill.remaining.to_string(), "3");
}

/// What an open folder told may be older than the pass: it proves the folder, and is no sight of it.
#[test]
fn a_pass_of_a_folder_that_is_open_still_is_no_sight() {
    let all = admit_on(Some(&opened()), &backfill(1, 10)).unwrap().unwrap();
    let row = FolderRow { passed_at: Some(Micros(4)), ..all };
    for (told, passed) in [(true, 4), (false, 7)] {
        let next = admit_on(Some(&row), &pass_of(11, 11, UidSet::new(), told)).unwrap().unwrap();
        assert_eq!((next.passed_at, next.proved_at), (Some(Micros(passed)), Some(Micros(7))));
    }
}

#[test]
fn a_retry_takes_its_failures() {
    let mut row = opened();
    row.failures = UidSet::one(4);
    let retry = |uids| {
        Change::Folder(FolderChange::Retry {
            folder: FolderId(1),
            uidvalidity: V,
            uids,
            page: Page { gone: UidSet::one(4), ..Page::default() },
        })
    };
    assert_eq!(admit_on(Some(&row), &retry(UidSet::range(4, 5))), Err(Refusal::Failures));
    row.left_out = UidSet::one(4);
    let after = admit_on(Some(&row), &retry(UidSet::one(4))).unwrap().unwrap();
    assert!(after.failures.is_empty() && after.left_out.is_empty());
}

#[test]
fn another_uidvalidity_is_taken_only_where_nothing_is_held() {
    let row = opened();
    let reopen = || {
        let (from, uidvalidity, started) = (V, UidValidity(10), Micros(9));
        Change::Folder(FolderChange::Reopen {
            folder: FolderId(1),
            from,
            uidvalidity,
            mark: mark(21),
            started,
        })
    };
    let anew = admit_on(Some(&row), &reopen()).unwrap().unwrap();
    assert_eq!(
        (lanes_of(&anew).live.uidvalidity, lanes_of(&anew).backfill.boundary, anew.opened_at),
        (UidValidity(10), 21, Micros(9))
    );
    assert_eq!(
        lanes_of(&anew).backfill.old_before,
        Some(Micros(5)),
        "mail that came since the first opening is new"
    );
    let held = FolderRow { held: true, ..row.clone() };
    assert_eq!(admit_on(Some(&held), &reopen()), Err(Refusal::UidValidity));
    let failed = FolderRow { failures: UidSet::one(3), ..row };
    assert_eq!(admit_on(Some(&failed), &reopen()), Err(Refusal::UidValidity));
}

#[test]
fn arrivals_go_upwards() {
    let row = opened();
    assert_eq!(admit_on(Some(&row), &arrivals(V, 11, 10)), Err(Refusal::Chain), "backwards");
    let none = admit_on(Some(&row), &arrivals(V, 11, 11)).unwrap().unwrap();
    assert_eq!(lanes_of(&none).live.uidnext, 11, "none came");
    assert!(
        !admit_on(Some(&row), &arrivals(V, 11, 13)).unwrap().unwrap().held,
        "holes are nothing held"
    );
    let failed = crate::mail::page::Unfetched {
        uid: 12,
        class: crate::failure::Class::InvalidData,
        text: PlainText::default(),
        again: crate::mail::page::Again::Spaced,
        came: None,
    };
    let page = Page { failed: vec![failed], ..Page::default() };
    let change = Change::Folder(FolderChange::Arrivals {
        folder: FolderId(1),
        uidvalidity: V,
        from: 11,
        to: 13,
        page,
    });
    let row = admit_on(Some(&row), &change).unwrap().unwrap();
    assert!(row.held && row.failures.contains(12));
}

#[test]
fn what_ended_clears_the_way_to_count() {
    let facts = |gone, again| {
        let (uidvalidity, flags, started) = (V, Vec::new(), Micros(8));
        Change::Folder(FolderChange::Facts {
            folder: FolderId(1),
            uidvalidity,
            flags,
            gone,
            again,
            started,
        })
    };
    let row = opened();
    let told = admit_on(Some(&row), &facts(UidSet::new(), UidSet::new())).unwrap().unwrap();
    assert!(!lanes_of(&told).live.ended && told.grown_at.is_none());
    let ended = admit_on(Some(&row), &facts(UidSet::one(3), UidSet::new())).unwrap().unwrap();
    assert!(lanes_of(&ended).live.ended && ended.grown_at.is_none());
    let still = admit_on(Some(&ended), &facts(UidSet::new(), UidSet::new())).unwrap().unwrap();
    assert!(lanes_of(&still).live.ended, "until a pass has marked it");
    let read = admit_on(Some(&row), &backfill(1, 10)).unwrap().unwrap();
    let again =
        admit_on(Some(&read), &facts(UidSet::range(3, 4), UidSet::one(4))).unwrap().unwrap();
    assert_eq!(
        (lanes_of(&again).backfill.remaining.to_string(), again.grown_at),
        ("4".into(), Some(Micros(8)))
    );
}

/// A mark may go out behind the pages of its pass: where they are refused it would jump over their mail.
#[test]
fn a_mark_is_refused_with_the_pages_before_it() {
    let row = opened();
    let mark = |from, chain| pass_behind(from, chain, 20, UidSet::new(), false);
    assert_eq!(admit_on(Some(&row), &mark(11, 14)), Err(Refusal::Chain), "they are not here");
    let here = admit_on(Some(&row), &arrivals(V, 11, 14)).unwrap().unwrap();
    let marked = admit_on(Some(&here), &mark(11, 14)).unwrap().unwrap();
    assert_eq!(lanes_of(&marked).live.uidnext, 20);
    let others = admit_on(Some(&row), &arrivals(V, 11, 16)).unwrap().unwrap();
    assert_eq!(admit_on(Some(&others), &mark(11, 14)), Err(Refusal::Chain), "others are");
}

#[test]
fn a_uidnext_that_was_too_high_is_taken_back() {
    let back = |row: &FolderRow, from: u32, to: u32| {
        let (chain, rewind) = (from, Some(to));
        let (uidvalidity, started, unproved) = (V, Micros(7), None);
        let (put_back, surplus) = (UidSet::new(), 0);
        let (folder, from, to) = (FolderId(1), lanes_of(row).live.mark, mark(to));
        admit_on(
            Some(row),
            &Change::Folder(FolderChange::Pass {
                folder,
                uidvalidity,
                from,
                chain,
                to,
                put_back,
                started,
                told: false,
                unproved,
                surplus,
                rewind,
                compared: false,
                flags: None,
                mailbox: None,
            }),
        )
    };
    let row = opened();
    assert_eq!(back(&row, 12, 6), Err(Refusal::Chain), "it starts from another");
    let lower = back(&row, 11, 6).unwrap().unwrap();
    assert_eq!((lanes_of(&lower).live.uidnext, lanes_of(&lower).backfill.boundary), (6, 6));
    assert_eq!(
        (lanes_of(&lower).backfill.remaining.to_string(), lanes_of(&lower).backfill.old_before),
        ("1:5".into(), Some(Micros(5)))
    );
    // The boundary itself was right: what lies below it stays old.
    let high = admit_on(Some(&row), &arrivals(V, 11, 40)).unwrap().unwrap();
    let same = back(&high, 40, 11).unwrap().unwrap();
    assert_eq!(
        (
            lanes_of(&same).live.uidnext,
            lanes_of(&same).backfill.boundary,
            lanes_of(&same).backfill.old_before
        ),
        (11, 11, None)
    );
}

#[test]
fn the_earlier_of_two_instants() {
    let (early, late) = (Some(Micros(1)), Some(Micros(2)));
    assert_eq!((earlier(early, late), earlier(late, early)), (early, early));
    assert_eq!(
        (earlier(None, late), earlier(early, None), earlier(None, None)),
        (late, early, None)
    );
}

#[test]
fn a_refusal_is_about_a_folder_that_is_there() {
    let (class, text, at) = (crate::failure::Class::Provider, String::new(), Micros(9));
    let fail =
        |folder| Change::Account(AccountChange::Fail { folder, class, text: text.clone(), at });
    let shut = |folder| {
        let (remote_id, path, text, seen) =
            (b"X".to_vec(), String::new(), String::new(), Micros(1));
        Change::Account(AccountChange::Shut {
            remote_id: remote_id.into(),
            path,
            folder,
            class,
            text,
            seen,
            at,
            soon: false,
        })
    };
    for change in [fail(Some(FolderId(1))), shut(Some(FolderId(1)))] {
        assert_eq!(admit_on(None, &change), Err(Refusal::Missing));
        assert_eq!(admit_on(Some(&opened()), &change).unwrap().unwrap().stalled_at, Some(at));
    }
    for change in [fail(None), shut(None)] {
        assert_eq!(admit_on(None, &change), Ok(None));
    }
}

#[test]
fn a_folder_that_is_gone_leaves_the_look() {
    let look = |ids: &[i64]| crate::commit::rows::ListLook {
        missing: ids.iter().copied().map(FolderId).collect(),
        session: crate::mail::id::SessionId(1),
        at: Micros(1),
    };
    let drop = Change::Folder(FolderChange::DropFolder {
        folder: FolderId(1),
        uids: UidSet::new(),
        last: true,
    });
    for (looked, left) in [(look(&[1]), None), (look(&[1, 2]), Some(look(&[2])))] {
        let account = AccountRow { list_look: Some(looked), ..account() };
        let admitted =
            admit(&account, Some(&opened()), Incarnation(3), &drop, Micros(1), FolderId(9))
                .unwrap();
        assert_eq!((admitted.account.list_look, admitted.folder), (left, None));
    }
}

/// The place of a feed has no UIDs: no commit that names one fits, whatever number it claims.
#[test]
fn without_lanes_nothing_that_names_uids_fits() {
    let row = FolderRow { lanes: None, ..opened() };
    for zero in [V, UidValidity(0)] {
        assert_eq!(admit_on(Some(&row), &arrivals(zero, 11, 12)), Err(Refusal::UidValidity));
    }
    assert_eq!(admit_on(Some(&row), &backfill(1, 1)), Err(Refusal::UidValidity));
    assert!(row.is_read() && row.uidvalidity() == UidValidity(0));
}

/// What was kept of an earlier session has old flags: they are listed again.
#[test]
fn a_retry_that_brings_mail_forgets_how_far_flags_are_compared() {
    let flags = Some(FlagsMark { modseq: 5, listed_at: Micros(7) });
    let mut row = opened();
    row.failures = UidSet::range(3, 4);
    if let Some(lanes) = &mut row.lanes {
        lanes.live.flags = flags;
    }
    let retry = |page: Page| {
        let uids = UidSet::range(3, 3);
        let change = FolderChange::Retry { folder: FolderId(1), uidvalidity: V, uids, page };
        let row = admit_on(Some(&row), &Change::Folder(change)).unwrap().unwrap();
        lanes_of(&row).live.flags
    };
    assert_eq!(retry(Page::default()), flags);
    assert_eq!(retry(Page { rows: vec![fetched(3)], ..Page::default() }), None);
}

/// UIDs begin anew: what was told of the old ones is void, and the folder is listed next.
#[test]
fn new_uids_replace_both_lanes() {
    let rematch = |from: UidValidity, remote_id: &[u8], pairs: &[(u32, u32)]| {
        Change::Folder(FolderChange::Rematch {
            folder: FolderId(1),
            from,
            remote_id: remote_id.into(),
            to: UidValidity(30),
            mark: mark(21),
            pairs: pairs.to_vec(),
            remaining: UidSet::range(18, 20),
            surplus: 2,
            started: Micros(80),
        })
    };
    let look = crate::commit::rows::FolderLook {
        uidvalidity: UidValidity(30),
        ends: UidSet::one(4),
        session: crate::mail::id::SessionId(1),
        at: Micros(70),
    };
    let row = FolderRow {
        passed_at: Some(Micros(60)),
        failures: UidSet::range(3, 4),
        held: true,
        look: Some(look),
        unproved: Some("x".into()),
        stalled_at: Some(Micros(61)),
        ..opened()
    };
    let admitted = |change: &Change| {
        admit(&account(), Some(&row), Incarnation(3), change, Micros(90), FolderId(1))
            .map(|admitted| admitted.folder.unwrap())
    };
    assert_eq!(admitted(&rematch(UidValidity(8), b"INBOX", &[])), Err(Refusal::UidValidity));
    assert_eq!(admitted(&rematch(V, b"Other", &[])), Err(Refusal::Chain), "it was renamed since");
    let anew = admitted(&rematch(V, b"INBOX", &[(1, 17)])).unwrap();
    let Lanes { live, backfill } = lanes_of(&anew);
    assert_eq!((live.uidvalidity, backfill.uidvalidity), (UidValidity(30), UidValidity(30)));
    assert_eq!((live.uidnext, backfill.boundary, live.mark), (21, 21, Mark::CLEARED));
    assert_eq!(backfill.remaining, UidSet::range(18, 20));
    // Mail there is old if it is older than the last pass.
    assert_eq!(backfill.old_before, Some(Micros(60)));
    assert_eq!((live.compared_at, &live.resets), (Some(Micros(80)), &vec![Micros(80)]));
    assert_eq!((anew.failures.len(), anew.held, anew.grown_at), (0, true, Some(Micros(90))));
    assert_eq!((anew.look, anew.unproved, anew.stalled_at, anew.surplus), (None, None, None, 2));
    assert!(!admitted(&rematch(V, b"INBOX", &[])).unwrap().held, "nothing was found again");
}
