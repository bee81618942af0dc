//! What an account's line says beside its row.

use super::*;
use crate::clock::Clock;
use crate::telemetry::registry::Registry;
use postrider_core::time::Micros;

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
        messages: 0,
        octets: 0,
        class: None,
        failures: 0,
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
    assert!(since() >= began, "it is well since the outage: {}", since());
    stands(Standing::Running);
    stands(Standing::Idle);
    assert!(since() >= began && since() > instant(Micros(1)));
}
