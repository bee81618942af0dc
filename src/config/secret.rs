//! Getting a password or a token from where the config says it is.
#![expect(clippy::disallowed_methods, reason = "a command that prints a secret has a deadline")]

use crate::config::mailbox::SecretFrom;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use secrecy::SecretString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longest time that a command may take.
const COMMAND: Duration = Duration::from_secs(30);
/// How often it is looked at.
const CHILD_LOOK_EVERY: Duration = Duration::from_millis(20);

fn missing(text: String) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, text).when(When::AfterChange)
}

/// What a command prints, which has a while to end.
fn printed(command: &str, what: &str) -> Result<String, Failure> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|e| missing(format!("{what}_command cannot be run")).caused_by(e))?;
    let (told, printed) = mpsc::channel();
    let out = child.stdout.take();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = out.map_or(Ok(0), |mut out| out.read_to_string(&mut text));
        // Who no longer waits needs no answer.
        drop(told.send(read.map(|_| text)));
    });
    let mut waited = Duration::ZERO;
    let status = loop {
        match child
            .try_wait()
            .map_err(|e| missing(format!("{what}_command was lost")).caused_by(e))?
        {
            Some(status) => break status,
            None if waited >= COMMAND => {
                // It may have ended by itself in between.
                drop(child.kill());
                drop(child.wait());
                return Err(missing(format!(
                    "{what}_command took longer than {} s",
                    COMMAND.as_secs()
                )));
            }
            None => {
                std::thread::sleep(CHILD_LOOK_EVERY);
                waited += CHILD_LOOK_EVERY;
            }
        }
    };
    if !status.success() {
        return Err(missing(format!("{what}_command ended with {status}")));
    }
    // What it left running may hold its output open.
    let left = COMMAND.saturating_sub(waited).max(CHILD_LOOK_EVERY);
    printed
        .recv_timeout(left)
        .map_err(|_| missing(format!("{what}_command has ended, but its output goes on")))?
        .map_err(|e| missing(format!("{what}_command printed no UTF-8")).caused_by(e))
}

impl SecretFrom {
    /// Gets the secret. A command is run each time, and waited for.
    ///
    /// # Errors
    /// Class config: what is missing, never the secret.
    pub fn get(&self) -> Result<SecretString, Failure> {
        self.get_as(if let Self::Token(_) = self { "access_token" } else { "password" })
    }

    /// The same of something else than a password: its keys are `WHAT_file`, `WHAT_env`,
    /// `WHAT_command`.
    ///
    /// # Errors
    /// Class config: what is missing, never the secret.
    pub fn get_as(&self, what: &str) -> Result<SecretString, Failure> {
        let text = match self {
            Self::File(file) | Self::Token(file) => std::fs::read_to_string(file).map_err(|e| {
                missing(format!("{what}_file {} cannot be read", file.display())).caused_by(e)
            })?,
            Self::Variable(name) => std::env::var(name)
                .map_err(|_| missing(format!("the environment has no {name} ({what}_env)")))?,
            Self::Command(command) => printed(command, what)?,
            Self::Inline(secret) => return Ok(secret.clone()),
            Self::Grant(_) | Self::Service(_) => {
                return Err(Failure::bug("a token is asked for, not read"));
            }
        };
        let secret = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let secret = secret.strip_suffix('\n').unwrap_or(secret);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if let Self::Token(_) = self {
            return token(secret.trim()).map_err(|what| {
                let file = self.file().map(|file| file.display().to_string()).unwrap_or_default();
                missing(format!("access_token_file {file} {what}"))
            });
        }
        if secret.is_empty() {
            return Err(missing(format!("the {what} is empty")));
        }
        if secret.contains(['\n', '\r', '\0']) {
            return Err(missing(format!(
                "the {what} has a line break or a NUL in it: keep one line"
            )));
        }
        Ok(secret.into())
    }

    /// The OAuth client through which access is granted, where it is.
    #[must_use]
    pub fn grant(&self) -> Option<&'static str> {
        if let Self::Grant(name) = self { Some(name) } else { None }
    }

    /// Who issues its tokens, where somebody does.
    #[must_use]
    pub fn issuer(&self) -> Option<&'static str> {
        if let Self::Grant(name) | Self::Service(name) = self { Some(name) } else { None }
    }

    /// The file that it is in, where it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::Token(file) => Some(file),
            Self::Variable(_)
            | Self::Command(_)
            | Self::Inline(_)
            | Self::Grant(_)
            | Self::Service(_) => None,
        }
    }
}

/// A token as it may go into a header (RFC 6750): what else is in the file would be shown to the
/// server.
fn token(text: &str) -> Result<SecretString, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b)) {
        return Err("holds no access token: keep the token alone in it, without JSON and quotes");
    }
    Ok(text.into())
}

/// Whether others may read a file. Its group may: so a server reads what root has written.
pub(super) fn is_open(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o037 != 0)
}
