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
    /// Seconds of processor time that a database server spent for it.
    pub(crate) backend: f64,
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

/// Seconds of processor time of a process: its own and the kernel's for it, then its children's that have ended.
fn cpu(pid: u32, which: std::ops::Range<usize>) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    Some(fields[11..15][which].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum())
}

/// The same of a process and of all its children, those that have ended and those that have not.
pub(crate) fn cpu_with_children(pid: u32) -> f64 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let living = children.split_whitespace();
    let living = living.filter_map(|child| cpu(child.parse().unwrap(), 0..2));
    cpu(pid, 0..4).unwrap() + living.sum::<f64>()
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
    let cpu = cpu(child.id(), 0..2).unwrap();
    let written = number(&format!("{of}/io"), "write_bytes:").unwrap();
    over.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    Cost { wall, cpu, peak: peak.load(Ordering::Relaxed), written, ..Cost::default() }
}
