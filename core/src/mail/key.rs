//! What a message is recognised by where its UID says nothing.

use crate::mail::id::MessageId;
use crate::time::Micros;
use sha2::{Digest, Sha256};

/// Message-ID, INTERNALDATE and size in 16 octets, so that a folder of a million messages can be
/// compared in memory. What is not told is a value of its own: two that lack the same are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatchKey([u8; 16]);

impl MatchKey {
    /// `size` is none where the server's sizes are estimates.
    #[must_use]
    pub fn of(message_id: Option<&str>, internal_date: Option<Micros>, size: Option<u64>) -> Self {
        let mut hash = Sha256::new();
        for number in [internal_date.map(|at| at.0.to_be_bytes()), size.map(u64::to_be_bytes)] {
            hash.update([u8::from(number.is_some())]);
            hash.update(number.unwrap_or_default());
        }
        hash.update(message_id.unwrap_or_default());
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(key)
    }
}

/// A message as the server shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// UID.
    pub uid: u32,
    /// What it is recognised by.
    pub key: MatchKey,
}

/// A living location as we hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// UID.
    pub uid: u32,
    /// What it is recognised by.
    pub key: MatchKey,
    /// Its message: equal bytes are one.
    pub message: MessageId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_three_tells_messages_apart() {
        let key = |id: Option<&str>, date: Option<i64>, size: Option<u64>| {
            MatchKey::of(id, date.map(Micros), size)
        };
        let keys = [
            key(Some("a"), Some(1), Some(1)),
            key(Some("b"), Some(1), Some(1)),
            key(Some("a"), Some(2), Some(1)),
            key(Some("a"), Some(1), Some(2)),
            key(None, Some(1), Some(1)),
            key(Some("a"), None, Some(1)),
            key(Some("a"), Some(1), None),
            key(Some("a"), Some(0), Some(1)),
        ];
        for (n, one) in keys.iter().enumerate() {
            assert!(!keys[n + 1..].contains(one), "{n}");
        }
        assert_eq!(keys[0], key(Some("a"), Some(1), Some(1)));
    }
}
