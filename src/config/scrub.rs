//! `[bodies]`: how often stored bytes are read again, and what is done about damage.

use crate::config::raw::RawValue;
use crate::config::taker::Taker;
use crate::config::units;
use postrider_core::scrub::ScrubRule;
use std::time::Duration;

/// Its keys.
pub(super) const KEYS: [&str; 2] = ["bodies.scrub", "bodies.repair"];

/// Shorter makes no sense of a twentieth of a core.
const LEAST: Duration = Duration::from_secs(1);

/// What it says.
pub(super) fn scrub(t: &mut Taker<'_>) -> ScrubRule {
    let want = "a duration like \"30d\": each file of bytes is read once in it; or \"off\"";
    let every = t.take("bodies.scrub", ScrubRule::default().every, want, |value| match value {
        RawValue::Text(text) if text == "off" => Some(None),
        RawValue::Text(text) => units::duration(text).filter(|every| *every >= LEAST).map(Some),
        _ => None,
    });
    ScrubRule { every, repairs: t.flag("bodies.repair") }
}
