//! UIDs that were used again: where UIDNEXT has fallen (a backup was put back), what is listed
//! under UIDs that we hold may be other mail. Size and INTERNALDATE tell, a part of the folder at a
//! time; what differs ends, and its UID is read again.

use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Request, Sampled};
use crate::run::context::{RunEffects, RunView};
use crate::run::folders::folder::Folder;
use crate::run::folders::passes::sight::{Comparing, Pass, Seen};
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::reads::Query;
use std::collections::{BTreeMap, VecDeque};

/// Listed messages in a part.
const PART: usize = 5000;

/// Whether two are the same mail, as far as both are told. Sizes that are estimates say nothing.
fn differs(ours: &Sampled, theirs: &Sampled, estimated: bool) -> bool {
    let dates = ours.internal_date.zip(theirs.internal_date);
    (!estimated && ours.size != theirs.size) || dates.is_some_and(|(ours, theirs)| ours != theirs)
}

/// The listed UIDs in parts. Each is a question of two numbers, and has no more rows than it names.
fn parts(listed: &UidSet) -> VecDeque<(u32, u32)> {
    let (mut parts, mut first, mut count) = (VecDeque::new(), None, 0_usize);
    let mut last = 0;
    for uid in listed.iter() {
        first.get_or_insert(uid);
        (last, count) = (uid, count + 1);
        if count == PART {
            parts.extend(first.take().map(|first| (first, uid)));
            count = 0;
        }
    }
    parts.extend(first.map(|first| (first, last)));
    parts
}

impl FolderWork {
    /// The index came. Where UIDNEXT has fallen, where an earlier look has found other mail, and once
    /// a day, what we hold is compared.
    pub(in crate::run::folders) fn compare_or_go_on(
        &mut self,
        id: FolderId,
        mut seen: Seen,
        arrived: UidSet,
        cx: &mut Cx<'_>,
    ) {
        let ends_sessions =
            self.folders.get(&id).is_some_and(|f| self.ends_sessions(&f.row.remote_id));
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let listed = seen.rows.uids();
        let looked =
            folder.row.look.as_ref().is_some_and(|look| !look.ends.intersect(&listed).is_empty());
        let is_due = !folder.lanes.live.is_compared(folder.row.opened_at, seen.started);
        let doubted = seen.fell || looked || folder.is_other(&seen.examined);
        if !(doubted || (is_due && !ends_sessions)) || !folder.row.held {
            // Of nothing that is held nothing can be another's; and where sessions end at such
            // questions, once a day is enough.
            seen.compared = is_due;
            folder.pass = Some(Pass::Arriving { seen, todo: arrived });
            return;
        }
        let left = parts(&listed);
        self.compare_next(
            id,
            Box::new(Comparing {
                seen,
                doubted,
                arrived,
                part: (0, 0),
                ours: BTreeMap::new(),
                left,
            }),
            cx,
        );
    }

    /// The next part: our rows first.
    fn compare_next(&mut self, id: FolderId, mut comparing: Box<Comparing>, cx: &mut Cx<'_>) {
        let owner = self.pass_owner(id);
        let next = comparing.left.pop_front();
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let Some(part) = next else {
            let Comparing { mut seen, arrived, doubted, .. } = *comparing;
            // What the daily comparison was not told is asked for the next day again.
            if !doubted {
                seen.unsure.clear();
            }
            seen.compared = seen.unsure.is_empty();
            folder.pass = Some(Pass::Arriving { seen, todo: arrived });
            return;
        };
        comparing.part = part;
        folder.pass = Some(Pass::Comparing(comparing));
        cx.read(owner, Query::Sample { folder: id, part: Some(part) });
    }

    /// Our rows of the part: where there are some, the server's are asked.
    pub(in crate::run::folders) fn on_compare_rows(
        &mut self,
        id: FolderId,
        ours: Vec<Sampled>,
        cx: &mut Cx<'_>,
    ) {
        let owner = self.pass_owner(id);
        let Some(mut comparing) = self.take_comparing(id) else { return };
        if ours.is_empty() {
            return self.compare_next(id, comparing, cx);
        }
        comparing.ours = ours.into_iter().map(|row| (row.uid, row)).collect();
        let (uidvalidity, uids) = (
            comparing.seen.examined.uidvalidity,
            UidSet::range(comparing.part.0, comparing.part.1),
        );
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let remote_id = folder.row.remote_id.clone();
        folder.pass = Some(Pass::Comparing(comparing));
        cx.ask(owner, Request::Sample { remote_id, uidvalidity, uids });
    }

    /// The server's rows of the part.
    pub(in crate::run::folders) fn on_compared(
        &mut self,
        id: FolderId,
        theirs: &[Sampled],
        cx: &mut Cx<'_>,
    ) {
        let estimated = cx.account().sizes_estimated;
        let Some(mut comparing) = self.take_comparing(id) else { return };
        for row in theirs {
            if comparing.ours.remove(&row.uid).is_some_and(|ours| differs(&ours, row, estimated)) {
                comparing.seen.used_again.insert(row.uid);
            }
        }
        // What was listed and is not told now: nobody knows whose it was.
        comparing.seen.unsure.extend(std::mem::take(&mut comparing.ours).into_keys());
        self.compare_next(id, comparing, cx);
    }

    /// Whether this folder is being compared.
    pub(in crate::run::folders) fn compares(&self, id: FolderId) -> bool {
        self.folders.get(&id).is_some_and(|f| matches!(f.pass, Some(Pass::Comparing(_))))
    }

    /// Whether a folder is being compared, or found again.
    pub(in crate::run::folders) fn is_comparing(&self) -> bool {
        let compares =
            |f: &Folder| matches!(f.pass, Some(Pass::Comparing(_) | Pass::Rematching(_)));
        self.folders.passing().into_iter().any(|id| self.folders.get(&id).is_some_and(compares))
    }

    fn take_comparing(&mut self, id: FolderId) -> Option<Box<Comparing>> {
        let folder = self.folders.get_mut(&id)?;
        match folder.pass.take() {
            Some(Pass::Comparing(comparing)) => Some(comparing),
            other => {
                folder.pass = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Micros;

    #[test]
    fn parts_hold_every_uid_once() {
        assert!(parts(&UidSet::new()).is_empty());
        assert_eq!(parts(&UidSet::range(7, 9)), [(7, 9)]);
        let sparse: UidSet = (0..12_001).map(|n| n * 3 + 1).collect();
        assert_eq!(parts(&sparse), [(1, 14_998), (15_001, 29_998), (30_001, 36_001)]);
    }

    #[test]
    fn what_is_told_of_both_must_agree() {
        let row =
            |size, date: Option<i64>| Sampled { uid: 1, size, internal_date: date.map(Micros) };
        assert!(!differs(&row(5, Some(1)), &row(5, Some(1)), false));
        assert!(differs(&row(5, Some(1)), &row(5, Some(2)), false));
        assert!(differs(&row(5, Some(1)), &row(6, Some(1)), false));
        assert!(!differs(&row(5, Some(1)), &row(6, Some(1)), true), "the sizes are estimates");
        assert!(
            !differs(&row(5, None), &row(5, Some(2)), false),
            "a date that is not told says nothing"
        );
    }
}
