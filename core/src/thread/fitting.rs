//! Whether threads are what their mails say: looked at some at a time, with all their mails.

use super::joining::{Thread, ThreadMail};
use super::keys::ThreadKey;
use std::collections::{BTreeMap, BTreeSet};

/// A mail of a thread, and what its bytes say.
#[derive(Clone, Debug)]
pub struct GroupedMail {
    /// Its number.
    pub message: i64,
    /// The thread that it stands in.
    pub thread: i64,
    /// What joins it; nothing where that cannot be read now.
    pub keys: Option<Vec<ThreadKey>>,
    /// Its rank.
    pub rank: i64,
    /// When it was received.
    pub received_at: i64,
}

impl GroupedMail {
    /// As what it is joined anew; nothing where it cannot be read now.
    #[must_use]
    pub fn joined(&self) -> Option<ThreadMail> {
        let Self { message, rank, received_at, .. } = *self;
        Some(ThreadMail { message, keys: self.keys.clone()?, rank, received_at })
    }
}

/// Some threads, all their mails, and which threads the keys of those lead to.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The threads' rows.
    pub threads: BTreeMap<i64, Thread>,
    /// Their mails.
    pub mails: Vec<GroupedMail>,
    /// The thread of each key.
    pub keys: BTreeMap<ThreadKey, i64>,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amiss {
    /// A thread has no mail.
    Empty(Thread),
    /// Its row counts otherwise.
    Counted {
        /// As it is.
        kept: Thread,
        /// As its mails are.
        there: Thread,
    },
    /// Its mails are not all joined by what they say.
    Apart(i64),
    /// What joins a mail with others leads elsewhere, or nowhere.
    Led {
        /// The mail.
        message: i64,
        /// Its thread.
        thread: i64,
        /// Where it leads.
        to: Option<i64>,
    },
}

impl Group {
    /// What does not fit, thread by thread. Of a thread with a mail that cannot be read only the row is looked at.
    #[must_use]
    pub fn amiss(&self) -> Vec<Amiss> {
        let mut of: BTreeMap<i64, Vec<&GroupedMail>> = BTreeMap::new();
        self.mails.iter().for_each(|mail| of.entry(mail.thread).or_default().push(mail));
        let mut amiss = Vec::new();
        for (id, kept) in &self.threads {
            let mails = of.get(id).map_or(&[][..], Vec::as_slice);
            let Some(there) = counted(*id, mails) else {
                amiss.push(Amiss::Empty(*kept));
                continue;
            };
            if there != *kept {
                amiss.push(Amiss::Counted { kept: *kept, there });
            }
            let said: Option<Vec<_>> =
                mails.iter().map(|mail| mail.keys.as_deref().map(|keys| (mail, keys))).collect();
            let Some(said) = said else { continue };
            if !is_one(&said.iter().map(|(_, keys)| *keys).collect::<Vec<_>>()) {
                amiss.push(Amiss::Apart(*id));
            }
            let led = said.iter().filter_map(|(mail, keys)| {
                let is_other = |key: &&ThreadKey| self.keys.get(key) != Some(id);
                let to = self.keys.get(keys.iter().find(is_other)?).copied();
                Some(Amiss::Led { message: mail.message, thread: *id, to })
            });
            amiss.extend(led);
        }
        amiss
    }
}

/// The row of a thread of these mails.
fn counted(id: i64, mails: &[&GroupedMail]) -> Option<Thread> {
    Some(Thread {
        id,
        messages: mails.len() as u64,
        rank: mails.iter().map(|mail| mail.rank).max()?,
        first_at: mails.iter().map(|mail| mail.received_at).min()?,
    })
}

/// Whether mails that say this are one thread.
fn is_one(mails: &[&[ThreadKey]]) -> bool {
    let mut of_key: BTreeMap<&ThreadKey, Vec<usize>> = BTreeMap::new();
    for (n, keys) in mails.iter().enumerate() {
        keys.iter().for_each(|key| of_key.entry(key).or_default().push(n));
    }
    let (mut seen, mut next) = (BTreeSet::from([0]), vec![0]);
    while let Some(n) = next.pop() {
        for key in mails.get(n).copied().unwrap_or_default() {
            // Each key leads on once.
            for other in of_key.remove(key).unwrap_or_default() {
                if seen.insert(other) {
                    next.push(other);
                }
            }
        }
    }
    seen.len() >= mails.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> ThreadKey {
        ThreadKey([id; 16])
    }

    /// Mails 1 to 3 of thread 1, joined by the keys 1 and 2; mail 4 alone.
    fn group() -> Group {
        let mail = |message: i64, thread, keys: &[u8]| GroupedMail {
            message,
            thread,
            keys: Some(keys.iter().map(|id| key(*id)).collect()),
            rank: message * 10,
            received_at: message,
        };
        let mails = vec![mail(1, 1, &[1]), mail(3, 1, &[1, 2]), mail(2, 1, &[2]), mail(4, 4, &[])];
        let thread = |id, messages, rank, first_at| (id, Thread { id, messages, rank, first_at });
        Group {
            threads: BTreeMap::from([thread(1, 3, 30, 1), thread(4, 1, 40, 4)]),
            mails,
            keys: BTreeMap::from([(key(1), 1), (key(2), 1)]),
        }
    }

    #[test]
    fn what_fits_is_told_from_what_does_not() {
        assert_eq!(group().amiss(), []);
        type Change = fn(&mut Group);
        let kept = |id, messages, rank, first_at| Thread { id, messages, rank, first_at };
        let there = group().threads[&1];
        let led = |message, thread, to| Amiss::Led { message, thread, to };
        let changes: [(Change, Vec<Amiss>); 9] = [
            (
                |group| group.mails.retain(|mail| mail.thread == 1),
                vec![Amiss::Empty(kept(4, 1, 40, 4))],
            ),
            (
                |group| group.threads.get_mut(&1).unwrap().messages = 4,
                vec![Amiss::Counted { kept: kept(1, 4, 30, 1), there }],
            ),
            (
                |group| group.threads.get_mut(&1).unwrap().rank = 1,
                vec![Amiss::Counted { kept: kept(1, 3, 1, 1), there }],
            ),
            (
                |group| group.threads.get_mut(&1).unwrap().first_at = 0,
                vec![Amiss::Counted { kept: kept(1, 3, 30, 0), there }],
            ),
            // The mail that joins two others.
            (|group| group.mails[1].keys = Some(vec![]), vec![Amiss::Apart(1)]),
            (
                |group| {
                    group.keys.remove(&key(1));
                },
                vec![led(1, 1, None), led(3, 1, None)],
            ),
            (
                |group| {
                    group.keys.insert(key(2), 4);
                },
                vec![led(3, 1, Some(4)), led(2, 1, Some(4))],
            ),
            (
                |group| {
                    group.mails[2].thread = 4;
                    group.threads.get_mut(&1).unwrap().messages = 2;
                    *group.threads.get_mut(&4).unwrap() = kept_of(4, 2, 40, 2);
                },
                vec![Amiss::Apart(4), led(2, 4, Some(1))],
            ),
            // What cannot be read is not held against it.
            (|group| group.mails[1].keys = None, vec![]),
        ];
        for (change, amiss) in changes {
            let mut group = group();
            change(&mut group);
            assert_eq!(group.amiss(), amiss);
        }
    }

    fn kept_of(id: i64, messages: u64, rank: i64, first_at: i64) -> Thread {
        Thread { id, messages, rank, first_at }
    }
}
