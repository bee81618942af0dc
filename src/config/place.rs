//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a database is, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// SQLite's file.
    File(PathBuf),
}

impl Place {
    /// Whether there may be one: what lies in a file is seen without asking.
    #[must_use]
    pub fn may_exist(&self) -> bool {
        match self {
            Self::File(file) => file.exists(),
        }
    }

    /// The folder of this machine in which it lies.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(file) => file.parent().filter(|folder| !folder.as_os_str().is_empty()),
        }
    }

    /// Whether whoever moves this folder moves it.
    #[must_use]
    pub fn lies_in(&self, folder: &Path) -> bool {
        match self {
            Self::File(file) => file.starts_with(folder),
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
        }
    }
}
