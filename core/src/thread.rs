//! Which mails are one thread: those that share a key, whatever order they come in. Subjects join nothing: they
//! join too much, and what was joined wrongly cannot be told apart later.

use crate::mime::Header;
use sha2::{Digest, Sha256};

/// What joins two mails: an id that both name, short.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadKey(pub [u8; 16]);

impl std::fmt::Debug for ThreadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A shorter id is nobody's own.
const ID_LEAST: usize = 6;

impl ThreadKey {
    fn of(kind: u8, id: &str) -> Self {
        let digest = Sha256::new().chain_update([kind]).chain_update(id).finalize();
        let mut key = [0; 16];
        key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(key)
    }

    /// Of a thread's id as its provider tells it.
    #[must_use]
    pub fn of_provider(id: &str) -> Self {
        Self::of(b'p', id)
    }

    /// Of a Message-ID, without angle brackets; none of what is too short to be one mail's, or has no `@`.
    #[must_use]
    pub fn of_message(id: &str) -> Option<Self> {
        let id = id.trim();
        (id.len() >= ID_LEAST && id.contains('@')).then(|| Self::of(b'm', id))
    }
}

/// The keys of a mail whose provider tells no threads: its own id's, and those of what it answers. Each once.
#[must_use]
pub fn keys(header: &Header) -> Vec<ThreadKey> {
    let ids = header.message_id.iter().chain(&header.in_reply_to).chain(&header.references);
    let mut keys: Vec<ThreadKey> = ids.filter_map(|id| ThreadKey::of_message(id)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A thread that is joined with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its number.
    pub id: i64,
    /// Its mails.
    pub messages: u64,
}

/// Which of the threads that one mail joins keeps its id: that of the most mails, so that each mail is moved at
/// most as often as its thread doubles; of equal ones the lowest.
#[must_use]
pub fn survivor(threads: &[Joined]) -> Option<Joined> {
    threads.iter().copied().max_by_key(|thread| (thread.messages, std::cmp::Reverse(thread.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn header(own: &str, answers: &[&str], references: &[&str]) -> Header {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let (in_reply_to, references) = (owned(answers), owned(references));
        Header { message_id: Some(own.to_owned()), in_reply_to, references, ..Header::default() }
    }

    #[test]
    fn what_is_nobodys_own_joins_nothing() {
        let key = |id| ThreadKey::of_message(id).unwrap();
        let all = keys(&header(
            "a@b.cd",
            &["e@f.gh", "", "x@y", "no-sign"],
            &["a@b.cd", "e@f.gh", "I@f.gh"],
        ));
        let mut expected = [key("a@b.cd"), key("e@f.gh"), key("I@f.gh")];
        expected.sort_unstable();
        assert_eq!(all, expected);
        assert_ne!(key("a@b.cd"), key("A@b.cd"), "ids are compared as they are");
        assert_ne!(key("a@b.cd"), ThreadKey::of_provider("a@b.cd"));
        let (one, two) = (Joined { id: 5, messages: 2 }, Joined { id: 3, messages: 2 });
        assert_eq!(survivor(&[one, two]), Some(two));
        assert_eq!(survivor(&[two, Joined { id: 9, messages: 3 }, one]).map(|t| t.id), Some(9));
        assert_eq!(survivor(&[]), None);
    }

    /// A store's threads, joined as mails come.
    #[derive(Default)]
    struct Threads {
        /// By mail.
        of: BTreeMap<usize, i64>,
        keys: BTreeMap<ThreadKey, i64>,
        aliases: BTreeMap<i64, i64>,
        /// What each mail's thread was called at first.
        told: BTreeMap<usize, i64>,
        moved: usize,
    }

    impl Threads {
        fn resolve(&self, mut id: i64) -> i64 {
            while let Some(next) = self.aliases.get(&id) {
                id = *next;
            }
            id
        }

        fn add(&mut self, mail: usize, keys: &[ThreadKey]) {
            let mut ids: Vec<i64> =
                keys.iter().filter_map(|key| self.keys.get(key)).copied().collect();
            ids.sort_unstable();
            ids.dedup();
            let count = |id: i64| self.of.values().filter(|of| **of == id).count() as u64;
            let joined: Vec<Joined> =
                ids.iter().map(|id| Joined { id: *id, messages: count(*id) }).collect();
            let keeps = survivor(&joined).map_or(mail as i64, |thread| thread.id);
            for id in ids.into_iter().filter(|id| *id != keeps) {
                self.aliases.insert(id, keeps);
                self.keys.values_mut().filter(|of| **of == id).for_each(|of| *of = keeps);
                for of in self.of.values_mut().filter(|of| **of == id) {
                    (*of, self.moved) = (keeps, self.moved + 1);
                }
            }
            self.of.insert(mail, keeps);
            self.told.insert(mail, keeps);
            self.keys.extend(keys.iter().map(|key| (*key, keeps)));
        }

        /// Mails that are together, whatever their threads are called.
        fn partition(&self) -> Vec<Vec<usize>> {
            let mut threads: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
            self.of.iter().for_each(|(mail, id)| threads.entry(*id).or_default().push(*mail));
            let mut threads: Vec<_> = threads.into_values().collect();
            threads.sort();
            threads
        }
    }

    proptest! {
        /// In whatever order mails come, the same are together; who kept an id finds the thread; and nothing is
        /// moved more often than threads double.
        #[test]
        fn order_is_of_no_matter(
            mails in prop::collection::vec(prop::collection::vec(0_u8..40, 1..4), 1..40),
            order in prop::collection::vec(any::<u64>(), 40),
        ) {
            let keys = |mail: &Vec<u8>| -> Vec<ThreadKey> {
                let ids: Vec<String> = mail.iter().map(|id| format!("{id}@example.org")).collect();
                let others: Vec<&str> = ids.iter().skip(1).map(String::as_str).collect();
                super::keys(&header(&ids[0], &[], &others))
            };
            let mut shuffled: Vec<usize> = (0..mails.len()).collect();
            shuffled.sort_by_key(|mail| order[*mail]);
            let (mut there, mut here) = (Threads::default(), Threads::default());
            (0..mails.len()).for_each(|mail| there.add(mail, &keys(&mails[mail])));
            shuffled.iter().for_each(|mail| here.add(*mail, &keys(&mails[*mail])));
            prop_assert_eq!(here.partition(), there.partition());
            for (mail, id) in &here.told {
                prop_assert_eq!(here.resolve(*id), here.of[mail]);
            }
            prop_assert!(here.moved <= mails.len() * 6, "{} of {}", here.moved, mails.len());
        }
    }
}
