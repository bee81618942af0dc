//! What a ledger does to messages and locations, and what it tells.

use super::*;
use crate::commit::change::{Change, FolderChange};
use crate::commit::lane::admit;
use crate::mail::cursor::Mark;
use crate::mail::folder::ListedFolder;
use crate::mail::id::{AccountId, Incarnation};
use crate::mail::uid_set::UidSet;

fn folder() -> (AccountRow, FolderRow) {
    let account = AccountRow::fresh(AccountId(1), Incarnation(1));
    let folder = ListedFolder {
        remote_id: b"INBOX".into(),
        path: "INBOX".into(),
        delimiter: None,
        role: None,
    };
    let mark = Mark { uidnext: 10, exists: 9, modseq: 0 };
    let uidvalidity = UidValidity(7);
    let open = Change::Folder(FolderChange::Open {
        folder,
        uidvalidity,
        mark,
        started: Micros::from_seconds(1000),
        newest: None,
        names: crate::mail::recognise::IdentityKind::Hash,
    });
    let admitted = admit(&account, None, Incarnation(1), &open, Micros(1), FolderId(1)).unwrap();
    (admitted.account, admitted.folder.unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
fn mail(uid: u32, body: u8, modseq: i64) -> Fetched {
    let hash = crate::mail::body::BodyHash([body; 32]);
    Fetched {
        thread: None,
        uid,
        identity: Identity(format!("h:{hash}")),
        body: BodyRef::sealed(hash, 1, 0, 5),
        flags: Flags::default(),
        modseq: Some(modseq),
        internal_date: Some(Micros::from_seconds(2000)),
        header: HeaderFacts::default(),
        announced: None,
        held: false,
    }
}

fn kinds(ledger: &mut Ledger) -> Vec<(EventKind, What, bool)> {
    ledger.take_writes().events.iter().map(|e| (e.kind, e.what, e.backfill)).collect()
}

#[test]
fn a_lower_modseq_never_overwrites() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    ledger.begin(&folder, &account, &mail(10, 1, 8), Micros(1));
    kinds(&mut ledger);
    for (modseq, told) in [(7, false), (8, true), (9, true), (8, false)] {
        ledger.set_flags(&folder, 10, Flags::new([format!("k{modseq}").as_str()]), Some(modseq));
        assert_eq!(!kinds(&mut ledger).is_empty(), told, "modseq {modseq}");
    }
}

#[test]
fn a_copy_is_old_by_its_own_place() {
    let (account, mut folder) = folder();
    let mut ledger = Ledger::new(1);
    ledger.begin(&folder, &account, &mail(3, 1, 1), Micros(1));
    assert_eq!(kinds(&mut ledger), [(EventKind::MessageCreated, What::State, true)]);
    ledger.begin(&folder, &account, &mail(4, 1, 1), Micros(2));
    assert_eq!(
        kinds(&mut ledger),
        [(EventKind::MessageUpdated, What::Began, true)],
        "below the boundary"
    );
    ledger.begin(&folder, &account, &mail(12, 1, 1), Micros(3));
    assert_eq!(kinds(&mut ledger), [(EventKind::MessageUpdated, What::Began, false)], "made since");
    folder.lanes.as_mut().unwrap().backfill.old_before = Some(Micros(5));
    ledger.begin(&folder, &account, &mail(5, 1, 1), Micros(4));
    assert_eq!(
        kinds(&mut ledger),
        [(EventKind::MessageUpdated, What::Began, false)],
        "not of the first LIST"
    );
}

#[test]
fn n_copies_cost_n() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    for uid in 10..200 {
        ledger.begin(&folder, &account, &mail(uid, 1, 1), Micros(1));
    }
    let events = ledger.take_writes().events;
    assert_eq!((events.len(), events[189].count), (190, 190));
    assert!(events.iter().all(|e| e.locations.len() <= SHOWN && e.changed.len() == 1));
    assert_eq!(events[189].locations[0].1, 199, "what changed comes first");
    ledger.end(&folder, 50, Micros(2));
    let event = ledger.take_writes().events.remove(0);
    assert_eq!(
        (event.kind, event.what, event.count),
        (EventKind::MessageUpdated, What::Ended, 189)
    );
    assert!(event.locations.iter().all(|(_, uid, _)| *uid != 50));
}

#[test]
fn a_uid_that_was_used_again_is_another_mail() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    ledger.begin(&folder, &account, &mail(10, 1, 1), Micros(1));
    ledger.begin(&folder, &account, &mail(10, 2, 1), Micros(2));
    let message = |body: u8| ledger.messages().find(|m| m.body.0[0] == body).unwrap();
    assert_eq!((message(1).places, message(1).limbo_since), (0, Some(Micros(2))));
    assert_eq!(message(2).places, 1);
}

#[test]
fn the_same_flags_with_a_higher_modseq_are_written_and_not_told() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    ledger.begin(&folder, &account, &mail(10, 1, 8), Micros(1));
    ledger.take_writes();
    ledger.set_flags(&folder, 10, Flags::default(), Some(9));
    let writes = ledger.take_writes();
    assert_eq!((writes.locations.len(), writes.events.len()), (1, 0));
    ledger.set_flags(&folder, 10, Flags::default(), Some(9));
    ledger.set_flags(&folder, 10, Flags::default(), None);
    let writes = ledger.take_writes();
    assert_eq!(
        (writes.locations.len(), writes.messages.len(), writes.events.len()),
        (0, 0, 0),
        "nothing changed"
    );
}

#[test]
fn found_again_in_the_folder_it_left() {
    let (account, folder) = folder();
    for (flags, told) in [
        (Flags::default(), vec![]),
        (Flags::new(["x"]), vec![(EventKind::MessageUpdated, What::State, false)]),
    ] {
        let mut ledger = Ledger::new(1);
        ledger.begin(&folder, &account, &mail(10, 1, 1), Micros(1));
        ledger.end(&folder, 10, Micros(2));
        let writes = ledger.take_writes();
        assert_eq!(
            (writes.created.len(), writes.messages.len()),
            (1, 0),
            "a new one is written once"
        );
        ledger.begin(&folder, &account, &Fetched { flags, ..mail(11, 1, 1) }, Micros(3));
        assert_eq!(kinds(&mut ledger), told);
    }
}

#[test]
fn a_copy_seen_first_is_a_move() {
    let (account, mut folder) = folder();
    folder.passed_at = Some(Micros(5));
    let other = FolderRow { id: FolderId(2), ..folder.clone() };
    for (began, kind) in [(5, EventKind::MessageUpdated), (6, EventKind::MessageMoved)] {
        let mut ledger = Ledger::new(1);
        ledger.begin(&folder, &account, &mail(10, 1, 1), Micros(1));
        ledger.begin(&other, &account, &mail(10, 1, 1), Micros(began));
        ledger.take_writes();
        ledger.end(&folder, 10, Micros(9));
        assert_eq!(kinds(&mut ledger), [(kind, What::Ended, false)], "it began at {began}");
    }
}

#[test]
fn the_next_number_is_above_every_message() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(7);
    assert_eq!(ledger.next_message(), 7);
    ledger.begin(&folder, &account, &mail(10, 1, 1), Micros(1));
    ledger.begin(&folder, &account, &mail(11, 2, 1), Micros(1));
    assert_eq!(ledger.next_message(), 9);
    let ids: Vec<i64> = ledger.take_writes().created.iter().map(|m| m.row.id.0).collect();
    assert_eq!(ids, [7, 8]);
}

#[test]
fn old_mail_is_below_the_boundary_or_older_than_the_first_opening() {
    let (account, mut folder) = folder();
    let at = |seconds| Some(Micros::from_seconds(seconds));
    // Opened at 1000 s, the boundary is 10; INTERNALDATE counts whole seconds.
    for (uid, date, old) in [
        (9, at(2000), true),
        (10, at(2000), false),
        (10, at(999), true),
        (10, at(1000), false),
        (10, None, false),
    ] {
        assert_eq!(is_old(&folder, &account, uid, date), old, "{uid} {date:?}");
    }
    folder.lanes.as_mut().unwrap().backfill.old_before = at(3000);
    for (uid, date, old) in [
        (9, at(2999), true),
        (9, at(3000), false),
        (9, None, true),
        (10, at(2999), false),
        (10, None, false),
    ] {
        assert_eq!(
            is_old(&folder, &account, uid, date),
            old,
            "{uid} {date:?} in a folder that came later"
        );
    }
}

/// Two copies ended, one of their UIDs was used again: what was told last of the mail is not known
/// any more.
#[test]
fn what_was_told_of_a_used_uid_is_told_anew() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    ledger.begin(
        &folder,
        &account,
        &Fetched { flags: Flags::new(["x"]), ..mail(10, 1, 1) },
        Micros(1),
    );
    ledger.begin(&folder, &account, &mail(11, 1, 1), Micros(1));
    ledger.end(&folder, 10, Micros(2));
    ledger.end(&folder, 11, Micros(2));
    ledger.begin(&folder, &account, &mail(11, 2, 1), Micros(3));
    ledger.take_writes();
    ledger.begin(
        &folder,
        &account,
        &Fetched { flags: Flags::new(["x"]), ..mail(12, 1, 1) },
        Micros(4),
    );
    assert_eq!(kinds(&mut ledger), [(EventKind::MessageUpdated, What::State, false)]);
}

/// In the place of a feed no number says what is old: the account's first opening does.
#[test]
fn without_lanes_age_alone_tells_old_mail() {
    let (mut account, folder) = folder();
    let folder = FolderRow { lanes: None, ..folder };
    let mut ledger = Ledger::new(1);
    ledger.begin(&folder, &account, &mail(3, 1, 1), Micros(1));
    account.opened_at = Some(Micros::from_seconds(3000));
    ledger.begin(&folder, &account, &mail(4, 2, 1), Micros(2));
    ledger.begin(&folder, &account, &mail(5, 2, 1), Micros(3));
    let told = [
        (EventKind::MessageCreated, What::State, false),
        (EventKind::MessageCreated, What::State, true),
        (EventKind::MessageUpdated, What::Began, false),
    ];
    assert_eq!(kinds(&mut ledger), told);
    assert!(ledger.locations().all(|l| l.uidvalidity == UidValidity(0)));
}

/// What a message looked like when it was lost is what its last location said, whatever the clock
/// did in between.
#[test]
fn a_clock_set_back_does_not_hide_a_change() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    let flagged = |uid, flag: &str| Fetched { flags: Flags::new([flag]), ..mail(uid, 1, 1) };
    ledger.begin(&folder, &account, &flagged(10, "work"), Micros(1));
    ledger.begin(&folder, &account, &flagged(11, "home"), Micros(1));
    ledger.end(&folder, 11, Micros(9000));
    ledger.end(&folder, 10, Micros(5000));
    kinds(&mut ledger);
    ledger.begin(&folder, &account, &flagged(12, "home"), Micros(5001));
    assert_eq!(
        kinds(&mut ledger),
        [(EventKind::MessageUpdated, What::State, false)],
        "it was lost as work"
    );
    ledger.end(&folder, 12, Micros(5002));
    kinds(&mut ledger);
    ledger.begin(&folder, &account, &flagged(13, "home"), Micros(5003));
    assert_eq!(kinds(&mut ledger), [], "nothing of it has changed");
}

/// A location that was found again is the one that it was; what ended under the new numbers long
/// ago is forgotten.
#[test]
fn new_uids_are_new_names_of_the_same_places() {
    let (account, folder) = folder();
    let anew = |uidvalidity: u32| {
        let mut folder = folder.clone();
        folder.lanes.as_mut().unwrap().live.uidvalidity = UidValidity(uidvalidity);
        folder
    };
    let mut ledger = Ledger::new(1);
    // Long ago it had the numbers that it gets now; what went then is looked for still.
    ledger.begin(&anew(8), &account, &mail(4, 9, 1), Micros(1));
    ledger.end(&anew(8), 4, Micros(2));
    for (uid, body) in [(10, 1), (11, 2), (12, 1), (13, 3)] {
        ledger.begin(&folder, &account, &mail(uid, body, 5), Micros(3));
    }
    ledger.end(&folder, 13, Micros(4));
    let before: Vec<LocationRow> =
        ledger.locations().filter(|l| l.uidvalidity == UidValidity(7)).cloned().collect();
    kinds(&mut ledger);
    ledger.renumber(&folder, UidValidity(8), &[(10, 4), (11, 5), (12, 6), (13, 7)]);
    assert!(kinds(&mut ledger).is_empty());
    for (old, uid) in before.iter().zip([4, 5, 6]) {
        let now = LocationRow { uidvalidity: UidValidity(8), uid, modseq: None, ..old.clone() };
        assert_eq!(ledger.locations().find(|l| l.uid == uid), Some(&now));
    }
    assert!(!ledger.locations().any(|l| l.uid == 7), "what has ended keeps its number");
    let lost = ledger.messages().find(|m| m.id == MessageId(1)).unwrap();
    assert_eq!((lost.limbo_since, lost.last_sight), (Some(Micros(2)), None));
    ledger.end(&anew(8), 5, Micros(9));
    let ended = ledger.messages().find(|m| m.id == MessageId(3)).unwrap();
    assert_eq!((ended.places, ended.limbo_since), (0, Some(Micros(9))));
    assert_eq!(ledger.messages().find(|m| m.id == MessageId(2)).unwrap().places, 2);
}

/// Mail that was not read is what it was taken for, or it is read: one in limbo, or one that the server
/// names.
#[test]
fn what_was_mistaken_does_not_begin() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    let named =
        |uid, body, name: &str| Fetched { identity: Identity(name.into()), ..mail(uid, body, 1) };
    ledger.begin(&folder, &account, &mail(10, 1, 1), Micros(1));
    ledger.begin(&folder, &account, &named(11, 2, "em:a"), Micros(1));
    let held = |fetched: Fetched| Fetched { held: true, ..fetched };
    let rows = [
        held(mail(20, 1, 1)),
        held(named(21, 2, "em:a")),
        held(named(22, 3, "em:b")),
        mail(23, 4, 1),
    ];
    let begin = |ledger: &mut Ledger, rows: &[Fetched]| {
        crate::commit::apply::begin(rows, &folder, &account, Micros(2), ledger)
    };
    let mistaken = begin(&mut ledger, &rows);
    assert_eq!(mistaken.iter().collect::<Vec<_>>(), [20, 22], "it has a place; nobody knows it");
    let living = |ledger: &Ledger| ledger.locations().filter(|l| l.ended_at.is_none()).count();
    assert_eq!(living(&ledger), 4);
    ledger.end(&folder, 10, Micros(3));
    assert!(begin(&mut ledger, &rows[..1]).is_empty(), "now it is looked for");
    assert_eq!(living(&ledger), 4);
}

/// A server's name for two mails does not make them one: the second goes by its bytes.
#[test]
fn a_name_is_believed_for_the_same_bytes() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    let named = |uid, body| Fetched { identity: Identity("em:a".into()), ..mail(uid, body, 1) };
    for fetched in [named(10, 1), named(11, 2), named(12, 1), named(13, 2)] {
        ledger.begin(&folder, &account, &fetched, Micros(1));
    }
    let message = |uid: u64| ledger.locations().find(|l| l.uid == uid).unwrap().message;
    assert!(message(10) == message(12) && message(11) == message(13));
    let bytes = |id| ledger.messages().find(|m| m.id == id).unwrap().body.0[0];
    assert_eq!((bytes(message(10)), bytes(message(11))), (1, 2));
    assert_eq!(ledger.take_writes().created.len(), 2);
}

/// It was there at the last pass of its folder, or has come since: what lay elsewhere before then is
/// another mail.
#[test]
fn what_ends_was_seen_at_the_last_pass() {
    let (account, mut folder) = folder();
    for (passed, seen) in [(None, 5), (Some(3), 5), (Some(9), 9)] {
        folder.passed_at = passed.map(Micros);
        let mut ledger = Ledger::new(1);
        ledger.begin(&folder, &account, &mail(10, 1, 1), Micros(5));
        ledger.end(&folder, 10, Micros(20));
        let lost = ledger.messages().next().unwrap();
        assert_eq!(lost.last_sight, Some(Micros(seen)), "{passed:?}");
    }
}

/// A message whose row of bytes is gone takes what its place brings, if that is as long; else it is another mail there.
#[test]
fn what_is_unknown_takes_the_bytes_of_its_place() {
    let (account, folder) = folder();
    for (length, is_taken) in [(5, true), (6, false)] {
        let mut ledger = Ledger::new(1);
        ledger.begin(&folder, &account, &mail(3, 1, 1), Micros(1));
        let mut row = ledger.messages().next().unwrap().clone();
        let place = ledger.locations().next().unwrap().clone();
        row.body = BodyHash::unknown(row.id.0);
        (row.identity, row.size) = (Identity::of_bytes(row.body), length);
        let mut ledger = Ledger::new(2);
        ledger.load_message(row.clone());
        ledger.load_location(place);
        ledger.begin(&folder, &account, &mail(3, 1, 1), Micros(2));
        let writes = ledger.take_writes();
        let hash = BodyHash([1; 32]);
        assert_eq!(writes.adopted == [(row.id, hash)], is_taken, "{length}");
        assert_eq!(writes.created.is_empty(), is_taken);
        assert_eq!(
            writes.again.iter().any(|(id, body)| (*id, body.hash()) == (row.id, hash)),
            is_taken
        );
        assert_eq!(writes.events.is_empty(), is_taken, "nothing about it is another");
        assert_eq!(ledger.message(&Identity::of_bytes(hash)).unwrap().id == row.id, is_taken);
    }
    // What nobody has read is not its bytes.
    let mut ledger = Ledger::new(1);
    ledger.begin(&folder, &account, &mail(3, 1, 1), Micros(1));
    let mut row = ledger.messages().next().unwrap().clone();
    let place = ledger.locations().next().unwrap().clone();
    row.body = BodyHash::unknown(row.id.0);
    row.identity = Identity::of_bytes(row.body);
    let mut ledger = Ledger::new(2);
    ledger.load_message(row);
    ledger.load_location(place);
    ledger.begin(&folder, &account, &Fetched { held: true, ..mail(3, 1, 1) }, Micros(2));
    let writes = ledger.take_writes();
    assert!(writes.adopted.is_empty() && writes.created.len() == 1);
}

/// Bytes that were read once more are written again; what was only named is not.
#[test]
fn what_was_read_again_is_written_again() {
    let (account, folder) = folder();
    let mut ledger = Ledger::new(1);
    ledger.begin(&folder, &account, &mail(3, 1, 1), Micros(1));
    assert!(ledger.take_writes().again.is_empty(), "it is new");
    ledger.begin(&folder, &account, &mail(3, 1, 1), Micros(2));
    assert_eq!(ledger.take_writes().again.len(), 1);
    ledger.begin(&folder, &account, &Fetched { held: true, ..mail(3, 1, 1) }, Micros(3));
    assert!(ledger.take_writes().again.is_empty(), "nobody has read it");
}

/// What was held before is no news when it comes anew, wherever it lies.
#[test]
fn what_is_read_again_is_no_news() {
    for (again, is_old) in [(UidSet::one(12), true), (UidSet::new(), false)] {
        let (account, mut folder) = folder();
        folder.lanes.as_mut().unwrap().backfill.again = again;
        let mut ledger = Ledger::new(1);
        ledger.begin(&folder, &account, &mail(12, 1, 1), Micros(1));
        assert_eq!(kinds(&mut ledger), [(EventKind::MessageCreated, What::State, is_old)]);
    }
}
