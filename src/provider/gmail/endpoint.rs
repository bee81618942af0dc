//! Where Gmail's API is, and what may be spent there.

use crate::provider::api::crowd::Crowd;
use crate::provider::api::http::{API_URL, http, root, unanswered};
use crate::provider::api::session::ApiSession;
use crate::provider::api::sinks::SpareSinks;
use crate::provider::gmail::client::{GmailClient, PATH};
use crate::provider::trust::{Tls, config};
use crate::provider::{Coming, Endpoint, GuardedCredential, Opening, Session};
use postrider_core::budget::{Allowance, Quota, RateLimit};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::Family;
use postrider_core::provider::server::{QuotaPlan, Security, Server};
use std::sync::Arc;
use std::time::Duration;

/// The word of this provider.
pub(in crate::provider) const KIND: &str = "gmail";
/// The dearest question but for a message.
const DEAREST: u64 = 5;
/// A sink's own deadline.
const DISK: Duration = Duration::from_secs(60);
/// Beyond the sum of its own deadlines, this long until a session that hangs is killed.
const GRACE: Duration = Duration::from_secs(30);

/// Gmail's API.
#[derive(Debug)]
pub(in crate::provider) struct GmailEndpoint {
    server: Server,
    plan: QuotaPlan,
    tls: Option<Tls>,
    crowd: Arc<Crowd>,
}

impl GmailEndpoint {
    /// The API at this place.
    ///
    /// # Errors
    /// Class config when TLS roots cannot be had.
    pub(in crate::provider) fn of(server: Server) -> Result<Self, Failure> {
        let plan = server.api.as_ref().map(|api| api.plan);
        let plan = plan.ok_or_else(|| config("Gmail's API has no place"))?;
        let tls = match (server.security, &server.ca_file) {
            (Security::Plain, _) => None,
            (_, Some(file)) => Some(Tls::from_file(file)?),
            (_, None) => Some(Tls::system()?),
        };
        Ok(Self { server, plan, tls, crowd: Arc::default() })
    }
}

impl Endpoint for GmailEndpoint {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn patience(&self) -> Duration {
        let t = self.server.timeouts;
        t.connect * 2 + t.greeting + t.silence * 3 + DISK + GRACE.min(t.silence * 2)
    }

    fn family(&self) -> Family {
        Family::Feed
    }

    fn quota(&self) -> Quota {
        let rate = |units| Some(RateLimit { units, per: Duration::from_secs(60) });
        let QuotaPlan { user, shared, day, get } = self.plan;
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
            let credits = credits.pages;
            let http = http(&self.server, self.tls.as_ref())?;
            let of = (account, wire, purse);
            let client = GmailClient::new((&self.server, self.plan), http, credential, of);
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
            let asked = http.get(format!("{}profile", root(&self.server, PATH))).send();
            let answer = tokio::time::timeout(deadline, asked).await.map_err(late)?;
            let of_all = |e| Failure { reach: Reach::Endpoint, ..unanswered((&place, API_URL), e) };
            let answer = answer.map_err(of_all)?;
            // Without a token it refuses, in its own words.
            let kind = answer.headers().get(reqwest::header::CONTENT_TYPE);
            let is_json =
                kind.and_then(|kind| kind.to_str().ok()).is_some_and(|k| k.contains("json"));
            if answer.status().is_server_error() || !is_json {
                let text =
                    format!("the server said {} and no word of the API", answer.status().as_u16());
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
