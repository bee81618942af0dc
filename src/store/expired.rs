//! What is kept no longer, as it is counted, and the clock by which that is known.

use crate::store::read::{Reader, failed};
use crate::store::sql::expired::{CountExpired, ExpiredCounts};
use crate::store::sql::setting::Setting;
use postrider_core::failure::Failure;
use postrider_core::mail::cursor;
use postrider_core::retention::{ClockSeen, Expiry};
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The newest time that was seen, and when it has risen by days.
pub(super) const SEEN: &str = "clock_seen";
/// When it was last looked for what is kept no longer.
pub(super) const COLLECTED: &str = "collected_at";

/// A kind of what goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// Messages.
    Mails,
    /// Places of messages.
    Places,
    /// Runs.
    Runs,
    /// Failures.
    Failures,
    /// Rows of bytes.
    Bodies,
}

/// How much has gone.
#[derive(Debug, Default)]
pub struct Collected {
    mails: AtomicU64,
    places: AtomicU64,
    runs: AtomicU64,
    failures: AtomicU64,
    bodies: AtomicU64,
}

impl Collected {
    fn of(&self, what: Gone) -> &AtomicU64 {
        match what {
            Gone::Mails => &self.mails,
            Gone::Places => &self.places,
            Gone::Runs => &self.runs,
            Gone::Failures => &self.failures,
            Gone::Bodies => &self.bodies,
        }
    }

    /// So many more.
    pub(super) fn add(&self, what: Gone, count: u64) {
        self.of(what).fetch_add(count, Ordering::Relaxed);
    }
}

impl fmt::Display for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |what| self.of(what).load(Ordering::Relaxed);
        let (mails, places) = (of(Gone::Mails), of(Gone::Places));
        let (runs, failures, bodies) = (of(Gone::Runs), of(Gone::Failures), of(Gone::Bodies));
        write!(
            f,
            "{mails} deleted messages, {places} more places of messages, {runs} runs, {failures} failures and {bodies} bodies are gone"
        )
    }
}

/// What is asked about what is kept.
#[derive(Debug)]
pub struct ExpiredReader<'a> {
    reader: &'a Reader,
}

impl<'a> ExpiredReader<'a> {
    /// By this reader.
    #[must_use]
    pub fn new(reader: &'a Reader) -> Self {
        Self { reader }
    }

    /// What was seen of the wall clock.
    ///
    /// # Errors
    /// Class storage.
    pub async fn clock(&self) -> Result<Option<ClockSeen>, Failure> {
        let seen = self.reader.ask_one(Setting { name: SEEN.to_owned() }).await.map_err(failed)?;
        // What is no longer understood is as good as nothing: it is written anew.
        Ok(seen.and_then(|row| cursor::from_text(&row.value).ok()))
    }

    /// How much is kept no longer.
    ///
    /// # Errors
    /// Class storage.
    pub async fn counted(&self, expiry: Expiry) -> Result<ExpiredCounts, Failure> {
        let Expiry { deleted, runs, failures, bodies, .. } = expiry;
        let removed = Standing::Removed;
        let count = CountExpired { deleted, runs, failures, bodies, removed };
        let none = || Failure::bug("a count has no row");
        self.reader.ask_one(count).await.map_err(failed)?.ok_or_else(none)
    }

    /// When it was last looked for what is kept no longer.
    ///
    /// # Errors
    /// Class storage.
    pub async fn collected_at(&self) -> Result<Option<Micros>, Failure> {
        let name = COLLECTED.to_owned();
        let at = self.reader.ask_one(Setting { name }).await.map_err(failed)?;
        Ok(at.and_then(|row| row.value.parse().ok()).map(Micros))
    }
}
