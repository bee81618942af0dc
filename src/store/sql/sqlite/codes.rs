//! What SQLite's extended codes say (<https://sqlite.org/rescode.html>).

/// Codes by which SQLite refuses content, rather than work (<https://sqlite.org/rescode.html>): too
/// big, a wrong type, CHECK, NOT NULL, a trigger. A UNIQUE that is broken is our own mistake, and
/// no mail is put aside for it.
const CONTENT: &[&str] = &[
    "18",   // SQLITE_TOOBIG
    "20",   // SQLITE_MISMATCH
    "275",  // SQLITE_CONSTRAINT_CHECK
    "1299", // SQLITE_CONSTRAINT_NOTNULL
    "1811", // SQLITE_CONSTRAINT_TRIGGER
];

/// Whether it refuses content.
pub(in crate::store) fn is_content(code: &str) -> bool {
    CONTENT.contains(&code)
}

/// `SQLITE_CONSTRAINT_UNIQUE`. A number that is taken (a primary key) is no account's: all of them draw from
/// the same.
pub(in crate::store) fn is_constraint(code: &str) -> bool {
    code == "2067"
}
