//! Asking for what is to be read first, because somebody asked.

use crate::mail::id::FolderId;
use crate::mail::recognise::IdentityKind;
use crate::provider::folders::FolderRequest;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::first::FirstOf;
use crate::run::folders::context::FolderCx;
use crate::run::folders::folder::{Folder, Owner};

/// What comes first of a folder, as it was asked for.
pub(super) fn wishes_of(folder: &Folder, all: &[FirstOf]) -> Vec<FirstOf> {
    all.iter().filter(|wish| wish.is_of(&folder.row.path)).cloned().collect()
}

/// Whether mail of a folder that comes first is still to be asked for, or to be chosen. Asks for dates where those are
/// to say so, before all is read that was chosen.
pub(super) fn comes_first(id: FolderId, cx: &mut FolderCx<'_>) -> bool {
    let (page, aside) = (cx.run.settings().page_messages, cx.notes.aside(id));
    let Some(folder) = cx.folders.get(&id).filter(|f| !f.is_left()) else { return false };
    let wishes = wishes_of(folder, &cx.run.settings().first);
    let Some(index) = folder.listing.index().filter(|_| !wishes.is_empty()) else { return false };
    let free = folder.lanes.backfill.remaining.minus(&folder.fill.claimed()).minus(&aside);
    let todo = index.intersect(&free);
    let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), folder.lanes.live.uidvalidity);
    let Some(Folder { fill, .. }) = cx.folders.get_mut(&id) else { return false };
    let dates = fill.first.next(&wishes, &todo, page);
    let comes = dates.is_some() || fill.first.is_asking() || !fill.first.of(&todo).is_empty();
    // One question at a time.
    if let Some(uids) = dates.filter(|_| !cx.run.is_asking()) {
        fill.first.asks(uids.clone());
        let names = IdentityKind::Hash;
        let request = FolderRequest::Sample { remote_id, uidvalidity, uids, names };
        cx.run.ask(Owner::Dates(id), request);
    }
    comes
}
