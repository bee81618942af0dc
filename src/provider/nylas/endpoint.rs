//! Where Nylas is, and what may be asked there.

use crate::provider::api::crowd::Crowd;
use crate::provider::api::http::{API_URL, http, root, unanswered};
use crate::provider::api::session::ApiSession;
use crate::provider::api::sinks::SpareSinks;
use crate::provider::nylas::client::{Behind, NylasClient};
use crate::provider::trust::{Tls, config};
use crate::provider::{Coming, Endpoint, GuardedCredential, Opening, Session};
use postrider_core::budget::{Allowance, Quota, RateLimit};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::Family;
use postrider_core::provider::server::{QuotaPlan, Security, Server};
use std::sync::Arc;
use std::time::Duration;

/// The word of this provider.
pub(in crate::provider) const KIND: &str = "nylas";
/// Questions about grants that an application may ask in a second; each login is one (Nylas, "Rate limits").
const LOGINS: u32 = 50;
/// A sink's own deadline.
const DISK: Duration = Duration::from_secs(60);
/// Beyond the sum of its own deadlines, this long until a session that hangs is killed.
const GRACE: Duration = Duration::from_secs(30);

/// Nylas's API, of one grant.
#[derive(Debug)]
pub(in crate::provider) struct NylasEndpoint {
    server: Server,
    grant: String,
    plan: QuotaPlan,
    tls: Option<Tls>,
    crowd: Arc<Crowd>,
    behind: Arc<Behind>,
}

impl NylasEndpoint {
    /// The API at this place.
    ///
    /// # Errors
    /// Class config when TLS roots cannot be had.
    pub(in crate::provider) fn of(server: Server) -> Result<Self, Failure> {
        let api = server.api.clone().ok_or_else(|| config("Nylas's API has no place"))?;
        let grant = api.grant.ok_or_else(|| config("a mailbox of Nylas's has no grant"))?.id;
        let tls = match (server.security, &server.ca_file) {
            (Security::Plain, _) => None,
            (_, Some(file)) => Some(Tls::from_file(file)?),
            (_, None) => Some(Tls::system()?),
        };
        Ok(Self {
            server,
            grant,
            plan: api.plan,
            tls,
            crowd: Arc::default(),
            behind: Arc::new(Behind::new()),
        })
    }
}

impl Endpoint for NylasEndpoint {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn patience(&self) -> Duration {
        let t = self.server.timeouts;
        t.connect * 2 + t.greeting + t.silence * 3 + DISK + GRACE.min(t.silence * 2)
    }

    fn logins(&self) -> Option<u32> {
        Some(LOGINS)
    }

    fn family(&self) -> Family {
        Family::Feed
    }

    fn quota(&self) -> Quota {
        let QuotaPlan { user, get, .. } = self.plan;
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
            let credits = credits.pages;
            let http = http(&self.server, self.tls.as_ref())?;
            let of = (account, wire, purse);
            let at = (&self.server, self.grant.as_str(), self.plan);
            let client = NylasClient::new(at, Arc::clone(&self.behind), http, credential, of);
            client.log_in().await?;
            let session: Box<dyn Session> = Box::new(ApiSession {
                api: Arc::new(client),
                sink: sinks.sink(),
                spare: Arc::new(SpareSinks::new(sinks, credits.clone())),
                credits,
                crowd: Arc::clone(&self.crowd),
            });
            Ok(session)
        })
    }

    fn probe(&self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(async move {
            let place = format!("{}:{}", self.server.host, self.server.port);
            let http = http(&self.server, self.tls.as_ref())?;
            let deadline = self.server.timeouts.connect + self.server.timeouts.silence;
            let late = |_| {
                let text = format!("an answer took longer than {} s", deadline.as_secs_f32());
                Failure::new(Class::Timeout, Reach::Endpoint, Provenance::Deadline, text)
            };
            let asked = http.get(root(&self.server, "/v3/grants")).send();
            let answer = tokio::time::timeout(deadline, asked).await.map_err(late)?;
            let of_all = |e| Failure { reach: Reach::Endpoint, ..unanswered((&place, API_URL), e) };
            let answer = answer.map_err(of_all)?;
            // Without a key it refuses.
            if answer.status().is_server_error() {
                let text = format!("the server said {}", answer.status().as_u16());
                return Err(Failure::new(
                    Class::Provider,
                    Reach::Endpoint,
                    Provenance::Server,
                    text,
                ));
            }
            Ok(())
        })
    }
}
