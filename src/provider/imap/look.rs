//! Questions about folders: LIST, EXAMINE and its cheaper forms, the index, counters, keys.

pub(super) mod changes;
pub(super) mod counted;
pub(super) mod counters;
pub(super) mod examine;
pub(super) mod keys;
pub(super) mod opened;
pub(super) mod parts;
pub(super) mod questions;
