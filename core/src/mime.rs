//! What the octets of a mail say.

mod facts;

pub use facts::{HEADER_LIMIT, HeaderFacts, Parse, TEXT_LIMIT, header_facts, message_id};
