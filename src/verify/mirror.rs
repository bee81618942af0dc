//! An account's mirror, read from end to end.

use crate::store::{Chosen, ManifestRow, Reader};
use postrider_core::failure::Failure;
use postrider_core::mail::id::{AccountId, FolderId};
use std::path::PathBuf;

/// The mirror of an account.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    pub(crate) reader: Reader,
    /// Where its bodies are.
    pub(crate) bodies: PathBuf,
    pub(crate) account: AccountId,
    pub(crate) name: String,
}

impl Mirror {
    /// Hands every row of a folder's manifest to `each`, which may end that.
    pub(crate) async fn each<E>(
        &self,
        folder: FolderId,
        which: Chosen,
        unread: impl Fn(Failure) -> E,
        mut each: impl FnMut(&ManifestRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = (0, 0);
        loop {
            let rows = self.reader.manifest(folder, which, after).await.map_err(&unread)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.uidvalidity, last.uid);
            rows.iter().try_for_each(&mut each)?;
        }
    }
}

/// A line of the manifest: where it lies, what its bytes are, its flags. None where the row of its bytes is missing.
pub(crate) fn manifest_line(path: &str, row: &ManifestRow) -> Option<String> {
    let body = row.body.as_ref()?;
    let (path, flags) = (line_safe(path), column_safe(&row.flags.to_string()));
    let mark = if row.synthetic { "\tsynthetic" } else { "" };
    Some(format!("{path}\t{}\t{flags}{mark}\n", body.hash))
}

/// Flags in one column: their backslashes are theirs, only what would end the column is spelled
/// out.
fn column_safe(flags: &str) -> String {
    flags
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_unicode().collect() } else { vec![c] })
        .collect()
}

/// A name on one line and in one column: what would end either is spelled out, and so is what
/// spells it.
fn line_safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(line_safe("a\tb\\n\nc\u{1b}"), "a\\tb\\\\n\\nc\\u{1b}");
    }
}
