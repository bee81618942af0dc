//! Bodies of a pack, hashed in bursts: how long each takes is known, and rested for.

use crate::bodies::{PackDir, Scrubber};
use crate::clock::Clock;
use postrider_core::mail::body::StoredBody;
use std::collections::VecDeque;
use std::time::Duration;

/// Octets of a burst, unless one body is longer.
const BURST: u64 = 4 << 20;

/// A body by the number of its row.
pub(crate) type Numbered = (i64, StoredBody);

/// One whose bytes are not what its row says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) id: i64,
    pub(crate) body: StoredBody,
    /// Nothing can be read there: that may be the disk's trouble, and another time it can.
    pub(crate) is_unreadable: bool,
}

/// Who reads, one burst behind the other.
#[derive(Debug)]
pub(crate) struct PackLook {
    scrubber: Scrubber,
    clock: Clock,
}

impl PackLook {
    /// Of these packs.
    pub(crate) fn new(packs: &PackDir, clock: Clock) -> Self {
        Self { scrubber: Scrubber::new(packs), clock }
    }

    /// What was read is read anew from here on.
    pub(crate) fn forget(&mut self) {
        self.scrubber.forget();
    }

    /// Hashes them; blocks. What is damaged, and how long that took: to wait for seals is no work.
    pub(crate) fn burst(&mut self, bodies: &[Numbered]) -> (Vec<Suspect>, Duration) {
        let began = self.clock.now().mono;
        let mut look = |(id, body): &Numbered| {
            let damage = self.scrubber.check(body).err()?;
            Some(Suspect { id: *id, body: *body, is_unreadable: damage.is_unreadable() })
        };
        let found = bodies.iter().filter_map(&mut look).collect();
        let took = self.clock.now().mono.saturating_sub(began);
        (found, took.saturating_sub(self.scrubber.waited()))
    }
}

/// Takes what makes a burst from the front; nothing where nothing is left.
pub(crate) fn burst_of(bodies: &mut VecDeque<Numbered>) -> Option<Vec<Numbered>> {
    let (mut burst, mut octets) = (Vec::new(), 0);
    while octets < BURST
        && let Some(next) = bodies.pop_front()
    {
        octets += next.1.length;
        burst.push(next);
    }
    (!burst.is_empty()).then_some(burst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::mail::body::BodyHash;

    #[test]
    fn bursts_are_short() {
        let body = |length| StoredBody {
            hash: BodyHash::OF_NOTHING,
            pack: 1,
            offset: 0,
            length,
            stored: None,
        };
        let lengths = [1 << 20, 1 << 20, 3 << 20, 9 << 20, 1, 1];
        let mut all = (0..).zip(lengths.map(body)).collect();
        let mut next = || Some(burst_of(&mut all)?.iter().map(|one| one.0).collect::<Vec<i64>>());
        assert_eq!(next(), Some(vec![0, 1, 2]));
        assert_eq!(next(), Some(vec![3]), "longer than one, and alone");
        assert_eq!(next(), Some(vec![4, 5]));
        assert_eq!(next(), None);
    }
}
