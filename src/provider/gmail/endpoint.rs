//! Where Gmail's API is, and what may be spent there.

use crate::provider::api::place::{ApiPlace, speechless};
use crate::provider::gmail::client::{GmailClient, PATH};
use crate::provider::{Coming, Endpoint, GuardedCredential, Opening, Session};
use postrider_core::budget::{Allowance, Quota, RateLimit};
use postrider_core::failure::Failure;
use postrider_core::provider::Family;
use postrider_core::provider::server::{QuotaPlan, Server};
use reqwest::header::CONTENT_TYPE;
use std::time::Duration;

/// The word of this provider.
pub(in crate::provider) const KIND: &str = "gmail";
/// The dearest question but for a message.
const DEAREST: u64 = 5;

/// Gmail's API.
#[derive(Debug)]
pub(in crate::provider) struct GmailEndpoint(ApiPlace);

impl GmailEndpoint {
    /// The API at this place.
    ///
    /// # Errors
    /// Class config when TLS roots cannot be had.
    pub(in crate::provider) fn of(server: Server) -> Result<Self, Failure> {
        ApiPlace::of(server).map(Self)
    }
}

impl Endpoint for GmailEndpoint {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn patience(&self) -> Duration {
        self.0.patience()
    }

    fn family(&self) -> Family {
        Family::Feed
    }

    fn quota(&self) -> Quota {
        let rate = |units| Some(RateLimit { units, per: Duration::from_secs(60) });
        let QuotaPlan { user, shared, day, get } = self.0.api.plan;
        Quota {
            unit: "quota units",
            user: Allowance { rate: rate(user), day: None },
            shared: Allowance { rate: rate(shared), day },
            largest: get.max(DEAREST),
            by_octets: false,
        }
    }

    fn open<'a>(
        &'a self,
        credential: GuardedCredential,
        opening: Opening,
    ) -> Coming<'a, Result<Box<dyn Session>, Failure>> {
        Box::pin(async move {
            let Opening { account, wire, sinks, credits, purse, .. } = opening;
            let (at, of) = ((&self.0.server, self.0.api.plan), (account, wire, purse));
            let client = GmailClient::new(at, self.0.http()?, credential, of);
            client.log_in().await?;
            Ok(self.0.session(client, sinks, credits.pages))
        })
    }

    fn probe(&self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(async move {
            let answer = self.0.knocked(&format!("{PATH}profile")).await?;
            // Without a token it refuses, in its own words.
            let kind = answer.headers().get(CONTENT_TYPE);
            let is_json =
                kind.and_then(|kind| kind.to_str().ok()).is_some_and(|k| k.contains("json"));
            match answer.status().is_server_error() || !is_json {
                true => Err(speechless(&answer)),
                false => Ok(()),
            }
        })
    }
}
