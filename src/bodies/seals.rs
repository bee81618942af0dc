//! Seals that are under way: who is in no hurry leaves the disk to them.
#![expect(clippy::disallowed_methods, reason = "how long somebody has waited")]

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for those that are under way: longer than a disk may take for one.
const PATIENCE: Duration = Duration::from_secs(90);

/// How many there are.
#[derive(Debug, Default)]
pub(super) struct Seals {
    count: Mutex<usize>,
    over: Condvar,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Seals>);

impl Seals {
    /// One begins.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        UnderWay(Arc::clone(self))
    }

    /// Blocks while one is under way. Says how long that was.
    pub(super) fn wait(&self) -> Duration {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if *count == 0 {
            return Duration::ZERO;
        }
        let began = Instant::now();
        drop(self.over.wait_timeout_while(count, PATIENCE, |count| *count > 0));
        began.elapsed()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count -= 1;
        if *count == 0 {
            self.0.over.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_goes_on_behind_the_last_one() {
        let seals = Arc::new(Seals::default());
        assert_eq!(seals.wait(), Duration::ZERO);
        let (one, other) = (seals.begin(), seals.begin());
        let waits = Arc::clone(&seals);
        let (told, tell) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn(move || {
            let waited = waits.wait();
            told.send(()).unwrap();
            waited
        });
        drop(one);
        let within = Duration::from_millis(50);
        assert!(tell.recv_timeout(within).is_err(), "another one is under way");
        drop(other);
        assert!(waiting.join().unwrap() > Duration::ZERO);
        assert_eq!(seals.wait(), Duration::ZERO);
    }
}
