//! The commit rules: whether a commit follows from the stored rows, and which rows it leaves.

use crate::commit::change::{Change, Refusal};
use crate::commit::rows::{AccountRow, FolderRow, Shut};
use crate::mail::cursor::{Backfill, Live, Mark};
use crate::mail::id::{FolderId, Incarnation};
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use std::time::Duration;

/// A shut folder is asked again after this, then daily.
const SHUT_FIRST: Duration = Duration::from_secs(3600);
const SHUT_THEN: Duration = Duration::from_secs(86_400);
/// How far the newest mail of INBOX may lie behind a right clock when an account is opened.
const NEWEST_MARGIN: Duration = Duration::from_secs(86_400);

/// The account's and the folder's row after an admitted commit; messages are the ledger's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The account row.
    pub account: AccountRow,
    /// The folder row; `None` when the commit is not about one, or has dropped it.
    pub folder: Option<FolderRow>,
    /// It is the account's first: from here on its events are told.
    pub first_opening: bool,
}

/// Applies the rules. `new_folder` is the number a folder gets when this opens one.
///
/// # Errors
/// [`Refusal`] when the commit does not follow; nothing is to be written then.
///
/// # Invariants
/// INV-1 a cursor never passes what is not in the same commit · INV-2 a range leaves `remaining` once ·
/// INV-3 the chain has no gaps and no forks.
pub fn admit(
    account: &AccountRow,
    folder: Option<&FolderRow>,
    incarnation: Incarnation,
    change: &Change,
    new_folder: FolderId,
) -> Result<Admitted, Refusal> {
    if account.incarnation != incarnation {
        return Err(Refusal::Incarnation);
    }
    let first_opening = matches!(change, Change::Open { .. }) && account.opened_at.is_none();
    let mut account = account.clone();
    let mut folder = folder.cloned();
    match change {
        Change::Open { folder: listed, uidvalidity, mark, started, newest } => {
            if folder.is_some() {
                return Err(Refusal::Open);
            }
            // Shut until now: what came after it was first listed is news.
            let shut = account.shut.remove(&listed.remote_id).map(|shut| shut.first_at);
            folder = Some(FolderRow {
                id: new_folder,
                remote_id: listed.remote_id.clone(),
                path: listed.path.clone(),
                role: listed.role,
                live: Live { uidvalidity: *uidvalidity, uidnext: mark.uidnext, mark: *mark, ended: false },
                backfill: Backfill {
                    uidvalidity: *uidvalidity,
                    boundary: mark.uidnext,
                    remaining: UidSet::range(1, mark.uidnext.saturating_sub(1)),
                    old_before: earlier(account.listed_at, shut),
                },
                opened_at: *started,
                passed_at: None,
                proved_at: None,
                unproved: None,
                look: None,
                misfit: None,
                surplus: 0,
                grown_at: None,
                failures: UidSet::new(),
                held: false,
                stalled_at: None,
                excluded: false,
            });
            // A clock that is ahead would hide new mail for as long as it is.
            let bound = newest.map(|date| date.plus(NEWEST_MARGIN));
            account.opened_at.get_or_insert(bound.map_or(*started, |bound| bound.min(*started)));
        }
        Change::Reopen { from, uidvalidity, mark, started, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *from)?;
            if row.held || !row.failures.is_empty() {
                return Err(Refusal::UidValidity);
            }
            row.live = Live { uidvalidity: *uidvalidity, uidnext: mark.uidnext, mark: *mark, ended: false };
            row.backfill = Backfill {
                uidvalidity: *uidvalidity,
                boundary: mark.uidnext,
                remaining: UidSet::range(1, mark.uidnext.saturating_sub(1)),
                old_before: Some(row.backfill.old_before.map_or(row.opened_at, |old| old.min(row.opened_at))),
            };
            row.opened_at = *started;
            row.grown_at = Some(*started);
            (row.passed_at, row.proved_at, row.unproved) = (None, None, None);
            (row.look, row.misfit, row.surplus) = (None, None, 0);
        }
        Change::Arrivals { uidvalidity, from, to, page, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if row.live.uidnext != *from || *to < *from {
                return Err(Refusal::Chain);
            }
            row.live.uidnext = *to;
            settle_failures(row, page);
        }
        Change::Backfill { uidvalidity, range, page, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if !row.backfill.remaining.contains_all(range) {
                return Err(Refusal::Range);
            }
            row.backfill.remaining = row.backfill.remaining.minus(range);
            settle_failures(row, page);
        }
        Change::Retry { uidvalidity, uids, page, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if !row.failures.contains_all(uids) {
                return Err(Refusal::Failures);
            }
            settle_failures(row, page);
        }
        Change::Facts { uidvalidity, gone, again, started, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            row.failures = row.failures.minus(gone);
            row.live.ended |= !gone.is_empty();
            if !again.is_empty() {
                row.backfill.remaining = row.backfill.remaining.union(again);
                row.grown_at = Some(*started);
            }
        }
        Change::Look { look, .. } => {
            let row = same_uidvalidity(folder.as_mut(), look.uidvalidity)?;
            row.look = Some(look.clone());
        }
        Change::Misfit { misfit, .. } => {
            let row = same_uidvalidity(folder.as_mut(), misfit.uidvalidity)?;
            row.misfit = Some(misfit.clone());
        }
        Change::Pass { uidvalidity, from, to, put_back, started, unproved, surplus, rewind, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if row.live.mark != *from || rewind.is_some_and(|rewind| rewind.from != row.live.uidnext) {
                return Err(Refusal::Chain);
            }
            row.live.mark = *to;
            row.live.ended = false;
            match rewind {
                Some(rewind) => take_back(row, rewind.to),
                None => row.live.uidnext = row.live.uidnext.max(to.uidnext),
            }
            if !put_back.is_empty() {
                row.backfill.remaining = row.backfill.remaining.union(put_back);
                row.grown_at = Some(*started);
            }
            (row.look, row.misfit, row.surplus) = (None, None, *surplus);
            account.shut.remove(&row.remote_id);
            row.stalled_at = None;
            row.passed_at = Some(*started);
            row.unproved = unproved.clone();
            if unproved.is_none() && row.backfill.remaining.is_empty() {
                row.proved_at = Some(*started);
            }
        }
        Change::Rename { uidvalidity, from, to, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if row.remote_id != *from {
                return Err(Refusal::Chain);
            }
            account.shut.remove(from);
            account.shut.remove(&to.remote_id);
            row.remote_id.clone_from(&to.remote_id);
            row.path.clone_from(&to.path);
            row.role = to.role;
            row.live.mark = Mark::CLEARED;
            (row.look, row.misfit) = (None, None);
        }
        Change::ListLook(look) => account.list_look = Some(look.clone()),
        Change::DropFolder { uids, last, .. } => {
            let row = folder.as_mut().ok_or(Refusal::Missing)?;
            row.failures = if *last { UidSet::new() } else { row.failures.minus(uids) };
            if *last {
                if let Some(look) = &mut account.list_look {
                    look.missing.remove(&row.id);
                }
                account.list_look = account.list_look.filter(|look| !look.missing.is_empty());
                folder = None;
            }
        }
        Change::Listed { started, unlisted, .. } => {
            account.listed_at = Some(*started);
            account.list_look = None;
            account.shut.retain(|name, _| !unlisted.contains(name));
        }
        Change::Shut { remote_id, folder: about, seen, at, .. } => {
            if about.is_some() && folder.is_none() {
                return Err(Refusal::Missing);
            }
            let before = account.shut.get(remote_id).copied();
            let wait = if before.is_none() { SHUT_FIRST } else { SHUT_THEN };
            let shut = Shut {
                first_at: before.map_or(*seen, |shut| shut.first_at),
                attempts: before.map_or(1, |shut| shut.attempts.saturating_add(1)),
                due_at: at.plus(wait),
            };
            account.shut.insert(remote_id.clone(), shut);
            if let Some(row) = &mut folder {
                row.stalled_at = Some(*at);
            }
        }
        Change::SizesEstimated => account.sizes_estimated = true,
        Change::Fail { folder: about, at, .. } => {
            if about.is_some() && folder.is_none() {
                return Err(Refusal::Missing);
            }
            if let Some(row) = &mut folder {
                row.stalled_at = Some(*at);
            }
        }
        Change::Note(_) | Change::Stand { .. } | Change::Finish(_) => {}
    }
    Ok(Admitted { account, folder, first_opening })
}

fn same_uidvalidity(
    folder: Option<&mut FolderRow>,
    uidvalidity: crate::mail::id::UidValidity,
) -> Result<&mut FolderRow, Refusal> {
    let row = folder.ok_or(Refusal::Missing)?;
    if row.live.uidvalidity == uidvalidity { Ok(row) } else { Err(Refusal::UidValidity) }
}

fn earlier(a: Option<Micros>, b: Option<Micros>) -> Option<Micros> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// UIDNEXT has fallen, and a whole listing says what is there: `uidnext` goes to one above the highest UID that is held or
/// listed. It never goes below what we have seen, so that a wrong one loses nothing. A boundary that was a lie goes with it:
/// below it only mail older than the folder's opening is old.
fn take_back(row: &mut FolderRow, top: u32) {
    row.live.uidnext = top;
    row.backfill.remaining = row.backfill.remaining.intersect(&UidSet::range(1, top.saturating_sub(1)));
    if row.backfill.boundary > top {
        row.backfill.boundary = top;
        row.backfill.old_before = earlier(row.backfill.old_before, Some(row.opened_at));
    }
}

fn settle_failures(row: &mut FolderRow, page: &crate::mail::page::Page) {
    let fetched: UidSet = page.rows.iter().map(|r| r.uid).collect();
    let failed: UidSet = page.failed.iter().map(|f| f.uid).collect();
    row.failures = row.failures.minus(&fetched).minus(&page.gone).union(&failed);
    row.held |= !fetched.is_empty() || !failed.is_empty();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::cursor::Mark;
    use crate::mail::id::{AccountId, UidValidity};
    use crate::mail::page::Page;
    use crate::time::Micros;

    const V: UidValidity = UidValidity(9);

    fn mark(uidnext: u32) -> Mark {
        Mark { uidnext, exists: uidnext - 1, modseq: 0 }
    }

    fn account() -> AccountRow {
        AccountRow::fresh(AccountId(1), Incarnation(3))
    }

    fn open() -> Change {
        let folder = crate::mail::folder::ListedFolder {
            remote_id: b"INBOX".to_vec(),
            path: "INBOX".into(),
            delimiter: None,
            role: None,
        };
        Change::Open { folder, uidvalidity: V, mark: mark(11), started: Micros(5), newest: None }
    }

    fn admit_on(folder: Option<&FolderRow>, change: &Change) -> Result<Option<FolderRow>, Refusal> {
        admit(&account(), folder, Incarnation(3), change, FolderId(1)).map(|a| a.folder)
    }

    fn opened() -> FolderRow {
        admit_on(None, &open()).unwrap().unwrap()
    }

    fn arrivals(uidvalidity: UidValidity, from: u32, to: u32) -> Change {
        Change::Arrivals { folder: FolderId(1), uidvalidity, from, to, page: Page::default() }
    }

    fn backfill(a: u32, b: u32) -> Change {
        Change::Backfill { folder: FolderId(1), uidvalidity: V, range: UidSet::range(a, b), page: Page::default() }
    }

    fn pass(from: u32, to: u32, put_back: UidSet) -> Change {
        Change::Pass {
            folder: FolderId(1),
            uidvalidity: V,
            from: mark(from),
            to: mark(to),
            put_back,
            started: Micros(7),
            unproved: None,
            surplus: 0,
            rewind: None,
        }
    }

    #[test]
    fn opening_fixes_the_boundary_and_happens_once() {
        let row = opened();
        assert_eq!(
            (row.live.uidnext, row.backfill.boundary, row.backfill.remaining.to_string()),
            (11, 11, "1:10".to_owned())
        );
        assert_eq!(admit_on(Some(&row), &open()), Err(Refusal::Open));
    }

    #[test]
    fn an_old_incarnation_changes_nothing() {
        let answer = admit(&account(), Some(&opened()), Incarnation(2), &arrivals(V, 11, 12), FolderId(1));
        assert_eq!(answer, Err(Refusal::Incarnation));
    }

    #[test]
    fn live_is_a_chain() {
        let row = opened();
        let next = admit_on(Some(&row), &arrivals(V, 11, 15)).unwrap().unwrap();
        assert_eq!(next.live.uidnext, 15);
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
        assert!(both.backfill.remaining.is_empty());
        assert_eq!(admit_on(Some(&upper), &backfill(5, 6)), Err(Refusal::Range));
    }

    #[test]
    fn the_mark_is_compared_and_raises_uidnext() {
        let row = opened();
        assert_eq!(admit_on(Some(&row), &pass(10, 12, UidSet::new())), Err(Refusal::Chain));
        let next = admit_on(Some(&row), &pass(11, 14, UidSet::new())).unwrap().unwrap();
        assert_eq!((next.live.uidnext, next.live.mark, next.proved_at), (14, mark(14), None));
        let all = admit_on(Some(&next), &backfill(1, 10)).unwrap().unwrap();
        let proved = admit_on(Some(&all), &pass(14, 14, UidSet::new())).unwrap().unwrap();
        assert_eq!(proved.proved_at, Some(Micros(7)));
        let hole = admit_on(Some(&proved), &pass(14, 14, UidSet::one(3))).unwrap().unwrap();
        assert_eq!(hole.backfill.remaining.to_string(), "3");
    }

    #[test]
    fn a_retry_takes_its_failures() {
        let mut row = opened();
        row.failures = UidSet::one(4);
        let retry = |uids| Change::Retry {
            folder: FolderId(1),
            uidvalidity: V,
            uids,
            page: Page { gone: UidSet::one(4), ..Page::default() },
        };
        assert_eq!(admit_on(Some(&row), &retry(UidSet::range(4, 5))), Err(Refusal::Failures));
        assert!(admit_on(Some(&row), &retry(UidSet::one(4))).unwrap().unwrap().failures.is_empty());
    }

    #[test]
    fn another_uidvalidity_is_taken_only_where_nothing_is_held() {
        let row = opened();
        let reopen = || {
            let (from, uidvalidity, started) = (V, UidValidity(10), Micros(9));
            Change::Reopen { folder: FolderId(1), from, uidvalidity, mark: mark(21), started }
        };
        let anew = admit_on(Some(&row), &reopen()).unwrap().unwrap();
        assert_eq!((anew.live.uidvalidity, anew.backfill.boundary, anew.opened_at), (UidValidity(10), 21, Micros(9)));
        assert_eq!(anew.backfill.old_before, Some(Micros(5)), "mail that came since the first opening is new");
        let held = FolderRow { held: true, ..row.clone() };
        assert_eq!(admit_on(Some(&held), &reopen()), Err(Refusal::UidValidity));
        let failed = FolderRow { failures: UidSet::one(3), ..row };
        assert_eq!(admit_on(Some(&failed), &reopen()), Err(Refusal::UidValidity));
    }

    #[test]
    fn arrivals_go_upwards() {
        let row = opened();
        assert_eq!(admit_on(Some(&row), &arrivals(V, 11, 10)), Err(Refusal::Chain), "backwards");
        assert_eq!(admit_on(Some(&row), &arrivals(V, 11, 11)).unwrap().unwrap().live.uidnext, 11, "none came");
        assert!(!admit_on(Some(&row), &arrivals(V, 11, 13)).unwrap().unwrap().held, "holes are nothing held");
        let failed = crate::mail::page::Unfetched {
            uid: 12,
            class: crate::failure::Class::InvalidData,
            text: String::new(),
            again: crate::mail::page::Again::Spaced,
        };
        let page = Page { failed: vec![failed], ..Page::default() };
        let change = Change::Arrivals { folder: FolderId(1), uidvalidity: V, from: 11, to: 13, page };
        let row = admit_on(Some(&row), &change).unwrap().unwrap();
        assert!(row.held && row.failures.contains(12));
    }

    #[test]
    fn what_ended_clears_the_way_to_count() {
        let facts = |gone, again| {
            let (uidvalidity, flags, started) = (V, Vec::new(), Micros(8));
            Change::Facts { folder: FolderId(1), uidvalidity, flags, gone, again, started }
        };
        let row = opened();
        let told = admit_on(Some(&row), &facts(UidSet::new(), UidSet::new())).unwrap().unwrap();
        assert!(!told.live.ended && told.grown_at.is_none());
        let ended = admit_on(Some(&row), &facts(UidSet::one(3), UidSet::new())).unwrap().unwrap();
        assert!(ended.live.ended && ended.grown_at.is_none());
        let still = admit_on(Some(&ended), &facts(UidSet::new(), UidSet::new())).unwrap().unwrap();
        assert!(still.live.ended, "until a pass has marked it");
        let read = admit_on(Some(&row), &backfill(1, 10)).unwrap().unwrap();
        let again = admit_on(Some(&read), &facts(UidSet::range(3, 4), UidSet::one(4))).unwrap().unwrap();
        assert_eq!((again.backfill.remaining.to_string(), again.grown_at), ("4".into(), Some(Micros(8))));
    }

    #[test]
    fn a_uidnext_that_was_too_high_is_taken_back() {
        let back = |row: &FolderRow, from: u32, to: u32| {
            let rewind = Some(crate::commit::change::Rewind { from, to });
            let (uidvalidity, started, unproved) = (V, Micros(7), None);
            let (put_back, surplus) = (UidSet::new(), 0);
            let (folder, from, to) = (FolderId(1), row.live.mark, mark(to));
            admit_on(
                Some(row),
                &Change::Pass { folder, uidvalidity, from, to, put_back, started, unproved, surplus, rewind },
            )
        };
        let row = opened();
        assert_eq!(back(&row, 12, 6), Err(Refusal::Chain), "it starts from another");
        let lower = back(&row, 11, 6).unwrap().unwrap();
        assert_eq!((lower.live.uidnext, lower.backfill.boundary), (6, 6));
        assert_eq!((lower.backfill.remaining.to_string(), lower.backfill.old_before), ("1:5".into(), Some(Micros(5))));
        // The boundary itself was right: what lies below it stays old.
        let high = admit_on(Some(&row), &arrivals(V, 11, 40)).unwrap().unwrap();
        let same = back(&high, 40, 11).unwrap().unwrap();
        assert_eq!((same.live.uidnext, same.backfill.boundary, same.backfill.old_before), (11, 11, None));
    }

    #[test]
    fn the_earlier_of_two_instants() {
        let (early, late) = (Some(Micros(1)), Some(Micros(2)));
        assert_eq!((earlier(early, late), earlier(late, early)), (early, early));
        assert_eq!((earlier(None, late), earlier(early, None), earlier(None, None)), (late, early, None));
    }

    #[test]
    fn a_refusal_is_about_a_folder_that_is_there() {
        let (class, text, at) = (crate::failure::Class::Provider, String::new(), Micros(9));
        let fail = |folder| Change::Fail { folder, class, text: text.clone(), at };
        let shut = |folder| {
            let (remote_id, path, text, seen) = (b"X".to_vec(), String::new(), String::new(), Micros(1));
            Change::Shut { remote_id, path, folder, class, text, seen, at }
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
        let drop = Change::DropFolder { folder: FolderId(1), uids: UidSet::new(), last: true };
        for (looked, left) in [(look(&[1]), None), (look(&[1, 2]), Some(look(&[2])))] {
            let account = AccountRow { list_look: Some(looked), ..account() };
            let admitted = admit(&account, Some(&opened()), Incarnation(3), &drop, FolderId(9)).unwrap();
            assert_eq!((admitted.account.list_look, admitted.folder), (left, None));
        }
    }
}
