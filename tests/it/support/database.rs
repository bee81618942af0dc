//! The database of a test, whichever kind it is: what is asked of it, and what is done to it.

use postrider::config::{Place, ServerPlace};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Which kind of database the tests that run on either are to have.
pub(crate) const KIND: &str = "POSTRIDER_TEST_STORE";
/// Where PostgreSQL is, without a database.
pub(crate) const SERVER: &str = "POSTRIDER_TEST_POSTGRES";

/// What a query of a test may say in either dialect: SQLite's words for it, in a schema that only tests look
/// into.
const WORDS: &str = "CREATE SCHEMA t;
    CREATE FUNCTION t.hex(bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper(encode($1, 'hex')) $$;
    CREATE FUNCTION t.getter(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN $2 LIKE '$.%'
        THEN $1::jsonb #>> string_to_array(substr($2, 3), '.') ELSE $1::jsonb ->> $2 END $$;
    CREATE OPERATOR t.->> (LEFTARG = text, RIGHTARG = text, FUNCTION = t.getter);
    CREATE FUNCTION t.json_each(text, text) RETURNS TABLE (value jsonb) LANGUAGE sql AS $$
        SELECT jsonb_array_elements($1::jsonb #> string_to_array(substr($2, 3), '.')) $$;
    CREATE FUNCTION t.added(bigint, boolean) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 + $2::int $$;
    CREATE AGGREGATE t.sum(boolean) (SFUNC = t.added, STYPE = bigint, INITCOND = '0');
    CREATE FUNCTION t.joined(text, text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE WHEN $1 IS NULL THEN $2 ELSE $1 || $3 || $2 END $$;
    CREATE AGGREGATE t.group_concat(text, text) (SFUNC = t.joined, STYPE = text);
    CREATE FUNCTION t.joined(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT t.joined($1, $2, ',') $$;
    CREATE AGGREGATE t.group_concat(text) (SFUNC = t.joined, STYPE = text);
    CREATE FUNCTION t.json_extract(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT t.getter($1, $2) $$;
    CREATE FUNCTION t.shown(boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1::int::text $$;
    CREATE FUNCTION t.shown(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1::text $$;
    CREATE FUNCTION t.beside(text, boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 || t.shown($2) $$;
    CREATE OPERATOR t.|| (LEFTARG = text, RIGHTARG = boolean, FUNCTION = t.beside)";

/// Where the database of a test is.
#[derive(Clone, Debug)]
pub(crate) enum TestDatabase {
    /// SQLite's file.
    File(PathBuf),
    /// PostgreSQL's, at this URL.
    Server(String),
}

impl TestDatabase {
    /// One of PostgreSQL's, if that is what tests are to have, made for this test alone.
    pub(crate) fn of_server() -> Option<Self> {
        (std::env::var(KIND).ok()? == "postgres").then(Self::on_server)
    }

    /// One of PostgreSQL's, made for this test alone.
    pub(crate) fn on_server() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var(SERVER)
            .unwrap_or_else(|_| panic!("`cargo xtask test` starts PostgreSQL, and says where"));
        let name = format!("t{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        // Its own order of words is another than that of octets: what is in order is so by our words alone.
        let order = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
        Self::Server(format!("{server}/postgres")).run(format!("CREATE DATABASE {name} {order}"));
        Self::at(format!("{server}/{name}"))
    }

    /// The one of this URL, which nobody has used before.
    pub(crate) fn at(url: String) -> Self {
        let made = Self::Server(url);
        made.run(WORDS.to_owned());
        made
    }

    /// Drops what [`Self::on_server`] has made.
    pub(crate) fn remove(&self) {
        let Self::Server(url) = self else { return };
        let Some((server, name)) = url.rsplit_once('/') else { return };
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        Self::Server(format!("{server}/postgres")).run(drop);
    }

    /// A standby that is not sent anything from here on: whoever is connected is cut off meanwhile.
    pub(crate) fn copied(&self) -> Standby {
        let (server, name) = self.url().rsplit_once('/').unwrap();
        let server = Self::Server(format!("{server}/postgres"));
        let copied = format!("CREATE DATABASE {name}_standby TEMPLATE {name}");
        let standby = Standby { server, name: name.to_owned() };
        standby.alone(&[copied]);
        standby
    }

    /// What says to the binary where it is; a file lies where it always does.
    pub(crate) fn variable(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::File(_) => None,
            Self::Server(url) => Some(("POSTRIDER_STORE__URL", url)),
        }
    }

    /// Its URL: for what only a server can be made to suffer.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::File(file) => panic!("{} is no server", file.display()),
            Self::Server(url) => url,
        }
    }

    /// Whether anything has been made of it.
    pub(crate) fn exists(&self) -> bool {
        match self {
            Self::File(file) => file.exists(),
            Self::Server(_) => {
                ask(self, "SELECT to_regclass('public.seaql_migrations') IS NOT NULL AS x") == "1"
            }
        }
    }

    /// Whether its tables are there.
    pub(crate) fn is_made(&self) -> bool {
        match self {
            Self::File(file) => {
                let made = "SELECT count(*) AS x FROM sqlite_master WHERE name IN ('folder', 'message', 'leap')";
                std::fs::metadata(file).is_ok_and(|meta| meta.len() > 0) && ask(self, made) == "3"
            }
            Self::Server(_) => self.exists(),
        }
    }

    /// Its file: for what only a file can be made to suffer.
    pub(crate) fn file(&self) -> &Path {
        match self {
            Self::File(file) => file,
            Self::Server(url) => panic!("{url} is no file"),
        }
    }

    /// The same, as the server has it.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::File(file) => Place::File(file.clone()),
            Self::Server(url) => Place::Server(Box::new(ServerPlace {
                shown: url.clone(),
                url: url.clone().into(),
                password: None,
                readers: 4,
                timeout: Duration::from_secs(30),
            })),
        }
    }

    fn options(&self, writes: bool) -> ConnectOptions {
        let mut options = match self {
            Self::File(file) => {
                let mode = if writes { "rw" } else { "ro" };
                let mut options =
                    ConnectOptions::new(format!("sqlite://{}?mode={mode}", file.display()));
                options.map_sqlx_sqlite_opts(|o| o.busy_timeout(Duration::from_secs(30)));
                options
            }
            Self::Server(url) => {
                let mut options = ConnectOptions::new(url);
                options.set_schema_search_path("public,t").sqlx_logging(false);
                options
            }
        };
        options.max_connections(1);
        options
    }

    /// Begins a transaction that no other writer passes.
    fn begin(&self) -> &'static str {
        match self {
            Self::File(_) => "BEGIN IMMEDIATE",
            Self::Server(_) => "BEGIN; LOCK TABLE counter IN EXCLUSIVE MODE",
        }
    }

    fn run(&self, sql: String) {
        self.with(true, move |db| async move {
            db.execute_unprepared(&sql).await?;
            Ok((db, ()))
        });
    }

    /// Does something on a connection of its own, on a thread of its own, so that it can be called
    /// from inside a runtime.
    fn with<T: Send + 'static, F>(
        &self,
        writes: bool,
        work: impl FnOnce(DatabaseConnection) -> F + Send + 'static,
    ) -> T
    where
        F: Future<Output = Result<(DatabaseConnection, T), DbErr>>,
    {
        let options = self.options(writes);
        let run = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let db = Database::connect(options).await.unwrap();
                let (db, done) = work(db).await.unwrap();
                db.close().await.unwrap();
                done
            })
        };
        std::thread::spawn(run).join().unwrap()
    }
}

/// One text of the first row of a query; numbers as text.
pub(crate) fn ask(database: &TestDatabase, sql: &str) -> String {
    rows(database, sql).into_iter().next().unwrap_or_default()
}

/// The first column of a query, as text.
pub(crate) fn rows(database: &TestDatabase, sql: &str) -> Vec<String> {
    let text = match database {
        TestDatabase::File(_) => "CAST(x AS TEXT)",
        TestDatabase::Server(_) => "t.shown(x)",
    };
    let sql = format!("SELECT {text} FROM ({sql}) AS q");
    database.with(false, |db| async move {
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
        let text = |row: &sea_orm::QueryResult| row.try_get_by_index::<Option<String>>(0);
        let texts = rows.iter().map(text).map(|text| text.map(Option::unwrap_or_default));
        let texts = texts.collect::<Result<_, _>>()?;
        Ok((db, texts))
    })
}

/// The same; nothing where it cannot be read.
pub(crate) fn readable(database: &TestDatabase, sql: &str) -> Option<Vec<String>> {
    let (options, sql) = (database.options(false), sql.to_owned());
    let run = async move || {
        let db = Database::connect(options).await?;
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
        let texts = rows.iter().map(|row| row.try_get_by_index::<String>(0)).collect();
        db.close().await?;
        texts
    };
    let on_thread = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run())
    };
    let read: Result<Vec<String>, DbErr> = std::thread::spawn(on_thread).join().unwrap();
    read.ok()
}

/// Runs SQL that changes the database.
pub(crate) fn change(database: &TestDatabase, sql: &'static str) {
    database.run(sql.to_owned());
}

/// The same, of what a constraint may refuse; whether it was done.
pub(crate) fn try_change(database: &TestDatabase, sql: &str) -> bool {
    let sql = sql.to_owned();
    database.with(true, move |db| async move {
        match db.execute_unprepared(&sql).await {
            Ok(_) => Ok((db, true)),
            Err(e) if e.to_string().contains("constraint") => Ok((db, false)),
            Err(e) => Err(e),
        }
    })
}

/// The database refuses a message of this subject for its content, until [`forgive`].
pub(crate) fn refuse(database: &TestDatabase, subject: &str) {
    database.run(match database {
        TestDatabase::File(_) => format!(
            "CREATE TRIGGER poison BEFORE INSERT ON message WHEN NEW.subject = '{subject}' BEGIN SELECT RAISE(ABORT, \
             'constraint: poison'); END"
        ),
        TestDatabase::Server(_) => {
            format!("ALTER TABLE message ADD CONSTRAINT poison CHECK (subject <> '{subject}')")
        }
    });
}

/// See [`refuse`].
pub(crate) fn forgive(database: &TestDatabase) {
    change(
        database,
        match database {
            TestDatabase::File(_) => "DROP TRIGGER poison",
            TestDatabase::Server(_) => "ALTER TABLE message DROP CONSTRAINT poison",
        },
    );
}

/// Holds the database locked, as another process would, while `work` is done.
pub(crate) fn locked<T>(database: &TestDatabase, work: impl FnOnce() -> T) -> T {
    let held = database.held(database.begin());
    let told = work();
    drop(held);
    told
}

/// A database as it was, beside the one of this name.
#[derive(Debug)]
pub(crate) struct Standby {
    server: TestDatabase,
    name: String,
}

impl Standby {
    /// It takes the other's place.
    pub(crate) fn promote(self) {
        let Self { name, .. } = &self;
        self.alone(&[
            format!("ALTER DATABASE {name} RENAME TO {name}_lost"),
            format!("ALTER DATABASE {name}_standby RENAME TO {name}"),
            format!("DROP DATABASE {name}_lost"),
        ]);
    }

    /// Does this while nobody is connected.
    fn alone(&self, sql: &[String]) {
        let Self { server, name } = self;
        server.run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        server.run(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
        for sql in sql {
            server.run(sql.clone());
        }
        server.run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    }
}

/// A transaction of somebody else, which is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct HeldOpen {
    done: Option<std::sync::mpsc::Sender<()>>,
    holder: Option<std::thread::JoinHandle<()>>,
}

impl TestDatabase {
    /// Begins a transaction, and keeps it open.
    pub(crate) fn held(&self, begin: &'static str) -> HeldOpen {
        let (held, is_held) = std::sync::mpsc::channel();
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let database = self.clone();
        let holder = std::thread::spawn(move || {
            database.with(true, move |db| async move {
                db.execute_unprepared(begin).await?;
                held.send(()).unwrap();
                // Dropped by who is done, or who panicked.
                let _ended = is_done.recv();
                db.execute_unprepared("ROLLBACK").await?;
                Ok((db, ()))
            });
        });
        is_held.recv().unwrap();
        HeldOpen { done: Some(done), holder: Some(holder) }
    }
}

impl Drop for HeldOpen {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(holder) = self.holder.take() {
            holder.join().unwrap();
        }
    }
}
