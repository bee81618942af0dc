//! The model server: one mailbox whose changes are numbered, and its whole past.

use crate::feeds::config::Kind;
use crate::server::Dice;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Places = BTreeSet<String>;

/// A message at one time.
#[derive(Clone, Debug)]
pub(crate) struct Snap {
    pub(crate) at: i64,
    /// The number of the change that made it.
    pub(crate) change: u64,
    /// None: it is gone.
    pub(crate) places: Option<Places>,
    pub(crate) flags: u8,
    /// Its version as the provider tells it.
    pub(crate) version: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct FeedMail {
    pub(crate) id: String,
    pub(crate) number: u32,
    pub(crate) date: i64,
    /// It came with a date of long ago.
    pub(crate) imported: bool,
    pub(crate) snaps: Vec<Snap>,
    /// It is shown, and cannot be read.
    pub(crate) poison: bool,
    /// Until when it answers 404.
    pub(crate) hide: i64,
    pub(crate) was_hidden: bool,
    /// How often it was touched; much where more than one thing happened.
    pub(crate) ops: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Record {
    New,
    Delta { into: Places, out_of: Places, set: u8, cleared: u8 },
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) change: u64,
    pub(crate) id: String,
    pub(crate) record: Record,
}

#[derive(Debug, Default)]
pub(crate) struct FeedServer {
    pub(crate) change: u64,
    /// The number of the last change, by time.
    changes: Vec<(i64, u64)>,
    pub(crate) log: Vec<Logged>,
    pub(crate) mail: BTreeMap<String, FeedMail>,
    pub(crate) next: u32,
    pub(crate) next_place: u32,
    /// Id and name.
    pub(crate) places: BTreeMap<String, String>,
    pub(crate) place_log: Vec<(i64, BTreeMap<String, String>)>,
    /// Below this change history is forgotten, by feed.
    pub(crate) floor: BTreeMap<String, u64>,
    pub(crate) hidden: Places,
    /// When something changed last.
    pub(crate) changed: i64,
    /// Webhooks on their way.
    pub(crate) hints: Vec<(i64, String)>,
}

/// The feed of a whole account.
pub(crate) const ACCOUNT: &str = "*";
pub(crate) const TRASH: &str = "T";
pub(crate) const HIDDEN: &str = "H";
pub(crate) const ALL: &str = "ALL";

impl FeedMail {
    pub(crate) fn last(&self) -> &Snap {
        self.snaps.last().unwrap()
    }

    pub(crate) fn lives(&self) -> bool {
        self.last().places.is_some()
    }

    /// As it was then; none where it was not there.
    pub(crate) fn at(&self, time: i64) -> Option<&Snap> {
        let snap = self.snaps.iter().rev().find(|snap| snap.at <= time)?;
        snap.places.as_ref().map(|_| snap)
    }
}

impl FeedServer {
    pub(crate) fn new() -> Self {
        Self { change: 10, changes: vec![(-1, 10)], changed: -99, ..Self::default() }
    }

    pub(crate) fn bump(&mut self, now: i64, dice: &mut Dice) -> u64 {
        self.change += if dice.chance(60) { 1 } else { 2 + dice.roll(8) };
        self.changes.push((now, self.change));
        self.changed = now;
        self.change
    }

    pub(crate) fn change_at(&self, time: i64) -> u64 {
        self.changes.iter().rev().find(|(at, _)| *at <= time).map_or(10, |(_, change)| *change)
    }

    pub(crate) fn place(&mut self, id: &str, now: i64) {
        self.places.insert(id.to_owned(), format!("n{id}"));
        self.place_log.push((now, self.places.clone()));
    }

    pub(crate) fn log_places(&mut self, now: i64) {
        self.place_log.push((now, self.places.clone()));
    }

    pub(crate) fn places_at(&self, time: i64) -> BTreeMap<String, String> {
        let known = self.place_log.iter().rev().find(|(at, _)| *at <= time);
        known.or(self.place_log.first()).map(|(_, places)| places.clone()).unwrap_or_default()
    }

    pub(crate) fn living(&self) -> Vec<String> {
        self.mail.values().filter(|mail| mail.lives()).map(|mail| mail.id.clone()).collect()
    }

    /// Whether nobody is shown it.
    pub(crate) fn is_hidden(&self, places: &Places) -> bool {
        !self.hidden.is_empty() && places.is_subset(&self.hidden)
    }

    /// Whether it can be seen as it was then.
    pub(crate) fn shown<'a>(&self, mail: &'a FeedMail, time: i64) -> Option<&'a Snap> {
        mail.at(time).filter(|snap| !snap.places.as_ref().is_some_and(|p| self.is_hidden(p)))
    }

    /// The places that a message lies in, computed ones too.
    pub(crate) fn truly(kind: Kind, places: &Places) -> Places {
        let mut places = places.clone();
        if kind == Kind::History && !places.contains(TRASH) {
            places.insert(ALL.to_owned());
        }
        places
    }
}
