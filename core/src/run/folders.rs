//! The work of a run where mail lies in folders and has UIDs: LIST, passes, pages.

pub(super) mod compare;
pub(super) mod conclude;
pub(super) mod evidence;
pub(super) mod fill;
pub(super) mod listing;
pub(super) mod opening;
pub(super) mod pass;
pub(super) mod plan;
pub(super) mod poison;
pub(super) mod rename;
pub(super) mod roll;
pub(super) mod suspects;
