//! Message bytes on disk: append-only packs, sealed before anything refers to them.
//!
//! The `body` row is the truth; a file is only a place. A session leases a pack and streams
//! into it; threads behind it hash and write, and a seal makes it durable. After a crash no old pack is appended to. Nothing
//! here knows the database.

mod beginnings;
mod block;
mod copy;
mod damage;
mod direct;
pub mod disk;
mod frame;
mod hasher;
mod open;
mod open_file;
mod pack;
mod read;
mod scrub;
mod seals;
mod sink;
mod writer;

pub use copy::BodyCopier;
pub use damage::Damage;
pub use open::DyingPacks;
pub use pack::{Alone, PackDir};
pub use read::{BodyReader, has_pack};
pub use scrub::Scrubber;
pub use sink::PackSink;
