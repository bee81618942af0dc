//! Who works: so many runs at a time, the best first (`core/src/job`).

mod desk;

pub use desk::{SlotDesk, SlotTicket};
