//! What a run of folders says of its folders: to the schedule, and to people.

use crate::commit::rows::AccountRow;
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::cursor::{Live, Mark};
use crate::mail::folder::WireName;
use crate::provider::{Proof, Tells};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::folder::{Cx, Folder};
use crate::run::folders::set::Folders;
use crate::run::settings::Settings;
use crate::run::summary::FolderSummary;

/// Messages that a line about those that could not be fetched names.
const NAMED: usize = 3;

/// The folders, for the schedule.
pub(super) fn lines(folders: &Folders, proof: Proof, account: &AccountRow) -> Vec<FolderSummary> {
    let is_shut = |f: &Folder| account.shut.contains_key(&f.row.remote_id);
    let line = |f: &Folder| FolderSummary {
        id: f.row.id,
        remote_id: f.row.remote_id.clone(),
        path: f.row.path.clone(),
        role: f.row.role,
        excluded: f.row.excluded,
        stalled: f.stalled.is_some(),
        shut: is_shut(f),
        looked: f.pass.seen(),
        mark: compared(&f.lanes.live),
        // What cannot be opened widens no other run.
        history_left: !f.lanes.backfill.remaining.is_empty() && !is_shut(f),
        // A folder without modseq has nothing to be asked since.
        proof: Some(Proof {
            tells: if f.lanes.live.mark.modseq > 0 { proof.tells } else { Tells::Nothing },
            ..proof
        }),
    };
    folders.values().map(line).collect()
}

/// The mark of the last pass; without a modseq where flags are not compared up to it.
fn compared(live: &Live) -> Mark {
    let flags = live.flags.map_or(0, |flags| flags.modseq);
    Mark { modseq: if flags == live.mark.modseq { flags } else { 0 }, ..live.mark }
}

/// Says what the run leaves undone.
pub(super) fn leave_undone(folders: &Folders, run: &mut Cx<'_>) {
    let failing = || folders.values().filter(|f| !f.row.excluded);
    let open: u64 = failing().map(|f| f.row.tried_again().len()).sum();
    if open > 0 {
        let of = |f: &Folder| -> Vec<String> {
            let failed = f.row.tried_again();
            failed.iter().take(NAMED).map(|uid| format!("{} UID {uid}", f.row.path)).collect()
        };
        let named: Vec<String> = failing().flat_map(of).take(NAMED).collect();
        let more = if open > NAMED as u64 { ", …" } else { "" };
        run.leave(format!(
            "{open} message(s) could not be fetched ({}{more}); they are in the ledger and are tried again",
            named.join(", ")
        ));
    }
    let held =
        |name: &WireName| folders.values().any(|f| f.row.excluded && f.row.remote_id == *name);
    let shut = run.account().shut.keys().filter(|name| !held(name)).count();
    if shut > 0 {
        run.leave(format!(
            "{shut} folder(s) are listed and cannot be opened; they are asked again in their own time"
        ));
    }
}

/// What is wrong with all folders alike, and so is the server's trouble.
pub(super) fn refused_alike(folders: &Folders) -> Option<Failure> {
    let mut ours = folders.values().filter(|f| !f.row.excluded);
    let first = ours.next()?.stalled.clone().filter(|f| f.class != Class::StateLost)?;
    let mut others = 0;
    for folder in ours {
        others += 1;
        if folder.stalled.as_ref().is_none_or(|f| f.class != first.class) {
            return None;
        }
    }
    (others > 0).then(|| Failure {
        reach: Reach::Account,
        text: format!("every folder is refused: {}", first.text).into(),
        ..first
    })
}

/// Why INBOX stands still, if it does.
pub(super) fn live_end_stalled(folders: &Folders, settings: &Settings) -> Option<Failure> {
    if !settings.folders.wants("INBOX") {
        return None;
    }
    let Some(inbox) = folders.inbox().and_then(|id| folders.get(&id)) else {
        let text = "INBOX is not here yet";
        return Some(Failure::new(Class::Provider, Reach::Folder, Provenance::Server, text));
    };
    let stalled = inbox.stalled.clone()?;
    Some(Failure { text: format!("INBOX stands still: {}", stalled.text).into(), ..stalled })
}
