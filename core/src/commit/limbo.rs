//! When a message without a location is deleted: its owner may only be moving it.

use crate::commit::rows::{AccountRow, FolderRow, MessageRow, Shut};
use crate::mail::folder::WireName;
use std::time::Duration;

/// A folder that cannot be opened may hold a mail in limbo for at least so long: who was not running
/// in between asks it once more before the mail counts as gone.
pub const LIMBO_WAIT: Duration = Duration::from_secs(600);

/// Whether everything that could still show the message has been looked at since it lost its last
/// location.
///
/// All must have begun since: a complete LIST and a pass of every folder. A folder opened after the
/// message was last seen may hold it in what it has not read yet, and so may one into whose history
/// something was put back. Folders that cannot be looked at (shut, or standing still) are waited
/// for while they may still open.
#[must_use]
pub fn is_over(message: &MessageRow, account: &AccountRow, folders: &[FolderRow]) -> bool {
    let (Some(since), Some(listed)) = (message.limbo_since, account.listed_at) else {
        return false;
    };
    if message.deleted_at.is_some() || listed <= since {
        return false;
    }
    let late = listed >= since.plus(LIMBO_WAIT);
    // One that is due is asked in this very run, and may open.
    let is_given_up = |shut: &Shut| late && shut.due_at > listed;
    let is_held = |name: &WireName| folders.iter().any(|f| f.remote_id == *name);
    if account.shut.iter().any(|(name, shut)| !is_given_up(shut) && !is_held(name)) {
        return false;
    }
    let is_away = |folder: &FolderRow| match account.shut.get(&folder.remote_id) {
        Some(shut) => is_given_up(shut),
        None => folder.stalled_at.is_some_and(|refused| late && refused >= since.plus(LIMBO_WAIT)),
    };
    folders.iter().filter(|folder| !folder.excluded && !is_away(folder)).all(|folder| {
        let looked = folder.passed_at.is_some_and(|at| at > since);
        let is_new =
            |seen| folder.opened_at >= seen || folder.grown_at.is_some_and(|grown| grown >= seen);
        looked && (folder.is_read() || !message.last_sight.is_none_or(is_new))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::change::{Change, FolderChange};
    use crate::commit::lane::admit;
    use crate::mail::body::BodyHash;
    use crate::mail::cursor::Mark;
    use crate::mail::folder::ListedFolder;
    use crate::mail::id::{AccountId, FolderId, Identity, Incarnation, MessageId, UidValidity};
    use crate::mail::uid_set::UidSet;
    use crate::time::Micros;

    const SINCE: Micros = Micros(1_000_000_000);

    fn at(seconds: i64) -> Micros {
        Micros::from_seconds(seconds)
    }

    fn message() -> MessageRow {
        MessageRow {
            size: 5,
            id: MessageId(1),
            identity: Identity("h:1".into()),
            body: BodyHash([1; 32]),
            places: 0,
            limbo_since: Some(SINCE),
            last_folder: Some(FolderId(1)),
            last_sight: Some(at(900)),
            deleted_at: None,
            version: None,
        }
    }

    fn folder(id: i64) -> FolderRow {
        let (remote_id, path) = (format!("f{id}").into_bytes(), format!("f{id}"));
        let listed =
            ListedFolder { remote_id: remote_id.into(), path, delimiter: None, role: None };
        let mark = Mark { uidnext: 1, exists: 0, modseq: 0 };
        let open = Change::Folder(FolderChange::Open {
            folder: listed,
            uidvalidity: UidValidity(7),
            mark,
            started: at(1),
            newest: None,
            names: crate::mail::recognise::IdentityKind::Hash,
        });
        let account = AccountRow::fresh(AccountId(1), Incarnation(1));
        let row = admit(&account, None, Incarnation(1), &open, at(1), FolderId(id))
            .unwrap()
            .folder
            .unwrap();
        FolderRow { passed_at: Some(at(1001)), ..row }
    }

    fn account(listed: i64) -> AccountRow {
        AccountRow {
            listed_at: Some(at(listed)),
            ..AccountRow::fresh(AccountId(1), Incarnation(1))
        }
    }

    fn over(account: &AccountRow, folders: &[FolderRow]) -> bool {
        is_over(&message(), account, folders)
    }

    #[test]
    fn everything_has_been_looked_at_since() {
        assert!(over(&account(1001), &[folder(1), folder(2)]));
        assert!(!over(&account(1000), &[folder(1)]), "LIST must have begun since");
        assert!(
            !over(&AccountRow::fresh(AccountId(1), Incarnation(1)), &[folder(1)]),
            "there was no LIST"
        );
        for passed in [None, Some(SINCE)] {
            let late = FolderRow { passed_at: passed, ..folder(2) };
            assert!(
                !over(&account(5000), &[folder(1), late.clone()]),
                "a pass must have begun since: {passed:?}"
            );
            assert!(
                over(&account(1001), &[folder(1), FolderRow { excluded: true, ..late }]),
                "it is left out"
            );
        }
        let found = MessageRow { limbo_since: None, ..message() };
        assert!(!is_over(&found, &account(1001), &[folder(1)]));
        let told = MessageRow { deleted_at: Some(at(1)), ..message() };
        assert!(!is_over(&told, &account(1001), &[folder(1)]), "it is told once");
    }

    #[test]
    fn what_may_hold_it_unread_is_read_first() {
        let unread = |opened: i64, grown: Option<i64>| {
            let mut row = FolderRow { opened_at: at(opened), grown_at: grown.map(at), ..folder(2) };
            row.lanes.as_mut().unwrap().backfill.remaining = UidSet::one(5);
            over(&account(1001), &[folder(1), row])
        };
        assert!(unread(899, None), "opened before it was seen last: it came from elsewhere");
        assert!(!unread(900, None), "opened since");
        assert!(!unread(899, Some(900)), "put back since");
        assert!(unread(899, Some(899)));
        let never = MessageRow { last_sight: None, ..message() };
        let mut row = folder(2);
        row.lanes.as_mut().unwrap().backfill.remaining = UidSet::one(5);
        assert!(!is_over(&never, &account(1001), &[row]), "nobody knows when it was seen");
    }

    #[test]
    fn what_stands_still_is_waited_for_until_it_refuses_again() {
        let stalled = |refused| FolderRow {
            stalled_at: Some(at(refused)),
            passed_at: Some(SINCE),
            ..folder(2)
        };
        assert!(!over(&account(1599), &[folder(1), stalled(1600)]), "its patience is not over");
        assert!(!over(&account(1600), &[folder(1), stalled(1599)]), "it is asked once more first");
        assert!(over(&account(1600), &[folder(1), stalled(1600)]));
        assert!(
            over(&account(1001), &[FolderRow { passed_at: Some(at(1001)), ..stalled(1000) }]),
            "it was passed"
        );
    }

    #[test]
    fn what_is_shut_is_waited_for_while_it_may_open() {
        let shut = |listed: i64, due: i64, name: &[u8]| {
            let row = Shut { first_at: at(1), attempts: 1, due_at: at(due) };
            AccountRow { shut: [(WireName::from(name), row)].into(), ..account(listed) }
        };
        for name in [&b"f2"[..], b"other"] {
            let folders = [
                folder(1),
                FolderRow { stalled_at: Some(at(1)), passed_at: Some(SINCE), ..folder(2) },
            ];
            let folders = if name == b"f2" { &folders[..] } else { &folders[..1] };
            assert!(!over(&shut(1599, 9000, name), folders), "its patience is not over");
            assert!(over(&shut(1600, 9000, name), folders));
            assert!(!over(&shut(1600, 1600, name), folders), "it is due, and asked in this run");
        }
        // One that is held and was passed since opens after all.
        assert!(over(&shut(1001, 9000, b"f1"), &[folder(1)]));
    }
}
