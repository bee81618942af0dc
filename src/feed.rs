//! The feed: the public stream of events, in the order of their numbers. What an event looks like,
//! which of them there are and where a reader goes on is said here, for whoever delivers them.

mod data;
mod event;
mod filter;
mod hub;
mod page;
mod schema;

pub(crate) use event::{EventView, with_heads};
pub(crate) use filter::EventFilter;
pub(crate) use hub::{Behind, Hub, Listener, ToldEvent};
pub(crate) use page::{Beyond, LOOKED_AT, NoPage, begin, beyond, page, since};
pub(crate) use schema::describe;
