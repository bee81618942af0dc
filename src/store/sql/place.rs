//! A connection that is one's alone at a time: whoever uses it takes it, and gives it back when what it was used
//! for is over. One that is given up in the middle is closed, and the database takes back what was open in it.

use crate::store::failure::Trouble;
use sea_orm::{DbErr, RuntimeErr};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// As the rest of the store tells it.
pub(super) fn told(e: sqlx::Error) -> Trouble {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(e))).into()
}

/// Where a connection is, while there is one.
#[derive(Debug)]
pub(super) struct Place<C>(Arc<Mutex<Option<C>>>);

impl<C> Clone for Place<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Place<C> {
    pub(super) fn of(connection: C) -> Self {
        Self(Arc::new(Mutex::new(Some(connection))))
    }

    /// Takes the connection.
    pub(super) async fn taken(&self) -> Result<Taken<C>, Trouble> {
        let mut place = Arc::clone(&self.0).lock_owned().await;
        let gone =
            || Trouble::Database(DbErr::Custom("the connection that writes was lost".into()));
        let connection = place.take().ok_or_else(gone)?;
        Ok(Taken { place, connection })
    }

    /// Takes it for good.
    pub(super) async fn emptied(&self) -> Option<C> {
        self.0.lock().await.take()
    }
}

/// The connection, in somebody's hands.
#[derive(Debug)]
pub(in crate::store) struct Taken<C> {
    place: OwnedMutexGuard<Option<C>>,
    pub(super) connection: C,
}

impl<C> Taken<C> {
    /// Gives it back as it was.
    pub(in crate::store) fn give_back(self) {
        let Self { mut place, connection } = self;
        *place = Some(connection);
    }

    /// Gives it back where what was said is the database's word: anything else is the connection's.
    pub(super) fn give_back_unless_lost<T>(self, answer: Result<T, Trouble>) -> Result<T, Trouble> {
        if answer.as_ref().err().is_none_or(Trouble::is_said) {
            self.give_back();
        }
        answer
    }
}
