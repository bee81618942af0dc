//! Flags and keywords of one location, in one canonical text so that equal sets are equal strings.

use std::fmt;

/// A canonical set of IMAP flags: sorted, space-separated, `\Recent` left out, system flags in
/// their usual spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(Box<str>);

const SYSTEM: [&str; 5] = ["\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"];

impl Flags {
    /// Builds the canonical form. Flag names are case-insensitive (RFC 3501 §2.3.2); keywords keep
    /// the server's spelling.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<&str> = names
            .into_iter()
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("\\Recent"))
            .map(|name| {
                SYSTEM.iter().copied().find(|s| s.eq_ignore_ascii_case(name)).unwrap_or(name)
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        Self(all.join(" ").into())
    }

    /// Joins what [`Flags::system`] and [`Flags::keywords`] took apart.
    #[must_use]
    pub fn from_columns(system: &str, keywords: &str) -> Self {
        Self::new(system.split(' ').chain(keywords.split(' ')))
    }

    /// The canonical text, empty for no flags.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The flag names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|name| !name.is_empty())
    }

    /// The flags that begin with a backslash, as text.
    #[must_use]
    pub fn system(&self) -> String {
        self.names().filter(|n| n.starts_with('\\')).collect::<Vec<_>>().join(" ")
    }

    /// The keywords, as text.
    #[must_use]
    pub fn keywords(&self) -> String {
        self.names().filter(|n| !n.starts_with('\\')).collect::<Vec<_>>().join(" ")
    }

    /// These and `more`.
    #[must_use]
    pub fn with(&self, more: &Self) -> Self {
        Self::new(self.names().chain(more.names()))
    }

    /// These but for `fewer`.
    #[must_use]
    pub fn without(&self, fewer: &Self) -> Self {
        Self::new(self.names().filter(|name| !fewer.names().any(|gone| gone == *name)))
    }

    /// Whether all of `others` are among them.
    #[must_use]
    pub fn contain(&self, others: &Self) -> bool {
        others.names().all(|other| self.names().any(|name| name == other))
    }

    /// Whether `\Flagged` is set.
    #[must_use]
    pub fn is_flagged(&self) -> bool {
        self.names().any(|n| n == "\\Flagged")
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_whatever_the_order_and_case() {
        let a = Flags::new(["work", "\\SEEN", "\\recent", "$Forwarded", "\\Seen"]);
        assert_eq!(a.as_str(), "$Forwarded \\Seen work");
        assert_eq!(Flags::from_columns(&a.system(), &a.keywords()), a);
        assert_eq!(Flags::from_columns("", ""), Flags::default());
    }
}
