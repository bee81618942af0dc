//! One session of the model server: it answers late, in pieces, wrong, or not at all.

use crate::server::{Folder, Lie};
use crate::sight::sample;
use crate::words::{fetched, gone, length};
use crate::world::{Session, Work, World};
use postrider_core::account::follow::SessionRole;
use postrider_core::budget::{Lane, Wait};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{SessionId, UidValidity};
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::settle::{Question, Settlement};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::{Enough, FolderAnswer, FolderRequest};
use postrider_core::provider::watch::{Unwatched, WatchAnswer};
use postrider_core::provider::{Answer, Request};
use postrider_core::provider::{Capabilities, Connected, Proof, View};
use postrider_core::run::event::{Event, Token};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A page as it was asked for.
struct Asked {
    token: Token,
    uidvalidity: UidValidity,
    estimated: bool,
    past: bool,
}

/// What ended a question: a refusal, or the session itself.
pub(crate) enum Ended {
    Refused(Failure),
    Cut(Class),
}

impl World {
    pub(crate) fn new_session(&mut self) {
        let lie = self.a_lie();
        self.open_session(lie);
    }

    /// One more session, as likely to lie.
    pub(crate) fn make_session(&mut self) -> Session {
        let lie = self.a_lie();
        self.session_of(lie)
    }

    fn a_lie(&mut self) -> Lie {
        let mut lies = vec![Lie::ZeroExists, Lie::HalfFolder, Lie::EmptyList, Lie::ShortList];
        if self.cfg.many {
            lies.extend([Lie::BigList; 2]);
        }
        if self.cfg.ahead {
            lies.extend([Lie::Ahead, Lie::OtherValidity]);
        }
        lies.extend(self.cfg.bad_line.then_some(Lie::BadLine));
        lies.extend((self.cfg.bare == Some(false)).then_some(Lie::Bare));
        if self.cfg.modseq {
            lies.extend([Lie::Modseq(false), Lie::Modseq(true)]);
        }
        // Two sessions that cut alike are believed, and one where sizes are estimates: nothing
        // tells them from the truth.
        lies.extend(
            (self.cfg.short && !self.cfg.estimates && !self.cfg.ids && !self.cut_short)
                .then_some(Lie::Short),
        );
        if self.cfg.away && !self.server.folders.is_empty() {
            let ids: Vec<u32> = self.server.folders.values().map(|f| f.id).collect();
            lies.push(Lie::Away(*self.dice.pick(&ids)));
        }
        let lie = if self.faults && self.cfg.lies && self.dice.chance(20) {
            *self.dice.pick(&lies)
        } else {
            Lie::None
        };
        self.cut_short |= lie == Lie::Short;
        lie
    }

    fn session_of(&mut self, lie: Lie) -> Session {
        self.sessions += 1;
        let id = SessionId(self.sessions);
        self.note(|| format!("-- session {id} {lie:?}"));
        Session {
            id,
            lie,
            work: VecDeque::new(),
            read: VecDeque::new(),
            delivered: false,
            stale: false,
            selected: None,
            watch: None,
        }
    }

    pub(crate) fn connected(&self, session: SessionId) -> Connected {
        let page = self.cfg.budget.then_some(3);
        let cap = self.cfg.capped.map(|most| u32::try_from(most).unwrap());
        let view = cap.map_or(View::Whole, View::Newest);
        let proof = Proof { view, counted: self.cfg.counted, ..Proof::default() };
        let names = if self.cfg.ids { IdentityKind::EmailId } else { IdentityKind::Hash };
        let capabilities =
            Capabilities { push: self.push, page, proof, names, ..Capabilities::default() };
        Connected { session, capabilities }
    }

    pub(crate) fn open_session(&mut self, lie: Lie) {
        let session = self.session_of(lie);
        let connected = self.connected(session.id);
        self.session = Some(session);
        self.deliver(Event::Connected(connected));
    }

    /// The session is over: every question that was open says that it will have no answer.
    pub(crate) fn lose_session(&mut self, session: Session, token: Token, class: Class) {
        self.note(|| format!("-- session {} lost: {class}", session.id));
        let failure = Failure::new(class, Reach::Session, Provenance::Server, "scripted");
        for (token, _, answer) in session.read {
            self.deliver(Event::Answered { token, answer: Ok(answer) });
        }
        for work in session.work {
            let (Work::Ask(token, _) | Work::Page { token, .. }) = work;
            let answer = Err(failure.clone());
            if let Some(event) = self.is_own(Event::Answered { token, answer }) {
                self.answers.push_back((self.epoch, event));
            }
        }
        self.deliver(Event::Answered { token, answer: Err(failure) });
    }

    /// A session is over in the middle of what it was asked.
    pub(crate) fn cut(&mut self, mut session: Session, which: SessionRole) {
        let Some(work) = session.work.pop_front() else { return };
        let (Work::Ask(token, _) | Work::Page { token, .. }) = work;
        if which == SessionRole::Main {
            return self.lose_session(session, token, Class::Network);
        }
        self.life().apart = Some(VecDeque::new());
        self.lose_session(session, token, Class::Network);
        for event in self.life().apart.take().unwrap_or_default() {
            self.follow_run(self.epoch, event);
        }
    }

    /// One command of the session, at one instant of the server.
    pub(crate) fn session_step(&mut self) {
        if self.hear() {
            return;
        }
        let Some(mut session) = self.session.take() else { return };
        if !session.read.is_empty() && (session.work.is_empty() || self.dice.chance(30)) {
            self.session = Some(session);
            return self.tell_read(1);
        }
        let Some(work) = session.work.pop_front() else {
            self.session = Some(session);
            return;
        };
        let withheld = self.withheld(&work);
        let (token, about, is_past) = match &work {
            Work::Ask(token, request) => {
                let is_past = matches!(
                    request,
                    Request::Folders(FolderRequest::Fetch { lane: Lane::Backfill, .. })
                );
                (*token, request.remote_id().cloned(), is_past)
            }
            Work::Page { token, folder, past, .. } => (*token, Some(folder.clone()), *past),
        };
        if withheld.is_some() && !is_past {
            // What keeps the mirror current waits for its turn with its session.
            session.work.push_front(work);
            self.session = Some(session);
            return;
        }
        if self.faults && self.cfg.drops && self.dice.chance(4) {
            let class = if self.dice.chance(30) { Class::RateLimit } else { Class::Network };
            return self.lose_session(session, token, class);
        }
        let lie = session.lie;
        let answer = match work {
            Work::Ask(_, Request::Folders(FolderRequest::Fetch { lane: Lane::Backfill, .. }))
                if self.withholds() && self.cfg.budget && self.dice.chance(25) =>
            {
                Ok(Some(Answer::Deferred(self.some_wait())))
            }
            Work::Ask(..) if is_past && withheld.is_some() => Ok(withheld.map(Answer::Deferred)),
            Work::Ask(
                _,
                Request::Folders(FolderRequest::Fetch {
                    remote_id,
                    uids,
                    estimated,
                    uidvalidity,
                    names,
                    seeks,
                    lane,
                    ..
                }),
            ) => match self.select(lie, &remote_id, Some(uidvalidity)) {
                Err(ended) => Err(ended),
                Ok(open) => {
                    let mut page = Box::new(Settlement::new(uids.clone(), session.delivered));
                    if self.cfg.recognises && (seeks || names != IdentityKind::Hash) {
                        let seen = self.view(&open, lie);
                        for held in self.recognised(&open, &seen, &uids, names) {
                            self.recognitions += 1;
                            page.got(held);
                        }
                    }
                    let work = Work::Page {
                        token,
                        folder: remote_id,
                        uidvalidity,
                        page,
                        uids,
                        bulk: true,
                        estimated,
                        past: lane == Lane::Backfill,
                    };
                    session.work.push_front(work);
                    Ok(None)
                }
            },
            Work::Ask(_, request) => {
                let answer = match &request {
                    Request::Folders(request) => {
                        self.plain(session.id, lie, request).map(Answer::Folders)
                    }
                    Request::Watch(_) => {
                        Ok(Answer::Watch(WatchAnswer::Unwatched(Unwatched::Unable)))
                    }
                    Request::Feed(_) | Request::Push(_) => Err(Ended::Refused(gone())),
                };
                let answer = answer.map(Some);
                if self.life.is_some() {
                    session.selected = self.selected(&request).or(session.selected.take());
                }
                answer
            }
            Work::Page { folder, uidvalidity, page, uids, bulk, estimated, past, .. } => {
                let asked = Asked { token, uidvalidity, estimated, past };
                self.page(&mut session, asked, folder, page, uids, bulk)
            }
        };
        match answer {
            Ok(None) => self.session = Some(session),
            Ok(Some(answer)) => {
                self.note(|| format!("answer {} {answer:?}", token.0));
                let is_page = matches!(answer, Answer::Folders(FolderAnswer::Fetched { .. }));
                let waits = !session.read.is_empty() || (self.cfg.late && self.dice.chance(50));
                if let Some(folder) = about.clone().filter(|_| is_page && is_past && waits) {
                    session.read.push_back((token, folder, answer));
                    self.session = Some(session);
                    return;
                }
                let of_another =
                    |folder: &WireName| session.read.iter().all(|(_, of, _)| of != folder);
                let overtakes = !is_page && about.as_ref().is_some_and(of_another);
                self.session = Some(session);
                if !overtakes {
                    self.tell_read(usize::MAX);
                }
                self.deliver(Event::Answered { token, answer: Ok(answer) });
            }
            Err(Ended::Refused(failure)) => {
                self.session = Some(session);
                self.tell_read(usize::MAX);
                self.deliver(Event::Answered { token, answer: Err(failure) });
            }
            Err(Ended::Cut(class)) => self.lose_session(session, token, class),
        }
    }

    /// Why it may not be asked now, where questions are paid for.
    fn withheld(&mut self, work: &Work) -> Option<Wait> {
        let Work::Ask(_, request) = work else { return None };
        let now = self.instant();
        self.purse.as_mut()?.pays(request, now)
    }

    /// Tells so many of the pages that were read, in their order.
    fn tell_read(&mut self, most: usize) {
        for _ in 0..most {
            let read = self.session.as_mut().and_then(|session| session.read.pop_front());
            let Some((token, _, answer)) = read else { return };
            self.deliver(Event::Answered { token, answer: Ok(answer) });
        }
    }

    /// Until there is budget again: soon, or after so long that a run does not wait for it.
    fn some_wait(&mut self) -> Wait {
        let mono = self.instant().mono;
        let ahead = if self.dice.chance(20) {
            Duration::from_secs(100 + self.dice.roll(4000))
        } else if self.life.is_some() {
            Duration::from_secs(20 + self.dice.roll(70))
        } else {
            Duration::from_micros(self.dice.roll(200))
        };
        Wait { until: mono + ahead, class: Class::RateLimit, text: "scripted: wait".into() }
    }

    /// The folder that a question opens, as it is now.
    fn selected(&self, request: &Request) -> Option<(String, BTreeMap<u32, u8>)> {
        let name = String::from_utf8(request.remote_id()?.to_vec()).unwrap();
        let folder = self.server.folders.get(&name)?;
        Some((name, folder.mail.iter().map(|(uid, mail)| (*uid, mail.flags)).collect()))
    }

    /// A question that is not about bodies.
    fn plain(
        &mut self,
        session: SessionId,
        lie: Lie,
        request: &FolderRequest,
    ) -> Result<FolderAnswer, Ended> {
        let remote_id = request.remote_id().cloned().unwrap_or_default();
        let answer = match request {
            FolderRequest::List { counters_of, anew } => {
                let (folders, unreadable) = self.list(lie);
                let mut counters = BTreeMap::new();
                if (*anew || !counters_of.is_empty()) && self.cfg.counted {
                    for folder in &folders {
                        // What cannot be opened may be counted all the same.
                        let shown = self.examine(lie, &folder.remote_id).ok();
                        let shown = shown.or_else(|| self.counted(&folder.remote_id));
                        counters.extend(shown.map(|shown| (folder.remote_id.clone(), shown)));
                    }
                }
                FolderAnswer::Listed { folders, unreadable: unreadable.map(Into::into), counters }
            }
            FolderRequest::Examine { since, enough, .. } => {
                let mut examined = self.examine(lie, &remote_id)?;
                // A folder that was open still: its modseq is old, and no changes are told.
                let is_open =
                    *enough != Enough::Nothing && (self.mute.is_some() || self.dice.chance(70));
                if is_open {
                    examined.modseq = examined.modseq.min(1);
                    self.hold_back(session, &remote_id, &mut examined);
                    let told = self.told(lie, &remote_id, *enough)?;
                    return Ok(FolderAnswer::Examined { examined, changed: None, told, remote_id });
                }
                self.opened.insert(session, (remote_id.clone(), examined));
                let since = since.filter(|since| since.uidvalidity == examined.uidvalidity);
                let changed = since.and_then(|since| self.changed(lie, &remote_id, since));
                FolderAnswer::Examined { examined, changed, told: None, remote_id }
            }
            FolderRequest::Index { uidvalidity, uids, .. } => {
                self.index(lie, remote_id, *uidvalidity, uids.as_ref())?
            }
            FolderRequest::Uids { uidvalidity, .. } => {
                match self.index(lie, remote_id, *uidvalidity, None)? {
                    FolderAnswer::Indexed { remote_id, rows, exists } => {
                        FolderAnswer::Uids { remote_id, uids: rows.uids(), exists }
                    }
                    other => other,
                }
            }
            FolderRequest::Keys { uidvalidity, .. } => self.keys(lie, remote_id, *uidvalidity)?,
            FolderRequest::Sample { uids, uidvalidity, .. } => {
                let folder = self.select(lie, &remote_id, Some(*uidvalidity))?;
                if folder.unsized_mail {
                    return Err(Ended::Refused(gone()));
                }
                let rows = sample(&folder, |uid| uids.contains(uid));
                FolderAnswer::Sampled { remote_id, rows, threads: BTreeMap::new() }
            }
            FolderRequest::Newest { uidvalidity, .. } => {
                let folder = self.select(lie, &remote_id, Some(*uidvalidity))?;
                let last = folder.mail.keys().next_back().copied();
                let rows = sample(&folder, |uid| Some(uid) == last);
                FolderAnswer::Sampled { remote_id, rows, threads: BTreeMap::new() }
            }
            FolderRequest::Sizes { .. } | FolderRequest::Fetch { .. } => {
                return Err(Ended::Refused(gone()));
            }
        };
        Ok(answer)
    }

    fn page(
        &mut self,
        session: &mut Session,
        asked: Asked,
        folder: WireName,
        mut page: Box<Settlement>,
        uids: UidSet,
        bulk: bool,
    ) -> Result<Option<Answer>, Ended> {
        let Asked { token, uidvalidity, estimated, past } = asked;
        let opened = match self.select(session.lie, &folder, Some(uidvalidity)) {
            // A session does not outlive the numbers of the folder that it has open.
            Err(Ended::Refused(failure)) if failure.class == Class::StateLost => {
                Err(Ended::Cut(Class::Network))
            }
            opened => opened,
        };
        let told = opened
            .and_then(|open| self.page_command(session, &open, &mut page, &uids, bulk, estimated));
        match told {
            // What came whole is handed over first.
            Err(Ended::Cut(class)) => {
                for (token, _, answer) in std::mem::take(&mut session.read) {
                    self.deliver(Event::Answered { token, answer: Ok(answer) });
                }
                if let Some(part) = page.take_part() {
                    self.deliver(Event::Answered {
                        token,
                        answer: Ok(Answer::Folders(FolderAnswer::Fetched {
                            page: part,
                            last: false,
                        })),
                    });
                }
                return Err(Ended::Cut(class));
            }
            Err(ended) => return Err(ended),
            Ok(()) => {}
        }
        if page.next() == Question::Settled {
            let page = page.finish().map_err(Ended::Refused)?;
            return Ok(Some(Answer::Folders(FolderAnswer::Fetched { page, last: true })));
        }
        let part = if self.dice.chance(30) { page.take_part() } else { None };
        let bulk = false;
        let work = Work::Page { token, folder, uidvalidity, page, uids, bulk, estimated, past };
        session.work.push_front(work);
        Ok(part.map(|page| Answer::Folders(FolderAnswer::Fetched { page, last: false })))
    }

    fn page_command(
        &mut self,
        session: &mut Session,
        folder: &Folder,
        page: &mut Settlement,
        uids: &UidSet,
        bulk: bool,
        estimated: bool,
    ) -> Result<(), Ended> {
        let seen = self.view(folder, session.lie);
        let ask: Vec<u32> = match (bulk, page.next()) {
            (true, _) => uids.iter().filter(|uid| page.wants(*uid)).collect(),
            (false, Question::Alone(uid)) => vec![uid],
            (false, Question::Index(uid)) => {
                let shown = seen.contains(&uid) && !self.lose_line(folder.id);
                page.indexed(uid, shown);
                return Ok(());
            }
            (false, Question::Settled) => return Ok(()),
        };
        let mut refused = false;
        for uid in &ask {
            let Some(mail) = folder.mail.get(uid).filter(|_| seen.contains(uid)) else { continue };
            if mail.hollow || self.lose_line(folder.id) {
                continue;
            }
            if mail.cut {
                return Err(Ended::Cut(Class::Network));
            }
            if mail.refused && self.faults {
                refused = true;
                continue;
            }
            self.fetched += 1;
            session.delivered = true;
            let short = session.lie == Lie::Short;
            let announced = length(mail) + u64::from(self.cfg.estimates);
            let came = fetched(*uid, mail, short, self.store.account.names);
            if short {
                self.lies_on.insert(folder.id);
            }
            if came.body.length() == announced || estimated {
                page.got(came);
            } else {
                page.suspect(came, announced);
            }
        }
        if let (false, [uid]) = (bulk, ask.as_slice())
            && page.wants(*uid)
        {
            let refusal =
                || Failure::new(Class::InvalidData, Reach::Message, Provenance::Server, "NO");
            page.missed(*uid, refused.then(refusal));
        }
        Ok(())
    }
}
