//! Which octets a request wants. Source: RFC 9110 §13 (conditions), §14 (ranges).

use axum::http::{HeaderMap, header};
use std::ops::Range;

/// What a request wants of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It has it already.
    Nothing,
    /// All of it.
    Whole,
    /// These octets.
    Part(Range<u64>),
    /// Octets that there are none of.
    Beyond,
}

/// What a request wants of so many octets that go by this tag. Several ranges are answered with the whole, as is what
/// is no range (RFC 9110 §14.2).
pub(super) fn wanted(headers: &HeaderMap, tag: &str, length: u64) -> Wanted {
    let told = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let has = |list: &str| {
        list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
    };
    if told(header::IF_NONE_MATCH).is_some_and(has) {
        return Wanted::Nothing;
    }
    // A range of what it was is of no use where it is another (§13.1.5).
    let is_same = told(header::IF_RANGE).is_none_or(|of| of == tag);
    let range = told(header::RANGE).filter(|_| is_same);
    range.and_then(|range| one_range(range, length)).unwrap_or(Wanted::Whole)
}

fn one_range(range: &str, length: u64) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        // One that does not fit lies beyond whatever there is.
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let part = match (first.trim(), last.trim()) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if part.start < part.end { Wanted::Part(part) } else { Wanted::Beyond })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(told: &[(header::HeaderName, &str)]) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in told {
            headers.insert(name, value.parse().unwrap());
        }
        wanted(&headers, "\"ab\"", 100)
    }

    #[test]
    fn a_range_is_what_the_standard_says() {
        for (range, want) in [
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=90-", Wanted::Part(90..100)),
            ("bytes=90-1000", Wanted::Part(90..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("BYTES = 5-5", Wanted::Part(5..6)),
            ("bytes=0-99999999999999999999999", Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Beyond),
            ("bytes=99999999999999999999999-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=9-0", Wanted::Whole),
            ("bytes=0-9,20-29", Wanted::Whole),
            ("bytes=x-9", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=0-9", Wanted::Whole),
            ("bytes", Wanted::Whole),
        ] {
            assert_eq!(of(&[(header::RANGE, range)]), want, "{range}");
        }
        assert_eq!(of(&[]), Wanted::Whole);
    }

    #[test]
    fn who_has_it_is_told_so() {
        let range = (header::RANGE, "bytes=0-9");
        for (tags, want) in [
            ("\"ab\"", Wanted::Nothing),
            ("\"x\", W/\"ab\"", Wanted::Nothing),
            ("*", Wanted::Nothing),
            ("\"x\"", Wanted::Part(0..10)),
        ] {
            assert_eq!(of(&[range.clone(), (header::IF_NONE_MATCH, tags)]), want, "{tags}");
        }
        assert_eq!(of(&[range.clone(), (header::IF_RANGE, "\"ab\"")]), Wanted::Part(0..10));
        assert_eq!(of(&[range, (header::IF_RANGE, "\"x\"")]), Wanted::Whole, "it is another now");
    }
}
