//! What the machines of a run of folders work on together, and what each of them wants of the others.
//!
//! A machine changes its own fields, its part of a folder, and the run through what [`RunEffects`] lets a
//! step do. What it wants of a sibling it says as a [`Want`]; the router (`work.rs`) sees to it when the
//! machine is done, in the order in which they were said.

use crate::commit::change::{AccountChange, Poison};
use crate::failure::Failure;
use crate::mail::folder::{ListedFolder, WireName};
use crate::mail::id::FolderId;
use crate::mail::recognise::IdentityKind;
use crate::mail::uid_set::UidSet;
use crate::provider::Proof;
use crate::run::context::RunEffects;
use crate::run::folders::folder::{Cx, Owner};
use crate::run::folders::notes::Notes;
use crate::run::folders::set::Folders;
use crate::run::scope::Depth;

/// What is true of the run for all of its machines; the router changes it.
#[derive(Debug)]
pub(super) struct FolderFacts {
    /// How the server proves changes.
    pub(super) proof: Proof,
    /// What it can name messages by.
    pub(super) names: IdentityKind,
    /// The account is new: a folder's newest mail is read as soon as it is listed, while it is open.
    pub(super) is_first: bool,
    /// LIST was asked in this run.
    pub(super) listed: bool,
    /// Something may have lost its last place, and is looked for.
    pub(super) seeks: bool,
}

/// Where a machine works.
#[derive(Debug)]
pub(super) struct FolderCx<'a> {
    pub(super) run: Cx<'a>,
    pub(super) folders: &'a mut Folders,
    pub(super) notes: &'a Notes,
    pub(super) known: &'a FolderFacts,
    pub(super) wants: Vec<Want>,
}

/// What a machine wants of its siblings.
#[derive(Debug)]
pub(super) enum Want {
    /// A folder is to be passed (again).
    Pass { folder: FolderId, depth: Depth },
    /// Its pass has lost the ground it stood on, and begins anew.
    RestartPass { folder: FolderId },
    /// Its numbers are not what they were: it is passed from the beginning.
    BeginAnew { folder: FolderId },
    /// It may have another name by now: LIST is asked, then it is passed again.
    RecheckName { folder: FolderId },
    /// What refused it is gone: it is passed again, unless it stands still.
    Retry { folder: FolderId },
    /// It is not looked at now.
    SetAside { folder: FolderId },
    /// It is missing, and not believed to be gone: another run looks again.
    Skip { folder: FolderId },
    /// It is gone: nothing more is asked of it.
    Leave { folder: FolderId },
    /// Pages of it are asked for: they are fresher than the index of a pass under way.
    Asked { folder: FolderId, uids: UidSet },
    /// History of it was read: another pass proves it.
    Prove { folder: FolderId },
    /// A page found what its last listing showed to be no more.
    Lacks { folder: FolderId },
    /// Bytes that are kept of it may be of other mail.
    ForgetSuspects { folder: FolderId },
    /// Its UIDs have begun anew: what is kept of the old ones is void.
    ForgetUids { folder: FolderId },
    /// A new name does not open.
    Refused { name: ListedFolder, failure: Failure },
    /// A name is listed and cannot be opened.
    Shut { remote_id: WireName, path: String, folder: Option<FolderId>, failure: Failure },
    /// LIST is asked once more.
    List,
    /// The same, where it is over.
    RelistIfListed,
    /// LIST is being asked: what new names have refused is asked of it.
    Listing,
    /// Something may have lost its last place.
    Seek,
    /// Something has answered: its note goes.
    Forget(Poison),
}

impl FolderCx<'_> {
    /// Says what is wanted of a sibling.
    pub(super) fn want(&mut self, want: Want) {
        self.wants.push(want);
    }

    /// The wire name of a folder.
    pub(super) fn name_of(&self, folder: FolderId) -> Option<WireName> {
        self.folders.get(&folder).map(|folder| folder.row.remote_id.clone())
    }

    /// The folder is left alone for the rest of the run; its rows and cursor stay as they are.
    pub(super) fn stall_and_note(&mut self, id: FolderId, failure: Failure) {
        let Some(folder) = self.folders.get(&id) else { return };
        self.run.leave(format!("folder {} stands still: {failure}", folder.row.path));
        let at = self.run.stamp();
        let (class, text) = (failure.class, failure.chain());
        self.folders.stall(id, failure);
        self.run.commit(Owner::Nobody, AccountChange::Fail { folder: Some(id), class, text, at });
    }
}
