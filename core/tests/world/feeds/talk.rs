//! One session of the model server: it takes what it was asked in any order, and may end anywhere.

use crate::feeds::config::{FeedLie, Kind};
use crate::feeds::scheduler::FeedWorld;
use crate::feeds::server::Places;
use postrider_core::budget::{Lane, Wait};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::{BodyHash, BodyRef};
use postrider_core::mail::feed::FeedCursor;
use postrider_core::mail::id::{Identity, SessionId};
use postrider_core::mail::room::Room;
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::Answer;
use postrider_core::provider::feeds::{FeedAnswer, FeedRequest, FoundMail, Got, WantedMail};
use postrider_core::provider::{Capabilities, Connected, FeedTraits};
use postrider_core::run::event::{Event, Token};
use postrider_core::time::Micros;
use std::time::Duration;

/// A session of the model server.
pub(crate) struct FeedSession {
    pub(crate) id: SessionId,
    pub(crate) lie: FeedLie,
    pub(crate) work: Vec<(Token, FeedRequest)>,
}

impl FeedWorld {
    pub(crate) fn open_session(&mut self) {
        let lie = if self.faults && self.cfg.lies && self.dice.chance(15) {
            self.cfg.lie.unwrap_or(*self.dice.pick(&FeedLie::ALL))
        } else {
            FeedLie::Truth
        };
        self.sessions += 1;
        let id = SessionId(self.sessions);
        self.note(|| format!("-- session {id} {lie:?}"));
        self.session = Some(FeedSession { id, lie, work: Vec::new() });
        let feed = FeedTraits {
            by_place: self.cfg.kind == Kind::Deltas,
            shows_state: self.cfg.kind != Kind::History,
            windows: self.cfg.kind == Kind::None,
            doubt: self.cfg.kind.doubt(),
            ..FeedTraits::default()
        };
        let capabilities = Capabilities { feed, ..Capabilities::default() };
        self.deliver(Event::Connected(Connected { session: id, capabilities }));
    }

    /// The session is over: every question that was open says that it will have no answer.
    fn lose_session(&mut self, session: FeedSession, token: Token, class: Class) {
        self.note(|| format!("-- session {} lost: {class}", session.id));
        let failure = Failure::new(class, Reach::Session, Provenance::Server, "scripted");
        for (token, _) in session.work {
            let answer = Err(failure.clone());
            self.answers.push_back((self.epoch, Event::Answered { token, answer }));
        }
        self.deliver(Event::Answered { token, answer: Err(failure) });
    }

    pub(crate) fn session_step(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        if session.work.is_empty() {
            self.session = Some(session);
            return;
        }
        // Whatever was asked first: a slow answer may be overtaken.
        let slow = self.cfg.race && self.faults;
        let n = if slow || self.dice.chance(20) {
            usize::try_from(self.dice.roll(session.work.len() as u64)).unwrap()
        } else {
            0
        };
        if slow && matches!(session.work[n].1, FeedRequest::Get { .. }) && self.dice.chance(80) {
            self.session = Some(session);
            return;
        }
        let (token, request) = session.work.remove(n);
        if self.faults && self.cfg.drops && self.dice.chance(4) {
            let class = if self.dice.chance(30) { Class::RateLimit } else { Class::Network };
            return self.lose_session(session, token, class);
        }
        let lie = session.lie;
        let answer = match request {
            FeedRequest::Places => self.answer_places(lie),
            FeedRequest::Head { .. } => self.answer_head(),
            FeedRequest::Counts => self.answer_counts(),
            FeedRequest::Changes { place, since, token } => {
                self.answer_changes(lie, place.as_ref(), since.as_ref(), token.as_ref())
            }
            FeedRequest::List { within, token } => self.answer_list(lie, &within, token.as_ref()),
            FeedRequest::Get { lane: Lane::Backfill, .. }
                if self.faults && self.cfg.budget && self.dice.chance(25) =>
            {
                let until = self.instant().mono + Duration::from_secs(self.dice.roll(100));
                let text = "scripted: wait".into();
                let wait = Wait { until, class: Class::RateLimit, text };
                self.session = Some(session);
                return self.answer(token, Answer::Deferred(wait));
            }
            FeedRequest::Get { wanted, lane, suspect } => {
                let some = 1 + usize::try_from(self.dice.roll(wanted.len() as u64)).unwrap();
                let cut = self.faults && self.cfg.drops && self.dice.chance(4);
                let (now, later) =
                    wanted.split_at(if self.dice.chance(30) { some } else { wanted.len() });
                let found = self.get(lie, now);
                let last = later.is_empty();
                if cut {
                    let answer = FeedAnswer::Got { found, last: false };
                    self.session = Some(session);
                    self.answer(token, answer);
                    if let Some(session) = self.session.take() {
                        self.lose_session(session, token, Class::Network);
                    }
                    return;
                }
                if !last {
                    let rest = FeedRequest::Get { wanted: later.to_vec(), lane, suspect };
                    session.work.insert(0, (token, rest));
                }
                FeedAnswer::Got { found, last }
            }
        };
        self.session = Some(session);
        self.answer(token, answer);
    }

    fn answer(&mut self, token: Token, answer: impl Into<Answer>) {
        let answer = answer.into();
        self.note(|| format!("answer {} {answer:?}", token.0));
        self.deliver(Event::Answered { token, answer: Ok(answer) });
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the model server's bodies are durable by definition"
    )]
    fn get(&mut self, lie: FeedLie, wanted: &[WantedMail]) -> Vec<(Identity, Got)> {
        let time = self.read_time();
        let stamp = FeedCursor(self.server.change_at(time).to_string());
        let mut found = Vec::new();
        for WantedMail { id, bytes, .. } in wanted {
            if self.faults && self.cfg.drops && self.dice.chance(4) {
                continue;
            }
            self.gets += 1;
            *self.asked.entry(id.0.clone()).or_default() += 1;
            let held = self.store.books.ledger.message(id).is_some();
            let seen = self.seen_state(&id.0, time).filter(|_| lie != FeedLie::NotFound);
            self.lied |= lie == FeedLie::NotFound;
            let mail = &self.server.mail[&id.0];
            let (Some((state, poison)), false) = (seen, mail.hide > self.now) else {
                found.push((id.clone(), Got::Missing));
                continue;
            };
            if poison && *bytes {
                let (class, text) = (Class::InvalidData, "scripted".to_owned());
                found.push((id.clone(), Got::Failed { class, text: text.into(), came: None }));
                continue;
            }
            if *bytes {
                self.bodies += 1;
                if held && !self.excused.contains(&id.0) {
                    self.refetched.push(id.0.clone());
                }
            }
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&mail.number.to_be_bytes());
            let body = BodyRef::sealed(BodyHash(hash), 1, 0, 7);
            let stamp = (self.cfg.kind == Kind::Changes).then(|| stamp.clone());
            let date = Some(Micros::from_seconds(mail.date));
            let bytes = bytes.then(|| (body, HeaderFacts::default()));
            found.push((
                id.clone(),
                Got::Found(Box::new(FoundMail {
                    thread: None,
                    state,
                    stamp,
                    date,
                    bytes,
                    room: Room::default(),
                })),
            ));
        }
        found
    }

    /// A place as the config names it.
    pub(crate) fn is_excluded(&self, place: &str) -> bool {
        self.server.places.get(place).is_some_and(|name| !self.settings.folders.wants(name))
    }

    /// What is expected to lie here of a message that lies in these places.
    pub(crate) fn ours(&self, places: &Places) -> Places {
        let trashed = self.cfg.kind == Kind::History
            && places.contains(crate::feeds::server::TRASH)
            && self.is_excluded(crate::feeds::server::TRASH);
        let known = places.iter().filter(|place| {
            self.server.places.contains_key(*place) && !self.is_excluded(place) && !trashed
        });
        known.cloned().collect()
    }
}
