//! Plain tables for terminals.

use serde_json::Value;

/// Columns and lines of the terminal, if this is one.
pub(super) fn screen() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    // One that does not tell its lines has no end.
    (size.ws_col >= 40 && size.ws_row > 0)
        .then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Lays rows out in columns: numbers to the right, words to the left, each row on a line of its
/// own.
pub(crate) fn lay_out(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| cell.replace(['\n', '\r', '\t'], " ")).collect())
        .collect();
    let is_number =
        |cell: &String| cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit());
    let to_right = |n: usize| rows.iter().skip(1).filter_map(|row| row.get(n)).all(is_number);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| {
        rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            if n > 0 {
                out.push_str("  ");
            }
            if n > 0 && to_right(n) {
                out.push_str(&pad);
                out.push_str(cell);
            } else {
                out.push_str(cell);
                out.push_str(&pad);
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// Octets for people.
pub(super) fn octets(n: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| n >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", n / unit, (n % unit) * 10 / unit),
        None => format!("{n} B"),
    }
}

/// What names a mail: its UID, or its identity where it has none.
pub(super) fn named<'a>(item: &Value, key: &'a str) -> &'a str {
    if key == "uid" && item.get("uid").is_none_or(Value::is_null) { "message" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_octets() {
        let rows = [vec!["a".to_owned(), "1".into()], vec!["long".into(), "10".into()]];
        assert_eq!(lay_out(&rows), "a      1\nlong  10\n");
        let words = [
            vec!["a".to_owned(), "why".into()],
            vec!["b".into(), "x\ny".into()],
            vec!["c".into(), "long".into()],
        ];
        assert_eq!(lay_out(&words), "a  why\nb  x y\nc  long\n");
        assert_eq!(
            (octets(1023), octets(1536), octets(3 << 20)),
            ("1023 B".into(), "1.5 KiB".into(), "3.0 MiB".into())
        );
    }
}
