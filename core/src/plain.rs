//! Texts for people that may come from anybody: nothing in them can forge a line, move a cursor or
//! turn what is written around.

use std::fmt;

/// Signs of a text that are kept.
const LONGEST_TEXT: usize = 16 * 1024;

/// A text without control characters (C0, C1), line and paragraph separators, and marks that change
/// the direction of writing (Unicode, UAX #9); at most 16,384 characters. What separated words is a
/// space.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlainText(String);

impl PlainText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first characters, so many at most.
    #[must_use]
    pub fn first(mut self, characters: usize) -> Self {
        if let Some((end, _)) = self.0.char_indices().nth(characters) {
            self.0.truncate(end);
        }
        self
    }
}

/// Marks of direction, embeddings, overrides and isolates.
fn is_bidi(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

fn cleaned(text: &str) -> String {
    let plain = text.chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() || is_bidi(c) => None,
        c => Some(c),
    });
    plain.take(LONGEST_TEXT).collect()
}

impl From<&str> for PlainText {
    fn from(text: &str) -> Self {
        Self(cleaned(text))
    }
}

impl From<String> for PlainText {
    fn from(text: String) -> Self {
        let is_plain = text.len() <= LONGEST_TEXT && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        if is_plain { Self(text) } else { Self(cleaned(&text)) }
    }
}

impl From<PlainText> for String {
    fn from(text: PlainText) -> Self {
        text.0
    }
}

impl std::ops::Deref for PlainText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlainText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for PlainText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for PlainText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_can_forge_a_line() {
        for (text, plain) in [
            ("as it is: ü, 中, \u{1f4e7}", "as it is: ü, 中, \u{1f4e7}"),
            ("one\r\n2026-01-01 INFO all is well", "one  2026-01-01 INFO all is well"),
            ("a\u{1b}[2Jb\u{7}c\u{7f}d\0e", "a[2Jbcde"),
            ("c1 \u{9b}31m \u{85}", "c1 31m  "),
            ("\u{202e}live\u{202c} \u{2066}x\u{2069}\u{200f}\u{200e}\u{61c}", "live x"),
            ("sep\u{2028}ar\u{2029}ated\tby", "sep ar ated by"),
        ] {
            assert_eq!(PlainText::from(text), plain);
            assert_eq!(PlainText::from(text.to_owned()), plain, "owned");
        }
        assert_eq!(PlainText::from("x".repeat(50_000)).len(), LONGEST_TEXT);
        assert_eq!(PlainText::from("ü".repeat(50_000)).chars().count(), LONGEST_TEXT);
    }
}
