//! Folders that refuse to be opened: is it they, or the server?
//!
//! A `NO` counts only beside an answer. When what a run looks at has been looked at, a folder that
//! answers is asked on this session, then each that was refused, once more; only that second `NO`
//! is the run's. Where none answers it is the server's failure: nothing is shut, nothing is counted.
//! A folder that we hold is shut at its second `NO` that counts, a while later and on another session;
//! a new name at its first. An answer without EXISTS or UIDVALIDITY is neither: it is asked again on
//! another session.

pub(super) mod state;

use crate::commit::change::AccountChange;
use crate::commit::rows::RefusedLook;
use crate::failure::{Class, Failure, Provenance, Reach, When};
use crate::mail::folder::ListedFolder;
use crate::mail::id::FolderId;
use crate::provider::folders::Request;
use crate::run::context::{RunEffects, RunView};
use crate::run::evidence::Sight;
use crate::run::folders::folder::{Folder, Owner};
use crate::run::folders::listing::state::Listing;
use crate::run::folders::refusals::state::{Trial, is_bare};
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::scope::Depth;
use std::collections::VecDeque;

/// Folders that are asked whether they answer: of those that were not refused, of names that are still
/// to be asked, of those that were refused.
const WITNESSES: usize = 2;
/// How often a run asks LIST anew for names that were refused.
const RELISTS: u8 = 2;

impl FolderWork {
    /// A new name does not open.
    pub(super) fn refuse_fresh(&mut self, folder: ListedFolder, failure: Failure, cx: &mut Cx<'_>) {
        let name = folder.remote_id.clone();
        if !is_bare(&failure) {
            self.refusals.fresh.insert(name, (folder, failure));
        } else if self.is_bare_again(&name) {
            self.shut_fresh(&folder, &failure, cx);
        }
    }

    fn shut_fresh(&mut self, folder: &ListedFolder, failure: &Failure, cx: &mut Cx<'_>) {
        cx.report(failure);
        self.shut(&folder.remote_id, &folder.path, None, failure, cx);
        self.refusals.judged.insert(folder.remote_id.clone());
        if !cx.account().shut.contains_key(&folder.remote_id) {
            self.list_anew();
        }
    }

    /// A new name that this run has shut.
    pub(super) fn is_judged(&self, name: &[u8]) -> bool {
        self.refusals.judged.contains(name)
    }

    /// Notes an answer that tells nothing. Returns whether another session's was one, too.
    pub(super) fn is_bare_again(&mut self, name: &[u8]) -> bool {
        *self.refusals.bare.entry(name.to_vec()).or_default()
    }

    /// Something is to be asked of another session.
    pub(super) fn has_bare(&self) -> bool {
        self.refusals.bare.values().any(|elsewhere| !elsewhere)
    }

    /// Another session has come: what told nothing is asked of it.
    pub(super) fn ask_bare_again(&mut self) {
        let names: Vec<Vec<u8>> = self
            .refusals
            .bare
            .iter()
            .filter(|(_, is_asked)| !**is_asked)
            .map(|(n, _)| n.clone())
            .collect();
        for name in names {
            match self.folders.named(&name).map(|folder| folder.row.id) {
                Some(id) => {
                    if let Some(folder) = self.folders.get_mut(&id) {
                        folder.bare = false;
                    }
                    self.want_pass(id, Depth::Full);
                }
                None if matches!(self.listing, Listing::Done) => self.listing = Listing::Wanted,
                None => {}
            }
            self.refusals.bare.insert(name, true);
        }
    }

    /// The session is gone: whatever it refused is asked of the next one.
    pub(super) fn forget_refusals(&mut self) {
        self.refusals.trial = Trial::None;
        if !std::mem::take(&mut self.refusals.fresh).is_empty() {
            self.listing = Listing::Wanted;
        }
        for folder in self.folders.values_mut().filter(|f| f.refused.is_some()) {
            (folder.refused, folder.refusals, folder.wanted) = (None, 0, folder.stalled.is_none());
        }
    }

    /// A folder has answered: a first refusal says nothing any more.
    pub(super) fn opens(&mut self, id: FolderId, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        // It is not asked for yet another session: else one that tells something now and then has no end.
        if let Some(is_asked) = self.refusals.bare.get_mut(&folder.row.remote_id) {
            *is_asked = true;
        }
        folder.bare = false;
        if folder.row.refused.take().is_some() {
            cx.commit(Owner::Nobody, AccountChange::Refused { folder: id, look: None });
        }
    }

    /// Names that were refused and are still there.
    fn refused(&self) -> Vec<Vec<u8>> {
        let held = self.folders.values().filter(|f| f.refused.is_some() && !f.row.excluded);
        held.map(|f| f.row.remote_id.clone()).chain(self.refusals.fresh.keys().cloned()).collect()
    }

    /// Begins to ask whether it is the server, or goes on. Returns whether there is something to ask.
    pub(super) fn plan_trial(&mut self, cx: &mut Cx<'_>) -> bool {
        let is_tried = !matches!(self.refusals.trial, Trial::None);
        if is_tried || cx.session().is_none() {
            return is_tried;
        }
        let refused = self.refused();
        if refused.is_empty() {
            let is_asked = self.take_relist(cx);
            if is_asked {
                self.start_listing(cx);
            }
            return is_asked;
        }
        let answers = |f: &&Folder| !f.is_left() && !f.row.excluded;
        let mut others: Vec<&Folder> = self.folders.values().filter(answers).collect();
        others.sort_by_key(|f| (!f.is_inbox(), std::cmp::Reverse(f.shown_at.max(f.row.passed_at))));
        let others = others.into_iter().map(|f| f.row.remote_id.clone());
        let late = self.late.iter().map(|name| name.remote_id.clone());
        let names = others.take(WITNESSES).chain(late.take(WITNESSES));
        let mut names: VecDeque<_> = names.chain(refused.into_iter().take(WITNESSES)).collect();
        // One that is left out can answer, too.
        if !cx.settings().folders.wants("INBOX") {
            names.push_back(b"INBOX".to_vec());
        }
        self.refusals.trial = Trial::Witness(names);
        self.ask_next(cx);
        true
    }

    fn ask_next(&mut self, cx: &mut Cx<'_>) {
        let trial = std::mem::take(&mut self.refusals.trial);
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
        self.refusals.trial = trial;
        cx.ask(Owner::Trial, Request::examine(name));
    }

    /// What the next one of a trial has answered.
    ///
    /// # Errors
    /// None has answered: the server's failure.
    pub(super) fn on_tried(
        &mut self,
        answer: Result<(), Failure>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        match std::mem::take(&mut self.refusals.trial) {
            Trial::None => {}
            Trial::Witness(mut names) => {
                let Some(name) = names.pop_front() else { return Ok(()) };
                match answer {
                    Ok(()) => {
                        self.opens_again(&name, cx);
                        let rest = self.refused().into_iter().filter(|refused| *refused != name);
                        let rest = rest.collect();
                        self.refusals.trial = Trial::Judging(name, rest, Vec::new());
                    }
                    Err(failure) if names.is_empty() => return Err(of_server(&failure)),
                    Err(_) => self.refusals.trial = Trial::Witness(names),
                }
            }
            Trial::Judging(witness, mut names, mut said) => {
                let Some(name) = names.pop_front() else { return Ok(()) };
                match answer {
                    Ok(()) => self.opens_again(&name, cx),
                    Err(failure) => said.push((name, failure)),
                }
                self.refusals.trial = Trial::Judging(witness, names, said);
            }
            Trial::Confirming(said) => {
                if let Err(failure) = answer {
                    return Err(of_server(&failure));
                }
                for (name, failure) in said {
                    self.count_refusal(&name, failure, cx);
                }
            }
        }
        self.ask_next(cx);
        Ok(())
    }

    /// It answers now: it is looked at, once.
    fn opens_again(&mut self, name: &[u8], cx: &mut Cx<'_>) {
        if self.refusals.fresh.remove(name).is_some() {
            return self.list_anew();
        }
        let Some(id) = self.folders.named(name).map(|folder| folder.row.id) else { return };
        self.opens(id, cx);
        if let Some(folder) = self.folders.get_mut(&id)
            && folder.refused.take().is_some()
        {
            folder.tried = true;
            self.want_pass(id, Depth::Full);
        }
    }

    /// A refusal beside an answer.
    fn count_refusal(&mut self, name: &[u8], failure: Failure, cx: &mut Cx<'_>) {
        if let Some((folder, _)) = self.refusals.fresh.remove(name) {
            if is_bare(&failure) {
                return self.refuse_fresh(folder, failure, cx);
            }
            return self.shut_fresh(&folder, &failure, cx);
        }
        let Some(session) = cx.session() else { return };
        let sight = Sight { session, at: cx.stamp(), confirm_after: cx.settings().confirm_after };
        let Some(id) = self.folders.named(name).map(|folder| folder.row.id) else { return };
        let Some(folder) = self.folders.get_mut(&id) else { return };
        folder.refused = None;
        let path = folder.row.path.clone();
        let first = folder.row.refused;
        if is_bare(&failure) {
            return self.answer_barely(id, failure, cx);
        }
        self.stall(id, failure.clone());
        match first {
            Some(first) if sight.is_second_to(first.session, first.at) => {
                cx.report(&failure);
                self.shut(name, &path, Some(id), &failure, cx);
            }
            first => {
                cx.look_again();
                let after = cx.settings().confirm_after.as_secs();
                cx.leave(format!(
                    "folder {path} cannot be opened: a second look, {after} s later on a new session, \
                     must agree ({failure})"
                ));
                if first.is_none() {
                    let look = Some(RefusedLook { session, at: sight.at });
                    cx.commit(Owner::Nobody, AccountChange::Refused { folder: id, look });
                }
            }
        }
    }

    /// A folder that we hold was answered without telling anything: another session is asked, then it
    /// stands still.
    pub(super) fn answer_barely(&mut self, id: FolderId, failure: Failure, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        (folder.wanted, folder.bare) = (false, true);
        let (name, path) = (folder.row.remote_id.clone(), folder.row.path.clone());
        if !self.is_bare_again(&name) {
            return;
        }
        if cx.account().shut.contains_key(&name) {
            // It was shut, and stays so: its row says when it is asked next, for who waits for it.
            self.stall(id, failure.clone());
            return self.shut(&name, &path, Some(id), &failure, cx);
        }
        self.stand_still(id, failure, cx);
    }

    /// LIST is asked once more: what it has not been complete for is known now.
    fn list_anew(&mut self) {
        self.refusals.relist = true;
    }

    /// Whether it may be asked once more, of which nothing is left then.
    fn take_relist(&mut self, cx: &mut Cx<'_>) -> bool {
        if !std::mem::take(&mut self.refusals.relist) {
            return false;
        }
        self.refusals.relists += 1;
        if self.refusals.relists > RELISTS {
            cx.leave("folders are refused now and then: the next run looks for them".to_owned());
        }
        self.refusals.relists <= RELISTS
    }

    /// LIST is asked: it says which new names there are.
    pub(super) fn forget_fresh(&mut self) {
        self.refusals.fresh.clear();
    }
}

/// None of the folders that were asked has answered.
fn of_server(last: &Failure) -> Failure {
    let text = format!("every folder that was asked is refused: {}", last.text);
    Failure::new(Class::Provider, Reach::Account, Provenance::Server, text).when(When::Soon)
}
