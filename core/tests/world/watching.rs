//! How the sessions of a follower watch INBOX, and what they tell of it.

use crate::words::gone;
use crate::world::{Session, World};
use postrider_core::account::follow::{Input, SessionRole};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::cursor::Mark;
use postrider_core::provider::watch::{Hint, Noticed, Unwatched};
use std::collections::BTreeMap;

/// UIDs and flags.
pub(crate) type View = BTreeMap<u32, u8>;

#[derive(Clone, Debug)]
pub(crate) struct Watch {
    number: u64,
    /// What the server has told.
    told: View,
}

impl Session {
    /// The number of its watch, if it watches.
    pub(crate) fn watch_number(&self) -> Option<u64> {
        self.watch.as_ref().map(|watch| watch.number)
    }
}

impl World {
    /// INBOX as it is now, if it opens.
    pub(crate) fn inbox(&self) -> Option<View> {
        let inbox =
            self.server.folders.get("INBOX").filter(|f| f.shut <= self.now && f.cut <= self.now)?;
        Some(inbox.mail.iter().map(|(uid, mail)| (*uid, mail.flags)).collect())
    }

    pub(crate) fn inbox_modseq(&mut self) -> u64 {
        let tells = self.cfg.changes == Some(true);
        self.server.folders.get_mut("INBOX").map_or(0, |inbox| {
            inbox.count_changes(tells);
            inbox.modseq
        })
    }

    /// What a server tells of any folder, and when it tells that it cannot.
    fn wide_hint(&mut self, number: u64) -> Option<Input> {
        if !self.faults || !self.cfg.notify {
            return None;
        }
        if self.dice.chance(4) {
            let hints = [Hint::Names, Hint::Untold, Hint::Wide];
            return Some(Input::Hinted(number, *self.dice.pick(&hints)));
        }
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        if names.is_empty() || !self.dice.chance(15) {
            return None;
        }
        let name = self.dice.pick(&names).clone();
        let folder = &self.server.folders[&name];
        let shown = Noticed {
            uidnext: Some(folder.uidnext),
            exists: Some(u32::try_from(folder.mail.len()).unwrap()),
            modseq: None,
        };
        Some(Input::Told(number, name.into_bytes().into(), shown))
    }

    pub(crate) fn held(&mut self, which: SessionRole) -> &mut Option<Session> {
        match which {
            SessionRole::Main => &mut self.session,
            SessionRole::Beside => &mut self.life().beside,
        }
    }

    /// A session begins to watch INBOX: what changed since it had it open is told, and so is a gap.
    pub(crate) fn watch(&mut self, number: u64, which: SessionRole, seen: Mark) {
        let inbox = self.inbox();
        let counts = self
            .server
            .folders
            .get("INBOX")
            .map(|f| (f.uidnext, u32::try_from(f.mail.len()).unwrap()));
        let Some(view) = inbox.filter(|_| self.held(which).is_some()) else {
            *self.held(which) = None;
            return self.life().said.push_back(Input::Unwatched(number, Err(gone())));
        };
        let Some(session) = self.held(which) else { return };
        let open = session.selected.take().filter(|(name, _)| name == "INBOX");
        let told = open.as_ref().map_or_else(|| view.clone(), |(_, then)| then.clone());
        session.watch = Some(Watch { number, told });
        if open.is_none() {
            let same = counts == Some((seen.uidnext, seen.exists));
            let hint = match same {
                true if self.cfg.modseq
                    && seen.modseq > 0
                    && seen.modseq == self.inbox_modseq() =>
                {
                    Hint::Alive
                }
                true => Hint::Stale,
                false => Hint::Counts,
            };
            self.life().said.push_back(Input::Hinted(number, hint));
        }
    }

    /// What a watch has yet to tell.
    pub(crate) fn news(&self, session: &Session) -> Option<Input> {
        let watch = session.watch.as_ref()?;
        let view = self.inbox()?;
        let uids = |view: &View| view.keys().copied().collect::<Vec<_>>();
        match &watch.told {
            told if *told == view => None,
            told if uids(told) == uids(&view) => Some(Input::Hinted(watch.number, Hint::Flags)),
            _ => Some(Input::Hinted(watch.number, Hint::Counts)),
        }
    }

    /// A question ends the watch; what came with it is told first.
    pub(crate) fn unwatch(&mut self, which: SessionRole) {
        let held = match which {
            SessionRole::Main => &self.session,
            SessionRole::Beside => &self.life.as_ref().unwrap().beside,
        };
        let news = held.as_ref().and_then(|session| self.news(session));
        let Some(watch) = self.held(which).as_mut().and_then(|session| session.watch.take()) else {
            return;
        };
        let asked = Input::Unwatched(watch.number, Ok(Unwatched::Asked));
        self.life().said.extend(news.into_iter().chain([asked]));
    }

    pub(crate) fn watch_step(&mut self, which: SessionRole) {
        let Some(session) = self.held(which).take() else { return };
        let news = self.news(&session);
        let mut session = session;
        if let Some(watch) = &mut session.watch {
            let number = watch.number;
            if self.faults && self.cfg.drops && self.dice.chance(3) {
                let cut = Failure::new(
                    Class::Network,
                    Reach::Session,
                    Provenance::Server,
                    "scripted: cut in IDLE",
                );
                return self.life().said.push_back(Input::Unwatched(number, Err(cut)));
            }
            if self.faults && self.dice.chance(1) {
                return self
                    .life()
                    .said
                    .push_back(Input::Unwatched(number, Ok(Unwatched::Retired)));
            }
            if let Some(news) = news.filter(|_| self.dice.chance(60)) {
                if let Some(view) = self.inbox() {
                    watch.told = view;
                }
                self.life().said.push_back(news);
            } else if self.dice.chance(5) {
                self.life().said.push_back(Input::Hinted(number, Hint::Alive));
            } else if let Some(told) = self.wide_hint(number) {
                self.life().said.push_back(told);
            }
        }
        *self.held(which) = Some(session);
    }
}
