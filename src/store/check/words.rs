//! Words that mails have and an index should: held against each other by sums, whatever order they are read in.

use crate::store::sql::check::WordPlace;
use crate::store::sql::sqlite::words::{COLUMNS, row};
use postrider_core::mail::id::AccountId;
use postrider_core::word::WordText;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What mails have and was not seen in the index, summed up by the numbers of their words.
#[derive(Debug, Default)]
pub struct WordsSeen {
    left: BTreeMap<i64, u64>,
}

impl WordsSeen {
    /// A mail has these.
    pub fn has(&mut self, number: i64, account: AccountId, words: &WordText) {
        let columns = row(account, words);
        let mut sum = 0_u64;
        for (column, text) in COLUMNS.iter().zip(&columns) {
            let words = (0..).zip(text.split(' ').filter(|word| !word.is_empty()));
            for (place, word) in words {
                sum = sum.wrapping_add(mark(column, place, word));
            }
        }
        self.left.insert(number, sum);
    }

    /// The index has this. Words of other mails are not looked at.
    pub(super) fn sees(&mut self, place: &WordPlace) {
        if let Some(left) = self.left.get_mut(&place.doc) {
            *left = left.wrapping_sub(mark(&place.field, place.place, &place.term));
        }
    }

    /// Whether an index is to be read at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Numbers of words that are not what their mails have.
    pub fn other(&self) -> impl Iterator<Item = i64> {
        self.left.iter().filter(|(_, left)| **left != 0).map(|(number, _)| *number)
    }
}

/// What a word at a place counts.
fn mark(column: &str, place: i64, word: &str) -> u64 {
    let hash = Sha256::new().chain_update(place.to_le_bytes()).chain_update(column);
    let hash: [u8; 32] = hash.chain_update([0]).chain_update(word).finalize().into();
    hash.first_chunk().copied().map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_more_less_or_elsewhere_is_noticed() {
        let place = |doc, field: &str, place, term: &str| WordPlace {
            term: term.to_owned(),
            doc,
            field: field.to_owned(),
            place,
        };
        let words =
            WordText { subject: "one two".into(), text: "one".into(), ..WordText::default() };
        let all = [
            place(7, "account", 0, "=3"),
            place(7, "subject", 0, "one"),
            place(7, "subject", 1, "two"),
            place(7, "text", 0, "one"),
            place(8, "text", 0, "another"),
        ];
        let other = |places: &[WordPlace]| {
            let mut seen = WordsSeen::default();
            seen.has(7, AccountId(3), &words);
            places.iter().for_each(|place| seen.sees(place));
            seen.other().collect::<Vec<_>>()
        };
        assert_eq!(other(&all), [0; 0]);
        let mut turned = all.to_vec();
        turned.reverse();
        assert_eq!(other(&turned), [0; 0]);
        for n in 0..4 {
            let mut less = all.to_vec();
            less.remove(n);
            assert_eq!(other(&less), [7], "{n}");
            let mut twice = all.to_vec();
            twice.push(all[n].clone());
            assert_eq!(other(&twice), [7], "{n}");
            let mut moved = all.to_vec();
            moved[n].place += 1;
            assert_eq!(other(&moved), [7], "{n}");
        }
    }
}
