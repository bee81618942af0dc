//! From arguments to a config: a file, or a mailbox named on the command line.

use crate::cli::args::{Direct, Mirror};
use crate::cli::exit::Exit;
use crate::config::raw::{Flaw, Origin};
use crate::config::validate::{Config, without_file};
use crate::config::{self};
use crate::config::{Account, SecretFrom};
use crate::config::{IMAP, is_loopback, known_download};
use crate::telemetry::log::{self};
use postrider_core::provider::server::Security;
use postrider_core::run::filter::FolderFilter;
use std::path::{Path, PathBuf};

fn say(problems: &[Flaw]) -> Exit {
    for problem in problems {
        eprintln!("{problem}");
    }
    Exit::Usage
}

/// Reads a config file, starts the log, says the warnings.
pub(super) fn from_file(file: &Path) -> Result<Config, Exit> {
    let config = config::load(file, config::variables()).map_err(|problems| say(&problems))?;
    start_log(&config)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

pub(crate) fn start_log(config: &Config) -> Result<(), Exit> {
    log::start(&config.log.0, config.log.1).map_err(|text| {
        eprintln!("telemetry.log: {text}");
        Exit::Usage
    })
}

/// The config that a command is about: a file, or a mailbox on the command line.
pub(super) fn resolve(
    file: Option<&PathBuf>,
    data: Option<&PathBuf>,
    direct: &Direct,
) -> Result<Config, Exit> {
    if let Some(file) = file {
        return from_file(file);
    }
    let Some(url) = &direct.imap else {
        let default = Path::new("config.toml");
        if data.is_none() && default.exists() {
            eprintln!("using {}", default.display());
            return from_file(default);
        }
        eprintln!("which mailbox? give --config FILE, or --imap URL with --password-env VAR");
        return Err(Exit::Usage);
    };
    let mut config = without_file(data.map_or(Path::new("data"), PathBuf::as_path));
    let account = account_of(url, direct.password_env.as_deref()).map_err(|text| {
        eprintln!("--imap: {text}");
        Exit::Usage
    })?;
    config.accounts.push(account);
    start_log(&config)?;
    Ok(config)
}

/// A config that must be whole: who acts does so on the mirror that it names, and on no other.
fn read_whole(file: &Path) -> Result<Config, Exit> {
    let config = config::load(file, config::variables()).map_err(|problems| say(&problems))?;
    start_log(&config)?;
    Ok(config)
}

/// The config for looking at a mirror: an edit that is refused is no reason not to look.
fn read_places(file: &Path) -> Result<Config, Exit> {
    let config = match config::load(file, config::variables()) {
        Ok(config) => config,
        Err(problems) if !file.exists() => return Err(say(&problems)),
        Err(problems) => {
            say(&problems);
            let config = config::places(file, config::variables());
            eprintln!(
                "this config is refused, and a server goes on with the one it had; this is about {}",
                config.data_dir.display()
            );
            config
        }
    };
    start_log(&config)?;
    Ok(config)
}

fn of(mirror: &Mirror, read: impl Fn(&Path) -> Result<Config, Exit>) -> Result<Config, Exit> {
    let default = Path::new("config.toml");
    match (&mirror.config, &mirror.data) {
        (Some(file), _) => read(file),
        (None, Some(dir)) => Ok(without_file(dir)),
        (None, None) if default.exists() => read(default),
        (None, None) => Ok(without_file(Path::new("data"))),
    }
}

/// The config for reading a mirror: only its places matter.
pub(super) fn places(mirror: &Mirror) -> Result<Config, Exit> {
    of(mirror, read_places)
}

/// The config for acting on a mirror through its server.
pub(super) fn acting(mirror: &Mirror) -> Result<Config, Exit> {
    of(mirror, read_whole)
}

/// `imaps://user@host[:port]`; `imap://` is plain on loopback, STARTTLS elsewhere.
fn account_of(url: &str, variable: Option<&str>) -> Result<Account, String> {
    let want = "write imaps://user@host[:port] or imap://user@host[:port]";
    let (scheme, rest) = url.split_once("://").ok_or(want)?;
    let rest = rest.trim_end_matches('/');
    let (user, place) = rest.rsplit_once('@').ok_or("there is no user; write imaps://user@host")?;
    if user.contains(':') {
        return Err(
            "a password on the command line is seen by every process; use --password-env VAR"
                .into(),
        );
    }
    let user = percent_decoded(user).ok_or("the user's % signs are no percent-encoding")?;
    let (host, port) =
        match place.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => {
                let number = port.parse::<u16>().ok().filter(|n| *n > 0);
                (
                    host,
                    Some(number.ok_or_else(|| {
                        format!("{port} is no port; write a number from 1 to 65535")
                    })?),
                )
            }
            _ => (place, None),
        };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if user.is_empty() || host.is_empty() {
        return Err(want.into());
    }
    let security = match scheme.strip_prefix(IMAP) {
        Some("s") => Security::Implicit,
        Some("") if is_loopback(host) => Security::Plain,
        Some("") => Security::StartTls,
        _ => return Err(want.into()),
    };
    let default = if security == Security::Implicit { 993 } else { 143 };
    let variable = variable.ok_or("there is no password; give --password-env VAR")?;
    Ok(Account {
        api: None,
        download_per_day: known_download(host),
        id: format!("{user}@{host}"),
        was: None,
        owner: None,
        addresses: Vec::new(),
        provider: IMAP,
        username_at: Origin::Argument,
        host: host.to_owned(),
        port: port.unwrap_or(default),
        security,
        proxy: None,
        compress: false,
        ca_file: None,
        ca_file_at: Origin::Argument,
        username: user,
        secret: SecretFrom::Variable(variable.to_owned()),
        folders: FolderFilter::default(),
        secret_at: (Origin::Argument, "--password-env"),
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let (hex, after) = tail.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let of = |url: &str| account_of(url, Some("P"));
        let a = of("imaps://me%40example.org@imap.example.org").unwrap();
        assert_eq!(
            (a.username.as_str(), a.port, a.security),
            ("me@example.org", 993, Security::Implicit)
        );
        assert_eq!(a.id, "me@example.org@imap.example.org");
        let a = of("imap://u@127.0.0.1:1143/").unwrap();
        assert_eq!((a.port, a.security), (1143, Security::Plain));
        assert_eq!(of("imap://u@mail.example.org").unwrap().security, Security::StartTls);
        for bad in [
            "x",
            "imaps://host",
            "imaps://u:secret@h",
            "http://u@h",
            "imaps://u@h:99999",
            "imaps://@h",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(account_of("imaps://u@h", None).unwrap_err().contains("--password-env"));
    }
}
