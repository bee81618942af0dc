//! The work of a run where mail lies in folders and has UIDs: LIST, passes, pages.
//!
//! Four machines and a router: each machine owns its fields and its part of a folder, takes an answer, and
//! says what it wants of the others. What ended sessions is noted beside them.

mod context;
mod fills;
mod folder;
mod listing;
mod notes;
mod passes;
mod plan;
mod refusals;
mod report;
mod set;
mod state;
mod work;

pub(crate) use state::FolderWork;
