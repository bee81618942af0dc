//! Handing events on: a task for each subscriber of the config, which gives it what it wants, in the order of the feed,
//! one request at a time, until it is taken (`core/src/deliver.rs` says what follows a refusal).

mod actor;
mod book;
mod command;
mod desk;
mod keeper;
mod lack;
mod order;
mod parcel;
mod reading;
mod sign;
mod sink;
mod task;
mod webhook;

pub(crate) use actor::DeliverActor;
pub(crate) use actor::DeliverArgs;
pub(crate) use book::SubscriberBook;
pub(crate) use desk::{DeliverDesk, DeliverHands, SubscriberSeen};
pub(crate) use keeper::admitted;
pub(crate) use lack::lack;
pub(crate) use order::{Done, Obeyed, SubscriberOrder, Tried};
pub(crate) use parcel::InHand;
