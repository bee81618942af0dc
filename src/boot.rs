//! Starting and stopping: the only place, with `cli` and `demo`, that knows every part.

pub mod lock;
pub mod wiring;
