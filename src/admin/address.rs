//! Where the clients of this machine find the API: `DATA_DIR/admin.url`, there while a server
//! listens.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

fn file_of(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.url")
}

/// Says where the API listens.
///
/// # Errors
/// Whatever the system says.
pub fn announce(data_dir: &Path, url: &str) -> io::Result<()> {
    let half = data_dir.join("admin.url.half");
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    writeln!(out, "{url}")?;
    std::fs::rename(half, file_of(data_dir))
}

/// No server listens any more.
pub fn withdraw(data_dir: &Path) {
    // A client that finds the file in vain says so.
    drop(std::fs::remove_file(file_of(data_dir)));
}

/// Where the server of this data folder listens, if there is one.
///
/// # Errors
/// Whatever the system says, but that there is no such file.
pub fn find(data_dir: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(file_of(data_dir)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
