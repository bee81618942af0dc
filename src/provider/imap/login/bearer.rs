//! Logins by OAuth2 access token: XOAUTH2 (Google, Microsoft) and OAUTHBEARER (RFC 7628), and what a
//! server says of a token that it refuses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A SASL mechanism that shows a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider::imap) enum Mechanism {
    OAuthBearer,
    XOAuth2,
}

impl Mechanism {
    pub(in crate::provider::imap) const ALL: [Self; 2] = [Self::OAuthBearer, Self::XOAuth2];

    /// The one to use with a server of these capabilities: the standard one before the other.
    pub(in crate::provider::imap) fn of(has: impl Fn(&str) -> bool) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| has(&format!("AUTH={}", mechanism.word())))
    }

    pub(in crate::provider::imap) fn word(self) -> &'static str {
        match self {
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// The initial response, before base64.
    pub(in crate::provider::imap) fn response(
        self,
        username: &str,
        token: &str,
        host: &str,
        port: u16,
    ) -> String {
        match self {
            Self::OAuthBearer => {
                let name = username.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01")
            }
            Self::XOAuth2 => format!("user={username}\x01auth=Bearer {token}\x01\x01"),
        }
    }

    /// What the challenge of a refused token is answered with, so that the refusal comes.
    pub(in crate::provider::imap) fn farewell(self) -> &'static [u8] {
        match self {
            // One octet 0x01, in base64.
            Self::OAuthBearer => b"AQ==",
            Self::XOAuth2 => b"",
        }
    }
}

/// What a server says of a token in its challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::provider::imap) enum Word {
    /// Nothing that can be read.
    Nothing,
    /// It is not, or no longer, a token: `401`, `invalid_token`.
    Over,
    /// It does not reach so far: `insufficient_scope`.
    Scope,
    /// Something else: Google's `400` may be anything.
    Other,
}

#[derive(Deserialize)]
struct Challenge {
    status: String,
}

/// Reads a challenge: base64 of JSON, as a rule.
pub(in crate::provider::imap) fn read(text: &str) -> Word {
    let Ok(bytes) = STANDARD.decode(text) else { return Word::Other };
    let Ok(challenge) = serde_json::from_slice::<Challenge>(&bytes) else { return Word::Other };
    match challenge.status.as_str() {
        "401" | "invalid_token" | "expired_token" => Word::Over,
        "403" | "insufficient_scope" | "invalid_scope" => Word::Scope,
        _ => Word::Other,
    }
}

impl Word {
    /// What it means, and whether another token may do. Of whom nothing is known, it may: it costs
    /// one more try.
    pub(in crate::provider::imap) fn judged(&self) -> (&'static str, bool) {
        match self {
            Self::Over => ("the access token is not, or no longer, valid", true),
            Self::Scope => (
                "the access token is not meant for this mailbox, or lacks the scope that IMAP needs",
                false,
            ),
            Self::Nothing | Self::Other => ("the access token was refused", true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown() {
        let x = Mechanism::XOAuth2.response("me@example.org", "tok", "h", 993);
        assert_eq!(x, "user=me@example.org\u{1}auth=Bearer tok\u{1}\u{1}");
        let o = Mechanism::OAuthBearer.response("a=b,c@example.org", "tok", "h", 993);
        let want =
            "n,a=a=3Db=2Cc@example.org,\u{1}host=h\u{1}port=993\u{1}auth=Bearer tok\u{1}\u{1}";
        assert_eq!(o, want);
    }

    #[test]
    fn the_standard_one_goes_first() {
        let of = |words: &[&str]| Mechanism::of(|word| words.contains(&word));
        assert_eq!(of(&["AUTH=XOAUTH2", "AUTH=OAUTHBEARER"]), Some(Mechanism::OAuthBearer));
        assert_eq!(of(&["AUTH=PLAIN", "AUTH=XOAUTH2"]), Some(Mechanism::XOAuth2));
        assert_eq!(of(&["AUTH=PLAIN", "XOAUTH2"]), None);
    }

    #[test]
    fn what_is_said_of_a_refused_token() {
        for (said, word) in [
            (
                r#"{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}"#,
                Word::Over,
            ),
            (
                r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#,
                Word::Other,
            ),
            (r#"{"status":"invalid_token","openid-configuration":"x"}"#, Word::Over),
            (r#"{"status":"insufficient_scope"}"#, Word::Scope),
            (r#"{"status":"invalid_request"}"#, Word::Other),
            ("{}", Word::Other),
            ("no JSON", Word::Other),
        ] {
            assert_eq!(read(&STANDARD.encode(said)), word, "{said}");
        }
        assert_eq!(read("no base64!"), Word::Other);
        assert!(Word::Over.judged().1 && Word::Nothing.judged().1 && !Word::Scope.judged().1);
    }
}
