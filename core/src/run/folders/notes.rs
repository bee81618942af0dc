//! Notes of what ended sessions: a mail or a folder at which sessions end costs itself, not the run.
//!
//! When a session ends, what its oldest open question was about gets a note, and an answer takes
//! the note away. At the first note nothing changes (it is a row if the run ends with it). At the
//! second (it is a row at once) a mail is set aside and asked for alone after all else, a folder
//! goes last; at the third it is a ledger row and the run goes on. What is shut and asked again
//! starts at the second.

use crate::commit::change::{AccountChange, Note, Poison};
use crate::failure::{Class, Failure, Reach, When};
use crate::mail::cursor::Lanes;
use crate::mail::folder::WireName;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::Request;
use crate::provider::folders::FolderRequest;
use crate::recovery::asked::{ALONE, Asked, LEFT_OUT};
use crate::run::context::RunEffects;
use crate::run::folders::folder::{Cx, Folder, Owner};
use crate::run::folders::set::Folders;
use crate::run::work::{CUTS, Cut};
use std::collections::{BTreeMap, BTreeSet};

/// Steps forward of a run; what is beyond is noted like any other end.
const FURTHER: u32 = 1000;
/// Notes at which a thing is left alone.
pub(super) const LEFT_ALONE: u32 = 3;
/// Notes at which it is asked last of all.
pub(super) const GOES_LAST: u32 = 2;

/// How often sessions have ended at a thing.
#[derive(Clone, Debug)]
struct CutNote {
    count: u32,
    /// What ended the last one.
    text: String,
    /// It is a row.
    stored: bool,
}

/// What ended sessions, and what they have answered.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: BTreeMap<Poison, CutNote>,
    /// What was on its way when processes ended.
    asked: Asked,
    /// Failures at which they have ended.
    fatal: BTreeMap<FolderId, UidSet>,
    /// Less of it than is stored.
    is_less_asked: bool,
    /// Sessions that ended so in this run.
    cuts: u32,
    /// Sessions that have ended after a step forward with one mail.
    furthers: u32,
    /// Wire names about which this session has answered something.
    answered: BTreeSet<WireName>,
    /// Wire names that were opened, and those whose index was told, in this run.
    opened: BTreeSet<WireName>,
    indexed: BTreeSet<WireName>,
}

/// Whether a session that ended with this failure may have ended at what it was asked.
pub(super) fn is_cut(failure: &Failure) -> bool {
    // An answer that is not read to its end takes its session with it.
    if failure.when == When::Soon {
        return false;
    }
    let endless = failure.class == Class::InvalidData && failure.reach == Reach::Session;
    endless
        || matches!(
            failure.class,
            Class::Network | Class::Timeout | Class::Provider | Class::Unknown
        )
}

impl Notes {
    /// From the store's rows; of the same run before the store was asked anew, what sessions have shown is
    /// still true.
    pub(super) fn new<'a>(
        before: Option<Self>,
        shut: impl Iterator<Item = &'a WireName>,
        stored: Vec<Note>,
        (asked, fatal): (Asked, BTreeMap<FolderId, UidSet>),
    ) -> Self {
        let mut notes = Self {
            opened: BTreeSet::new(),
            indexed: BTreeSet::new(),
            ..before.unwrap_or(Self { asked, ..Self::default() })
        };
        notes.fatal = fatal;
        // What is shut is asked last: should a session end at it again, that alone is the third
        // time, and no try of the run.
        for name in shut.filter(|name| !name.is_empty()) {
            let noted = CutNote { count: GOES_LAST, text: String::new(), stored: false };
            notes.notes.entry(Poison::Examine(name.clone())).or_insert(noted);
        }
        notes.notes.extend(stored.into_iter().map(|note| {
            (note.about, CutNote { count: note.count, text: note.text, stored: true })
        }));
        notes
    }

    /// A session has come: it has answered nothing yet.
    pub(super) fn connected(&mut self) {
        self.answered.clear();
    }

    /// Whether there are some.
    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.asked.is_empty()
    }

    /// Of what was on its way when processes ended only that counts which these folders can still be asked for: behind
    /// a pass nothing that is new, which a UIDNEXT may have told of that was a lie.
    pub(super) fn keep_asked(&mut self, folders: &Folders) {
        if self.asked.is_empty() {
            return;
        }
        self.is_less_asked |= self.asked.keep_folders(|id| folders.get(&id).is_some());
        for folder in folders.values() {
            let Lanes { live, backfill, .. } = &folder.lanes;
            let mut open = backfill.remaining.union(&folder.row.failures);
            let pass = &folder.pass;
            if pass.shown_at().is_none() || pass.is_wanted() || pass.is_under_way() {
                open = open.union(&UidSet::range(live.uidnext, u32::MAX));
            }
            self.is_less_asked |= self.asked.keep(folder.row.id, live.uidvalidity, &open);
        }
    }

    /// Whether a mail was on its way when processes ended, so that it is asked for alone.
    pub(super) fn is_suspect(&self, id: FolderId, uid: u32) -> bool {
        let has_failed = self.fatal.get(&id).is_some_and(|uids| uids.contains(uid));
        has_failed || self.asked.of(id, ALONE).contains(uid)
    }

    /// Of these, which is asked for next: those at which fewer processes have ended.
    pub(super) fn least_suspect(&self, id: FolderId, of: &UidSet) -> Option<u32> {
        of.minus(&self.asked.of(id, ALONE + 1)).first().or(of.first())
    }

    /// Whether it is not asked for any more, since processes have ended at it.
    pub(super) fn is_left_out(&self, id: FolderId, uid: u32) -> bool {
        self.asked.of(id, LEFT_OUT).contains(uid)
    }

    /// It has brought mail of a folder.
    pub(super) fn has_brought(&mut self, name: WireName) {
        self.answered.insert(name);
    }

    /// Takes the notes away of what has answered, and remembers that the session works for it.
    pub(super) fn answered(&mut self, request: Option<&Request>, run: &mut Cx<'_>) {
        let Some(name) = request.and_then(Request::remote_id) else { return };
        let about = match request {
            Some(Request::Folders(FolderRequest::Examine { .. })) => {
                self.opened.insert(name.clone());
                Poison::Examine(name.clone())
            }
            _ => {
                self.indexed.insert(name.clone());
                // Opening it was a part of the question.
                self.forget(&Poison::Examine(name.clone()), run);
                Poison::Index(name.clone())
            }
        };
        self.answered.insert(name.clone());
        self.forget(&about, run);
    }

    /// Whether a session's end is a step forward: what it broke off has come further.
    pub(super) fn goes_further(&mut self, failure: &Failure) -> bool {
        let is_further = failure.made_progress && is_cut(failure) && self.furthers < FURTHER;
        self.furthers += u32::from(is_further);
        is_further
    }

    /// A mail as what a session ended at, and whether that worked otherwise.
    pub(super) fn at_mail(&self, folder: &Folder, uid: u32) -> (Poison, bool) {
        let worked = self.answered.contains(&folder.row.remote_id);
        (Poison::Mail(folder.row.id, folder.lanes.live.uidvalidity, uid), worked)
    }

    /// A folder, likewise.
    pub(super) fn at_folder(&self, request: &Request) -> Option<(Poison, bool)> {
        let name = request.remote_id()?;
        let about = match request {
            Request::Folders(FolderRequest::Examine { .. }) => Poison::Examine(name.clone()),
            _ => Poison::Index(name.clone()),
        };
        Some((about, self.answered.iter().any(|answered| answered != name)))
    }

    /// A session has ended at this: how often now.
    pub(super) fn count(&mut self, about: &Poison) -> u32 {
        self.cuts += 1;
        self.notes.get(about).map_or(0, |noted| noted.count) + 1
    }

    /// Whether a folder is to be left alone: the same question was answered about another one in this run,
    /// or else it may be the server that is ill.
    pub(super) fn is_to_be_left(&self, about: &Poison, count: u32) -> bool {
        let is_alone_in_it = match about {
            Poison::Examine(name) => self.opened.iter().any(|opened| opened != name),
            Poison::Index(name) => self.indexed.iter().any(|indexed| indexed != name),
            Poison::Mail(..) => true,
        };
        count >= LEFT_ALONE && is_alone_in_it
    }

    /// Notes it, unless it is a row of the ledger now.
    pub(super) fn note(
        &mut self,
        about: &Poison,
        count: u32,
        settled: bool,
        failure: &Failure,
        run: &mut Cx<'_>,
    ) {
        if settled {
            return self.forget(about, run);
        }
        let noted = CutNote { count, text: failure.chain(), stored: false };
        self.notes.insert(about.clone(), noted);
        if count >= GOES_LAST {
            self.store(about, run);
        }
    }

    /// What a session's end that was noted comes to.
    pub(super) fn cut(&self, worked: bool) -> Cut {
        match worked {
            worked if self.cuts >= CUTS => Cut::Enough { worked },
            true => Cut::AtOneThing,
            false => Cut::Noted,
        }
    }

    fn store(&mut self, about: &Poison, run: &mut Cx<'_>) {
        let Some(noted) = self.notes.get_mut(about) else { return };
        noted.stored = true;
        let note = Note { about: about.clone(), count: noted.count, text: noted.text.clone() };
        run.commit(Owner::Nobody, AccountChange::Note(note));
    }

    /// The run ends before what ended a session was asked once more: the next one is to know. Else
    /// each run that has one try would end at it anew.
    pub(super) fn store_first(&mut self, run: &mut Cx<'_>) {
        if std::mem::take(&mut self.is_less_asked) {
            run.commit(Owner::Nobody, AccountChange::Asked(self.asked.clone()));
        }
        let first: Vec<Poison> = self
            .notes
            .iter()
            .filter(|(_, noted)| noted.count == 1 && !noted.stored)
            .map(|(about, _)| about.clone())
            .collect();
        for about in first {
            self.store(&about, run);
        }
    }

    /// Something answered: its note goes.
    pub(super) fn forget(&mut self, about: &Poison, run: &mut Cx<'_>) {
        if let Poison::Mail(folder, _, uid) = about {
            self.is_less_asked |= self.asked.settled(*folder, &UidSet::one(*uid));
        }
        if self.notes.remove(about).is_some_and(|noted| noted.stored) {
            let note = Note { about: about.clone(), count: 0, text: String::new() };
            run.commit(Owner::Nobody, AccountChange::Note(note));
        }
    }

    /// A folder's UIDs have begun anew: notes of the old ones are void.
    pub(super) fn forget_mail(&mut self, folder: FolderId) {
        self.notes.retain(|about, _| !matches!(about, Poison::Mail(of, ..) if *of == folder));
        self.is_less_asked |= self.asked.keep_folders(|id| id != folder);
    }

    /// Whether sessions have ended at it often enough that it is asked last.
    pub(super) fn is_noted(&self, about: &Poison) -> bool {
        self.notes.get(about).is_some_and(|noted| noted.count >= GOES_LAST)
    }

    /// Whether sessions have ended at this folder's EXAMINE or index.
    pub(super) fn ends_sessions(&self, name: &WireName) -> bool {
        !self.notes.is_empty()
            && (self.is_noted(&Poison::Examine(name.clone()))
                || self.is_noted(&Poison::Index(name.clone())))
    }

    /// How often they have.
    pub(super) fn cuts_at(&self, name: &WireName) -> u32 {
        let of = |about| self.notes.get(&about).map_or(0, |noted| noted.count);
        of(Poison::Examine(name.clone())).max(of(Poison::Index(name.clone())))
    }

    /// Mails of a folder at which a session has ended, at least so often.
    fn mail(&self, id: FolderId, least: u32) -> UidSet {
        let mine = |(about, noted): (&Poison, &CutNote)| match about {
            Poison::Mail(folder, _, uid) if *folder == id && noted.count >= least => Some(*uid),
            _ => None,
        };
        self.notes.iter().filter_map(mine).collect()
    }

    /// Mails of a folder at which a session has ended, or a process.
    pub(super) fn noted_mail(&self, id: FolderId) -> UidSet {
        self.mail(id, 0).union(&self.asked.of(id, 0))
    }

    /// Mails of a folder that are set aside.
    pub(super) fn aside(&self, id: FolderId) -> UidSet {
        self.mail(id, GOES_LAST).union(&self.asked.of(id, ALONE))
    }

    /// Whether a mail of this folder has a note, and this session has not shown that it can open
    /// the folder.
    pub(super) fn wants_probe(&self, folder: &Folder) -> bool {
        let is_of_it =
            |about: &Poison| matches!(about, Poison::Mail(of, ..) if *of == folder.row.id);
        self.notes.keys().any(is_of_it) && !self.answered.contains(&folder.row.remote_id)
    }

    /// A folder whose opening ends sessions is opened last of all, by its pass or by a probe: nobody
    /// is kept waiting for its mail.
    pub(super) fn opens_last(&self, folder: &Folder) -> bool {
        let name = &folder.row.remote_id;
        self.ends_sessions(name) && !self.answered.contains(name)
    }
}

#[cfg(test)]
mod tests;
