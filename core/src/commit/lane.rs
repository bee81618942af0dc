//! The commit rules: whether a commit follows from the stored rows, and which rows it leaves.

use crate::commit::request::{Change, Refusal};
use crate::commit::rows::{AccountRow, FolderRow};
use crate::mail::cursor::{Backfill, Live, Mark};
use crate::mail::id::{FolderId, Incarnation};
use crate::mail::uid_set::UidSet;

/// The account's and the folder's row after an admitted commit; messages are the ledger's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The account row.
    pub account: AccountRow,
    /// The folder row; `None` when the commit is not about one, or has dropped it.
    pub folder: Option<FolderRow>,
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
    let mut account = account.clone();
    let mut folder = folder.cloned();
    match change {
        Change::Open { folder: listed, uidvalidity, mark, started } => {
            if folder.is_some() {
                return Err(Refusal::Open);
            }
            folder = Some(FolderRow {
                id: new_folder,
                remote_id: listed.remote_id.clone(),
                path: listed.path.clone(),
                role: listed.role,
                live: Live { uidvalidity: *uidvalidity, uidnext: mark.uidnext, mark: *mark },
                backfill: Backfill {
                    uidvalidity: *uidvalidity,
                    boundary: mark.uidnext,
                    remaining: UidSet::range(1, mark.uidnext.saturating_sub(1)),
                    old_before: account.listed_at,
                },
                opened_at: *started,
                passed_at: None,
                proved_at: None,
                unproved: None,
                look: None,
                failures: UidSet::new(),
                excluded: false,
            });
            account.opened_at.get_or_insert(*started);
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
        Change::Facts { uidvalidity, gone, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            row.failures = row.failures.minus(gone);
        }
        Change::Look { look, .. } => {
            let row = same_uidvalidity(folder.as_mut(), look.uidvalidity)?;
            row.look = Some(look.clone());
        }
        Change::Pass { uidvalidity, from, to, put_back, started, unproved, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if row.live.mark != *from {
                return Err(Refusal::Chain);
            }
            row.live.mark = *to;
            row.live.uidnext = row.live.uidnext.max(to.uidnext);
            row.backfill.remaining = row.backfill.remaining.union(put_back);
            // A listing that was believed against EXISTS is believed again while it stays the same.
            row.look = row.look.take().filter(|_| unproved.is_some());
            row.passed_at = Some(*started);
            row.unproved = unproved.clone();
            if unproved.is_none() && row.backfill.remaining.is_empty() {
                row.proved_at = Some(*started);
            }
        }
        Change::Rename { uidvalidity, to, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            row.remote_id.clone_from(&to.remote_id);
            row.path.clone_from(&to.path);
            row.role = to.role;
            row.live.mark = Mark::CLEARED;
            row.look = None;
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
        Change::Listed { started, .. } => {
            account.listed_at = Some(*started);
            account.list_look = None;
        }
        Change::Fail { folder: about, .. } => {
            if about.is_some() && folder.is_none() {
                return Err(Refusal::Missing);
            }
        }
        Change::State { .. } | Change::Finish(_) => {}
    }
    Ok(Admitted { account, folder })
}

fn same_uidvalidity(
    folder: Option<&mut FolderRow>,
    uidvalidity: crate::mail::id::UidValidity,
) -> Result<&mut FolderRow, Refusal> {
    let row = folder.ok_or(Refusal::Missing)?;
    if row.live.uidvalidity == uidvalidity { Ok(row) } else { Err(Refusal::UidValidity) }
}

fn settle_failures(row: &mut FolderRow, page: &crate::mail::page::Page) {
    let fetched: UidSet = page.rows.iter().map(|r| r.uid).collect();
    let failed: UidSet = page.failed.iter().map(|f| f.uid).collect();
    row.failures = row.failures.minus(&fetched).minus(&page.gone).union(&failed);
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
        AccountRow { id: AccountId(1), incarnation: Incarnation(3), opened_at: None, listed_at: None, list_look: None }
    }

    fn open() -> Change {
        let folder = crate::mail::change::ListedFolder {
            remote_id: b"INBOX".to_vec(),
            path: "INBOX".into(),
            delimiter: None,
            role: None,
        };
        Change::Open { folder, uidvalidity: V, mark: mark(11), started: Micros(5) }
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
}
