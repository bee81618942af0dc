//! What the mailbox's owner does: mail arrives, is moved, flagged, trashed; places come and go.

use crate::feeds::config::{Kind, LAG, SETTLE};
use crate::feeds::scheduler::FeedWorld;
use crate::feeds::server::{ACCOUNT, ALL, FeedMail, HIDDEN, Logged, Places, Record, Snap, TRASH};

/// A move by the owner, for the check of how it is told.
#[derive(Debug)]
pub(crate) struct FeedMove {
    pub(crate) id: String,
    /// It was held as the server had it, and nothing was owed of it.
    pub(crate) held: bool,
    pub(crate) from_event: usize,
    /// It had a place that it left.
    pub(crate) had: bool,
    pub(crate) ops: u32,
    pub(crate) hid: bool,
}

fn one(place: &str) -> Places {
    Places::from([place.to_owned()])
}

impl FeedWorld {
    fn put(&mut self, places: Places, flags: u8, date: Option<i64>) -> String {
        self.now += 1;
        self.server.next += 1;
        let number = self.server.next;
        let id = format!("m{number:05}");
        let change = self.server.bump(self.now, &mut self.dice);
        let snap = Snap { at: self.now, change, places: Some(places), flags, version: change };
        let mail = FeedMail {
            id: id.clone(),
            number,
            date: date.unwrap_or(self.now) + self.cfg.skew,
            imported: date.is_some(),
            snaps: vec![snap],
            poison: false,
            hide: -1,
            was_hidden: false,
            ops: 0,
        };
        self.server.mail.insert(id.clone(), mail);
        self.server.log.push(Logged { change, id: id.clone(), record: Record::New });
        self.hint(&id);
        id
    }

    fn hint(&mut self, id: &str) {
        if self.cfg.kind != Kind::None || (!self.faults && self.warming) {
            return;
        }
        for _ in 0..if self.dice.chance(20) { 2 } else { 1 } {
            if self.dice.chance(70) {
                let after = *self.dice.pick(&[0, 3, 30, 90]);
                self.server.hints.push((self.now + after, id.to_owned()));
            }
        }
    }

    fn alter(&mut self, id: &str, into: Places, out_of: Places, set: u8, cleared: u8, told: bool) {
        let kind = self.cfg.kind;
        let last = self.server.mail[id].last().clone();
        let Some(here) = last.places.clone() else { return };
        let into: Places = &into - &here;
        let out_of: Places = &out_of & &here;
        if into.is_empty() && out_of.is_empty() && (last.flags | set) & !cleared == last.flags {
            return;
        }
        if told && kind == Kind::History && self.cfg.split && !into.is_empty() && !out_of.is_empty()
        {
            self.alter(id, Places::new(), out_of, 0, 0, true);
            return self.alter(id, into, Places::new(), set, cleared, true);
        }
        let change = if told {
            self.server.bump(self.now, &mut self.dice)
        } else {
            self.server.changed = self.now;
            last.change
        };
        let quiet = kind == Kind::Deltas && self.cfg.same_version && set == 0 && cleared == 0;
        let places: Places = &(&here | &into) - &out_of;
        let flags = (last.flags | set) & !cleared;
        let version = if quiet { last.version } else { change };
        let snap = Snap { at: self.now, change, places: Some(places), flags, version };
        let mail = self.server.mail.get_mut(id).unwrap();
        mail.ops += 1;
        mail.snaps.push(snap);
        if told {
            let record = Record::Delta { into, out_of, set, cleared };
            self.server.log.push(Logged { change, id: id.to_owned(), record });
            self.hint(id);
        }
    }

    fn kill(&mut self, id: &str) {
        let change = self.server.bump(self.now, &mut self.dice);
        let snap = Snap { at: self.now, change, places: None, flags: 0, version: change };
        let mail = self.server.mail.get_mut(id).unwrap();
        mail.snaps.push(snap);
        mail.ops += 10;
        self.server.log.push(Logged { change, id: id.to_owned(), record: Record::Gone });
        self.hint(id);
    }

    fn free_places(&self) -> Vec<String> {
        self.server.places.keys().filter(|id| *id != ALL && *id != TRASH).cloned().collect()
    }

    pub(crate) fn operate(&mut self, what: &str) {
        let places = self.free_places();
        let living = self.server.living();
        match what {
            "arrive" | "import" => {
                if living.len() >= self.cfg.most || places.is_empty() {
                    return;
                }
                let place = self.dice.pick(&places).clone();
                let flags = u8::try_from(self.dice.roll(4)).unwrap();
                let past = -1 - i64::try_from(self.dice.roll(50)).unwrap();
                let id = self.put(one(&place), flags, (what == "import").then_some(past));
                if self.cfg.poison && self.dice.chance(15) {
                    self.server.mail.get_mut(&id).unwrap().poison = true;
                }
                let shown = self.server.mail[&id].last().clone();
                self.note(|| format!("SRV {what} {id} {shown:?}"));
            }
            "expire" => {
                let feeds: Vec<String> =
                    [ACCOUNT.to_owned()].into_iter().chain(places.clone()).collect();
                for feed in feeds.into_iter().chain([TRASH.to_owned()]) {
                    let all = self.dice.chance(50);
                    let change = self.server.change;
                    let floor =
                        if all { change + 1 } else { change.saturating_sub(self.dice.roll(13)) };
                    self.server.floor.insert(feed, floor.max(11));
                }
                self.note(|| "SRV history expires".into());
            }
            "place" => {
                if places.len() < 4 {
                    self.server.next_place += 1;
                    let id = format!("P{}", self.server.next_place);
                    self.server.place(&id, self.now);
                    self.note(|| format!("SRV place created {id}"));
                }
            }
            "rename" => {
                if !places.is_empty() {
                    let id = self.dice.pick(&places).clone();
                    let name = format!("x{id}{}", self.dice.roll(100));
                    self.server.places.insert(id, name);
                    self.server.log_places(self.now);
                }
            }
            "drop" => self.drop_place(&places),
            "bulk" => {
                let acts = ["move", "flag", "trash", "kill", "label"];
                let act = *self.dice.pick(&acts);
                let place = (!places.is_empty()).then(|| self.dice.pick(&places).clone());
                self.note(|| format!("SRV bulk {act} {place:?}"));
                for id in living {
                    if self.dice.chance(80) {
                        self.act_on(act, &id, place.as_deref(), false);
                    }
                }
            }
            "hide" => {
                if living.is_empty() {
                    return;
                }
                let id = self.dice.pick(&living).clone();
                let long = self.cfg.lies && !self.dice.chance(70);
                // Where no feed tells ends, what exists may be 404 for ten times a look.
                let most = if self.cfg.kind == Kind::None { 10 * SETTLE } else { LAG };
                let span = if long { 200 } else { 2 + self.dice.roll(most as u64 - 3) };
                let until = self.now + i64::try_from(span).unwrap();
                let mail = self.server.mail.get_mut(&id).unwrap();
                mail.hide = until;
                // Two spells on one message, each hit by one of two looks: nothing tells that from
                // the truth.
                let lies = mail.was_hidden || long;
                mail.was_hidden = true;
                self.lied |= lies;
                // It is asked about while nobody finds it.
                self.hint(&id);
                self.note(|| format!("SRV answers 404 for {id} until {until}"));
            }
            act => {
                if living.is_empty() {
                    return;
                }
                let id = self.dice.pick(&living).clone();
                let place = (!places.is_empty()).then(|| self.dice.pick(&places).clone());
                self.act_on(act, &id, place.as_deref(), true);
            }
        }
    }

    fn drop_place(&mut self, places: &[String]) {
        if places.len() < 2 {
            return;
        }
        let place = self.dice.pick(places).clone();
        let kind = self.cfg.kind;
        let silent = kind == Kind::History && self.cfg.silent;
        self.note(|| format!("SRV place deleted {place} silently: {silent}"));
        for id in self.server.living() {
            let Some(here) = self.server.mail[&id].last().places.clone() else { continue };
            if !here.contains(&place) {
                continue;
            }
            self.server.mail.get_mut(&id).unwrap().ops += 10;
            let gone = one(&place);
            if kind == Kind::Deltas {
                if self.dice.chance(50) {
                    self.kill(&id);
                } else {
                    self.alter(&id, one(TRASH), gone, 0, 0, true);
                }
            } else if kind == Kind::History || here.len() > 1 {
                self.alter(&id, Places::new(), gone, 0, 0, !silent);
            } else {
                self.kill(&id);
            }
        }
        self.server.places.remove(&place);
        self.server.log_places(self.now);
    }

    fn act_on(&mut self, act: &str, id: &str, place: Option<&str>, alone: bool) {
        let kind = self.cfg.kind;
        let Some(here) = self.server.mail[id].last().places.clone() else { return };
        let flags = self.server.mail[id].last().flags;
        match (act, place) {
            ("kill", _) => {
                if kind == Kind::Deltas && self.cfg.hidden && self.dice.chance(50) {
                    self.alter(id, one(HIDDEN), here, 0, 0, true);
                    self.server.mail.get_mut(id).unwrap().ops += 10;
                } else {
                    self.kill(id);
                }
            }
            ("draft", _) => {
                self.kill(id);
                let new = self.put(here, flags, None);
                self.server.mail.get_mut(&new).unwrap().ops = 5;
            }
            ("flag", _) => {
                let bit = 1 << self.dice.roll(2);
                let (set, cleared) = if flags & bit == 0 { (bit, 0) } else { (0, bit) };
                self.alter(id, Places::new(), Places::new(), set, cleared, true);
            }
            ("trash", _) => self.alter(id, one(TRASH), &here - &one(TRASH), 0, 0, true),
            (_, None) => return,
            ("label", Some(place)) if kind != Kind::Deltas => {
                if !here.contains(place) {
                    self.alter(id, one(place), Places::new(), 0, 0, true);
                } else if here.len() > 1 || kind == Kind::History {
                    self.alter(id, Places::new(), one(place), 0, 0, true);
                }
            }
            (_, Some(place)) => {
                if here.contains(place) {
                    return;
                }
                let all: Vec<String> = here.iter().cloned().collect();
                let from = (!all.is_empty()).then(|| self.dice.pick(&all).clone());
                let held = self.is_held_truly(id);
                if alone {
                    let mail = &self.server.mail[id];
                    let told = FeedMove {
                        id: id.to_owned(),
                        held,
                        from_event: self.store.events.len(),
                        had: from.is_some(),
                        ops: mail.ops,
                        hid: mail.hide > self.now,
                    };
                    self.moves.push(told);
                }
                let from = from.map(|from| one(&from)).unwrap_or_default();
                self.alter(id, one(place), from, 0, 0, true);
            }
        }
        let shown = self.server.mail[id].last().clone();
        self.note(|| format!("SRV {act} {id} {shown:?}"));
    }
}
