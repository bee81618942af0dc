//! INTERNALDATE (RFC 3501 §9 `date-time`): `17-Jul-1996 02:44:25 -0700`.

use postrider_core::time::Micros;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Reads a date-time; `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<Micros> {
    let mut parts = text.split_ascii_whitespace();
    let mut date = parts.next()?.split('-');
    let day: i64 = date.next()?.parse().ok()?;
    let month = date.next()?.to_ascii_lowercase();
    let month = i64::try_from(MONTHS.iter().position(|m| *m == month)?).ok()? + 1;
    let year: i64 = date.next()?.parse().ok()?;
    let mut time = parts.next()?.split(':').map(|n| n.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let zone: i64 = parts.next().unwrap_or("+0000").parse().ok()?;
    let sane = (1..=31).contains(&day)
        && (0..=9999).contains(&year)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second)
        && zone.abs() <= 2400;
    if !sane {
        return None;
    }
    let offset = (zone / 100) * 3600 + (zone % 100) * 60;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(Micros::from_seconds(seconds))
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (text, want) in [
            ("01-Jan-1970 00:00:00 +0000", Some(0)),
            ("17-Jul-1996 02:44:25 -0700", Some(837_596_665)),
            (" 1-Mar-2024 12:00:00 +0530", Some(1_709_274_600)),
            ("29-Feb-2000 23:59:60 +0000", Some(951_868_800)),
            ("32-Jan-2000 00:00:00 +0000", None),
            ("NIL", None),
            ("", None),
            ("01-Foo-1970 00:00:00 +0000", None),
        ] {
            assert_eq!(parse(text), want.map(Micros::from_seconds), "{text}");
        }
    }
}
