//! How failures are waited for, as the config says it.

use crate::config::taker::Taker;
use postrider_core::recovery::decide::Policy;

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

/// The policy of every account, but for what is its own.
pub(super) fn policy(t: &mut Taker<'_>) -> Policy {
    let usual = Policy::default();
    let mut count =
        |key, usual: u32| u32::try_from(t.number(key, usual.into(), 1, 1000)).unwrap_or(usual);
    let tries = count("recovery.tries", usual.tries);
    let stretch_after = count("recovery.stretch_after", usual.stretch_after);
    let cool_down_after = count("recovery.cool_down_after", usual.cool_down_after);
    let first_wait = t.duration("recovery.first_wait", usual.first_wait);
    let longest_wait = t.duration("recovery.longest_wait", usual.longest_wait.max(first_wait));
    if longest_wait < first_wait
        && let Some(item) = t.item("recovery.longest_wait")
    {
        let text = "it is shorter than recovery.first_wait; write a duration that is not";
        t.wrong(item.place, "recovery.longest_wait", text);
    }
    let believe_after =
        t.item("recovery.believe_after").map(|_| t.duration("recovery.believe_after", first_wait));
    let cool_down = t.duration("recovery.cool_down", usual.cool_down);
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
