//! Who works: so many runs at a time, the best first; and what somebody asked for (`core/src/job`).

mod desk;
mod facts;
mod hands;
mod keeper;
mod kept;
mod maintenance;
mod message;
mod orders;
mod timetable;

pub use desk::{SlotDesk, SlotTicket};
pub(crate) use facts::held;
pub use hands::JobHands;
pub use keeper::JobsActor;
pub use message::{JobVerb, JobsArgs, JobsMsg, JobsRequest, JobsWork, Worked};
