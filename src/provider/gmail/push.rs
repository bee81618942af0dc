//! Pushes of Gmail, as Google's Pub/Sub brings them ("Push notifications in Gmail API", "Push subscriptions").

use crate::clock::Clock;
use crate::provider::Coming;
use crate::provider::gmail::endpoint::KIND;
use crate::provider::gmail::wire::Digits;
use crate::provider::push::{PushAbout, PushJudge, PushRefusal, PushSource, Pushed};
use crate::provider::signed::SignedTokens;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use postrider_core::failure::Failure;
use postrider_core::provider::push::PushHint;
use postrider_core::provider::server::SignedPush;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::io::Read;

/// Who signs for Google ("Authentication for push subscriptions").
const ISSUERS: &[&str] = &["https://accounts.google.com", "accounts.google.com"];
/// An address is no longer (RFC 5321 §4.5.3.1).
const ADDRESS: usize = 320;

/// What carries a notification.
#[derive(Deserialize)]
struct Envelope {
    message: Carried,
}

#[derive(Deserialize)]
struct Carried {
    data: String,
}

/// A notification: of whom, and how far their history has come.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    email_address: String,
    history_id: Digits,
}

/// Pushes of Gmail.
#[derive(Debug)]
pub(in crate::provider) struct GmailPushes;

impl PushSource for GmailPushes {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn read(&self, from: &mut dyn Read) -> Result<Option<Pushed>, PushRefusal> {
        let told =
            notified(from).ok_or(PushRefusal::Unreadable("it is no notification of Gmail's"));
        told.map(Some)
    }

    fn is_known(&self, state: &str, cursor: &str) -> bool {
        is_behind(state, cursor)
    }
}

/// Those that Pub/Sub sends, by the token that each bears.
#[derive(Debug)]
pub(in crate::provider) struct SignedPushes(SignedTokens);

impl SignedPushes {
    /// Those that this place signs.
    ///
    /// # Errors
    /// Class config when no HTTP client can be made.
    pub(in crate::provider) fn of(place: SignedPush, clock: Clock) -> Result<Self, Failure> {
        SignedTokens::of(place, ISSUERS, clock).map(Self)
    }
}

impl PushJudge for SignedPushes {
    fn verify<'a>(
        &'a self,
        head: &'a HeaderMap,
        _octets: &'a [u8],
    ) -> Coming<'a, Result<(), PushRefusal>> {
        Box::pin(self.0.verify(head))
    }
}

/// Whether a history id is no later than another: they rise. Whoever cannot tell looks.
fn is_behind(state: &str, cursor: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    number(state).zip(number(cursor)).is_some_and(|(state, cursor)| state <= cursor)
}

fn notified(from: impl Read) -> Option<Pushed> {
    let envelope: Envelope = serde_json::from_reader(from).ok()?;
    let data = decoded(&envelope.message.data)?;
    let Notification { email_address: username, history_id } =
        serde_json::from_slice(&data).ok()?;
    let Digits(state) = history_id;
    let is_address = username.contains('@') && username.len() <= ADDRESS;
    if !is_address {
        return None;
    }
    // What has changed is not told.
    let about = PushAbout::Mailbox { username, state: Some(state) };
    Some(Pushed { about, hint: PushHint::News, told: None })
}

/// Base64, of either alphabet, with or without padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let is_for_urls = text.contains(['-', '_']);
    let alphabet = if is_for_urls { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    fn carried(data: &str) -> Vec<u8> {
        format!(r#"{{"message":{{"data":"{data}","messageId":"1"}},"subscription":"s"}}"#)
            .into_bytes()
    }

    fn told_by(octets: &[u8]) -> Option<(String, Option<String>)> {
        match notified(octets)?.about {
            PushAbout::Mailbox { username, state } => Some((username, state)),
            PushAbout::Grant(_) => None,
        }
    }

    #[test]
    fn a_notification_is_read_in_either_form() {
        let told = r#"{"emailAddress":"mé@example.org","historyId":"18446744073709551615"}"#;
        for data in [STANDARD.encode(told), URL_SAFE_NO_PAD.encode(told)] {
            let Some((username, state)) = told_by(&carried(&data)) else { panic!("{data}") };
            assert_eq!(username, "mé@example.org");
            assert_eq!(state.as_deref(), Some("18446744073709551615"));
        }
        let number = STANDARD.encode(r#"{"emailAddress":"a@b","historyId":7,"more":[]}"#);
        assert_eq!(told_by(&carried(&number)).unwrap().1.as_deref(), Some("7"));
    }

    #[test]
    fn what_is_no_notification_is_none() {
        let of = |told: &str| notified(&*carried(&STANDARD.encode(told)));
        for told in [
            "",
            "{}",
            "[]",
            r#"{"emailAddress":"a@b"}"#,
            r#"{"emailAddress":"a","historyId":1}"#,
            r#"{"emailAddress":"a@b","historyId":""}"#,
            r#"{"emailAddress":"a@b","historyId":"1x"}"#,
            r#"{"emailAddress":"a@b","historyId":-1}"#,
            r#"{"emailAddress":"a@b","historyId":"11111111111111111111111111111111111111111"}"#,
        ] {
            assert_eq!(of(told), None, "{told}");
        }
        assert_eq!(
            of(&format!(r#"{{"emailAddress":"{}@b","historyId":1}}"#, "a".repeat(320))),
            None
        );
        assert_eq!(notified(&*carried("!")), None);
        assert_eq!(notified(&b"{}"[..]), None);
    }

    #[test]
    fn what_is_behind_the_cursor_is_known() {
        assert!(is_behind("99", "100") && is_behind("100", "100"));
        assert!(!is_behind("101", "100") && !is_behind("1", "none"));
    }
}
