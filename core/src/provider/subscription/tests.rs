//! When it is asked for, what is a doubt, and what proves it.

use super::*;
use crate::failure::{Class, Provenance, Reach, When};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn at(seconds: u64) -> Now {
    let wall = Micros::from_seconds(i64::try_from(seconds).unwrap() + 1_000_000);
    Now { wall, mono: Duration::from_secs(seconds) }
}

fn until(seconds: u64) -> Pushing {
    Pushing { until: at(seconds).wall, from: None }
}

fn version(n: u64) -> MailVersion {
    MailVersion::new(&n.to_string())
}

/// One that was asked for at the beginning, for a week, and then looked for.
fn active() -> Subscribed {
    let mut it = Subscribed::to("topic", None);
    assert!(it.is_due(at(0)));
    it.asks();
    assert!(!it.is_due(at(0)), "it is being asked");
    it.subscribed(until(7 * DAY), at(0));
    it.looked(None, at(0));
    it
}

/// What happened before anybody could be told is no doubt: while no process ran, or before it was asked for.
#[test]
fn what_is_older_needs_not_be_told() {
    let row = active().row().clone();
    let mut next = Subscribed::to("topic", Some(row));
    next.looked(Some(&version(10)), at(2 * HOUR));
    next.looked(Some(&version(10)), at(2 * HOUR + 60));
    assert!(!next.is_due(at(2 * HOUR + 400)));
    next.looked(Some(&version(11)), at(3 * HOUR));
    assert!(next.is_due(at(3 * HOUR + 120)));

    let mut late = Subscribed::to("topic", None);
    late.looked(None, at(0));
    assert!(late.unstored().is_none() && late.unproved(at(9).wall).is_none());
    late.looked(Some(&version(10)), at(5));
    let from = Some(version(20));
    late.subscribed(Pushing { from, ..until(7 * DAY) }, at(10));
    late.looked(Some(&version(20)), at(20));
    assert!(!late.is_due(at(2 * HOUR)));
    late.looked(Some(&version(21)), at(2 * HOUR));
    assert!(late.is_due(at(2 * HOUR + 120)));

    // Refused for a while, it had nothing to tell.
    let mut refused = Subscribed::to("topic", None);
    refused.looked(None, at(0));
    refused.looked(Some(&version(10)), at(5));
    refused.subscribed(until(7 * DAY), at(2 * HOUR));
    assert_eq!(refused.row().state, SubscriptionState::Active);
}

/// Whoever asked may be gone, and a clock may have been wrong.
#[test]
fn nothing_lasts_for_ever() {
    let mut it = Subscribed::to("topic", None);
    it.asks();
    it.begins_anew();
    assert!(it.is_due(at(0)));
    it.subscribed(until(7 * DAY), at(DAY * 300));
    assert!(it.is_due(at(DAY)), "it was asked for in a time that has not come");
    it.looked(None, at(DAY * 300));
    it.looked(None, at(DAY));
    assert_eq!(it.unproved(at(DAY + 5).wall), Some(Duration::from_secs(5)));
}

#[test]
fn it_is_asked_for_daily_and_before_it_ends() {
    let it = active();
    assert!(!it.is_due(at(DAY - 1)) && it.is_due(at(DAY)));
    let mut short = Subscribed::to("topic", None);
    short.subscribed(until(HOUR), at(0));
    assert!(!short.is_due(at(HOUR - 1)) && short.is_due(at(HOUR)));
    let mut over = Subscribed::to("topic", None);
    over.subscribed(until(0), at(DAY));
    assert!(!over.is_due(at(DAY + 1)) && over.is_due(at(DAY + 600)));
    // The next process goes on with it, unless it is to push elsewhere.
    let row = it.row().clone();
    assert!(!Subscribed::to("topic", Some(row.clone())).is_due(at(HOUR)));
    assert!(Subscribed::to("other", Some(row)).is_due(at(HOUR)));
}

#[test]
fn what_nobody_told_of_for_two_minutes_is_a_doubt() {
    let mut it = active();
    it.looked(Some(&version(10)), at(2 * HOUR));
    it.looked(Some(&version(11)), at(2 * HOUR + 60));
    assert!(!it.is_due(at(2 * HOUR + 119)), "it may be on its way");
    assert!(it.is_due(at(2 * HOUR + 120)), "the first one is late");
    it.subscribed(until(8 * DAY), at(2 * HOUR + 120));
    assert_eq!(it.row().state, SubscriptionState::Doubted);
    // Not again within the hour; a push ends it, and a look that finds nothing does not.
    it.looked(None, at(2 * HOUR + 190));
    assert_eq!(it.row().state, SubscriptionState::Doubted);
    it.looked(Some(&version(12)), at(2 * HOUR + 200));
    assert!(!it.is_due(at(2 * HOUR + 400)) && it.is_due(at(3 * HOUR + 130)));
    it.subscribed(until(8 * DAY), at(2 * HOUR + 195));
    assert_eq!(it.row().state, SubscriptionState::Doubted, "being asked is no proof");
    it.looked(Some(&version(12)), at(2 * HOUR + 200));
    // What was told long ago comes again.
    it.told = Some(version(11));
    it.pushed(Some(&version(10)), at(2 * HOUR + 210));
    assert_eq!(it.row().state, SubscriptionState::Doubted);
    it.pushed(Some(&version(12)), at(3 * HOUR));
    assert_eq!(it.row().state, SubscriptionState::Active);
    assert!(!it.is_due(at(3 * HOUR + 130)));
}

/// Whoever looks finds what is told a moment later, and what was told out of order.
#[test]
fn what_is_told_soon_is_none() {
    let mut it = active();
    it.looked(Some(&version(10)), at(2 * HOUR));
    it.pushed(Some(&version(9)), at(2 * HOUR + 1));
    assert!(it.is_due(at(2 * HOUR + 120)), "that was another one");
    it.pushed(Some(&version(100)), at(2 * HOUR + 100));
    assert!(!it.is_due(at(2 * HOUR + 120)));
    it.looked(Some(&version(99)), at(2 * HOUR + 230));
    it.pushed(Some(&version(5)), at(2 * HOUR + 231));
    it.looked(Some(&version(99)), at(2 * HOUR + 232));
    assert!(!it.is_due(at(3 * HOUR)), "what was told stays told");
    // Of many changes at once the first is told, and the rest is not: that is no doubt, but a minute later it is.
    it.pushed(Some(&version(200)), at(4 * HOUR));
    it.looked(Some(&version(205)), at(4 * HOUR + 59));
    assert!(!it.is_due(at(5 * HOUR)));
    it.looked(Some(&version(206)), at(4 * HOUR + 60));
    assert!(it.is_due(at(4 * HOUR + 180)));
}

/// What was on its way when it was asked for anew ends the doubt, once it comes.
#[test]
fn a_late_push_ends_a_doubt() {
    let mut it = active();
    it.looked(Some(&version(10)), at(2 * HOUR));
    it.asks();
    let from = Some(version(10));
    it.subscribed(Pushing { from, ..until(8 * DAY) }, at(2 * HOUR + 120));
    assert_eq!(it.row().state, SubscriptionState::Doubted);
    it.pushed(Some(&version(10)), at(2 * HOUR + 130));
    assert_eq!(it.row().state, SubscriptionState::Active);
    // The same one again is nothing new.
    let age = it.unproved(at(3 * HOUR).wall);
    it.pushed(Some(&version(10)), at(3 * HOUR));
    assert_eq!(it.unproved(at(3 * HOUR).wall), age);
}

#[test]
fn proof_is_a_push_or_a_look_that_found_nothing_else() {
    let age = |it: &Subscribed, seconds| it.unproved(at(seconds).wall).map(|age| age.as_secs());
    let mut it = Subscribed::to("topic", None);
    it.subscribed(until(7 * DAY), at(0));
    assert_eq!(age(&it, 100), Some(100), "since it was asked for");
    it.looked(None, at(0));
    it.looked(None, at(200));
    assert_eq!(age(&it, 250), Some(50));
    it.looked(Some(&version(10)), at(300));
    it.looked(None, at(310));
    assert_eq!(age(&it, 320), Some(120), "something is untold");
    it.pushed(None, at(330));
    assert_eq!(age(&it, 340), Some(10));
    assert!(it.is_due(at(HOUR + 300)), "it did not say what it tells of");
}

#[test]
fn what_cannot_be_had_waits_by_its_class() {
    let failure =
        |class, when| Failure::new(class, Reach::Account, Provenance::Server, "no").when(when);
    let policy = Policy::default().staying();
    let mut it = active();
    it.asks();
    it.failed(&failure(Class::Provider, When::BackOff), &policy, at(DAY));
    assert!(!it.is_due(at(DAY + 1)) && it.is_due(at(DAY + 600)));
    assert_eq!(it.row().state, SubscriptionState::Active, "it pushes until its time");
    assert!(it.row().reason.ends_with("no"), "{}", it.row().reason);
    let mut none = Subscribed::to("topic", None);
    none.asks();
    none.failed(&failure(Class::Config, When::AfterChange), &policy, at(0));
    assert!(!none.is_due(at(HOUR - 1)) && none.is_due(at(HOUR)));
    assert_eq!(none.row().state, SubscriptionState::Failed);
    let mut later = Subscribed::to("topic", None);
    later.put_off(Duration::from_secs(90), "no session", at(0));
    assert_eq!(later.row().reason, "no session");
    assert!(!later.is_due(at(89)) && later.is_due(at(90)));
}

#[test]
fn what_is_stored_is_written_once() {
    let mut it = active();
    assert!(it.unstored().is_some() && it.unstored().is_none());
    it.not_stored();
    assert!(it.unstored().is_some());
    // A proof is as old as the last one, give or take ten minutes.
    assert!(!it.is_urgent());
    it.pushed(None, at(599));
    assert!(it.unstored().is_none());
    it.pushed(None, at(600));
    assert!(it.unstored().is_some());
    it.looked(None, at(700));
    assert!(it.unstored().is_none());
    // One of a time that has not come is none.
    it.looked(None, at(DAY));
    assert!(it.unstored().is_some());
    it.looked(None, at(800));
    assert!(it.unstored().is_some());
}
