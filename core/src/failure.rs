//! `Failure`: class × reach × when × provenance. Every error that leaves a module is one; texts are
//! for people only.

use crate::plain::PlainText;
use crate::time::Micros;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

string_enum! {
    /// What kind of thing went wrong: decides what happens next.
    Class {
        /// Reset, DNS, TLS cut, BYE without a telling text.
        Network => "network",
        /// Nothing came within a deadline.
        Timeout => "timeout",
        /// The server refused who we are.
        Auth => "auth",
        /// The server asks for less.
        RateLimit => "rate_limit",
        /// A daily limit or a full mailbox.
        Quota => "quota",
        /// The server is broken for now.
        Provider => "provider",
        /// Bytes that cannot be fetched or stored.
        InvalidData => "invalid_data",
        /// A cursor is void: UIDVALIDITY changed.
        StateLost => "state_lost",
        /// Our own disk or database.
        Storage => "storage",
        /// The config names something that cannot be.
        Config => "config",
        /// Our own mistake.
        Bug => "bug",
        /// Anything else.
        Unknown => "unknown",
    }
}

string_enum! {
    /// How far an error reaches.
    Reach {
        /// One message.
        Message => "message",
        /// One folder.
        Folder => "folder",
        /// One connection.
        Session => "session",
        /// One account.
        Account => "account",
        /// Every account of one host.
        Endpoint => "endpoint",
        /// The whole process.
        Process => "process",
    }
}

string_enum! {
    /// Who said so: decides how far it is believed.
    Provenance {
        /// The server told us.
        Server => "server",
        /// We waited and nothing came.
        Deadline => "deadline",
        /// We concluded it.
        Inferred => "inferred",
        /// Our own system told us.
        Local => "local",
    }
}

/// When it makes sense to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// After the time that the server named.
    After(Duration),
    /// At a wall-clock instant.
    At(Micros),
    /// After our own, growing wait.
    BackOff,
    /// Likewise, from seconds on whatever its class: a trouble of moments.
    Soon,
    /// When credentials or configuration have changed.
    AfterChange,
    /// Never with the same bytes.
    Never,
}

/// What there was too much of, where a server asks for less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Excess {
    /// Questions, or octets, in a time.
    #[default]
    Rate,
    /// Sessions, or questions, at once.
    AtOnce,
    /// Something of another server than the mailbox's: of who issues its tokens.
    Elsewhere,
}

/// An error as a value. Cheap to clone; the source chain is shared.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind.
    pub class: Class,
    /// How far.
    pub reach: Reach,
    /// When again.
    pub when: When,
    /// Who said so.
    pub provenance: Provenance,
    /// Of what there was too much, where that is the trouble.
    pub excess: Excess,
    /// A part of the transfer that it cut is kept: asked again, the rest alone is transferred.
    pub made_progress: bool,
    /// One lower-case fragment for people: the operation and what it met. Never a secret, an
    /// address or a subject.
    pub text: PlainText,
    /// What caused it.
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure that backs off.
    pub fn new(
        class: Class,
        reach: Reach,
        provenance: Provenance,
        text: impl Into<PlainText>,
    ) -> Self {
        Self {
            class,
            reach,
            when: When::BackOff,
            provenance,
            excess: Excess::default(),
            made_progress: false,
            text: text.into(),
            source: None,
        }
    }

    /// Our own mistake: an impossible pair of state and event, a broken invariant.
    pub fn bug(text: impl Into<PlainText>) -> Self {
        Self::new(Class::Bug, Reach::Account, Provenance::Local, text)
    }

    /// Our disk or database.
    pub fn storage(text: impl Into<PlainText>) -> Self {
        Self::new(Class::Storage, Reach::Process, Provenance::Local, text)
    }

    /// Sets when it makes sense to try again.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// Says of what there was too much.
    #[must_use]
    pub fn of(mut self, excess: Excess) -> Self {
        self.excess = excess;
        self
    }

    /// Whether the mailbox's server asks for less: of a limit that we keep ourselves it says
    /// nothing.
    #[must_use]
    pub fn asks_for_less(&self) -> bool {
        matches!(self.class, Class::RateLimit | Class::Quota)
            && self.provenance == Provenance::Server
            && self.excess != Excess::Elsewhere
    }

    /// Whether somebody has refused who we are: the account, or the client that asks for it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.class == Class::Auth
            || (self.class == Class::Config
                && self.provenance == Provenance::Server
                && self.reach == Reach::Account)
    }

    /// Attaches the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The text with every cause behind it, for the one line that is logged.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.text.to_string();
        let mut cause: Option<&(dyn std::error::Error + 'static)> =
            self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static));
        while let Some(e) = cause {
            text.push_str(": ");
            text.push_str(&e.to_string());
            cause = e.source();
        }
        PlainText::from(text).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}): {}", self.class, self.reach, self.provenance, self.chain())
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for class in Class::ALL {
            assert_eq!(Class::from_word(class.as_str()), Some(*class));
        }
        assert_eq!(Reach::from_word("planet"), None);
    }

    #[test]
    fn chain_prints_every_cause() {
        let cause = std::io::Error::other("connection reset");
        let failure =
            Failure::new(Class::Network, Reach::Session, Provenance::Local, "reading a response")
                .caused_by(cause);
        assert_eq!(
            failure.to_string(),
            "network (session, local): reading a response: connection reset"
        );
    }
}
