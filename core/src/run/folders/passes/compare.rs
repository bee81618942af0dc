//! UIDs that were used again: where UIDNEXT has fallen (a backup was put back), what is listed
//! under UIDs that we hold may be other mail. Size and INTERNALDATE tell, a part of the folder at a
//! time; what differs ends, and its UID is read again.

use crate::commit::change::AccountChange;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{FolderRequest, Sampled};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::FolderCx;
use crate::run::folders::passes::sight::{Comparing, Pass, Seen};
use crate::run::folders::passes::turn::{PassTurn, owner};
use crate::run::folders::set::Folders;
use crate::run::reads::{HeldSample, Query};
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

/// The index came. Where UIDNEXT has fallen, where an earlier look has found other mail, and once
/// a day, what we hold is compared.
pub(super) fn begin(
    id: FolderId,
    mut seen: Seen,
    arrived: UidSet,
    cx: &mut FolderCx<'_>,
) -> PassTurn {
    let Some(folder) = cx.folders.get(&id) else { return PassTurn::Over };
    let ends_sessions = cx.notes.ends_sessions(&folder.row.remote_id);
    let listed = seen.rows.uids();
    let looked =
        folder.row.look.as_ref().is_some_and(|look| !look.ends.intersect(&listed).is_empty());
    let is_due = !folder.lanes.live.is_compared(folder.row.opened_at, seen.started);
    let doubted = seen.fell || looked || folder.is_other(&seen.examined);
    if !(doubted || (is_due && !ends_sessions)) || !folder.row.held {
        // Of nothing that is held nothing can be another's; and where sessions end at such
        // questions, once a day is enough.
        seen.compared = is_due;
        return PassTurn::At(Pass::Arriving { seen, todo: arrived });
    }
    let (left, ours) = (parts(&listed), BTreeMap::new());
    let (part, threadless, tells) = ((0, 0), BTreeMap::new(), false);
    let comparing = Comparing { seen, doubted, arrived, part, ours, threadless, tells, left };
    PassTurn::At(Box::new(comparing).next(id, cx))
}

impl Comparing {
    /// The next part: our rows first.
    fn next(mut self: Box<Self>, id: FolderId, cx: &mut FolderCx<'_>) -> Pass {
        let Some(part) = self.left.pop_front() else {
            let Self { mut seen, arrived, doubted, .. } = *self;
            // What the daily comparison was not told is asked for the next day again.
            if !doubted {
                seen.unsure.clear();
            }
            seen.compared = seen.unsure.is_empty();
            return Pass::Arriving { seen, todo: arrived };
        };
        self.part = part;
        if let Some(folder) = cx.folders.get(&id) {
            cx.run.read(owner(folder), Query::Sample { folder: id, part: Some(part) });
        }
        Pass::Comparing(self)
    }

    /// Our rows of the part: where there are some, the server's are asked.
    pub(super) fn on_ours(
        mut self: Box<Self>,
        id: FolderId,
        ours: HeldSample,
        cx: &mut FolderCx<'_>,
    ) -> Pass {
        if ours.rows.is_empty() {
            return self.next(id, cx);
        }
        self.ours = ours.rows.into_iter().map(|row| (row.uid, row)).collect();
        self.threadless = ours.threadless;
        let uidvalidity = self.seen.examined.uidvalidity;
        let uids = UidSet::range(self.part.0, self.part.1);
        if let Some(folder) = cx.folders.get(&id) {
            let remote_id = folder.row.remote_id.clone();
            let names = cx.run.account().names;
            let sample = FolderRequest::Sample { remote_id, uidvalidity, uids, names };
            cx.run.ask(owner(folder), sample);
        }
        Pass::Comparing(self)
    }

    /// The server's rows of the part.
    pub(super) fn on_theirs(
        mut self: Box<Self>,
        id: FolderId,
        theirs: &[Sampled],
        mut threads: BTreeMap<u32, String>,
        cx: &mut FolderCx<'_>,
    ) -> Pass {
        let estimated = cx.run.account().sizes_estimated;
        for row in theirs {
            if self.ours.remove(&row.uid).is_some_and(|ours| differs(&ours, row, estimated)) {
                self.seen.used_again.insert(row.uid);
                threads.remove(&row.uid);
            }
        }
        // What was listed and is not told now: nobody knows whose it was.
        self.seen.unsure.extend(std::mem::take(&mut self.ours).into_keys());
        // What was stored before its server told threads, or before it was asked.
        let untold = std::mem::take(&mut self.threadless);
        let told = |(uid, message)| Some((message, threads.remove(&uid)?));
        let told: Vec<_> = untold.into_iter().filter_map(told).collect();
        let Some(folder) = cx.folders.get(&id).filter(|_| !told.is_empty()) else {
            return self.next(id, cx);
        };
        cx.run.commit(owner(folder), AccountChange::Threads(told));
        self.tells = true;
        Pass::Comparing(self)
    }

    /// What was told of threads is durable: the next part.
    pub(super) fn on_committed(mut self: Box<Self>, id: FolderId, cx: &mut FolderCx<'_>) -> Pass {
        if !std::mem::take(&mut self.tells) {
            return Pass::Comparing(self);
        }
        self.next(id, cx)
    }
}

/// Whether a folder is being compared, or found again.
pub(in crate::run::folders) fn is_comparing(folders: &Folders) -> bool {
    let compares = |id: FolderId| {
        let state = folders.get(&id).and_then(|f| f.pass.state.as_ref());
        matches!(state, Some(Pass::Comparing(_) | Pass::Rematching(_)))
    };
    folders.passing().into_iter().any(compares)
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
