//! Where the database is, as the config says it.

use crate::config::mailbox::SecretFrom;
use crate::config::place::{NOTED, Place, ServerPlace};
use crate::config::raw::RawValue;
use crate::config::taker::{Taker, shown};
use reqwest::Url;
use secrecy::SecretString;
use std::path::Path;
use std::time::Duration;

/// Keys of `[store]`.
pub(super) const KEYS: [&str; 4] =
    ["store.url", "store.password_file", "store.readers", "store.timeout"];

/// Those that mean something to a server alone.
const OF_A_SERVER: [&str; 3] = ["store.password_file", "store.readers", "store.timeout"];

/// What a URL may say of a connection (<https://www.postgresql.org/docs/current/libpq-connect.html>); anything
/// else would be passed over without a word.
const PARAMETERS: [&str; 9] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "dbname", "user", "options"];

/// Those that name a file.
const FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// Words of `sslmode`.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Connections that only read, unless written.
const READERS: u32 = 4;
/// Longest wait for the server, unless written.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What to write.
const WRITE: &str = "write \"sqlite://data/postrider.db\" or \"postgres://USER@HOST/DATABASE\"";

/// Where the database is, and what deserves a warning.
pub(super) fn database(t: &mut Taker<'_>, base: &Path, data_dir: &Path) -> (Place, Option<String>) {
    let default = Place::File(data_dir.join("postrider.db"));
    let password = t.text("store.password_file").map(|file| SecretFrom::File(base.join(file)));
    if let (Some(Err(failure)), Some(item)) =
        (password.as_ref().map(SecretFrom::get), t.item("store.password_file"))
    {
        let text = failure.chain();
        // The key stands in front already.
        let text = text.strip_prefix("password_file ").unwrap_or(&text);
        t.wrong(item.place, "store.password_file", text);
    }
    let readers = t.number("store.readers", READERS.into(), 1, 100);
    let timeout = t.duration("store.timeout", TIMEOUT);
    let server = |shown, url| ServerPlace {
        shown,
        url,
        password,
        readers: u32::try_from(readers).unwrap_or(READERS),
        timeout,
    };
    let item = t.item("store.url");
    let said = item.as_ref().map(|item| &item.value);
    let (place, told) = match said {
        None => (default, Ok(None)),
        Some(RawValue::Text(url)) => match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => (Place::File(base.join(path)), Ok(None)),
            _ if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                match of_server(url, Some(base), server) {
                    Ok((place, warning)) => (Place::Server(Box::new(place)), Ok(warning)),
                    Err(text) => (default, Err(text)),
                }
            }
            // There may be a password in it.
            _ => {
                let scheme = url
                    .split("://")
                    .next()
                    .filter(|scheme| url.contains("://") && scheme.len() < 20);
                let said = scheme.map_or_else(|| "it".to_owned(), |scheme| format!("{scheme}://"));
                (default, Err(format!("{said} is no database; {WRITE}")))
            }
        },
        Some(other) => (default, Err(format!("{} will not do; {WRITE}", shown(other)))),
    };
    if let Place::File(_) = place
        && told.is_ok()
    {
        for key in OF_A_SERVER {
            if let Some(item) = t.item(key) {
                let text = "it is PostgreSQL's, and would do nothing; leave it out";
                t.wrong(item.place, key, text);
            }
        }
    }
    match (told, item) {
        (Ok(warning), Some(item)) => (place, warning.map(|text| format!("{}: {text}", item.place))),
        (Err(text), Some(item)) => {
            t.wrong(item.place, "store.url", text);
            (place, None)
        }
        (_, None) => (place, None),
    }
}

/// Where the database of a data folder is that nobody says more of: as the last start has noted it, or in it.
pub(super) fn of_folder(data_dir: &Path) -> Place {
    let noted = std::fs::read_to_string(data_dir.join(NOTED)).unwrap_or_default();
    let server = |shown, url| ServerPlace {
        shown,
        url,
        password: std::env::var_os("POSTRIDER_STORE__PASSWORD_FILE")
            .map(|file| SecretFrom::File(file.into())),
        readers: READERS,
        timeout: TIMEOUT,
    };
    match of_server(noted.trim(), None, server) {
        Ok((place, _)) => Place::Server(Box::new(place)),
        Err(_) => Place::File(data_dir.join("postrider.db")),
    }
}

/// A server, its password apart from its URL; the URL is never told where it cannot be read: there may be a
/// password in it.
fn of_server(
    text: &str,
    base: Option<&Path>,
    server: impl FnOnce(String, SecretString) -> ServerPlace,
) -> Result<(ServerPlace, Option<String>), String> {
    let example = "write it like \"postgres://USER@HOST/DATABASE\"";
    let mut url =
        Url::parse(text).map_err(|e| format!("the URL cannot be read: {e}; {example}"))?;
    for (key, value) in url.query_pairs() {
        if !PARAMETERS.contains(&&*key) {
            let known = PARAMETERS.join(", ");
            return Err(format!("there is no parameter {key} of a URL; there are {known}"));
        }
        if key == "sslmode" && !SSL_MODES.contains(&&*value) {
            return Err(format!("sslmode={value} is none; write one of {}", SSL_MODES.join(", ")));
        }
    }
    let behind = [Some(url.path()), url.query(), url.fragment()];
    if behind.into_iter().flatten().any(|part| part.contains('@')) {
        return Err(format!(
            "a sign of the name or password is to be encoded (/ as %2F, ? as %3F, # as %23, @ as %40); {example}"
        ));
    }
    let has_password = url.password().is_some();
    // What a start has noted was looked at by that: a file that has gone since makes it no other database.
    if let Some(base) = base {
        files_of(&mut url, base)?;
    }
    let whole = url.to_string();
    let options: Result<sqlx::postgres::PgConnectOptions, _> = whole.parse();
    options.map_err(|_| format!("the URL cannot be read; {example}"))?;
    if has_password && url.set_password(None).is_err() {
        return Err(format!("the URL names no host; {example}"));
    }
    let warning = "store.url has a password in it; store.password_file is safer";
    Ok((server(url.into(), whole.into()), has_password.then(|| warning.to_owned())))
}

/// The files that a URL names lie beside the config, as all do that it names; they are there, and can be read.
fn files_of(url: &mut Url, base: &Path) -> Result<(), String> {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut found = pairs.clone();
    for (key, value) in found.iter_mut().filter(|(key, _)| FILES.contains(&key.as_str())) {
        let file = std::path::absolute(base.join(&*value)).map_err(|e| format!("{key}: {e}"))?;
        let held = std::fs::read(&file)
            .map_err(|e| format!("{key}: {} cannot be read: {e}", file.display()))?;
        if !String::from_utf8_lossy(&held).contains("-----BEGIN ") {
            let what = if key == "sslkey" { "key" } else { "certificate" };
            return Err(format!("{key}: {} holds no {what} in PEM", file.display()));
        }
        *value = file.to_str().ok_or_else(|| format!("{key}: its path is no UTF-8"))?.to_owned();
    }
    if found != pairs {
        url.query_pairs_mut().clear().extend_pairs(found);
    }
    Ok(())
}
