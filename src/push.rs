//! What providers tell by themselves, over HTTP: a listener of its own, which is never the admin API's. A push is a hint:
//! it is looked at whether it is believed and whose it is, and then the account looks.

mod actor;
mod desk;
mod receive;
mod room;
mod whose;

pub(crate) use actor::{PushActor, PushArgs};
pub(crate) use desk::{PushDesk, PushHands, Received, SourceSeen};
pub(crate) use whose::Whose;
