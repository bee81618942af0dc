//! Nylas among the APIs of mailboxes.

use crate::provider::api::MailApi;
use crate::provider::api::read::ReadMail;
use crate::provider::api::sinks::SpareSinks;
use crate::provider::nylas::client::NylasClient;
use crate::provider::nylas::read::{look_at, read};
use crate::provider::{Denied, Leash, Units};
use postrider_core::budget::Lane;
use postrider_core::failure::Failure;
use postrider_core::provider::feeds::{Got, WantedMail};
use postrider_core::provider::{Answer, FeedTraits, Request};
use std::time::Duration;

/// A window is a list of two days: it is asked for no more often.
const WINDOWS: Duration = Duration::from_secs(15 * 60);

/// A message that answers 404 for a quarter of an hour (and no list shows) is gone.
const DOUBT: u32 = 15;

impl MailApi for NylasClient {
    fn traits(&self) -> FeedTraits {
        FeedTraits {
            shows_state: true,
            every: WINDOWS,
            windows: true,
            doubt: DOUBT,
            ..FeedTraits::default()
        }
    }

    fn leash(&self) -> &Leash {
        self.calls.leash()
    }

    fn unlisted(&self) -> usize {
        self.behind.unlisted()
    }

    fn behind(&self) -> Option<String> {
        Some(self.told())
    }

    fn user(&self) -> u64 {
        self.plan.user
    }

    fn price(&self) -> u64 {
        self.plan.get
    }

    async fn pay(&self, lane: Lane, units: u64) -> Result<Units, Denied> {
        self.units(lane, units).await
    }

    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        match request {
            Request::Feed(request) => self.look(request).await.map(Answer::Feed),
            _ => Err(Failure::bug("Nylas is asked about messages alone")),
        }
    }

    async fn read(
        &self,
        sinks: &SpareSinks,
        wanted: &WantedMail,
        _alone: bool,
    ) -> Result<ReadMail, Failure> {
        read(self, sinks, wanted).await
    }

    async fn look_at(&self, mail: &WantedMail) -> Result<Got, Failure> {
        look_at(self, mail).await
    }
}
