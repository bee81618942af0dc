//! A file that is read past the page cache: what lies on the disk, and nothing that others need is pushed out of memory.

use crate::bodies::block::{ALIGN, BLOCK};
use crate::bodies::disk::is_unable;
use rustix::fs::{Advice, OFlags, fadvise};
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open file, and the block of it that was read last.
#[derive(Debug)]
pub(super) struct DirectFile {
    path: PathBuf,
    file: File,
    /// Where a file system cannot do it, the system is asked to forget what it has of a block before that is read.
    is_direct: bool,
    room: Vec<u8>,
    /// Where in that room a block begins.
    first: usize,
    /// Where the block begins in the file, and how long it is.
    at: u64,
    filled: usize,
}

fn open(path: &Path, is_direct: bool) -> io::Result<File> {
    let flags = if is_direct { OFlags::DIRECT.bits().cast_signed() } else { 0 };
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

impl DirectFile {
    /// Opens it.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, is_direct) = match open(path, true) {
            Err(e) if is_unable(&e) => (open(path, false)?, false),
            file => (file?, true),
        };
        let room = vec![0; BLOCK + ALIGN];
        let first = room.as_ptr().align_offset(ALIGN);
        Ok(Self { path: path.to_owned(), file, is_direct, room, first, at: 0, filled: 0 })
    }

    /// What lies at an offset: one octet at least, and so many at most.
    ///
    /// # Errors
    /// Whatever the system says; [`io::ErrorKind::UnexpectedEof`] behind the end.
    pub(super) fn read(&mut self, offset: u64, most: usize) -> io::Result<&[u8]> {
        if !(self.at..self.at + self.filled as u64).contains(&offset) {
            self.fill(offset, most)?;
        }
        let within = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
        let end = self.filled.min(within.saturating_add(most));
        let begins = self.first.saturating_add(within);
        let found = self.room.get(begins..self.first + end).filter(|found| !found.is_empty());
        found.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn fill(&mut self, offset: u64, most: usize) -> io::Result<()> {
        self.at = offset - offset % ALIGN as u64;
        self.filled = 0;
        while self.filled < BLOCK {
            let read = match self.read_at(BLOCK) {
                // A sector that cannot be read takes none of its neighbours along.
                Err(_) if self.filled == 0 => {
                    let before = usize::try_from(offset - self.at).unwrap_or(0);
                    self.filled =
                        self.read_at((before + most).next_multiple_of(ALIGN).min(BLOCK))?;
                    return Ok(());
                }
                // What came before it is there; what lies behind is asked for anew.
                Err(_) => break,
                Ok(read) => read,
            };
            self.filled += read;
            // Only at the end a piece is no whole number of sectors.
            if read == 0 || !self.filled.is_multiple_of(ALIGN) {
                break;
            }
        }
        Ok(())
    }

    /// Reads on, up to so many octets of the block.
    fn read_at(&mut self, upto: usize) -> io::Result<usize> {
        let at = self.at + self.filled as u64;
        loop {
            let Some(room) = self.room.get_mut(self.first + self.filled..self.first + upto) else {
                return Ok(0);
            };
            if !self.is_direct {
                let length = NonZeroU64::new(room.len() as u64);
                fadvise(&self.file, at, length, Advice::DontNeed)?;
            }
            match self.file.read_at(room, at) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if self.is_direct && is_unable(&e) => {
                    (self.file, self.is_direct) = (open(&self.path, false)?, false);
                }
                read => return read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is asked for comes, whichever way it is read; behind the end nothing does, and what is read anew is what lies
    /// there then.
    #[test]
    fn what_lies_there_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        let bytes: Vec<u8> =
            (0..3 * BLOCK + 1234).map(|n| u8::try_from(n % 251).unwrap()).collect();
        std::fs::write(&path, &bytes).unwrap();
        for can in [true, false] {
            let mut file = DirectFile::open(&path).unwrap();
            if !can {
                (file.file, file.is_direct) = (open(&path, false).unwrap(), false);
            }
            for from in [0, 1, ALIGN - 1, ALIGN, BLOCK - 1, BLOCK + 7, bytes.len() - 1, 5] {
                let mut found = Vec::new();
                while found.len() < 100_000.min(bytes.len() - from) {
                    let at = (from + found.len()) as u64;
                    let piece = file.read(at, 64 * 1024).unwrap();
                    assert!(piece.len() <= 64 * 1024);
                    found.extend_from_slice(piece);
                }
                assert_eq!(found, bytes[from..from + found.len()], "from {from}");
            }
            for behind in [bytes.len() as u64, bytes.len() as u64 + 5000, 1 << 40] {
                let end = file.read(behind, 10).unwrap_err().kind();
                assert_eq!(end, io::ErrorKind::UnexpectedEof);
            }
        }
        let mut file = DirectFile::open(&path).unwrap();
        assert_eq!(file.read(3, 1).unwrap(), [3]);
        std::fs::write(&path, [9; 10]).unwrap();
        assert_eq!(file.read(3, 1).unwrap(), [3], "what is at hand is not asked for twice");
        assert_eq!(DirectFile::open(&path).unwrap().read(3, 100).unwrap(), [9; 7]);
        assert!(DirectFile::open(&dir.path().join("y.pack")).is_err());
    }
}
