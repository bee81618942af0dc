//! The work of a run of folders: four machines, what they share, and how it begins.

use crate::commit::rows::FolderRow;
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::id::FolderId;
use crate::mail::recognise::IdentityKind;
use crate::mail::uid_set::UidSet;
use crate::provider::Proof;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::event::AccountSnapshot;
use crate::run::folders::context::{FolderCx, FolderFacts, Want};
use crate::run::folders::fills::Fills;
use crate::run::folders::fills::part::FillPart;
use crate::run::folders::folder::{Cx, Folder};
use crate::run::folders::listing::Listing;
use crate::run::folders::notes::Notes;
use crate::run::folders::passes::FolderPasses;
use crate::run::folders::passes::part::PassPart;
use crate::run::folders::refusals::Refusals;
use crate::run::folders::set::Folders;
use crate::run::scope::Scope;
use std::collections::BTreeMap;

/// The machines of a run of folders. Each owns its fields and its part of a folder.
#[derive(Debug)]
pub(super) struct Machines {
    pub(super) listing: Listing,
    pub(super) passes: FolderPasses,
    pub(super) fills: Fills,
    pub(super) refusals: Refusals,
}

/// The work of a run where mail lies in folders and has UIDs: it routes what comes to the machines, and
/// what one of them wants to its siblings.
#[derive(Debug)]
pub(crate) struct FolderWork {
    pub(super) machines: Machines,
    pub(super) folders: Folders,
    pub(super) notes: Notes,
    pub(super) known: FolderFacts,
}

impl FolderWork {
    /// From the store's rows. Of the same work before the store was asked anew, what sessions have
    /// shown is still true.
    pub(super) fn of(before: Option<Self>, snapshot: AccountSnapshot, run: &mut Cx<'_>) -> Self {
        let (machines, notes, known) = match before {
            Some(Self { machines, notes, known, .. }) => (Some(machines), Some(notes), Some(known)),
            None => (None, None, None),
        };
        let is_first = run.account().listed_at.is_none();
        let is_listed = is_first || !matches!(run.scope(), Scope::Some { list: false, .. });
        let mut work = Self {
            machines: Machines {
                listing: Listing::new(machines.as_ref().map(|before| &before.listing), is_listed),
                passes: FolderPasses::default(),
                fills: Fills::new(machines.map(|before| before.fills)),
                refusals: Refusals::default(),
            },
            folders: Folders::default(),
            notes: Notes::new(
                notes,
                run.account().shut.keys(),
                snapshot.notes,
                (snapshot.asked, snapshot.fatal),
            ),
            known: FolderFacts {
                proof: known.as_ref().map_or_else(Proof::default, |before| before.proof),
                names: known.map_or(IdentityKind::Hash, |before| before.names),
                is_first,
                listed: false,
                seeks: snapshot.limbo,
            },
        };
        let (mut due, mut lone, mut burst) = (snapshot.due, snapshot.lone, snapshot.burst);
        let of = |rows: &mut BTreeMap<FolderId, UidSet>, id| rows.remove(&id).unwrap_or_default();
        for row in snapshot.folders {
            let id = row.id;
            let due = of(&mut due, id);
            let due = if run.insists() { row.tried_again() } else { due };
            let retries = FillPart::of_retries(due, &of(&mut lone, id), &of(&mut burst, id));
            work.take_in(row, retries, run);
        }
        work.notes.keep_asked(&work.folders);
        work.leave_shut(run);
        work
    }

    /// Takes a folder in. What the run is not to look at is left out; before an account's first LIST there is
    /// nothing to leave out.
    fn take_in(&mut self, row: FolderRow, retries: FillPart, run: &mut Cx<'_>) {
        let look = row.look.as_ref().map(|look| look.at);
        for instant in [Some(row.opened_at), row.passed_at, row.proved_at, look] {
            run.stamp_after(instant);
        }
        let path = row.path.clone();
        let Some(mut folder) = Folder::new(row) else {
            let text = format!("folder {path} has no cursor in the database, which is damaged");
            return run.leave(text);
        };
        folder.fill = retries;
        if let Scope::Some { folders, .. } = run.scope()
            && !self.known.is_first
        {
            folder.pass = PassPart::of_scope(folders.get(&folder.row.id).copied());
        }
        self.folders.insert(folder);
    }

    /// What is shut and not due is left alone from the beginning.
    fn leave_shut(&mut self, run: &Cx<'_>) {
        if run.insists() {
            return;
        }
        let (now, stays) = (run.now().wall, run.settings().policy.stays);
        for (name, shut) in &run.account().shut {
            let is_waited_for = |f: &&Folder| shut.due_at > now && (stays || !f.is_inbox());
            if let Some(id) = self.folders.named(name).filter(is_waited_for).map(|f| f.row.id) {
                let text = "it could not be opened, and is asked again later";
                let failure =
                    Failure::new(Class::Provider, Reach::Folder, Provenance::Server, text);
                self.folders.stall(id, failure);
            }
        }
    }

    /// One of the machines works; what it wants of the others is seen to behind it.
    pub(super) fn with<T>(
        &mut self,
        run: &mut Cx<'_>,
        work: impl FnOnce(&mut Machines, &mut FolderCx<'_>) -> T,
    ) -> T {
        let Self { machines, folders, notes, known } = self;
        let mut cx = FolderCx { run: run.again(), folders, notes, known, wants: Vec::new() };
        let done = work(machines, &mut cx);
        let wants = cx.wants;
        for want in wants {
            self.see_to(want, run);
        }
        done
    }

    /// Sees to what a machine wants of its siblings.
    pub(super) fn see_to(&mut self, want: Want, run: &mut Cx<'_>) {
        let folders = &mut self.folders;
        match want {
            Want::Pass { folder, depth } => folders.want_pass(folder, depth),
            Want::RestartPass { folder } => folders.break_off_pass(folder, false),
            Want::BeginAnew { folder } => folders.begin_anew(folder),
            Want::RecheckName { folder } => folders.doubt(folder),
            Want::Retry { folder } => folders.retry_pass(folder),
            Want::SetAside { folder } => folders.set_aside(folder),
            Want::Skip { folder } => folders.skip(folder),
            Want::Leave { folder } => folders.leave(folder),
            Want::Asked { folder, uids } => folders.note_asked(folder, &uids),
            Want::Prove { folder } => folders.note_read(folder),
            Want::Lacks { folder } => folders.note_lack(folder),
            Want::ForgetSuspects { folder } => folders.forget_suspects(folder),
            Want::ForgetUids { folder } => {
                folders.forget_retries(folder);
                self.notes.forget_mail(folder);
            }
            Want::Refused { name, failure } => {
                self.with(run, |m, cx| m.refusals.on_fresh(name, failure, cx));
            }
            Want::Shut { remote_id, path, folder, failure } => {
                self.machines.listing.shut((remote_id, path), folder, &failure, run);
            }
            Want::List => self.machines.listing.want(),
            Want::RelistIfListed if self.machines.listing.is_over() => self.machines.listing.want(),
            Want::RelistIfListed => {}
            Want::Listing => {
                self.known.listed = true;
                self.machines.refusals.forget_fresh();
            }
            Want::Seek => self.known.seeks = true,
            Want::Forget(about) => self.notes.forget(&about, run),
        }
    }
}
