//! The data folder's lock: one process writes, and the second learns who the first is.
#![expect(clippy::disallowed_methods, reason = "who holds the lock may just be writing his name")]

use crate::bodies::disk::{RealDisk, make_dir};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// Others may look into it.
    #[error(
        "the folder {dir} is open to others (mode {mode:o}): the mail in it would be, too; run chmod 700 {dir}"
    )]
    Open {
        /// The folder.
        dir: PathBuf,
        /// Its mode.
        mode: u32,
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

/// `O_NOFOLLOW`: a link in its place is not followed.
const NO_LINKS: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// Makes sure that nobody else can look into the data folder. One that is empty is closed; one with
/// something in it is not changed behind its owner's back.
fn private(dir: &Path) -> io::Result<Result<(), LockError>> {
    let meta = std::fs::metadata(dir)?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(Ok(()));
    }
    if std::fs::read_dir(dir)?.next().is_none() {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
        return Ok(Ok(()));
    }
    Ok(Err(LockError::Open { dir: dir.to_owned(), mode }))
}

/// Whoever only looks whether somebody has the folder has it for a moment.
const GLANCE: Duration = Duration::from_millis(20);

fn patiently(file: &File) -> Result<(), TryLockError> {
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if tries < 10 => std::thread::sleep(GLANCE),
            other => return other,
        }
        tries += 1;
    }
}

/// Whether a process has the data folder: what stands there of a server is true only while one has.
#[must_use]
pub fn is_held(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join("lock")) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Holds the data folder until it is dropped, or the process ends however it ends.
#[derive(Debug)]
pub struct DataLock {
    file: File,
}

impl Drop for DataLock {
    /// Who ends by itself leaves no name.
    fn drop(&mut self) {
        if let Err(e) = self.file.set_len(0) {
            tracing::debug!("the lock keeps the name of this process: {e}");
        }
    }
}

/// Refuses a folder of ours that lies elsewhere and that others may look into; one that is not there yet is
/// made closed.
///
/// # Errors
/// [`LockError`], by variant.
pub fn is_closed(dir: &Path) -> Result<(), LockError> {
    let broken = |source| LockError::Io { dir: dir.to_owned(), source };
    if dir.as_os_str().is_empty() || !dir.try_exists().map_err(broken)? {
        return Ok(());
    }
    private(dir).map_err(broken)?
}

impl DataLock {
    /// Makes the folder (mode 0700) if need be and locks it. `purpose` tells the next one what this
    /// process is doing.
    ///
    /// # Errors
    /// [`LockError`], by variant.
    pub fn take(dir: &Path, purpose: &str) -> Result<Self, LockError> {
        let broken = |source| LockError::Io { dir: dir.to_owned(), source };
        make_dir(&RealDisk, dir).map_err(broken)?;
        private(dir).map_err(broken)??;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NO_LINKS)
            .open(dir.join("lock"))
            .map_err(broken)?;
        match patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(broken)?;
                return Err(LockError::InUse {
                    dir: dir.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(broken(source)),
        }
        let mut before = Vec::new();
        file.read_to_end(&mut before).map_err(broken)?;
        let before = String::from_utf8_lossy(&before).into_owned();
        if !before.trim().is_empty() {
            tracing::warn!(
                "the last process here ({}) did not end cleanly: it was killed, or the machine stopped; what was under way is \
                 asked for again",
                before.trim()
            );
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(broken)?;
        writeln!(file, "process {} (postrider {purpose})", std::process::id()).map_err(broken)?;
        Ok(Self { file })
    }
}
