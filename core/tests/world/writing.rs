//! The store's side of a world: what is queued for it, late, refused, lost in a crash.

use crate::world::{Queued, Work, World};
use postrider_core::commit::change::{Change, Commit, CommitAnswer, FolderChange};
use postrider_core::failure::Failure;
use postrider_core::mail::id::{FolderId, UidValidity};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::Request;
use postrider_core::provider::folders::FolderRequest;
use postrider_core::recovery::asked::{Beside, ProcessEnd};
use postrider_core::run::event::Event;
use postrider_core::run::reads::QuietProof;

impl World {
    pub(crate) fn apply_one(&mut self) -> Option<(u64, Event)> {
        match self.queue.pop_front()? {
            Queued::Proved(proof) => {
                if let QuietProof::Pass { folder, whole: true, .. } = proof
                    && self.store.folders.get(&folder).is_some_and(|row| !row.is_read())
                {
                    self.store.rash.push(format!("{folder:?} is proved, and not read"));
                }
                self.store.prove(proof);
                None
            }
            Queued::Stand(standing, reason) => {
                self.note(|| format!("stands {standing}"));
                self.store.stood = Some((standing, reason));
                None
            }
            Queued::Open(epoch, anew) => {
                let now = self.instant().wall;
                Some((epoch, Event::Opened(Box::new(self.store.open(anew, now)))))
            }
            Queued::Commit(epoch, token, commit) => {
                let full = self.faults && self.cfg.drops && self.dice.chance(2);
                let busy = self.faults && self.cfg.busy && self.dice.chance(15);
                let told = std::mem::take(&mut self.refuse);
                self.refuse = told.saturating_sub(1);
                let answer = if full || busy || told > 0 {
                    self.note(|| {
                        format!("-- the store cannot take {} {:?}", token.0, commit.change)
                    });
                    if let Some(session) = &mut self.session {
                        session.stale = true;
                    }
                    CommitAnswer::Failed(Failure::storage("scripted: disk full"), commit)
                } else {
                    self.judge_ends(&commit.change);
                    let opening = match &commit.change {
                        Change::Folder(FolderChange::Open { folder: to, .. })
                        | Change::Folder(FolderChange::Rename { to, .. }) => Some(to.path.clone()),
                        _ => None,
                    };
                    if let Change::Folder(FolderChange::Open { .. }) = &commit.change {
                        self.first_open.get_or_insert(self.now);
                    }
                    // Its boundary goes back too: what was told before by the old one is not
                    // judged.
                    let rewound = match &commit.change {
                        Change::Folder(
                            FolderChange::Pass { folder, rewind: Some(_), .. }
                            | FolderChange::Reopen { folder, .. }
                            | FolderChange::Rematch { folder, .. },
                        ) => Some(*folder),
                        _ => None,
                    };
                    let account = &self.store.account;
                    let boundary = match &commit.change {
                        Change::Folder(FolderChange::Open { mark, folder, .. }) => {
                            let first = account.listed_at.is_none()
                                && !account.shut.contains_key(&folder.remote_id);
                            first.then_some(mark.uidnext)
                        }
                        _ => None,
                    };
                    self.note(|| format!("commit {} {:?}", token.0, commit.change));
                    self.check_shut(&commit.change);
                    let answer = self.store.commit(*commit, self.settings.guard_floor);
                    if let (Some(path), CommitAnswer::Done(rows)) = (opening, &answer)
                        && let (Some(row), Some(truth)) =
                            (&rows.folder, self.server.folders.get(&path))
                    {
                        self.truth.insert(row.id, truth.id);
                        if let Some(boundary) = boundary {
                            self.boundaries.insert(row.id, boundary);
                        }
                    }
                    if let (Some(folder), CommitAnswer::Done(_)) = (rewound, &answer) {
                        self.boundaries.remove(&folder);
                    }
                    answer
                };
                Some((epoch, Event::Committed { token, answer }))
            }
        }
    }

    /// Questions are bounded: so many pages, small ones by what is in them, and few beside them (whether a
    /// folder opens is asked for each that holds poison).
    pub(crate) fn check_asked(&mut self) {
        // What was asked before the store failed is answered to nobody, and does not count.
        let Some(session) = self.session.as_ref().filter(|session| !session.stale) else { return };
        let (mut pages, mut mails, mut opens, mut others) = (0, 0, 0, 0);
        for work in &session.work {
            match work {
                Work::Page { uids, .. }
                | Work::Ask(_, Request::Folders(FolderRequest::Fetch { uids, .. })) => {
                    pages += 1;
                    mails += uids.len();
                }
                Work::Ask(_, Request::Folders(FolderRequest::Examine { .. })) => opens += 1,
                Work::Ask(..) => others += 1,
            }
        }
        let (ahead, size) = (self.settings.pages_in_flight, self.settings.page_messages);
        let small = pages <= 10 * ahead && mails <= ((ahead + 1) * size) as u64;
        if (pages > 2 * ahead && !small) || others > 3 || opens > 6 {
            self.store.rash.push(format!(
                "a session is asked for {pages} pages, {opens} folders and {others} answers"
            ));
        }
    }

    /// Before a commit: a folder that ends although it is there, under the name that we know, and
    /// nobody lied.
    fn judge_ends(&mut self, change: &Change) {
        if let Change::Folder(FolderChange::DropFolder { folder, .. }) = change
            && let Some(row) = self.store.folders.get(folder)
            && let Some(theirs) = self.server.folders.get(&row.path)
            && self.truth.get(folder) == Some(&theirs.id)
            && !self.list_lied
            && !self.odd.contains(&theirs.id)
        {
            self.store.rash.push(format!("folder {} was dropped, and is there", row.path));
        }
    }

    /// The change that the store is to commit next, in words.
    pub(crate) fn queued(&self) -> Option<String> {
        match self.queue.front()? {
            Queued::Commit(_, _, commit) => Some(format!("{:?}", commit.change)),
            Queued::Proved(QuietProof::List { started }) => Some(format!("Listed({started:?})")),
            _ => None,
        }
    }

    /// The commit that is next, once more.
    pub(crate) fn queued_commit(&self) -> Commit {
        let Some(Queued::Commit(_, _, commit)) = self.queue.front() else {
            panic!("no commit is next")
        };
        let Change::Folder(FolderChange::Rename { folder, uidvalidity, from, to }) = &commit.change
        else {
            panic!("not a rename")
        };
        let change = Change::Folder(FolderChange::Rename {
            folder: *folder,
            uidvalidity: *uidvalidity,
            from: from.clone(),
            to: to.clone(),
        });
        let Commit { account, incarnation, at, haste, .. } = **commit;
        Commit { account, incarnation, at, change, haste }
    }

    /// Does what is queued first.
    pub(crate) fn store_one(&mut self) {
        if let Some(answer) = self.apply_one() {
            self.answers.push_back(answer);
        }
    }

    /// Commits some of what is queued; the acknowledgements arrive later.
    pub(crate) fn store_step(&mut self) -> Result<(), String> {
        for _ in 0..=self.dice.roll(3) {
            if let Some(answer) = self.apply_one() {
                self.note(|| format!("store: {:?}", answer.1));
                self.answers.push_back(answer);
            }
            self.check_step()?;
        }
        Ok(())
    }

    /// What the process had asked for and not stored is known to the next one.
    fn learn_end(&mut self) {
        let how = *self.dice.pick(&[ProcessEnd::Aborted, ProcessEnd::Killed]);
        let mut pages: Vec<(FolderId, UidValidity, UidSet)> = Vec::new();
        for work in self.session.iter().flat_map(|session| &session.work) {
            let (Work::Page { folder: remote_id, uidvalidity, uids, .. }
            | Work::Ask(
                _,
                Request::Folders(FolderRequest::Fetch { remote_id, uidvalidity, uids, .. }),
            )) = work
            else {
                continue;
            };
            let row = self.store.folders.values().find(|row| row.remote_id == *remote_id);
            pages.extend(row.map(|row| (row.id, *uidvalidity, uids.clone())));
        }
        for queued in &self.queue {
            let Queued::Commit(_, _, commit) = queued else { continue };
            if let Change::Folder(
                FolderChange::Arrivals { folder, uidvalidity, page, .. }
                | FolderChange::Backfill { folder, uidvalidity, page, .. }
                | FolderChange::Retry { folder, uidvalidity, page, .. },
            ) = &commit.change
            {
                pages.push((*folder, *uidvalidity, page.settled()));
            }
        }
        for (folder, uidvalidity, uids) in pages.iter().filter(|(.., uids)| !uids.is_empty()) {
            let beside = if uids.len() == 1 { Beside::NoSuspect } else { Beside::Anything };
            self.store.asked.ended((*folder, *uidvalidity), uids, how, beside);
        }
        let asked = self.store.asked.clone();
        self.note(|| format!("== ended ({how:?}): {asked:?}"));
    }

    /// Some of what was queued is durable still, nothing else.
    pub(crate) fn process_ends(&mut self) {
        let n = self.dice.roll(self.queue.len() as u64 + 1);
        for _ in 0..n {
            self.apply_one();
        }
        self.learn_end();
        self.queue.clear();
        self.answers.clear();
        self.reads.clear();
        self.note(|| "== crash".into());
    }

    pub(crate) fn crash(&mut self) {
        match self.dice.roll(4) {
            0 | 1 => {
                self.process_ends();
                self.restart(true);
            }
            2 => {
                self.note(|| "== the account's actor restarts; the store's queue lives on".into());
                self.restart(false);
            }
            _ => {
                let n = self.dice.roll(self.queue.len() as u64 + 1);
                self.note(|| format!("== the store restarts; {n} committed, answers lost"));
                for k in 0.. {
                    let lost = match self.queue.front() {
                        None => break,
                        Some(Queued::Proved(_)) => {
                            self.queue.pop_front();
                            continue;
                        }
                        Some(Queued::Stand(..)) => {
                            self.queue.pop_front();
                            self.stand_lost();
                            continue;
                        }
                        Some(Queued::Commit(epoch, token, _)) => {
                            (*epoch, Event::Lost { token: *token })
                        }
                        Some(Queued::Open(epoch, _)) => {
                            (*epoch, Event::OpenFailed(Failure::storage("scripted: restart")))
                        }
                    };
                    if k < n {
                        self.apply_one();
                    } else {
                        self.queue.pop_front();
                    }
                    self.answers.push_back(lost);
                }
            }
        }
    }
}
