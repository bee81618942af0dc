//! How a connection is made, and, where the server refuses it, with what it was asked.

use crate::config::ServerPlace;
use crate::store::failure::Trouble;
use crate::store::sql::place::told;
use crate::store::sql::postgres::server::PostgresServer;
use sea_orm::DbErr;
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::env;
use std::time::Duration;

/// Longest wait for a lock that somebody else holds on a row or a table.
const LOCKED: Duration = Duration::from_secs(3);

/// How what is asked for is found: by a key, whatever is known of a table that was empty a moment ago. Our texts
/// name few rows by their keys, and no plan that reads a whole table or its index is ever better for them.
pub(super) const BY_KEYS: &str = "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// What each session is told once it is made; poolers refuse most of it as parameters of a start.
fn settings(name: &str, timeout: Duration) -> String {
    let (timeout, locked) = (timeout.as_millis(), LOCKED.min(timeout).as_millis());
    format!(
        "SET standard_conforming_strings = on; SET bytea_output = 'hex'; SET client_min_messages = warning; {BY_KEYS}; \
         SET statement_timeout = {timeout}; SET lock_timeout = {locked}; \
         SET idle_in_transaction_session_timeout = 60000; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 30000; SET application_name = '{name}'"
    )
}

impl PostgresServer {
    fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options: PgConnectOptions = self.place.url.expose_secret().parse()?;
        let options = match &self.place.password {
            Some(from) => {
                let secret =
                    from.get().map_err(|e| sqlx::Error::Configuration(e.chain().into()))?;
                options.password(secret.expose_secret())
            }
            None => options,
        };
        // Poolers refuse the first as a parameter of a start.
        Ok(options
            .extra_float_digits(None)
            .statement_cache_capacity(256)
            .disable_statement_logging())
    }

    /// A connection; what it is told beside what all are told.
    pub(super) async fn connect(&self, beside: &str) -> Result<PgConnection, Trouble> {
        let options = self.options().map_err(told)?;
        let connect = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let settings = settings(&self.name, self.place.timeout);
            connection.execute(AssertSqlSafe(settings + beside)).await?;
            Ok(connection)
        };
        match tokio::time::timeout(self.place.timeout, connect).await {
            Ok(connected) => connected.map_err(|e| refused(e, &self.place, &options)),
            Err(_) => Err(Trouble::Late(self.place.timeout)),
        }
    }
}

/// What the server refuses, with what was shown to it, or where it is to be mended; anything else as it is.
fn refused(e: sqlx::Error, place: &ServerPlace, options: &PgConnectOptions) -> Trouble {
    let hint = match &e {
        // <https://www.postgresql.org/docs/current/errcodes-appendix.html>, class 28 and 3D.
        sqlx::Error::Database(said) => match said.code().as_deref() {
            Some("28P01") => shown(place, options) + whose(place),
            Some("28000") => {
                let rule = "pg_hba.conf there says who may come from where, and whether over TLS";
                rule.to_owned() + whose(place)
            }
            Some("3D000") => "make it, or name another in store.url".to_owned(),
            _ => return told(e),
        },
        sqlx::Error::Io(io) if is_of_certificate(io) => "sslrootcert names a file with the certificate of the CA that \
             has signed the server's (without it the system's roots count); sslmode=verify-full compares the name, too"
            .to_owned(),
        _ => return told(e),
    };
    let said = match &e {
        sqlx::Error::Database(said) => said.message().to_owned(),
        e => e.to_string(),
    };
    Trouble::Database(DbErr::Custom(format!("{said} ({hint})")))
}

fn is_of_certificate(e: &std::io::Error) -> bool {
    let inner = e.get_ref().and_then(|e| e.downcast_ref::<tokio_rustls::rustls::Error>());
    matches!(inner, Some(tokio_rustls::rustls::Error::InvalidCertificate(_)))
}

/// Whose name that is, where nobody has said one.
fn whose(place: &ServerPlace) -> &'static str {
    let is_said = reqwest::Url::parse(&place.shown).is_ok_and(|url| {
        !url.username().is_empty() || url.query_pairs().any(|(key, _)| key == "user")
    });
    if is_said || env::var_os("PGUSER").is_some() {
        ""
    } else {
        "; store.url names no user: write postgres://USER@HOST/DATABASE"
    }
}

/// Which password the server was shown, by where it came from.
fn shown(place: &ServerPlace, options: &PgConnectOptions) -> String {
    let in_url = |url: &str| reqwest::Url::parse(url).is_ok_and(|url| url.password().is_some());
    let variable = |name: &str| env::var_os(name).map(|file| file.display().to_string());
    if let Some(file) = place.password.as_ref().and_then(|from| from.file()) {
        return format!("the password is that of {}", file.display());
    }
    if in_url(place.url.expose_secret()) {
        return "the password is that of store.url; there / is written %2F, ? %3F, # %23, @ %40, % %25".into();
    }
    if variable("PGPASSWORD").is_some() {
        return "the password is that of PGPASSWORD".into();
    }
    let home = || variable("HOME").map(|home| format!("{home}/.pgpass"));
    let file = variable("PGPASSFILE").or_else(home).unwrap_or_else(|| "~/.pgpass".into());
    if !std::path::Path::new(&file).exists() {
        return format!(
            "no password was found: neither store.password_file nor PGPASSWORD is set, and there is no {file}"
        );
    }
    // The driver has looked there.
    if options.to_url_lossy().password().is_some() {
        return format!("the password is that of {file}");
    }
    format!(
        "no password was found: neither store.password_file nor PGPASSWORD is set, and {file} has no line for this server that \
         only its owner may read"
    )
}
