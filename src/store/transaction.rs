//! A transaction in which small writes wait for company: the way to the database's own thread and
//! back costs more than they do.

use crate::store::failure::Trouble;
use crate::store::sql::{Named, statement};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, QueryResult, Statement,
    TransactionTrait, Value,
};
use std::sync::{Mutex, PoisonError};

/// Octets of values from which a write goes alone: then the way counts for nothing.
const LARGE: usize = 16 * 1024;
/// Writes that wait together: each order of texts is a statement of its own to the database, which
/// keeps those that it has seen.
const MOST: usize = 16;

/// What can be asked, and told.
pub(super) trait Sql: Sync {
    /// Rows; they know of everything that was written before.
    fn rows(
        &self,
        text: impl Named,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<QueryResult>, Trouble>> + Send;

    /// A write. What is wrong with it may be said later, at the latest when it is to be kept.
    fn put(
        &self,
        text: impl Named,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
}

impl Sql for DatabaseConnection {
    async fn rows(
        &self,
        text: impl Named,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        Ok(self.query_all_raw(statement(self, text, values)).await?)
    }

    async fn put(&self, text: impl Named, values: Vec<Value>) -> Result<(), Trouble> {
        self.execute_raw(statement(self, text, values)).await?;
        Ok(())
    }
}

/// A transaction, or a savepoint in one. Dropped without [`Self::commit`], nothing of it remains.
#[derive(Debug)]
pub(super) struct Transaction {
    inner: DatabaseTransaction,
    /// Writes that have not been handed over, in their order.
    waiting: Mutex<Vec<(&'static str, Vec<Value>)>>,
}

impl From<DatabaseTransaction> for Transaction {
    fn from(inner: DatabaseTransaction) -> Self {
        Self { inner, waiting: Mutex::default() }
    }
}

impl Sql for Transaction {
    async fn rows(
        &self,
        text: impl Named,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Trouble> {
        self.hand_over().await?;
        Ok(self.inner.query_all_raw(statement(&self.inner, text, values)).await?)
    }

    async fn put(&self, text: impl Named, values: Vec<Value>) -> Result<(), Trouble> {
        if values.iter().map(octets).sum::<usize>() >= LARGE {
            return self.put_now(text, values).await.map(|_| ());
        }
        let is_full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((text.words(), values));
            waiting.len() >= MOST
        };
        if is_full { self.hand_over().await } else { Ok(()) }
    }
}

impl Transaction {
    /// A write that does not wait; how many rows it has touched.
    pub(super) async fn put_now(
        &self,
        text: impl Named,
        values: Vec<Value>,
    ) -> Result<u64, Trouble> {
        self.hand_over().await?;
        let done = self.inner.execute_raw(statement(&self.inner, text, values)).await?;
        Ok(done.rows_affected())
    }

    /// Hands over what waits: whatever is wrong with it is said here.
    pub(super) async fn hand_over(&self) -> Result<(), Trouble> {
        let waiting =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return Ok(());
        }
        let (words, values) = joined(waiting);
        let backend = self.inner.get_database_backend();
        self.inner.execute_raw(Statement::from_sql_and_values(backend, words, values)).await?;
        Ok(())
    }

    /// A savepoint.
    pub(super) async fn begin(&self) -> Result<Self, Trouble> {
        self.hand_over().await?;
        Ok(self.inner.begin().await?.into())
    }

    /// Keeps what was written.
    pub(super) async fn commit(self) -> Result<(), Trouble> {
        self.hand_over().await?;
        Ok(self.inner.commit().await?)
    }

    /// Takes back what was written.
    pub(super) async fn rollback(self) -> Result<(), Trouble> {
        Ok(self.inner.rollback().await?)
    }
}

/// Statements as one text. Each has numbers of its own for its parameters; here they come one after the
/// other, once for every place at which they stand.
fn joined(statements: Vec<(&str, Vec<Value>)>) -> (String, Vec<Value>) {
    let (mut text, mut values) = (String::new(), Vec::new());
    for (words, own) in statements {
        if !text.is_empty() {
            text.push_str(";\n");
        }
        let (mut is_quoted, mut rest) = (false, words);
        while let Some(at) = rest.find(['\'', '?']) {
            let (before, from) = rest.split_at(at);
            let (sign, after) = from.split_at(1);
            text.push_str(before);
            text.push_str(sign);
            rest = after;
            if sign == "'" {
                is_quoted = !is_quoted;
            } else if !is_quoted {
                let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                let (number, after) = after.split_at(end);
                let place = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                let value = place.and_then(|place| own.get(place));
                debug_assert!(value.is_some(), "?{number} has no value: {words}");
                // As the database has it: those that follow keep their places.
                values.push(value.cloned().unwrap_or(Value::String(None)));
                rest = after;
            }
        }
        text.push_str(rest);
    }
    (text, values)
}

fn octets(value: &Value) -> usize {
    match value {
        Value::String(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_handed_over_where_they_stand() {
        let first =
            ("UPDATE t SET a = ?2, b = '?1', c = ?2 WHERE id = ?1", vec![7.into(), "x".into()]);
        let second = ("DELETE FROM t WHERE id = ?10", (0..10).map(Value::from).collect());
        let (text, values) = joined(vec![first, second]);
        assert_eq!(
            text,
            "UPDATE t SET a = ?, b = '?1', c = ? WHERE id = ?;\nDELETE FROM t WHERE id = ?"
        );
        assert_eq!(values, ["x".into(), "x".into(), 7.into(), 9.into()]);
    }

    async fn table() -> (tempfile::TempDir, DatabaseConnection) {
        let dir = tempfile::tempdir().unwrap();
        let file = format!("sqlite://{}?mode=rwc", dir.path().join("x.db").display());
        let mut options = sea_orm::ConnectOptions::new(file);
        options.max_connections(1);
        let db = sea_orm::Database::connect(options).await.unwrap();
        db.execute_unprepared("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 10))")
            .await
            .unwrap();
        (dir, db)
    }

    #[derive(Clone, Copy)]
    enum Say {
        Insert,
        Double,
        All,
    }

    impl Named for Say {
        fn words(self) -> &'static str {
            match self {
                Self::Insert => "INSERT INTO t (id, n) VALUES (?1, ?2)",
                Self::Double => "UPDATE t SET n = n * ?1 WHERE n * ?1 > 0",
                Self::All => "SELECT id, n FROM t ORDER BY id",
            }
        }
    }

    async fn all(db: &impl Sql) -> Vec<(i64, i64)> {
        let rows = db.rows(Say::All, vec![]).await.unwrap();
        let of = |row: &QueryResult, at| row.try_get_by_index(at).unwrap();
        rows.iter().map(|row| (of(row, 0), of(row, 1))).collect()
    }

    #[tokio::test]
    async fn writes_are_there_in_their_order_for_whoever_reads() {
        let (_dir, db) = table().await;
        let tx = Transaction::from(db.begin().await.unwrap());
        tx.put(Say::Insert, vec![1.into(), 2.into()]).await.unwrap();
        tx.put(Say::Double, vec![2.into()]).await.unwrap();
        tx.put(Say::Insert, vec![2.into(), 3.into()]).await.unwrap();
        assert_eq!(all(&tx).await, [(1, 4), (2, 3)]);
        tx.put(Say::Insert, vec![3.into(), 1.into()]).await.unwrap();
        assert_eq!(tx.put_now(Say::Double, vec![2.into()]).await.unwrap(), 3);
        tx.put(Say::Insert, vec![4.into(), 9.into()]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(all(&db).await, [(1, 8), (2, 6), (3, 2), (4, 9)]);
    }

    #[tokio::test]
    async fn a_savepoint_takes_back_only_its_own() {
        let (_dir, db) = table().await;
        let tx = Transaction::from(db.begin().await.unwrap());
        tx.put(Say::Insert, vec![1.into(), 1.into()]).await.unwrap();
        let savepoint = tx.begin().await.unwrap();
        savepoint.put(Say::Insert, vec![2.into(), 2.into()]).await.unwrap();
        savepoint.rollback().await.unwrap();
        let savepoint = tx.begin().await.unwrap();
        savepoint.put(Say::Insert, vec![3.into(), 3.into()]).await.unwrap();
        savepoint.commit().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(all(&db).await, [(1, 1), (3, 3)]);
    }

    #[tokio::test]
    async fn what_is_refused_is_said_before_it_is_kept() {
        let (_dir, db) = table().await;
        let tx = Transaction::from(db.begin().await.unwrap());
        tx.put(Say::Insert, vec![1.into(), 1.into()]).await.unwrap();
        tx.put(Say::Insert, vec![2.into(), 70.into()]).await.unwrap();
        tx.put(Say::Insert, vec![3.into(), 3.into()]).await.unwrap();
        assert!(matches!(tx.hand_over().await, Err(Trouble::Refused(_))));
        tx.rollback().await.unwrap();
        assert_eq!(all(&db).await, []);
        let tx = Transaction::from(db.begin().await.unwrap());
        tx.put(Say::Insert, vec![2.into(), 70.into()]).await.unwrap();
        assert!(matches!(tx.commit().await, Err(Trouble::Refused(_))));
        assert_eq!(all(&db).await, []);
    }

    #[tokio::test]
    async fn not_many_wait() {
        let (_dir, db) = table().await;
        let tx = Transaction::from(db.begin().await.unwrap());
        for n in 0..100_i64 {
            tx.put(Say::Insert, vec![n.into(), 1.into()]).await.unwrap();
            assert!(tx.waiting.lock().unwrap().len() < MOST);
        }
        tx.commit().await.unwrap();
        assert_eq!(all(&db).await.len(), 100);
    }

    #[tokio::test]
    async fn large_ones_do_not_wait() {
        let (_dir, db) = table().await;
        let tx = Transaction::from(db.begin().await.unwrap());
        tx.put(Say::Insert, vec![1.into(), 1.into()]).await.unwrap();
        let large = "9".repeat(LARGE);
        assert!(matches!(
            tx.put(Say::Insert, vec![2.into(), large.into()]).await,
            Err(Trouble::Refused(_))
        ));
        assert!(tx.waiting.lock().unwrap().is_empty());
    }
}
