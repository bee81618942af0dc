//! Where a server is, and how it is reached: what the config says and a provider needs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet.
    Implicit,
    /// STARTTLS after the greeting.
    StartTls,
    /// None: loopback, or allowed by name.
    Plain,
}

/// The deadlines of a session.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP connect.
    pub connect: Duration,
    /// TLS and greeting.
    pub greeting: Duration,
    /// LOGIN or AUTHENTICATE.
    pub login: Duration,
    /// Longest time without an octet.
    pub silence: Duration,
    /// Longest time of a command, unless a literal keeps coming.
    pub command: Duration,
    /// An IDLE without a sign of life is ended and begun anew after this; below the 29 minutes of
    /// RFC 2177.
    pub idle: Duration,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP CONNECT.
    Connect,
    /// SOCKS5.
    Socks5,
}

/// A proxy: what asks for a connection to a server on our behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who logs in there.
    pub username: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<PathBuf>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Connect => "http",
            ProxyKind::Socks5 => "socks5",
        };
        let host = &self.host;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{}", self.port)
        } else {
            write!(f, "{scheme}://{host}:{}", self.port)
        }
    }
}

/// What an HTTP API needs beside its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Comes before every path; empty, or begins with a slash and does not end with one.
    pub base: String,
    /// What may be spent there.
    pub plan: QuotaPlan,
    /// Which mailbox it is there, where the login does not say.
    pub grant: Option<Grant>,
}

/// A mailbox that its owner has opened to an application, whose login is one for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The application, as the config calls it.
    pub application: String,
    /// The mailbox's id there.
    pub id: String,
    /// That there is none any more is believed so long after it was seen first.
    pub gone_after: Duration,
}

/// Quota units: what may be spent, and what the dearest question costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaPlan {
    /// In a minute, by an account.
    pub user: u64,
    /// In a minute, by all accounts together.
    pub shared: u64,
    /// In any 24 hours, by all accounts together.
    pub day: Option<u64>,
    /// For reading a message.
    pub get: u64,
}

/// Where a server is, and how it is to be reached.
#[derive(Clone, Debug)]
pub struct Server {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection.
    pub security: Security,
    /// The certificates of this PEM file are believed, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What stands in between.
    pub proxy: Option<Proxy>,
    /// Whether it is asked to compress what it says.
    pub compress: bool,
    /// Octets that may be read of it in any 24 hours, by one account.
    pub download_per_day: Option<u64>,
    /// Where it is an HTTP API.
    pub api: Option<Api>,
    /// Deadlines.
    pub timeouts: Timeouts,
}

/// How it is known that a push comes from whom it says: by a token that its sender has signed (OpenID Connect).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPush {
    /// The address of who signs.
    pub signer: String,
    /// For whom it is signed.
    pub audience: String,
    /// Where the keys are shown.
    pub certs: String,
}

/// A queue that what is pushed is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledPush {
    /// Its name there.
    pub subscription: String,
    /// Where the API of queues is; it does not end with a slash.
    pub api: String,
    /// Who asks there: the service account's key, a file.
    pub key_file: PathBuf,
}

/// How what is pushed comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushWay {
    /// It is sent here.
    Signed(SignedPush),
    /// It is asked for.
    Pulled(PulledPush),
    /// It is sent here, and signed with a secret.
    Shared(SharedPush),
    /// The same, where the webhook is asked for, and its secret with it.
    Asked(Box<AskedPush>),
}

/// A webhook that is asked for. Two are the same where they are asked for in the same place: how that is reached is no matter.
#[derive(Clone, Debug)]
pub struct AskedPush {
    /// Whose accounts are meant: those of the application that the config calls so.
    pub application: String,
    /// Where it is sent to.
    pub url: String,
    /// Where it is asked for.
    pub server: Server,
    /// The application's key, a file.
    pub key_file: PathBuf,
}

impl PartialEq for AskedPush {
    fn eq(&self, other: &Self) -> bool {
        let place = |of: &Self| {
            let base = of.server.api.as_ref().map(|api| api.base.clone());
            (of.server.host.clone(), of.server.port, base)
        };
        (&self.application, &self.url, &self.key_file)
            == (&other.application, &other.url, &other.key_file)
            && place(self) == place(other)
    }
}

impl Eq for AskedPush {}

/// How it is known that a push comes from whom it says: by a secret that both know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPush {
    /// Whose accounts are meant: those of the application that the config calls so.
    pub application: String,
    /// The secret, a file.
    pub secret_file: PathBuf,
}

/// Who pushes: a kind of provider, for all its accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushPlace {
    /// The provider's word.
    pub provider: &'static str,
    /// Where it is asked to push to, in its words; none: somebody else asks it.
    pub topic: Option<String>,
    /// How it comes.
    pub way: PushWay,
}
