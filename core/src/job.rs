//! Who works, and who waits for it.

pub mod slots;
