//! The database of a test, whichever kind it is: what is asked of it, and what is done to it.

use postrider::config::Place;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the database of a test is.
#[derive(Clone, Debug)]
pub(crate) enum TestDatabase {
    /// SQLite's file.
    File(PathBuf),
}

impl TestDatabase {
    /// Whether anything has been made of it.
    pub(crate) fn exists(&self) -> bool {
        match self {
            Self::File(file) => file.exists(),
        }
    }

    /// Its file: for what only a file can be made to suffer.
    pub(crate) fn file(&self) -> &Path {
        match self {
            Self::File(file) => file,
        }
    }

    /// The same, as the server has it.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::File(file) => Place::File(file.clone()),
        }
    }

    fn options(&self, writes: bool) -> ConnectOptions {
        match self {
            Self::File(file) => {
                let mode = if writes { "rw" } else { "ro" };
                let mut options =
                    ConnectOptions::new(format!("sqlite://{}?mode={mode}", file.display()));
                options.map_sqlx_sqlite_opts(|o| o.busy_timeout(Duration::from_secs(30)));
                options.max_connections(1);
                options
            }
        }
    }

    /// Begins a transaction that no other writer passes.
    fn begin(&self) -> &'static str {
        match self {
            Self::File(_) => "BEGIN IMMEDIATE",
        }
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
    let sql = format!("SELECT CAST(x AS TEXT) FROM ({sql}) AS q");
    database.with(false, |db| async move {
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
        let text = |row: &sea_orm::QueryResult| row.try_get_by_index::<Option<String>>(0);
        let texts = rows.iter().map(text).map(|text| text.map(Option::unwrap_or_default));
        let texts = texts.collect::<Result<_, _>>()?;
        Ok((db, texts))
    })
}

/// Runs SQL that changes the database.
pub(crate) fn change(database: &TestDatabase, sql: &'static str) {
    database.with(true, move |db| async move {
        db.execute_unprepared(sql).await?;
        Ok((db, ()))
    });
}

/// Holds the database locked, as another process would, while `work` is done.
pub(crate) fn locked<T>(database: &TestDatabase, work: impl FnOnce() -> T) -> T {
    let (held, is_held) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let (database, begin) = (database.clone(), database.begin());
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
    let told = work();
    drop(done);
    holder.join().unwrap();
    told
}
