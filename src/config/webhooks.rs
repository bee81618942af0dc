//! `[webhooks]`: what providers push to, and how it is known that it is they.

use crate::config::account::GMAIL;
use crate::config::listening::{Listening, listening};
use crate::config::oauth::url;
use crate::config::taker::Taker;
use postrider_core::provider::server::{PushPlace, SignedPush};
use std::net::SocketAddr;
use std::path::Path;

/// Its keys.
pub(super) const KEYS: [&str; 8] = [
    "webhooks.listen",
    "webhooks.tls_cert",
    "webhooks.tls_key",
    "webhooks.behind_proxy",
    "webhooks.public_url",
    "webhooks.gmail.service_account",
    "webhooks.gmail.audience",
    "webhooks.gmail.certs_url",
];

/// Where Google shows the keys that it signs with (OpenID Connect discovery, `jwks_uri`).
const CERTS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// What providers push to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Where it listens; nowhere: nothing is taken.
    pub at: Option<Listening>,
    /// Who pushes there.
    pub sources: Vec<PushPlace>,
}

/// A URL that paths are put behind.
fn bare_url(t: &mut Taker<'_>, key: &str) -> Option<String> {
    let text = url(t, key)?;
    if text.contains(['?', '#', '@'])
        && let Some(item) = t.item(key)
    {
        t.wrong(item.place, key, "write it without a user, a question mark and what follows it");
    }
    Some(text)
}

/// Reads the table; the admin API listens at this address.
pub(super) fn webhooks(t: &mut Taker<'_>, base: &Path, admin: SocketAddr) -> Webhooks {
    let at = listening(t, base, "webhooks", None);
    let public = bare_url(t, "webhooks.public_url");
    let gmail = gmail(t, public.as_deref());
    if let (Some(item), None, None) = (t.item("webhooks.listen"), &gmail, &first_of_gmail(t)) {
        let text = "nobody may push there yet; write [webhooks.gmail] with service_account, or leave it out";
        t.wrong(item.place, "webhooks.listen", text);
    }
    if t.item("webhooks.listen").is_none()
        && let Some((key, place)) = KEYS.iter().find_map(|key| Some((*key, t.item(key)?.place)))
    {
        let text = "it is of no use without an address that providers reach; write listen = \"127.0.0.1:8026\" into [webhooks]";
        t.wrong(place, key, text);
    }
    let place = |signed| PushPlace { provider: GMAIL, signed };
    if let (Some(item), Some(at)) = (t.item("webhooks.listen"), &at)
        && at.listen.port() != 0
        && at.listen == admin
    {
        t.wrong(item.place, "webhooks.listen", "the admin API listens there; write another port");
    }
    Webhooks { at, sources: gmail.map(place).into_iter().collect() }
}

/// The first of the keys of `[webhooks.gmail]` that is written.
fn first_of_gmail(t: &Taker<'_>) -> Option<&'static str> {
    KEYS.iter().copied().find(|key| key.starts_with("webhooks.gmail.") && t.item(key).is_some())
}

/// Gmail pushes through Google's Pub/Sub.
fn gmail(t: &mut Taker<'_>, public: Option<&str>) -> Option<SignedPush> {
    let said = first_of_gmail(t)?;
    let place = t.item(said)?.place;
    let certs = bare_url(t, "webhooks.gmail.certs_url").unwrap_or_else(|| CERTS.into());
    let account = t.text("webhooks.gmail.service_account");
    let audience = t.text("webhooks.gmail.audience");
    if let (Some(item), Some(_)) = (t.item("webhooks.public_url"), &audience) {
        let text = "it is used for the audience alone, and that is written; keep one";
        t.wrong(item.place, "webhooks.public_url", text);
    }
    let audience = audience.or_else(|| Some(format!("{}/gmail", public?.trim_end_matches('/'))));
    let is_address = |text: &String| text.contains('@') && !text.contains(char::is_whitespace);
    if !account.as_ref().is_some_and(is_address) {
        let at = t.item("webhooks.gmail.service_account").map_or(place.clone(), |item| item.place);
        let text = "write the address of the service account that the subscription signs with, like push@project.iam.gserviceaccount.com";
        t.wrong(at, "webhooks.gmail.service_account", text);
        return None;
    }
    if audience.is_none() {
        let text = "write the audience of the subscription, or public_url into [webhooks]: it is then that URL with /gmail";
        t.wrong(place, "webhooks.gmail.audience", text);
        return None;
    }
    Some(SignedPush { signer: account?, audience: audience?, certs })
}
