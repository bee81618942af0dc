//! One run: from the store's rows to a summary. Owns a mailbox's cursor and decides what happens
//! next; never does I/O itself. The machine is what every run shares; its work is of one family of
//! providers.

mod book;
mod context;
mod ending;
pub mod event;
mod evidence;
pub(crate) mod feed;
mod fetcher;
pub mod filter;
pub mod first;
pub(crate) mod folders;
pub(crate) mod machine;
pub mod reads;
pub mod scope;
pub mod settings;
mod state;
mod steps;
pub mod summary;
mod work;
