//! The work of a run where mail lies in folders and has UIDs: LIST, passes, pages.

mod compare;
mod conclude;
mod differ;
mod fill;
mod folder;
mod gate;
mod listed;
mod listing;
mod opening;
mod pairs;
mod pass;
mod plan;
mod poison;
mod prove;
mod refusals;
mod refused;
mod rematch;
mod rename;
mod roll;
mod sight;
mod state;
mod suspects;
mod weigh;
mod window;
mod work;

pub(crate) use state::FolderWork;
