//! Whether events are what the document says of them: JSON Schema as far as the document uses it, and stricter in one thing:
//! what no schema names is a misfit.

use crate::support::database::{TestDatabase, readable};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The document that is kept; another test compares it with the one that is served.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap());

/// What says nothing that a value can fail.
const WORDS: [&str; 4] = ["description", "example", "format", "discriminator"];

/// Whether a value is of this type.
fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("a type that is not looked at: {other}"),
    }
}

fn properties(schema: &Map<String, Value>, object: &Map<String, Value>) -> Result<(), String> {
    let empty = Map::new();
    let known = schema.get("properties").map_or(&empty, |known| known.as_object().unwrap());
    for (name, value) in object {
        let of = known.get(name).ok_or_else(|| format!("{name}: no schema names it"))?;
        fits(of, value).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}

/// What does not fit.
fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = schema.as_object().unwrap();
    for (word, said) in schema {
        let bad = || Err(format!("{value} is not {word} {said}"));
        match word.as_str() {
            "$ref" => {
                let place = said.as_str().unwrap().trim_start_matches('#');
                fits(DOCUMENT.pointer(place).unwrap(), value)?;
            }
            "oneOf" => {
                let tried: Vec<_> =
                    said.as_array().unwrap().iter().map(|one| fits(one, value)).collect();
                if tried.iter().filter(|one| one.is_ok()).count() != 1 {
                    return Err(format!("not one of several: {tried:?}"));
                }
            }
            "type" => {
                let names = said.as_array().cloned().unwrap_or_else(|| vec![said.clone()]);
                if !names.iter().any(|name| is_of(value, name.as_str().unwrap())) {
                    return bad();
                }
            }
            "enum" if !said.as_array().unwrap().contains(value) => return bad(),
            "required" => {
                let all = said.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                let missing: Vec<_> = all.filter(|name| value.get(name).is_none()).collect();
                if !missing.is_empty() {
                    return Err(format!("{missing:?} is missing"));
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(said, item)?;
                }
            }
            "minimum" if value.as_i64().is_some_and(|n| n < said.as_i64().unwrap()) => {
                return bad();
            }
            "maxProperties" if value.as_object().is_some_and(|all| !all.is_empty()) => {
                return bad();
            }
            "properties" | "enum" | "minimum" | "maxProperties" => {}
            word => assert!(WORDS.contains(&word), "a word that is not looked at: {word}"),
        }
    }
    match (value.as_object(), schema.get("type").and_then(Value::as_str)) {
        (Some(object), Some("object")) => properties(schema, object),
        _ => Ok(()),
    }
}

/// The event, or why it is none.
fn of_kind(event: &Value) -> Result<(), String> {
    let kinds = &DOCUMENT["components"]["schemas"]["EventView"]["discriminator"]["mapping"];
    let place = kinds[event["kind"].as_str().unwrap_or_default()].as_str();
    let place = place.ok_or("there is no such kind")?;
    fits(&json!({ "$ref": place }), event)?;
    // And no other: it is what it says.
    fits(&json!({ "$ref": "#/components/schemas/EventView" }), event)
}

/// Demands that an event is what the document says.
pub(crate) fn demand(event: &Value) {
    if let Err(why) = of_kind(event) {
        panic!("{event} does not fit its schema: {why}");
    }
}

/// Why not, for who looks for what must not fit.
pub(crate) fn misfit(event: &Value) -> Option<String> {
    of_kind(event).err()
}

/// Every kind that there is.
pub(crate) fn kinds() -> BTreeSet<String> {
    let kinds = &DOCUMENT["components"]["schemas"]["EventView"]["discriminator"]["mapping"];
    kinds.as_object().unwrap().keys().cloned().collect()
}

/// Every event of a database: what any test has made is looked at when it ends.
pub(crate) fn all(database: &TestDatabase) {
    let tab = match database {
        TestDatabase::File(_) => "char(9)",
        TestDatabase::Server(_) => "chr(9)",
    };
    let text = |column: &str| format!("COALESCE(CAST({column} AS TEXT), '')");
    let columns = ["seq", "kind", "folder", "message"].map(text).join(&format!(" || {tab} || "));
    let sql = format!("SELECT {columns} || {tab} || data AS x FROM event ORDER BY seq");
    // What is damaged is looked at by the test that has damaged it.
    for row in readable(database, &sql).into_iter().flatten() {
        let parts: Vec<&str> = row.splitn(5, '\t').collect();
        let number = |text: &str| text.parse::<i64>().ok();
        demand(&json!({
            "seq": number(parts[0]),
            "id": "",
            "format": 1,
            "at": "2026-01-31T00:00:00Z",
            "kind": parts[1],
            "account": null,
            "folder": number(parts[2]),
            "message": number(parts[3]),
            "backfill": false,
            "data": serde_json::from_str::<Value>(parts[4]).unwrap(),
        }));
    }
}
