//! Who may do what: bearer tokens in `DATA_DIR/admin.token`, made with the first start.

use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// What a token allows; each includes the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nothing is needed.
    Open,
    /// Look.
    Read,
    /// Pause, resume, cancel, sync now.
    Operate,
    /// Delete.
    Admin,
}

impl Access {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "operate" => Some(Self::Operate),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// Why the token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read or made.
    #[error("cannot use {file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it.
    #[error("{file} can be read by others (mode {mode:o}); run chmod 600 on it")]
    Open {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A line is no token.
    #[error(
        "{file}:{line}: write a token of at least 32 characters, for `admin`, or after the word `read`, `operate` or `admin`"
    )]
    Line {
        /// The file.
        file: PathBuf,
        /// Which.
        line: usize,
    },
}

/// The tokens: only their hashes are kept.
#[derive(Debug)]
pub struct Tokens(Vec<(Access, [u8; 32])>);

/// The file of a data folder.
#[must_use]
pub fn file_of(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.token")
}

impl Tokens {
    /// Reads the file, making it with a fresh token if need be. A line is a token of role admin, or
    /// a role and its token.
    ///
    /// # Errors
    /// [`TokenError`], by variant.
    pub fn open(data_dir: &Path) -> Result<Self, TokenError> {
        let file = file_of(data_dir);
        let io = |source| TokenError::Io { file: file.clone(), source };
        if !file.try_exists().map_err(io)? {
            let token =
                format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
            let half = data_dir.join("admin.token.half");
            let mut out = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&half)
                .map_err(io)?;
            // A file that was there already keeps its mode.
            out.set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
            writeln!(out, "{token}").and_then(|()| out.sync_all()).map_err(io)?;
            std::fs::rename(&half, &file).map_err(io)?;
            File::open(data_dir).and_then(|dir| dir.sync_all()).map_err(io)?;
        }
        let mode = std::fs::metadata(&file).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Open { file, mode });
        }
        let text = std::fs::read_to_string(&file).map_err(io)?;
        let mut tokens = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (role, token) = match line.trim().split_once(' ') {
                Some((word, token)) => (Access::from_word(word), token.trim()),
                None => (Some(Access::Admin), line.trim()),
            };
            match role {
                Some(role) if token.len() >= 32 && !token.contains(' ') => {
                    tokens.push((role, hash(token)))
                }
                _ => return Err(TokenError::Line { file, line: n + 1 }),
            }
        }
        Ok(Self(tokens))
    }

    /// What this token allows, compared in constant time.
    #[must_use]
    pub fn role_of(&self, token: &str) -> Option<Access> {
        let given = hash(token);
        let mut found = None;
        for (role, known) in &self.0 {
            if bool::from(known.ct_eq(&given)) {
                found = found.max(Some(*role));
            }
        }
        found
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token that the clients of this machine use: the first of the file.
///
/// # Errors
/// Whatever the system says.
pub fn own(data_dir: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file_of(data_dir))?;
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Ok(line.split_whitespace().last().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_private_and_compared_by_role() {
        let dir = tempfile::tempdir().unwrap();
        let first = Tokens::open(dir.path()).unwrap();
        let token = own(dir.path()).unwrap();
        assert_eq!((token.len(), first.role_of(&token)), (64, Some(Access::Admin)));
        assert_eq!(
            Tokens::open(dir.path()).unwrap().role_of(&token),
            Some(Access::Admin),
            "it stays"
        );
        assert_eq!(
            std::fs::metadata(file_of(dir.path())).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let reader = "r".repeat(40);
        std::fs::write(file_of(dir.path()), format!("{token}\nread {reader}\n")).unwrap();
        let tokens = Tokens::open(dir.path()).unwrap();
        assert_eq!(
            (tokens.role_of(&reader), tokens.role_of("x"), tokens.role_of("")),
            (Some(Access::Read), None, None)
        );
        std::fs::write(file_of(dir.path()), "short\n").unwrap();
        assert!(matches!(Tokens::open(dir.path()), Err(TokenError::Line { line: 1, .. })));
        std::fs::set_permissions(file_of(dir.path()), Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Tokens::open(dir.path()), Err(TokenError::Open { .. })));
    }
}
