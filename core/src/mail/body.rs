//! Where a body lies, and the sink that a session streams bodies into.

use crate::failure::Failure;
use crate::haste::Haste;
use crate::mail::folder::WireName;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// SHA-256 of a message's exact bytes: the body's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyHash(pub [u8; 32]);

/// Octets of zero before the number in what stands for a hash.
const UNKNOWN: usize = 24;

impl BodyHash {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Stands for the hash of a message's bytes where the row that had it is gone: 24 octets of zero, and its number. No bytes
    /// have such a one that anybody could find.
    #[must_use]
    pub fn unknown(message: i64) -> Self {
        let mut bytes = [0; 32];
        let (_, number) = bytes.split_at_mut(UNKNOWN);
        number.copy_from_slice(&message.to_be_bytes());
        Self(bytes)
    }

    /// Whether it stands for one that is not known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.0.iter().take(UNKNOWN).all(|octet| *octet == 0)
    }

    /// Whether it is the hash of no bytes at all.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        *self == Self::OF_NOTHING
    }

    /// The hash of no bytes at all (FIPS 180-4).
    pub const OF_NOTHING: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);
}

impl fmt::Display for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each row of a page says it a few times: in one piece.
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A body that is durable on disk: the promise that a commit may rest on.
///
/// Only the body store's `seal()` makes one, after the pack's fdatasync (clippy refuses
/// [`BodyRef::sealed`] elsewhere).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRef {
    hash: BodyHash,
    pack: i64,
    offset: u64,
    length: u64,
}

impl BodyRef {
    /// Vouches that the bytes are durable.
    #[must_use]
    pub fn sealed(hash: BodyHash, pack: i64, offset: u64, length: u64) -> Self {
        Self { hash, pack, offset, length }
    }

    /// SHA-256 of the bytes.
    #[must_use]
    pub fn hash(&self) -> BodyHash {
        self.hash
    }

    /// The pack's number.
    #[must_use]
    pub fn pack(&self) -> i64 {
        self.pack
    }

    /// First octet inside the pack.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Length in octets.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// Where a stored row says that a body lies: for reading it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBody {
    /// SHA-256 of the bytes.
    pub hash: BodyHash,
    /// The pack's number.
    pub pack: i64,
    /// First octet inside the pack.
    pub offset: u64,
    /// Length in octets, of the mail.
    pub length: u64,
    /// Octets that it takes in the pack as a zstd frame; none: it lies there as it is.
    pub stored: Option<u64>,
}

/// A body that lies in another place from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedBody {
    /// The number of its row.
    pub id: i64,
    /// Where it lay.
    pub from: StoredBody,
    /// Where the same bytes lie, too.
    pub to: StoredBody,
}

/// The end of a pack of which nothing may be cut off.
pub const WHOLE_PACK: u64 = u64::MAX;
/// The same of one in which nothing lies but what is lost: it is kept, and not missed.
pub const SPARED_PACK: u64 = u64::MAX - 1;

impl StoredBody {
    /// Octets that it takes in its pack.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.stored.unwrap_or(self.length)
    }

    /// Where it ends in its pack.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.octets())
    }

    /// Its bytes are given up as damaged: its row keeps pack and offset, until they have been read again.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.length == 0 && !self.hash.is_of_nothing()
    }
}

/// Of which message a beginning is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Beginning {
    /// The account's id in the config.
    pub account: String,
    /// Wire name of its folder.
    pub remote_id: WireName,
    /// UIDVALIDITY there.
    pub uidvalidity: u32,
    /// UID.
    pub uid: u32,
}

/// Bodies that are being made durable; it ends with their names, in the order they were begun.
///
/// # Errors
/// Class storage, reach process, when the disk refuses; none of the bodies may be used then.
///
/// # Cancel safety
/// Whoever drops it never learns of the bodies: nothing refers to them.
pub type Sealing = Pin<Box<dyn Future<Output = Result<Vec<BodyRef>, Failure>> + Send>>;

/// What a session streams message bytes into, one body after the other; given to the session by
/// value.
///
/// # Cancel safety
/// Of what a dropped [`BodySink::write`] was given, the sink has taken a part, from the first octet
/// on; a dropped [`BodySink::begin`] has begun nothing. Dropping any of the other futures leaves the
/// sink unusable: drop it too. Nothing unsealed is ever referred to.
pub trait BodySink: Send {
    /// Begins a body whose length the server announced (a literal's `{n}`).
    fn begin(&mut self, announced: u64) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Appends bytes to the body begun last. Waits while the disk is behind.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Ends the body begun last.
    fn finish(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Forgets the body begun last (it was cut off, or nobody asked for it).
    fn abandon(&mut self);

    /// Ends the body begun last where it was cut: it becomes durable with the next seal, which does
    /// not name it, and is kept for [`BodySink::resume`]. Says whether so much of that message has
    /// never been here before: whoever is cut again and again gets there.
    fn keep(&mut self, _of: Beginning) -> bool {
        self.abandon();
        false
    }

    /// Of which messages of this folder, by UID, a beginning is kept.
    fn kept(&self, _account: &str, _remote_id: &WireName, _uidvalidity: u32) -> Vec<u32> {
        Vec::new()
    }

    /// Begins a body with what is kept of it, which `seen` is shown piece by piece. Returns how many
    /// octets that are; `None` where nothing is kept, or it is damaged: then nothing is begun.
    ///
    /// # Errors
    /// As [`BodySink::begin`] and [`BodySink::write`].
    fn resume(
        &mut self,
        _of: &Beginning,
        _announced: u64,
        _seen: &mut (dyn FnMut(&[u8]) + Send),
    ) -> impl Future<Output = Result<Option<u64>, Failure>> + Send {
        async { Ok(None) }
    }

    /// What was kept of a message is of no use any more.
    fn forget(&mut self, _of: &Beginning) {}

    /// Whether there is room for more.
    ///
    /// # Errors
    /// Class storage, when nothing is to be taken in now.
    fn room(&self) -> Result<(), Failure>;

    /// Nothing will come for a while: gives back what it holds. What is not sealed is abandoned.
    fn rest(&mut self);

    /// Begins to make every finished body durable; bodies may be begun meanwhile.
    ///
    /// # Errors
    /// Class storage, reach process; none of the bodies may be used then.
    fn begin_seal(&mut self, haste: Haste)
    -> impl Future<Output = Result<Sealing, Failure>> + Send;

    /// Somebody waits now for what [`Haste::Soon`] lets wait.
    fn hurry(&mut self) {}

    /// Makes every finished body durable and names them in the order they were begun.
    ///
    /// # Errors
    /// Class storage, reach process, when the disk refuses; none of the bodies may be used then.
    fn seal(&mut self) -> impl Future<Output = Result<Vec<BodyRef>, Failure>> + Send {
        async { self.begin_seal(Haste::Now).await?.await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_text_round_trip() {
        let hash = BodyHash([0xab; 32]);
        assert_eq!(BodyHash::from_hex(&hash.to_string()), Some(hash));
        assert_eq!(BodyHash::from_hex("zz"), None);
    }

    #[test]
    fn what_stands_for_a_hash_is_none() {
        let unknown = BodyHash::unknown(77);
        assert!(unknown.is_unknown() && !unknown.is_of_nothing());
        assert!(!BodyHash::OF_NOTHING.is_unknown() && BodyHash::OF_NOTHING.is_of_nothing());
        assert_ne!(unknown, BodyHash::unknown(78));
        let stored =
            |hash, length| StoredBody { hash, pack: 1, offset: 0, length, stored: None }.is_lost();
        assert!(!stored(BodyHash::OF_NOTHING, 0) && !stored(BodyHash([1; 32]), 1));
        assert!(stored(BodyHash([1; 32]), 0));
    }
}
