//! Who may do what: bearer tokens in `DATA_DIR/admin.token`, made with the first start.

use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

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
        "{file}:{line}: write a token of at least 32 characters, for `admin`, or behind a role (read, operate, admin), with +mail where mail may be read, with @OWNER where it is for that owner's accounts alone, and a name, as in `read+mail@ada report TOKEN`"
    )]
    Line {
        /// The file.
        file: PathBuf,
        /// Which.
        line: usize,
    },
    /// A token is for two owners.
    #[error(
        "{file}:{line}: this token stands in a line above for other accounts; write another one"
    )]
    Twice {
        /// The file.
        file: PathBuf,
        /// Which.
        line: usize,
    },
}

/// Who asks, by their token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What they may do.
    pub role: Access,
    /// They may read mail.
    pub mail: bool,
    /// Whose accounts there are for them; all, where nobody is named.
    pub owner: Option<Arc<str>>,
    /// What the token is called.
    pub name: Option<Arc<str>>,
    hash: [u8; 32],
}

/// What a file looks like from outside: another look, and it is read.
type Look = (SystemTime, u64, u64);

/// What was read of it.
#[derive(Debug)]
struct Held {
    known: Vec<Holder>,
    look: Option<Look>,
}

/// The tokens: only their hashes are kept.
#[derive(Debug)]
pub struct Tokens {
    file: PathBuf,
    held: Mutex<Held>,
    /// How often it was read.
    read: watch::Sender<u64>,
}

/// The file of a data folder.
#[must_use]
pub fn file_of(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.token")
}

impl Tokens {
    /// Reads the file, making it with a fresh token if need be. A line is a token of role admin, or a role, whether mail
    /// may be read, whose accounts there are for it, a name, and the token.
    ///
    /// # Errors
    /// [`TokenError`], by variant.
    pub fn open(data_dir: &Path) -> Result<Self, TokenError> {
        let file = file_of(data_dir);
        let io = |source| TokenError::Io { file: file.clone(), source };
        if !file.try_exists().map_err(io)? {
            let token = made();
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
        let look = look(&file).map_err(io)?;
        let known = read(&file)?;
        Ok(Self {
            held: Mutex::new(Held { known, look: Some(look) }),
            file,
            read: watch::Sender::new(0),
        })
    }

    /// One of admin's, for this process alone: no file has it, and none is asked.
    #[must_use]
    pub fn alone(token: &str) -> Self {
        let holder =
            Holder { role: Access::Admin, mail: true, owner: None, name: None, hash: hash(token) };
        let known = vec![holder];
        let held = Mutex::new(Held { known, look: None });
        Self { held, file: PathBuf::new(), read: watch::Sender::new(0) }
    }

    /// Reads it again if it looks otherwise. What is wrong with it is said once; until it is mended the tokens are those
    /// that were.
    pub fn follow(&self) {
        let look = look(&self.file).ok();
        if look == self.held().look {
            return;
        }
        let read = read(&self.file);
        let mut held = self.held();
        held.look = look;
        match read {
            // One that is being written is empty for a moment.
            Ok(known) if known.is_empty() => {
                tracing::warn!("the tokens stay as they were: {} has none", self.file.display());
            }
            Ok(known) => {
                let names: Vec<&str> =
                    known.iter().filter_map(|known| known.name.as_deref()).collect();
                tracing::info!(
                    "admin.token was read anew: {} tokens ({})",
                    known.len(),
                    names.join(", ")
                );
                held.known = known;
                drop(held);
                self.read.send_modify(|times| *times += 1);
            }
            Err(why) => tracing::warn!("the tokens stay as they were: {why}"),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose token this is, compared in constant time. Of two lines with one token the higher role counts.
    #[must_use]
    pub fn holder(&self, token: &str) -> Option<Holder> {
        let given = hash(token);
        let mut found: Option<Holder> = None;
        for holder in &self.held().known {
            let is_more = found
                .as_ref()
                .is_none_or(|found| (found.role, found.mail) < (holder.role, holder.mail));
            if bool::from(holder.hash.ct_eq(&given)) && is_more {
                found = Some(holder.clone());
            }
        }
        found
    }

    /// Comes when somebody may no longer do what they could.
    pub async fn lost(self: Arc<Self>, holder: Holder) {
        let mut news = self.read.subscribe();
        loop {
            let is_there = self.held().known.contains(&holder);
            if !is_there || news.changed().await.is_err() {
                return;
            }
        }
    }
}

/// A new token.
#[must_use]
pub fn made() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

fn look(file: &Path) -> io::Result<Look> {
    let seen = std::fs::metadata(file)?;
    Ok((seen.modified()?, seen.len(), seen.ino()))
}

fn read(file: &Path) -> Result<Vec<Holder>, TokenError> {
    let io = |source| TokenError::Io { file: file.to_owned(), source };
    let mode = std::fs::metadata(file).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Open { file: file.to_owned(), mode });
    }
    let text = std::fs::read_to_string(file).map_err(io)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut all: Vec<Holder> = Vec::new();
    for (n, line) in lines {
        let (file, line, known) = (file.to_owned(), n + 1, known(line));
        let Some(known) = known else { return Err(TokenError::Line { file, line }) };
        let is_another = |holder: &Holder| holder.hash == known.hash && holder.owner != known.owner;
        if all.iter().any(is_another) {
            return Err(TokenError::Twice { file, line });
        }
        all.push(known);
    }
    Ok(all)
}

/// A line: `[ROLE[+mail][@OWNER] [NAME]] TOKEN`.
fn known(line: &str) -> Option<Holder> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (token, before) = words.split_last()?;
    let (rights, name) = match before {
        [] => ("admin", None),
        [rights] => (*rights, None),
        [rights, name] => (*rights, Some(Arc::from(*name))),
        _ => return None,
    };
    let (rights, owner) = match rights.split_once('@') {
        // What is meant as a right is no part of a name.
        Some((_, owner)) if owner.is_empty() || owner.ends_with("+mail") => return None,
        Some((rights, owner)) => (rights, Some(Arc::from(owner))),
        None => (rights, None),
    };
    let (role, mail) = match rights.strip_suffix("+mail") {
        Some(role) => (Access::from_word(role)?, true),
        None => (Access::from_word(rights)?, false),
    };
    if token.len() < 32 {
        return None;
    }
    let mail = mail || role == Access::Admin;
    Some(Holder { role, mail, owner, name, hash: hash(token) })
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token that the clients of this machine use: the first of those in the file that allow most.
///
/// # Errors
/// Whatever the system says.
pub fn own(data_dir: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file_of(data_dir))?;
    let rights = |line: &&str| {
        let holder = known(line)?;
        Some((holder.owner.is_none(), holder.role, holder.mail))
    };
    // Of equals the last is taken.
    let line = text.lines().rev().max_by_key(rights).unwrap_or_default();
    Ok(line.split_whitespace().last().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(tokens: &Tokens, token: &str) -> Option<(Access, bool)> {
        tokens.holder(token).map(|holder| (holder.role, holder.mail))
    }

    fn owner(tokens: &Tokens, token: &str) -> Option<String> {
        tokens.holder(token).and_then(|holder| holder.owner).map(|owner| owner.to_string())
    }

    fn write(file: &Path, text: &str) {
        // Another file in its place, as editors have it.
        let half = file.with_extension("new");
        std::fs::write(&half, text).unwrap();
        std::fs::set_permissions(&half, Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(half, file).unwrap();
    }

    #[test]
    fn made_once_private_and_compared_by_role() {
        let dir = tempfile::tempdir().unwrap();
        let first = Tokens::open(dir.path()).unwrap();
        let token = own(dir.path()).unwrap();
        assert_eq!((token.len(), rights(&first, &token)), (64, Some((Access::Admin, true))));
        let again = Tokens::open(dir.path()).unwrap();
        assert_eq!(rights(&again, &token), Some((Access::Admin, true)), "it stays");
        let file = file_of(dir.path());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let [r, o, m, n] = ["r", "o", "m", "n"].map(|c| c.repeat(40));
        let text = format!(
            "{token}\n\nread {r}\noperate+mail {o}\n read+mail  report {m}\nread named {n}\n"
        );
        std::fs::write(&file, text).unwrap();
        let tokens = Tokens::open(dir.path()).unwrap();
        for (token, wanted) in [
            (&r, Some((Access::Read, false))),
            (&o, Some((Access::Operate, true))),
            (&m, Some((Access::Read, true))),
            (&n, Some((Access::Read, false))),
            (&"x".to_owned(), None),
            (&String::new(), None),
            (&"report".to_owned(), None),
        ] {
            assert_eq!(rights(&tokens, token), wanted, "{token}");
        }
        let long = "x".repeat(32);
        for line in [
            "short".to_owned(),
            format!("reader {long}"),
            format!("read+all {long}"),
            format!("read@ {long}"),
            format!("read@ada+mail {long}"),
            format!("@ada {long}"),
            format!("open {long}"),
            format!("read a b {long}"),
            "read name short".to_owned(),
        ] {
            std::fs::write(&file, format!("\n{line}\n")).unwrap();
            let refused = Tokens::open(dir.path());
            assert!(
                matches!(refused, Err(TokenError::Line { line: 2, .. })),
                "{line}: {refused:?}"
            );
        }
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Tokens::open(dir.path()), Err(TokenError::Open { .. })));
    }

    /// A token may be an owner's; one of two owners is nobody's.
    #[test]
    fn a_token_is_of_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|c| c.repeat(40));
        let file = file_of(dir.path());
        let text = format!(
            "admin@ada {a}\nread+mail@me+x@example.org report {b}\nread@ada {a}\noperate {c}\noperate {d}\n"
        );
        write(&file, &text);
        let tokens = Tokens::open(dir.path()).unwrap();
        assert_eq!(rights(&tokens, &a), Some((Access::Admin, true)));
        assert_eq!(owner(&tokens, &a).as_deref(), Some("ada"));
        assert_eq!(rights(&tokens, &b), Some((Access::Read, true)));
        assert_eq!(owner(&tokens, &b).as_deref(), Some("me+x@example.org"));
        assert_eq!(owner(&tokens, &c), None);
        assert_eq!(own(dir.path()).unwrap(), c, "who sees all, before who may do all to some");
        for other in ["read", "admin@bob"] {
            write(&file, &format!("{text}{other} {a}\n"));
            let refused = Tokens::open(dir.path());
            assert!(matches!(refused, Err(TokenError::Twice { line: 6, .. })), "{refused:?}");
        }
    }

    /// What is written there counts at once; what is wrong there changes nothing.
    #[tokio::test]
    async fn the_file_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_of(dir.path());
        let [a, b] = ["a", "b"].map(|c| c.repeat(40));
        write(&file, &format!("{a}\nread {b}\n"));
        let tokens = Arc::new(Tokens::open(dir.path()).unwrap());
        let holder = tokens.holder(&b).unwrap();
        let mut lost = Box::pin(Arc::clone(&tokens).lost(holder));
        let is_lost = async |lost: &mut std::pin::Pin<Box<_>>| {
            futures_util::future::poll_immediate(lost).await.is_some()
        };
        tokens.follow();
        assert!(!is_lost(&mut lost).await);
        write(&file, "nothing\n");
        tokens.follow();
        assert!(
            !is_lost(&mut lost).await && tokens.holder(&b).is_some(),
            "it is no file of tokens"
        );
        write(&file, "\n");
        tokens.follow();
        assert!(!is_lost(&mut lost).await && tokens.holder(&b).is_some(), "it is being written");
        std::fs::remove_file(&file).unwrap();
        tokens.follow();
        assert!(!is_lost(&mut lost).await && tokens.holder(&b).is_some());
        write(&file, &format!("{a}\nread {b}\noperate new {}\n", "c".repeat(40)));
        tokens.follow();
        assert!(!is_lost(&mut lost).await, "it is there still");
        write(&file, &format!("{a}\nread+mail {b}\n"));
        tokens.follow();
        assert!(is_lost(&mut lost).await, "it is another right");
        assert_eq!(rights(&tokens, &b), Some((Access::Read, true)));
        let holder = tokens.holder(&b).unwrap();
        let mut lost = Box::pin(Arc::clone(&tokens).lost(holder));
        assert!(!is_lost(&mut lost).await);
        write(&file, &format!("{a}\nread+mail@ada {b}\n"));
        tokens.follow();
        assert!(is_lost(&mut lost).await, "it is for others");
    }
}
