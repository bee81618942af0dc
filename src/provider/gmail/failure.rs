//! The table from what Gmail's API refuses to failures, by `reason`: the one place that matches its
//! texts. The status alone says little: a limit is 403 or 429, a missing scope is 403, too.
//! Source: Google, "Resolve errors" of the Gmail API.

use crate::provider::api::http::unreadable;
use crate::provider::gmail::wire::{AnyBody, RefusalBody};
use postrider_core::failure::{Class, Excess, Failure, Provenance, Reach, When};
use postrider_core::time::Micros;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the server said instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GmailRefusal {
    pub(super) status: u16,
    /// The first reason that it names; empty where its body is no JSON of this API.
    pub(super) reason: String,
    pub(super) message: String,
    /// The header Retry-After.
    pub(super) after: Option<Duration>,
    /// Its body is this API's.
    pub(super) is_told: bool,
    /// It is JSON, at least.
    pub(super) is_json: bool,
    /// It was no refusal: an answer that is longer than any may be. It may be asked for in parts.
    pub(super) is_too_long: bool,
}

/// Reasons, and what they mean.
///
/// A wrong "permanent" loses mail, a wrong "transient" costs a few capped tries: what is not here
/// is judged by its status, then backs off.
const REASONS: &[(&str, Class, Reach, When)] = &[
    ("rateLimitExceeded", Class::RateLimit, Reach::Endpoint, When::BackOff),
    ("userRateLimitExceeded", Class::RateLimit, Reach::Account, When::BackOff),
    ("RATE_LIMIT_EXCEEDED", Class::RateLimit, Reach::Account, When::BackOff),
    ("dailyLimitExceeded", Class::Quota, Reach::Endpoint, When::BackOff),
    ("quotaExceeded", Class::Quota, Reach::Endpoint, When::BackOff),
    ("domainPolicy", Class::Auth, Reach::Account, When::AfterChange),
    ("accessNotConfigured", Class::Auth, Reach::Account, When::AfterChange),
    ("SERVICE_DISABLED", Class::Auth, Reach::Account, When::AfterChange),
    ("insufficientPermissions", Class::Auth, Reach::Account, When::AfterChange),
    ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", Class::Auth, Reach::Account, When::AfterChange),
    ("authError", Class::Auth, Reach::Account, When::AfterChange),
    ("failedPrecondition", Class::Provider, Reach::Account, When::BackOff),
    ("badRequest", Class::InvalidData, Reach::Account, When::BackOff),
    ("invalidArgument", Class::InvalidData, Reach::Account, When::BackOff),
    ("backendError", Class::Provider, Reach::Account, When::BackOff),
];
/// By status, where the reason says nothing.
const STATUSES: &[(u16, Class, Reach, When)] = &[
    (401, Class::Auth, Reach::Account, When::AfterChange),
    (429, Class::RateLimit, Reach::Account, When::BackOff),
    (400, Class::InvalidData, Reach::Account, When::BackOff),
];
/// Of a limit, what is about one mailbox, whatever its reason.
const OF_USER: [&str; 4] = ["for user", "per user", "user-rate", "user rate"];
/// Of a limit that is told by status 429, what is about all of them.
const OF_PROJECT: [&str; 3] = ["per minute", "per day", "per project"];
/// A scope is missing.
const NO_SCOPE: &str = "insufficientPermissions";
/// The token may read headers alone.
const HEADERS_ALONE: &str = "metadata scope";
/// Signs of a server's text that are kept.
const TEXT: usize = 300;
/// Too many questions at once.
const AT_ONCE: &str = "concurrent requests";
/// A limit of a day: sending, or octets of mail.
const OF_A_DAY: [&str; 2] = ["mail bandwidth", "sending limit"];
/// What to do, for those that only a human mends.
const CURES: &[(&str, &str)] = &[
    (
        "insufficientPermissions",
        "the token may not read mail: grant access again with the scope https://www.googleapis.com/auth/gmail.readonly",
    ),
    (
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "the token may not read mail: grant access again with the scope https://www.googleapis.com/auth/gmail.readonly",
    ),
    ("domainPolicy", "the Workspace's administrator does not allow this client to read mail"),
    ("accessNotConfigured", "the Gmail API is not enabled in the client's Google Cloud project"),
    ("SERVICE_DISABLED", "the Gmail API is not enabled in the client's Google Cloud project"),
    ("failedPrecondition", "the account may have no Gmail mailbox"),
];
/// Days of quota begin at midnight Pacific time: at 8:00 UTC, or an hour before.
const DAY_BEGINS: i64 = 8 * 3600 * 1_000_000;
const DAY: i64 = 86_400 * 1_000_000;

impl GmailRefusal {
    /// Of a status and a body.
    pub(super) fn read(status: u16, body: &[u8], after: Option<Duration>) -> Self {
        let Ok(RefusalBody { error }) = serde_json::from_slice(body) else {
            let (reason, message) = (String::new(), String::new());
            let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
            let (is_told, is_too_long) = (false, false);
            return Self { status, reason, message, after, is_told, is_json, is_too_long };
        };
        let mut reasons = error.errors.iter().chain(&error.details).map(|item| &item.reason);
        let reason = reasons.find(|reason| !reason.is_empty()).cloned().unwrap_or_default();
        let mut message = error.message;
        if message.is_empty() {
            message = error.status;
        }
        let (is_told, is_json, is_too_long) = (true, true, false);
        Self { status, reason, message, after, is_told, is_json, is_too_long }
    }

    /// The refusal that a body with status 200 is, if it is one: its code counts. What it says in
    /// words of its own is one, too.
    pub(super) fn under_ok(body: &[u8]) -> Option<Self> {
        memchr::memmem::find(body, b"\"error\"")?;
        serde_json::from_slice::<AnyBody>(body).ok()?.error?;
        let told = serde_json::from_slice::<RefusalBody>(body).ok();
        let code = told.and_then(|told| u16::try_from(told.error.code?).ok());
        Some(Self::read(code.filter(|code| *code >= 400).unwrap_or(500), body, None))
    }

    /// The same of a question about pushes, whose topic, subscription and rights a human has set up: what is no limit is
    /// theirs to mend.
    pub(super) fn of_setup(&self, failure: Failure) -> Failure {
        // A page for people says nothing of it.
        let is_theirs = self.is_told
            && matches!(self.status, 400 | 403 | 404)
            && !matches!(failure.class, Class::RateLimit | Class::Quota);
        if !is_theirs {
            return failure;
        }
        Failure { class: Class::Config, reach: Reach::Account, ..failure }.when(When::AfterChange)
    }

    /// What an answer is that holds more than an answer may.
    pub(super) fn too_long() -> Self {
        Self { is_too_long: true, ..Self::read(500, &[], None) }
    }

    /// There is no such thing, and it is Gmail that says so.
    pub(super) fn is_missing(&self) -> bool {
        self.status == 404 && self.is_told
    }

    /// The question itself is wrong, for this reason.
    pub(super) fn is_wrong_about(&self, what: &str) -> bool {
        let said = self.message.to_lowercase().replace('_', "");
        self.status == 400 && self.is_told && said.contains(what)
    }

    /// What it means.
    pub(super) fn failure(&self, now: Micros) -> Failure {
        if self.is_too_long {
            return unreadable("it holds more than was asked for");
        }
        let lower = self.message.to_lowercase();
        let reason = if lower.contains(HEADERS_ALONE) { NO_SCOPE } else { self.reason.as_str() };
        let by_reason = REASONS.iter().find(|(known, ..)| *known == reason);
        let by_status = STATUSES.iter().find(|(status, ..)| *status == self.status);
        let (class, mut reach, when) = by_reason
            .map(|(_, class, reach, when)| (*class, *reach, *when))
            .or(by_status.map(|(_, class, reach, when)| (*class, *reach, *when)))
            .unwrap_or((Class::Provider, Reach::Account, When::BackOff));
        // Whatever it says of the reason, a server that is broken is not refused by.
        let class = if self.status >= 500 { Class::Provider } else { class };
        let is_limit = matches!(class, Class::RateLimit | Class::Quota);
        let of_a_day = is_limit && OF_A_DAY.iter().any(|text| lower.contains(text));
        let class = if of_a_day { Class::Quota } else { class };
        // 429 is about one mailbox, where it does not name the project's limit.
        let of_project = self.status != 429 || OF_PROJECT.iter().any(|text| lower.contains(text));
        let of_user = OF_USER.iter().any(|text| lower.contains(text)) || !of_project;
        if class == Class::Provider || of_a_day || of_user {
            reach = Reach::Account;
        }
        let when = match self.named(&lower, now) {
            Some(wait) if is_limit || class == Class::Provider => When::After(wait),
            None if class == Class::Quota => When::After(until_tomorrow(now)),
            _ => when,
        };
        let excess = if lower.contains(AT_ONCE) { Excess::AtOnce } else { Excess::Rate };
        let cure = CURES.iter().find(|(known, _)| *known == reason);
        let cure = cure.map(|(_, cure)| format!(" ({cure})")).unwrap_or_default();
        let told = without_addresses(&format!("{} {}", self.reason, self.message));
        let text = format!("the server said {} {}{cure}", self.status, told.trim());
        Failure::new(class, reach, Provenance::Server, text.trim_end()).when(when).of(excess)
    }

    /// The time that it names: `Retry after 2026-11-21T10:00:00.000Z`, or the header.
    fn named(&self, lower: &str, now: Micros) -> Option<Duration> {
        let text = lower.split_once("retry after ").map(|(_, text)| text);
        let at = text.and_then(|text| {
            let word = text.split([' ', ')']).next()?.trim_end_matches('.').to_uppercase();
            let nanos = OffsetDateTime::parse(&word, &Rfc3339).ok()?.unix_timestamp_nanos();
            i64::try_from(nanos / 1000).ok().map(Micros)
        });
        let wait = at.map(|at| at.since(now)).or(self.after)?;
        Some(wait.max(Duration::from_secs(1)))
    }
}

/// Until the next day of quota.
fn until_tomorrow(now: Micros) -> Duration {
    let into = (now.0 - DAY_BEGINS).rem_euclid(DAY);
    Duration::from_micros(u64::try_from(DAY - into).unwrap_or(0))
}

/// A server's text, not too long, without what looks like an address.
pub(super) fn without_addresses(text: &str) -> String {
    let short: String = text.chars().take(TEXT).collect();
    let kept = short.split(' ').map(|word| if word.contains('@') { "…" } else { word });
    kept.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::recovery::table::row_of;
    use std::collections::BTreeSet;

    /// 2026-11-21 09:00 UTC.
    const NOW: Micros = Micros(1_795_251_600_000_000);

    fn refusal(status: u16, reason: &str, message: &str) -> GmailRefusal {
        let body = format!(
            r#"{{"error": {{"code": {status}, "message": "{message}", "errors": [{{"domain": "x", "reason": "{reason}"}}]}}}}"#
        );
        GmailRefusal::read(status, body.as_bytes(), None)
    }

    /// Recorded refusals and what they mean.
    #[test]
    fn the_table() {
        use Class::{Auth, InvalidData, Provider, Quota, RateLimit};
        use Reach::{Account, Endpoint};
        let back = When::BackOff;
        let human = When::AfterChange;
        let tomorrow = When::After(Duration::from_secs(23 * 3600));
        let mut seen = BTreeSet::new();
        for (status, reason, message, want) in [
            (400, "badRequest", "Bad Request", (InvalidData, Account, back)),
            (400, "invalidArgument", "Invalid value", (InvalidData, Account, back)),
            (400, "failedPrecondition", "Mail service not enabled", (Provider, Account, back)),
            (401, "authError", "Invalid Credentials", (Auth, Account, human)),
            (403, "rateLimitExceeded", "Rate Limit Exceeded", (RateLimit, Endpoint, back)),
            (403, "userRateLimitExceeded", "User Rate Limit Exceeded", (RateLimit, Account, back)),
            (403, "dailyLimitExceeded", "Daily Limit Exceeded", (Quota, Endpoint, tomorrow)),
            (403, "quotaExceeded", "Quota exceeded", (Quota, Endpoint, tomorrow)),
            (403, "domainPolicy", "The domain administrators …", (Auth, Account, human)),
            (403, "accessNotConfigured", "Gmail API has not …", (Auth, Account, human)),
            (403, "insufficientPermissions", "Insufficient Permission", (Auth, Account, human)),
            (403, "SERVICE_DISABLED", "disabled", (Auth, Account, human)),
            (403, "somethingNew", "Forbidden", (Provider, Account, back)),
            (403, "forbidden", "Metadata scope doesn't allow format RAW", (Auth, Account, human)),
            (
                403,
                "rateLimitExceeded",
                "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'",
                (RateLimit, Account, back),
            ),
            (
                429,
                "rateLimitExceeded",
                "Too many concurrent requests for user",
                (RateLimit, Account, back),
            ),
            (
                429,
                "rateLimitExceeded",
                "User-rate limit exceeded.  Retry after 2026-11-21T09:00:30.250Z",
                (RateLimit, Account, When::After(Duration::from_millis(30_250))),
            ),
            (429, "userRateLimitExceeded", "(Mail sending limit)", (Quota, Account, tomorrow)),
            (429, "", "Resource has been exhausted", (RateLimit, Account, back)),
            (429, "rateLimitExceeded", "Resource has been exhausted", (RateLimit, Account, back)),
            (
                429,
                "rateLimitExceeded",
                "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'",
                (RateLimit, Endpoint, back),
            ),
            (500, "backendError", "Backend Error", (Provider, Account, back)),
            (503, "", "The service is currently unavailable.", (Provider, Account, back)),
            (500, "rateLimitExceeded", "odd", (Provider, Account, back)),
            (404, "notFound", "Requested entity was not found.", (Provider, Account, back)),
        ] {
            let failure = refusal(status, reason, message).failure(NOW);
            assert_eq!((failure.class, failure.reach, failure.when), want, "{status} {reason}");
            seen.insert(row_of(failure.class, failure.reach).name());
        }
        let said = ["auth", "invalid_data", "provider", "quota", "rate_limit"];
        assert!(seen.iter().map(String::as_str).eq(said), "{seen:?}");
    }

    #[test]
    fn at_once_is_another_thing_than_too_much() {
        let failure = refusal(429, "x", "Too many concurrent requests for user").failure(NOW);
        assert_eq!((failure.asks_for_less(), failure.excess), (true, Excess::AtOnce));
        let failure = refusal(403, "userRateLimitExceeded", "slow down").failure(NOW);
        assert_eq!((failure.asks_for_less(), failure.excess), (true, Excess::Rate));
    }

    #[test]
    fn times_and_addresses() {
        let named = |refusal: GmailRefusal| refusal.failure(NOW).when;
        let with = |after| GmailRefusal { after, ..refusal(429, "rateLimitExceeded", "for user") };
        let seconds = |s| When::After(Duration::from_secs(s));
        assert_eq!(named(with(Some(Duration::from_secs(7)))), seconds(7));
        let past = refusal(429, "rateLimitExceeded", "Retry after 2020-01-01T00:00:00Z");
        assert_eq!(named(past), seconds(1), "a clock that is behind does not make it spin");
        let told = refusal(400, "failedPrecondition", "Delegation denied for me@example.org");
        assert!(!told.failure(NOW).text.contains('@'), "{}", told.failure(NOW).text);
    }

    /// A page of a proxy is not Gmail's word.
    #[test]
    fn only_gmail_says_that_something_is_missing() {
        assert!(refusal(404, "notFound", "x").is_missing());
        let page = GmailRefusal::read(404, b"<html>Not Found</html>", None);
        assert!(!page.is_missing());
        assert_eq!(page.failure(NOW).class, Class::Provider);
    }

    #[test]
    fn a_refusal_is_one_under_whatever_status() {
        let class = |body: &str| Some(GmailRefusal::under_ok(body.as_bytes())?.failure(NOW).class);
        assert_eq!(class(r#"{"messages": []}"#), None);
        assert_eq!(class(r#"{"error": null, "messages": []}"#), None);
        assert_eq!(class(r#"{"messages": [{"id": "error"}]}"#), None);
        assert_eq!(class(r#"{"error": {"code": 401}}"#), Some(Class::Auth));
        for body in [r#"{"error": {}}"#, r#"{"error": "no"}"#, r#"{"error": 7, "messages": []}"#] {
            assert_eq!(class(body), Some(Class::Provider), "{body}");
        }
    }
}
