//! `config.toml`: what the file says ([`raw`]), and types that cannot be wrong ([`validate`]).

mod account;
pub mod raw;
pub mod secret;
mod taker;
mod units;
pub mod validate;

pub use account::IMAP;
pub(crate) use account::is_loopback;
pub use raw::{Flaw, Origin};
pub use validate::{Account, Admin, Config, SecretFrom, load, places};
