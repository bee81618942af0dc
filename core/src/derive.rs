//! What is derived of stored mail: which messages are still to be read, whose turn it is, and what one of them says.

mod made;
mod owed;
mod parts;
mod reading;
mod turns;

pub use made::{Made, Reads, VERSION};
pub use owed::{Derive, Look, Numbers, RANGES_MOST, Span, rank};
pub use parts::{part, shown_html, shown_text};
pub use reading::{Attachment, Derived, Octets, keys_of};
pub use turns::{MOST, Turn, Turns, Work};
