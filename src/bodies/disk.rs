//! What the body store asks of a disk; behind a trait so that a test can be a disk that forgets.

use crate::bodies::block::ALIGN;
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// Less than this goes through the page cache: who is told of new mail reads it soon.
const DIRECT_FROM: usize = 64 * 1024;

/// A disk. All calls block; they are made from a pack's own thread.
pub trait Disk: Send + Sync + 'static {
    /// Creates a file that must not exist yet.
    ///
    /// # Errors
    /// Whatever the system says.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a directory's entries durable.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that is appended to.
pub trait DiskFile: Send {
    /// Appends.
    ///
    /// # Errors
    /// Whatever the system says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything appended durable (fdatasync).
    ///
    /// # Errors
    /// Whatever the system says; what was appended since the last success must not be used then.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// Makes a folder (mode 0700) with those above it that are missing; their names are durable then.
///
/// # Errors
/// Whatever the system says.
pub fn make_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    for made in missing.iter().rev() {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        disk.sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let flags = OFlags::DIRECT.bits().cast_signed();
        // A file system that cannot do it says so here, or at the first write.
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(path).ok();
        Ok(Box::new(RealFile { file, direct, end: 0 }))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// A file that is appended to: what is aligned goes past the page cache, which a first sync would
/// only fill and push out what others need; its ends go through it.
struct RealFile {
    file: File,
    /// The same file, where the file system can write past the page cache.
    direct: Option<File>,
    end: u64,
}

/// What lies before the first aligned place, between it and the last, and behind that, where memory
/// is aligned as the file is.
fn parts(offset: u64, bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let before = usize::try_from(offset.next_multiple_of(ALIGN as u64) - offset).ok()?;
    let (head, rest) = bytes.split_at_checked(before)?;
    let (middle, tail) = rest.split_at_checked(rest.len() / ALIGN * ALIGN)?;
    (middle.len() >= DIRECT_FROM && middle.as_ptr().addr().is_multiple_of(ALIGN))
        .then_some((head, middle, tail))
}

impl RealFile {
    fn write_direct(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let Some(direct) = &self.direct else { return self.file.write_all_at(bytes, at) };
        match direct.write_all_at(bytes, at) {
            Err(e) if is_unable(&e) => {
                self.direct = None;
                self.file.write_all_at(bytes, at)
            }
            written => written,
        }
    }
}

/// Whether it is the way of writing that is refused.
pub(super) fn is_unable(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

impl DiskFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let parts = self.direct.as_ref().and_then(|_| parts(self.end, bytes));
        match parts {
            Some((head, middle, tail)) => {
                let at = self.end + head.len() as u64;
                self.file.write_all_at(head, self.end)?;
                self.write_direct(middle, at)?;
                self.file.write_all_at(tail, at + middle.len() as u64)?;
            }
            None => self.file.write_all_at(bytes, self.end)?,
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::block::{BLOCK, Block};

    /// Pieces of all lengths, aligned or not, past the page cache and through it: the file is what
    /// was appended, read through the cache while it is written, and after that.
    #[test]
    fn a_file_is_what_was_appended() {
        let dir = tempfile::tempdir().unwrap();
        for can in [true, false] {
            let path = dir.path().join(format!("{can}.pack"));
            let file = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
            let flags = OFlags::DIRECT.bits().cast_signed();
            let open = || OpenOptions::new().write(true).custom_flags(flags).open(&path).ok();
            let direct = if can { open() } else { None };
            let mut disk = RealFile { file, direct, end: 0 };
            let mut want = Vec::new();
            let lengths = [5, BLOCK, 100_000, 4096, 3, 2 * BLOCK + 1, 65_536, 70_000, 1];
            for (n, length) in lengths.into_iter().enumerate() {
                let text: Vec<u8> = (0..length).map(|at| ((at * 7 + n) % 251) as u8).collect();
                let mut rest = text.as_slice();
                while !rest.is_empty() {
                    let mut block = Block::default();
                    block.begin(want.len() as u64);
                    let taken = block.take(rest);
                    disk.append(block.bytes()).unwrap();
                    want.extend_from_slice(&rest[..taken]);
                    rest = &rest[taken..];
                }
                // Memory that lies otherwise than the file goes through the cache.
                let odd = vec![n as u8; DIRECT_FROM + 4097];
                disk.append(&odd[1..]).unwrap();
                want.extend_from_slice(&odd[1..]);
                disk.sync_data().unwrap();
                assert!(std::fs::read(&path).unwrap() == want, "{n}, past the cache: {can}");
            }
        }
    }

    /// A way of writing that is refused is not taken again, and nothing is lost by it.
    #[test]
    fn what_cannot_be_done_is_done_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.pack");
        let mut file = RealDisk.create_new(&path).unwrap();
        file.append(&[1; 10]).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let flags = OFlags::DIRECT.bits().cast_signed();
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(&path).ok();
        let mut disk = RealFile { file, direct, end: 10 };
        disk.write_direct(&[2; 10], 10).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [[1; 10], [2; 10]].concat());
        let unable = |error| is_unable(&io::Error::from(error));
        assert!(unable(io::ErrorKind::InvalidInput) && unable(io::ErrorKind::Unsupported));
        assert!(!unable(io::ErrorKind::StorageFull), "a full disk is full either way");
    }

    #[test]
    fn only_what_is_aligned_goes_past_the_cache() {
        let mut block = Block::default();
        block.begin(100);
        let room = vec![7; 200_000];
        block.take(&room);
        let (head, middle, tail) = parts(100, block.bytes()).unwrap();
        assert_eq!((head.len(), middle.len() % ALIGN, tail.len() < ALIGN), (3996, 0, true));
        assert!(middle.len() > 190_000);
        assert!(parts(101, block.bytes()).is_none(), "memory lies otherwise");
        assert!(parts(100, &block.bytes()[..60_000]).is_none(), "little");
        assert!(parts(100, b"x").is_none());
    }
}
