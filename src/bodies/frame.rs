//! Bodies that lie in their packs compressed: each is a zstd frame (RFC 8878) of its own, so that one is read without the others.

use crate::bodies::damage::Damage;
use crate::bodies::open_file::Open;
use postrider_core::mail::body::StoredBody;
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use zstd::bulk::Decompressor;
use zstd::stream::{read::Decoder, write::Encoder};
use zstd::zstd_safe::DParameter;

/// Octets of the window, as a power of two: a reader needs no more than that for one, however long it is.
const WINDOW: u32 = 20;
/// Above this it takes longer, and mail gets hardly shorter.
const LEVEL: i32 = 3;

/// Compresses so many octets on their way to `out`.
///
/// # Errors
/// What the library says.
pub(super) fn encoder<W: Write>(out: W, length: u64) -> io::Result<Encoder<'static, W>> {
    let mut encoder = Encoder::new(out, LEVEL)?;
    encoder.window_log(WINDOW)?;
    encoder.set_pledged_src_size(Some(length))?;
    Ok(encoder)
}

/// Expands what comes.
///
/// # Errors
/// What the library says.
pub(super) fn decoder<R: BufRead>(octets: R) -> io::Result<Decoder<'static, R>> {
    let mut decoder = Decoder::with_buffer(octets)?.single_frame();
    decoder.window_log_max(WINDOW)?;
    Ok(decoder)
}

/// Whether it saves enough to be expanded at each read: a tenth.
pub(super) fn saves(stored: u64, length: u64) -> bool {
    stored <= length - length.div_ceil(10)
}

/// The octets of a frame, on their way from its pack.
pub(super) struct FrameOctets {
    open: Open,
    room: Vec<u8>,
    /// How much of that is read, and was taken.
    filled: usize,
    taken: usize,
    /// Where the next octets lie in the pack, and where the frame ends there.
    at: u64,
    end: u64,
    /// Why they could not be read.
    failed: Option<(u64, io::Error)>,
}

impl Read for FrameOctets {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for FrameOctets {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken >= self.filled && self.at < self.end {
            let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            let most = most.min(self.room.len());
            let Some(room) = self.room.get_mut(..most) else { return Ok(&[]) };
            match self.open.read_into(room, self.at) {
                Ok(read) => {
                    (self.filled, self.taken) = (read, 0);
                    self.at += read as u64;
                }
                Err(e) => {
                    let kind = e.kind();
                    self.failed = Some((self.at, e));
                    return Err(kind.into());
                }
            }
        }
        Ok(self.room.get(self.taken..self.filled).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
    }
}

/// A body that is being expanded: who asks for one piece behind the other expands it once.
pub(super) struct OpenFrame {
    body: StoredBody,
    /// So many octets of the body have come.
    come: u64,
    decoder: Decoder<'static, FrameOctets>,
}

impl fmt::Debug for OpenFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFrame").field("body", &self.body).finish_non_exhaustive()
    }
}

impl OpenFrame {
    /// Begins one, with the pack that it lies in and room to read.
    ///
    /// # Errors
    /// What the library says.
    pub(super) fn begin(body: StoredBody, open: Open, room: Vec<u8>) -> io::Result<Self> {
        let (at, end) = (body.offset, body.end());
        let octets = FrameOctets { open, room, filled: 0, taken: 0, at, end, failed: None };
        Ok(Self { body, come: 0, decoder: decoder(octets)? })
    }

    /// Whether it is that one, and has not come beyond there.
    pub(super) fn leads_to(&self, body: &StoredBody, place: u64) -> bool {
        self.body == *body && self.come <= place
    }

    /// So many octets of the body have come.
    pub(super) fn come(&self) -> u64 {
        self.come
    }

    /// The next octets; none behind its end.
    ///
    /// # Errors
    /// [`Damage`].
    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<usize, Damage> {
        let (pack, offset) = (self.body.pack, self.body.offset);
        let read = self.decoder.read(room).map_err(|source| {
            match self.decoder.get_mut().failed.take() {
                Some((offset, source)) => Damage::Unreadable { pack, offset, source },
                None => Damage::Frame { pack, offset, source },
            }
        })?;
        self.come += read as u64;
        Ok(read)
    }

    /// What it was begun with.
    pub(super) fn end(self) -> (Open, Vec<u8>) {
        let FrameOctets { open, room, .. } = self.decoder.finish();
        (open, room)
    }
}

/// The last short body that was expanded, all of it: with memory that is kept, which costs more to have than most mail to expand.
pub(super) struct ShortFrames {
    library: Decompressor<'static>,
    body: Option<StoredBody>,
    frame: Vec<u8>,
    bytes: Vec<u8>,
}

impl fmt::Debug for ShortFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortFrames").field("body", &self.body).finish_non_exhaustive()
    }
}

impl ShortFrames {
    /// Octets of what is short.
    pub(super) const MOST: u64 = 256 * 1024;

    /// None is expanded yet.
    ///
    /// # Errors
    /// What the library says.
    pub(super) fn new() -> io::Result<Self> {
        let mut library = Decompressor::new()?;
        library.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        Ok(Self { library, body: None, frame: Vec::new(), bytes: Vec::new() })
    }

    /// Whether it is that one.
    pub(super) fn has(&self, body: &StoredBody) -> bool {
        self.body == Some(*body)
    }

    /// What was expanded.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Expands one.
    ///
    /// # Errors
    /// [`Damage`].
    pub(super) fn expand(&mut self, body: &StoredBody, open: &mut Open) -> Result<(), Damage> {
        let (pack, offset) = (body.pack, body.offset);
        let frame = |source| Damage::Frame { pack, offset, source };
        self.body = None;
        self.frame.resize(usize::try_from(body.octets()).unwrap_or(usize::MAX), 0);
        let (mut at, mut rest) = (offset, self.frame.as_mut_slice());
        while !rest.is_empty() {
            let read = open.read_into(rest, at);
            let read = read.map_err(|source| Damage::Unreadable { pack, offset: at, source })?;
            at += read as u64;
            rest = rest.get_mut(read..).unwrap_or_default();
        }
        self.bytes.clear();
        self.bytes.reserve(usize::try_from(body.length).unwrap_or(usize::MAX));
        let expanded = self.library.decompress_to_buffer(&self.frame, &mut self.bytes);
        if expanded.map_err(frame)? as u64 != body.length {
            return Err(frame(io::ErrorKind::UnexpectedEof.into()));
        }
        self.body = Some(*body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes in comes out; a frame says how long it is and needs a window of its own length, or of a MiB.
    #[test]
    fn a_frame_is_the_bytes() {
        for length in [1_usize, 100, 70_000, 3 << 20] {
            let bytes: Vec<u8> = (0..length).map(|n| (n * n / 7 % 251) as u8).collect();
            let mut encoder = encoder(Vec::new(), length as u64).unwrap();
            encoder.write_all(&bytes).unwrap();
            let frame = encoder.finish().unwrap();
            let mut found = Vec::new();
            decoder(frame.as_slice()).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == bytes, "{length}");
            // What lies behind it is another's.
            let more = [frame.as_slice(), b"another's"].concat();
            found.clear();
            decoder(more.as_slice()).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == bytes, "{length}");
        }
        // Another's frame may ask for no more memory than ours.
        let mut wide = Encoder::new(Vec::new(), LEVEL).unwrap();
        wide.window_log(WINDOW + 1).unwrap();
        wide.write_all(&vec![7; 4 << 20]).unwrap();
        let wide = wide.finish().unwrap();
        assert!(decoder(wide.as_slice()).unwrap().read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn a_tenth_is_enough() {
        for (stored, length, is_enough) in [
            (90, 100, true),
            (91, 100, false),
            (0, 1, true),
            (1, 1, false),
            (8, 9, true),
            (13, 15, true),
        ] {
            assert_eq!(saves(stored, length), is_enough, "{stored} of {length}");
        }
    }
}
