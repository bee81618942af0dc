//! The tokenizer: walks a frame without recursion. What it does not know it can step over.

use crate::provider::imap::wire::frame::{Frame, Part};

/// A token of a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Lexeme<'a> {
    /// `(`
    Open,
    /// `)`
    Close,
    /// Anything that is not quoted; `BODY[HEADER.FIELDS (X)]` is one atom.
    Atom(&'a [u8]),
    /// A quoted string, unescaped.
    Quoted(Vec<u8>),
    /// A small literal.
    Literal(&'a [u8]),
    /// The body literal.
    Body(&'a [u8], u64),
    /// A literal that was skipped.
    Skipped,
    /// The body literal that the sink refused.
    Refused(&'a str),
}

impl Lexeme<'_> {
    /// The string that it stands for; `None` for NIL and for what is no string.
    #[must_use]
    pub fn string(&self) -> Option<Vec<u8>> {
        match self {
            Self::Atom(atom) if atom.eq_ignore_ascii_case(b"NIL") => None,
            Self::Atom(bytes) | Self::Literal(bytes) => Some(bytes.to_vec()),
            Self::Quoted(bytes) => Some(bytes.clone()),
            Self::Open | Self::Close | Self::Body(..) | Self::Skipped | Self::Refused(_) => None,
        }
    }

    /// The number that an atom stands for.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self) -> Option<T> {
        match self {
            Self::Atom(atom) => std::str::from_utf8(atom).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// Walks a frame's tokens.
#[derive(Debug)]
pub struct Lexemes<'a> {
    parts: &'a [Part],
    text: &'a [u8],
}

impl<'a> Lexemes<'a> {
    /// Begins at the frame's first token.
    #[must_use]
    pub fn new(frame: &'a Frame) -> Self {
        Self { parts: &frame.parts, text: &[] }
    }

    /// What is left of the current text, as it is.
    #[must_use]
    pub fn rest(&mut self) -> &'a [u8] {
        self.load();
        self.text.trim_ascii_start()
    }

    fn load(&mut self) {
        while self.text.is_empty()
            && let Some((Part::Text(text), rest)) = self.parts.split_first()
        {
            self.text = text;
            self.parts = rest;
        }
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.text.split_at_checked(n).unwrap_or((self.text, &[]));
        self.text = rest;
        taken
    }

    fn quoted(&mut self) -> Lexeme<'a> {
        self.take(1);
        let mut string = Vec::new();
        while let Some((b, rest)) = self.text.split_first() {
            self.text = rest;
            match b {
                b'"' => break,
                b'\\' => {
                    if let Some((escaped, rest)) = rest.split_first() {
                        string.push(*escaped);
                        self.text = rest;
                    }
                }
                other => string.push(*other),
            }
        }
        Lexeme::Quoted(string)
    }

    /// Steps over one value: an atom, a string, or a whole list however deep.
    pub fn skip_value(&mut self) {
        let mut depth = 0_usize;
        for token in self.by_ref() {
            match token {
                Lexeme::Open => depth += 1,
                Lexeme::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

impl<'a> Iterator for Lexemes<'a> {
    type Item = Lexeme<'a>;

    fn next(&mut self) -> Option<Lexeme<'a>> {
        loop {
            self.text = self.text.trim_ascii_start();
            let Some(first) = self.text.first() else {
                let (part, rest) = self.parts.split_first()?;
                self.parts = rest;
                match part {
                    Part::Text(text) => self.text = text,
                    Part::Literal(bytes) => return Some(Lexeme::Literal(bytes)),
                    Part::Body { head, length } => return Some(Lexeme::Body(head, *length)),
                    Part::Skipped => return Some(Lexeme::Skipped),
                    Part::Refused(why) => return Some(Lexeme::Refused(why)),
                }
                continue;
            };
            return Some(match first {
                b'(' => {
                    self.take(1);
                    Lexeme::Open
                }
                b')' => {
                    self.take(1);
                    Lexeme::Close
                }
                b'"' => self.quoted(),
                _ => {
                    // Only these have a section; elsewhere `[` is a letter like others (a keyword
                    // may begin with it).
                    let sectioned = [&b"BODY["[..], b"BODY.PEEK[", b"BINARY[", b"BINARY.SIZE["]
                        .iter()
                        .any(|name| {
                            self.text
                                .get(..name.len())
                                .is_some_and(|text| text.eq_ignore_ascii_case(name))
                        });
                    let mut brackets = 0_usize;
                    let end = self.text.iter().position(|b| match b {
                        b'[' if sectioned || brackets > 0 => {
                            brackets += 1;
                            false
                        }
                        b']' => {
                            brackets = brackets.saturating_sub(1);
                            false
                        }
                        b'(' | b')' | b' ' | b'"' => brackets == 0,
                        _ => false,
                    });
                    Lexeme::Atom(self.take(end.unwrap_or(self.text.len())))
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame { parts: vec![Part::Text(text.into())], truncated: false }
    }

    #[test]
    fn walks_and_steps_over() {
        let frame = frame(r#"* 1 FETCH (X ((a (b)) "c\"d") BODY[HEADER.FIELDS (A B)] NIL UID 7)"#);
        let mut tokens = Lexemes::new(&frame);
        for _ in 0..3 {
            tokens.next();
        }
        assert_eq!(tokens.next(), Some(Lexeme::Open));
        assert_eq!(tokens.next(), Some(Lexeme::Atom(b"X")));
        tokens.skip_value();
        assert_eq!(tokens.next(), Some(Lexeme::Atom(b"BODY[HEADER.FIELDS (A B)]")));
        assert_eq!(tokens.next().unwrap().string(), None);
        assert_eq!(tokens.next(), Some(Lexeme::Atom(b"UID")));
        assert_eq!(tokens.next().unwrap().number::<u32>(), Some(7));
    }

    #[test]
    fn a_bracket_in_a_keyword_is_a_letter() {
        let frame = frame("(\\Seen [work) UID 9");
        let atoms: Vec<Lexeme<'_>> = Lexemes::new(&frame).collect();
        assert_eq!(
            atoms[2..],
            [Lexeme::Atom(b"[work"), Lexeme::Close, Lexeme::Atom(b"UID"), Lexeme::Atom(b"9")]
        );
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = frame(&format!("{}{} x", "(".repeat(100_000), ")".repeat(100_000)));
        let mut tokens = Lexemes::new(&deep);
        tokens.skip_value();
        assert_eq!(tokens.next(), Some(Lexeme::Atom(b"x")));
        let unclosed = frame(&"(".repeat(500));
        Lexemes::new(&unclosed).skip_value();
    }
}
