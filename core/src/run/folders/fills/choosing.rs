//! Asking for what is to be read first, because somebody asked.

use crate::mail::id::FolderId;
use crate::mail::recognise::IdentityKind;
use crate::provider::folders::FolderRequest;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::first::{FirstEnd, FirstOf};
use crate::run::folders::context::FolderCx;
use crate::run::folders::folder::{Folder, Owner};
use crate::run::folders::notes::Notes;
use crate::run::folders::set::Folders;
use crate::run::settings::Settings;

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
    let (todo, index) = (index.intersect(&free), index.clone());
    let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), folder.lanes.live.uidvalidity);
    let Some(Folder { fill, .. }) = cx.folders.get_mut(&id) else { return false };
    let dates = fill.first.next(&wishes, (&todo, &index), page);
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

/// What is still to be read, or to be chosen, of what somebody asked for. What stands still, or is asked for alone, is
/// not waited for.
pub(in crate::run::folders) fn first_end(
    folders: &Folders,
    notes: &Notes,
    settings: &Settings,
) -> FirstEnd {
    if settings.first.is_empty() {
        return FirstEnd::Nothing;
    }
    let of = |folder: &Folder| {
        let remaining = &folder.lanes.backfill.remaining;
        let is_asked = !wishes_of(folder, &settings.first).is_empty();
        if !is_asked || folder.is_left() || folder.row.excluded || remaining.is_empty() {
            return FirstEnd::Read;
        }
        let Some(index) = folder.listing.index() else { return FirstEnd::Left };
        let todo = index.intersect(remaining).minus(&notes.aside(folder.row.id));
        folder.fill.first.end(&todo)
    };
    let ends: Vec<FirstEnd> = folders.values().map(of).collect();
    let has = |end| ends.contains(&end);
    match () {
        () if has(FirstEnd::Left) => FirstEnd::Left,
        () if has(FirstEnd::Undated) => FirstEnd::Undated,
        () => FirstEnd::Read,
    }
}

/// Whether what somebody asked for is on its way.
pub(super) fn is_coming(folders: &Folders) -> bool {
    let is_coming =
        |f: &Folder| f.fill.first.is_asking() || !f.fill.first.of(&f.fill.claimed()).is_empty();
    folders.values().any(is_coming)
}
