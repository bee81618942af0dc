//! The doubling wait of the failure table: 5, 10, 20, 40, 80 s … to 1 h, ±20 % jitter.

use std::time::Duration;

/// The longest wait, unless the config says another.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The wait before try number `tries + 1`, `tries` counted from 1.
///
/// `salt` spreads accounts that fail together: the same salt and try give the same wait, so a run
/// can be replayed.
#[must_use]
pub fn wait((first, longest): (Duration, Duration), tries: u32, salt: u64) -> Duration {
    let doubled = first
        .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1).min(20)).unwrap_or(u32::MAX))
        .min(longest);
    let permille = 800 + mix(salt ^ u64::from(tries)) % 401;
    let micros = u64::try_from(doubled.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros((micros / 1000).saturating_mul(permille))
}

/// splitmix64: a well-mixed number from a seed.
#[must_use]
pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: (Duration, Duration) = (Duration::from_secs(5), LONGEST_WAIT);

    #[test]
    fn doubles_within_twenty_percent_and_stops_at_an_hour() {
        for salt in 0..200 {
            for (tries, seconds) in
                [(1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 80.0), (30, 3600.0)]
            {
                let got = wait(WAITS, tries, salt).as_secs_f64();
                assert!(
                    (seconds * 0.8 - 0.01..=seconds * 1.2 + 0.01).contains(&got),
                    "try {tries}: {got}"
                );
            }
        }
        assert_ne!(wait(WAITS, 1, 1), wait(WAITS, 1, 2));
        assert!(wait((WAITS.0, Duration::from_secs(60)), 9, 1) <= Duration::from_secs(72));
    }
}
