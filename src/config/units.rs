//! Durations (`60s`) and sizes (`64MiB`).

use std::time::Duration;

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// Reads `500ms`, `60s`, `10m`, `2h`, `1d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Reads `512KiB`, `64MiB`, `1GiB`, and `2500MB` as providers write their limits, in octets.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let octets = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(duration("60s"), Some(Duration::from_secs(60)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(size("64MiB"), Some(64 << 20));
        assert_eq!(size("2500MB"), Some(2_500_000_000));
        for bad in ["", "60", "s", "-1s", "1 week", "99999999999999999999s"] {
            assert_eq!((duration(bad), size(bad)), (None, None), "{bad}");
        }
    }
}
