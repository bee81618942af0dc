//! What providers tell by themselves, over HTTP: a listener of its own, which is never the admin API's. A push is a hint:
//! it is looked at whether it is believed and whose it is, and then the account looks.

mod actor;
mod desk;
mod gather;
mod hands;
mod keep;
mod pull;
mod receive;
mod room;
mod subscriptions;
mod webhooks;
mod whose;

pub(crate) use actor::{PushActor, PushArgs, PushDoor};
pub(crate) use desk::{PushDesk, Received, SourceSeen};
pub(crate) use hands::{PushHands, WebhookTold};
pub(crate) use subscriptions::Subscriptions;
pub(crate) use webhooks::{Webhooks, resealed};
pub(crate) use whose::{AskFor, PushAnswer, PushAsk, Whose};
