//! The table from what Nylas refuses to failures, by `error.type` and status: the one place that matches its texts.
//! Source: Nylas v3, "Error types", "Rate limits".

use crate::provider::nylas::wire::RefusalBody;
use postrider_core::failure::{Class, Excess, Failure, Provenance, Reach, When};
use std::time::Duration;

/// Signs of a server's text that are kept.
const TEXT: usize = 300;
/// Of a limit without a time.
const SOON: Duration = Duration::from_secs(5);
/// Of the provider behind it, without a time.
const LATER: Duration = Duration::from_secs(60);
/// Exchange counts commands, and blocks for so long.
const BLOCKED: (&str, Duration) = ("CommandFrequency", Duration::from_secs(20 * 60));
/// Too many questions at once.
const AT_ONCE: &str = "concurren";
/// The key itself is refused: by type, or in words.
const KEY: [&str; 3] =
    ["invalid_authentication", "unauthorized_application", "bearer token invalid"];
/// The grant is refused, whatever the status.
const GRANT: [&str; 4] = ["grant_expired", "invalid_grant", "grant.expired", "grant_not_found"];

/// What the server said instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NylasRefusal {
    pub(super) status: u16,
    /// `error.type`; empty where its body is no JSON of this API.
    pub(super) kind: String,
    pub(super) message: String,
    /// The header Retry-After.
    pub(super) after: Option<Duration>,
    /// It is the provider's behind it.
    pub(super) is_providers: bool,
    /// Its body is this API's.
    pub(super) is_told: bool,
}

impl NylasRefusal {
    /// Of a status and a body.
    pub(super) fn read(status: u16, body: &[u8], after: Option<Duration>) -> Self {
        match serde_json::from_slice::<RefusalBody>(body) {
            Ok(RefusalBody { error }) => Self {
                status,
                kind: error.kind,
                message: error.message,
                after,
                is_providers: error.provider_error.is_some(),
                is_told: true,
            },
            Err(_) => Self {
                status,
                kind: String::new(),
                message: String::new(),
                after,
                is_providers: false,
                is_told: false,
            },
        }
    }

    /// Whether a message is not there.
    pub(super) fn is_missing(&self) -> bool {
        self.status == 404 && self.is_told && !self.is_of_grant()
    }

    /// Whether the bytes of a message may be refused for good: by what it is, not by what is wrong just now.
    pub(super) fn may_have_no_bytes(&self) -> bool {
        let is_its_own = matches!(self.status, 400 | 404 | 405 | 415 | 422 | 501);
        is_its_own && self.is_told && !self.is_of_grant()
    }

    /// Whether what was asked for is refused for the words that it was asked in.
    pub(super) fn is_of_words(&self) -> bool {
        matches!(self.status, 400 | 422) && self.is_told
    }

    /// Whether the question is refused, and neither the key nor the grant nor the moment.
    pub(super) fn is_of_question(&self) -> bool {
        let is_its_own = matches!(self.status, 400 | 403 | 404) && self.is_told;
        is_its_own && !self.is_of_grant() && !self.is_of_key()
    }

    /// The same of a question about webhooks, which no grant is asked for: what is no limit and no trouble of the moment is
    /// a human's to mend, and no account's.
    pub(super) fn of_webhooks(&self, failure: Failure) -> Failure {
        let is_theirs = matches!(self.status, 400..=499) && !self.is_of_key();
        if !is_theirs || matches!(self.status, 401 | 408 | 429) {
            return failure;
        }
        let said: String = self.message.chars().take(TEXT).collect();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let text = format!(
            "asked about webhooks, the server said {}{said}; see whether the key in api_key_file may have webhooks, and whether \
             Nylas reaches public_url",
            self.status
        );
        Failure::new(Class::Config, Reach::Account, Provenance::Server, text)
            .when(When::AfterChange)
    }

    fn is_of_grant(&self) -> bool {
        GRANT.contains(&self.kind.as_str())
    }

    /// Whether a refusal may be the key's as well as the grant's.
    pub(super) fn is_doubtful(&self) -> bool {
        matches!(self.status, 401 | 403) && self.is_told && !self.is_of_grant()
    }

    pub(super) fn is_of_key(&self) -> bool {
        let lower = self.message.to_lowercase();
        KEY.iter().any(|word| self.kind == *word || lower.contains(word))
    }

    /// What it means. Whether it is the key's or the grant's has been asked, or its words tell; one that tells nothing
    /// is the grant's: one account is asked about, and not all.
    pub(super) fn failure(&self, asked: Option<Reach>) -> Failure {
        let (class, told, when) = self.means();
        let reach = asked.unwrap_or(told);
        let what = if self.kind.is_empty() { String::new() } else { format!(" ({})", self.kind) };
        let said: String = self.message.chars().take(TEXT).collect();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let cure = match (class, reach) {
            (Class::Auth, Reach::Endpoint) => {
                "; see whether api_key_file holds a key of this application and region"
            }
            (Class::Auth, _) => {
                "; the grant has to be given anew (the mailbox's owner logs in again)"
            }
            _ => "",
        };
        let text = format!("the server said {}{what}{said}{cure}", self.status);
        // The provider behind it takes few at a time.
        let is_crowd = self.is_providers || self.message.to_lowercase().contains(AT_ONCE);
        let excess = if is_crowd { Excess::AtOnce } else { Excess::Rate };
        Failure::new(class, reach, Provenance::Server, text).when(when).of(excess)
    }

    fn means(&self) -> (Class, Reach, When) {
        let human = When::AfterChange;
        match self.status {
            _ if self.is_of_grant() => (Class::Auth, Reach::Account, human),
            401 | 403 if self.is_of_key() => (Class::Auth, Reach::Endpoint, human),
            401 | 403 => (Class::Auth, Reach::Account, human),
            429 => {
                let (word, block) = BLOCKED;
                let named = self.after.or_else(|| self.message.contains(word).then_some(block));
                let wait = named.unwrap_or(if self.is_providers { LATER } else { SOON });
                (Class::RateLimit, Reach::Account, When::After(wait))
            }
            503 if self.message.contains(BLOCKED.0) => {
                let wait = self.after.unwrap_or(BLOCKED.1);
                (Class::RateLimit, Reach::Account, When::After(wait))
            }
            504 => (Class::Timeout, Reach::Session, When::BackOff),
            status if status >= 500 => (Class::Provider, Reach::Account, self.backs_off()),
            // A login tells whether the grant is there.
            404 => (Class::Provider, Reach::Account, When::BackOff),
            // What is asked is asked of all: it is no mail's trouble.
            _ => (Class::Provider, Reach::Account, When::BackOff),
        }
    }

    fn backs_off(&self) -> When {
        self.after.map_or(When::BackOff, When::After)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A refusal of a webhook is neither the grant's nor the moment's, in whatever words.
    #[test]
    fn what_is_refused_about_webhooks_is_the_applications() {
        let told = |status, body: &[u8]| {
            let refusal = NylasRefusal::read(status, body, None);
            refusal.of_webhooks(refusal.failure(None))
        };
        let body = br#"{"request_id": "r", "error": {"type": "forbidden", "message": "no"}}"#;
        for (status, body) in [(403, &body[..]), (403, b"<html>"), (400, body), (404, b"")] {
            let failure = told(status, body);
            assert_eq!((failure.class, failure.when), (Class::Config, When::AfterChange));
            assert!(failure.text.contains("about webhooks"), "{}", failure.text);
        }
        for status in [401, 408, 429, 500, 503] {
            assert_ne!(told(status, body).class, Class::Config, "{status}");
        }
    }

    #[test]
    fn what_is_refused_has_a_class_and_a_reach() {
        let human = When::AfterChange;
        let after = |seconds| When::After(Duration::from_secs(seconds));
        for (status, kind, message, wants) in [
            (401, "invalid_authentication", "Unauthorized", (Class::Auth, Reach::Endpoint, human)),
            (
                401,
                "api.unauthorized",
                "Bearer token invalid",
                (Class::Auth, Reach::Endpoint, human),
            ),
            (401, "provider_error", "Authentication failed", (Class::Auth, Reach::Account, human)),
            (403, "", "", (Class::Auth, Reach::Account, human)),
            (404, "grant_not_found", "No Grant found", (Class::Auth, Reach::Account, human)),
            (429, "nylas_rate_limit_exceeded", "", (Class::RateLimit, Reach::Account, after(5))),
            (
                503,
                "provider_error",
                "X-MS-ASThrottle: CommandFrequency",
                (Class::RateLimit, Reach::Account, after(1200)),
            ),
            (503, "service_unavailable", "", (Class::Provider, Reach::Account, When::BackOff)),
            (504, "provider_error", "", (Class::Timeout, Reach::Session, When::BackOff)),
            (400, "invalid_request_error", "", (Class::Provider, Reach::Account, When::BackOff)),
        ] {
            let body =
                serde_json::json!({"request_id": "r", "error": {"type": kind, "message": message}});
            let refusal = NylasRefusal::read(status, body.to_string().as_bytes(), None);
            let failure = refusal.failure(None);
            assert_eq!(
                (failure.class, failure.reach, failure.when),
                wants,
                "{status} {kind} {message}"
            );
        }
        let body =
            br#"{"error":{"type":"rate_limit_error","message":"","provider_error":{"a":[1]}}}"#;
        let of = |after| NylasRefusal::read(429, body, after).failure(None).when;
        assert_eq!((of(None), of(Some(SOON))), (after(60), after(5)));
    }

    #[test]
    fn a_message_that_is_not_there_is_no_grant_that_is_not() {
        let of = |body: &str| NylasRefusal::read(404, body.as_bytes(), None).is_missing();
        assert!(of(r#"{"error":{"type":"not_found_error","message":"Message not found"}}"#));
        assert!(!of(r#"{"error":{"type":"grant_not_found","message":"x"}}"#));
        assert!(!of("<html>404</html>"));
    }
}
