//! Whether a reader that is quicker than mail comes sleeps before it looks again: fewer, larger pieces cost
//! both sides less, unless the server waits for us meanwhile. It is tried, and given up where it is seen to cost much.

use std::time::Duration;

/// How long a nap is.
pub(super) const NAP: Duration = Duration::from_millis(4);
/// Octets over which speed is measured without naps, and with: of less, chance decides.
const AWAKE: u64 = 16 * 1024 * 1024;
const NAPPING: u64 = 32 * 1024 * 1024;
/// Spans after which it is tried anew.
const AGAIN: u32 = 16;
/// What naps may seem to cost of the speed without them: what waited before the first look comes quicker
/// than all that follows, and where a server waits for us it costs far more.
const COST: f64 = 0.3;

/// What is known of the speed with naps, and without.
#[derive(Debug)]
pub(super) struct Naps {
    /// Naps are taken in this span.
    taken: bool,
    /// Spans until that is tried anew.
    left: u32,
    /// Octets a second of the last span without.
    awake: f64,
    /// Since when this span lasts, and its octets.
    span: Option<(Duration, u64)>,
}

impl Default for Naps {
    fn default() -> Self {
        Self { taken: false, left: 1, awake: 0.0, span: None }
    }
}

impl Naps {
    /// Whether a nap is taken where nothing waits.
    pub(super) fn are_taken(&self) -> bool {
        self.taken
    }

    /// So many octets have come by `mono`.
    pub(super) fn came(&mut self, octets: u64, mono: Duration) {
        // How long the first took to come is not known.
        let Some((since, before)) = self.span else {
            self.span = Some((mono, 0));
            return;
        };
        let octets = before + octets;
        self.span = Some((since, octets));
        if octets < self.length() {
            return;
        }
        self.span = Some((mono, 0));
        self.left = self.left.saturating_sub(1);
        let speed = octets as f64 / mono.saturating_sub(since).as_secs_f64().max(1e-6);
        match (self.taken, self.left) {
            (false, 0) => (self.taken, self.left, self.awake) = (true, AGAIN, speed),
            (true, _) if speed < self.awake * (1.0 - COST) => {
                (self.taken, self.left) = (false, AGAIN);
            }
            // How it is without, once more.
            (true, 0) => (self.taken, self.left) = (false, 1),
            _ => {}
        }
    }

    /// Octets of a span.
    fn length(&self) -> u64 {
        if self.taken { NAPPING } else { AWAKE }
    }

    /// What comes next is no flow: its speed says nothing.
    pub(super) fn pause(&mut self) {
        self.span = None;
    }
}

#[cfg(test)]
impl Naps {
    /// They have cost no speed so far.
    pub(super) fn taken_anyway() -> Self {
        Self { taken: true, left: AGAIN, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mail flows from `mono` on.
    fn flowing(mono: Duration) -> Naps {
        let mut naps = Naps::default();
        naps.came(AWAKE, mono);
        naps
    }

    /// What spans at these speeds (MiB a second) lead to, in pieces of a quarter.
    fn after(naps: &mut Naps, mono: &mut Duration, speeds: &[f64]) -> Vec<bool> {
        let of = |speed: &f64| {
            let piece = naps.length() / 4;
            for _ in 0..4 {
                *mono += Duration::from_secs_f64(piece as f64 / f64::from(1 << 20) / speed);
                naps.came(piece, *mono);
            }
            naps.are_taken()
        };
        speeds.iter().map(of).collect()
    }

    #[test]
    fn are_kept_while_they_cost_nothing() {
        let (mut naps, mut mono) = (flowing(Duration::ZERO), Duration::ZERO);
        assert!(!naps.are_taken());
        assert_eq!(after(&mut naps, &mut mono, &[100.0, 95.0, 200.0, 72.0]), [true; 4]);
        // Slower than it was without: no more, for a while.
        assert_eq!(after(&mut naps, &mut mono, &[68.0]), [false]);
        let awake = after(&mut naps, &mut mono, &[50.0; AGAIN as usize]);
        assert_eq!(awake.iter().filter(|taken| **taken).count(), 1);
        assert_eq!(awake.last(), Some(&true), "tried anew, beside what it is now");
        assert_eq!(after(&mut naps, &mut mono, &[49.0]), [true]);
    }

    #[test]
    fn are_tried_anew_beside_what_it_is_without() {
        let (mut naps, mut mono) = (flowing(Duration::ZERO), Duration::ZERO);
        after(&mut naps, &mut mono, &[100.0]);
        let taken = after(&mut naps, &mut mono, &[100.0; AGAIN as usize + 1]);
        let awake: Vec<usize> = (0..taken.len()).filter(|n| !taken[*n]).collect();
        assert_eq!(awake, [AGAIN as usize - 1], "one span without");
        // Without, it was twice as fast.
        let mut naps = flowing(mono);
        assert_eq!(after(&mut naps, &mut mono, &[200.0, 100.0]), [true, false]);
    }

    #[test]
    fn a_pause_says_nothing_about_speed() {
        let (mut naps, mut mono) = (flowing(Duration::ZERO), Duration::ZERO);
        after(&mut naps, &mut mono, &[100.0]);
        naps.pause();
        mono += Duration::from_secs(60);
        naps.came(AWAKE, mono);
        assert_eq!(after(&mut naps, &mut mono, &[100.0]), [true]);
    }
}
