//! Pushes of Gmail that are asked for: a subscription of Pub/Sub that is pulled from ("Pull subscriptions", the REST API's
//! `projects.subscriptions`). Nobody has to be able to reach this machine.

use crate::clock::Clock;
use crate::http;
use crate::provider::api::http::{unanswered, unreadable};
use crate::provider::gmail::failure::GmailRefusal;
use crate::provider::push::{PushQueue, Queued};
use crate::provider::{Coming, Credential, GuardedCredential, Secret};
use memchr::memmem;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::PulledPush;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What its place is written as.
const KEY: &str = "pubsub_url";
/// A connection is there within this.
const CONNECT: Duration = Duration::from_secs(10);
/// The server waits for a message, some 90 s: then it says that there is none.
const PULL: Duration = Duration::from_secs(120);
/// Nobody waits for anything.
const ACKNOWLEDGE: Duration = Duration::from_secs(30);
/// Messages of an answer, and octets: one of Gmail's has some hundred.
const MOST: u32 = 100;
const OCTETS: usize = 4 << 20;
/// Of the answer that brings one: it may have 10 MB, in Base64.
const ALONE: usize = 16 << 20;
/// Answers that it is looked for in.
const LOOKED: u32 = 200;
/// The question for messages.
const PULLS: &str = "pull";
/// What is said where it has waited for nothing.
const NOTHING: &[u8] = b"DEADLINE_EXCEEDED";

/// What is answered to `pull`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pulled {
    /// None where nothing lies there.
    #[serde(default)]
    received_messages: Vec<Received>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    ack_id: String,
    message: Option<Carried>,
}

/// A message of the queue: anybody's attributes, and perhaps nothing else.
#[derive(Deserialize)]
struct Carried {
    data: Option<String>,
}

/// A subscription.
#[derive(Debug)]
pub(in crate::provider) struct PubsubQueue {
    place: PulledPush,
    http: reqwest::Client,
    credential: GuardedCredential,
    clock: Clock,
    /// So many answers are to bring one message alone: among them is one that is long.
    alone: AtomicU32,
}

impl PubsubQueue {
    /// This one, asked with this.
    ///
    /// # Errors
    /// Class config when no HTTP client can be made.
    pub(in crate::provider) fn of(
        place: PulledPush,
        credential: Arc<dyn Credential>,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let mut builder = http::builder(CONNECT);
        if place.api.starts_with("http://") {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| {
            let text = "no HTTPS: the TLS roots cannot be had";
            Failure::new(Class::Config, Reach::Process, Provenance::Local, text)
                .when(When::AfterChange)
                .caused_by(e)
        })?;
        let credential = GuardedCredential::of(credential);
        Ok(Self { place, http, credential, clock, alone: AtomicU32::new(0) })
    }

    /// Asks; a token that is refused is exchanged, once.
    async fn post(
        &self,
        verb: &str,
        body: String,
        (most, deadline): (usize, Duration),
    ) -> Result<Option<Vec<u8>>, Failure> {
        let asked = async {
            let mut secret = self.credential.secret().await?;
            let mut response = self.send(verb, &body, &secret).await?;
            if response.status() == StatusCode::UNAUTHORIZED
                && let Some(other) = self.credential.renewed(&secret).await?
            {
                secret = other;
                response = self.send(verb, &body, &secret).await?;
            }
            let after = response.headers().get(RETRY_AFTER);
            let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let status = response.status();
            let read = self.whole(response, most).await?;
            if status.is_success() {
                return Ok(read);
            }
            let said = read.unwrap_or_default();
            let is_empty = verb == PULLS && status == StatusCode::GATEWAY_TIMEOUT;
            if is_empty && memmem::find(&said, NOTHING).is_some() {
                return Ok(Some(b"{}".to_vec()));
            }
            let refusal =
                GmailRefusal::read(status.as_u16(), &said, after.map(Duration::from_secs));
            // Its reasons are not Gmail's: the status counts.
            let refusal = GmailRefusal { reason: String::new(), ..refusal };
            let failure = refusal.of_setup(refusal.failure(self.clock.now().wall));
            Err(self.credential.redactor().failure(failure))
        };
        tokio::time::timeout(deadline, asked).await.unwrap_or_else(|_| {
            let text = format!("an answer took longer than {} s", deadline.as_secs());
            Err(Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text))
        })
    }

    async fn send(&self, verb: &str, body: &str, secret: &Secret) -> Result<Response, Failure> {
        let bearer = format!("Bearer {}", secret.text().expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            let text = "the access token has signs that no header carries";
            Failure::new(Class::Config, Reach::Process, Provenance::Local, text)
                .when(When::AfterChange)
        })?;
        bearer.set_sensitive(true);
        let place = format!("{}/v1/{}:{verb}", self.place.api, self.place.subscription);
        let request = self.http.post(place).header(AUTHORIZATION, bearer);
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_owned());
        request.send().await.map_err(|e| unanswered((&self.place.api, KEY), e))
    }

    /// The whole of an answer; none where it is longer than one may be.
    async fn whole(&self, mut response: Response, most: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut octets = Vec::new();
        let broken = |e| unanswered((&self.place.api, KEY), e);
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            octets.extend_from_slice(&piece);
            if octets.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(octets))
    }
}

impl PushQueue for PubsubQueue {
    fn name(&self) -> &str {
        &self.place.subscription
    }

    fn pull(&self) -> Coming<'_, Result<Vec<Queued>, Failure>> {
        Box::pin(async {
            let alone = self.alone.load(Ordering::Relaxed);
            let (most, octets) = if alone > 0 { (1, ALONE) } else { (MOST, OCTETS) };
            let body = json!({ "maxMessages": most }).to_string();
            let Some(read) = self.post(PULLS, body, (octets, PULL)).await? else {
                // Alone each may fit.
                self.alone.store(LOOKED, Ordering::Relaxed);
                let text = format!("what lies there is longer than {} MiB", octets >> 20);
                return Err(unreadable(&text));
            };
            let all = queued(&read).ok_or_else(|| unreadable("it is no list of messages"))?;
            let is_it = read.len() > OCTETS;
            self.alone.store(if is_it { 0 } else { alone.saturating_sub(1) }, Ordering::Relaxed);
            Ok(all)
        })
    }

    fn acknowledge(&self, receipts: Vec<String>) -> Coming<'_, Result<(), Failure>> {
        let body = json!({ "ackIds": receipts }).to_string();
        Box::pin(async { self.post("acknowledge", body, (OCTETS, ACKNOWLEDGE)).await.map(|_| ()) })
    }
}

/// What an answer holds: each as it would be sent.
fn queued(octets: &[u8]) -> Option<Vec<Queued>> {
    let pulled: Pulled = serde_json::from_slice(octets).ok()?;
    let one = |Received { ack_id: receipt, message }| {
        // What carries nothing is nothing that can be read.
        let data = message.and_then(|carried| carried.data).unwrap_or_default();
        let octets = json!({ "message": { "data": data } }).to_string().into_bytes();
        Queued { receipt, octets }
    };
    Some(pulled.received_messages.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_as_it_would_be_sent() {
        let told = r#"{"receivedMessages":[{"ackId":"a","message":{"data":"e30=","messageId":"1"}},{"ackId":"b","message":{}},{"ackId":"c","message":null},{"ackId":"d"}]}"#;
        let all = queued(told.as_bytes()).unwrap();
        assert_eq!(
            all.iter().map(|q| q.receipt.as_str()).collect::<Vec<_>>(),
            ["a", "b", "c", "d"]
        );
        assert_eq!(all[0].octets, br#"{"message":{"data":"e30="}}"#);
        assert!(queued(b"{}").unwrap().is_empty(), "nothing lies there");
        for none in ["", "1", r#"{"receivedMessages":[{"message":{}}]}"#] {
            assert!(queued(none.as_bytes()).is_none(), "{none}");
        }
    }
}
