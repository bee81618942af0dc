//! What a process costs: its time from outside, and what the kernel has counted for it.

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What one run cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Seconds.
    pub(crate) wall: f64,
    /// Seconds of processor time, in its own code and in the kernel's.
    pub(crate) cpu: f64,
    /// Highest resident set, KiB.
    pub(crate) peak: u64,
    /// Octets that it made go to the disk.
    pub(crate) written: u64,
    /// Octets of the database that it left.
    pub(crate) database: u64,
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The number behind `key` in a file of lines.
fn number(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Runs it to its end; one that fails ends the bench.
pub(crate) fn run(command: &mut Command) -> Cost {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let of = format!("/proc/{}", child.id());
    let (peak, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let watch = {
        let (peak, over, status) = (Arc::clone(&peak), Arc::clone(&over), format!("{of}/status"));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(number(&status, "VmHWM:").unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        })
    };
    // It has ended and is not waited for: the kernel's counters can still be read.
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let wall = began.elapsed().as_secs_f64();
    let stat = fs::read_to_string(format!("{of}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap() / 100.0;
    let cpu = ticks(11) + ticks(12);
    let written = number(&format!("{of}/io"), "write_bytes:").unwrap();
    over.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    Cost { wall, cpu, peak: peak.load(Ordering::Relaxed), written, database: 0 }
}
