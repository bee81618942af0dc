//! The words of a mail: what both databases index, made here, so that a query has one meaning.
//!
//! A text is brought to one form (NFKD; accents, points and vowel marks of Latin, Greek, Cyrillic, Hebrew and Arabic
//! go, those of other scripts stay; lower case; NFC), and taken apart into words (UAX #29), and these where they are
//! joined by a dot, a line or an apostrophe. What is written without blanks is taken in overlapping pairs. An
//! address is a word, and so are its pieces.

mod query;
mod token;

pub use query::{NoQuery, PersonTerm, Query, Term};
pub use token::{
    Field, GAP, LENGTH_MOST, OCTETS_MOST, TIMES_MOST, WORDS_MOST, WordText, Words, folded, word_of,
    words_of,
};
