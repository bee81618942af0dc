//! `[oauth.*]` and `[credentials]`: the OAuth clients that accounts may name, and the key that their
//! tokens are sealed with.

use crate::config::host::is_loopback;
use crate::config::mailbox::SecretFrom;
use crate::config::raw::RawValue;
use crate::config::taker::Taker;
use oauth2::url::Url;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An OAuth client that was registered with an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthClient {
    /// Its name here: `google`, `microsoft`.
    pub name: &'static str,
    /// Its id.
    pub client_id: String,
    /// The file of its secret; a public client has none.
    pub client_secret: Option<PathBuf>,
    /// Where a human grants access.
    pub auth_url: String,
    /// Where tokens are issued.
    pub token_url: String,
    /// Where a grant on another device begins; none gives access to mail there.
    pub device_url: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The file of a service account's key, for accounts whose `auth` is `service.NAME`.
    pub service_key: Option<PathBuf>,
}

/// Issuers that are known, and what they are asked for IMAP.
struct KnownIssuer {
    name: &'static str,
    auth_url: &'static str,
    token_url: &'static str,
    device_url: Option<&'static str>,
    scopes: &'static [&'static str],
}

const KNOWN: [KnownIssuer; 2] = [
    KnownIssuer {
        name: "google",
        auth_url: "https://accounts.google.com/o/oauth2/v2/auth",
        token_url: "https://oauth2.googleapis.com/token",
        // It has one, which gives no access to mail.
        device_url: None,
        scopes: &["https://mail.google.com/", "openid", "email"],
    },
    KnownIssuer {
        name: "microsoft",
        auth_url: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        device_url: Some("https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"),
        scopes: &[
            "https://outlook.office.com/IMAP.AccessAsUser.All",
            "offline_access",
            "openid",
            "email",
        ],
    },
];

/// Every key of the two tables.
pub(super) const KEYS: [&str; 16] = [
    "credentials.key_file",
    "credentials.key_env",
    "credentials.key_command",
    "oauth.google.client_id",
    "oauth.google.client_secret_file",
    "oauth.google.auth_url",
    "oauth.google.token_url",
    "oauth.google.device_url",
    "oauth.google.service_account_file",
    "oauth.google.scopes",
    "oauth.microsoft.client_id",
    "oauth.microsoft.client_secret_file",
    "oauth.microsoft.auth_url",
    "oauth.microsoft.token_url",
    "oauth.microsoft.device_url",
    "oauth.microsoft.scopes",
];

/// The clients, by name.
pub(super) fn clients(t: &mut Taker<'_>, base: &Path) -> BTreeMap<&'static str, OAuthClient> {
    let mut clients = BTreeMap::new();
    for known in KNOWN {
        let key = |end: &str| format!("oauth.{}.{end}", known.name);
        let scopes = known.scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let client = OAuthClient {
            name: known.name,
            client_id: t.text(&key("client_id")).unwrap_or_default(),
            client_secret: t.text(&key("client_secret_file")).map(|file| base.join(file)),
            auth_url: url(t, &key("auth_url")).unwrap_or_else(|| known.auth_url.into()),
            token_url: url(t, &key("token_url")).unwrap_or_else(|| known.token_url.into()),
            device_url: url(t, &key("device_url")).or(known.device_url.map(str::to_owned)),
            scopes: t.list(&key("scopes"), scopes),
            service_key: t.text(&key("service_account_file")).map(|file| base.join(file)),
        };
        let ends = [
            "client_id",
            "client_secret_file",
            "auth_url",
            "token_url",
            "device_url",
            "scopes",
            "service_account_file",
        ];
        let Some(said) = ends.iter().find_map(|end| t.item(&key(end))) else { continue };
        if client.client_id.is_empty() && client.service_key.is_none() {
            let text = "it is missing: write the id that the issuer gave your client";
            t.wrong(said.place.clone(), &key("client_id"), text);
        }
        if client.scopes.is_empty() {
            let text =
                "an empty list asks for nothing; leave it out for the scopes that IMAP needs";
            t.wrong(said.place, &key("scopes"), text);
        }
        clients.insert(known.name, client);
    }
    clients
}

/// A URL that secrets may go to.
pub(super) fn url(t: &mut Taker<'_>, key: &str) -> Option<String> {
    let text = t.text(key)?;
    if let (Some(why), Some(item)) = (unsafe_url(&text), t.item(key)) {
        // What may be a password in it is not repeated.
        let shown = text.rsplit_once('@').map_or(text.as_str(), |(_, place)| place);
        t.wrong(item.place, key, format!("\"{shown}\" will not do; {why}"));
    }
    Some(text)
}

/// Whether secrets may go there.
#[must_use]
pub fn is_safe_url(text: &str) -> bool {
    unsafe_url(text).is_none()
}

/// Why secrets may not go there, and what to write.
fn unsafe_url(text: &str) -> Option<&'static str> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(oauth2::url::ParseError::InvalidPort) => return Some("a port is at most 65535"),
        Err(_) => return Some("it is no URL; write one that begins with https://"),
    };
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => None,
        ("http", Some(host)) if is_loopback(host.trim_matches(['[', ']'])) => None,
        ("http", Some(_)) => Some(
            "secrets would cross the network in the clear; write https:// (http:// is for this machine alone, like http://127.0.0.1:8080)",
        ),
        _ => Some("write a URL that begins with https://"),
    }
}

/// Where the key comes from that tokens are sealed with: one place, or, under systemd, the
/// credential `postrider.key`.
pub(super) fn key(t: &mut Taker<'_>, base: &Path) -> Option<SecretFrom> {
    let mut found = Vec::new();
    for end in ["key_file", "key_env", "key_command"] {
        let key = format!("credentials.{end}");
        let Some(text) = t.text(&key) else { continue };
        found.push(match end {
            "key_file" => SecretFrom::File(base.join(text)),
            "key_env" => SecretFrom::Variable(text),
            _ => SecretFrom::Command(text),
        });
    }
    if found.len() > 1
        && let Some(item) = t.item("credentials.key_file").or_else(|| t.item("credentials.key_env"))
    {
        t.wrong(item.place, "credentials", "there are several keys; keep one");
    }
    let of_systemd = || {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
        let file = Path::new(&folder).join("postrider.key");
        file.exists().then_some(SecretFrom::File(file))
    };
    found.pop().or_else(of_systemd)
}

/// The client that an account names as `oauth.NAME`, or the service account as `service.NAME`.
pub(super) fn named(
    t: &mut Taker<'_>,
    clients: &BTreeMap<&'static str, OAuthClient>,
) -> Option<SecretFrom> {
    let item = t.item("auth")?;
    let text = if let RawValue::Text(text) = &item.value { text.as_str() } else { "" };
    if text == "service.google" {
        if clients.get("google").is_some_and(|client| client.service_key.is_some()) {
            return Some(SecretFrom::Service("google"));
        }
        let text = "there is no service account; write service_account_file = \"secrets/service.json\" into [oauth.google]";
        t.wrong(item.place, "auth", text);
        return None;
    }
    let name = text.strip_prefix("oauth.");
    let known = KNOWN.iter().find(|known| Some(known.name) == name);
    match known {
        Some(known) if clients.get(known.name).is_some_and(|c| !c.client_id.is_empty()) => {
            Some(SecretFrom::Grant(known.name))
        }
        Some(known) => {
            let text = if clients.contains_key(known.name) {
                format!("[oauth.{}] has no client_id; write it", known.name)
            } else {
                format!("there is no [oauth.{}]; write it, with client_id", known.name)
            };
            t.wrong(item.place, "auth", text);
            None
        }
        None => {
            let text = "write \"oauth.google\", \"oauth.microsoft\" or \"service.google\", or leave it out for a password";
            t.wrong(item.place, "auth", text);
            None
        }
    }
}
