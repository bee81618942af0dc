//! The vocabulary of mail: identifiers, UID sets, flags, cursors, pages. Row 0: no policy, no I/O.

pub mod body;
pub mod change;
pub mod cursor;
pub mod flags;
pub mod id;
pub mod message;
pub mod page;
pub mod settle;
pub mod uid_set;
