//! Instants for people: how long ago or ahead, and what the clock on their wall shows.

use chrono::{DateTime, Local};
use std::time::Duration;

/// Now, in microseconds since 1970.
fn now() -> i64 {
    crate::clock::Clock::start().now().wall.0
}

fn micros(at: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(at).ok().map(|at| at.timestamp_micros())
}

/// A span in words: its largest unit, two of it at least.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn told(at: i64, now: i64) -> String {
    let away = span(Duration::from_micros(at.abs_diff(now)));
    match at.cmp(&now) {
        std::cmp::Ordering::Less => format!("{away} ago"),
        _ => format!("in {away}"),
    }
}

/// `14 min ago`, `in 13 min`; empty where there is no instant.
pub(super) fn relative(at: &str) -> String {
    micros(at).map(|at| told(at, now())).unwrap_or_default()
}

/// The same, and the local time with its offset from UTC.
pub(super) fn in_full(at: &str) -> String {
    let local = DateTime::parse_from_rfc3339(at).map(|at| at.with_timezone(&Local));
    local.map_or_else(
        |_| at.to_owned(),
        |local| format!("{} ({})", relative(at), local.format("%Y-%m-%d %H:%M:%S %:z")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sides() {
        let at = |seconds: i64| told(seconds * 1_000_000, 1_000_000_000_000);
        assert_eq!(at(1_000_000 - 119), "119 s ago");
        assert_eq!(at(1_000_000 - 14 * 60), "14 min ago");
        assert_eq!(at(1_000_000 + 13 * 60 + 59), "in 13 min");
        assert_eq!(at(1_000_000 + 3 * 3600), "in 3 h");
        assert_eq!(at(1_000_000 - 3 * 86_400), "3 days ago");
        assert_eq!(relative(""), "");
        assert_eq!(in_full("not an instant"), "not an instant");
        let full = in_full("2020-01-01T00:00:00.5Z");
        assert!(full.contains("days ago (20") && full.contains(':'), "{full}");
    }
}
