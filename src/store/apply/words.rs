//! Putting a named text to the database, and values into it.

use crate::store::failure::Trouble;
use crate::store::sql::Named;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::cursor;
use sea_orm::{QueryResult, Value};

pub(super) async fn write(
    db: &impl Sql,
    text: impl Named,
    values: Vec<Value>,
) -> Result<(), Trouble> {
    db.put(text, values).await
}

/// Writes at once; how many rows it has touched.
pub(super) async fn write_now(
    db: &Transaction,
    text: impl Named,
    values: Vec<Value>,
) -> Result<u64, Trouble> {
    db.put_now(text, values).await
}

pub(super) async fn read(
    db: &impl Sql,
    text: impl Named,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, Trouble> {
    db.rows(text, values).await
}

/// A count. The database has no larger numbers than these.
pub(super) fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

/// As JSON.
pub(super) fn document(json: &impl serde::Serialize) -> Result<String, Trouble> {
    serde_json::to_string(json).map_err(|e| Trouble::Damaged(format!("cannot write JSON: {e}")))
}

pub(super) fn text(json: &impl serde::Serialize) -> Result<Value, Trouble> {
    document(json).map(Value::from)
}

pub(super) fn lane(state: &impl serde::Serialize) -> Result<String, Trouble> {
    cursor::to_text(state).map_err(|e| Trouble::Damaged(e.to_string()))
}
