//! Reading bodies back, whole or hashed on the way.

use crate::bodies::direct::DirectFile;
use crate::bodies::writer::path_of;
use postrider_core::mail::body::{BodyHash, StoredBody};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Why a body is not what its row says.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The pack cannot be read there.
    #[error("pack {pack} cannot be read at {offset}: {source}")]
    Unreadable {
        /// The pack.
        pack: i64,
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes have another hash.
    #[error("the bytes hash to {found}, not to {wanted}")]
    Hash {
        /// What the row says.
        wanted: BodyHash,
        /// What the disk holds.
        found: BodyHash,
    },
    /// The bytes could not be passed on.
    #[error("cannot write: {0}")]
    Out(io::Error),
}

impl Damage {
    /// Whether nothing could be read at all, which another time may be otherwise.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// Reads bodies. Blocks; keeps the last pack open.
#[derive(Debug)]
pub struct BodyReader {
    dir: PathBuf,
    open: Option<(i64, Open)>,
    buffer: Vec<u8>,
    /// What lies on the disk is read, whatever the system has of it in memory.
    anew: bool,
}

/// A pack that is open.
#[derive(Debug)]
enum Open {
    Cached(File),
    Direct(DirectFile),
}

impl Open {
    fn read<'a>(&'a mut self, room: &'a mut [u8], offset: u64) -> io::Result<&'a [u8]> {
        match self {
            Self::Cached(file) => file.read_exact_at(room, offset).map(|()| &*room),
            Self::Direct(file) => file.read(offset, room.len()),
        }
    }
}

impl BodyReader {
    /// A reader of the packs in `dir`.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: None, buffer: vec![0; 64 * 1024], anew: false }
    }

    /// One that reads what lies on the disk, as far as its file system can; what it has at hand itself is read once.
    #[must_use]
    pub fn from_disk(dir: &Path) -> Self {
        Self { anew: true, ..Self::new(dir) }
    }

    /// Copies a body out in pieces of 64 KiB, checking its hash; whatever was written before an
    /// error is to be thrown away.
    ///
    /// # Errors
    /// [`Damage`], by variant.
    pub fn copy(&mut self, body: &StoredBody, out: &mut impl Write) -> Result<(), Damage> {
        let mut hash = Sha256::new();
        self.pieces(body, 0..body.length, &mut |piece| {
            hash.update(piece);
            out.write_all(piece).map_err(Damage::Out)
        })?;
        let found = BodyHash(hash.finalize().into());
        if found == body.hash { Ok(()) } else { Err(Damage::Hash { wanted: body.hash, found }) }
    }

    /// Hands over a part of a body in pieces of 64 KiB, whose hash nobody can check.
    ///
    /// # Errors
    /// [`Damage::Unreadable`], and what `take` says.
    pub fn pieces<E: From<Damage>>(
        &mut self,
        body: &StoredBody,
        part: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let pack = body.pack;
        let unreadable =
            |offset: u64, source: io::Error| Damage::Unreadable { pack, offset, source };
        let mut offset = body.offset.saturating_add(part.start);
        let end = body.offset.saturating_add(part.end.min(body.length));
        // One of no octets may lie in a pack that was never begun.
        if offset >= end {
            return Ok(());
        }
        if self.open.as_ref().is_none_or(|(open, _)| *open != pack) {
            let path = path_of(&self.dir, pack);
            let open = if self.anew {
                DirectFile::open(&path).map(Open::Direct)
            } else {
                File::open(path).map(Open::Cached)
            };
            self.open = Some((pack, open.map_err(|e| unreadable(offset, e))?));
        }
        let Some((_, open)) = &mut self.open else {
            return Err(unreadable(offset, io::ErrorKind::NotFound.into()).into());
        };
        while offset < end {
            let want = usize::try_from(end - offset).unwrap_or(usize::MAX).min(self.buffer.len());
            let Some(room) = self.buffer.get_mut(..want) else { break };
            let piece = open.read(room, offset).map_err(|e| unreadable(offset, e))?;
            take(piece)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    /// Hashes a body without keeping it.
    ///
    /// # Errors
    /// [`Damage`], by variant.
    pub fn check(&mut self, body: &StoredBody) -> Result<(), Damage> {
        self.copy(body, &mut io::sink())
    }
}
