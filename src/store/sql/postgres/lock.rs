//! Who alone writes: the lock of a database's schema, and what its holder is called.

use crate::store::failure::Trouble;
use crate::store::sql::postgres::session::Taken;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::Instant;

/// Between two questions for the lock.
const AGAIN: Duration = Duration::from_millis(100);

/// The number of the lock of a schema: advisory locks are a database's.
const LOCK: &str = "hashtextextended('postrider ' || current_schema(), 0)";

/// Who this process is, for whoever finds the lock held: PostgreSQL keeps 63 octets of it. Containers may share
/// names of hosts and numbers of processes: some of it is drawn.
pub(super) fn own_name() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    let draw = || {
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let host: String = host.chars().filter(|c| plain(*c)).take(40).collect();
        let drawn = uuid::Uuid::new_v4().as_fields().1;
        format!("postrider {host} {} {drawn:04x}", std::process::id())
    };
    NAME.get_or_init(draw).clone()
}

/// A name as people read it: the host, and the process there.
pub(super) fn in_words(name: &str) -> String {
    match name.split(' ').collect::<Vec<_>>()[..] {
        ["postrider", host, process, _] => format!("postrider on {host}, process {process}"),
        _ => name.to_owned(),
    }
}

/// Who holds the lock of a database.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// What it calls itself.
    pub(super) name: String,
    /// As it is shown: with its backend, and from where it came.
    pub(super) shown: String,
}

impl Taken {
    /// Takes the lock, for as long as the connection lives; who holds it, where it is not to be had in time.
    #[expect(clippy::disallowed_methods, reason = "the lock has no clock but the process's")]
    pub(super) async fn locked(&mut self, patience: Duration) -> Result<Option<Holder>, Trouble> {
        let until = Instant::now() + patience;
        loop {
            if self.one::<bool>(&format!("SELECT pg_try_advisory_lock({LOCK})")).await? {
                return Ok(None);
            }
            if Instant::now() >= until {
                return self.holder().await.map(Some);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Who holds it.
    async fn holder(&mut self) -> Result<Holder, Trouble> {
        let who = format!(
            "SELECT a.application_name, ' (backend ' || a.pid || COALESCE(', from ' || host(a.client_addr), '') || ')' FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = \
             'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = {LOCK} LIMIT 1"
        );
        let found = self.run(who).await?;
        let Some(row) = found.first() else {
            let ending = "another that is ending".to_owned();
            return Ok(Holder { name: ending.clone(), shown: ending });
        };
        let (name, place): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        Ok(Holder { shown: in_words(&name) + &place, name })
    }

    /// Ends the connection of this name that holds the lock; with `all` its others, too.
    pub(super) async fn end(&mut self, name: &str, all: bool) -> Result<(), Trouble> {
        let name = name.replace('\'', "''");
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND \
             application_name = '{name}' AND pid <> pg_backend_pid() AND ({all} OR pid IN (SELECT pid FROM pg_locks WHERE \
             locktype = 'advisory'))"
        );
        self.run(end).await.map(|_| ())
    }
}
