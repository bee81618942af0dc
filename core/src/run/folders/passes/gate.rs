//! What a folder's counters prove by themselves: that nothing happened, or that mail only came.

use crate::mail::cursor::{FlagsMark, Mark};
use crate::mail::folder::WireName;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Examined;
use crate::run::folders::folder::{Folder, told};
use crate::run::folders::set::Folders;
use crate::time::Micros;

/// What arrived, if counting alone proves that nothing else happened: each UID from the mark's
/// UIDNEXT on is a message, and EXISTS rose by just as many. A UID that is a hole, or one message
/// gone, and the numbers differ.
pub(super) fn counted(folder: &Folder, examined: &Examined) -> Option<UidSet> {
    let (row, lanes, mark) = (&folder.row, &folder.lanes, folder.lanes.live.mark);
    let arrived = examined.uidnext.checked_sub(mark.uidnext)?;
    let sure = mark != Mark::CLEARED
        && !examined.inferred
        && !lanes.live.ended
        && row.passed_at.is_some()
        && lanes.live.uidnext == mark.uidnext
        && row.look.is_none()
        && row.misfit.is_none()
        && folder.fill.is_empty()
        // Only a listing proves a folder for the first time.
        && (row.proved_at.is_some() || row.unproved.is_some() || !lanes.backfill.remaining.is_empty())
        && examined.exists.checked_sub(mark.exists) == Some(arrived);
    sure.then(|| {
        if arrived == 0 { UidSet::new() } else { UidSet::range(mark.uidnext, examined.uidnext - 1) }
    })
}

/// Up to where flags are compared, if the folder is as the last pass has left it, all of it proved, or
/// read as it was listed: what the server says of its changes since is all that there is to know.
pub(super) fn settled(folder: &Folder, at: Micros) -> Option<FlagsMark> {
    let (row, live) = (&folder.row, &folder.lanes.live);
    let flags = live.flags.filter(|flags| flags.is_recent(at))?;
    let is_settled = live.uidnext == live.mark.uidnext
        && !live.ended
        && (row.proved_at.is_some() || folder.listing.as_listed)
        && !folder.listing.lacked
        && (row.passed_at.is_some() && row.stalled_at.is_none() && row.refused.is_none())
        && (row.look.is_none() && row.misfit.is_none())
        && (row.unproved.is_none() && row.surplus == 0)
        && folder.lanes.backfill.remaining.is_empty()
        && folder.fill.is_empty()
        && live.is_compared(row.opened_at, at);
    is_settled.then_some(flags)
}

/// Whether the server shows the folder as the last pass that looked at flags has left it: nothing
/// came or went, and no flag changed since (HIGHESTMODSEQ rises with each, RFC 7162 §3.1.2).
pub(super) fn is_unchanged(folder: &Folder, shown: &Examined, at: Micros) -> bool {
    let live = &folder.lanes.live;
    let flags = settled(folder, at);
    flags.is_some_and(|flags| flags.modseq > 0 && live.mark.modseq == flags.modseq)
        && !shown.inferred
        && shown.uidvalidity == live.uidvalidity
        && told(shown) == live.mark
}

/// Whether a folder of a new account was made of these very counters, and they show that no message ever
/// was in it.
pub(super) fn is_empty(folder: &Folder, shown: &Examined) -> bool {
    let (row, live) = (&folder.row, &folder.lanes.live);
    let is_new =
        row.passed_at.is_none() && !row.held && row.stalled_at.is_none() && row.refused.is_none();
    let is_same = shown.uidvalidity == live.uidvalidity && told(shown) == live.mark;
    is_new && is_same && (shown.uidnext, shown.exists) == (1, 0)
}

/// The folders that their counters alone may prove unchanged.
pub(in crate::run::folders) fn provable(folders: &Folders, at: Micros) -> Vec<WireName> {
    let rests = |folder: &&Folder| {
        !folder.row.excluded
            && folder.pass.wanted
            && settled(folder, at).is_some_and(|flags| flags.modseq > 0)
    };
    folders.values().filter(rests).map(|folder| folder.row.remote_id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::rows::{FolderLook, FolderRow, Misfit, RefusedLook};
    use crate::mail::cursor::Lanes;
    use crate::mail::id::{FolderId, SessionId, UidValidity};
    use crate::run::event::Token;
    use crate::run::folders::fills::part::FillPart;

    const AT: Micros = Micros(1_000_000);

    /// A folder that was listed, and what the server shows of it when nothing happened since.
    fn listed() -> (Folder, Examined) {
        let mut row = FolderRow::new(FolderId(1), b"B".into(), "B".into(), None, Micros(1));
        let mark = Mark { uidnext: 9, exists: 5, modseq: 7 };
        let uidvalidity = UidValidity(3);
        let mut lanes = Lanes::opened(uidvalidity, mark, None);
        lanes.backfill.remaining = UidSet::new();
        lanes.live.flags = Some(FlagsMark { modseq: 7, listed_at: Micros(2) });
        lanes.live.compared_at = Some(Micros(2));
        row.lanes = Some(lanes);
        (row.passed_at, row.proved_at) = (Some(Micros(2)), Some(Micros(2)));
        let shown = Examined {
            uidvalidity,
            uidnext: 9,
            inferred: false,
            exists: 5,
            modseq: 7,
            mailbox: None,
        };
        (Folder::new(row).unwrap(), shown)
    }

    #[test]
    fn what_is_shown_must_be_what_was_left() {
        let (folder, shown) = listed();
        assert!(is_unchanged(&folder, &shown, AT));
        for (what, shown) in [
            ("uidvalidity", Examined { uidvalidity: UidValidity(4), ..shown }),
            ("uidnext", Examined { uidnext: 10, ..shown }),
            ("exists", Examined { exists: 4, ..shown }),
            ("a higher modseq", Examined { modseq: 8, ..shown }),
            ("a lower modseq", Examined { modseq: 6, ..shown }),
            ("no modseq", Examined { modseq: 0, ..shown }),
            ("a UIDNEXT that was inferred", Examined { inferred: true, ..shown }),
        ] {
            assert!(!is_unchanged(&folder, &shown, AT), "{what}");
        }
        let day = Micros(24 * 3600 * 1_000_000);
        assert!(is_unchanged(&folder, &shown, Micros(day.0 + 1)));
        assert!(!is_unchanged(&folder, &shown, Micros(day.0 + 2)), "it was listed a day ago");
        assert!(!is_unchanged(&folder, &shown, Micros(1)), "the clock was set back");
    }

    fn look() -> FolderLook {
        let (uidvalidity, ends) = (UidValidity(3), UidSet::range(1, 1));
        FolderLook { uidvalidity, ends, session: SessionId(1), at: Micros(2) }
    }

    fn misfit() -> Misfit {
        let (uidvalidity, listed) = (UidValidity(3), UidSet::new());
        Misfit { uidvalidity, listed, surplus: 1, session: SessionId(1), at: Micros(2) }
    }

    fn refused() -> RefusedLook {
        RefusedLook { session: SessionId(1), at: Micros(2) }
    }

    fn pages() -> FillPart {
        FillPart::of_page(Token(1))
    }

    /// What makes a folder another one.
    type Spoil = fn(&mut Folder);

    #[test]
    fn whatever_is_open_is_looked_at() {
        let spoils: [(&str, Spoil); 17] = [
            ("flags never listed", |f| f.lanes.live.flags = None),
            ("what was listed was gone", |f| f.listing.lacked = true),
            ("no modseq then", |f| {
                f.lanes.live.flags = Some(FlagsMark { modseq: 0, listed_at: Micros(2) });
            }),
            ("flags compared up to another", |f| {
                f.lanes.live.flags = Some(FlagsMark { modseq: 6, listed_at: Micros(2) });
            }),
            ("not compared today", |f| f.lanes.live.compared_at = Some(Micros(2_000_000))),
            ("arrivals", |f| f.lanes.live.uidnext = 8),
            ("something has ended", |f| f.lanes.live.ended = true),
            ("history", |f| f.lanes.backfill.remaining = UidSet::range(1, 2)),
            ("never passed", |f| f.row.passed_at = None),
            ("never proved", |f| f.row.proved_at = None),
            ("a first look", |f| f.row.look = Some(look())),
            ("a misfit", |f| f.row.misfit = Some(misfit())),
            ("a surplus", |f| f.row.surplus = 1),
            ("unproved", |f| f.row.unproved = Some("x".into())),
            ("refused", |f| f.row.stalled_at = Some(Micros(2))),
            ("refused once", |f| f.row.refused = Some(refused())),
            ("a page on its way", |f| f.fill = pages()),
        ];
        for (what, spoil) in spoils {
            let (mut folder, shown) = listed();
            spoil(&mut folder);
            assert!(!is_unchanged(&folder, &shown, AT), "{what}");
        }
    }

    /// Counting proves what came only where all that came before is known.
    #[test]
    fn only_of_a_folder_that_rests_mail_is_counted() {
        let (folder, shown) = listed();
        assert_eq!(counted(&folder, &shown), Some(UidSet::new()));
        let more = Examined { uidnext: 11, exists: 7, ..shown };
        assert_eq!(counted(&folder, &more), Some(UidSet::range(9, 10)));
        for (what, shown) in [
            ("a UIDNEXT that was inferred", Examined { inferred: true, ..more }),
            ("one that went", Examined { exists: 6, ..more }),
            ("one too many", Examined { exists: 8, ..more }),
            ("a UIDNEXT that has fallen", Examined { uidnext: 8, exists: 4, ..shown }),
        ] {
            assert_eq!(counted(&folder, &shown), None, "{what}");
        }
        let spoils: [(&str, Spoil); 8] = [
            ("a mark that was cleared", |f| f.lanes.live.mark = Mark::CLEARED),
            ("something has ended", |f| f.lanes.live.ended = true),
            ("never passed", |f| f.row.passed_at = None),
            ("arrivals", |f| f.lanes.live.uidnext = 8),
            ("a first look", |f| f.row.look = Some(look())),
            ("a misfit", |f| f.row.misfit = Some(misfit())),
            ("a page on its way", |f| f.fill = pages()),
            ("never proved", |f| f.row.proved_at = None),
        ];
        for (what, spoil) in spoils {
            let (mut folder, _) = listed();
            spoil(&mut folder);
            assert_eq!(counted(&folder, &more), None, "{what}");
        }
        let goes_on: [(&str, Spoil); 2] = [
            ("history", |f| f.lanes.backfill.remaining = UidSet::one(3)),
            ("a reason why it is not proved", |f| f.row.unproved = Some("x".into())),
        ];
        for (what, spoil) in goes_on {
            let (mut folder, _) = listed();
            folder.row.proved_at = None;
            spoil(&mut folder);
            assert!(counted(&folder, &more).is_some(), "{what}");
        }
    }

    /// A folder that never had a message is passed unopened, and no other.
    #[test]
    fn empty_is_what_never_had_a_message() {
        let new = || {
            let (mut folder, shown) = listed();
            folder.lanes.live.mark = Mark { uidnext: 1, exists: 0, modseq: 7 };
            folder.row.passed_at = None;
            (folder, Examined { uidnext: 1, exists: 0, ..shown })
        };
        let (folder, shown) = new();
        assert!(is_empty(&folder, &shown));
        for (what, shown) in [
            ("it had one", Examined { uidnext: 2, ..shown }),
            ("it has one", Examined { exists: 1, ..shown }),
            ("other numbers", Examined { uidvalidity: UidValidity(4), ..shown }),
            ("another modseq", Examined { modseq: 8, ..shown }),
        ] {
            assert!(!is_empty(&folder, &shown), "{what}");
        }
        let spoils: [(&str, Spoil); 7] = [
            ("passed", |f| f.row.passed_at = Some(Micros(2))),
            ("something is held", |f| f.row.held = true),
            ("it stands still", |f| f.row.stalled_at = Some(Micros(2))),
            ("it was refused once", |f| f.row.refused = Some(refused())),
            ("it was opened with another UIDNEXT", |f| f.lanes.live.mark.uidnext = 2),
            ("it was opened with a message", |f| f.lanes.live.mark.exists = 1),
            ("it was opened with another modseq", |f| f.lanes.live.mark.modseq = 6),
        ];
        for (what, spoil) in spoils {
            let (mut folder, shown) = new();
            spoil(&mut folder);
            assert!(!is_empty(&folder, &shown), "{what}");
        }
        // Of counters that both show a message that came and went, neither is that.
        let (mut folder, shown) = new();
        (folder.lanes.live.mark.uidnext, folder.lanes.live.mark.exists) = (2, 0);
        assert!(!is_empty(&folder, &Examined { uidnext: 2, ..shown }));
    }
}
