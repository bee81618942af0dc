//! Whoever waits for a database, or a server, hears what for.
#![expect(clippy::disallowed_methods, reason = "a word is said after a while")]

use crate::config::Config;
use crate::store::{Database, OpenError, open_for_reading};
use std::fmt::Display;
use std::time::Duration;

/// So long nothing is said.
const AFTER: Duration = Duration::from_secs(2);

/// What `work` comes to; where it takes long, what is waited for is said once.
pub(super) async fn waited<T>(whom: &impl Display, work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(AFTER) => eprintln!("waiting for {whom} …"),
    }
    work.await
}

/// The database of a config, for reading alone.
///
/// # Errors
/// As [`open_for_reading`].
pub(super) async fn opened(config: &Config) -> Result<Database, OpenError> {
    let place = &config.database;
    waited(&format!("the database {place}"), open_for_reading(place)).await
}
