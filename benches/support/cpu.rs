//! What a server has taken so far.

use crate::support::served::Served;

/// CPU seconds so far.
pub(crate) fn cpu(served: &Served) -> f64 {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", served.running.child.id())).unwrap();
    let behind = stat.rsplit(')').next().unwrap();
    let ticks = behind.split_whitespace().skip(11).take(2).map(|n| n.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}
