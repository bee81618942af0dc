//! Where something stands in a list.

/// Where something stands. Lists go from the highest to the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its rank; in lists of folders its date there.
    pub at: i64,
    /// Its number; in lists of folders its UID there.
    pub id: i64,
    /// Of which of the lists that are read as one.
    pub list: i64,
}
