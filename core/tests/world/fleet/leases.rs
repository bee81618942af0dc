//! The sessions of a fleet's account: asked for, had, watched on, given back and cut.

use super::host::{Host, Told, Wanted};
use super::member::Member;
use crate::server::Lie;
use postrider_core::account::follow::{Input, SessionRole};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::id::SessionId;
use postrider_core::provider::watch::Unwatched;
use std::collections::BTreeMap;

impl Member {
    /// What the shell does about sessions after each step.
    pub(crate) fn leases(&mut self, host: &mut Host, n: usize) {
        let world = &mut self.world;
        if world.connecting && self.main.is_none() {
            self.main = Some(host.wants(Wanted { account: n, wish: false }));
        }
        if !world.connecting
            && let Some(key) = self.main.take()
        {
            host.withdraw(key);
        }
        let is_up = host.health.down().is_none();
        let mono = world.instant().mono;
        if world.life().wishing && self.beside.is_none() {
            if is_up && host.pool.has_spare(&n, mono) {
                self.beside = Some(host.wants(Wanted { account: n, wish: true }));
            } else {
                world.life().wishing = false;
                world.life().inputs.push_back(Input::Beside(None));
                self.due = world.now;
            }
        }
        if !world.life().wishing
            && let Some(key) = self.beside.take()
        {
            host.withdraw(key);
        }
        let beside = world.life.as_ref().and_then(|life| life.beside.as_ref());
        let live: BTreeMap<SessionId, bool> =
            world.session.iter().chain(beside).map(|s| (s.id, s.watch.is_some())).collect();
        self.keys.retain(|id, key| {
            let lives = live.contains_key(id);
            if !lives {
                host.release(*key);
            }
            lives
        });
        for (id, watches) in &live {
            if let Some(key) = self.keys.get(id)
                && self.watching.insert(*id, *watches) != Some(*watches)
            {
                host.pool.watches(*key, watches.then_some(mono));
            }
        }
        self.watching.retain(|id, _| live.contains_key(id));
    }

    /// What became of its requests for sessions.
    pub(crate) fn told(&mut self, told: Told, host: &mut Host, n: usize, now: i64) {
        self.is_now(now);
        self.due = now;
        match told {
            Told::In(key, Wanted { wish: true, .. }) if self.beside == Some(key) => {
                self.beside = None;
                let session = self.world.make_session();
                self.keys.insert(session.id, key);
                host.pool.helps(key);
                let connected = self.world.connected(session.id);
                self.world.life().beside = Some(session);
                self.world.life().wishing = false;
                self.world.follow(Input::Beside(Some(connected)));
            }
            Told::In(key, Wanted { wish: false, .. }) if self.main == Some(key) => {
                (self.main, self.world.connecting) = (None, false);
                self.keys.insert(SessionId(self.world.sessions + 1), key);
                self.world.new_session();
            }
            // It is no longer wanted.
            Told::In(key, _) => host.release(key),
            Told::Refused(Wanted { wish: true, .. }, _) => {
                self.beside = None;
                self.world.life().wishing = false;
                self.world.follow(Input::Beside(None));
            }
            Told::Refused(_, failure) => {
                (self.main, self.world.connecting) = (None, false);
                self.world.follow(Input::ConnectFailed(failure));
            }
            Told::Held(key, _, failure, next) => {
                self.main = Some(key);
                self.world.follow(Input::Held(Some((failure, next))));
            }
            Told::Retire(key) => self.retire(key),
        }
        self.leases(host, n);
    }

    fn retire(&mut self, key: u64) {
        let Some(id) = self.keys.iter().find(|(_, k)| **k == key).map(|(id, _)| *id) else {
            return;
        };
        let which = if self.world.session.as_ref().is_some_and(|s| s.id == id) {
            SessionRole::Main
        } else {
            SessionRole::Beside
        };
        let watch = self.world.held(which).as_ref().and_then(|session| session.watch_number());
        match watch {
            Some(number) => {
                *self.world.held(which) = None;
                self.world.life().said.push_back(Input::Unwatched(number, Ok(Unwatched::Retired)));
            }
            None if which == SessionRole::Beside => self.world.follow(Input::Recalled),
            None => {}
        }
    }

    /// Its server ends every session.
    pub(crate) fn is_cut(&mut self) {
        let cut =
            || Failure::new(Class::Network, Reach::Session, Provenance::Server, "scripted: cut");
        for which in [SessionRole::Main, SessionRole::Beside] {
            let Some(mut session) = self.world.held(which).take() else { continue };
            if let Some(number) = session.watch_number() {
                self.world.life().said.push_back(Input::Unwatched(number, Err(cut())));
            } else {
                session.lie = Lie::None;
                self.world.dice.turn();
                self.world.cut(session, which);
            }
        }
    }
}
