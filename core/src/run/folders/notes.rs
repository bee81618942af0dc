//! Poison by cut: a mail or a folder at which sessions end costs itself, not the run.
//!
//! When a session ends, what its oldest open question was about gets a note, and an answer takes
//! the note away. At the first note nothing changes (it is a row if the run ends with it). At the
//! second (it is a row at once) a mail is set aside and asked for alone after all else, a folder
//! goes last; at the third it is a ledger row and the run goes on. What is shut and asked again
//! starts at the second.

use crate::commit::change::{AccountChange, FolderChange, Note, Poison};
use crate::failure::{Class, Failure, Reach, When};
use crate::mail::id::FolderId;
use crate::mail::page::{Again, Page, Unfetched};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Request;
use crate::run::context::{RunEffects, RunView};
use crate::run::event::Token;
use crate::run::folders::folder::{Fill, FillKind, Owner};
use crate::run::folders::listing::state::{CutNote, GOES_LAST};
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::work::{CUTS, Cut};
use std::collections::VecDeque;

/// Steps forward of a run; what is beyond is noted like any other end.
const FURTHER: u32 = 1000;
/// Notes at which a thing is left alone.
const LEFT_ALONE: u32 = 3;

impl FolderWork {
    /// Whether a session that ended with this failure may have ended at what it was asked.
    fn is_cut(failure: &Failure) -> bool {
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

    /// A session has ended; `token` is a question that it did not answer. Notes what its oldest
    /// question was about.
    pub(super) fn note_cut(
        &mut self,
        token: Token,
        owner: Owner,
        failure: &Failure,
        cx: &mut Cx<'_>,
    ) -> Cut {
        if failure.further && Self::is_cut(failure) && self.furthers < FURTHER {
            self.furthers += 1;
            return Cut::Further;
        }
        if !Self::is_cut(failure) || cx.session().is_none() {
            return Cut::Unnoted;
        }
        let first = cx.oldest_question();
        let (token, owner) = first.filter(|(first, _)| *first < token).unwrap_or((token, owner));
        let (about, worked) = match owner {
            Owner::Page(id, fill) => match self.poisoned_mail(id, fill) {
                Some(found) => found,
                None => return Cut::Unnoted,
            },
            _ => match cx.question(token) {
                Some(Request::Examine { remote_id, .. }) => {
                    self.poisoned_folder(Poison::Examine(remote_id.clone()), remote_id)
                }
                Some(request) => match request.remote_id() {
                    Some(name) => self.poisoned_folder(Poison::Index(name.to_vec()), name),
                    None => return Cut::Unnoted,
                },
                None => return Cut::Unnoted,
            },
        };
        self.cuts += 1;
        let count = self.notes.get(&about).map_or(0, |noted| noted.count) + 1;
        let settled = match (&about, owner) {
            (Poison::Mail(id, _, uid), Owner::Page(_, fill)) => {
                self.settle_poison(*id, fill, *uid, count, failure, cx)
            }
            _ => {
                count >= LEFT_ALONE
                    && self.is_alone_in_it(&about)
                    && self.leave_folder(&about, failure, cx)
            }
        };
        if settled {
            self.forget_note(&about, cx);
        } else {
            let noted = CutNote { count, text: failure.chain(), stored: false };
            self.notes.insert(about.clone(), noted);
            if count >= GOES_LAST {
                self.store_note(&about, cx);
            }
        }
        // A folder that is shut now ends no other session of this run.
        let is_done = settled && !matches!(owner, Owner::Page(..));
        match worked || is_done {
            worked if self.cuts >= CUTS => Cut::Enough { worked },
            true => Cut::AtOneThing,
            false => Cut::Noted,
        }
    }

    fn poisoned_folder(&self, about: Poison, name: &[u8]) -> (Poison, bool) {
        let worked = self.answered.iter().any(|answered| answered != name);
        (about, worked)
    }

    /// Whether the same question was answered about another folder in this run: else it may be the
    /// server that is ill.
    fn is_alone_in_it(&self, about: &Poison) -> bool {
        match about {
            Poison::Examine(name) => self.opened.iter().any(|opened| opened != name),
            Poison::Index(name) => self.indexed.iter().any(|indexed| indexed != name),
            Poison::Mail(..) => true,
        }
    }

    /// The first UID that a page has not settled.
    fn poisoned_mail(&self, id: FolderId, fill: Token) -> Option<(Poison, bool)> {
        let folder = self.folders.get(&id)?;
        let fill = folder.fills.get(&fill)?;
        let uid = fill.open.intersect(&fill.asked).first()?;
        let worked = self.answered.contains(&folder.row.remote_id);
        Some((Poison::Mail(id, folder.lanes.live.uidvalidity, uid), worked))
    }

    /// At the third note, or when a row is tried again, the mail is a row of the ledger. At the
    /// second it is set aside, and the rest of its page comes in halves.
    fn settle_poison(
        &mut self,
        id: FolderId,
        token: Token,
        uid: u32,
        count: u32,
        failure: &Failure,
        cx: &mut Cx<'_>,
    ) -> bool {
        let size = cx.settings().page_messages;
        let Some(folder) = self.folders.get_mut(&id) else { return false };
        let Some(fill) = folder.fills.get(&token) else { return false };
        let (kind, alone) = (fill.kind, fill.asked.len() == 1);
        let is_row = kind == FillKind::Retry && folder.row.failures.contains(uid);
        if !alone || (count < LEFT_ALONE && !is_row) {
            if count >= GOES_LAST {
                folder.page = Some((folder.page.unwrap_or(size) / 2).max(1));
            }
            return false;
        }
        let uidvalidity = folder.lanes.live.uidvalidity;
        let row = Unfetched {
            uid,
            class: failure.class,
            text: failure.chain().into(),
            again: Again::Spaced,
        };
        let page = Page { failed: vec![row], ..Page::default() };
        let uids = UidSet::one(uid);
        let change = match kind {
            FillKind::Backfill => {
                FolderChange::Backfill { folder: id, uidvalidity, range: uids.clone(), page }
            }
            FillKind::Retry => {
                FolderChange::Retry { folder: id, uidvalidity, uids: uids.clone(), page }
            }
            FillKind::Arrivals => {
                let from = folder.chain;
                folder.chain = from.max(uid.saturating_add(1));
                FolderChange::Arrivals { folder: id, uidvalidity, from, to: folder.chain, page }
            }
        };
        folder.lone = folder.lone.minus(&uids);
        let mine = cx.token();
        let unacked = VecDeque::from([(0, 0, 1)]);
        let fill =
            Fill { kind, asked: uids, open: UidSet::new(), fetching: false, dead: false, unacked };
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.fills.insert(mine, fill);
        }
        cx.commit(Owner::Page(id, mine), change);
        true
    }

    /// A folder at which three sessions have ended is shut.
    fn leave_folder(&mut self, about: &Poison, failure: &Failure, cx: &mut Cx<'_>) -> bool {
        let (Poison::Examine(name) | Poison::Index(name)) = about else { return false };
        let name = name.clone();
        match self.folders.named(&name).map(|f| (f.row.id, f.row.path.clone())) {
            Some((id, path)) => {
                self.stall(id, failure.clone());
                self.shut(&name, &path, Some(id), failure, cx);
            }
            None => {
                let path = self
                    .drop_name(&name)
                    .unwrap_or_else(|| String::from_utf8_lossy(&name).into_owned());
                self.shut(&name, &path, None, failure, cx);
            }
        }
        true
    }

    /// Whether sessions have ended at it often enough that it is asked last.
    pub(super) fn is_noted(&self, about: &Poison) -> bool {
        self.notes.get(about).is_some_and(|noted| noted.count >= GOES_LAST)
    }

    fn store_note(&mut self, about: &Poison, cx: &mut Cx<'_>) {
        let Some(noted) = self.notes.get_mut(about) else { return };
        noted.stored = true;
        let note = Note { about: about.clone(), count: noted.count, text: noted.text.clone() };
        cx.commit(Owner::Nobody, AccountChange::Note(note));
    }

    /// The run ends before what ended a session was asked once more: the next one is to know. Else
    /// each run that has one try would end at it anew.
    pub(super) fn store_first_notes(&mut self, cx: &mut Cx<'_>) {
        let first: Vec<Poison> = self
            .notes
            .iter()
            .filter(|(_, noted)| noted.count == 1 && !noted.stored)
            .map(|(about, _)| about.clone())
            .collect();
        for about in first {
            self.store_note(&about, cx);
        }
    }

    /// Something answered: its note goes.
    pub(super) fn forget_note(&mut self, about: &Poison, cx: &mut Cx<'_>) {
        if self.notes.remove(about).is_some_and(|noted| noted.stored) {
            let note = Note { about: about.clone(), count: 0, text: String::new() };
            cx.commit(Owner::Nobody, AccountChange::Note(note));
        }
    }

    /// Whether a mail that is asked for alone is to come in pieces: sessions have ended at it as a
    /// whole, or it has failed so before.
    pub(super) fn comes_in_pieces(&self, id: FolderId, kind: FillKind, asked: &UidSet) -> bool {
        let (Some(folder), Some(uid)) = (self.folders.get(&id), asked.first()) else {
            return false;
        };
        let about = Poison::Mail(id, folder.lanes.live.uidvalidity, uid);
        let failed = kind == FillKind::Retry
            && folder.row.failures.contains(uid)
            && !folder.suspects.contains_key(&uid);
        asked.len() == 1 && (failed || self.is_noted(&about))
    }

    /// Mails of a folder at which a session has ended.
    pub(super) fn noted_mail(&self, id: FolderId) -> UidSet {
        let mine = |about: &Poison| match about {
            Poison::Mail(folder, _, uid) if *folder == id => Some(*uid),
            _ => None,
        };
        self.notes.keys().filter_map(mine).collect()
    }

    /// Mails of a folder that are set aside.
    pub(super) fn aside(&self, id: FolderId) -> UidSet {
        if self.notes.is_empty() {
            return UidSet::new();
        }
        let mine = |about: &Poison| match about {
            Poison::Mail(folder, _, uid) if *folder == id => Some(*uid),
            _ => None,
        };
        self.notes
            .iter()
            .filter(|(_, noted)| noted.count >= GOES_LAST)
            .filter_map(|(about, _)| mine(about))
            .collect()
    }

    /// Whether a mail of this folder has a note, and this session has not shown that it can open
    /// the folder.
    pub(super) fn wants_probe(&self, id: FolderId) -> bool {
        let noted = self
            .notes
            .keys()
            .any(|about| matches!(about, Poison::Mail(folder, ..) if *folder == id));
        noted && self.folders.get(&id).is_some_and(|f| !self.answered.contains(&f.row.remote_id))
    }
}
