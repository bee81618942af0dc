//! Who works, and who waits for it: slots of runs, and the queue of what somebody asked for.

pub mod queue;
pub mod slots;
pub mod words;
