//! How the database does, for everybody who asks at about the same time: one question to it.

use crate::admin::view::DatabaseView;
use crate::clock::Clock;
use crate::store::Reader;
use std::time::Duration;
use tokio::sync::Mutex;

/// An answer is told again for so long.
const FRESH: Duration = Duration::from_secs(1);

/// Asks the database how it does.
#[derive(Debug)]
pub struct DatabaseProbe {
    reader: Reader,
    clock: Clock,
    /// When it was answered last, on the monotonic clock.
    last: Mutex<Option<(Duration, DatabaseView)>>,
}

impl DatabaseProbe {
    /// On a connection of its own: it is no sign of trouble that many others ask.
    #[must_use]
    pub fn new(reader: &Reader, clock: Clock) -> Self {
        Self { reader: reader.apart(), clock, last: Mutex::default() }
    }

    /// As it does now, or did within a second.
    pub(super) async fn asked(&self) -> DatabaseView {
        let mut last = self.last.lock().await;
        let now = self.clock.now().mono;
        if let Some((at, view)) = &*last
            && now.saturating_sub(*at) < FRESH
        {
            return view.clone();
        }
        let view = DatabaseView::asked(&self.reader, self.clock).await;
        *last = Some((self.clock.now().mono, view.clone()));
        view
    }
}
