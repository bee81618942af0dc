//! Where Nylas is, and what may be asked there.

use crate::provider::api::place::{ApiPlace, speechless};
use crate::provider::nylas::behind::Behind;
use crate::provider::nylas::client::NylasClient;
use crate::provider::trust::config;
use crate::provider::{Coming, Endpoint, GuardedCredential, Opening, Session};
use postrider_core::budget::{Allowance, Quota, RateLimit};
use postrider_core::failure::Failure;
use postrider_core::provider::Family;
use postrider_core::provider::server::{QuotaPlan, Server};
use std::sync::Arc;
use std::time::Duration;

/// The word of this provider.
pub(in crate::provider) const KIND: &str = "nylas";
/// Questions about grants that an application may ask in a second; each login is one (Nylas, "Rate limits").
const LOGINS: u32 = 50;

/// Nylas's API, of one grant.
#[derive(Debug)]
pub(in crate::provider) struct NylasEndpoint {
    place: ApiPlace,
    grant: String,
    behind: Arc<Behind>,
}

impl NylasEndpoint {
    /// The API at this place.
    ///
    /// # Errors
    /// Class config when TLS roots cannot be had.
    pub(in crate::provider) fn of(server: Server) -> Result<Self, Failure> {
        let place = ApiPlace::of(server)?;
        let grant = place.api.grant.clone();
        let grant = grant.ok_or_else(|| config("a mailbox of Nylas's has no grant"))?;
        Ok(Self { place, grant: grant.id, behind: Arc::new(Behind::of(grant.gone_after)) })
    }
}

impl Endpoint for NylasEndpoint {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn patience(&self) -> Duration {
        self.place.patience()
    }

    fn logins(&self) -> Option<u32> {
        Some(LOGINS)
    }

    fn family(&self) -> Family {
        Family::Feed
    }

    fn quota(&self) -> Quota {
        let QuotaPlan { user, get, .. } = self.place.api.plan;
        let rate = RateLimit { units: user / 60, per: Duration::from_secs(1) };
        Quota {
            unit: "requests",
            user: Allowance { rate: Some(rate), day: None },
            // A grant's requests are its own.
            shared: Allowance::default(),
            largest: get,
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
            let at = (&self.place.server, self.grant.as_str(), self.place.api.plan);
            let (behind, http) = (Arc::clone(&self.behind), self.place.http()?);
            let client = NylasClient::new(at, behind, http, credential, (account, wire, purse));
            client.log_in().await?;
            Ok(self.place.session(client, sinks, credits.pages))
        })
    }

    fn probe(&self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(async move {
            // Without a key it refuses.
            let answer = self.place.knocked("/v3/grants").await?;
            if answer.status().is_server_error() { Err(speechless(&answer)) } else { Ok(()) }
        })
    }
}
