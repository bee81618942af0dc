//! Instants as people and programs are told them.

use postrider_core::time::Micros;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant that a program has written: RFC 3339.
pub(crate) fn instant_of(text: &str) -> Option<Micros> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos / 1000).ok().map(Micros)
}

/// A day that a program has written, as `2026-01-31`: when it begins and when it ends, in UTC.
pub(crate) fn day_of(text: &str) -> Option<(Micros, Micros)> {
    let begins =
        instant_of(&format!("{text}T00:00:00Z")).filter(|_| text.len() == "2026-01-31".len())?;
    Some((begins, begins.plus(Duration::from_secs(86_400))))
}

/// An instant for people and programs: RFC 3339, UTC, to the microsecond.
pub(crate) fn instant(at: Micros) -> String {
    let nanos = i128::from(at.0) * 1000;
    let told =
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|t| t.format(&Rfc3339).ok());
    told.unwrap_or_else(|| at.0.to_string())
}
