//! What an account's line says beside its row.

use super::*;
use crate::clock::Clock;
use crate::telemetry::registry::Registry;
use postrider_core::time::Micros;
use std::time::Duration;

/// An account that rests since long, as it is stored.
fn stored() -> StoredAccount {
    StoredAccount {
        id: 1,
        name: "u".into(),
        provider: "x".into(),
        username: String::new(),
        standing: Standing::Idle,
        reason: String::new(),
        since: Micros(1),
        history: None,
        parked_for: None,
        waits: None,
        messages: 0,
        octets: 0,
        class: None,
        failures: 0,
        left_out: 0,
        looked_at: None,
        proved_at: None,
        owner: None,
    }
}

#[test]
fn an_outage_is_not_forgotten() {
    let clock = Clock::start();
    let registry = Registry::new(clock);
    let stands = |standing: Standing| registry.account("u", |line| line.standing = standing);
    let since = || {
        let line = registry.find("u").unwrap();
        AccountView::of(&stored(), Some(&line), Mode::Balanced, clock.now()).since
    };
    for standing in [Standing::Starting, Standing::Running, Standing::Idle] {
        stands(standing);
    }
    assert_eq!(since(), instant(Micros(1)), "it was so before this process began");
    stands(Standing::Waiting);
    let began = instant(registry.find("u").unwrap().since);
    assert_eq!(since(), began);
    stands(Standing::Running);
    stands(Standing::Idle);
    // By the wall clock, which may have gone back meanwhile.
    let ended = instant(registry.find("u").unwrap().waited.unwrap());
    assert_eq!(since(), ended, "it is well since the outage");
    stands(Standing::Running);
    stands(Standing::Idle);
    assert_eq!(since(), ended);
    assert!(ended > instant(Micros(1)));
}

#[test]
fn who_is_looked_at_seldom_is_not_behind() {
    let registry = Registry::new(Clock::start());
    registry.account("u", |line| line.stale = Duration::from_secs(8000));
    let line = registry.find("u").unwrap();
    let overdue = |mode: Mode| line.overdue(line.followed, mode).as_secs();
    assert_eq!(line.lag(line.followed).as_secs(), 8000);
    assert_eq!((overdue(Mode::Conservative), overdue(Mode::Balanced)), (800, 7100));
    registry.account("u", |line| line.proved = Some(line.followed));
    let watched = registry.find("u").unwrap();
    assert_eq!(watched.overdue(line.followed, Mode::Aggressive), Duration::ZERO);
}
