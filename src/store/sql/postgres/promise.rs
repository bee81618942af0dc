//! What a server must promise before it holds a mirror.

use crate::store::failure::Trouble;
use crate::store::open_error::OpenError;
use crate::store::sql::postgres::server::{HAS_TABLES, PostgresServer, error_of};
use crate::store::sql::postgres::session::Taken;

/// Oldest version that is used: <https://www.postgresql.org/support/versioning/>.
const OLDEST: i64 = 140_000;

impl PostgresServer {
    /// What is refused, since an acknowledged message would not survive there, or nothing could be written.
    pub(super) async fn promised(&self, taken: &mut Taken) -> Result<(), OpenError> {
        for (setting, good, wanted) in [
            ("server_encoding", &["UTF8"][..], "UTF8"),
            ("fsync", &["on"], "on"),
            ("synchronous_commit", &["on", "local", "remote_write", "remote_apply"], "on"),
            ("default_transaction_read_only", &["off"], "off"),
        ] {
            let found: Result<String, Trouble> =
                taken.one(&format!("SELECT current_setting('{setting}')")).await;
            let found = found.map_err(|e| self.broken(error_of(e)))?;
            if !good.contains(&found.as_str()) {
                return Err(OpenError::NotDurable { place: self.place(), setting, found, wanted });
            }
        }
        for (question, why) in [
            (
                format!("SELECT current_setting('server_version_num')::int >= {OLDEST}"),
                "it is older than PostgreSQL 14; take a newer one",
            ),
            (
                "SELECT NOT pg_is_in_recovery()".into(),
                "it is a standby, which takes no writes; name the primary in store.url",
            ),
            (
                "SELECT current_schema() IS NOT NULL".into(),
                "the role's search_path names no schema that is there and that it may use; make one (CREATE SCHEMA … AUTHORIZATION …), GRANT USAGE, CREATE on it, or set search_path",
            ),
            (
                format!("SELECT {HAS_TABLES} OR has_schema_privilege(current_schema(), 'CREATE')"),
                "the role may not make tables in its schema; run GRANT CREATE ON SCHEMA … TO … as the database's owner",
            ),
        ] {
            let is_so: Result<bool, Trouble> = taken.one(&question).await;
            if !is_so.map_err(|e| self.broken(error_of(e)))? {
                return Err(OpenError::Unfit { place: self.place(), why });
            }
        }
        Ok(())
    }

    /// A pooler that gives a session's server to others between two transactions gives the lock away, too.
    pub(super) async fn is_no_pooler_of_transactions(
        &self,
        taken: &mut Taken,
    ) -> Result<(), OpenError> {
        let backends = async {
            let session = self.session().await?;
            let mut beside = session.taken().await?;
            let backend = "SELECT pg_backend_pid()::bigint";
            let before: [i64; 2] = [taken.one(backend).await?, beside.one(backend).await?];
            taken.run("BEGIN").await?;
            let after: [i64; 2] = [taken.one(backend).await?, beside.one(backend).await?];
            taken.run("ROLLBACK").await?;
            beside.give_back();
            session.close().await;
            Ok((before, after))
        };
        let told: Result<_, Trouble> = backends.await;
        let (before, after) = told.map_err(|e| self.broken(error_of(e)))?;
        if before == after && before[0] != before[1] {
            return Ok(());
        }
        let why = "a pooler hands its connections on between transactions (PgBouncer's pool_mode = transaction); write the \
                   server itself into store.url, or a pool with pool_mode = session";
        Err(OpenError::Unfit { place: self.place(), why })
    }
}
