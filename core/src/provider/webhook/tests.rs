//! A webhook's life: made once, looked at, made anew, removed.

use super::*;
use crate::failure::{Class, Provenance, Reach};

const HOUR: u64 = 3600;

fn at(seconds: u64) -> Now {
    let mono = Duration::from_secs(seconds);
    Now { wall: Micros(0).plus(mono), mono }
}

fn shown(id: &str) -> ShownWebhook {
    let standing = WebhookStanding::Active;
    let (is_here, is_whole) = (Some(true), Some(true));
    ShownWebhook { id: id.into(), is_here, is_whole, standing }
}

fn failure(class: Class) -> Failure {
    Failure::new(class, Reach::Endpoint, Provenance::Server, "scripted")
}

fn asked(hook: &mut Webhook, is_wanted: bool, seconds: u64) -> WebhookQuestion {
    let question = hook.next(is_wanted, at(seconds)).unwrap();
    hook.asks(&question);
    assert_eq!(hook.next(is_wanted, at(seconds)), None, "one at a time");
    question
}

fn lists(hook: &mut Webhook, is_wanted: bool, all: &[ShownWebhook], seconds: u64) {
    assert_eq!(asked(hook, is_wanted, seconds), WebhookQuestion::List);
    hook.answered(&WebhookQuestion::List, WebhookAnswer::Listed(all.to_vec()), at(seconds));
}

fn removes(hook: &mut Webhook, is_wanted: bool, id: &str, seconds: u64) {
    let question = WebhookQuestion::Remove(id.into());
    assert_eq!(asked(hook, is_wanted, seconds), question);
    hook.answered(&question, WebhookAnswer::Removed, at(seconds));
}

fn makes(hook: &mut Webhook, id: &str, seconds: u64) {
    assert_eq!(asked(hook, true, seconds), WebhookQuestion::Make);
    let made = WebhookAnswer::Made(id.into(), format!("sealed {id}"));
    hook.answered(&WebhookQuestion::Make, made, at(seconds));
}

/// What is to be written is.
fn writes(hook: &mut Webhook, id: Option<&str>) {
    let row = hook.unstored().unwrap().map(|row| row.remote_id.clone());
    assert_eq!(row.as_deref(), id);
    hook.is_stored(id);
    assert_eq!(hook.unstored(), None);
}

/// One that was made and written down.
fn made() -> Webhook {
    let mut hook = Webhook::stored(None, false);
    lists(&mut hook, true, &[], 0);
    makes(&mut hook, "a", 1);
    writes(&mut hook, Some("a"));
    // Whoever ran before may have asked for one just then.
    assert_eq!(hook.next(true, at(120)), None);
    lists(&mut hook, true, &[shown("a")], 121);
    writes(&mut hook, Some("a"));
    hook
}

/// So many hours after it was looked at.
fn hour(n: u64) -> u64 {
    121 + n * HOUR
}

#[test]
fn it_is_made_with_the_first_account_and_believed_when_it_is_written() {
    let mut hook = Webhook::stored(None, false);
    assert_eq!(hook.next(false, at(0)), None, "nobody wants one");
    lists(&mut hook, true, &[], 0);
    makes(&mut hook, "a", 1);
    assert_eq!(hook.secret(), None, "it is not durable");
    assert_eq!(hook.next(true, at(2)), None);
    assert!(hook.unstored().is_some());
    hook.not_stored();
    assert_eq!(hook.secret(), None);
    assert_eq!(hook.next(true, at(HOUR * 2)), None, "nothing happens to it before it is written");
    writes(&mut hook, Some("a"));
    assert_eq!(hook.secret(), Some("sealed a"));
    assert_eq!(hook.next(true, at(2)), None);
}

#[test]
fn it_is_looked_at_hourly() {
    let mut hook = made();
    assert_eq!(hook.next(true, at(hour(1) - 1)), None);
    lists(
        &mut hook,
        true,
        &[shown("a"), ShownWebhook { is_here: Some(false), ..shown("b") }],
        hour(1),
    );
    assert_eq!(hook.next(true, at(hour(1))), None, "others' are no business of ours");
    writes(&mut hook, Some("a"));
    assert_eq!(hook.proved(), Some(at(hour(1)).wall));
    assert_eq!(hook.seen().unwrap().state, SubscriptionState::Active);
    let failing = ShownWebhook { standing: WebhookStanding::Failing, ..shown("a") };
    lists(&mut hook, true, &[failing], hour(2));
    assert_eq!(hook.next(true, at(hour(2))), None);
    assert_eq!(hook.seen().unwrap().state, SubscriptionState::Doubted);
    assert_eq!(hook.proved(), Some(at(hour(1)).wall));
    let paused = ShownWebhook { standing: WebhookStanding::Paused, ..shown("a") };
    lists(&mut hook, true, &[paused], hour(3));
    assert_eq!(hook.next(true, at(hour(3))), None, "who has paused it knows why");
    assert_eq!(hook.seen().unwrap().state, SubscriptionState::Failed);
    assert_eq!(hook.secret(), Some("sealed a"));
}

#[test]
fn one_that_will_not_do_is_made_anew() {
    let bad = [
        ShownWebhook { standing: WebhookStanding::Failed, ..shown("a") },
        ShownWebhook { is_here: Some(false), ..shown("a") },
        ShownWebhook { is_whole: Some(false), ..shown("a") },
    ];
    for bad in bad {
        let mut hook = made();
        lists(&mut hook, true, std::slice::from_ref(&bad), hour(1));
        removes(&mut hook, true, "a", hour(1));
        assert_eq!(hook.secret(), None);
        writes(&mut hook, None);
        makes(&mut hook, "b", hour(1));
        writes(&mut hook, Some("b"));
        assert_eq!(hook.secret(), Some("sealed b"));
        // One that is bad at once is not made again and again.
        lists(&mut hook, true, &[ShownWebhook { id: "b".into(), ..bad }], hour(1) + 120);
        assert_eq!(hook.next(true, at(hour(1) + 599)), None);
        assert!(hook.next(true, at(hour(1) + 600)).is_some());
        assert!(hook.next(false, at(hour(1) + 1)).is_some(), "who is not wanted goes");
    }
    // Somebody has removed it.
    let mut hook = made();
    lists(&mut hook, true, &[], hour(1));
    writes(&mut hook, None);
    makes(&mut hook, "b", hour(1));
    // Its secret was sealed with another key.
    let mut hook = Webhook::stored(made().row, false);
    assert_eq!(hook.secret(), None);
    lists(&mut hook, true, &[shown("a")], 0);
    removes(&mut hook, true, "a", 0);
    makes(&mut hook, "b", 0);
}

#[test]
fn one_that_nobody_knows_the_secret_of_goes() {
    // The process died, or the answer did not come, when one was made.
    let mut hook = Webhook::stored(None, false);
    lists(&mut hook, true, &[shown("lost"), shown("older")], 0);
    removes(&mut hook, true, "lost", 0);
    removes(&mut hook, true, "older", 0);
    makes(&mut hook, "a", 0);

    let mut hook = Webhook::stored(None, false);
    lists(&mut hook, true, &[], 0);
    let question = asked(&mut hook, true, 0);
    hook.failed(&question, &failure(Class::Timeout), &Policy::default(), at(10));
    assert!(hook.seen().unwrap().reason.contains("scripted"));
    assert_eq!(hook.next(true, at(10)), None, "it waits");
    // Whether or not there is to be one: the list shows what came of it.
    assert_eq!(hook.next(false, at(HOUR)), Some(WebhookQuestion::List));
    lists(&mut hook, true, &[shown("lost")], HOUR);
    removes(&mut hook, true, "lost", HOUR);
    makes(&mut hook, "a", HOUR);

    let mut hook = Webhook::stored(None, false);
    lists(&mut hook, true, &[], 0);
    asked(&mut hook, true, 0);
    hook.begins_anew(at(1));
    lists(&mut hook, true, &[], 1);
    makes(&mut hook, "a", 2);
    writes(&mut hook, Some("a"));
    assert_eq!(hook.next(true, at(121)), None);
    lists(&mut hook, true, &[shown("a"), shown("lost")], 122);
    removes(&mut hook, true, "lost", 122);
    assert_eq!(hook.secret(), Some("sealed a"));
}

/// Whoever ran before may have asked for another, and died.
#[test]
fn a_process_looks_once_more() {
    let mut hook = Webhook::stored(made().row, true);
    lists(&mut hook, true, &[shown("a")], 0);
    assert_eq!(hook.next(true, at(119)), None);
    lists(&mut hook, true, &[shown("a"), shown("lost")], 120);
    removes(&mut hook, true, "lost", 120);
    assert_eq!((hook.next(true, at(HOUR)), hook.secret()), (None, Some("sealed a")));
}

/// Nobody wants one any more, and one may come all the same.
#[test]
fn one_that_may_still_come_is_looked_for() {
    let mut hook = Webhook::stored(None, false);
    lists(&mut hook, true, &[], 0);
    let question = asked(&mut hook, true, 0);
    hook.failed(&question, &failure(Class::Timeout), &Policy::default(), at(0));
    hook.may_be_had();
    lists(&mut hook, false, &[], 10);
    assert_eq!(hook.next(false, at(119)), None);
    lists(&mut hook, false, &[shown("lost")], 120);
    removes(&mut hook, false, "lost", 120);
    assert_eq!(hook.next(false, at(HOUR * 9)), None);
}

/// That it can be listed does not shorten the wait of what cannot be made.
#[test]
fn what_cannot_be_made_waits_longer_each_time() {
    let mut hook = Webhook::stored(None, false);
    let (mut now, mut waits) = (0, Vec::new());
    for n in 0..6 {
        // It was made all the same, and removed.
        let lost = format!("lost-{n}");
        lists(&mut hook, true, &[shown(&lost)], now);
        removes(&mut hook, true, &lost, now);
        assert_eq!(n > 0, hook.seen().is_some_and(|seen| seen.reason.contains("scripted")));
        let question = asked(&mut hook, true, now);
        assert_eq!(question, WebhookQuestion::Make);
        hook.failed(&question, &failure(Class::Network), &Policy::default(), at(now));
        let again = (now..now + HOUR * 9).find(|s| hook.next(true, at(*s)).is_some()).unwrap();
        waits.push(again - now);
        now = again;
    }
    assert!(waits[5] > 4 * waits[0], "{waits:?}");
}

/// A list that does not show it yet is no reason to make another.
#[test]
fn one_that_no_list_shows_yet_is_given_time() {
    let mut hook = Webhook::stored(None, false);
    lists(&mut hook, true, &[], 0);
    makes(&mut hook, "a", 1);
    writes(&mut hook, Some("a"));
    lists(&mut hook, true, &[], 121);
    assert_eq!((hook.next(true, at(121)), hook.secret()), (None, Some("sealed a")));
    assert_eq!(hook.next(true, at(121 + HOUR - 1)), None);
    lists(&mut hook, true, &[], 121 + HOUR);
    assert_eq!(hook.secret(), None);
    assert!(hook.is_over(), "where none is wanted");
    makes(&mut hook, "b", 121 + HOUR);
}

#[test]
fn what_is_not_told_is_no_reason_to_make_another() {
    let mut hook = made();
    let mute = ShownWebhook { is_here: None, is_whole: None, ..shown("a") };
    lists(&mut hook, true, &[mute.clone(), ShownWebhook { id: "x".into(), ..mute }], hour(1));
    assert_eq!(hook.next(true, at(hour(1))), None);
}

#[test]
fn it_goes_with_the_last_account() {
    let mut hook = made();
    removes(&mut hook, false, "a", 130);
    writes(&mut hook, None);
    assert_eq!((hook.next(false, at(hour(3))), hook.secret()), (None, None));
    assert_eq!(hook.seen(), None);
    // One comes back.
    makes(&mut hook, "b", 131);
    // It was removed by somebody else meanwhile.
    writes(&mut hook, Some("b"));
    lists(&mut hook, false, &[], hour(4));
    writes(&mut hook, None);
    assert_eq!(hook.next(false, at(hour(9))), None);
}

#[test]
fn one_that_cannot_be_removed_is_forgotten() {
    let mut hook = made();
    let question = asked(&mut hook, false, 130);
    hook.failed(&question, &failure(Class::Network), &Policy::default(), at(130));
    assert_eq!(hook.forget(), ["a"]);
    writes(&mut hook, None);
    assert_eq!((hook.next(false, at(HOUR * 9)), hook.secret()), (None, None));
    assert_eq!(hook.forget(), Vec::<String>::new());
}

#[test]
fn what_is_refused_is_asked_again_later() {
    let mut hook = Webhook::stored(None, false);
    let question = asked(&mut hook, true, 0);
    let refused = Failure::new(Class::Auth, Reach::Endpoint, Provenance::Server, "no");
    hook.failed(&question, &refused, &Policy::default(), at(0));
    let again = (0..).find(|s| hook.next(true, at(*s)).is_some()).unwrap();
    assert!((1..=HOUR).contains(&again), "{again}");
    hook.may_be_had();
    lists(&mut hook, true, &[], 1);
}
