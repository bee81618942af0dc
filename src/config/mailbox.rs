//! An account as the config has it.

use crate::config::raw::Origin;
use postrider_core::contact::key;
use postrider_core::provider::server::{Api, Proxy, Security};
use postrider_core::run::filter::FolderFilter;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A mailbox.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// The id it had before.
    pub was: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// The addresses that mail of its owner comes from.
    pub addresses: Vec<String>,
    /// `imap`, `gmail`, `nylas`.
    pub provider: &'static str,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection.
    pub security: Security,
    /// What stands between.
    pub proxy: Option<Proxy>,
    /// Whether the server is asked to compress what it says.
    pub compress: bool,
    /// Roots of its own.
    pub ca_file: Option<PathBuf>,
    /// Where those were said.
    pub ca_file_at: Origin,
    /// Who logs in.
    pub username: String,
    /// Where what it shows comes from.
    pub secret: SecretFrom,
    /// Folders wanted.
    pub folders: FolderFilter,
    /// Where its server is an HTTP API.
    pub api: Option<Api>,
    /// Octets that may be read in any 24 hours.
    pub download_per_day: Option<u64>,
    /// Where that was said, and by which key.
    pub secret_at: (Origin, &'static str),
    /// Where its username was said.
    pub username_at: Origin,
}

impl Account {
    /// Its own addresses, as they are compared.
    #[must_use]
    pub fn own_keys(&self) -> BTreeSet<String> {
        self.addresses.iter().map(|address| key(address)).collect()
    }
}

/// What is shown at a login, and where that was said.
pub(super) type Login = (SecretFrom, (Origin, &'static str));

/// Where a mailbox is.
#[derive(Clone, Debug)]
pub(super) struct MailboxPlace {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) api: Option<Api>,
}

/// Where what is shown at a login comes from.
#[derive(Clone, Debug)]
pub enum SecretFrom {
    /// A file; its last line end is left out.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The output of a command, run by `sh -c`.
    Command(String),
    /// The config itself.
    Inline(SecretString),
    /// A file with an OAuth2 access token that somebody else renews.
    Token(PathBuf),
    /// A human grants access, through the OAuth client of this name; tokens are renewed.
    Grant(&'static str),
    /// The service account of this issuer signs for it.
    Service(&'static str),
}
