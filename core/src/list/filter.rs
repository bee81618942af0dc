//! Which messages are in a list, and which rows are the quickest way to them.

use crate::derive::rank;
use crate::list::position::Position;
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, MessageId};
use crate::mime::PersonRole;
use crate::time::Micros;
use crate::word::{PersonTerm, Query, folded};
use std::collections::BTreeSet;

/// As what somebody is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedAs {
    /// Who wrote it.
    From,
    /// In any field.
    Any,
    /// Who gets it, or a copy.
    To,
}

/// Who is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A contact.
    Contact(i64),
    /// Whoever has this address, as it is compared.
    Key(String),
}

/// Somebody who is to be named in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub who: Who,
    /// As what.
    pub role: NamedAs,
}

/// Which messages are in a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that their server has deleted, and no others.
    pub deleted: bool,
    /// Of this thread, whatever number it had.
    pub thread: Option<i64>,
    /// In this folder: then flags are those that they have there.
    pub folder: Option<FolderId>,
    /// All of these are named.
    pub people: Vec<Named>,
    /// They are unread somewhere, or nowhere.
    pub unread: Option<bool>,
    /// They are flagged somewhere, or nowhere.
    pub starred: Option<bool>,
    /// They have files, or none.
    pub has_attachment: Option<bool>,
    /// Received then or later.
    pub received_after: Option<Micros>,
    /// Received before.
    pub received_before: Option<Micros>,
    /// They have more octets.
    pub larger: Option<u64>,
    /// This stands in the subject, however it is written.
    pub subject: Option<String>,
    /// They have this Message-ID.
    pub message_id: Option<String>,
    /// What is looked for in words.
    pub query: Option<Query>,
    /// They lie in one of these folders, each time; or (true) in none of them.
    pub among: Vec<(BTreeSet<FolderId>, bool)>,
}

/// Which rows lead to the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The index of words.
    Words,
    /// What is derived of an account.
    Accounts,
    /// What is derived of a thread.
    Threads,
    /// Where a contact is named.
    Contacts,
    /// What lies in a folder.
    Folders,
    /// What is unread in a folder.
    Unseen,
}

/// Where a message lies.
#[derive(Clone, Debug)]
pub struct Lying {
    /// In which folder.
    pub folder: FolderId,
    /// Its date there.
    pub at: i64,
    /// Its UID there.
    pub uid: i64,
    /// Its flags there.
    pub flags: Flags,
}

/// Somebody who is named in a message.
#[derive(Clone, Debug)]
pub struct Met {
    /// As what.
    pub role: PersonRole,
    /// Who.
    pub contact: i64,
    /// Its address, as it is compared.
    pub key: String,
    /// Its address, as it is written.
    pub address: String,
    /// What it is called.
    pub name: Option<String>,
}

/// What is known of a message.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// Its server has deleted it.
    pub is_deleted: bool,
    /// Its thread, as it is numbered now.
    pub thread: Option<i64>,
    /// When it was received.
    pub received_at: Micros,
    /// Octets.
    pub size: u64,
    /// Files in it.
    pub attachments: u64,
    /// Its subject.
    pub subject: Option<&'a str>,
    /// Its Message-ID.
    pub message_id: Option<&'a str>,
    /// Where it lies; needed if [`Filter::needs_places`].
    pub places: &'a [Lying],
    /// Who is named; needed if [`Filter::needs_people`].
    pub people: &'a [Met],
}

impl NamedAs {
    fn is(self, role: PersonRole) -> bool {
        match self {
            Self::From => role == PersonRole::From,
            Self::Any => true,
            Self::To => matches!(role, PersonRole::To | PersonRole::Cc | PersonRole::Bcc),
        }
    }
}

impl Named {
    fn is(&self, met: &Met) -> bool {
        let is_who = match &self.who {
            Who::Contact(id) => met.contact == *id,
            Who::Key(key) => met.key == *key,
        };
        is_who && self.role.is(met.role)
    }
}

impl Lying {
    fn has(&self, flag: &str) -> bool {
        self.flags.names().any(|name| name == flag)
    }

    /// Not read there.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        !self.has("\\Seen")
    }

    fn position(&self) -> Position {
        Position { at: self.at, id: self.uid, list: self.folder.0 }
    }
}

impl Filter {
    /// Which rows lead to them: those of which there are fewest, as far as one can say without looking.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self { query: Some(query), .. } if query.leads() => Source::Words,
            Self { thread: Some(_), .. } => Source::Threads,
            Self { people, .. } if !people.is_empty() => Source::Contacts,
            Self { unread: Some(true), deleted: false, .. } => Source::Unseen,
            Self { folder: Some(_), .. } => Source::Folders,
            _ => Source::Accounts,
        }
    }

    /// Who leads to them, of those who are named: who writes is named least.
    #[must_use]
    pub fn leading(&self) -> Option<&Named> {
        self.people.iter().min_by_key(|named| named.role)
    }

    /// It was received before this, too.
    pub fn before(&mut self, at: Micros) {
        self.received_before = Some(self.received_before.map_or(at, |before| before.min(at)));
    }

    /// Whether it asks for flags or folders.
    #[must_use]
    pub fn needs_places(&self) -> bool {
        let by_place = self.is_by_place();
        let by_flag = self.unread.is_some() || self.starred.is_some();
        by_place || by_flag || self.folder.is_some() || !self.among.is_empty()
    }

    /// Whether it asks who is named.
    #[must_use]
    pub fn needs_people(&self) -> bool {
        !self.people.is_empty() || self.query.as_ref().is_some_and(|query| !query.people.is_empty())
    }

    /// Whether it goes by places, not by rank.
    #[must_use]
    pub fn is_by_place(&self) -> bool {
        matches!(self.source(), Source::Folders | Source::Unseen)
    }

    /// All of the list stands below the first (rank or date, and number), and at the second or above.
    #[must_use]
    pub fn bounds(&self) -> ((i64, i64), i64) {
        let by_date = self.is_by_place();
        let second = |at: Micros| rank(at, MessageId(0));
        let before = self.received_before.map(|before| match by_date {
            true => before.0,
            false => second(Micros(before.0.saturating_sub(1))) + (1 << 30),
        });
        let after = self.received_after.map(|after| if by_date { after.0 } else { second(after) });
        (before.map_or((i64::MAX, i64::MAX), |before| (before, 0)), after.unwrap_or(i64::MIN))
    }

    /// Whether a message that was found there is in the list. One that lies in several places is there once: where it
    /// comes first.
    #[must_use]
    pub fn has(&self, found: Position, facts: &Facts<'_>) -> bool {
        let by_place = !self.is_by_place() || self.first_place(facts) == Some(found);
        by_place && self.has_it(facts) && self.lies(facts.places) && self.answers(facts)
    }

    /// Of its places those that are meant.
    fn meant<'a>(&self, places: &'a [Lying]) -> impl Iterator<Item = &'a Lying> {
        let folder = self.folder;
        places.iter().filter(move |place| folder.is_none_or(|folder| place.folder == folder))
    }

    fn first_place(&self, facts: &Facts<'_>) -> Option<Position> {
        let is_listed = |place: &&Lying| self.source() == Source::Folders || place.is_unseen();
        self.meant(facts.places).filter(is_listed).map(Lying::position).max()
    }

    fn lies(&self, places: &[Lying]) -> bool {
        let mut meant = self.meant(places);
        let (mut is_there, mut unread, mut starred) = (false, false, false);
        meant.by_ref().for_each(|place| {
            is_there = true;
            unread |= place.is_unseen();
            starred |= place.flags.is_flagged();
        });
        (is_there || self.folder.is_none())
            && self.unread.is_none_or(|wanted| wanted == unread)
            && self.starred.is_none_or(|wanted| wanted == starred)
    }

    /// What the index of words does not say.
    fn answers(&self, facts: &Facts<'_>) -> bool {
        let Some(query) = &self.query else { return true };
        let is_named = |wanted: &PersonTerm| {
            let role = if wanted.is_from { NamedAs::From } else { NamedAs::To };
            let mut people = facts.people.iter().filter(|met| role.is(met.role));
            people.any(|met| wanted.names(met.name.as_deref(), &met.address))
        };
        let lies = |folders: &BTreeSet<FolderId>| {
            facts.places.iter().any(|place| folders.contains(&place.folder))
        };
        query.people.iter().all(|wanted| is_named(wanted) != wanted.term.is_not)
            && self.among.iter().all(|(folders, is_not)| lies(folders) != *is_not)
            && query.has_attachment.is_none_or(|wanted| wanted == (facts.attachments > 0))
    }

    fn has_it(&self, facts: &Facts<'_>) -> bool {
        self.deleted == facts.is_deleted
            // What was found in its lists is of the thread, whatever number that has meanwhile.
            && self.thread.is_none_or(|thread| {
                self.source() == Source::Threads || facts.thread == Some(thread)
            })
            && self.has_attachment.is_none_or(|wanted| wanted == (facts.attachments > 0))
            && self.received_after.is_none_or(|after| facts.received_at >= after)
            && self.received_before.is_none_or(|before| facts.received_at < before)
            && self.larger.is_none_or(|size| facts.size > size)
            && self.message_id.as_deref().is_none_or(|id| facts.message_id == Some(id))
            && self.people.iter().all(|named| facts.people.iter().any(|met| named.is(met)))
            && self.subject.as_deref().is_none_or(|part| {
                facts.subject.is_some_and(|subject| folded(subject).contains(&folded(part)))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: i64, at: i64, uid: i64, flags: &str) -> Lying {
        Lying { folder: FolderId(folder), at, uid, flags: Flags::new(flags.split(' ')) }
    }

    fn named(who: Who, role: NamedAs) -> Named {
        Named { who, role }
    }

    fn found(list: i64, at: i64, id: i64) -> Position {
        Position { at, id, list }
    }

    /// What lies in several places is told once, where it comes first among those that are looked through.
    #[test]
    fn a_message_of_several_places_is_told_once() {
        let places = [
            place(1, 10, 1, "\\Seen"),
            place(1, 10, 2, ""),
            place(2, 30, 1, "\\Seen"),
            place(3, 20, 9, "\\Flagged"),
        ];
        let facts = Facts { places: &places, ..Facts::default() };
        let told = |filter: &Filter| {
            let all = places.iter().map(Lying::position);
            all.filter(|at| filter.has(*at, &facts)).collect::<Vec<_>>()
        };
        let unread = Filter { unread: Some(true), ..Filter::default() };
        assert_eq!(told(&unread), [found(3, 20, 9)]);
        let here = Filter { folder: Some(FolderId(1)), ..Filter::default() };
        assert_eq!(told(&here), [found(1, 10, 2)]);
        assert_eq!(told(&Filter { unread: Some(true), ..here.clone() }), [found(1, 10, 2)]);
        assert_eq!(told(&Filter { unread: Some(false), ..here.clone() }), []);
        assert_eq!(told(&Filter { starred: Some(true), ..here.clone() }), []);
        let there = Filter { folder: Some(FolderId(2)), unread: Some(false), ..Filter::default() };
        assert_eq!(told(&there), [found(2, 30, 1)]);
        // By rank it is in the list wherever it lies.
        let starred = Filter { starred: Some(true), ..Filter::default() };
        assert!(starred.has(found(7, 1, 1), &facts));
        assert!(!Filter { starred: Some(false), ..Filter::default() }.has(found(7, 1, 1), &facts));
        let among = |folders: &[i64], is_not| {
            let among = vec![(folders.iter().copied().map(FolderId).collect(), is_not)];
            let query = Query::read("in:x").ok();
            Filter { among, query, ..Filter::default() }.has(found(7, 1, 1), &facts)
        };
        assert!(among(&[2, 9], false) && !among(&[9], false) && !among(&[2, 9], true));
        assert!(among(&[], true) && !among(&[], false));
        let both = Filter { folder: Some(FolderId(9)), thread: Some(1), ..Filter::default() };
        assert!(!both.has(found(1, 1, 1), &Facts { thread: Some(1), ..facts.clone() }));
    }

    #[test]
    fn who_is_named_as_what() {
        let met = |role, contact: i64| Met {
            role,
            contact,
            key: format!("k{contact}"),
            address: format!("K{contact}"),
            name: Some(format!("Ann {contact}")),
        };
        let people =
            [met(PersonRole::From, 1), met(PersonRole::Cc, 2), met(PersonRole::ReplyTo, 3)];
        let facts = Facts { people: &people, ..Facts::default() };
        for (who, role, is_there) in [
            (Who::Contact(1), NamedAs::From, true),
            (Who::Contact(1), NamedAs::Any, true),
            (Who::Contact(1), NamedAs::To, false),
            (Who::Key("k2".into()), NamedAs::To, true),
            (Who::Key("k2".into()), NamedAs::From, false),
            (Who::Key("k3".into()), NamedAs::To, false),
            (Who::Key("k3".into()), NamedAs::Any, true),
            (Who::Contact(4), NamedAs::Any, false),
        ] {
            let one = named(who, role);
            let filter = Filter { people: vec![one.clone()], ..Filter::default() };
            assert_eq!(filter.has(found(1, 1, 1), &facts), is_there, "{one:?}");
            let more = named(Who::Contact(1), NamedAs::Any);
            let filter = Filter { people: vec![one.clone(), more], ..Filter::default() };
            assert_eq!(filter.has(found(1, 1, 1), &facts), is_there, "{one:?} and another");
        }
        for (text, is_there) in [
            ("from:ann", true),
            ("from:\"ann 1\"", true),
            ("from:k1", true),
            ("from:k2", false),
            ("to:k2", true),
            ("to:k3", false),
            ("x -to:k3", true),
            ("x -from:ann", false),
            ("x -to:\"ann 2\"", false),
        ] {
            let filter = Filter { query: Query::read(text).ok(), ..Filter::default() };
            assert_eq!(filter.has(found(1, 1, 1), &facts), is_there, "{text}");
        }
        let all = [NamedAs::To, NamedAs::Any, NamedAs::From];
        let people = all.map(|role| named(Who::Contact(1), role)).into();
        let filter = Filter { people, ..Filter::default() };
        assert_eq!(filter.leading().map(|named| named.role), Some(NamedAs::From));
    }

    /// What is received within a span stands between its bounds, by rank and by date.
    #[test]
    fn a_span_is_a_piece_of_the_list() {
        let beyond = Micros(200 * 366 * 86_400 * 1_000_000);
        let instants = [-1, 0, 999_999, 1_000_000, 1_000_001, 1_700_000_000_000_000].map(Micros);
        let all: Vec<Micros> = instants.into_iter().chain([beyond]).collect();
        for (after, before, at) in
            all.iter().flat_map(|a| all.iter().flat_map(|b| all.iter().map(|c| (*a, *b, *c))))
        {
            let filter = Filter {
                received_after: Some(after),
                received_before: Some(before),
                ..Filter::default()
            };
            let facts = Facts { received_at: at, ..Facts::default() };
            let is_there = at >= after && at < before;
            assert_eq!(filter.has(found(1, 1, 1), &facts), is_there);
            let (below, least) = filter.bounds();
            let stands = rank(at, MessageId(5));
            assert!(!is_there || (stands, 5) < below && stands >= least, "{filter:?} {at:?}");
            let folder = Filter { folder: Some(FolderId(1)), ..filter };
            let (below, least) = folder.bounds();
            assert_eq!((at.0, 5) < below && at.0 >= least, is_there);
        }
    }

    #[test]
    fn facts_are_as_they_are_asked_for() {
        let facts = Facts {
            subject: Some("Re: \u{c9}t\u{e9} 2024"),
            message_id: Some("a@b"),
            size: 10,
            attachments: 1,
            thread: Some(3),
            ..Facts::default()
        };
        let none = Filter::default;
        let words = Query::read("something").ok();
        for (filter, is_there) in [
            (none(), true),
            (Filter { deleted: true, ..none() }, false),
            (Filter { subject: Some("ETE".into()), ..none() }, true),
            (Filter { subject: Some("et e".into()), ..none() }, false),
            (Filter { message_id: Some("a@b".into()), ..none() }, true),
            (Filter { message_id: Some("A@b".into()), ..none() }, false),
            (Filter { larger: Some(9), ..none() }, true),
            (Filter { larger: Some(10), ..none() }, false),
            (Filter { has_attachment: Some(true), ..none() }, true),
            (Filter { has_attachment: Some(false), ..none() }, false),
            (Filter { thread: Some(3), ..none() }, true),
            (Filter { thread: Some(4), query: words.clone(), ..none() }, false),
            (Filter { thread: Some(3), query: words.clone(), ..none() }, true),
            (Filter { query: Query::read("has:attachment").ok(), ..none() }, true),
            (Filter { query: Query::read("-has:attachment").ok(), ..none() }, false),
            (Filter { unread: Some(true), ..none() }, false),
            (Filter { unread: Some(false), ..none() }, true),
            (Filter { folder: Some(FolderId(1)), ..none() }, false),
        ] {
            assert_eq!(filter.has(found(1, 1, 1), &facts), is_there, "{filter:?}");
        }
        let deleted = Filter { deleted: true, unread: Some(true), ..none() };
        assert_eq!(deleted.source(), Source::Accounts);
    }
}
