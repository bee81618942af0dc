//! Lists of mail, newest first: where each thing stands in them, where a page goes on, and how several are read
//! as one.
//!
//! What all lists of messages go by is the rank (`derive::rank`); those of folders go by the place's own date and
//! UID, and need nothing that is derived.

mod filter;
mod merge;
mod position;

pub use filter::{Facts, Filter, Lying, Met, Named, NamedAs, Source, Who};
pub use merge::{Below, Merge};
pub use position::Position;

use sha2::{Digest, Sha256};
use std::fmt;

/// Rows that one request looks at, at most.
pub const LOOKED_AT_MOST: usize = 20_000;

/// What was asked for, in short: a page goes on only for who asks the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked([u8; 8]);

impl Asked {
    /// Of a list and its parameters, in any order.
    #[must_use]
    pub fn of(list: &str, parameters: &[(String, String)]) -> Self {
        let mut sorted: Vec<_> = parameters.iter().collect();
        sorted.sort_unstable();
        let mut hash = Sha256::new_with_prefix(list);
        for (name, value) in sorted {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        }
        let mut short = [0; 8];
        short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(short)
    }
}

/// Where a page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Of what.
    pub asked: Asked,
    /// Behind this.
    pub behind: Position,
    /// But of that so many parts only were told.
    pub told: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.asked.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        let Position { at, id, list } = self.behind;
        write!(f, ".{at}.{id}.{list}.{}", self.told)
    }
}

/// Why a cursor is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCursor {
    /// It is not of a page's `next`.
    Unreadable,
    /// It is of another question.
    Another,
}

impl Cursor {
    /// Reads one that was told to who asks this.
    ///
    /// # Errors
    /// [`NoCursor`], by variant.
    pub fn read(text: &str, asked: Asked) -> Result<Self, NoCursor> {
        let mut fields = text.split('.');
        let of = fields.next().filter(|of| of.len() == 16).ok_or(NoCursor::Unreadable)?;
        let of = u64::from_str_radix(of, 16).map_err(|_| NoCursor::Unreadable)?;
        let mut number = || fields.next()?.parse::<i64>().ok();
        let read = (|| {
            let behind = Position { at: number()?, id: number()?, list: number()? };
            Some(Self { asked, behind, told: u32::try_from(number()?).ok()? })
        })();
        let cursor = read.filter(|_| fields.next().is_none()).ok_or(NoCursor::Unreadable)?;
        if of.to_be_bytes() == asked.0 { Ok(cursor) } else { Err(NoCursor::Another) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(parameters: &[(&str, &str)]) -> Asked {
        let owned = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Asked::of("messages", &owned.collect::<Vec<_>>())
    }

    #[test]
    fn a_cursor_is_of_one_question() {
        let one = asked(&[("from", "a"), ("to", "b")]);
        assert_eq!(one, asked(&[("to", "b"), ("from", "a")]));
        for other in [
            asked(&[("from", "ab"), ("to", "")]),
            asked(&[("from", "a")]),
            Asked::of("attachments", &[("from".into(), "a".into()), ("to".into(), "b".into())]),
        ] {
            let behind = Position { at: -5, id: i64::MAX, list: 3 };
            let cursor = Cursor { asked: one, behind, told: 7 };
            let text = cursor.to_string();
            assert_eq!(Cursor::read(&text, one), Ok(cursor));
            assert_eq!(Cursor::read(&text, other), Err(NoCursor::Another));
            let (longer, shorter) = (format!("{text}.1"), text.trim_end_matches(".7"));
            for broken in [&format!("0{text}"), shorter, &longer, "", "x", "\u{e9}"] {
                assert_eq!(Cursor::read(broken, one), Err(NoCursor::Unreadable), "{broken}");
            }
        }
    }
}
