//! `[webhooks]`: what providers push to, and how it is known that it is they.

use crate::config::account::GMAIL;
use crate::config::listening::{Listening, listening};
use crate::config::nylas::MayPush;
use crate::config::oauth::url;
use crate::config::raw::Origin;
use crate::config::taker::Taker;
use postrider_core::provider::server::{PulledPush, PushPlace, PushWay, SignedPush};
use std::net::SocketAddr;
use std::path::Path;

/// Its keys.
pub(super) const KEYS: [&str; 12] = [
    "webhooks.listen",
    "webhooks.tls_cert",
    "webhooks.tls_key",
    "webhooks.behind_proxy",
    "webhooks.public_url",
    "webhooks.gmail.topic",
    "webhooks.gmail.service_account",
    "webhooks.gmail.audience",
    "webhooks.gmail.certs_url",
    "webhooks.gmail.subscription",
    "webhooks.gmail.service_account_file",
    "webhooks.gmail.pubsub_url",
];
/// Those of the address.
const LISTENER: [&str; 4] =
    ["webhooks.tls_cert", "webhooks.tls_key", "webhooks.behind_proxy", "webhooks.public_url"];
/// Those of Gmail.
const GMAIL_KEYS: [&str; 7] = [
    "webhooks.gmail.topic",
    "webhooks.gmail.service_account",
    "webhooks.gmail.audience",
    "webhooks.gmail.certs_url",
    "webhooks.gmail.subscription",
    "webhooks.gmail.service_account_file",
    "webhooks.gmail.pubsub_url",
];
/// Those of what Gmail sends here, and of what is pulled.
const SENT: [&str; 3] =
    ["webhooks.gmail.service_account", "webhooks.gmail.audience", "webhooks.gmail.certs_url"];
const PULLED: [&str; 3] = [
    "webhooks.gmail.subscription",
    "webhooks.gmail.service_account_file",
    "webhooks.gmail.pubsub_url",
];

/// What the key is written as that secrets are sealed with.
const SEALS: &str = "credentials.key_";

/// Where Google shows the keys that it signs with (OpenID Connect discovery, `jwks_uri`).
const CERTS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// Where Pub/Sub's API is.
const PUBSUB: &str = "https://pubsub.googleapis.com";

/// What providers push to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Where it listens; nowhere: nothing is taken.
    pub at: Option<Listening>,
    /// What providers are told that this is.
    pub public: Option<String>,
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

/// Reads the table; the admin API listens at this address, and others than Gmail push, or none do.
pub(super) fn webhooks(
    t: &mut Taker<'_>,
    base: &Path,
    (admin, others): (SocketAddr, MayPush),
) -> Webhooks {
    let at = listening(t, base, "webhooks", None);
    let public = bare_url(t, "webhooks.public_url");
    let gmail = gmail(t, base, (public.as_deref(), others.asked));
    let seals = t.items.keys().any(|key| key.starts_with(SEALS));
    let others = others.set_up || (others.asked && public.is_some() && seals);
    let listens = t.item("webhooks.listen").map(|item| item.place);
    let sent = first_of(t, &SENT);
    // Of what has no use, the first that is written.
    let idle = LISTENER.iter().chain(&SENT).find_map(|key| Some((*key, t.item(key)?.place)));
    match (listens, idle) {
        (Some(place), _)
            if sent.is_none()
                && !others
                && (gmail.is_some() || first_of(t, &GMAIL_KEYS).is_none()) =>
        {
            let text = "nobody may push there yet; write [webhooks.gmail] with service_account, or a [nylas.NAME], with webhook_secret_file in it, or with public_url here and key_file in [credentials] (its webhook is then asked for), or leave it out";
            t.wrong(place, "webhooks.listen", text);
        }
        (Some(place), _)
            if at.as_ref().is_some_and(|at| at.listen.port() != 0 && at.listen == admin) =>
        {
            let text = "the admin API listens there; write another port";
            t.wrong(place, "webhooks.listen", text);
        }
        // Where both ways are written, that is said.
        (None, Some((key, place))) if first_of(t, &PULLED).is_none() || sent.is_none() => {
            let text = "it is of no use without an address that providers reach; write listen = \"127.0.0.1:8026\" into [webhooks]";
            t.wrong(place, key, text);
        }
        _ => {}
    }
    Webhooks { at, public, sources: gmail.into_iter().collect() }
}

/// The first of these keys that is written.
fn first_of(t: &Taker<'_>, keys: &[&'static str]) -> Option<&'static str> {
    keys.iter().copied().find(|key| t.item(key).is_some())
}

/// A name of Pub/Sub's: `projects/P/KIND/NAME`.
fn resource(t: &mut Taker<'_>, key: &str, kind: &str) -> Option<String> {
    let text = t.text(key)?;
    let parts: Vec<&str> = text.split('/').collect();
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+%:".contains(&b))
    };
    if let ["projects", project, of, name] = parts.as_slice()
        && *of == kind
        && is_plain(project)
        && is_plain(name)
    {
        return Some(text);
    }
    let place = t.item(key)?.place;
    t.wrong(place, key, format!("\"{text}\" will not do; write projects/PROJECT/{kind}/NAME"));
    None
}

/// Gmail pushes through Google's Pub/Sub.
fn gmail(t: &mut Taker<'_>, base: &Path, public: (Option<&str>, bool)) -> Option<PushPlace> {
    let said = first_of(t, &GMAIL_KEYS)?;
    let place = t.item(said)?.place;
    let topic = resource(t, "webhooks.gmail.topic", "topics");
    let way = match (first_of(t, &SENT), first_of(t, &PULLED)) {
        (Some(sent), Some(_)) => {
            let place = t.item(sent)?.place;
            let text = "what is pulled with `subscription` is not sent here as well; keep service_account (it is sent) or subscription with service_account_file (it is pulled)";
            t.wrong(place, sent, text);
            return None;
        }
        (None, None) => {
            let text = "write service_account (what is pushed is sent here), or subscription and service_account_file (it is pulled)";
            t.wrong(place, said, text);
            return None;
        }
        (Some(_), None) => PushWay::Signed(signed(t, place, public)?),
        (None, Some(_)) => PushWay::Pulled(pulled(t, base, place)?),
    };
    Some(PushPlace { provider: GMAIL, topic, way })
}

/// It is sent here, and signed; others may be told the public address, too.
fn signed(
    t: &mut Taker<'_>,
    place: Origin,
    (public, others): (Option<&str>, bool),
) -> Option<SignedPush> {
    let certs = bare_url(t, "webhooks.gmail.certs_url").unwrap_or_else(|| CERTS.into());
    let account = t.text("webhooks.gmail.service_account");
    let audience = t.text("webhooks.gmail.audience");
    if let (Some(item), Some(_), false) = (t.item("webhooks.public_url"), &audience, others) {
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

/// It is asked for.
fn pulled(t: &mut Taker<'_>, base: &Path, place: Origin) -> Option<PulledPush> {
    let api = bare_url(t, "webhooks.gmail.pubsub_url").unwrap_or_else(|| PUBSUB.into());
    let subscription = resource(t, "webhooks.gmail.subscription", "subscriptions");
    let key_file = t.text("webhooks.gmail.service_account_file").map(|file| base.join(file));
    if subscription.is_none() && t.item("webhooks.gmail.subscription").is_none() {
        let text =
            "write the subscription that is pulled from: projects/PROJECT/subscriptions/NAME";
        t.wrong(place.clone(), "webhooks.gmail.subscription", text);
    }
    if key_file.is_none() && t.item("webhooks.gmail.service_account_file").is_none() {
        let text = "write the file with the key (JSON) of a service account that may pull (roles/pubsub.subscriber)";
        t.wrong(place, "webhooks.gmail.service_account_file", text);
    }
    let api = api.trim_end_matches('/').to_owned();
    Some(PulledPush { subscription: subscription?, api, key_file: key_file? })
}
