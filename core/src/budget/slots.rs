//! How many at once: halved when a server says "too many", regained one by one.

use std::time::Duration;

/// After "too many" nothing is regained for so long.
const HOLD: Duration = Duration::from_secs(15 * 60);
/// Then one in each such time.
const EACH: Duration = Duration::from_secs(5 * 60);

/// A limit that gives way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// What was left when a server last said "too many", and when that was.
    lowered: Option<(usize, Duration)>,
}

impl Slots {
    /// How many there may be now, of `most`.
    #[must_use]
    pub fn now(&self, most: usize, mono: Duration) -> usize {
        let Some((left, since)) = self.lowered else { return most };
        let quiet = mono.saturating_sub(since);
        let regained = match quiet.checked_sub(HOLD) {
            Some(beyond) => 1 + beyond.as_nanos() / EACH.as_nanos(),
            None => 0,
        };
        left.saturating_add(usize::try_from(regained).unwrap_or(usize::MAX)).min(most)
    }

    /// A server has said "too many" while there were so many: half of them, and never none.
    pub fn too_many(&mut self, live: usize, most: usize, mono: Duration) {
        let half = (live.min(self.now(most, mono)) / 2).max(1);
        self.lowered = Some((half, mono));
    }
}
