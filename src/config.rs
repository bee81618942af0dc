//! `config.toml`: what the file says ([`raw`]), and types that cannot be wrong ([`validate`]).

pub mod raw;
pub mod secret;
mod taker;
mod units;
pub mod validate;

pub use raw::{Place, Problem};
pub use validate::{Account, Config, SecretFrom, load};
