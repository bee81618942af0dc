//! What an EXAMINE leads to: nothing has happened, mail came, changes were told; or a listing is asked for.

use crate::commit::change::FolderChange;
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::cursor::Mark;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Changed, Examined, FolderRequest};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::folder::{Folder, told};
use crate::run::folders::passes::conclude::counted_mark;
use crate::run::folders::passes::gate::{counted, is_unchanged, settled};
use crate::run::folders::passes::rematch;
use crate::run::folders::passes::sight::{Pass, Seen};
use crate::run::folders::passes::turn::{ExamineAnswer, PassTurn, owner};
use crate::run::folders::passes::window;
use crate::run::scope::Depth;
use crate::time::Micros;

/// Whether what is told of changes can be all of it: where HIGHESTMODSEQ has risen there is
/// something (where what went is not told: fewer messages than at the mark), and where it has fallen
/// the server has forgotten.
fn is_told(changed: &Changed, examined: &Examined, since: u64, mark: &Mark) -> bool {
    let gone = match &changed.vanished {
        Some(gone) => !gone.is_empty(),
        None => examined.exists < mark.exists,
    };
    let is_something = gone || !changed.rows.is_empty();
    examined.modseq == since || (examined.modseq > since && is_something)
}

/// EXAMINE was answered, for a pass that began then, after so many answers that did not fit, and that looks
/// so closely.
pub(super) fn judge(
    id: FolderId,
    (started, misses, depth): (Micros, u8, Depth),
    shown: ExamineAnswer,
    cx: &mut FolderCx<'_>,
) -> PassTurn {
    let ExamineAnswer { mut examined, changed, told } = shown;
    let Some(folder) = cx.folders.get_mut(&id) else { return PassTurn::Over };
    let live = &folder.lanes.live;
    if examined.uidvalidity != live.uidvalidity {
        if folder.row.held || !folder.row.failures.is_empty() {
            return rematch::begin(id, (started, misses), examined, cx);
        }
        return open_anew(id, started, examined, cx);
    }
    let other = folder.is_other(&examined);
    if other && !cx.known.listed {
        // Another folder of that name: LIST says which names there are, before it is looked at whole.
        let part = &mut folder.pass;
        (part.wanted, part.depth, part.doubted) = (true, Depth::Full, true);
        return PassTurn::Over;
    }
    if examined.inferred {
        // The highest UID falls when the newest mail is deleted; UIDNEXT itself never does.
        examined.uidnext = examined.uidnext.max(live.mark.uidnext).max(live.uidnext);
    }
    // What was told once was too high, or the server was put back: a whole listing says what is
    // there.
    let fell = examined.uidnext < live.mark.uidnext.max(live.uidnext);
    if fell && told.is_some() {
        // What an open folder tells may be less than a listing has shown since.
        return PassTurn::Open { started };
    }
    if fell && !folder.fill.is_empty() {
        // What a page on its way takes for a hole may be mail by now: it is settled first.
        return PassTurn::SettleFirst;
    }
    folder.pass.fresher = UidSet::new();
    if fell {
        cx.wants.push(Want::ForgetSuspects { folder: id });
    }
    let is_open = told.is_some();
    if misses == 0
        && !is_open
        && !other
        && !cx.run.doubts()
        && is_unchanged(folder, &examined, started)
    {
        let marked = Box::new(counted_mark(started, examined, false, folder));
        return PassTurn::Mark { marked, seen: None, depth: Depth::Full };
    }
    if misses == 0
        && !fell
        && !other
        && let Some(changed) = changed
        && let Some(turn) = of_changes(folder, started, examined, changed)
    {
        return turn;
    }
    if let (Depth::Told, Some(rows)) = (depth, told)
        && let Some(todo) = counted(folder, &examined)
    {
        return PassTurn::At(Pass::Arriving { seen: Seen::of_told(started, examined, rows), todo });
    }
    if depth == Depth::Quick
        && !other
        && let Some(todo) = counted(folder, &examined)
    {
        if todo.is_empty() {
            let marked = Box::new(counted_mark(started, examined, is_open, folder));
            return PassTurn::Mark { marked, seen: None, depth: Depth::Quick };
        }
        return PassTurn::At(Pass::Counting { started, examined, told: is_open, todo });
    }
    if is_open {
        // More has happened than that mail came: now it is opened, and tells what.
        return PassTurn::Open { started };
    }
    if misses == 0
        && !other
        && !cx.run.insists()
        && let Some(state) = window::asked(id, started, examined, cx)
    {
        return PassTurn::At(state);
    }
    if examined.exists > 0
        && let Some(folder) = cx.folders.get(&id)
    {
        let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), examined.uidvalidity);
        cx.run.ask(owner(folder), FolderRequest::Index { remote_id, uidvalidity, uids: None });
    }
    PassTurn::At(Pass::Indexing { started, misses, examined, fell })
}

/// What has changed was told, where that can be all of it.
fn of_changes(
    folder: &Folder,
    started: Micros,
    examined: Examined,
    changed: Changed,
) -> Option<PassTurn> {
    let flags = settled(folder, started).filter(|flags| flags.modseq > 0)?;
    let live = &folder.lanes.live;
    is_told(&changed, &examined, flags.modseq, &live.mark).then(|| {
        let known = UidSet::range(1, live.uidnext.saturating_sub(1));
        let todo = changed.rows.uids().minus(&known);
        let vanished = changed.vanished.map(|gone| gone.intersect(&known));
        let seen = Seen::of_changes(started, examined, flags, changed.rows, vanished);
        PassTurn::At(Pass::Arriving { seen, todo })
    })
}

/// Nothing was ever stored of the folder, and it shows another UIDVALIDITY: what it was opened
/// under was a lie.
fn open_anew(id: FolderId, started: Micros, examined: Examined, cx: &mut FolderCx<'_>) -> PassTurn {
    let Some(folder) = cx.folders.get_mut(&id) else { return PassTurn::Over };
    if !folder.pass.may_begin_anew() {
        let text = "UIDVALIDITY is another whenever it is asked";
        let failure = Failure::new(Class::StateLost, Reach::Folder, Provenance::Server, text);
        cx.stall_and_note(id, failure);
        return PassTurn::Over;
    }
    folder.pass.lost += 1;
    let (from, uidvalidity) = (folder.lanes.live.uidvalidity, examined.uidvalidity);
    let mark = told(&examined);
    let change = FolderChange::Reopen { folder: id, from, uidvalidity, mark, started };
    cx.run.commit(owner(folder), change);
    PassTurn::At(Pass::Reopening)
}
