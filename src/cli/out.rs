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
    is_read(text);
}

/// The same; whether somebody still reads. Who writes for ever ends when nobody does.
pub(crate) fn is_read(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    let Err(e) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) else { return true };
    if e.kind() != ErrorKind::BrokenPipe {
        eprintln!("stdout: {e}");
    }
    false
}

/// Writes a document as a line: what a terminal would obey is spelled as JSON has it, which is the same document.
pub(crate) fn say_json(document: &serde_json::Value) {
    say_raw(&format!("{}\n", spelled(document)));
}

fn spelled(document: &serde_json::Value) -> String {
    let mut line = String::new();
    for c in document.to_string().chars() {
        // Beside these nothing is spelled in more than one unit of UTF-16.
        if clean(c.encode_utf8(&mut [0; 4])).len() > 4 || c.is_control() {
            line.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
    }
    line
}

/// Writes a line.
pub(crate) fn say_line(text: &str) {
    say(&format!("{text}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_stays_the_same_document() {
        let document = serde_json::json!({"a\u{200f}": "\u{5d0}\u{200f}\u{1b}[2J\u{7f}\u{9b}\n\u{1f600}\u{65e5}\"\\"});
        let line = spelled(&document);
        assert!(!line.contains(['\u{200f}', '\u{1b}', '\u{7f}', '\u{9b}', '\n']), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), document);
    }

    #[test]
    fn a_terminal_obeys_no_folder_name() {
        assert_eq!(
            clean("a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b\n日本"),
            "a\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}b\n日本"
        );
    }
}
