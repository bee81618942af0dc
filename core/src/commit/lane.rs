//! The commit rules: whether a commit follows from the stored rows, and which rows it leaves.

use crate::commit::change::{AccountChange, Change, FolderChange, Refusal};
use crate::commit::rows::{AccountRow, FolderRow, Shut};
use crate::mail::cursor::{Lanes, Mark};
use crate::mail::id::{FolderId, Incarnation};
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use std::time::Duration;

/// A shut folder is asked again after these, the last one again and again.
const SHUT: [Duration; 2] = [Duration::from_secs(3600), Duration::from_secs(86_400)];
/// INBOX, and a name that tells nothing.
const STANDING: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];
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

/// Applies the rules to a change of the instant `at`. `new_folder` is the number a folder gets when
/// this opens one.
///
/// # Errors
/// [`Refusal`] when the commit does not follow; nothing is to be written then.
///
/// # Invariants
/// INV-1 a cursor never passes what is not in the same commit · INV-2 a range leaves `remaining`
/// once · INV-3 the chain has no gaps and no forks.
pub fn admit(
    account: &AccountRow,
    folder: Option<&FolderRow>,
    incarnation: Incarnation,
    change: &Change,
    at: Micros,
    new_folder: FolderId,
) -> Result<Admitted, Refusal> {
    if account.incarnation != incarnation {
        return Err(Refusal::Incarnation);
    }
    let first_opening =
        matches!(change, Change::Folder(FolderChange::Open { .. })) && account.opened_at.is_none();
    let mut account = account.clone();
    account.stamped_at = account.stamped_at.max(Some(at));
    let folder = folder.cloned();
    let mut folder = match change {
        Change::Folder(change) => admit_folder(&mut account, folder, change, new_folder, at)?,
        Change::Account(change) => admit_account(&mut account, folder, change)?,
        // Its rules are its own: `commit::feed`.
        Change::Feed(_) => folder,
    };
    // Nothing is left out of what is no failure any more.
    if let Some(row) = folder.as_mut().filter(|row| !row.left_out.is_empty()) {
        row.left_out = row.left_out.intersect(&row.failures);
    }
    Ok(Admitted { account, folder, first_opening })
}

/// The rules of a folder's lanes. Returns its row; none when it is dropped.
fn admit_folder(
    account: &mut AccountRow,
    mut folder: Option<FolderRow>,
    change: &FolderChange,
    new_folder: FolderId,
    at: Micros,
) -> Result<Option<FolderRow>, Refusal> {
    match change {
        FolderChange::Open { folder: listed, uidvalidity, mark, started, newest, names } => {
            if folder.is_some() {
                return Err(Refusal::Open);
            }
            // Shut until now: what came after it was first listed is news.
            let shut = account.shut.remove(&listed.remote_id).map(|shut| shut.first_at);
            let (remote_id, path) = (listed.remote_id.clone(), listed.path.clone());
            folder = Some(FolderRow {
                lanes: Some(Lanes::opened(*uidvalidity, *mark, earlier(account.listed_at, shut))),
                ..FolderRow::new(new_folder, remote_id, path, listed.role, *started)
            });
            if account.opened_at.is_none() {
                account.names = *names;
            }
            // A clock that is ahead would hide new mail for as long as it is.
            let bound = newest.map(|date| date.plus(NEWEST_MARGIN));
            account.opened_at.get_or_insert(bound.map_or(*started, |bound| bound.min(*started)));
        }
        FolderChange::Reopen { from, uidvalidity, mark, started, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *from)?;
            if row.held || !row.failures.is_empty() {
                return Err(Refusal::UidValidity);
            }
            let before = lanes(&mut row.lanes)?.backfill.old_before;
            row.lanes =
                Some(Lanes::opened(*uidvalidity, *mark, earlier(before, Some(row.opened_at))));
            row.opened_at = *started;
            row.grown_at = Some(*started);
            (row.passed_at, row.proved_at, row.unproved) = (None, None, None);
            (row.look, row.misfit, row.surplus) = (None, None, 0);
        }
        FolderChange::Arrivals { uidvalidity, from, to, page, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            let live = &mut lanes(&mut row.lanes)?.live;
            if live.uidnext != *from || *to < *from {
                return Err(Refusal::Chain);
            }
            live.uidnext = *to;
            settle_failures(row, page);
        }
        FolderChange::Backfill { uidvalidity, range, page, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            let lane = &mut lanes(&mut row.lanes)?.backfill;
            if !lane.remaining.contains_all(range) {
                return Err(Refusal::Range);
            }
            lane.remaining = lane.remaining.minus(range);
            lane.again = lane.again.minus(range);
            settle_failures(row, page);
        }
        FolderChange::Retry { uidvalidity, uids, page, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if !row.failures.contains_all(uids) {
                return Err(Refusal::Failures);
            }
            // What was kept since an earlier session has the flags of then, and no listing after it
            // could tell a failure other ones: the next pass lists.
            if !page.rows.is_empty() {
                lanes(&mut row.lanes)?.live.flags = None;
            }
            settle_failures(row, page);
        }
        FolderChange::Facts { uidvalidity, gone, again, started, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            let lanes = lanes(&mut row.lanes)?;
            row.failures = row.failures.minus(gone);
            lanes.live.ended |= !gone.is_empty();
            if !again.is_empty() {
                lanes.backfill.remaining = lanes.backfill.remaining.union(again);
                row.grown_at = Some(*started);
            }
        }
        FolderChange::Look { look, .. } => {
            // A re-match looks under the UIDVALIDITY that is to come.
            let row = folder.as_mut().ok_or(Refusal::Missing)?;
            row.look = Some(look.clone());
        }
        FolderChange::Misfit { misfit, .. } => {
            let row = folder.as_mut().ok_or(Refusal::Missing)?;
            row.misfit = Some(misfit.clone());
        }
        FolderChange::Pass {
            uidvalidity,
            from,
            chain,
            to,
            put_back,
            started,
            told,
            unproved,
            surplus,
            rewind,
            compared,
            flags,
            mailbox,
            ..
        } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            let lanes = lanes(&mut row.lanes)?;
            if lanes.live.mark != *from || lanes.live.uidnext != *chain {
                return Err(Refusal::Chain);
            }
            lanes.live.mark = *to;
            lanes.live.ended = false;
            match rewind {
                Some(top) => lanes.take_back(*top, row.opened_at),
                None => lanes.live.uidnext = lanes.live.uidnext.max(to.uidnext),
            }
            lanes.live.flags = flags.or(lanes.live.flags);
            lanes.live.mailbox = mailbox.or(lanes.live.mailbox);
            if *compared {
                lanes.live.compared_at = Some(*started);
            }
            if !put_back.is_empty() {
                lanes.backfill.remaining = lanes.backfill.remaining.union(put_back);
                row.grown_at = Some(*started);
            }
            (row.look, row.misfit, row.surplus) = (None, None, *surplus);
            account.shut.remove(&row.remote_id);
            row.stalled_at = None;
            if !told {
                row.passed_at = Some(*started);
            }
            row.unproved = unproved.clone();
            if unproved.is_none() && row.is_read() {
                row.proved_at = Some(*started);
            }
        }
        FolderChange::Rematch {
            from,
            remote_id,
            to,
            mark,
            pairs,
            remaining,
            surplus,
            started,
            ..
        } => {
            let row = same_uidvalidity(folder.as_mut(), *from)?;
            if row.remote_id != *remote_id {
                return Err(Refusal::Chain);
            }
            let sight = row.passed_at.unwrap_or(row.opened_at);
            lanes(&mut row.lanes)?.renumber(*to, *mark, remaining.clone(), sight, *started);
            (row.failures, row.held) = (UidSet::new(), !pairs.is_empty());
            (row.look, row.misfit, row.surplus, row.unproved) = (None, None, *surplus, None);
            // What was lost elsewhere until now may lie in what remains.
            row.grown_at = Some(at);
            row.stalled_at = None;
            account.shut.remove(remote_id);
        }
        FolderChange::Rename { uidvalidity, from, to, .. } => {
            let row = same_uidvalidity(folder.as_mut(), *uidvalidity)?;
            if row.remote_id != *from {
                return Err(Refusal::Chain);
            }
            account.shut.remove(from);
            account.shut.remove(&to.remote_id);
            row.remote_id.clone_from(&to.remote_id);
            row.path.clone_from(&to.path);
            row.role = to.role;
            let live = &mut lanes(&mut row.lanes)?.live;
            (live.mark, live.flags) = (Mark::CLEARED, None);
            (row.look, row.misfit, row.refused) = (None, None, None);
        }
        FolderChange::DropFolder { uids, last, .. } => {
            let row = folder.as_mut().ok_or(Refusal::Missing)?;
            row.failures = if *last { UidSet::new() } else { row.failures.minus(uids) };
            if *last {
                if let Some(look) = &mut account.list_look {
                    look.missing.remove(&row.id);
                }
                account.list_look.take_if(|look| look.missing.is_empty());
                folder = None;
            }
        }
    }
    Ok(folder)
}

/// The rules of an account's own rows. Returns the row of the folder that is named, if one is.
fn admit_account(
    account: &mut AccountRow,
    mut folder: Option<FolderRow>,
    change: &AccountChange,
) -> Result<Option<FolderRow>, Refusal> {
    match change {
        AccountChange::ListLook(look) => account.list_look = Some(look.clone()),
        AccountChange::Listed { started, unlisted, .. } => {
            account.listed_at = Some(*started);
            account.list_look = None;
            account.shut.retain(|name, _| !unlisted.contains(name));
        }
        AccountChange::Shut { remote_id, path, folder: about, seen, at, soon, .. } => {
            if about.is_some() && folder.is_none() {
                return Err(Refusal::Missing);
            }
            let before = account.shut.get(remote_id).copied();
            let attempts = before.map_or(1, |shut| shut.attempts.saturating_add(1));
            let is_live = path.eq_ignore_ascii_case("INBOX");
            let waits: &[Duration] = if *soon || is_live { &STANDING } else { &SHUT };
            let times = usize::try_from(attempts).unwrap_or(usize::MAX).min(waits.len());
            let wait = waits.get(times.saturating_sub(1)).copied().unwrap_or_default();
            let first_at = before.map_or(*seen, |shut| shut.first_at);
            let shut = Shut { first_at, attempts, due_at: at.plus(wait) };
            account.shut.insert(remote_id.clone(), shut);
            if let Some(row) = &mut folder {
                row.stalled_at = Some(*at);
            }
        }
        AccountChange::Refused { look, .. } => {
            folder.as_mut().ok_or(Refusal::Missing)?.refused = *look;
        }
        AccountChange::SizesEstimated => account.sizes_estimated = true,
        AccountChange::Fail { folder: about, at, .. } => {
            if about.is_some() && folder.is_none() {
                return Err(Refusal::Missing);
            }
            if let Some(row) = &mut folder {
                row.stalled_at = Some(*at);
            }
        }
        AccountChange::Note(_)
        | AccountChange::Asked(_)
        | AccountChange::Threads(_)
        | AccountChange::Stand { .. }
        | AccountChange::Finish(_) => {}
    }
    Ok(folder)
}

fn same_uidvalidity(
    folder: Option<&mut FolderRow>,
    uidvalidity: crate::mail::id::UidValidity,
) -> Result<&mut FolderRow, Refusal> {
    let row = folder.ok_or(Refusal::Missing)?;
    if row.uidvalidity() == uidvalidity { Ok(row) } else { Err(Refusal::UidValidity) }
}

/// What has no lanes has no UIDs that a commit could name.
fn lanes(lanes: &mut Option<Lanes>) -> Result<&mut Lanes, Refusal> {
    lanes.as_mut().ok_or(Refusal::UidValidity)
}

fn earlier(a: Option<Micros>, b: Option<Micros>) -> Option<Micros> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn settle_failures(row: &mut FolderRow, page: &crate::mail::page::Page) {
    let fetched: UidSet = page.rows.iter().map(|r| r.uid).collect();
    let failed: UidSet = page.failed.iter().map(|f| f.uid).collect();
    row.failures = row.failures.minus(&fetched).minus(&page.gone).union(&failed);
    row.held |= !fetched.is_empty() || !failed.is_empty();
}

#[cfg(test)]
mod tests;
