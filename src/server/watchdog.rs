//! Watches the runtime from outside of it: one in which no task has its turn any more helps nobody. Whoever started
//! the process starts it anew.
#![expect(clippy::disallowed_methods, reason = "a thread that owns nothing but its own rest")]

use crate::fault;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long it may be silent.
const SILENT: Duration = Duration::from_secs(60);
/// In so many looks.
const LOOKS: u32 = 8;

/// What was seen of a runtime's beats.
#[derive(Debug, Default)]
struct Silence {
    beats: u64,
    looks: u32,
}

impl Silence {
    /// Whether it has been silent for too long. A look that came late (a machine that sleeps, or has too much to do) says
    /// nothing: no task had a turn in that time either.
    fn look(&mut self, beats: u64, is_late: bool) -> bool {
        if std::mem::replace(&mut self.beats, beats) != beats {
            self.looks = 0;
        } else if !is_late {
            self.looks += 1;
        }
        self.looks > LOOKS
    }
}

/// Ends the process, with this code, when no task of this runtime has had a turn for a minute. It asks for one itself: timers of
/// a runtime that has much to do come late.
///
/// # Errors
/// The thread cannot be started.
pub fn watch(runtime: &Handle, exit: i32) -> io::Result<()> {
    let silent = fault::silence().unwrap_or(SILENT);
    let (rest, runtime) = (silent / LOOKS, runtime.clone());
    let beats = Arc::<AtomicU64>::default();
    let looking = move || {
        let (mut silence, mut asked) = (Silence::default(), 0);
        loop {
            let began = std::time::Instant::now();
            std::thread::sleep(rest);
            let is_late = began.elapsed() > rest * 2;
            let beat = beats.load(Ordering::Relaxed);
            if silence.look(beat, is_late) {
                let seconds = silent.as_secs();
                // Whoever reads what is said may stand still, and may be what the tasks wait for.
                let told = std::thread::Builder::new().spawn(move || {
                    eprintln!(
                        "no task has had a turn for {seconds} s: this is a bug; the process ends"
                    );
                });
                std::thread::sleep(rest);
                if told.is_ok() && beats.load(Ordering::Relaxed) != beat {
                    continue;
                }
                std::process::exit(exit);
            }
            if beat == asked {
                asked += 1;
                let (beats, workers) = (Arc::clone(&beats), runtime.metrics().num_workers());
                runtime.spawn(async move {
                    beats.fetch_add(1, Ordering::Relaxed);
                    fault::hold("hold.runtime", workers);
                });
            }
        }
    };
    std::thread::Builder::new().name("watchdog".into()).spawn(looking).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_in_a_row_counts() {
        let mut silence = Silence::default();
        for beats in 1..20 {
            assert!(!silence.look(beats, false));
        }
        for _ in 0..LOOKS {
            assert!(!silence.look(19, false));
        }
        assert!(!silence.look(20, false), "it beats again");
        for look in 0..LOOKS {
            assert!(!silence.look(20, false), "{look}");
            assert!(!silence.look(20, true), "a look that came late");
        }
        assert!(silence.look(20, false));
    }
}
