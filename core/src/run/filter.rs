//! Which folders a mailbox's owner wants: `include` and `exclude` patterns over the path.

use crate::mail::folder::Role;

/// Patterns in which `*` stands for any run of characters. INBOX matches in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFilter {
    /// A folder must match one of these.
    pub include: Vec<String>,
    /// And none of these.
    pub exclude: Vec<String>,
}

impl Default for FolderFilter {
    fn default() -> Self {
        Self { include: vec!["*".into()], exclude: Vec::new() }
    }
}

impl FolderFilter {
    /// Whether a folder of this path is synced.
    #[must_use]
    pub fn syncs(&self, path: &str, role: Option<Role>) -> bool {
        role != Some(Role::Chats) && self.wants(path)
    }

    /// Whether a folder of this name is wanted.
    #[must_use]
    pub fn wants(&self, path: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|p| matches(p, path));
        any(&self.include) && !any(&self.exclude)
    }
}

/// Whether a pattern names one of these paths.
#[must_use]
pub fn any_matches(pattern: &str, paths: &[&str]) -> bool {
    paths.iter().any(|path| matches(pattern, path))
}

fn matches(pattern: &str, path: &str) -> bool {
    if pattern.eq_ignore_ascii_case("INBOX") {
        return path.eq_ignore_ascii_case("INBOX");
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, want) in [
            ("*", "A/B", true),
            ("Junk", "Junk", true),
            ("Junk", "Junk/2", false),
            ("Junk*", "Junk/2", true),
            ("*/old", "A/B/old", true),
            ("A/*/c", "A/x/y/c", true),
            ("A/*/c", "A/c", false),
            ("inbox", "INBOX", true),
            ("*日*", "Entwürfe & 日本語", true),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
        let filter = FolderFilter { include: vec!["*".into()], exclude: vec!["Junk".into()] };
        assert!(filter.wants("INBOX") && !filter.wants("Junk"));
    }
}
