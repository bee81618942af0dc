//! UIDs that were used again: where UIDNEXT has fallen (a backup was put back), what is listed under UIDs that we hold may be
//! other mail. Size and INTERNALDATE tell; what differs ends, and its UID is read again.

use crate::account::machine::Action;
use crate::account::pass::{Pass, Seen};
use crate::account::run::Run;
use crate::mail::change::{Request, Sampled};
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use std::collections::{BTreeMap, VecDeque};

/// Messages that one question compares.
const AT_ONCE: usize = 5000;

/// A comparison that is under way.
#[derive(Debug)]
pub(super) struct Comparing {
    seen: Seen,
    arrived: UidSet,
    ours: BTreeMap<u32, Sampled>,
    /// What is still to be asked.
    left: VecDeque<UidSet>,
}

/// Whether two are the same mail, as far as both are told. Sizes that are estimates say nothing.
fn differs(ours: &Sampled, theirs: &Sampled, estimated: bool) -> bool {
    let dates = ours.internal_date.zip(theirs.internal_date);
    (!estimated && ours.size != theirs.size) || dates.is_some_and(|(ours, theirs)| ours != theirs)
}

impl Run {
    /// The index came. Where UIDNEXT has fallen, what we hold is compared first.
    pub(super) fn compare_or_go_on(&mut self, id: FolderId, seen: Seen, arrived: UidSet, out: &mut Vec<Action>) {
        let owner = self.pass_owner(id);
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if !seen.fell || !folder.row.held || seen.rows.uids().is_empty() {
            folder.pass = Some(Pass::Arriving { seen, todo: arrived });
            return;
        }
        let (ours, left) = (BTreeMap::new(), VecDeque::new());
        folder.pass = Some(Pass::Comparing(Box::new(Comparing { seen, arrived, ours, left })));
        self.read_sample(owner, id, true, out);
    }

    /// Our rows: those that are listed too are asked for.
    pub(super) fn on_compare_rows(&mut self, id: FolderId, ours: Vec<Sampled>, out: &mut Vec<Action>) {
        let Some(mut comparing) = self.take_comparing(id) else { return };
        let listed = comparing.seen.rows.uids();
        comparing.ours = ours.into_iter().filter(|row| listed.contains(row.uid)).map(|row| (row.uid, row)).collect();
        let uids: Vec<u32> = comparing.ours.keys().copied().collect();
        // As ranges: a question names two numbers, however many lie between them.
        let range = |part: &[u32]| Some(UidSet::range(*part.first()?, *part.last()?));
        comparing.left = uids.chunks(AT_ONCE).filter_map(range).collect();
        self.compare_next(id, comparing, out);
    }

    fn compare_next(&mut self, id: FolderId, mut comparing: Box<Comparing>, out: &mut Vec<Action>) {
        let owner = self.pass_owner(id);
        let Some(folder) = self.folders.get_mut(&id) else { return };
        match comparing.left.pop_front() {
            Some(uids) => {
                let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), comparing.seen.examined.uidvalidity);
                folder.pass = Some(Pass::Comparing(comparing));
                self.ask(owner, Request::Sample { remote_id, uidvalidity, uids }, out);
            }
            None => {
                let Comparing { seen, arrived, .. } = *comparing;
                folder.pass = Some(Pass::Arriving { seen, todo: arrived });
            }
        }
    }

    /// The server's rows of one part.
    pub(super) fn on_compared(&mut self, id: FolderId, theirs: &[Sampled], out: &mut Vec<Action>) {
        let estimated = self.account.sizes_estimated;
        let Some(mut comparing) = self.take_comparing(id) else { return };
        for row in theirs {
            if comparing.ours.get(&row.uid).is_some_and(|ours| differs(ours, row, estimated)) {
                comparing.seen.used_again.insert(row.uid);
            }
        }
        self.compare_next(id, comparing, out);
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
