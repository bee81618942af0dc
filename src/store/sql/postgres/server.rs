//! PostgreSQL's server: how its connections are made, what it must promise, and who alone writes there.

use crate::config::{Place, ServerPlace};
use crate::store::failure::Trouble;
use crate::store::open_error::OpenError;
use crate::store::sql::postgres::session::{Session, Taken, told};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement, TryGetable};
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::time::Duration;
use tokio::time::Instant;

/// Oldest version that is used: <https://www.postgresql.org/support/versioning/>.
const OLDEST: i64 = 140_000;

/// At a start, whoever else writes has ended by then, or will not.
const START: Duration = Duration::from_millis(1500);

/// Behind a connection that was lost, the server notices within this that nobody is there
/// (`tcp_keepalives_*`, `tcp_user_timeout`).
const LOST: Duration = Duration::from_secs(40);

/// Between two questions for the lock.
const AGAIN: Duration = Duration::from_millis(100);

/// Longest wait for a lock that somebody else holds on a row or a table.
const LOCKED: Duration = Duration::from_secs(10);

/// How what is asked for is found: by a key, whatever is known of a table that was empty a moment ago. Our texts
/// name few rows by their keys, and no plan that reads a whole table or its index is ever better for them.
pub(super) const BY_KEYS: &str = "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// What each session is told once it is made; poolers refuse most of it as parameters of a start.
fn settings(timeout: Duration) -> String {
    let (timeout, locked) = (timeout.as_millis(), LOCKED.min(timeout).as_millis());
    let name = application_name();
    format!(
        "SET standard_conforming_strings = on; SET bytea_output = 'hex'; SET client_min_messages = warning; {BY_KEYS}; \
         SET statement_timeout = {timeout}; SET lock_timeout = {locked}; \
         SET idle_in_transaction_session_timeout = 60000; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 30000; SET application_name = '{name}'"
    )
}

/// Who we are, for whoever finds the lock held: PostgreSQL keeps 63 octets of it.
fn application_name() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let host: String = host.chars().filter(|c| plain(*c)).take(40).collect();
    format!("postrider {host} {}", std::process::id())
}

/// Who holds the lock of a database: its name, as we give it to ourselves, and its backend.
#[derive(Clone, Debug)]
pub(in crate::store) struct Holder {
    /// `HOST, pid N`.
    pub(in crate::store) who: String,
}

/// A server, and the database there.
#[derive(Clone, Debug)]
pub(in crate::store) struct PostgresServer {
    place: ServerPlace,
}

impl PostgresServer {
    pub(in crate::store) fn at(place: &ServerPlace) -> Self {
        Self { place: place.clone() }
    }

    pub(in crate::store) fn place(&self) -> Place {
        Place::Server(self.place.clone())
    }

    fn broken(&self, source: DbErr) -> OpenError {
        OpenError::Database { place: self.place(), source }
    }

    fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options: PgConnectOptions = self.place.url.expose_secret().parse()?;
        let options = match &self.place.password {
            Some(from) => {
                let secret = from.get().map_err(|e| sqlx::Error::Configuration(e.into()))?;
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

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let connect = async {
            let mut connection = PgConnection::connect_with(&self.options()?).await?;
            let settings = settings(self.place.timeout);
            connection.execute(AssertSqlSafe(settings)).await?;
            Ok(connection)
        };
        let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        tokio::time::timeout(self.place.timeout, connect).await.map_err(late)?
    }

    /// Opens it for writing.
    ///
    /// # Errors
    /// [`OpenError`], by variant.
    pub(in crate::store) async fn open(&self) -> Result<Session, OpenError> {
        let session =
            Session::of(self.connect().await.map_err(|e| self.broken(error_of(told(e))))?);
        let mut taken = session.taken().await.map_err(|e| self.broken(error_of(e)))?;
        self.promised(&mut taken).await?;
        match locked(&mut taken, START).await {
            Ok(None) => {}
            Ok(Some(holder)) => {
                return Err(OpenError::Held { place: self.place(), holder: holder.who });
            }
            Err(e) => return Err(self.broken(error_of(e))),
        }
        taken.give_back();
        Ok(session)
    }

    /// What is refused, since an acknowledged message would not survive there.
    async fn promised(&self, taken: &mut Taken) -> Result<(), OpenError> {
        let place = || self.place();
        let broken = |e| self.broken(error_of(e));
        let version: i64 = taken
            .one("SELECT current_setting('server_version_num')::bigint")
            .await
            .map_err(broken)?;
        if version < OLDEST {
            let (setting, wanted) = ("server_version_num", "140000");
            let found = version.to_string();
            return Err(OpenError::NotDurable { place: place(), setting, found, wanted });
        }
        for (setting, good, wanted) in [
            ("server_encoding", &["UTF8"][..], "UTF8"),
            ("fsync", &["on"], "on"),
            ("synchronous_commit", &["on", "local", "remote_write", "remote_apply"], "on"),
            ("transaction_read_only", &["off"], "off"),
        ] {
            let found: String =
                taken.one(&format!("SELECT current_setting('{setting}')")).await.map_err(broken)?;
            if !good.contains(&found.as_str()) {
                return Err(OpenError::NotDurable { place: place(), setting, found, wanted });
            }
        }
        Ok(())
    }

    /// Another connection that writes, once whoever wrote before is gone for certain: its lock is given back
    /// only with its end.
    pub(in crate::store) async fn writer(&self) -> Result<Session, Trouble> {
        let session = Session::of(self.connect().await.map_err(told)?);
        let mut taken = session.taken().await?;
        if let Some(holder) = locked(&mut taken, LOST).await? {
            let held = format!("the database is held by another postrider: {}", holder.who);
            return Err(Trouble::Database(DbErr::Custom(held)));
        }
        taken.give_back();
        Ok(session)
    }

    /// Connections that only read.
    pub(in crate::store) async fn readers(&self) -> Result<DatabaseConnection, Trouble> {
        let settings = settings(self.place.timeout);
        let options = PgPoolOptions::new()
            .max_connections(self.place.readers)
            .min_connections(0)
            .acquire_timeout(self.place.timeout)
            .test_before_acquire(true)
            .after_connect(move |connection, _| {
                let settings = format!("{settings}; SET default_transaction_read_only = on");
                Box::pin(
                    async move { connection.execute(AssertSqlSafe(settings)).await.map(|_| ()) },
                )
            });
        let pool = options.connect_with(self.options().map_err(told)?).await.map_err(told)?;
        Ok(DatabaseConnection::from(pool))
    }
}

/// What a database says, as the drivers' error.
pub(in crate::store) fn error_of(trouble: Trouble) -> DbErr {
    match trouble {
        Trouble::Database(e) | Trouble::Refused(e) => e,
        other => DbErr::Custom(other.to_string()),
    }
}

/// The number of the lock of a schema: advisory locks are a database's.
const LOCK: &str = "hashtextextended('postrider ' || current_schema(), 0)";

/// Takes the lock, for as long as the connection lives; who holds it, where it is not to be had in time.
async fn locked(taken: &mut Taken, patience: Duration) -> Result<Option<Holder>, Trouble> {
    let until = Instant::now() + patience;
    loop {
        if taken.one::<bool>(&format!("SELECT pg_try_advisory_lock({LOCK})")).await? {
            return Ok(None);
        }
        if Instant::now() >= until {
            return Ok(Some(holder(taken).await?));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Who holds it.
async fn holder(taken: &mut Taken) -> Result<Holder, Trouble> {
    let who = format!(
        "SELECT COALESCE((SELECT a.application_name || ' (backend ' || a.pid || COALESCE(', from ' || host(a.client_addr), '') \
         || ')' FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND \
         l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.objsubid = 1 AND \
         (l.classid::bigint << 32) | l.objid::bigint = {LOCK} LIMIT 1), 'another that is ending')"
    );
    taken.one(&who).await.map(|who| Holder { who })
}

/// The steps of the schema that were made.
const APPLIED: &str = "SELECT version FROM seaql_migrations ORDER BY version";

/// Whether anything of ours was ever made there.
const HAS_TABLES: &str = "SELECT to_regclass('seaql_migrations') IS NOT NULL";

impl Taken {
    /// The one value of an answer.
    async fn one<T: TryGetable>(&mut self, sql: &str) -> Result<T, Trouble> {
        let answer = self.run(sql).await?;
        let lacks = || Trouble::Damaged(format!("no answer to {sql}"));
        answer.first().ok_or_else(lacks)?.try_get_by_index(0).map_err(Trouble::from)
    }
}

impl Session {
    /// The steps of the schema that were made.
    pub(in crate::store) async fn applied(&self) -> Result<Vec<String>, Trouble> {
        let mut taken = self.taken().await?;
        let mut applied = Vec::new();
        if taken.one(HAS_TABLES).await? {
            let rows = taken.run(APPLIED).await?;
            applied = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        }
        taken.give_back();
        Ok(applied)
    }

    /// Makes the tables: all at once, or none.
    pub(in crate::store) async fn make(&self, tables: &str) -> Result<(), Trouble> {
        let mut taken = self.taken().await?;
        taken.run(format!("BEGIN; SET LOCAL statement_timeout = 0; {tables}; COMMIT")).await?;
        taken.give_back();
        Ok(())
    }
}

impl PostgresServer {
    /// The steps of the schema that were made, as a reader sees it.
    pub(in crate::store) async fn applied(
        &self,
        db: &DatabaseConnection,
    ) -> Result<Vec<String>, DbErr> {
        let ask = |sql: &str| Statement::from_string(db.get_database_backend(), sql);
        let found = db.query_one_raw(ask(HAS_TABLES)).await?;
        let has_tables = found.map_or(Ok(false), |row| row.try_get_by_index(0))?;
        if !has_tables {
            return Ok(Vec::new());
        }
        let rows = db.query_all_raw(ask(APPLIED)).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }
}
