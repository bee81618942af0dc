//! Folders that refuse to be opened: is it they, or the server?
//!
//! A `NO` counts only beside an answer. When what a run looks at has been looked at, a folder that
//! answers is asked on this session, then each that was refused, once more; only that second `NO`
//! is the run's. Where none answers it is the server's failure: nothing is shut, nothing is counted.
//! A folder that we hold is shut at its second `NO` that counts, a while later and on another session;
//! a new name at its first. An answer without EXISTS or UIDVALIDITY is neither: it is asked again on
//! another session.

pub(super) mod part;
pub(super) mod state;

use crate::commit::change::AccountChange;
use crate::commit::rows::RefusedLook;
use crate::failure::{Class, Failure, Provenance, Reach, When};
use crate::mail::folder::{ListedFolder, WireName};
use crate::mail::id::FolderId;
use crate::provider::folders::FolderRequest;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::evidence::Observation;
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::folder::{Folder, Owner, of_folder};
use crate::run::folders::refusals::state::{Trial, is_incomplete};
use crate::run::scope::Depth;
use std::collections::{BTreeSet, VecDeque};

pub(super) use crate::run::folders::refusals::state::Refusals;

/// A refused folder stands still alone only while others answer: so many are asked of each kind, those
/// that were not refused, names that are still to be opened, and those that were refused too.
const WITNESSES: usize = 2;
/// How often a run asks LIST anew for names that were refused.
const RELISTS: u8 = 2;

/// What there is to ask of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialTurn {
    Nothing,
    Asked,
    /// LIST, once more.
    List,
}

impl Refusals {
    /// A new name does not open.
    pub(super) fn on_fresh(
        &mut self,
        folder: ListedFolder,
        failure: Failure,
        cx: &mut FolderCx<'_>,
    ) {
        let name = folder.remote_id.clone();
        if !is_incomplete(&failure) {
            self.fresh.insert(name, (folder, failure));
        } else if self.is_bare_again(&name) {
            self.shut_fresh(folder, failure, cx);
        }
    }

    fn shut_fresh(&mut self, folder: ListedFolder, failure: Failure, cx: &mut FolderCx<'_>) {
        cx.run.report(&failure);
        let ListedFolder { remote_id, path, .. } = folder;
        self.judged.insert(remote_id.clone());
        if !cx.run.account().shut.contains_key(&remote_id) {
            self.relist = true;
        }
        cx.want(Want::Shut { remote_id, path, folder: None, failure });
    }

    /// New names that this run has shut, or opened.
    pub(super) fn judged(&self) -> &BTreeSet<WireName> {
        &self.judged
    }

    /// Notes an answer that tells nothing. Returns whether another session's was one, too.
    fn is_bare_again(&mut self, name: &WireName) -> bool {
        *self.bare.entry(name.clone()).or_default()
    }

    /// Something is to be asked of another session.
    pub(super) fn has_bare(&self) -> bool {
        self.bare.values().any(|elsewhere| !elsewhere)
    }

    /// Another session has come: what told nothing is asked of it.
    pub(super) fn connected(&mut self, cx: &mut FolderCx<'_>) {
        for (name, is_asked) in self.bare.iter_mut().filter(|(_, is_asked)| !**is_asked) {
            *is_asked = true;
            let Some(folder) = cx.folders.named(name).map(|folder| folder.row.id) else {
                cx.wants.push(Want::RelistIfListed);
                continue;
            };
            if let Some(Folder { refusal, .. }) = cx.folders.get_mut(&folder) {
                refusal.bare = false;
            }
            cx.wants.push(Want::Pass { folder, depth: Depth::Full });
        }
    }

    /// The session is gone: whatever it refused is asked of the next one.
    pub(super) fn cut_off(&mut self, cx: &mut FolderCx<'_>) {
        self.trial = Trial::None;
        if !std::mem::take(&mut self.fresh).is_empty() {
            cx.want(Want::List);
        }
        let is_refused = |f: &Folder| f.refusal.refused.is_some();
        let refused: Vec<FolderId> =
            cx.folders.values().filter(|f| is_refused(f)).map(|f| f.row.id).collect();
        for folder in refused {
            if let Some(Folder { refusal, .. }) = cx.folders.get_mut(&folder) {
                (refusal.refused, refusal.count) = (None, 0);
            }
            cx.want(Want::Retry { folder });
        }
    }

    /// A folder was refused. First LIST is asked anew, since it may have another name by now. Where it
    /// is still listed, and refused once more at its opening, other folders are asked: perhaps the
    /// whole server refuses.
    pub(super) fn on_trouble(
        &mut self,
        id: FolderId,
        failure: Failure,
        opening: bool,
        cx: &mut FolderCx<'_>,
    ) {
        let Some(folder) = cx.folders.get_mut(&id) else { return };
        let Folder { stalled, refusal, pass, .. } = folder;
        if stalled.is_some() || refusal.bare {
            return;
        }
        if opening && is_incomplete(&failure) {
            cx.run.report(&of_folder(id, &failure));
            cx.want(Want::RestartPass { folder: id });
            return self.on_bare(id, failure, cx);
        }
        refusal.count = refusal.count.saturating_add(u8::from(opening));
        if opening && refusal.count > 1 && !refusal.tried {
            refusal.refused = Some(failure);
            return cx.want(Want::RestartPass { folder: id });
        }
        let first = (opening && refusal.count == 1) || !cx.known.listed;
        if !(first && opening) {
            cx.run.report(&of_folder(id, &failure));
        }
        let is_lost = failure.class == Class::StateLost;
        if is_lost && pass.is_wanted() && !pass.is_under_way() {
            // Several pages were on their way when the numbers changed: once.
            return;
        }
        if is_lost && pass.may_begin_anew() {
            // What was asked was asked of the old numbers: the next pass sees the new ones.
            return cx.want(Want::BeginAnew { folder: id });
        }
        if !first || is_lost {
            return cx.stall_and_note(id, failure);
        }
        cx.want(Want::RecheckName { folder: id });
    }

    /// A folder has answered: a first refusal says nothing any more.
    pub(super) fn opens(&mut self, id: FolderId, cx: &mut FolderCx<'_>) {
        let Some(Folder { row, refusal, .. }) = cx.folders.get_mut(&id) else { return };
        // It is not asked for yet another session: else one that tells something now and then has no end.
        if let Some(is_asked) = self.bare.get_mut(&row.remote_id) {
            *is_asked = true;
        }
        refusal.bare = false;
        if row.refused.take().is_some() {
            let change = AccountChange::Refused { folder: id, look: None };
            cx.run.commit(Owner::Nobody, change);
        }
    }

    /// Names that were refused and are still there.
    fn refused(&self, cx: &FolderCx<'_>) -> Vec<WireName> {
        let is_refused = |f: &&Folder| f.refusal.refused.is_some() && !f.row.excluded;
        let held = cx.folders.values().filter(is_refused).map(|f| f.row.remote_id.clone());
        held.chain(self.fresh.keys().cloned()).collect()
    }

    /// Begins to ask whether it is the server, or goes on. `late` are names that are still to be asked.
    pub(super) fn plan<'a>(
        &mut self,
        late: impl Iterator<Item = &'a WireName>,
        cx: &mut FolderCx<'_>,
    ) -> TrialTurn {
        if !matches!(self.trial, Trial::None) {
            return TrialTurn::Asked;
        }
        if cx.run.session().is_none() {
            return TrialTurn::Nothing;
        }
        let refused = self.refused(cx);
        if refused.is_empty() {
            return if self.take_relist(cx) { TrialTurn::List } else { TrialTurn::Nothing };
        }
        let answers = |f: &&Folder| !f.is_left() && !f.row.excluded;
        let mut others: Vec<&Folder> = cx.folders.values().filter(answers).collect();
        let shown_at = |f: &Folder| f.pass.shown_at().max(f.row.passed_at);
        others.sort_by_key(|f| (!f.is_inbox(), std::cmp::Reverse(shown_at(f))));
        let others = others.into_iter().map(|f| f.row.remote_id.clone());
        let names = others.take(WITNESSES).chain(late.take(WITNESSES).cloned());
        let mut names: VecDeque<_> = names.chain(refused.into_iter().take(WITNESSES)).collect();
        // One that is left out can answer, too.
        if !cx.run.settings().folders.wants("INBOX") {
            names.push_back(b"INBOX".into());
        }
        self.trial = Trial::Witness(names);
        self.ask_next(cx);
        TrialTurn::Asked
    }

    fn ask_next(&mut self, cx: &mut FolderCx<'_>) {
        let trial = std::mem::take(&mut self.trial);
        let (name, trial) = match trial {
            Trial::Judging(witness, names, said) if names.is_empty() && !said.is_empty() => {
                (Some(witness), Trial::Confirming(said))
            }
            Trial::Witness(names) => (names.front().cloned(), Trial::Witness(names)),
            Trial::Judging(witness, names, said) => {
                (names.front().cloned(), Trial::Judging(witness, names, said))
            }
            Trial::None | Trial::Confirming(_) => (None, Trial::None),
        };
        let Some(name) = name else { return };
        self.trial = trial;
        cx.run.ask(Owner::Trial, FolderRequest::examine(name));
    }

    /// What the next one of a trial has answered.
    ///
    /// # Errors
    /// None has answered: the server's failure.
    pub(super) fn on_tried(
        &mut self,
        answer: Result<(), Failure>,
        cx: &mut FolderCx<'_>,
    ) -> Result<(), Failure> {
        match std::mem::take(&mut self.trial) {
            Trial::None => {}
            Trial::Witness(mut names) => {
                let Some(name) = names.pop_front() else { return Ok(()) };
                match answer {
                    Ok(()) => {
                        self.opens_again(&name, cx);
                        let rest = self.refused(cx).into_iter().filter(|refused| *refused != name);
                        let rest = rest.collect();
                        self.trial = Trial::Judging(name, rest, Vec::new());
                    }
                    Err(failure) if names.is_empty() => return Err(of_server(&failure)),
                    Err(_) => self.trial = Trial::Witness(names),
                }
            }
            Trial::Judging(witness, mut names, mut said) => {
                let Some(name) = names.pop_front() else { return Ok(()) };
                match answer {
                    Ok(()) => self.opens_again(&name, cx),
                    Err(failure) => said.push((name, failure)),
                }
                self.trial = Trial::Judging(witness, names, said);
            }
            Trial::Confirming(said) => {
                if let Err(failure) = answer {
                    return Err(of_server(&failure));
                }
                for (name, failure) in said {
                    self.count_refusal(name, failure, cx);
                }
            }
        }
        self.ask_next(cx);
        Ok(())
    }

    /// It answers now: it is looked at, once.
    fn opens_again(&mut self, name: &WireName, cx: &mut FolderCx<'_>) {
        if self.fresh.remove(name).is_some() {
            self.relist = true;
            return;
        }
        let Some(id) = cx.folders.named(name).map(|folder| folder.row.id) else { return };
        self.opens(id, cx);
        let Some(Folder { refusal, .. }) = cx.folders.get_mut(&id) else { return };
        if refusal.refused.take().is_some() {
            refusal.tried = true;
            cx.want(Want::Pass { folder: id, depth: Depth::Full });
        }
    }

    /// A refusal beside an answer.
    fn count_refusal(&mut self, name: WireName, failure: Failure, cx: &mut FolderCx<'_>) {
        if let Some((folder, _)) = self.fresh.remove(&name) {
            if is_incomplete(&failure) {
                return self.on_fresh(folder, failure, cx);
            }
            return self.shut_fresh(folder, failure, cx);
        }
        let Some(session) = cx.run.session() else { return };
        let (at, confirm_after) = (cx.run.stamp(), cx.run.settings().confirm_after);
        let sight = Observation { session, at, confirm_after };
        let Some(id) = cx.folders.named(&name).map(|folder| folder.row.id) else { return };
        let Some(Folder { row, refusal, .. }) = cx.folders.get_mut(&id) else { return };
        refusal.refused = None;
        let (path, first) = (row.path.clone(), row.refused);
        if is_incomplete(&failure) {
            return self.on_bare(id, failure, cx);
        }
        cx.folders.stall(id, failure.clone());
        match first {
            Some(first) if sight.is_second_to(first.session, first.at) => {
                cx.run.report(&failure);
                cx.want(Want::Shut { remote_id: name, path, folder: Some(id), failure });
            }
            first => {
                cx.run.look_again();
                let after = confirm_after.as_secs();
                cx.run.leave(format!(
                    "folder {path} cannot be opened: a second look, {after} s later on a new session, \
                     must agree ({failure})"
                ));
                if first.is_none() {
                    let look = Some(RefusedLook { session, at: sight.at });
                    let change = AccountChange::Refused { folder: id, look };
                    cx.run.commit(Owner::Nobody, change);
                }
            }
        }
    }

    /// A folder that we hold was answered without telling anything: another session is asked, then it
    /// stands still.
    fn on_bare(&mut self, id: FolderId, failure: Failure, cx: &mut FolderCx<'_>) {
        let Some(Folder { row, refusal, .. }) = cx.folders.get_mut(&id) else { return };
        refusal.bare = true;
        let (remote_id, path) = (row.remote_id.clone(), row.path.clone());
        cx.want(Want::SetAside { folder: id });
        if !self.is_bare_again(&remote_id) {
            return;
        }
        if cx.run.account().shut.contains_key(&remote_id) {
            // It was shut, and stays so: its row says when it is asked next, for who waits for it.
            cx.folders.stall(id, failure.clone());
            return cx.want(Want::Shut { remote_id, path, folder: Some(id), failure });
        }
        cx.stall_and_note(id, failure);
    }

    /// Takes the wish to ask LIST anew; false where there is none, or where that was done often enough.
    fn take_relist(&mut self, cx: &mut FolderCx<'_>) -> bool {
        if !std::mem::take(&mut self.relist) {
            return false;
        }
        self.relists += 1;
        if self.relists > RELISTS {
            let text = "folders are refused now and then: the next run looks for them";
            cx.run.leave(text.to_owned());
        }
        self.relists <= RELISTS
    }

    /// LIST is asked: it says which new names there are.
    pub(super) fn forget_fresh(&mut self) {
        self.fresh.clear();
    }
}

/// None of the folders that were asked has answered.
fn of_server(last: &Failure) -> Failure {
    let text = format!("every folder that was asked is refused: {}", last.text);
    Failure::new(Class::Provider, Reach::Account, Provenance::Server, text).when(When::Soon)
}
