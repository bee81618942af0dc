//! SCRAM-SHA-256 (RFC 5802, RFC 7677): the password does not cross the wire, and the server proves that
//! it knows it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use rsasl::config::SASLConfig;
use rsasl::prelude::{Mechname, SASLClient, Session, State};
use secrecy::{ExposeSecret, SecretString};

/// The mechanism's name.
pub(in crate::provider::imap) const SCRAM: &str = "SCRAM-SHA-256";

/// Source: RFC 7677 §4 for the least; the most takes half a second.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=600_000;

/// An exchange.
pub(in crate::provider::imap) struct Scram {
    session: Session,
    is_challenged: bool,
    /// The server has proved that it knows the password.
    pub(in crate::provider::imap) is_proved: bool,
}

fn refused(text: String) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Server, text).when(When::AfterChange)
}

/// Whether a server's first message asks for as much work as it may: with less, whoever plays a server
/// could guess the password; with much more, nobody would get done.
fn bounded(challenge: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(challenge).map_err(|_| "it is no text")?;
    if !text.split(',').all(|part| part.len() > 2 && part.get(1..2) == Some("=")) {
        return Err("it is no list of attributes");
    }
    let count = text.split(',').find_map(|part| part.strip_prefix("i="));
    match count.and_then(|count| count.parse::<u32>().ok()) {
        Some(count) if ITERATIONS.contains(&count) => Ok(()),
        _ => Err("its iteration count is not from 4096 to 600000"),
    }
}

impl Scram {
    /// For this user.
    ///
    /// # Errors
    /// Class config, when user name or password cannot be used with it.
    pub(in crate::provider::imap) fn begin(
        username: &str,
        password: &SecretString,
    ) -> Result<Self, Failure> {
        let (user, secret) = (username.to_owned(), password.expose_secret().to_owned());
        let unfit = |e| refused(format!("{SCRAM} cannot be begun: {e}"));
        let config = SASLConfig::with_credentials(None, user, secret).map_err(unfit)?;
        let name = Mechname::parse(SCRAM.as_bytes())
            .map_err(|e| Failure::bug("the name of SCRAM").caused_by(e))?;
        let session = SASLClient::new(config).start_suggested(&[name]).map_err(unfit)?;
        Ok(Self { session, is_challenged: false, is_proved: false })
    }

    /// What is answered to a challenge, both as they go over the wire; to none at first.
    ///
    /// # Errors
    /// Class auth, as inferred: the server's words are none of this exchange, or its proof is wrong.
    pub(in crate::provider::imap) fn answer(
        &mut self,
        challenge: Option<&str>,
    ) -> Result<String, Failure> {
        let wrong = |text: String| {
            let text = format!("the server's part of {SCRAM} is wrong: {text}");
            Failure::new(Class::Auth, Reach::Account, Provenance::Inferred, text)
        };
        let challenge = challenge
            .map(|text| STANDARD.decode(text.trim()))
            .transpose()
            .map_err(|e| wrong(e.to_string()))?;
        if let (Some(challenge), false) = (&challenge, self.is_challenged) {
            self.is_challenged = true;
            bounded(challenge).map_err(|text| wrong(text.into()))?;
        }
        let mut answer = Vec::new();
        let state = self
            .session
            .step(challenge.as_deref(), &mut answer)
            .map_err(|e| wrong(e.to_string()))?;
        self.is_proved = matches!(state, State::Finished(_));
        Ok(STANDARD.encode(answer))
    }
}
