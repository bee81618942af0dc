//! What people read on stdout. A reader that goes away early (`| head`) is no failure of ours.

use std::io::{ErrorKind, Write};

/// A text for people: what a terminal would obey, or what turns the direction of writing round, is
/// spelled out. Folder names and servers' words are somebody else's.
pub(crate) fn clean(text: &str) -> String {
    let is_bidi = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && c != '\n') || is_bidi(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes a text for people.
pub(crate) fn say(text: &str) {
    say_raw(&clean(text));
}

/// Writes a text as it is: what moves the cursor is ours.
pub(crate) fn say_raw(text: &str) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_no_folder_name() {
        assert_eq!(
            clean("a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b\n日本"),
            "a\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}b\n日本"
        );
    }
}
