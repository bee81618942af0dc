//! One `[[account]]`: from what the file says to a mailbox that can be reached, or to all that is
//! wrong with it.

use crate::config::api;
use crate::config::host::is_loopback;
use crate::config::mailbox::{Account, Login, MailboxPlace, SecretFrom};
use crate::config::nylas::{self, NylasApplication};
use crate::config::oauth::{OAuthClient, named};
use crate::config::proxy::proxy;
use crate::config::raw::{Origin, RawValue};
use crate::config::secret::is_open;
use crate::config::taker::Taker;
use crate::config::units;
use postrider_core::provider::server::{Proxy, Security};
use postrider_core::run::filter::FolderFilter;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// The provider that is meant where none is written.
pub const IMAP: &str = "imap";
/// Gmail's API.
pub const GMAIL: &str = "gmail";
/// Nylas.
pub const NYLAS: &str = "nylas";

/// Keys of every account.
const OF_ALL: [&str; 9] = [
    "id",
    "addresses",
    "provider",
    "ca_file",
    "username",
    "owner",
    "was",
    "folders.include",
    "folders.exclude",
];
/// Keys of those that log in by themselves.
const OF_LOGIN: [&str; 2] = ["access_token_file", "auth"];

/// Keys of IMAP alone.
const OF_IMAP: [&str; 12] = [
    "host",
    "port",
    "tls",
    "allow_plaintext",
    "password",
    "password_file",
    "password_env",
    "password_command",
    "download_per_day",
    "compress",
    "proxy",
    "proxy_password_file",
];
/// Keys of Gmail alone.
const OF_GMAIL: [&str; 6] = [
    "api_url",
    "quota_profile",
    "quota.per_minute",
    "quota.shared_per_minute",
    "quota.per_day",
    "quota.get",
];
/// Keys of Nylas alone.
const OF_NYLAS: [&str; 2] = ["application", "grant_id"];

/// The keys that say what is shown at a login; one of them is enough.
const SECRETS: [&str; 6] =
    ["password_file", "password_env", "password_command", "password", "access_token_file", "auth"];

/// What an account may name for its login.
#[derive(Clone, Copy)]
pub(super) struct Logins<'a> {
    pub(super) clients: &'a BTreeMap<&'static str, OAuthClient>,
    pub(super) applications: &'a BTreeMap<String, Option<NylasApplication>>,
    /// That a grant is gone is believed so long after it was seen first.
    pub(super) gone_after: Duration,
}

pub(super) fn account(
    t: &mut Taker<'_>,
    base: &Path,
    place: &Origin,
    logins: Logins<'_>,
    warnings: &mut Vec<String>,
) -> Option<Account> {
    let before = t.problems.len();
    t.unknown(&[&OF_ALL[..], &OF_LOGIN, &OF_IMAP, &OF_GMAIL, &OF_NYLAS].concat());
    let id = required(t, before, "id", "work");
    let provider = provider(t);
    let is_imap = provider == Some(IMAP);
    let (found, key) = match provider {
        Some(GMAIL) => (api::gmail(t), None),
        Some(NYLAS) => nylas::granted(t, logins.applications, logins.gone_after).unzip(),
        Some(_) => (Some(imap(t, before, place)), None),
        None => (None, None),
    };
    let username = required(t, before, "username", "me@example.org");
    let ca_file = t.text("ca_file").map(|file| base.join(file));
    let ca_file_at = t.item("ca_file").map_or_else(|| place.clone(), |item| item.place);
    let host = found.as_ref().map(|found| found.host.clone()).unwrap_or_default();
    let owner = t.text("owner");
    let addresses = addresses(t, &username);
    let was = t.text("was").filter(|was| !was.is_empty());
    let username_at = t.item("username").map_or_else(|| place.clone(), |item| item.place);
    if was.as_deref() == Some(id.as_str())
        && let Some(item) = t.item("was")
    {
        let text = "it names the account itself; write the id it had before, or leave it out";
        t.wrong(item.place, "was", text);
    }
    let folders = folders(t);
    let whose = owner.clone().unwrap_or_else(|| "nobody".to_owned());
    for (key, text) in [("host", &host), ("id", &id), ("username", &username), ("owner", &whose)] {
        if let Some(item) = t.item(key)
            && let Some(why) = unfit(key, text)
        {
            t.wrong(item.place, key, format!("{text:?} will not do; {why}"));
        }
    }
    if provider == Some(GMAIL) {
        api::names_of_imap(t, &folders);
    }
    let download_per_day = if is_imap { download(t, &host) } else { None };
    let proxy = if is_imap { proxy(t, base, warnings) } else { None };
    // Nylas packs what it is asked for.
    let compress = provider == Some(NYLAS) || t.flag("compress");
    if found.as_ref().is_some_and(|found| found.security == Security::Plain) {
        not_in_the_clear(t, proxy.as_ref());
    }
    let secret = match provider {
        Some(NYLAS) => key,
        _ => login(t, base, (&id, provider == Some(GMAIL)), (before, logins.clients), warnings),
    };
    if t.problems.len() > before {
        return None;
    }
    let (secret, secret_at) = secret?;
    let MailboxPlace { host, port, security, api } = found?;
    Some(Account {
        id,
        was,
        owner,
        addresses,
        provider: provider?,
        host,
        port,
        security,
        api,
        proxy,
        compress,
        ca_file,
        ca_file_at,
        username,
        username_at,
        secret,
        secret_at,
        folders,
        download_per_day,
    })
}

/// Which provider is meant; keys of another one are refused.
fn provider(t: &mut Taker<'_>) -> Option<&'static str> {
    let (of_imap, of_gmail, of_nylas) =
        ((&OF_IMAP[..], IMAP), (&OF_GMAIL[..], GMAIL), (&OF_NYLAS[..], NYLAS));
    let (provider, strange) = match t.text("provider").as_deref() {
        None | Some(IMAP) => (IMAP, vec![of_gmail, of_nylas]),
        Some(GMAIL) => (GMAIL, vec![of_imap, of_nylas]),
        Some(NYLAS) => {
            for key in OF_LOGIN {
                if let Some(item) = t.item(key) {
                    let text = "what is shown to Nylas is the application's key: write api_key_file into [nylas.NAME], and leave this out";
                    t.wrong(item.place, key, text);
                }
            }
            (NYLAS, vec![of_imap, of_gmail])
        }
        // Which keys are meant is not known.
        Some(unknown) => {
            if let Some(item) = t.item("provider") {
                let text = format!(
                    "\"{unknown}\" is not supported; write \"{IMAP}\", \"{GMAIL}\" or \"{NYLAS}\""
                );
                t.wrong(item.place, "provider", text);
            }
            return None;
        }
    };
    for (key, other) in
        strange.iter().flat_map(|(keys, other)| keys.iter().map(move |k| (*k, *other)))
    {
        if let Some(item) = t.item(key) {
            t.wrong(item.place, key, format!("it is for provider = \"{other}\"; leave it out"));
        }
    }
    Some(provider)
}

/// What an account shows that logs in by itself.
fn login(
    t: &mut Taker<'_>,
    base: &Path,
    (id, is_gmail): (&str, bool),
    (before, clients): (usize, &BTreeMap<&'static str, OAuthClient>),
    warnings: &mut Vec<String>,
) -> Option<Login> {
    let key = SECRETS.into_iter().find(|key| t.item(key).is_some());
    let at = key.and_then(|key| t.item(key)).map_or_else(|| t.missing.clone(), |item| item.place);
    let grant = named(t, clients).map(|grant| ("auth", grant));
    if let (true, Some((_, SecretFrom::Grant(name))), Some(item)) =
        (is_gmail, &grant, t.item("auth"))
        && *name != "google"
    {
        let text = "Gmail takes tokens of Google; write \"oauth.google\" or \"service.google\"";
        t.wrong(item.place, "auth", text);
    }
    let secret = secret(t, base, (id, is_gmail), (before, grant), warnings)?;
    Some((secret, (at, key.unwrap_or("password_file"))))
}

/// What is written, or the username where that is an address.
fn addresses(t: &mut Taker<'_>, username: &str) -> Vec<String> {
    let addresses = t.list("addresses", Vec::new());
    if let Some(item) = t.item("addresses") {
        for address in addresses.iter().filter(|address| !is_address(address)) {
            let text = format!(
                "{address:?} is no address; write addresses = [\"me@example.org\"], each as mail has it"
            );
            t.wrong(item.place.clone(), "addresses", text);
        }
        return addresses;
    }
    [username].into_iter().filter(|name| is_address(name)).map(str::to_owned).collect()
}

/// Whether mail can come from it: something before the last `@`, and the name of a host behind it.
fn is_address(text: &str) -> bool {
    let is_plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    is_plain
        && text.rsplit_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
}

fn folders(t: &mut Taker<'_>) -> FolderFilter {
    let include = t.list("folders.include", vec!["*".into()]);
    if include.is_empty()
        && let Some(item) = t.item("folders.include")
    {
        let text = "an empty list leaves nothing to sync; write [\"*\"] for every folder";
        t.wrong(item.place, "folders.include", text);
    }
    FolderFilter { include, exclude: t.list("folders.exclude", Vec::new()) }
}

/// A proxy elsewhere hears what a server is told without TLS.
fn not_in_the_clear(t: &mut Taker<'_>, proxy: Option<&Proxy>) {
    if let (Some(way), Some(item)) = (proxy, t.item("proxy"))
        && !is_loopback(&way.host)
        && !t.flag("allow_plaintext")
    {
        let text = "a password would cross the network in the clear, up to the proxy and behind it; write tls = \"implicit\" or \"starttls\", or allow_plaintext = true";
        t.wrong(item.place, "proxy", text);
    }
}

/// A text that must be there.
fn required(t: &mut Taker<'_>, before: usize, key: &str, example: &str) -> String {
    let text = t.text(key).unwrap_or_default();
    if text.is_empty() && !t.problems.iter().skip(before).any(|p| p.key == key) {
        let place = t.item(key).map_or_else(|| t.missing.clone(), |item| item.place);
        t.wrong(place, key, format!("it is missing; write {key} = \"{example}\""));
    }
    text
}

/// Reads the keys of IMAP.
fn imap(t: &mut Taker<'_>, before: usize, place: &Origin) -> MailboxPlace {
    let host = required(t, before, "host", "imap.example.org");
    let choices = [
        ("implicit", Security::Implicit),
        ("starttls", Security::StartTls),
        ("none", Security::Plain),
    ];
    let security = t.choice("tls", &choices, Security::Implicit);
    let default_port = if security == Security::Implicit { 993 } else { 143 };
    let port = u16::try_from(t.number("port", default_port, 1, 65_535)).unwrap_or(993);
    if security == Security::Plain && !is_loopback(&host) && !t.flag("allow_plaintext") {
        let place = t.item("tls").map_or_else(|| place.clone(), |item| item.place);
        let text = "a password would cross the network in the clear; write \"implicit\" or \"starttls\", or allow_plaintext = true";
        t.wrong(place, "tls", text);
    }
    MailboxPlace { host, port, security, api: None }
}

/// Octets that Gmail lets an account read over IMAP in a day; beyond that it locks the account out
/// for up to 24 hours. Source: Google, "Gmail bandwidth limits".
const GMAIL_PER_DAY: u64 = 2_500_000_000;
/// Where that holds.
const GMAIL_IMAP: [&str; 2] = ["imap.gmail.com", "imap.googlemail.com"];

/// Octets that a provider is known to allow in a day.
#[must_use]
pub fn known_download(host: &str) -> Option<u64> {
    let is_gmail = GMAIL_IMAP.iter().any(|gmail| host.eq_ignore_ascii_case(gmail));
    is_gmail.then_some(GMAIL_PER_DAY)
}

/// What is written, "none", or what the provider is known to allow.
fn download(t: &mut Taker<'_>, host: &str) -> Option<u64> {
    let known = known_download(host);
    let want = "a size like \"2500MB\" (at least \"1MB\"), or \"none\"";
    t.take("download_per_day", known, want, |value| match value {
        RawValue::Text(text) if text == "none" => Some(None),
        RawValue::Text(text) => units::size(text).filter(|n| *n >= 1_000_000).map(Some),
        _ => None,
    })
}

/// Why a host or an id cannot be used, and what to write.
fn unfit(key: &str, text: &str) -> Option<&'static str> {
    let is_address = text.parse::<IpAddr>().is_ok();
    match key {
        "host" if !is_address && text.contains([':', '/', '@', ' ']) => {
            Some("write the bare name, like \"imap.example.org\", and the port as port = 993")
        }
        "username" if text.contains(char::is_control) => {
            Some("write it without line breaks and control characters")
        }
        "id" if text.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | ' ')) => {
            Some("write a name without spaces and slashes, like \"work\"")
        }
        // A line of admin.token names it.
        "owner"
            if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) =>
        {
            Some("write a name without spaces, like \"ada\"")
        }
        // No path and no command could name it.
        "id" if text.starts_with('-') || matches!(text, "." | "..") => {
            Some("write a name that begins with a letter or a digit, like \"work\"")
        }
        _ => None,
    }
}

fn secret(
    t: &mut Taker<'_>,
    base: &Path,
    (id, is_gmail): (&str, bool),
    (before, grant): (usize, Option<(&'static str, SecretFrom)>),
    warnings: &mut Vec<String>,
) -> Option<SecretFrom> {
    let mut found: Vec<(&'static str, SecretFrom)> = grant.into_iter().collect();
    for key in ["password_file", "access_token_file"] {
        let Some(file) = t.text(key) else { continue };
        let file = base.join(file);
        if is_open(&file) {
            let (shown, place) =
                (file.display(), t.item(key).map_or_else(|| t.missing.clone(), |i| i.place));
            warnings.push(format!("{place}: {shown} can be read by others: chmod 600 {shown} (or 640, where a group of its own is to read it)"));
        }
        let is_token = key == "access_token_file";
        found.push((key, if is_token { SecretFrom::Token(file) } else { SecretFrom::File(file) }));
    }
    if let Some(name) = t.text("password_env") {
        found.push(("password_env", SecretFrom::Variable(name)));
    }
    if let Some(command) = t.text("password_command") {
        found.push(("password_command", SecretFrom::Command(command)));
    }
    // Never through `take`: its message would print the value.
    if let Some(item) = t.item("password") {
        match item.value {
            RawValue::Text(text) if text.is_empty() => {
                t.wrong(item.place, "password", "it is empty")
            }
            RawValue::Text(text) if text.contains('\0') => {
                t.wrong(item.place, "password", "it has a NUL, which no login can carry");
            }
            RawValue::Text(text) => {
                warnings.push(format!(
                    "{}: account {id} has its password in the config; password_file is safer",
                    item.place
                ));
                found.push(("password", SecretFrom::Inline(text.into())));
            }
            _ => t.wrong(item.place, "password", "it must be a string"),
        }
    }
    if found.len() > 1 {
        let keys: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
        t.wrong(
            t.missing.clone(),
            "password",
            format!("there are several ({}); keep one", keys.join(", ")),
        );
        return None;
    }
    let is_said = |key: &str| SECRETS.contains(&key);
    if found.is_empty() && !t.problems.iter().skip(before).any(|p| is_said(&p.key)) {
        t.wrong(
            t.missing.clone(),
            if is_gmail { "auth" } else { "password_file" },
            if is_gmail {
                "there is no access; write auth = \"oauth.google\" or \"service.google\", or access_token_file"
            } else {
                "there is no password; write password_file = \"secrets/NAME\", or access_token_file where the server takes OAuth2"
            },
        );
    }
    found.pop().map(|(_, secret)| secret)
}
