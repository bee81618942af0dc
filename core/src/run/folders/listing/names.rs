//! Names that LIST shows: those that are shut, those that are asked last, and whether INBOX is done.

use crate::commit::change::AccountChange;
use crate::commit::rows::Shut;
use crate::failure::Class;
use crate::mail::folder::{ListedFolder, WireName};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::FolderCx;
use crate::run::folders::folder::Owner;
use crate::run::folders::listing::state::is_inbox;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Names that were shut and are no trouble any more: they are listed no more, or the config leaves them out.
pub(super) fn no_more_shut(
    names: &BTreeMap<WireName, ListedFolder>,
    is_readable: bool,
    cx: &FolderCx<'_>,
) -> BTreeSet<WireName> {
    let now = cx.run.now().wall;
    let is_over = |name: &WireName, shut: &Shut| match names.get(name) {
        Some(folder) => !cx.run.settings().folders.wants(&folder.path),
        // Behind a line that cannot be read it cannot be asked either: that line's own row
        // stands for it.
        None => is_readable || (!name.is_empty() && shut.due_at <= now),
    };
    let shut = cx.run.account().shut.iter();
    shut.filter(|(name, shut)| is_over(name, shut)).map(|(name, _)| name.clone()).collect()
}

/// A line of LIST that cannot be read is a shut folder without a name: a ledger row when it is
/// new, and daily.
pub(super) fn shut_line(line: String, seen: Micros, cx: &mut FolderCx<'_>) {
    let at = cx.run.now().wall;
    if cx.run.account().shut.get(&WireName::default()).is_some_and(|shut| shut.due_at > at) {
        return;
    }
    let change = AccountChange::Shut {
        remote_id: WireName::default(),
        path: String::new(),
        folder: None,
        class: Class::InvalidData,
        text: format!("a line of LIST cannot be read: {line}"),
        seen,
        at,
        soon: false,
    };
    cx.run.commit(Owner::Nobody, change);
}

/// Whether a name is asked last of all: it is shut, or sessions have ended at it.
pub(super) fn is_hard(name: &WireName, judged: &BTreeSet<WireName>, cx: &FolderCx<'_>) -> bool {
    cx.run.account().shut.contains_key(name)
        || cx.notes.ends_sessions(name)
        || judged.contains(name)
}

/// Names that are due, those that wait longest first.
pub(super) fn in_turn(
    mut hard: Vec<ListedFolder>,
    judged: &BTreeSet<WireName>,
    cx: &FolderCx<'_>,
) -> VecDeque<ListedFolder> {
    let (now, stays) = (cx.run.now().wall, cx.run.settings().policy.stays);
    let due = |f: &ListedFolder| cx.run.account().shut.get(&f.remote_id).map(|shut| shut.due_at);
    // Who asks by hand does not wait for INBOX.
    let at_once = |f: &ListedFolder| cx.run.insists() || (is_inbox(f) && !stays);
    hard.retain(|f| !judged.contains(&f.remote_id));
    hard.retain(|f| at_once(f) || due(f).is_none_or(|due| due <= now));
    hard.sort_by_key(|f| (cx.notes.ends_sessions(&f.remote_id), due(f)));
    hard.into()
}

/// Nothing of INBOX's newest page is to come before the other folders.
pub(super) fn is_inbox_settled(cx: &FolderCx<'_>) -> bool {
    cx.folders.inbox().and_then(|id| cx.folders.get(&id)).is_none_or(|inbox| {
        // What has come is stored before whatever comes behind it.
        let is_passed = !inbox.pass.is_under_way() && !inbox.pass.is_wanted();
        let idle = is_passed && inbox.fill.is_here();
        inbox.row.excluded
            || inbox.is_left()
            || inbox.pass.is_doubted()
            || cx.notes.ends_sessions(&inbox.row.remote_id)
            || (idle && (inbox.fill.is_paged() || inbox.has_read_all()))
    })
}
