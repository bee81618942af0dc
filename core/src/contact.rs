//! Who is who: people by their addresses.

mod key;
mod meeting;

pub use key::key;
pub use meeting::{Contact, ContactMail, ContactsHeld, Meeting, MessageContact, is_outgoing, meet};
