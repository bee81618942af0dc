//! `[retention]`: what is kept for how long.

use crate::config::raw::RawValue;
use crate::config::taker::Taker;
use crate::config::units;
use postrider_core::retention::Retention;
use std::time::Duration;

/// Its keys.
pub(super) const KEYS: [&str; 7] = [
    "retention.events",
    "retention.deleted",
    "retention.runs",
    "retention.failures",
    "retention.at",
    "bodies.grace",
    "bodies.compress",
];

/// The time of a day: `03:30`.
fn time_of_day(text: &str) -> Option<Duration> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str, below: u64| {
        let is_two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|n: &u64| is_two && *n < below)
    };
    Some(Duration::from_secs(two(hours, 24)? * 3600 + two(minutes, 60)? * 60))
}

/// What it says.
pub(super) fn retention(t: &mut Taker<'_>) -> Retention {
    let usual = Retention::default();
    let kept = |t: &mut Taker<'_>, key: &str, usual: Option<Duration>, least: Duration| {
        let hour = Duration::from_secs(3600);
        let from = if least < hour { "" } else { " from \"1h\"" };
        let want = format!("a duration{from}, like \"30d\", or \"none\": for ever");
        t.take(key, usual, &want, |value| match value {
            RawValue::Text(text) if text == "none" => Some(None),
            RawValue::Text(text) => units::duration(text).filter(|kept| *kept >= least).map(Some),
            _ => None,
        })
    };
    let hour = Duration::from_secs(3600);
    let events = kept(t, "retention.events", usual.events, hour);
    let deleted = kept(t, "retention.deleted", usual.deleted, Duration::ZERO);
    let runs = kept(t, "retention.runs", usual.runs, hour);
    let failures = kept(t, "retention.failures", usual.failures, hour);
    let want = "a duration like \"24h\"";
    let grace = t.take("bodies.grace", usual.grace, want, |value| match value {
        RawValue::Text(text) => units::duration(text),
        _ => None,
    });
    let want = "a time of the day in UTC, like \"03:30\"";
    let at = t.take("retention.at", usual.at, want, |value| match value {
        RawValue::Text(text) => time_of_day(text),
        _ => None,
    });
    let compress =
        t.take("bodies.compress", usual.compress, "true or false", |value| match value {
            RawValue::Bool(is_to) => Some(*is_to),
            _ => None,
        });
    Retention { events, deleted, runs, failures, grace, compress, at }
}

#[cfg(test)]
mod tests {
    use super::time_of_day;
    use std::time::Duration;

    #[test]
    fn a_time_of_the_day() {
        let minutes = |n: u64| Some(Duration::from_secs(n * 60));
        assert_eq!([time_of_day("00:00"), time_of_day("23:59")], [minutes(0), minutes(1439)]);
        for wrong in ["24:00", "3:30", "03:60", "0330", "+3:30", "03:30:00", ""] {
            assert_eq!(time_of_day(wrong), None, "{wrong}");
        }
    }
}
