//! What the body store asks of a disk; behind a trait so that a test can be a disk that forgets.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

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
        Ok(Box::new(OpenOptions::new().append(true).create_new(true).open(path)?))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }
}
