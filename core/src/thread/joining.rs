//! Joins the mails of one write with the threads that there are: a union of sets by their size, whatever order mails
//! come in and however they are parted into writes.

use super::keys::{Joined, ThreadKey, survivor};
use std::collections::{BTreeMap, BTreeSet};

/// A thread as its row has it. Its number is that of the mail that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its number.
    pub id: i64,
    /// Its mails, those that are gone from their server too.
    pub messages: u64,
    /// The rank of the newest.
    pub rank: i64,
    /// When the oldest was received, microseconds UTC.
    pub first_at: i64,
}

/// A mail that is derived.
#[derive(Clone, Debug)]
pub struct ThreadMail {
    /// Its number.
    pub message: i64,
    /// What joins it.
    pub keys: Vec<ThreadKey>,
    /// Its rank.
    pub rank: i64,
    /// When it was received.
    pub received_at: i64,
}

/// What there is already of these mails and their keys.
#[derive(Clone, Debug, Default)]
pub struct ThreadsHeld {
    /// The thread of each key.
    pub keys: BTreeMap<ThreadKey, i64>,
    /// The thread of each mail that was derived before.
    pub mails: BTreeMap<i64, i64>,
    /// Those threads.
    pub threads: BTreeMap<i64, Thread>,
}

/// What becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joining {
    /// The thread of each mail.
    pub mails: BTreeMap<i64, i64>,
    /// Threads that are new or not what they were.
    pub threads: Vec<Thread>,
    /// Threads that are part of another now, with how many mails: their number leads to the other for good.
    pub merged: Vec<(Joined, i64)>,
    /// Keys that are new, and their threads.
    pub keys: BTreeMap<ThreadKey, i64>,
}

/// Joins them.
#[must_use]
pub fn join(mails: &[ThreadMail], held: &ThreadsHeld) -> Joining {
    let mut sets = Sets { threads: held.threads.clone(), ..Sets::default() };
    let mut of = BTreeMap::new();
    for mail in mails {
        let was = held.mails.get(&mail.message).or_else(|| of.get(&mail.message)).copied();
        let key_of = |key| held.keys.get(key).or_else(|| sets.keys.get(key)).copied();
        let met: BTreeSet<i64> =
            mail.keys.iter().filter_map(key_of).chain(was).map(|id| sets.leader(id)).collect();
        let keeps = sets.merge(&met).unwrap_or(mail.message);
        let thread = sets.threads.entry(keeps).or_insert(Thread {
            id: keeps,
            messages: 0,
            rank: mail.rank,
            first_at: mail.received_at,
        });
        thread.messages += u64::from(was.is_none());
        thread.rank = thread.rank.max(mail.rank);
        thread.first_at = thread.first_at.min(mail.received_at);
        of.insert(mail.message, keeps);
        let fresh = mail.keys.iter().filter(|key| !held.keys.contains_key(key));
        sets.keys.extend(fresh.map(|key| (*key, keeps)));
    }
    sets.joining(of, held)
}

/// Threads while they are joined.
#[derive(Debug, Default)]
struct Sets {
    threads: BTreeMap<i64, Thread>,
    leads: BTreeMap<i64, i64>,
    keys: BTreeMap<ThreadKey, i64>,
}

impl Sets {
    /// The thread that this number means by now.
    fn leader(&self, mut id: i64) -> i64 {
        while let Some(next) = self.leads.get(&id) {
            id = *next;
        }
        id
    }

    /// Makes one thread of these; which.
    fn merge(&mut self, met: &BTreeSet<i64>) -> Option<i64> {
        let joined = |id: &i64| {
            let thread = self.threads.get(id)?;
            Some(Joined { id: *id, messages: thread.messages })
        };
        let joined: Vec<Joined> = met.iter().filter_map(joined).collect();
        let keeps = survivor(&joined)?.id;
        for id in met.iter().filter(|id| **id != keeps) {
            if let Some(thread) = self.threads.remove(id)
                && let Some(into) = self.threads.get_mut(&keeps)
            {
                into.messages += thread.messages;
                into.rank = into.rank.max(thread.rank);
                into.first_at = into.first_at.min(thread.first_at);
                self.leads.insert(*id, keeps);
            }
        }
        Some(keeps)
    }

    fn joining(self, of: BTreeMap<i64, i64>, held: &ThreadsHeld) -> Joining {
        let is_other = |thread: &&Thread| held.threads.get(&thread.id) != Some(*thread);
        let merged = self.leads.keys().filter_map(|id| {
            // One that was not stored yet: its number is told nobody.
            let before = held.threads.get(id)?;
            Some((Joined { id: *id, messages: before.messages }, self.leader(*id)))
        });
        Joining {
            mails: of.iter().map(|(mail, id)| (*mail, self.leader(*id))).collect(),
            threads: self.threads.values().filter(is_other).copied().collect(),
            merged: merged.collect(),
            keys: self.keys.iter().map(|(key, id)| (*key, self.leader(*id))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A store of threads.
    #[derive(Default)]
    struct Store {
        threads: BTreeMap<i64, Thread>,
        mails: BTreeMap<i64, i64>,
        keys: BTreeMap<ThreadKey, i64>,
        aliases: BTreeMap<i64, i64>,
        /// How often a mail was given another thread.
        moved: usize,
    }

    impl Store {
        fn resolve(&self, id: i64) -> i64 {
            self.aliases.get(&id).copied().unwrap_or(id)
        }

        /// As the rows answer: each number by one step.
        fn held(&self, mails: &[ThreadMail]) -> ThreadsHeld {
            let mut held = ThreadsHeld::default();
            for mail in mails {
                for key in &mail.keys {
                    held.keys.extend(self.keys.get(key).map(|id| (*key, self.resolve(*id))));
                }
                let was = self.mails.get(&mail.message);
                held.mails.extend(was.map(|id| (mail.message, self.resolve(*id))));
            }
            let ids = held.keys.values().chain(held.mails.values());
            held.threads = ids.map(|id| (*id, self.threads[id])).collect();
            held
        }

        fn write(&mut self, mails: &[ThreadMail]) -> Joining {
            let joining = join(mails, &self.held(mails));
            for (loser, keeps) in &joining.merged {
                self.threads.remove(&loser.id).unwrap();
                self.aliases.values_mut().filter(|of| **of == loser.id).for_each(|of| *of = *keeps);
                self.aliases.insert(loser.id, *keeps);
                let left = self.mails.values_mut().filter(|of| **of == loser.id);
                let moved = left.map(|of| *of = *keeps).count();
                assert_eq!(moved as u64, loser.messages, "what is said to move does");
                self.moved += moved;
            }
            self.threads.extend(joining.threads.iter().map(|thread| (thread.id, *thread)));
            self.mails.extend(&joining.mails);
            self.keys.extend(&joining.keys);
            joining
        }

        /// Which mails are together.
        fn partition(&self) -> Vec<Vec<i64>> {
            let mut threads: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            self.mails.iter().for_each(|(mail, id)| threads.entry(*id).or_default().push(*mail));
            let mut threads: Vec<_> = threads.into_values().collect();
            threads.sort();
            threads
        }
    }

    fn mail(message: i64, ids: &[u8]) -> ThreadMail {
        let key = |id: &u8| ThreadKey::of_message(&format!("{id}@example.org")).unwrap();
        let keys = ids.iter().map(key).collect();
        ThreadMail { message, keys, rank: message * 10, received_at: -message }
    }

    #[test]
    fn the_larger_thread_keeps_its_number() {
        let mut store = Store::default();
        store.write(&[mail(1, &[1]), mail(2, &[2]), mail(3, &[2, 3]), mail(4, &[])]);
        assert_eq!(store.partition(), [vec![1], vec![2, 3], vec![4]]);
        let joined = store.write(&[mail(5, &[1, 3])]);
        let thread = Thread { id: 2, messages: 4, rank: 50, first_at: -5 };
        assert_eq!(joined.threads, [thread]);
        assert_eq!(joined.merged, [(Joined { id: 1, messages: 1 }, 2)]);
        assert_eq!((joined.keys.len(), store.resolve(1)), (0, 2));
        // Once more: nothing is new.
        let again = store.write(&[mail(5, &[1, 3]), mail(1, &[1])]);
        let same = Joining { mails: BTreeMap::from([(1, 2), (5, 2)]), ..Joining::default() };
        assert_eq!(again, same);
        // What is merged within one write was told nobody.
        let within = store.write(&[mail(6, &[6]), mail(7, &[7]), mail(8, &[6, 7])]);
        assert_eq!((within.merged.len(), within.threads.len()), (0, 1));
        assert_eq!(within.mails, BTreeMap::from([(6, 6), (7, 6), (8, 6)]));
    }

    proptest! {
        /// In whatever order mails come, in whatever writes, and again: the same are together, each number that
        /// was ever told leads there, counts are what is there, and nothing moves more often than threads double.
        #[test]
        fn order_and_writes_are_of_no_matter(
            mails in prop::collection::vec(prop::collection::vec(0_u8..40, 0..4), 1..40),
            order in prop::collection::vec(any::<u64>(), 60),
            most in 1_usize..9,
        ) {
            let all: Vec<ThreadMail> =
                mails.iter().enumerate().map(|(n, ids)| mail(n as i64 + 1, ids)).collect();
            let mut there = Store::default();
            there.write(&all);
            let mut shuffled: Vec<&ThreadMail> = all.iter().chain(all.iter().take(20)).collect();
            let mut place = order.iter().cycle();
            shuffled.sort_by_cached_key(|_| *place.next().unwrap());
            let (mut here, mut told) = (Store::default(), BTreeMap::new());
            for some in shuffled.chunks(most) {
                let some: Vec<ThreadMail> = some.iter().map(|mail| (*mail).clone()).collect();
                told.extend(here.write(&some).mails);
            }
            prop_assert_eq!(here.partition(), there.partition());
            for (mail, id) in &told {
                prop_assert_eq!(here.resolve(*id), here.mails[mail]);
            }
            for (id, thread) in &here.threads {
                let of: Vec<i64> =
                    here.mails.iter().filter(|(_, of)| *of == id).map(|(mail, _)| *mail).collect();
                let expected = Thread {
                    id: *id,
                    messages: of.len() as u64,
                    rank: of.iter().max().unwrap() * 10,
                    first_at: -of.iter().max().unwrap(),
                };
                prop_assert_eq!(*thread, expected);
            }
            prop_assert!(here.moved <= all.len() * 6, "{} of {}", here.moved, all.len());
        }
    }
}
