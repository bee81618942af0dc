//! Whether a mirror is whole by itself: bodies are what they are called, rows have what they name, as much is held as was
//! proved.

mod local;
mod mirror;
mod repair;
mod report;
mod scrub;

pub(crate) use local::{Derived, Rows, local};
pub(crate) use mirror::{Mirror, manifest_line};
pub(crate) use repair::{Insists, RepairPlan, looked_at_again, of_messages, of_no_place};
pub(crate) use report::{
    DamagedBody, HeldAt, Report, Reports, StoreReport, Verified, missing_events,
};
pub(crate) use scrub::{PackLook, Suspect, burst_of};
