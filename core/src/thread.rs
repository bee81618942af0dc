//! Which mails are one thread: those that share a key, whatever order they come in.

mod fitting;
mod joining;
mod keys;

pub use fitting::{Amiss, Group, GroupedMail};
pub use joining::{Joining, Thread, ThreadMail, ThreadsHeld, join};
pub use keys::{Joined, ThreadKey, keys};
