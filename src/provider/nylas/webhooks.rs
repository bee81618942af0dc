//! The webhook of an application ("Webhooks", `/v3/webhooks`): which there are, to make one, to remove one.

use crate::clock::Clock;
use crate::provider::GuardedCredential;
use crate::provider::api::http::{encoded, unreadable};
use crate::provider::api::place::ApiPlace;
use crate::provider::nylas::calls::{HttpAnswer, NylasCalls};
use crate::provider::nylas::failure::NylasRefusal;
use crate::provider::nylas::wire::{Many, NewWebhook, One, WebhookRow};
use crate::telemetry::wire::WireLog;
use postrider_core::failure::{Failure, Reach};
use postrider_core::provider::push::{
    FreshSecret, ShownWebhook, WebhookAnswer, WebhookQuestion, WebhookStanding,
};
use postrider_core::provider::server::AskedPush;
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::json;

/// Where they are, below what is the application's.
const PLACE: &str = "/webhooks";
/// Whose it is, for people.
const DESCRIPTION: &str = "made by Postrider, which removes it with its last account";
/// What is sent: all that is looked at.
const TRIGGERS: [(&str, &[&str]); 3] = [
    ("message", &["created", "updated"]),
    ("folder", &["created", "updated", "deleted"]),
    ("grant", &["created", "updated", "expired", "deleted"]),
];
/// What not every application has, or came later: where it is refused it is done without.
const SPARE: [(&str, &[&str]); 2] =
    [("message", &["deleted"]), ("grant", &["imap_sync_completed"])];
/// Pages of a list at most.
const PAGES: usize = 20;

/// In Nylas's words.
fn words(of: &[(&str, &[&str])]) -> Vec<String> {
    let each = |(of, what): &(&str, &[&str])| {
        what.iter().map(|it| format!("{of}.{it}")).collect::<Vec<_>>()
    };
    of.iter().flat_map(each).collect()
}

/// Asks who has this key.
///
/// # Errors
/// Whatever the server's words mean; network and timeout: nobody knows whether one was made.
pub(in crate::provider) async fn ask_webhook(
    place: &AskedPush,
    (credential, clock): (GuardedCredential, Clock),
    wire: WireLog,
    question: &WebhookQuestion,
) -> Result<WebhookAnswer<FreshSecret>, Failure> {
    let http = ApiPlace::of(place.server.clone())?.http()?;
    let calls = NylasCalls::to(&place.server, http, (credential, clock), (name(place), wire));
    let answer = match question {
        WebhookQuestion::List => list(&calls, &place.url).await.map(WebhookAnswer::Listed),
        WebhookQuestion::Remove(id) => remove(&calls, id).await.map(|()| WebhookAnswer::Removed),
        WebhookQuestion::Make => make(&calls, &place.url).await,
    };
    answer.map_err(|failure| calls.hides(failure))
}

/// What it is written down as.
fn name(place: &AskedPush) -> String {
    format!("nylas/{}", place.application)
}

async fn asked<T: DeserializeOwned>(
    calls: &NylasCalls,
    (method, path): (Method, &str),
    body: Option<String>,
) -> Result<Result<T, NylasRefusal>, Failure> {
    match calls.ask(method, path, body).await? {
        HttpAnswer::Answer(answer) => Ok(Ok(calls.read(answer).await?.0)),
        HttpAnswer::Refused(refusal) => Ok(Err(refusal)),
    }
}

fn refused(refusal: &NylasRefusal) -> Failure {
    // Nothing but the key is shown.
    refusal.of_webhooks(refusal.failure(Some(Reach::Endpoint)))
}

async fn list(calls: &NylasCalls, url: &str) -> Result<Vec<ShownWebhook>, Failure> {
    let (mut all, mut path) = (Vec::new(), PLACE.to_owned());
    for _ in 0..PAGES {
        let Many::<WebhookRow> { data, next_cursor } =
            match asked(calls, (Method::GET, &path), None).await? {
                Ok(page) => page,
                Err(refusal) => return Err(refused(&refusal)),
            };
        all.extend(data.into_iter().map(|row| shown(row, url)));
        let Some(next) = next_cursor else { return Ok(all) };
        path = format!("{PLACE}?page_token={}", encoded(&next));
    }
    Err(unreadable("the list of webhooks does not end"))
}

/// How it stands, for who is sent to at this URL.
fn shown(row: WebhookRow, url: &str) -> ShownWebhook {
    // A host in capitals, or a port that goes without saying, is the same.
    let same = |text: &str| {
        let url = Url::parse(text).map_or_else(|_| text.to_owned(), String::from);
        url.trim_end_matches('/').to_owned()
    };
    let is_here = row.webhook_url.map(|its| same(&its) == same(url));
    let is_whole =
        row.trigger_types.map(|told| words(&TRIGGERS).iter().all(|it| told.contains(it)));
    let standing = match row.status.as_deref() {
        Some("failing") => WebhookStanding::Failing,
        Some("failed") => WebhookStanding::Failed,
        Some("pause") => WebhookStanding::Paused,
        // Of one that is another the look of the next hour tells more.
        _ => WebhookStanding::Active,
    };
    ShownWebhook { id: row.id, is_here, is_whole, standing }
}

async fn remove(calls: &NylasCalls, id: &str) -> Result<(), Failure> {
    let path = format!("{PLACE}/{}", encoded(id));
    match calls.ask(Method::DELETE, &path, None).await? {
        HttpAnswer::Answer(_) => Ok(()),
        HttpAnswer::Refused(refusal) if refusal.is_missing() => Ok(()),
        HttpAnswer::Refused(refusal) => Err(refused(&refusal)),
    }
}

async fn make(calls: &NylasCalls, url: &str) -> Result<WebhookAnswer<FreshSecret>, Failure> {
    let triggers = [words(&TRIGGERS), words(&SPARE)].concat();
    let all = json!({
        "webhook_url": url,
        "trigger_types": triggers,
        "description": DESCRIPTION,
        "compressed_delivery": true,
    });
    let fewer = words(&TRIGGERS);
    let plain = json!({ "webhook_url": url, "trigger_types": fewer, "description": DESCRIPTION });
    let place = (Method::POST, PLACE);
    let mut made = asked::<One<NewWebhook>>(calls, place.clone(), Some(all.to_string())).await?;
    if made.as_ref().is_err_and(NylasRefusal::is_of_words) {
        made = asked(calls, place, Some(plain.to_string())).await?;
    }
    match made {
        Ok(One { data }) => {
            let NewWebhook { id, webhook_secret: secret } = data;
            let secret = secret.filter(|secret| !secret.is_empty());
            let told = || unreadable("a webhook was made, and its secret is not told");
            Ok(WebhookAnswer::Made(id, FreshSecret(secret.ok_or_else(told)?)))
        }
        Err(refusal) => Err(refused(&refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: &serde_json::Value) -> ShownWebhook {
        shown(serde_json::from_value(row.clone()).unwrap(), "https://in.example.org/nylas/main")
    }

    #[test]
    fn it_is_known_where_it_is_sent_and_what() {
        let row = json!({"id": "w1", "webhook_url": "https://in.example.org/nylas/main", "trigger_types": words(&TRIGGERS), "status": "active",
            "description": null, "notification_email_addresses": [], "updated_at": 1});
        let good = ShownWebhook {
            id: "w1".into(),
            is_here: Some(true),
            is_whole: Some(true),
            standing: WebhookStanding::Active,
        };
        assert_eq!(read(&row), good);
        let with = |key: &str, value: serde_json::Value| {
            let mut row = row.clone();
            *row.get_mut(key).unwrap() = value;
            read(&row)
        };
        for url in ["https://in.example.org/nylas/main/", "https://IN.example.org:443/nylas/main"] {
            assert_eq!(with("webhook_url", json!(url)), good);
        }
        for url in [
            "https://in.example.org/nylas/other",
            "https://in.example.org",
            "",
            "http://in.example.org/nylas/main",
        ] {
            assert_eq!(with("webhook_url", json!(url)).is_here, Some(false), "{url}");
        }
        let more = json!(&[words(&TRIGGERS), words(&SPARE)].concat());
        assert_eq!(with("trigger_types", more).is_whole, Some(true));
        let fewer = json!(words(&TRIGGERS).split_first().unwrap().1);
        assert_eq!(with("trigger_types", fewer).is_whole, Some(false));
        assert_eq!(with("trigger_types", json!(null)).is_whole, None);
        assert_eq!(with("webhook_url", json!(7)).is_here, None);
        for (status, standing) in [
            ("failing", WebhookStanding::Failing),
            ("failed", WebhookStanding::Failed),
            ("pause", WebhookStanding::Paused),
            ("new words", WebhookStanding::Active),
        ] {
            assert_eq!(with("status", json!(status)).standing, standing);
        }
    }
}
