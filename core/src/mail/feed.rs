//! Words of mail whose changes are told by message id: ids, versions, cursors. All are the
//! provider's own texts, and compared for equality alone, but for versions.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text! {
    /// A folder, label or mailbox, by the provider's id: where messages lie.
    PlaceId;
    /// Where a feed of changes has been read to.
    FeedCursor;
    /// The next page of a list; it dies with its session, or sooner.
    PageToken;
}

/// A number that rises with each change of one message. Kept as text, its length before it, so that
/// it sorts: numbers of 21 digits occur.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailVersion(String);

impl MailVersion {
    /// Of the provider's digits, or another text that sorts among those of its length.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(format!("{:03}{text}", text.len()))
    }

    /// As [`MailVersion::as_str`] has told it.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text that sorts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_numbers_do() {
        let numbers = ["9", "10", "99", "184467440737095516160", "999999999999999999999"];
        let versions: Vec<MailVersion> = numbers.iter().map(|n| MailVersion::new(n)).collect();
        assert!(versions.windows(2).all(|w| w[0] < w[1]), "{versions:?}");
        assert_eq!(MailVersion::stored(versions[3].as_str().to_owned()), versions[3]);
    }
}
