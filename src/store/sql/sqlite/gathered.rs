//! Statements that go together: the way to SQLite's own thread and back costs more than a small write
//! does. It takes a text of several statements, and numbers a text's parameters from the first one on.

use crate::store::sql::numbers::{Piece, pieces};
use crate::store::sql::query::{Dialect, Named};
use sea_orm::Value;

/// Rows of one text that go together, at most.
const LOT: usize = 128;

/// So many rows go next: a power of two, since each number is a statement of its own to the database. Where
/// a little more would be one, so many.
pub(in crate::store) fn lot(rows: usize) -> Option<usize> {
    let most = 1 << rows.checked_ilog2()?;
    Some(LOT.min(if rows > most + most / 2 { most * 2 } else { most }))
}

/// A text that inserts a row, for so many rows.
pub(in crate::store) fn repeated(text: impl Named, count: usize) -> String {
    const BEFORE: &str = "VALUES ";
    let words = text.words(Dialect::Sqlite);
    let row = words.find(BEFORE).map_or(words.len(), |at| at + BEFORE.len());
    let (head, row) = words.split_at(row);
    let (row, tail) = row.split_at(row.find(')').map_or(0, |at| at + 1));
    let row = format!("({})", vec!["?"; row.matches('?').count()].join(", "));
    let rows = vec![row.as_str(); count].join(", ");
    [head, &rows, tail].concat()
}

/// Statements as one text. Each has numbers of its own for its parameters; here they come one after the
/// other, once for every place at which they stand.
pub(in crate::store) fn joined(statements: Vec<(&str, Vec<Value>)>) -> (String, Vec<Value>) {
    let (mut text, mut values) = (String::new(), Vec::new());
    for (words, own) in statements {
        if !text.is_empty() {
            text.push_str(";\n");
        }
        for piece in pieces(words, '?') {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Given(place) => {
                    let value = own.get(place);
                    debug_assert!(value.is_some(), "{place} has no value: {words}");
                    text.push('?');
                    // As the database has it: those that follow keep their places.
                    values.push(value.cloned().unwrap_or(Value::String(None)));
                }
            }
        }
    }
    (text, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::inserts::{self, RowText};
    use crate::store::sql::query::Shape;

    #[test]
    fn parameters_are_handed_over_where_they_stand() {
        let first =
            ("UPDATE t SET a = ?2, b = '?1', c = ?2 WHERE id = ?1", vec![7.into(), "x".into()]);
        let second = ("DELETE FROM t WHERE id = ?10", (0..10).map(Value::from).collect());
        let (text, values) = joined(vec![first, second]);
        assert_eq!(
            text,
            "UPDATE t SET a = ?, b = '?1', c = ? WHERE id = ?;\nDELETE FROM t WHERE id = ?"
        );
        assert_eq!(values, ["x".into(), "x".into(), 7.into(), 9.into()]);
    }

    #[test]
    fn lots_are_powers_of_two() {
        let lots = |mut rows: usize| {
            let mut lots = Vec::new();
            while let Some(next) = lot(rows) {
                lots.push(next);
                rows = rows.saturating_sub(next);
            }
            lots
        };
        assert!(lots(0).is_empty());
        assert_eq!(lots(1), [1]);
        assert_eq!(lots(3), [2, 1]);
        assert_eq!(lots(7), [8]);
        assert_eq!(lots(100), [128]);
        assert_eq!(lots(70), [64, 4, 2]);
        assert_eq!(lots(500), [128, 128, 128, 128]);
    }

    #[test]
    fn rows_are_repeated() {
        assert_eq!(
            repeated(RowText::Body, 3),
            "INSERT OR FAIL INTO body (hash, pack, \"offset\", length, stored_at) SELECT * FROM (VALUES (?, ?, ?, ?, ?), \
             (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)) WHERE column1 IS NOT NULL ON CONFLICT (hash) DO NOTHING"
        );
        // They are given in the order of their columns, so that numbers are not needed.
        for Shape { name: text, words: [words, _], .. } in inserts::shapes() {
            // Else each statement keeps what every page of the database held before it: a third of the work.
            assert!(words.starts_with("INSERT OR FAIL INTO "), "{text}");
            // Else a lot that is not full has rows of nothing.
            assert!(words.contains("WHERE column1 IS NOT NULL"), "{text}");
            let (_, row) = words.split_once("VALUES (").unwrap();
            let (row, _) = row.split_once(')').unwrap();
            let numbers: Vec<&str> = row.split(", ").collect();
            let rising: Vec<String> = (1..=numbers.len()).map(|n| format!("?{n}")).collect();
            assert_eq!(numbers, rising, "{text}");
        }
    }
}
