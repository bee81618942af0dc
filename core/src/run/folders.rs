//! The work of a run where mail lies in folders and has UIDs: LIST, passes, pages.

mod fills;
mod folder;
mod listing;
mod notes;
mod passes;
mod plan;
mod refusals;
mod set;
mod state;
mod work;

pub(crate) use state::FolderWork;
