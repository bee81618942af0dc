//! The vocabulary of mail: identifiers, UID sets, flags, cursors, pages. The lowest row: it imports none of the
//! others, and has no policy and no I/O.

pub mod body;
pub mod cursor;
pub mod feed;
pub mod flags;
pub mod folder;
pub mod id;
pub mod key;
pub mod message;
pub mod page;
pub mod range_set;
pub mod recognise;
pub mod room;
pub mod settle;
pub mod uid_flags;
pub mod uid_set;
