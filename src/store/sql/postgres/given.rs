//! What a text is given: bound to it, or written into it where it goes along with others. PostgreSQL takes
//! several statements at once, but none of them with values beside it.

use crate::store::failure::Trouble;
use crate::store::sql::numbers::{Piece, pieces};
use crate::store::sql::octets;
use sea_orm::Value;
use sqlx::Arguments;
use sqlx::postgres::PgArguments;
use std::fmt::Write;

/// What stands at a number of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// A value.
    One(Value),
    /// A column of rows, as an array.
    Each(Vec<Value>),
}

impl Given {
    /// Octets that it takes.
    pub(super) fn octets(&self) -> usize {
        // A number takes some, too.
        let of = |value: &Value| octets(value) + 8;
        match self {
            Self::One(value) => of(value),
            Self::Each(values) => values.iter().map(of).sum(),
        }
    }
}

fn unknown(value: &Value) -> Trouble {
    Trouble::Damaged(format!("no text is given a {value:?}"))
}

/// Rows as their columns.
pub(super) fn columns(rows: impl ExactSizeIterator<Item = Vec<Value>>) -> Vec<Given> {
    let count = rows.len();
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        if columns.is_empty() {
            columns.resize_with(row.len(), || Vec::with_capacity(count));
        }
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns.into_iter().map(Given::Each).collect()
}

/// Binds what is given.
pub(super) fn bound(given: Vec<Given>) -> Result<PgArguments, Trouble> {
    let mut arguments = PgArguments::default();
    for given in given {
        let added = match given {
            Given::One(Value::BigInt(value)) => arguments.add(value),
            Given::One(Value::Bool(value)) => arguments.add(value),
            Given::One(Value::String(value)) => arguments.add(value),
            Given::One(Value::Bytes(value)) => arguments.add(value),
            Given::One(other) => return Err(unknown(&other)),
            Given::Each(values) => array(&mut arguments, values)?,
        };
        added.map_err(|e| Trouble::Damaged(format!("a value cannot be sent: {e}")))?;
    }
    Ok(arguments)
}

/// Binds a column: all of one kind.
fn array(
    arguments: &mut PgArguments,
    values: Vec<Value>,
) -> Result<Result<(), sqlx::error::BoxDynError>, Trouble> {
    macro_rules! of {
        ($kind:ident, $type:ty) => {{
            let values = values.into_iter().map(|value| match value {
                Value::$kind(value) => Ok(value),
                other => Err(unknown(&other)),
            });
            arguments.add(values.collect::<Result<Vec<Option<$type>>, Trouble>>()?)
        }};
    }
    Ok(match values.first() {
        Some(Value::Bool(_)) => of!(Bool, bool),
        Some(Value::String(_)) => of!(String, String),
        Some(Value::Bytes(_)) => of!(Bytes, Vec<u8>),
        _ => of!(BigInt, i64),
    })
}

/// The text with what is given written into it.
pub(super) fn written(words: &str, given: &[Given]) -> Result<String, Trouble> {
    let mut text =
        String::with_capacity(words.len() + given.iter().map(Given::octets).sum::<usize>());
    for piece in pieces(words, '$') {
        match piece {
            Piece::Words(words) => text.push_str(words),
            Piece::Given(place) => match given.get(place) {
                Some(Given::One(value)) => literal(&mut text, value)?,
                Some(Given::Each(values)) => {
                    text.push_str("ARRAY[");
                    for (n, value) in values.iter().enumerate() {
                        if n > 0 {
                            text.push(',');
                        }
                        literal(&mut text, value)?;
                    }
                    text.push(']');
                }
                None => {
                    let lacks = format!("number {} of a text has no value: {words}", place + 1);
                    return Err(Trouble::Damaged(lacks));
                }
            },
        }
    }
    Ok(text)
}

/// A value as PostgreSQL reads it where `standard_conforming_strings` is on (it is, in every session of ours):
/// nothing but a quotation mark has a meaning in a text
/// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS>).
fn literal(out: &mut String, value: &Value) -> Result<(), Trouble> {
    match value {
        Value::BigInt(None) => out.push_str("NULL::bigint"),
        // A sign would belong to less than its number.
        Value::BigInt(Some(number)) => out.push_str(&format!("'{number}'::bigint")),
        Value::Bool(None) => out.push_str("NULL::boolean"),
        Value::Bool(Some(yes)) => out.push_str(if *yes { "TRUE" } else { "FALSE" }),
        Value::String(None) => out.push_str("NULL::text"),
        Value::String(Some(text)) => {
            out.push('\'');
            for (n, part) in text.split('\'').enumerate() {
                if n > 0 {
                    out.push_str("''");
                }
                out.push_str(part);
            }
            out.push_str("'::text");
        }
        Value::Bytes(None) => out.push_str("NULL::bytea"),
        Value::Bytes(Some(bytes)) => {
            out.push_str("'\\x");
            for byte in bytes {
                write!(out, "{byte:02x}").map_err(|e| Trouble::Damaged(e.to_string()))?;
            }
            out.push_str("'::bytea");
        }
        other => return Err(unknown(other)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_quoted() {
        let given = [
            Given::One("it's \\ $1 '' ?".into()),
            Given::One(Value::BigInt(Some(-5))),
            Given::One(vec![0_u8, 0xAB].into()),
            Given::Each(vec![true.into(), Value::Bool(None)]),
            Given::One(Value::String(None)),
        ];
        let text = written("SELECT $1, '$2', $2, $3, $4::boolean[], $5", &given).unwrap();
        assert_eq!(
            text,
            "SELECT 'it''s \\ $1 '''' ?'::text, '$2', '-5'::bigint, '\\x00ab'::bytea, \
             ARRAY[TRUE,NULL::boolean]::boolean[], NULL::text"
        );
        assert!(written("SELECT $6", &given).is_err());
    }

    #[test]
    fn rows_become_columns() {
        let rows = vec![vec![1_i64.into(), "a".into()], vec![2_i64.into(), "b".into()]];
        let told = columns(rows.into_iter());
        let wanted = [
            Given::Each(vec![1_i64.into(), 2_i64.into()]),
            Given::Each(vec!["a".into(), "b".into()]),
        ];
        assert_eq!(told, wanted);
        assert!(bound(told).is_ok());
        let mixed = Given::Each(vec![1_i64.into(), "b".into()]);
        assert!(bound(vec![mixed]).is_err(), "a column is of one kind");
        assert!(bound(vec![Given::One(Value::Double(Some(1.0)))]).is_err());
    }
}
