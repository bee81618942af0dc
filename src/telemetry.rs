//! What the process tells about itself: logs, counters, the wire log.

pub mod log;
pub mod names;
pub mod registry;
pub mod wire;
