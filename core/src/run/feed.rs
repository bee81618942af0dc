//! The work of a run where changes are told by message id: places, changes, what is owed, lists.
//! Nothing waits for a download: what must be read is a row, and is asked for when it is due.

mod changes;
mod compare;
mod count;
mod gets;
mod lane;
mod listing;
mod owner;
mod places;
mod placing;
mod reading;
mod state;
mod trail;
mod walk;
mod work;

pub(crate) use state::FeedWork;
