//! What people read on stdout. A reader that goes away early (`| head`) is no failure of ours.

use std::io::{ErrorKind, Write};

/// Writes a text as it is.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(e) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && e.kind() != ErrorKind::BrokenPipe
    {
        eprintln!("stdout: {e}");
    }
}

/// Writes a line.
pub(crate) fn say_line(text: &str) {
    say(&format!("{text}\n"));
}
