//! One run: from the store's rows to a summary. Owns a mailbox's cursor and decides what happens next; never does I/O itself.

mod ending;
pub mod event;
pub mod filter;
mod folders;
pub mod machine;
pub mod settings;
mod state;
mod steps;
pub mod summary;
