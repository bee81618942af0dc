//! The data folder's lock: one process writes, and the second learns who the first is.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why the data folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the data folder {dir} is in use by {holder}")]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// What the holder wrote of itself.
        holder: String,
    },
    /// It cannot be made or locked.
    #[error("the data folder {dir} cannot be used: {source}")]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Holds the data folder until it is dropped, or the process ends however it ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Makes the folder (mode 0700) if need be and locks it. `purpose` tells the next one what this process is doing.
    ///
    /// # Errors
    /// [`LockError`], by variant.
    pub fn take(dir: &Path, purpose: &str) -> Result<Self, LockError> {
        let broken = |source| LockError::Io { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(broken)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join("lock"))
            .map_err(broken)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(broken)?;
                return Err(LockError::InUse { dir: dir.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(broken(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(broken)?;
        writeln!(file, "process {} (postrider {purpose})", std::process::id()).map_err(broken)?;
        Ok(Self { _file: file })
    }
}
