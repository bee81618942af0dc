//! What the model server answers: late, wrong, from the past, or not at all.

use crate::feeds::config::{FeedLie, Kind, LAG, SETTLE};
use crate::feeds::scheduler::FeedWorld;
use crate::feeds::server::{ACCOUNT, ALL, FeedServer, Places, Record, Snap, TRASH};
use postrider_core::mail::feed::{FeedCursor, MailVersion, PageToken, PlaceId};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::Role;
use postrider_core::mail::id::Identity;
use postrider_core::provider::feeds::{
    FeedAnswer, FeedItem, FeedWord, FlagLabel, ListedMail, ListedPlace, Onward, SeenState, Within,
};
use postrider_core::time::Micros;
use std::collections::BTreeSet;

/// Bit 1 is `\Flagged`; bit 2 is a label whose carriers are unread.
pub(crate) fn flags_of(bits: u8) -> Flags {
    let seen = (bits & 2 == 0).then_some("\\Seen");
    Flags::new((bits & 1 != 0).then_some("\\Flagged").into_iter().chain(seen))
}

pub(crate) fn ids(places: &Places) -> BTreeSet<PlaceId> {
    places.iter().cloned().map(PlaceId).collect()
}

fn cursor(change: impl ToString) -> FeedCursor {
    FeedCursor(change.to_string())
}

pub(crate) fn version(number: u64) -> MailVersion {
    MailVersion::new(&number.to_string())
}

fn identity(id: &str) -> Identity {
    Identity(id.to_owned())
}

/// A list's row: date, number, id, state.
type Row = (i64, u32, String, Snap);

impl FeedWorld {
    /// When a read is from.
    pub(crate) fn read_time(&mut self) -> i64 {
        if self.faults && self.cfg.stale && self.dice.chance(35) {
            self.now - 1 - i64::try_from(self.dice.roll(LAG as u64 - 1)).unwrap()
        } else {
            self.now
        }
    }

    pub(crate) fn clock(&self) -> Micros {
        Micros::from_seconds(self.now + self.cfg.skew)
    }

    pub(crate) fn answer_places(&mut self, lie: FeedLie) -> FeedAnswer {
        let time = self.read_time();
        let mut places = self.server.places_at(time);
        if lie == FeedLie::NoPlaces && !places.is_empty() {
            self.lied = true;
            places.clear();
        }
        if lie == FeedLie::APlace && places.len() > 1 {
            self.lied = true;
            let all: Vec<String> = places.keys().cloned().collect();
            places.remove(self.dice.pick(&all));
        }
        if self.cfg.kind == Kind::History {
            // A session names what it computes, whatever the server says.
            places.insert(ALL.to_owned(), format!("n{ALL}"));
        }
        let role = |id: &str| match id {
            TRASH => Some(Role::Trash),
            ALL => Some(Role::All),
            "A" => Some(Role::Inbox),
            _ => None,
        };
        let is_history = self.cfg.kind == Kind::History;
        let derived = places.contains_key(ALL).then(|| PlaceId(ALL.into()));
        let places = places
            .into_iter()
            .map(|(id, path)| ListedPlace { role: role(&id), id: PlaceId(id), path })
            .collect();
        let label = |id: &str, flag, inverted| FlagLabel {
            id: PlaceId(id.into()),
            flag: Flags::new([flag]),
            inverted,
        };
        let labels = if is_history {
            vec![label("1", "\\Flagged", false), label("2", "\\Seen", true)]
        } else {
            Vec::new()
        };
        FeedAnswer::Placed { places, labels, derived, clock: self.clock() }
    }

    pub(crate) fn answer_head(&mut self) -> FeedAnswer {
        let clock = self.clock();
        let cursor = match self.cfg.kind {
            Kind::None => cursor(self.now + self.cfg.skew),
            _ => {
                let time = self.read_time();
                cursor(self.server.change_at(time))
            }
        };
        FeedAnswer::Headed { cursor, clock }
    }

    pub(crate) fn answer_counts(&mut self) -> FeedAnswer {
        if self.cfg.kind == Kind::None {
            return FeedAnswer::Counted(None);
        }
        let time = self.read_time();
        let count = self.server.mail.values().filter(|m| self.server.shown(m, time).is_some());
        FeedAnswer::Counted(Some(count.count() as u64))
    }

    fn state(&self, snap: &Snap) -> SeenState {
        let versioned = matches!(self.cfg.kind, Kind::History | Kind::Deltas);
        SeenState {
            places: ids(snap.places.as_ref().unwrap_or(&Places::new())),
            flags: flags_of(snap.flags),
            version: versioned.then(|| version(snap.version)),
        }
    }

    pub(crate) fn answer_changes(
        &mut self,
        lie: FeedLie,
        place: Option<&PlaceId>,
        since: Option<&FeedCursor>,
        token: Option<&PageToken>,
    ) -> FeedAnswer {
        let feed = place.map_or(ACCOUNT, |place| place.0.as_str()).to_owned();
        let Some(since) = since else { return self.first_round(lie, &feed, token) };
        if self.cfg.kind == Kind::None {
            return self.window(lie, since.0.parse().unwrap(), token);
        }
        let since: u64 = since.0.parse().unwrap();
        if self.faults && since < self.server.floor.get(&feed).copied().unwrap_or(0) {
            self.server.floor.remove(&feed);
            return FeedAnswer::Expired;
        }
        if self.cfg.kind == Kind::Deltas && !self.server.places.contains_key(&feed) {
            return FeedAnswer::NoPlace;
        }
        let time = self.read_time();
        let upto = self.server.change_at(time).max(since);
        let (mut items, next, more) = if self.cfg.kind == Kind::Deltas {
            self.delta_of(&feed, since, upto)
        } else {
            self.records(lie, since, upto)
        };
        if lie == FeedLie::AllGone && self.cfg.kind != Kind::Deltas && self.dice.chance(50) {
            let all = self.server.living();
            if all.len() as u64 > self.store.limit(self.cfg.guard) {
                self.lied = true;
                let version = (self.cfg.kind == Kind::History).then(|| version(next));
                let gone = all
                    .iter()
                    .map(|id| FeedItem { id: identity(id), word: FeedWord::Gone(version.clone()) });
                items.extend(gone);
                if self.cfg.lie == Some(FeedLie::AllGone) {
                    self.gone_lied.extend(all);
                }
            }
        }
        self.words += items.len() as u64;
        FeedAnswer::Changed { items, next: Onward::Cursor { cursor: cursor(next), more } }
    }

    fn delta_of(&mut self, feed: &str, since: u64, upto: u64) -> (Vec<FeedItem>, u64, bool) {
        let mut changed: Vec<(u64, String, Snap)> = Vec::new();
        for mail in self.server.mail.values() {
            let new: Vec<&Snap> = mail
                .snaps
                .iter()
                .filter(|snap| since < snap.change && snap.change <= upto)
                .collect();
            let Some(last) = new.last() else { continue };
            // Where a round takes several pages, what it begins with is the whole past: told of what
            // has left before, nobody is the worse.
            let was_here = |snap: &Snap| {
                let here = snap.places.as_ref().is_some_and(|places| places.contains(feed));
                here && snap.change <= upto
            };
            if mail.snaps.iter().any(was_here) {
                changed.push((last.change, mail.id.clone(), (*last).clone()));
            }
        }
        changed.sort_by_key(|(change, id, _)| (*change, id.clone()));
        let more = changed.len() > self.cfg.page;
        changed.truncate(self.cfg.page);
        let next = if more { changed.last().map_or(upto, |last| last.0) } else { upto };
        let mut items: Vec<FeedItem> = changed
            .iter()
            .map(|(_, id, snap)| {
                let here = snap.places.as_ref().is_some_and(|places| places.contains(feed));
                let word = if here {
                    FeedWord::State(self.state(snap))
                } else {
                    FeedWord::Left(PlaceId(feed.to_owned()))
                };
                FeedItem { id: identity(id), word }
            })
            .collect();
        if self.cfg.repeat && !items.is_empty() && self.dice.chance(30) {
            items.push(self.dice.pick(&items).clone());
        }
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.dice.roll(i as u64 + 1)).unwrap();
            items.swap(i, j);
        }
        (items, next, more)
    }

    fn records(&mut self, lie: FeedLie, since: u64, upto: u64) -> (Vec<FeedItem>, u64, bool) {
        let mut records: Vec<_> = self
            .server
            .log
            .iter()
            .filter(|record| since < record.change && record.change <= upto)
            .cloned()
            .collect();
        let more = records.len() > self.cfg.page;
        records.truncate(self.cfg.page);
        let next = if more { records.last().map_or(upto, |last| last.change) } else { upto };
        if lie == FeedLie::Lost && !records.is_empty() && self.dice.chance(50) {
            self.lied = true;
            let n = usize::try_from(self.dice.roll(records.len() as u64)).unwrap();
            records.remove(n);
        }
        if self.cfg.kind == Kind::Changes {
            return (self.touched(&records), next, more);
        }
        if self.cfg.repeat && !records.is_empty() && self.dice.chance(30) {
            let old: Vec<_> =
                self.server.log.iter().filter(|record| record.change <= since).cloned().collect();
            let n = usize::try_from(1 + self.dice.roll(4)).unwrap().min(old.len());
            records = old[old.len() - n..].iter().cloned().chain(records).collect();
        }
        let flag_labels = |bits: u8| {
            let flagged = (bits & 1 != 0).then_some("\\Flagged");
            Flags::new(flagged)
        };
        let unread = |bits: u8| Flags::new((bits & 2 != 0).then_some("\\Seen"));
        let items = records
            .into_iter()
            .map(|logged| {
                let made = version(logged.change);
                let word = match logged.record {
                    Record::New => {
                        let mail = &self.server.mail[&logged.id];
                        let places = mail.snaps[0].places.as_ref().map(ids);
                        FeedWord::New { version: Some(made), places }
                    }
                    Record::Gone => FeedWord::Gone(Some(made)),
                    Record::Delta { into, out_of, set, cleared } => FeedWord::Delta {
                        into: ids(&into),
                        out_of: ids(&out_of),
                        set: flag_labels(set).with(&unread(cleared)),
                        cleared: flag_labels(cleared).with(&unread(set)),
                        version: made,
                    },
                };
                FeedItem { id: identity(&logged.id), word }
            })
            .collect();
        (items, next, more)
    }

    /// Ids alone: created, touched, destroyed.
    fn touched(&mut self, records: &[crate::feeds::server::Logged]) -> Vec<FeedItem> {
        let (mut new, mut touched, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            let id = record.id.clone();
            match record.record {
                Record::New => new.push(id),
                Record::Gone => gone.push(id),
                Record::Delta { .. } => {
                    if !new.contains(&id) && !touched.contains(&id) {
                        touched.push(id);
                    }
                }
            }
        }
        let both: Vec<String> = new.iter().filter(|id| gone.contains(id)).cloned().collect();
        let roll = self.dice.roll(100);
        if roll < 60 {
            new.retain(|id| !both.contains(id));
        }
        if roll < 30 {
            gone.retain(|id| !both.contains(id));
        }
        touched.retain(|id| !gone.contains(id));
        let item =
            |word: FeedWord| move |id: String| FeedItem { id: Identity(id), word: word.clone() };
        let new = new.into_iter().map(item(FeedWord::New { version: None, places: None }));
        let touched = touched.into_iter().map(item(FeedWord::Touched));
        new.chain(touched).chain(gone.into_iter().map(item(FeedWord::Gone(None)))).collect()
    }

    /// Rows of a list, newest first, as they were at one time.
    fn listed(&mut self, lie: FeedLie, is_in: impl Fn(&Snap) -> bool) -> Vec<Row> {
        let time = self.read_time();
        let mut rows: Vec<Row> = self
            .server
            .mail
            .values()
            .filter_map(|mail| {
                let snap = self.server.shown(mail, time).filter(|snap| is_in(snap))?;
                Some((mail.date, mail.number, mail.id.clone(), snap.clone()))
            })
            .collect();
        rows.sort_by_key(|(date, number, ..)| std::cmp::Reverse((*date, *number)));
        if lie == FeedLie::Empty && !rows.is_empty() {
            self.lied = true;
            rows.clear();
        }
        rows
    }

    /// A page of a list; none where its token is dead.
    fn list_page(
        &mut self,
        lie: FeedLie,
        token: Option<&str>,
        is_in: impl Fn(&Snap) -> bool,
    ) -> Option<(Vec<Row>, Option<String>)> {
        if token.is_some() && self.faults && self.cfg.tokens && self.dice.chance(15) {
            return None;
        }
        let size = self.cfg.list_page;
        let mut rows = self.listed(lie, is_in);
        let (mut page, mut next): (Vec<Row>, Option<String>) = match self.cfg.kind {
            // It shifts under us.
            Kind::History => {
                let from: usize = token.map_or(0, |token| token.parse().unwrap());
                let page: Vec<Row> = rows.iter().skip(from).take(size).cloned().collect();
                (page, (from + size < rows.len()).then(|| (from + size).to_string()))
            }
            Kind::Changes => {
                let mut from = 0;
                if let Some(token) = token {
                    from = rows.iter().position(|row| row.2 == token)? + 1;
                }
                let page: Vec<Row> = rows.iter().skip(from).take(size).cloned().collect();
                let more = from + size < rows.len();
                let next = page.last().filter(|_| more).map(|row| row.2.clone());
                (page, next)
            }
            Kind::Deltas | Kind::None => {
                if let Some(token) = token {
                    let (date, number) = token.split_once('/').unwrap();
                    let (date, number): (i64, u32) =
                        (date.parse().unwrap(), number.parse().unwrap());
                    rows.retain(|row| (row.0, row.1) < (date, number));
                }
                let more = rows.len() > size;
                rows.truncate(size);
                let next = rows.last().filter(|_| more).map(|row| format!("{}/{}", row.0, row.1));
                (rows, next)
            }
        };
        if lie == FeedLie::Short && !page.is_empty() && self.dice.chance(40) {
            self.lied = true;
            if self.dice.chance(50) {
                next = None;
            }
            page.pop();
        }
        Some((page, next))
    }

    pub(crate) fn answer_list(
        &mut self,
        lie: FeedLie,
        within: &Within,
        token: Option<&PageToken>,
    ) -> FeedAnswer {
        self.pages += 1;
        if let Within::Place(place) = within
            && self.cfg.kind == Kind::Deltas
            && !self.server.places.contains_key(&place.0)
        {
            return FeedAnswer::NoPlace;
        }
        let is_in = |snap: &Snap| match within {
            Within::All => true,
            Within::Place(place) => {
                snap.places.as_ref().is_some_and(|places| places.contains(&place.0))
            }
            Within::Label(label) => snap.flags & label.0.parse::<u8>().unwrap() != 0,
        };
        let token = token.map(|token| token.0.as_str());
        let Some((page, next)) = self.list_page(lie, token, is_in) else {
            return FeedAnswer::TokenDead;
        };
        let shows = self.cfg.kind != Kind::History;
        let rows = page
            .into_iter()
            .map(|(_, _, id, snap)| ListedMail {
                id: Identity(id),
                state: shows.then(|| self.state(&snap)),
                thread: None,
            })
            .collect();
        FeedAnswer::Page { rows, next: next.map(PageToken) }
    }

    /// A whole round of a place's feed; the cursor comes last.
    fn first_round(&mut self, lie: FeedLie, feed: &str, token: Option<&PageToken>) -> FeedAnswer {
        self.pages += 1;
        if !self.server.places.contains_key(feed) {
            return FeedAnswer::NoPlace;
        }
        let began = self.now - if self.cfg.stale { LAG } else { 0 };
        let start = self.server.change_at(began);
        let (start, token) = match token {
            Some(token) => {
                let (start, token) = token.0.split_once(':').unwrap();
                (start.parse().unwrap(), Some(token.to_owned()))
            }
            None => (start, None),
        };
        let is_in = |snap: &Snap| snap.places.as_ref().is_some_and(|places| places.contains(feed));
        let Some((page, next)) = self.list_page(lie, token.as_deref(), is_in) else {
            return FeedAnswer::TokenDead;
        };
        let items = page
            .iter()
            .map(|(_, _, id, snap)| FeedItem {
                id: identity(id),
                word: FeedWord::State(self.state(snap)),
            })
            .collect();
        let next = match next {
            Some(next) => Onward::Page(PageToken(format!("{start}:{next}"))),
            None => Onward::Cursor { cursor: cursor(start), more: false },
        };
        FeedAnswer::Changed { items, next }
    }

    /// The newest mail, from the last window's edge minus an overlap.
    fn window(&mut self, lie: FeedLie, since: i64, token: Option<&PageToken>) -> FeedAnswer {
        self.pages += 1;
        let low = since - SETTLE;
        let (began, token) = match token {
            Some(token) => {
                let (began, token) = token.0.split_once(':').unwrap();
                (began.parse().unwrap(), Some(token.to_owned()))
            }
            None => (self.now + self.cfg.skew, None),
        };
        let Some((page, next)) = self.list_page(lie, token.as_deref(), |_| true) else {
            return FeedAnswer::TokenDead;
        };
        let items: Vec<FeedItem> = page
            .iter()
            .filter(|row| row.0 >= low)
            .map(|(_, _, id, snap)| FeedItem {
                id: identity(id),
                word: FeedWord::Shown(self.state(snap)),
            })
            .collect();
        let below = page.last().is_some_and(|row| row.0 < low);
        let next = match next.filter(|_| !below) {
            Some(next) => Onward::Page(PageToken(format!("{began}:{next}"))),
            None => Onward::Cursor { cursor: cursor(began), more: false },
        };
        FeedAnswer::Changed { items, next }
    }

    /// Whether what is asked about does not answer, though it is there.
    pub(crate) fn seen_state(&self, id: &str, time: i64) -> Option<(SeenState, bool)> {
        let mail = &self.server.mail[id];
        let snap = mail.at(time)?;
        let hidden = snap.places.as_ref().is_some_and(|places| self.server.is_hidden(places));
        Some((self.state(snap), mail.poison && !hidden))
    }

    pub(crate) fn truth_of(&self, id: &str) -> Option<(Places, u8)> {
        let snap = self.server.mail[id].last();
        let places = snap.places.as_ref()?;
        Some((FeedServer::truly(self.cfg.kind, places), snap.flags))
    }
}
