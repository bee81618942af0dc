//! Gmail among the APIs of mailboxes.

use crate::provider::api::MailApi;
use crate::provider::api::read::ReadMail;
use crate::provider::api::sinks::SpareSinks;
use crate::provider::gmail::client::GmailClient;
use crate::provider::gmail::read::{look_at, read};
use crate::provider::{Denied, Leash, Units};
use postrider_core::budget::Lane;
use postrider_core::failure::Failure;
use postrider_core::provider::feeds::{Got, WantedMail};
use postrider_core::provider::{Answer, FeedTraits, Request};

impl MailApi for GmailClient {
    fn traits(&self) -> FeedTraits {
        FeedTraits::default()
    }

    fn leash(&self) -> &Leash {
        &self.calls.leash
    }

    fn user(&self) -> u64 {
        self.plan.user
    }

    fn price(&self) -> u64 {
        self.plan.get
    }

    async fn pay(&self, lane: Lane, units: u64) -> Result<Units, Denied> {
        self.pay(lane, units).await
    }

    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        self.answer(request).await
    }

    async fn read(
        &self,
        sinks: &SpareSinks,
        wanted: &WantedMail,
        alone: bool,
    ) -> Result<ReadMail, Failure> {
        let found = read(self, sinks, wanted, alone).await?;
        // Another token may have been shown.
        self.look_whose().await.map(|()| found)
    }

    async fn look_at(&self, mail: &WantedMail) -> Result<Got, Failure> {
        look_at(self, mail).await
    }
}
