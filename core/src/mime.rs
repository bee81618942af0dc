//! What the octets of a mail say: its header's facts, where its parts lie, and what is in them.

mod decode;
mod encoded_word;
mod facts;
mod head;
mod header;
mod html;
mod scan;
mod structure;
mod synthetic;
#[cfg(test)]
mod tests;
mod text;

pub use decode::{Decoder, Encoding};
pub use facts::{HEADER_LIMIT, HeaderFacts, Parse, TEXT_LIMIT, header_facts, message_id};
pub use head::{Disposition, Head, NAME_MOST};
pub use header::{Header, PEOPLE_MOST, Person, PersonRole, REFERENCES_MOST};
pub use scan::{DEPTH_MOST, HEADER_MOST, PARTS_MOST, Scanner};
pub use structure::{Kind, Part, Structure};
pub use synthetic::{as_mail, told_facts};
pub use text::{SNIPPET_MOST, TEXT_MOST, snippet, text, text_of_html};
