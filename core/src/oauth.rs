//! What is known of OAuth2 (RFC 6749): when an access token is renewed, and what the refusals of a
//! token endpoint mean.

use crate::failure::{Class, Excess, Failure, Provenance, Reach, When};
use crate::recovery::backoff::mix;
use crate::time::Micros;
use std::time::Duration;

/// A token is renewed so long before it ends, or a tenth of its life where that is longer.
const MARGIN: Duration = Duration::from_secs(300);
/// Who is refused for a loop of its own making waits so long.
const LOOP: Duration = Duration::from_secs(3600);
/// So long is a user locked who was tried too often.
const LOCKED: Duration = Duration::from_secs(1800);

/// What an account logs in with where it is renewed: tokens, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRow {
    /// The account's id in the config.
    pub account: String,
    /// Who issued it: `google`.
    pub issuer: String,
    /// Whose mailbox it opens.
    pub username: String,
    /// The generation of its tokens.
    pub version: i64,
    /// The tokens, sealed.
    pub sealed: Vec<u8>,
    /// A mark of the key that they are sealed with.
    pub key_print: String,
    /// What it allows.
    pub scopes: String,
    /// When a human granted it.
    pub granted_at: Micros,
    /// When it was renewed last.
    pub renewed_at: Micros,
    /// When its access token ends.
    pub expires_at: Micros,
    /// Why it could not be renewed, and when that was.
    pub trouble: Option<(String, Micros)>,
}

/// When a token that was issued then, for so long, is renewed. The name of whose it is spreads
/// accounts whose tokens were issued together, always to the earlier side; a token of a short life
/// serves for half of it.
#[must_use]
pub fn renew_at(issued: Micros, life: Duration, whose: &str) -> Micros {
    let salt = whose.bytes().fold(0, |salt: u64, b| salt.rotate_left(5) ^ u64::from(b));
    let spread = (life / 20).as_millis().max(1);
    let early = u64::try_from(u128::from(mix(salt)) % spread).unwrap_or(0);
    let margin = MARGIN.max(life / 10) + Duration::from_millis(early);
    issued.plus(life.saturating_sub(margin).max(life / 2))
}

/// A refusal of a token endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRefusal {
    /// HTTP status.
    pub status: u16,
    /// `error`, where the answer is one of RFC 6749 §5.2.
    pub error: String,
    /// `error_description`.
    pub description: String,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// `error` (RFC 6749 §5.2, RFC 8628 §3.5, Google, Microsoft). What is not here backs off: a wrong
/// "for good" would park accounts for nothing.
const ERRORS: &[(&str, Class, When)] = &[
    ("invalid_grant", Class::Auth, When::AfterChange),
    ("access_denied", Class::Auth, When::AfterChange),
    ("authorization_declined", Class::Auth, When::AfterChange),
    // A code for another device that nobody has entered in time, or another one.
    ("expired_token", Class::Auth, When::AfterChange),
    ("bad_verification_code", Class::Auth, When::AfterChange),
    ("consent_required", Class::Auth, When::AfterChange),
    ("interaction_required", Class::Auth, When::AfterChange),
    ("login_required", Class::Auth, When::AfterChange),
    // The client is wrong, not its user.
    ("invalid_client", Class::Config, When::AfterChange),
    ("unauthorized_client", Class::Config, When::AfterChange),
    ("deleted_client", Class::Config, When::AfterChange),
    ("disabled_client", Class::Config, When::AfterChange),
    ("admin_policy_enforced", Class::Config, When::AfterChange),
    ("org_internal", Class::Config, When::AfterChange),
    ("invalid_scope", Class::Config, When::AfterChange),
    ("invalid_request", Class::Config, When::AfterChange),
    ("unsupported_grant_type", Class::Config, When::AfterChange),
    ("redirect_uri_mismatch", Class::Config, When::AfterChange),
    ("temporarily_unavailable", Class::Provider, When::BackOff),
    ("server_error", Class::Provider, When::BackOff),
    ("internal_failure", Class::Provider, When::BackOff),
    ("slow_down", Class::RateLimit, When::BackOff),
];

/// Microsoft's codes (`AADSTS…` in the description): they tell more than its `error`.
const AADSTS: &[(u32, Class, When)] = &[
    (50_053, Class::RateLimit, When::After(LOCKED)),
    (50_196, Class::RateLimit, When::After(LOOP)),
    (50_000, Class::Provider, When::BackOff),
    (90_006, Class::Provider, When::BackOff),
    (90_020, Class::Provider, When::BackOff),
    (90_033, Class::Provider, When::BackOff),
    (90_055, Class::Provider, When::BackOff),
    (700_016, Class::Config, When::AfterChange),
    (700_025, Class::Config, When::AfterChange),
    (7_000_215, Class::Config, When::AfterChange),
    (7_000_222, Class::Config, When::AfterChange),
];

/// The number behind `AADSTS`.
fn aadsts(description: &str) -> Option<u32> {
    let (_, after) = description.split_once("AADSTS")?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..digits)?.parse().ok()
}

/// What a refusal means for the account whose token was to be renewed.
#[must_use]
pub fn judge(refusal: &TokenRefusal) -> Failure {
    let code = aadsts(&refusal.description);
    let by_code = AADSTS.iter().find(|row| Some(row.0) == code).map(|row| (row.1, row.2));
    let by_error = ERRORS.iter().find(|row| row.0 == refusal.error).map(|row| (row.1, row.2));
    // An answer that says 500 has not looked at the token.
    let by_status = match refusal.status {
        429 => Some((Class::RateLimit, When::BackOff)),
        500.. => Some((Class::Provider, When::BackOff)),
        _ => None,
    };
    let (class, when) =
        by_status.or(by_code).or(by_error).unwrap_or((Class::Provider, When::BackOff));
    let when = match (when, refusal.retry_after) {
        (When::BackOff, Some(after)) => When::After(after),
        (when, _) => when,
    };
    let said = match (refusal.error.as_str(), refusal.description.as_str()) {
        ("", "") => format!("HTTP {}", refusal.status),
        (error, "") => short(error),
        (error, description) => format!("{}: {}", short(error), short(description)),
    };
    let text = match class {
        Class::Auth => {
            format!("the grant is not, or no longer, valid; the token endpoint said {said}")
        }
        Class::Config => format!("the OAuth client is wrong; the token endpoint said {said}"),
        _ => format!("the token endpoint said {said}"),
    };
    Failure::new(class, Reach::Account, Provenance::Server, text).when(when).of(Excess::Elsewhere)
}

/// The first line, and not all of it: traces and timestamps follow.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let issued = Micros::from_seconds(1000);
        for n in 0..200 {
            let salt = format!("account {n}");
            let at = |life| renew_at(issued, Duration::from_secs(life), &salt);
            let hour = at(3600);
            assert!(hour <= Micros::from_seconds(1000 + 3600 - 360), "{salt}");
            assert!(hour > Micros::from_seconds(1000 + 3600 - 360 - 180), "{salt}");
            assert_eq!(at(60), Micros::from_seconds(1030), "half of a short life");
            assert_eq!(at(0), issued);
        }
        let life = Duration::from_secs(3600);
        let all: std::collections::BTreeSet<Micros> =
            (0..100).map(|n| renew_at(issued, life, &format!("account {n}"))).collect();
        assert!(all.len() > 90, "they are spread");
    }

    #[test]
    fn the_table() {
        use Class::{Auth, Config, Provider, RateLimit};
        let (human, back) = (When::AfterChange, When::BackOff);
        for (status, error, description, class, when) in [
            (400, "invalid_grant", "Token has been expired or revoked.", Auth, human),
            (400, "invalid_grant", "AADSTS700082: The refresh token has expired", Auth, human),
            (400, "invalid_grant", "AADSTS90033: A transient error has occurred.", Provider, back),
            (400, "invalid_grant", "AADSTS50053: locked", RateLimit, When::After(LOCKED)),
            (400, "invalid_grant", "AADSTS50196: loop", RateLimit, When::After(LOOP)),
            (400, "interaction_required", "AADSTS50076: MFA", Auth, human),
            (401, "invalid_client", "AADSTS7000215: Invalid client secret", Config, human),
            (401, "invalid_client", "The OAuth client was not found.", Config, human),
            (400, "invalid_scope", "", Config, human),
            (503, "invalid_grant", "", Provider, back),
            (503, "", "", Provider, back),
            (429, "", "", RateLimit, back),
            (400, "temporarily_unavailable", "", Provider, back),
            (400, "", "", Provider, back),
            (200, "", "", Provider, back),
            // A captive portal, a balancer's hiccup: no word of OAuth2.
            (404, "", "", Provider, back),
            (405, "", "", Provider, back),
            (302, "", "", Provider, back),
            (404, "invalid_grant", "", Auth, human),
            (400, "something_new", "", Provider, back),
        ] {
            let refusal = TokenRefusal {
                status,
                error: error.into(),
                description: description.into(),
                retry_after: None,
            };
            let failure = judge(&refusal);
            assert_eq!(
                (failure.class, failure.when),
                (class, when),
                "{status} {error} {description}"
            );
            assert_eq!(failure.reach, Reach::Account);
            assert!(!failure.asks_for_less(), "of the mailbox's server it says nothing");
        }
    }

    #[test]
    fn a_wait_that_is_named_is_kept() {
        let after = Some(Duration::from_secs(77));
        let of = |status, error: &str| {
            let error = error.to_owned();
            judge(&TokenRefusal { status, error, retry_after: after, ..TokenRefusal::default() })
                .when
        };
        assert_eq!(of(429, ""), When::After(Duration::from_secs(77)));
        assert_eq!(of(503, ""), When::After(Duration::from_secs(77)));
        assert_eq!(of(400, "invalid_grant"), When::AfterChange);
    }

    #[test]
    fn a_description_is_cut_to_what_helps() {
        let description = format!("AADSTS700082: over\u{1b}[2J.\r\nTrace ID: x{}", "y".repeat(900));
        let failure = judge(&TokenRefusal {
            status: 400,
            error: "invalid_grant".into(),
            description,
            retry_after: None,
        });
        assert!(
            failure.text.ends_with("invalid_grant: AADSTS700082: over[2J."),
            "{}",
            failure.text
        );
    }
}
