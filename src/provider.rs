//! What speaks to servers. A provider is one directory; its wire types never leave it.

pub mod imap;
