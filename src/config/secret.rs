//! Getting a password from where the config says it is.

use crate::config::validate::SecretFrom;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use secrecy::SecretString;
use std::process::{Command, Stdio};

impl SecretFrom {
    /// Gets the password. A command is run each time, and waited for.
    ///
    /// # Errors
    /// Class config: what is missing, never the secret.
    pub fn get(&self) -> Result<SecretString, Failure> {
        let missing =
            |text: String| Failure::new(Class::Config, Reach::Account, Provenance::Local, text).when(When::AfterChange);
        let text = match self {
            Self::File(file) => std::fs::read_to_string(file)
                .map_err(|e| missing(format!("password_file {} cannot be read", file.display())).caused_by(e))?,
            Self::Variable(name) => {
                std::env::var(name).map_err(|_| missing(format!("the environment has no {name} (password_env)")))?
            }
            Self::Command(command) => {
                let output = Command::new("sh")
                    .args(["-c", command])
                    .stdin(Stdio::null())
                    .stderr(Stdio::inherit())
                    .output()
                    .map_err(|e| missing("password_command cannot be run".into()).caused_by(e))?;
                if !output.status.success() {
                    return Err(missing(format!("password_command ended with {}", output.status)));
                }
                String::from_utf8(output.stdout).map_err(|_| missing("password_command printed no UTF-8".into()))?
            }
            Self::Inline(secret) => return Ok(secret.clone()),
        };
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            return Err(missing("the password is empty".into()));
        }
        Ok(secret.into())
    }
}
