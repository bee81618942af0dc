//! How failures are waited for, as the config says it.

use crate::config::raw::RawValue;
use crate::config::taker::Taker;
use crate::config::units;
use postrider_core::recovery::decide::Policy;
use std::time::Duration;

/// Keys of `[recovery]`.
pub(super) const KEYS: [&str; 7] = [
    "recovery.first_wait",
    "recovery.longest_wait",
    "recovery.tries",
    "recovery.believe_after",
    "recovery.stretch_after",
    "recovery.cool_down_after",
    "recovery.cool_down",
];

/// Nothing is waited for longer: 30 days.
const MOST: Duration = Duration::from_secs(30 * 86_400);

fn wait(t: &mut Taker<'_>, key: &str, usual: Duration) -> Duration {
    let want = "a duration from \"1ms\" to \"30d\", like \"5m\"";
    t.take(key, usual, want, |value| match value {
        RawValue::Text(text) => {
            units::duration(text).filter(|wait| !wait.is_zero() && *wait <= MOST)
        }
        _ => None,
    })
}

/// The policy of every account, but for what is its own.
pub(super) fn policy(t: &mut Taker<'_>) -> Policy {
    let usual = Policy::default();
    let mut count =
        |key, usual: u32| u32::try_from(t.number(key, usual.into(), 1, 1000)).unwrap_or(usual);
    let tries = count("recovery.tries", usual.tries);
    let stretch_after = count("recovery.stretch_after", usual.stretch_after);
    let cool_down_after = count("recovery.cool_down_after", usual.cool_down_after);
    let first_wait = wait(t, "recovery.first_wait", usual.first_wait);
    let longest_wait = wait(t, "recovery.longest_wait", usual.longest_wait.max(first_wait));
    if longest_wait < first_wait
        && let Some(item) = t.item("recovery.longest_wait")
    {
        let text = "it is shorter than recovery.first_wait; write a duration that is not";
        t.wrong(item.place, "recovery.longest_wait", text);
    }
    let believe_after =
        t.item("recovery.believe_after").map(|_| wait(t, "recovery.believe_after", first_wait));
    let cool_down = wait(t, "recovery.cool_down", usual.cool_down);
    Policy {
        first_wait,
        longest_wait,
        tries,
        believe_after,
        stretch_after,
        cool_down_after,
        cool_down,
        ..usual
    }
}
