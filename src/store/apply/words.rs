//! Putting a named text to the database, and values into it.

use crate::store::failure::Trouble;
use crate::store::sql::{Named, statement};
use postrider_core::mail::cursor;
use sea_orm::{ConnectionTrait, ExecResult, QueryResult, Value};

pub(super) async fn write(
    db: &impl ConnectionTrait,
    text: impl Named,
    values: Vec<Value>,
) -> Result<ExecResult, Trouble> {
    Ok(db.execute_raw(statement(db, text, values)).await?)
}

pub(super) async fn read(
    db: &impl ConnectionTrait,
    text: impl Named,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, Trouble> {
    Ok(db.query_all_raw(statement(db, text, values)).await?)
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
