//! What is read of an account's mail, and written, at a time.

use crate::store::derive::{DeriveStands, DerivedMail, OwedMail};
use postrider_core::derive::{Numbers, Span};
use postrider_core::time::Micros;

/// The first numbers of a set, as text.
pub(super) fn first_of(numbers: &Numbers) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = numbers.iter().take(SHOWN).map(|number| number.to_string()).collect();
    let more = if numbers.len() > SHOWN as u64 { ", …" } else { "" };
    shown.join(", ") + more
}

/// What is read at a time.
pub(super) struct Piece {
    pub(super) span: Span,
    pub(super) mails: Vec<OwedMail>,
}

/// What was read.
pub(super) struct ReadPiece {
    pub(super) span: Span,
    pub(super) rows: Vec<DerivedMail>,
    /// When each was stored.
    pub(super) stored: Vec<Micros>,
    pub(super) is_live: bool,
}

/// What was written.
pub(super) struct Kept {
    pub(super) stands: Option<DeriveStands>,
    pub(super) parses: Vec<&'static str>,
    pub(super) stored: Vec<Micros>,
}
