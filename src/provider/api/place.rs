//! Where an API is: what the endpoints of all of them share.

use crate::provider::Session;
use crate::provider::api::MailApi;
use crate::provider::api::crowd::Crowd;
use crate::provider::api::http::{API_URL, http, root, unanswered};
use crate::provider::api::session::ApiSession;
use crate::provider::api::sinks::SpareSinks;
use crate::provider::credits::PageCredits;
use crate::provider::sink::Sinks;
use crate::provider::trust::{Tls, config};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::server::{Api, Security, Server};
use reqwest::Response;
use std::sync::Arc;
use std::time::Duration;

/// A sink's own deadline.
const DISK: Duration = Duration::from_secs(60);
/// Beyond the sum of its own deadlines, this long until a session that hangs is killed.
const GRACE: Duration = Duration::from_secs(30);

/// An API's place.
#[derive(Debug)]
pub(in crate::provider) struct ApiPlace {
    pub(in crate::provider) server: Server,
    pub(in crate::provider) api: Api,
    tls: Option<Tls>,
    crowd: Arc<Crowd>,
}

impl ApiPlace {
    /// The one that a server is told with.
    ///
    /// # Errors
    /// Class config when it has none, or TLS roots cannot be had.
    pub(in crate::provider) fn of(server: Server) -> Result<Self, Failure> {
        let api = server.api.clone().ok_or_else(|| config("the API has no place"))?;
        let tls = match (server.security, &server.ca_file) {
            (Security::Plain, _) => None,
            (_, Some(file)) => Some(Tls::from_file(file)?),
            (_, None) => Some(Tls::system()?),
        };
        Ok(Self { server, api, tls, crowd: Arc::default() })
    }

    /// Longest time without a sign of life that a session's own deadlines allow.
    pub(in crate::provider) fn patience(&self) -> Duration {
        let t = self.server.timeouts;
        t.connect * 2 + t.greeting + t.silence * 3 + DISK + GRACE.min(t.silence * 2)
    }

    /// HTTP to it, with connections of its own.
    ///
    /// # Errors
    /// Class config.
    pub(in crate::provider) fn http(&self) -> Result<reqwest::Client, Failure> {
        http(&self.server, self.tls.as_ref())
    }

    /// A session on this login.
    pub(in crate::provider) fn session(
        &self,
        api: impl MailApi,
        sinks: Sinks,
        credits: PageCredits,
    ) -> Box<dyn Session> {
        Box::new(ApiSession {
            api: Arc::new(api),
            sink: sinks.sink(),
            spare: Arc::new(SpareSinks::new(sinks, credits.clone())),
            credits,
            crowd: Arc::clone(&self.crowd),
        })
    }

    /// Asks there without showing anything: whatever is said shows that somebody is there.
    ///
    /// # Errors
    /// Network and timeout, reach endpoint.
    pub(in crate::provider) async fn knocked(&self, path: &str) -> Result<Response, Failure> {
        let place = format!("{}:{}", self.server.host, self.server.port);
        let deadline = self.server.timeouts.connect + self.server.timeouts.silence;
        let late = |_| {
            let text = format!("an answer took longer than {} s", deadline.as_secs_f32());
            Failure::new(Class::Timeout, Reach::Endpoint, Provenance::Deadline, text)
        };
        let asked = self.http()?.get(root(&self.server, path)).send();
        let answer = tokio::time::timeout(deadline, asked).await.map_err(late)?;
        answer.map_err(|e| Failure { reach: Reach::Endpoint, ..unanswered((&place, API_URL), e) })
    }
}

/// What was said there is no word of an API.
pub(in crate::provider) fn speechless(answer: &Response) -> Failure {
    let text = format!("the server said {} and no word of the API", answer.status().as_u16());
    Failure::new(Class::Provider, Reach::Endpoint, Provenance::Server, text)
}
