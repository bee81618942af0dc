//! The people of the mails of one write, beside those who are known: what is counted of each changes by what a mail
//! says otherwise than it did, so it is the same in whatever order mails come, and however often.

use super::key::key;
use crate::mime::{Person, PersonRole};
use std::collections::{BTreeMap, BTreeSet};

/// Where a rank's second begins: see [`crate::derive::rank`].
const SECOND: u32 = 30;

/// Somebody who is named in mail, by what their address is compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The number.
    pub id: i64,
    /// What the address is compared by.
    pub key: String,
    /// The address, as the newest mail writes it.
    pub address: String,
    /// The rank of the newest mail.
    pub rank: i64,
    /// What the newest mail that gives a name calls them.
    pub name: Option<String>,
    /// The rank of that mail; without a name 0.
    pub name_rank: i64,
    /// When the oldest mail was received, to the second, microseconds UTC.
    pub first_at: i64,
    /// Mails that they wrote.
    pub from_count: i64,
    /// Mails that went to them.
    pub to_count: i64,
}

/// Somebody in one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageContact {
    /// As what.
    pub role: PersonRole,
    /// Where among those of this role, from 0.
    pub position: usize,
    /// What the address is compared by.
    pub key: String,
    /// The address as the mail writes it, where that is another text.
    pub address: Option<String>,
    /// What the mail calls them.
    pub name: Option<String>,
}

impl MessageContact {
    /// Everybody in a mail.
    #[must_use]
    pub fn all_of(people: &[Person]) -> Vec<Self> {
        let mut positions: BTreeMap<PersonRole, usize> = BTreeMap::new();
        let one = |person: &Person| {
            let position = positions.entry(person.role).or_default();
            let (at, key) = (*position, key(&person.address));
            *position += 1;
            let address = Some(person.address.clone()).filter(|address| *address != key);
            Self { role: person.role, position: at, key, address, name: person.name.clone() }
        };
        people.iter().map(one).collect()
    }

    /// The address as the mail writes it.
    #[must_use]
    pub fn written(&self) -> &str {
        self.address.as_deref().unwrap_or(&self.key)
    }
}

/// Whether a mail was sent by who has these keys.
#[must_use]
pub fn is_outgoing(own: &BTreeSet<String>, people: &[MessageContact]) -> bool {
    people.iter().any(|one| one.role == PersonRole::From && own.contains(&one.key))
}

/// A mail, and who is named in it.
#[derive(Clone, Debug)]
pub struct ContactMail {
    /// Its number.
    pub message: i64,
    /// Its rank.
    pub rank: i64,
    /// Who.
    pub people: Vec<MessageContact>,
}

/// What becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// Those who are new or not what they were.
    pub contacts: Vec<Contact>,
    /// Mails that say otherwise than before, with what they say: what they said before goes.
    pub mails: Vec<i64>,
    /// The rows of those: the mail, its rank, who, and their number.
    pub rows: Vec<(i64, i64, MessageContact, i64)>,
    /// Those who are to be counted by their rows: their newest mail was read anew, or the mail that was their newest or
    /// oldest names them no longer.
    pub recount: BTreeSet<i64>,
    /// The number behind the last that was given.
    pub next: i64,
}

/// What one mail says of one contact.
#[derive(Clone, Copy, Debug, Default)]
struct Said<'a> {
    from: bool,
    to: bool,
    address: &'a str,
    name: Option<&'a str>,
}

fn said(people: &[MessageContact]) -> BTreeMap<&str, Said<'_>> {
    let mut all: BTreeMap<&str, Said<'_>> = BTreeMap::new();
    let mut ordered: Vec<&MessageContact> = people.iter().collect();
    // Who is named twice is called what the first says, and who wrote it comes first.
    ordered.sort_by_key(|one| (one.role != PersonRole::From, one.role.as_str(), one.position));
    for one in ordered {
        let said = all
            .entry(one.key.as_str())
            .or_insert(Said { address: one.written(), ..Said::default() });
        said.from |= one.role == PersonRole::From;
        said.to |= matches!(one.role, PersonRole::To | PersonRole::Cc | PersonRole::Bcc);
        said.name = said.name.or(one.name.as_deref());
    }
    all
}

/// What there is already of the mails of a write, and of whom they name.
#[derive(Clone, Debug, Default)]
pub struct ContactsHeld {
    /// Those of the mails that were derived before.
    pub again: BTreeSet<i64>,
    /// Whom those named.
    pub named: BTreeMap<i64, Vec<MessageContact>>,
    /// Those of them whose rows have another rank than they.
    pub misplaced: BTreeSet<i64>,
    /// Who is known.
    pub known: Vec<Contact>,
    /// The rank of the newest mail of each of those, by its rows.
    pub newest: BTreeMap<i64, i64>,
    /// The number of the next who is new.
    pub next: i64,
}

impl ContactsHeld {
    /// Who is not what their rows say, as far as can be told without counting those.
    fn amiss(&self) -> BTreeSet<i64> {
        let is_amiss =
            |one: &&Contact| self.newest.get(&one.id).is_some_and(|newest| *newest != one.rank);
        self.known.iter().filter(is_amiss).map(|one| one.id).collect()
    }
}

/// Has the mails of a write meet those who are known.
#[must_use]
pub fn meet(mails: &[ContactMail], held: &ContactsHeld) -> Meeting {
    let mut all: BTreeMap<&str, Contact> =
        held.known.iter().map(|one| (one.key.as_str(), one.clone())).collect();
    let (amiss, mut meeting) = (held.amiss(), Meeting { next: held.next, ..Meeting::default() });
    for ContactMail { message, rank, people } in mails {
        let before = held.named.get(message).map_or(&[][..], Vec::as_slice);
        let (old, new) = (said(before), said(people));
        for (key, now) in &new {
            let one = all.entry(key).or_insert_with(|| {
                meeting.next += 1;
                Contact::unknown(meeting.next - 1, key, *rank)
            });
            // Who reads mail anew has the newest of each counted: whatever was amiss with it is mended.
            let is_unnamed = old.contains_key(key) && now.name.is_none();
            let newest = held.newest.get(&one.id).copied().unwrap_or(one.rank);
            let is_newest = old.contains_key(key) && *rank >= newest;
            let is_ended = is_unnamed && *rank == one.name_rank;
            if held.again.contains(message) && (is_newest || is_ended || amiss.contains(&one.id)) {
                meeting.recount.insert(one.id);
            }
            one.counts(*now, 1);
            one.is_said(*now, *rank);
        }
        for (key, was) in &old {
            let Some(one) = all.get_mut(key) else { continue };
            one.counts(*was, -1);
            let is_end =
                one.rank == *rank || one.name_rank == *rank || one.first_at == received_at(*rank);
            if !new.contains_key(key) && is_end {
                meeting.recount.insert(one.id);
            }
        }
        if before == people.as_slice() && !held.misplaced.contains(message) {
            continue;
        }
        meeting.mails.push(*message);
        let row =
            |one: &MessageContact| Some((*message, *rank, one.clone(), all.get(&*one.key)?.id));
        meeting.rows.extend(people.iter().filter_map(row));
    }
    let known: BTreeMap<i64, &Contact> = held.known.iter().map(|one| (one.id, one)).collect();
    meeting.contacts = all.into_values().filter(|one| known.get(&one.id) != Some(&one)).collect();
    meeting
}

impl Contact {
    fn unknown(id: i64, key: &str, rank: i64) -> Self {
        Self {
            id,
            key: key.to_owned(),
            address: String::new(),
            rank,
            name: None,
            name_rank: 0,
            first_at: received_at(rank),
            from_count: 0,
            to_count: 0,
        }
    }

    fn counts(&mut self, said: Said<'_>, times: i64) {
        self.from_count += i64::from(said.from) * times;
        self.to_count += i64::from(said.to) * times;
    }

    /// A mail of this rank names them.
    fn is_said(&mut self, said: Said<'_>, rank: i64) {
        if rank >= self.rank {
            self.rank = rank;
            said.address.clone_into(&mut self.address);
        }
        self.first_at = self.first_at.min(received_at(rank));
        if let Some(name) = said.name
            && (self.name.is_none() || rank >= self.name_rank)
        {
            (self.name, self.name_rank) = (Some(name.to_owned()), rank);
        }
    }

    /// When the newest mail that names them was received, to the second, microseconds UTC.
    #[must_use]
    pub fn last_at(&self) -> i64 {
        received_at(self.rank)
    }
}

fn received_at(rank: i64) -> i64 {
    (rank >> SECOND) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Header;
    use proptest::prelude::*;

    /// Some mails, what is stored of them, and who is known.
    #[derive(Debug, Default)]
    struct Book {
        known: BTreeMap<i64, Contact>,
        derived: BTreeSet<i64>,
        rows: BTreeMap<i64, (i64, Vec<MessageContact>)>,
        next: i64,
    }

    impl Book {
        fn derive(&mut self, mails: &[ContactMail]) {
            let of =
                |mail: &ContactMail| Some((mail.message, self.rows.get(&mail.message)?.1.clone()));
            let named: BTreeMap<i64, Vec<MessageContact>> = mails.iter().filter_map(of).collect();
            let all = mails.iter().flat_map(|mail| &mail.people).chain(named.values().flatten());
            let keys: BTreeSet<String> = all.map(|one| one.key.clone()).collect();
            let known = self.known.values().filter(|one| keys.contains(&one.key)).cloned();
            let known: Vec<Contact> = known.collect();
            let newest = |one: &Contact| {
                let of = |(_, people): &&(i64, Vec<MessageContact>)| {
                    said(people).contains_key(one.key.as_str())
                };
                let ranks = self.rows.values().filter(of).map(|(rank, _)| *rank);
                (one.id, ranks.max().unwrap_or(0))
            };
            let newest = known.iter().map(newest).collect();
            let again = self.derived.clone();
            let misplaced = BTreeSet::new();
            let held = ContactsHeld { again, named, misplaced, known, newest, next: self.next };
            let met = meet(mails, &held);
            self.next = met.next;
            self.derived.extend(mails.iter().map(|mail| mail.message));
            for message in &met.mails {
                self.rows.remove(message);
            }
            self.known.extend(met.contacts.into_iter().map(|one| (one.id, one)));
            for (message, rank, one, id) in met.rows {
                assert_eq!(self.known[&id].key, one.key);
                self.rows.entry(message).or_insert((rank, Vec::new())).1.push(one);
            }
            for id in met.recount {
                self.recount(id);
            }
        }

        /// As the store does by its rows.
        fn recount(&mut self, id: i64) {
            let Some(one) = self.known.get_mut(&id) else { return };
            let of = |people: &[MessageContact]| said(people).contains_key(one.key.as_str());
            let mut mails: Vec<_> = self.rows.values().filter(|(_, people)| of(people)).collect();
            mails.sort_by_key(|(rank, _)| *rank);
            let (Some(first), Some(last)) = (mails.first(), mails.last()) else {
                self.known.remove(&id);
                return;
            };
            let key = one.key.clone();
            one.first_at = received_at(first.0);
            let count = |is_it: fn(&Said<'_>) -> bool| {
                let is_it = |(_, people): &&&(i64, Vec<MessageContact>)| {
                    said(people).get(one.key.as_str()).is_some_and(is_it)
                };
                mails.iter().filter(is_it).count() as i64
            };
            (one.from_count, one.to_count) = (count(|said| said.from), count(|said| said.to));
            one.rank = last.0;
            said(&last.1)[key.as_str()].address.clone_into(&mut one.address);
            let named = mails.iter().rev().find_map(|(rank, people)| {
                said(people)[key.as_str()].name.map(|name| (name.to_owned(), *rank))
            });
            (one.name, one.name_rank) = named.map_or((None, 0), |(name, rank)| (Some(name), rank));
        }

        /// Who is known, but for their numbers.
        fn told(&self) -> BTreeMap<String, Contact> {
            let told = |one: &Contact| (one.key.clone(), Contact { id: 0, ..one.clone() });
            self.known.values().map(told).collect()
        }
    }

    fn mail(message: i64, raw: &str) -> ContactMail {
        let people = MessageContact::all_of(&Header::read(raw.as_bytes()).people);
        ContactMail { message, rank: (message % 7) << SECOND | message, people }
    }

    #[test]
    fn the_newest_mail_says_what_they_are_called() {
        let mut book = Book::default();
        book.derive(&[
            mail(1, "From: Ada L <ada@x.y>\r\nTo: b@x.y\r\n\r\n"),
            mail(3, "From: ADA@x.Y\r\nCc: ada@x.y, Bob <B@x.y>\r\n\r\n"),
            mail(2, "From: b@X.y\r\nTo: Countess <ada@x.y>, b@x.y\r\n\r\n"),
        ]);
        let told = book.told();
        let counts = |key: &str| {
            let one = &told[key];
            (one.address.as_str(), one.name.as_deref(), one.from_count, one.to_count)
        };
        assert_eq!(counts("ada@x.y"), ("ADA@x.Y", Some("Countess"), 2, 2));
        assert_eq!(counts("b@x.y"), ("B@x.y", Some("Bob"), 1, 3));
        let ada = &told["ada@x.y"];
        assert_eq!((ada.first_at, ada.last_at()), (1_000_000, 3_000_000));
        // What is read as before writes no row.
        let before = book.rows.clone();
        let named = before.iter().map(|(id, (_, people))| (*id, people.clone())).collect();
        let known: Vec<Contact> = book.known.values().cloned().collect();
        let newest = known.iter().map(|one| (one.id, one.rank)).collect();
        let again = BTreeSet::from([1]);
        let misplaced = BTreeSet::new();
        let held = ContactsHeld { again, named, misplaced, known, newest, next: book.next };
        let again = meet(&[mail(1, "From: Ada L <ada@x.y>\r\nTo: b@x.y\r\n\r\n")], &held);
        assert_eq!(again, Meeting { next: book.next, ..Meeting::default() });
    }

    #[test]
    fn who_writes_is_from() {
        let own = BTreeSet::from([key("me@x.y")]);
        let people = |raw: &str| MessageContact::all_of(&Header::read(raw.as_bytes()).people);
        assert!(is_outgoing(&own, &people("From: Other <o@x.y>, Me <ME@X.y>\r\n\r\n")));
        assert!(!is_outgoing(
            &own,
            &people("From: o@x.y\r\nTo: me@x.y\r\nReply-To: me@x.y\r\n\r\n")
        ));
    }

    /// A header out of numbers.
    fn header(draw: &[u8]) -> String {
        let roles = ["From", "To", "Cc", "Reply-To"];
        let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for n in draw {
            let (role, who, how) = (roles[usize::from(n % 4)], n / 4 % 4, n / 16 % 4);
            let text = match how {
                0 => format!("p{who}@x.y"),
                1 => format!("P{who}@X.Y"),
                2 => format!("Name{who} <p{who}@x.y>"),
                _ => format!("Other{who} <p{who}@X.y>"),
            };
            fields.entry(role).or_default().push(text);
        }
        let line = |(role, all): (&str, Vec<String>)| format!("{role}: {}\r\n", all.join(", "));
        fields.into_iter().map(line).collect::<String>() + "\r\n"
    }

    proptest! {
        /// In whatever order mails come, however they are parted, and if they are read twice, as other code reads
        /// them: who is known is what the rows say.
        #[test]
        fn order_does_not_matter(
            first in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 1..20),
            then in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 20),
            order in prop::collection::vec(any::<u64>(), 40),
            part in 1_usize..6,
            damage in -9_i64..9,
        ) {
            let mails = |drawn: &[Vec<u8>]| -> Vec<ContactMail> {
                drawn.iter().zip(1..).map(|(draw, n)| mail(n, &header(draw))).collect()
            };
            let last = mails(&then[..first.len()]);
            let mut plain = Book::default();
            plain.derive(&last);
            let mut drawn: Vec<(u64, ContactMail)> = order.iter().copied().zip(mails(&first)).collect();
            drawn.sort_by_key(|(at, _)| *at);
            let mut again: Vec<(u64, ContactMail)> = order.iter().rev().copied().zip(last).collect();
            again.sort_by_key(|(at, _)| *at);
            let mut book = Book::default();
            for mails in [drawn, again] {
                let mails: Vec<ContactMail> = mails.into_iter().map(|(_, mail)| mail).collect();
                mails.chunks(part).for_each(|piece| book.derive(piece));
            }
            prop_assert_eq!(book.told(), plain.told());
            let counted = book.told();
            let ids: BTreeSet<i64> = book.known.keys().copied().collect();
            ids.into_iter().for_each(|id| book.recount(id));
            prop_assert_eq!(book.told(), counted, "and that is what its rows say");
            // Whoever is not what they were is so again when all is read anew, with the same number.
            let numbers: BTreeSet<i64> = book.known.keys().copied().collect();
            for one in book.known.values_mut() {
                (one.name, one.from_count, one.first_at) = (Some("another".into()), 9, 5);
                one.rank += damage;
            }
            mails(&then[..first.len()]).chunks(part).rev().for_each(|piece| book.derive(piece));
            prop_assert_eq!(book.told(), plain.told());
            prop_assert_eq!(book.known.keys().copied().collect::<BTreeSet<_>>(), numbers);
            book.rows.clear();
            mails(&then[..first.len()]).chunks(part).rev().for_each(|piece| book.derive(piece));
            prop_assert_eq!(book.told(), plain.told());
        }
    }
}
