//! Units of a provider's budget: who waits for them, who has them, what of them is kept.

pub(in crate::connection) mod payments;
pub(in crate::connection) mod till;
