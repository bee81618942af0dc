//! PostgreSQL's words for words: vectors with places and weights, whose lexemes are ours.

use crate::store::sql::words::WordsText;
use postrider_core::mail::id::AccountId;
use postrider_core::word::{Field, Query, Term, WordText, word_of};
use std::collections::BTreeMap;

pub(in crate::store::sql) const fn words(text: WordsText) -> &'static str {
    match text {
        WordsText::DropWords => {
            "DELETE FROM word USING jsonb_array_elements($1::jsonb) j (value) WHERE word.id = (j.value->>0)::bigint AND word.message = \
             (j.value->>1)::bigint"
        }
        // Here they are one row.
        WordsText::DropWordRows | WordsText::PutWordRows => {
            "DELETE FROM word WHERE FALSE AND $1::jsonb IS NULL"
        }
        WordsText::PutWords => {
            "INSERT INTO word (id, message, words) SELECT (j.value->>0)::bigint, (j.value->>1)::bigint, (j.value->2->>0)::tsvector FROM jsonb_array_elements($1::jsonb) j (value) ON CONFLICT (id) DO NOTHING"
        }
        WordsText::FindWords => "SELECT id, message FROM find_words($1, $2, $3, $4)",
        WordsText::PurgeWords => concat!(
            "DELETE FROM word USING derived d WHERE word.id = 4611686018427387904 - d.rank AND word.message = d.message AND d.message IN (",
            chunk!(),
            ")"
        ),
        WordsText::PurgeWordRows => "DELETE FROM word WHERE FALSE AND $1::bigint = $2::bigint",
    }
}

/// What a field is called in a vector.
fn weight(field: Field) -> char {
    match field {
        Field::Subject => 'A',
        Field::People => 'B',
        Field::File => 'C',
        Field::Text => 'D',
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

/// A vector, as text.
pub(in crate::store::sql) fn vector(account: AccountId, words: &WordText) -> String {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (field, place, word) in words.words() {
        places.entry(word).or_default().push(format!("{place}{}", weight(field)));
    }
    let mut text = quoted(&word_of(account));
    for (word, places) in places {
        text.push(' ');
        text.push_str(&quoted(word));
        text.push(':');
        text.push_str(&places.join(","));
    }
    text
}

/// A question, as text.
pub(in crate::store::sql) fn matching(accounts: Option<&[AccountId]>, query: &Query) -> String {
    let accounts = accounts.map(|accounts| {
        let words: Vec<String> =
            accounts.iter().map(|account| quoted(&word_of(*account))).collect();
        format!("({})", words.join(" | "))
    });
    let terms = query.terms.iter().map(of_term);
    accounts.into_iter().chain(terms).collect::<Vec<_>>().join(" & ")
}

fn of_term(term: &Term) -> String {
    let weight = term.field.map(|field| weight(field).to_string()).unwrap_or_default();
    let last = term.words.len().saturating_sub(1);
    let words = (0..).zip(&term.words).map(|(n, word)| {
        let begins = if term.is_prefix && n == last { "*" } else { "" };
        match (begins, weight.as_str()) {
            ("", "") => quoted(word),
            _ => format!("{}:{begins}{weight}", quoted(word)),
        }
    });
    let beside = words.collect::<Vec<_>>().join(" <-> ");
    if term.is_not { format!("!({beside})") } else { format!("({beside})") }
}
