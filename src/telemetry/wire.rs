//! The wire log: every command that was sent, secrets cut. A proof, for people and tests, that
//! nothing changes a mailbox.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Where commands are written to; nowhere by default.
#[derive(Clone, Debug, Default)]
pub struct WireLog {
    file: Option<Arc<Mutex<BufWriter<File>>>>,
}

impl WireLog {
    /// Writes to `path`, replacing what was there.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        // A link that lies in its place is not followed: whoever laid it would choose what is overwritten.
        let mut options = OpenOptions::new();
        // A terminal or a pipe goes by a link.
        let is_device = path.starts_with("/dev") || path.starts_with("/proc");
        let no_links = if is_device { 0 } else { rustix::fs::OFlags::NOFOLLOW.bits() as i32 };
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(no_links)
            .open(path)?;
        Ok(Self { file: Some(Arc::new(Mutex::new(BufWriter::new(file)))) })
    }

    /// Notes a command without its line end. `secret`: what is put in place of the arguments.
    pub fn sent(&self, account: &str, line: &[u8], secret: bool) {
        let Some(file) = &self.file else { return };
        let text = String::from_utf8_lossy(line);
        let shown = if secret {
            text.split(' ').take(2).collect::<Vec<_>>().join(" ") + " …"
        } else {
            text.into_owned()
        };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(e) = writeln!(file, "{account} {shown}").and_then(|()| file.flush()) {
            tracing::warn!("the wire log cannot be written: {e}");
        }
    }
}
