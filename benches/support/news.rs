//! How soon new mail is told of.

use crate::heard::Heard;
use crate::support::mail::{Mailbox, note};
use crate::support::served::{Served, wait_within};
use std::time::{Duration, Instant};

/// New mails of each turn, and the time between two of them.
const NEW: usize = 150;
const PACE: Duration = Duration::from_millis(25);
/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// When each new mail was told of, by its subject.
pub(crate) type Told = Heard<String>;

pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

pub(crate) fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

pub(crate) struct Measured {
    pub(crate) took: Vec<f64>,
    /// Memory that is not of files, KiB, at most.
    pub(crate) most: u64,
}

/// New mail comes; how long until each is told of.
pub(crate) fn measured(name: &str, served: &Served, boxes: &[Mailbox], told: &Told) -> Measured {
    let (begin, mut sent, mut most) = (Instant::now(), Vec::new(), 0);
    for n in 0..NEW {
        let due = begin + PACE * u32::try_from(n).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let subject = format!("{name} {n}");
        sent.push((subject.clone(), Instant::now()));
        boxes[n % boxes.len()].append("INBOX", note(&subject));
        most = most.max(served.status("RssAnon:"));
    }
    wait_within(PATIENCE, "all of it", || {
        let told = told.lock().unwrap();
        sent.iter().all(|(subject, _)| told.contains_key(subject))
    });
    let told = std::mem::take(&mut *told.lock().unwrap());
    let mut took: Vec<f64> = sent
        .iter()
        .map(|(subject, at)| told[subject].duration_since(*at).as_secs_f64() * 1e3)
        .collect();
    took.sort_by(f64::total_cmp);
    Measured { took, most }
}
