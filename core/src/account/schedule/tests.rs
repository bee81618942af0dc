//! When what is looked at.

use super::*;
use crate::mail::cursor::Mark;

fn schedule(mode: Mode, salt: u64) -> Schedule {
    Schedule::new(mode, Policy { salt, ..Policy::default() })
}

fn line(id: i64, path: &str, role: Option<Role>, looked: Option<Depth>) -> FolderSummary {
    let (remote_id, path) = (path.as_bytes().to_vec(), path.to_owned());
    FolderSummary {
        id: FolderId(id),
        remote_id: remote_id.into(),
        path,
        role,
        excluded: false,
        stalled: false,
        shut: false,
        looked,
        mark: Mark::CLEARED,
        history_left: false,
        proof: None,
    }
}

fn due(schedule: &Schedule, at: Duration) -> Vec<i64> {
    match schedule.scope(at) {
        Scope::Everything | Scope::Insist | Scope::Doubt => vec![-1],
        Scope::Some { folders, .. } => folders.keys().map(|id| id.0).collect(),
    }
}

/// The mode's interval or the folder's floor, whichever is longer.
#[test]
fn intervals() {
    let all = |depth| {
        [
            line(1, "INBOX", None, depth),
            line(2, "Sent", Some(Role::Sent), depth),
            line(3, "Lists", None, depth),
            line(4, "Archive", Some(Role::Archive), depth),
        ]
    };
    for (mode, looks) in [
        (
            Mode::Aggressive,
            vec![
                (4, vec![]),
                (6, vec![1]),
                (16, vec![1, 2]),
                (31, vec![1, 2, 3]),
                (1441, vec![1, 2, 3, 4]),
            ],
        ),
        (Mode::Balanced, vec![(10, vec![]), (16, vec![1, 2]), (31, vec![1, 2, 3])]),
        (Mode::Conservative, vec![(90, vec![]), (121, vec![1, 2, 3]), (1441, vec![1, 2, 3, 4])]),
    ] {
        let mut schedule = schedule(mode, 7);
        assert_eq!(due(&schedule, Duration::ZERO), [-1], "the first run looks at everything");
        schedule.looked(&all(Some(Depth::Full)), Duration::ZERO);
        for (minutes, want) in looks {
            assert_eq!(due(&schedule, minutes * MINUTE), want, "{mode:?} {minutes} min");
        }
        let next = schedule.next(Duration::ZERO);
        assert!(next <= mode.shortest() && next >= mode.shortest() * 9 / 10, "{mode:?} {next:?}");
        // A quick look at INBOX, for a hint, does not put off the full one.
        schedule.looked(&all(Some(Depth::Quick)), MINUTE);
        assert_eq!(schedule.next(MINUTE), next);
    }
}

/// What stands still at its time is not asked for again and again.
#[test]
fn what_was_not_looked_at_is_due_again_and_not_at_once() {
    let mut schedule = schedule(Mode::Balanced, 3);
    schedule.looked(
        &[line(1, "INBOX", None, Some(Depth::Full)), line(2, "Odd", None, None)],
        Duration::ZERO,
    );
    assert_eq!(due(&schedule, 16 * MINUTE), [1, 2], "soon, though nobody has looked");
    schedule.looked(
        &[line(1, "INBOX", None, Some(Depth::Full)), line(2, "Odd", None, None)],
        16 * MINUTE,
    );
    assert!(schedule.next(16 * MINUTE) > 28 * MINUTE);
}

#[test]
fn stretches_and_cools_down() {
    let minutes: Vec<u64> = (0..8).map(|n| stretch(n, 3).as_secs() / 60).collect();
    assert_eq!(minutes, [0, 0, 0, 40, 80, 160, 240, 240]);
    let schedule = schedule(Mode::Aggressive, 1);
    assert!(schedule.after_failure(1, Duration::ZERO) <= 5 * MINUTE);
    assert_eq!(schedule.after_failure(4, Duration::ZERO), 80 * MINUTE);
    assert_eq!(schedule.after_failure(9, Duration::ZERO), 240 * MINUTE);
    let policy =
        Policy { stretch_after: 9, cool_down_after: 2, cool_down: 7 * MINUTE, ..Policy::default() };
    let mut schedule = Schedule::new(Mode::Aggressive, policy);
    schedule.failed(1, MINUTE);
    assert!(!schedule.is_cooling(MINUTE));
    assert!(schedule.after_failure(1, MINUTE) <= 6 * MINUTE);
    schedule.failed(2, MINUTE);
    assert_eq!([7, 8].map(|minutes| schedule.is_cooling(minutes * MINUTE)), [true, false]);
    assert_eq!(schedule.after_failure(2, MINUTE), 8 * MINUTE);
    assert_eq!(schedule.after_failure(9, MINUTE), 241 * MINUTE);
}

/// A folder that stands still has its own, short times; one that is shut does not hurry.
#[test]
fn what_stands_still_is_looked_at_soon() {
    let mut schedule = schedule(Mode::Conservative, 1);
    let odd = |stalled, shut| FolderSummary { stalled, shut, ..line(2, "Odd", None, None) };
    let inbox = || line(1, "INBOX", None, Some(Depth::Full));
    let mut at = Duration::ZERO;
    for minutes in [1, 5, 15, 15] {
        schedule.looked(&[inbox(), odd(true, false)], at);
        assert_eq!(schedule.next(at), at + minutes * MINUTE);
        at = schedule.next(at);
        assert_eq!(due(&schedule, at), [2]);
    }
    schedule.looked(&[inbox(), odd(false, false)], at);
    schedule.looked(&[inbox(), odd(true, false)], at);
    assert_eq!(schedule.next(at), at + MINUTE, "it begins anew");
    schedule.looked(&[inbox(), odd(true, true)], at);
    assert!(schedule.next(at) > at + 90 * MINUTE, "shut");
}

#[test]
fn unread_history_is_gone_on_with() {
    let mut schedule = schedule(Mode::Balanced, 1);
    let unread = FolderSummary { history_left: true, ..line(1, "INBOX", None, Some(Depth::Full)) };
    schedule.looked(&[unread], Duration::ZERO);
    assert_eq!(due(&schedule, 16 * MINUTE), [-1]);
}
