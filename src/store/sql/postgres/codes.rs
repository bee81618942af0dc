//! What PostgreSQL's SQLSTATE says (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

/// What refuses content, rather than work: a value that is none of its type, NOT NULL, CHECK, what is
/// larger than the database takes. A UNIQUE that is broken is our own mistake, and no mail is put aside for it.
const CONTENT: &[&str] = &["23502", "23514", "54000"];

/// Class 22, data exception: NUL in a text, a number out of range.
const DATA: &str = "22";

/// Whether it refuses content.
pub(in crate::store) fn is_content(code: &str) -> bool {
    code.starts_with(DATA) || CONTENT.contains(&code)
}

/// `unique_violation`.
pub(in crate::store) fn is_constraint(code: &str) -> bool {
    code == "23505"
}

/// What the same transaction, begun again, does not meet again: `serialization_failure`, `deadlock_detected`,
/// `lock_not_available`.
pub(in crate::store) fn is_in_the_way(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_is_at_fault() {
        for (code, told) in [
            ("22021", [true, false, false]),
            ("22003", [true, false, false]),
            ("23502", [true, false, false]),
            ("23514", [true, false, false]),
            ("54000", [true, false, false]),
            ("23505", [false, true, false]),
            ("40001", [false, false, true]),
            ("40P01", [false, false, true]),
            ("55P03", [false, false, true]),
            ("53100", [false, false, false]),
            ("57P01", [false, false, false]),
            ("42P01", [false, false, false]),
        ] {
            assert_eq!(
                [is_content(code), is_constraint(code), is_in_the_way(code)],
                told,
                "{code}"
            );
        }
    }
}
