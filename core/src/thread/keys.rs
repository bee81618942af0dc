//! Which mails are one thread: those that share a key, whatever order they come in. Subjects join nothing: they
//! join too much, and what was joined wrongly cannot be told apart later.

use crate::mime::Header;
use sha2::{Digest, Sha256};

/// What joins two mails: an id that both name, short.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadKey(pub [u8; 16]);

impl std::fmt::Display for ThreadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl std::fmt::Debug for ThreadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
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
pub(super) fn survivor(threads: &[Joined]) -> Option<Joined> {
    threads.iter().copied().max_by_key(|thread| (thread.messages, std::cmp::Reverse(thread.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
