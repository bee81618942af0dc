//! Gmail is asked to push, and to push no more (`users.watch`, `users.stop`).

use crate::provider::api::MailApi;
use crate::provider::api::http::unreadable;
use crate::provider::gmail::client::GmailClient;
use crate::provider::gmail::failure::GmailRefusal;
use crate::provider::gmail::wire::Digits;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::feed::MailVersion;
use postrider_core::provider::push::{PushReply, PushRequest, Pushing};
use postrider_core::time::Micros;
use serde::Deserialize;

/// What asking for pushes costs, and having none any more (units, "Usage limits"), and what is paid of it at a time: no more
/// than a list costs, so that whoever may spend little may ask all the same.
const WATCH: u64 = 100;
const STOP: u64 = 50;
const PART: u64 = 5;

/// What is said where a mailbox is pushed to another topic of the same client (400, `invalidArgument`).
const ONE_ALONE: &str = "Only one user push notification client";

/// What is answered to `watch`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Watched {
    /// Milliseconds.
    expiration: Digits,
    history_id: Option<Digits>,
}

async fn pay(client: &GmailClient, units: u64) -> Result<(), Failure> {
    for _ in 0..units / PART {
        // Dropped, they are spent.
        drop(client.pay_look(PART).await?);
    }
    Ok(())
}

/// Has what happens published to a topic (`users.watch`). It is renewed by asking again.
async fn watch(client: &GmailClient, topic: &str) -> Result<Pushing, Failure> {
    if client.plan.user < WATCH {
        let text =
            format!("`quota.per_minute` is less than what asking to push costs ({WATCH} units)");
        return Err(Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
            .when(When::AfterChange));
    }
    let answer = match ask(client, topic).await? {
        // Another topic is the client's for this mailbox: it is given up for ours.
        Err(refusal) if refusal.message.contains(ONE_ALONE) => {
            stop(client).await?;
            ask(client, topic).await?
        }
        answer => answer,
    };
    answer.map_err(|refusal| refusal.of_setup(client.failure(&refusal)))
}

async fn ask(client: &GmailClient, topic: &str) -> Result<Result<Pushing, GmailRefusal>, Failure> {
    pay(client, WATCH).await?;
    let body = serde_json::json!({ "topicName": topic }).to_string();
    match client.post::<Watched>("watch", &body).await? {
        Ok((watched, _)) => pushing(watched).map(Ok),
        Err(refusal) => Ok(Err(refusal)),
    }
}

fn pushing(Watched { expiration, history_id }: Watched) -> Result<Pushing, Failure> {
    let millis = expiration.0.parse().ok();
    let micros = millis.and_then(|n: u64| i64::try_from(n.checked_mul(1000)?).ok());
    let until =
        micros.map(Micros).ok_or_else(|| unreadable("it does not say until when it pushes"))?;
    let from = history_id.map(|Digits(text)| MailVersion::new(&text));
    Ok(Pushing { until, from })
}

/// Has nothing published any more (`users.stop`).
async fn stop(client: &GmailClient) -> Result<(), Failure> {
    pay(client, STOP).await?;
    client.tell("stop").await?.map_err(|refusal| client.failure(&refusal))
}

/// Has what happens published, or nothing of it any more.
///
/// # Errors
/// Whatever the server's words mean.
pub(super) async fn pushes(
    client: &GmailClient,
    request: &PushRequest,
) -> Result<PushReply, Failure> {
    match request {
        PushRequest::Subscribe(topic) => watch(client, topic).await.map(PushReply::Pushes),
        PushRequest::Unsubscribe => stop(client).await.map(|()| PushReply::Ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_pushes_until_it_says() {
        let of = |text: &str| pushing(serde_json::from_str(text).unwrap());
        let said = of(r#"{"historyId":"12","expiration":"1431990098200"}"#).unwrap();
        assert_eq!(said.until, Micros(1_431_990_098_200_000));
        assert_eq!(said.from, Some(MailVersion::new("12")));
        let number = of(r#"{"expiration":1431990098200}"#).unwrap();
        assert_eq!((number.until, number.from), (said.until, None));
        assert!(of(r#"{"expiration":18446744073709551615}"#).is_err(), "in a time that is none");
    }
}
