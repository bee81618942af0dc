//! Where a mailbox is that is reached by an HTTP API, and what may be spent there.

use crate::config::mailbox::MailboxPlace;
use crate::config::oauth::url;
use crate::config::raw::RawValue;
use crate::config::taker::Taker;
use oauth2::url::Url;
use postrider_core::provider::server::{Api, QuotaPlan, Security};
use postrider_core::run::filter::FolderFilter;

/// Where Gmail's API is.
const GMAIL: &str = "https://gmail.googleapis.com";

/// Google, "Usage limits" of the Gmail API: projects made since May 2026. A tenth of what all may
/// spend in a day is kept below the limit at which it costs money.
const PLAN_2026: QuotaPlan =
    QuotaPlan { user: 6_000, shared: 1_200_000, day: Some(72_000_000), get: 20 };
/// The same, for projects that used the API between November 2025 and April 2026.
const LEGACY: QuotaPlan = QuotaPlan { user: 15_000, shared: 1_200_000, day: None, get: 5 };

/// Reads the keys of Gmail.
pub(super) fn gmail(t: &mut Taker<'_>) -> Option<MailboxPlace> {
    let text = url(t, "api_url").unwrap_or_else(|| GMAIL.into());
    let profiles = [("2026", PLAN_2026), ("legacy", LEGACY)];
    let plan = t.choice("quota_profile", &profiles, PLAN_2026);
    if let (Some(item), Some(_)) = (t.item("quota.per_minute"), t.item("quota_profile")) {
        let text = "there are both, a profile and numbers of your own; keep one";
        t.wrong(item.place, "quota.per_minute", text);
    }
    let user = t.number("quota.per_minute", plan.user, 1, 1_000_000_000);
    let shared = t.number("quota.shared_per_minute", plan.shared.max(user), 1, 1_000_000_000);
    let get = t.number("quota.get", plan.get, 1, 10_000);
    let day =
        t.take("quota.per_day", plan.day, "a number of units, or \"none\"", |value| match value {
            RawValue::Number(n) => u64::try_from(*n).ok().filter(|n| *n > 0).map(Some),
            RawValue::Text(text) if text == "none" => Some(None),
            _ => None,
        });
    // Less would never let a message be read: a tenth is kept for what is new.
    for (key, limit) in [("quota.per_minute", user), ("quota.shared_per_minute", shared)] {
        if limit < get.saturating_mul(2) {
            let place = t.item(key).map_or_else(|| t.missing.clone(), |item| item.place);
            let text = format!(
                "{limit} is too little to read a message, which costs {get}; write {} or more",
                get.saturating_mul(2)
            );
            t.wrong(place, key, text);
        }
    }
    let plan = QuotaPlan { user, shared, day, get };
    place(t, &text, plan)
}

/// Where an API is: this text, or what `api_url` says.
pub(super) fn place(t: &mut Taker<'_>, text: &str, plan: QuotaPlan) -> Option<MailboxPlace> {
    // What is no URL has been told.
    let url = Url::parse(text).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none();
    if !is_bare || url.query().is_some() || url.fragment().is_some() {
        if let Some(item) = t.item("api_url") {
            let text = "write it without a user, a question mark and what follows it";
            t.wrong(item.place, "api_url", text);
        }
        return None;
    }
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let security = if url.scheme() == "http" { Security::Plain } else { Security::Implicit };
    let base = url.path().trim_end_matches('/').to_owned();
    Some(MailboxPlace { host, port, security, api: Some(Api { base, plan, grant: None }) })
}

/// IMAP's names of Gmail's places would match nothing here, and nobody would know.
pub(super) fn names_of_imap(t: &mut Taker<'_>, folders: &FolderFilter) {
    for (key, patterns) in
        [("folders.include", &folders.include), ("folders.exclude", &folders.exclude)]
    {
        let is_of_imap =
            |name: &&String| name.starts_with("[Gmail]") || name.starts_with("[Google Mail]");
        let found: Vec<String> =
            patterns.iter().filter(is_of_imap).map(|name| format!("\"{name}\"")).collect();
        if let (false, Some(item)) = (found.is_empty(), t.item(key)) {
            let text = format!(
                "{} would match nothing: that is a name of IMAP's. Here they are INBOX, Sent, Drafts, Trash, Spam, All Mail",
                found.join(", ")
            );
            t.wrong(item.place, key, text);
        }
    }
}
