//! Reading bodies back, whole or hashed on the way.

use crate::bodies::damage::Damage;
use crate::bodies::direct::DirectFile;
use crate::bodies::frame::{OpenFrame, ShortFrames};
use crate::bodies::open_file::Open;
use crate::bodies::writer::path_of;
use postrider_core::mail::body::{BodyHash, StoredBody};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Octets of a piece.
const PIECE: usize = 64 * 1024;

/// Whether there is such a pack.
#[must_use]
pub fn has_pack(dir: &Path, pack: i64) -> bool {
    path_of(dir, pack).exists()
}

/// Reads bodies. Blocks; keeps the last pack open.
#[derive(Debug)]
pub struct BodyReader {
    dir: PathBuf,
    open: Option<(i64, Open)>,
    buffer: Vec<u8>,
    /// Room for pieces of what is expanded, from the first such body on.
    expanded: Vec<u8>,
    /// What is short is expanded whole.
    short: Option<ShortFrames>,
    /// What is being expanded; the pack is with it.
    frame: Option<(i64, OpenFrame)>,
    /// What lies on the disk is read, whatever the system has of it in memory.
    anew: bool,
}

impl BodyReader {
    /// A reader of the packs in `dir`.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        let (buffer, expanded) = (vec![0; PIECE], Vec::new());
        Self {
            dir: dir.to_owned(),
            open: None,
            buffer,
            expanded,
            short: None,
            frame: None,
            anew: false,
        }
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
        let part = part.start..part.end.min(body.length);
        // One of no octets may lie in a pack that was never begun.
        if part.is_empty() {
            return Ok(());
        }
        let mut offset = body.offset.saturating_add(part.start);
        let end = body.offset.saturating_add(part.end);
        match body.stored {
            Some(stored) if body.length.max(stored) <= ShortFrames::MOST => {
                return self.expand_short(body, part, take);
            }
            Some(_) => return self.expand(body, part, take),
            None => {}
        }
        self.close_frame();
        self.open(body)?;
        let Some((_, open)) = &mut self.open else {
            return Err(unreadable(offset, io::ErrorKind::NotFound.into()).into());
        };
        self.buffer.resize(PIECE, 0);
        while offset < end {
            let want = usize::try_from(end - offset).unwrap_or(usize::MAX).min(PIECE);
            let Some(room) = self.buffer.get_mut(..want) else { break };
            let piece = open.read(room, offset).map_err(|e| unreadable(offset, e))?;
            take(piece)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    /// Opens the pack of a body, unless it is open.
    fn open(&mut self, body: &StoredBody) -> Result<(), Damage> {
        let (pack, offset) = (body.pack, body.offset);
        if self.open.as_ref().is_some_and(|(open, _)| *open == pack) {
            return Ok(());
        }
        let path = path_of(&self.dir, pack);
        let open = if self.anew {
            DirectFile::open(&path).map(Open::Direct)
        } else {
            File::open(path).map(Open::Cached)
        };
        let open = open.map_err(|source| Damage::Unreadable { pack, offset, source })?;
        self.open = Some((pack, open));
        Ok(())
    }

    /// What was being expanded is not any more; its pack stays open.
    fn close_frame(&mut self) {
        if let Some((pack, frame)) = self.frame.take() {
            let (open, room) = frame.end();
            (self.open, self.buffer) = (Some((pack, open)), room);
        }
    }

    /// The same of a short one that lies compressed: it is expanded once.
    fn expand_short<E: From<Damage>>(
        &mut self,
        body: &StoredBody,
        part: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (pack, offset) = (body.pack, body.offset);
        let frame = |source: io::Error| Damage::Frame { pack, offset, source };
        if self.short.is_none() {
            self.short = Some(ShortFrames::new().map_err(frame)?);
        }
        if !self.short.as_ref().is_some_and(|short| short.has(body)) {
            self.close_frame();
            self.open(body)?;
            if let (Some(short), Some((_, open))) = (&mut self.short, &mut self.open) {
                short.expand(body, open)?;
            }
        }
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let bytes = self.short.as_ref().map(ShortFrames::bytes).unwrap_or_default();
        let found = bytes.get(place(part.start)..place(part.end)).unwrap_or_default();
        found.chunks(PIECE).try_for_each(take)
    }

    /// The same of one that lies compressed: from its beginning, or from where the last piece of it has ended.
    fn expand<E: From<Damage>>(
        &mut self,
        body: &StoredBody,
        part: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (pack, offset) = (body.pack, body.offset);
        let broken = |source: io::Error| Damage::Frame { pack, offset, source };
        let leads = self.frame.as_ref().is_some_and(|(_, frame)| frame.leads_to(body, part.start));
        if !leads {
            self.close_frame();
            self.open(body)?;
            if let Some((_, open)) = self.open.take() {
                let mut room = std::mem::take(&mut self.buffer);
                room.resize(PIECE, 0);
                self.frame = Some((pack, OpenFrame::begin(*body, open, room).map_err(broken)?));
            }
        }
        self.expanded.resize(PIECE, 0);
        let Some((_, frame)) = &mut self.frame else {
            return Err(broken(io::ErrorKind::NotFound.into()).into());
        };
        while frame.come() < part.end {
            let at = frame.come();
            let upto = if at < part.start { part.start } else { part.end };
            let want = usize::try_from(upto - at).unwrap_or(usize::MAX).min(PIECE);
            let Some(room) = self.expanded.get_mut(..want) else { break };
            let read = match frame.read(room) {
                Ok(0) => Err(broken(io::ErrorKind::UnexpectedEof.into())),
                read => read,
            };
            let Ok(read) = read else {
                // Nobody goes on with it.
                self.frame = None;
                return read.map(drop).map_err(E::from);
            };
            if at >= part.start {
                take(room.get(..read).unwrap_or_default())?;
            }
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
