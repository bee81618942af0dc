//! Where the database is.

use crate::config::mailbox::SecretFrom;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file of a data folder that says where its database is, if that is a server's.
pub const NOTED: &str = "store";

/// Where a database is, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// SQLite's file.
    File(PathBuf),
    /// PostgreSQL's server.
    Server(Box<ServerPlace>),
}

/// A database of PostgreSQL's.
#[derive(Clone, Debug)]
pub struct ServerPlace {
    /// Its URL, without a password.
    pub shown: String,
    /// Its URL as it is written.
    pub url: SecretString,
    /// The password, where it is not in the URL.
    pub password: Option<SecretFrom>,
    /// Connections that only read.
    pub readers: u32,
    /// Longest wait for a statement, and for a connection.
    pub timeout: Duration,
}

impl PartialEq for ServerPlace {
    fn eq(&self, other: &Self) -> bool {
        let file =
            |place: &Self| place.password.as_ref().and_then(|from| from.file().map(Path::to_owned));
        self.url.expose_secret() == other.url.expose_secret()
            && file(self) == file(other)
            && (self.readers, self.timeout) == (other.readers, other.timeout)
    }
}

impl Eq for ServerPlace {}

impl Place {
    /// The folder of this machine in which it lies.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(file) => file.parent().filter(|folder| !folder.as_os_str().is_empty()),
            Self::Server(_) => None,
        }
    }

    /// Whether whoever moves this folder moves it.
    #[must_use]
    pub fn lies_in(&self, folder: &Path) -> bool {
        match self {
            Self::File(file) => file.starts_with(folder),
            Self::Server(_) => false,
        }
    }
}

impl From<PathBuf> for Place {
    fn from(file: PathBuf) -> Self {
        Self::File(file)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Server(server) => f.write_str(&server.shown),
        }
    }
}
