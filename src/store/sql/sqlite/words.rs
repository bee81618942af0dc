//! SQLite's words for words: an FTS5 table that keeps no text, and beside it which message each row is of.

use crate::store::sql::words::WordsText;
use postrider_core::mail::id::AccountId;
use postrider_core::word::{Field, Query, Term, WordText, word_of};

/// The rows of these numbers, as far as they are still of these messages.
macro_rules! named_words {
    () => {
        "SELECT r.id FROM json_each(?1) j CROSS JOIN word_row r ON r.id = j.value->>0 AND r.message = j.value->>1"
    };
}

/// Those of the messages that a purge deletes.
macro_rules! purged_words {
    () => {
        concat!(
            "SELECT r.id FROM derived d CROSS JOIN word_row r ON r.id = 4611686018427387904 - d.rank AND r.message = d.message \
             WHERE d.message IN (",
            chunk!(),
            ")"
        )
    };
}

pub(in crate::store::sql) const fn words(text: WordsText) -> &'static str {
    match text {
        WordsText::DropWords => {
            concat!("DELETE FROM word WHERE rowid IN (", named_words!(), ")")
        }
        WordsText::DropWordRows => {
            concat!("DELETE FROM word_row WHERE id IN (", named_words!(), ")")
        }
        WordsText::PutWordRows => {
            "INSERT INTO word_row (id, message) SELECT j.value->>0, j.value->>1 FROM json_each(?1) j WHERE TRUE ON CONFLICT (id) DO NOTHING"
        }
        WordsText::PutWords => {
            "INSERT INTO word (rowid, account, subject, people, file, text) SELECT r.id, j.value->>'$[2][0]', j.value->>'$[2][1]', \
             j.value->>'$[2][2]', j.value->>'$[2][3]', j.value->>'$[2][4]' FROM json_each(?1) j CROSS JOIN word_row r ON r.id = \
             j.value->>0 AND r.message = j.value->>1"
        }
        WordsText::FindWords => {
            "SELECT w.rowid AS id, r.message FROM word w CROSS JOIN word_row r ON r.id = w.rowid WHERE w.word MATCH ?1 AND w.rowid > ?2 \
             AND w.rowid <= ?3 ORDER BY w.rowid LIMIT ?4"
        }
        WordsText::PurgeWords => {
            concat!("DELETE FROM word WHERE rowid IN (", purged_words!(), ")")
        }
        WordsText::PurgeWordRows => {
            concat!("DELETE FROM word_row WHERE id IN (", purged_words!(), ")")
        }
    }
}

/// The columns of a row, in the order of what [`row`] says.
pub(in crate::store) const COLUMNS: [&str; 5] = ["account", "subject", "people", "file", "text"];

/// What stands in the columns of a row.
pub(in crate::store) fn row(account: AccountId, words: &WordText) -> Vec<String> {
    let fields = words.fields().into_iter().map(|(_, text)| text.to_owned());
    std::iter::once(word_of(account)).chain(fields).collect()
}

/// An expression of FTS5. Words have no quotation marks in them.
pub(in crate::store::sql) fn matching(accounts: Option<&[AccountId]>, query: &Query) -> String {
    let accounts = accounts.map(|accounts| {
        let words: Vec<String> =
            accounts.iter().map(|account| format!("\"{}\"", word_of(*account))).collect();
        format!("account : ({})", words.join(" OR "))
    });
    let there = query.terms.iter().filter(|term| !term.is_not).map(of_term);
    let mut all = accounts.into_iter().chain(there).collect::<Vec<_>>().join(" AND ");
    for term in query.terms.iter().filter(|term| term.is_not) {
        all = format!("({all}) NOT ({})", of_term(term));
    }
    all
}

fn of_term(term: &Term) -> String {
    let columns = match term.field {
        None => "{subject people file text}",
        Some(Field::Subject) => "subject",
        Some(Field::People) => "people",
        Some(Field::File) => "file",
        Some(Field::Text) => "text",
    };
    let begins = if term.is_prefix { " *" } else { "" };
    format!("{columns} : \"{}\"{begins}", term.words.join(" "))
}
