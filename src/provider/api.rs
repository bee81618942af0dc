//! A mailbox behind an HTTP API that tells of messages by their ids: what is the same of each. A provider says how a
//! question is asked ([`MailApi`]); pages, credits, sinks and the order of things are here.

pub(super) mod call;
pub(super) mod crowd;
mod doubt;
pub(super) mod http;
mod page;
pub(super) mod place;
pub(super) mod raw;
pub(super) mod read;
pub(super) mod session;
pub(super) mod sinks;

use crate::provider::api::read::ReadMail;
use crate::provider::api::sinks::SpareSinks;
use crate::provider::{Denied, Leash, Units};
use postrider_core::budget::Lane;
use postrider_core::failure::Failure;
use postrider_core::provider::feeds::{Got, WantedMail};
use postrider_core::provider::{Answer, FeedTraits, Request};

/// An API of mailboxes, on one login.
pub(super) trait MailApi: std::fmt::Debug + Send + Sync + 'static {
    /// How its feeds are.
    fn traits(&self) -> FeedTraits;

    /// What its owner sees of it.
    fn leash(&self) -> &Leash;

    /// Folders that a list of everything could not show whole.
    fn unlisted(&self) -> usize {
        0
    }

    /// What stands behind it, for people, where its login does not say.
    fn behind(&self) -> Option<String> {
        None
    }

    /// Units that may be spent in a minute, and what a message costs.
    fn user(&self) -> u64;
    /// See [`MailApi::user`].
    fn price(&self) -> u64;

    /// Asks for the units of a question.
    ///
    /// # Errors
    /// [`Denied`], by variant.
    fn pay(&self, lane: Lane, units: u64) -> impl Future<Output = Result<Units, Denied>> + Send;

    /// Pays for a look; there is none that waits for another run.
    ///
    /// # Errors
    /// There are no units for as long as no session waits.
    fn pay_look(&self, units: u64) -> impl Future<Output = Result<Units, Failure>> + Send {
        async move {
            match self.pay(Lane::Live, units).await {
                Ok(units) => Ok(units),
                Err(Denied::Over(failure)) => Err(failure),
                Err(Denied::Later(_)) => Err(Failure::bug("a look was left for later")),
            }
        }
    }

    /// Answers a question that brings no message.
    ///
    /// # Errors
    /// Whatever the server's words mean.
    fn answer(&self, request: &Request) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Reads a message. `alone`: for the second time, so that what falls short once more is what there is.
    ///
    /// # Errors
    /// What ends the session.
    fn read(
        &self,
        sinks: &SpareSinks,
        wanted: &WantedMail,
        alone: bool,
    ) -> impl Future<Output = Result<ReadMail, Failure>> + Send;

    /// Looks at a message beside the engine: of its bytes, whether they are to be had.
    ///
    /// # Errors
    /// What ends the session.
    fn look_at(&self, mail: &WantedMail) -> impl Future<Output = Result<Got, Failure>> + Send;
}
