//! The failure table as data, and what is believed when.

use super::*;
use crate::failure::Reach;
use crate::time::Micros;

fn verdict(class: Class, reach: Reach, when: When, tries: u32) -> &'static str {
    let failure = Failure::new(class, reach, Provenance::Server, "x").when(when);
    let history = History {
        tries,
        panics: if class == Class::Bug { tries } else { 0 },
        ..History::default()
    };
    match decide(
        &failure,
        &history,
        &Policy::default(),
        Now { wall: Micros(0), mono: Duration::ZERO },
    ) {
        Verdict::Wait(d) if d.is_zero() => "now",
        Verdict::Wait(d) if d <= Duration::from_secs(6) => "wait 5s",
        Verdict::Wait(d) if d <= Duration::from_secs(12) => "wait 10s",
        Verdict::Wait(d) if d <= Duration::from_secs(60) => "wait 60s",
        Verdict::Wait(_) => "wait 80s",
        Verdict::Restart(_) => "restart",
        Verdict::Park => "park",
        Verdict::LeaveOut => "leave out",
        Verdict::GiveUp => "give up",
    }
}

/// The failure table as data: class, reach, when, tries, verdict.
#[test]
fn the_table() {
    use Class as C;
    use Reach as R;
    let minute = When::After(Duration::from_secs(60));
    let hour = When::After(Duration::from_secs(3600));
    for (class, reach, when, tries, want) in [
        (C::Network, R::Session, When::BackOff, 1, "wait 5s"),
        (C::Network, R::Endpoint, When::BackOff, 2, "wait 10s"),
        (C::Network, R::Session, When::BackOff, 5, "wait 80s"),
        (C::Network, R::Session, When::BackOff, 6, "give up"),
        (C::Timeout, R::Session, When::BackOff, 1, "wait 5s"),
        (C::Auth, R::Account, When::AfterChange, 1, "park"),
        (C::RateLimit, R::Account, minute, 1, "wait 60s"),
        (C::RateLimit, R::Account, hour, 1, "give up"),
        (C::RateLimit, R::Account, When::BackOff, 1, "wait 5s"),
        (C::Quota, R::Account, When::BackOff, 1, "give up"),
        (C::Provider, R::Endpoint, When::BackOff, 1, "wait 10s"),
        (C::Provider, R::Folder, When::BackOff, 1, "leave out"),
        (C::InvalidData, R::Message, When::BackOff, 1, "leave out"),
        (C::InvalidData, R::Folder, When::BackOff, 1, "leave out"),
        (C::StateLost, R::Folder, When::BackOff, 1, "leave out"),
        (C::Unknown, R::Folder, When::BackOff, 1, "leave out"),
        (C::Network, R::Folder, When::BackOff, 1, "wait 5s"),
        (C::Timeout, R::Folder, When::BackOff, 1, "wait 5s"),
        (C::Storage, R::Process, When::BackOff, 1, "wait 5s"),
        (C::Storage, R::Process, When::BackOff, 5, "wait 10s"),
        (C::Config, R::Account, When::AfterChange, 1, "park"),
        (C::Bug, R::Account, When::BackOff, 1, "restart"),
        (C::Bug, R::Account, When::BackOff, 3, "park"),
        (C::Unknown, R::Account, When::BackOff, 1, "wait 5s"),
        (C::Unknown, R::Account, When::Never, 1, "give up"),
        (C::Network, R::Session, When::Now, 1, "now"),
    ] {
        assert_eq!(verdict(class, reach, when, tries), want, "{class} {reach} {when:?} {tries}");
    }
}

/// Who stays doubts a refusal, and never gives its own disk up.
#[test]
fn a_server_that_stays() {
    let policy = Policy::default().staying();
    let at = |seconds: i64| Now { wall: Micros::from_seconds(seconds), mono: Duration::ZERO };
    let refused = Failure::new(Class::Auth, Reach::Account, Provenance::Server, "x");
    for (has_logged_in, looks) in [
        (false, vec![(0, false), (30, false), (61, true)]),
        (true, vec![(0, false), (61, false), (899, false), (901, true)]),
    ] {
        let mut history = History { has_logged_in, ..History::default() };
        for (second, parked) in looks {
            history.failed(&refused, at(second).wall);
            let verdict = decide(&refused, &history, &policy, at(second));
            assert_eq!(verdict == Verdict::Park, parked, "{has_logged_in} {second} {verdict:?}");
        }
    }
    let full = Failure::storage("x");
    let history = History { tries: 99, ..History::default() };
    assert!(
        matches!(decide(&full, &history, &policy, at(0)), Verdict::Wait(d) if d <= Duration::from_secs(10))
    );
    let told = Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, "x")
        .when(When::After(Duration::from_secs(7200)));
    let history = History { tries: 1, ..History::default() };
    assert_eq!(decide(&told, &history, &policy, at(0)), Verdict::Wait(NAMED));
    let broken = Failure::new(Class::Provider, Reach::Account, Provenance::Server, "x");
    let quota = Failure::new(Class::Quota, Reach::Account, Provenance::Server, "x");
    assert_eq!(
        decide(&broken, &history, &policy, at(0)),
        Verdict::Wait(policy.first_wait * 60),
        "minutes, not seconds"
    );
    assert_eq!(decide(&quota, &history, &policy, at(0)), Verdict::Wait(backoff::LONGEST_WAIT));
}

/// What the config says counts.
#[test]
fn the_policy_is_as_it_is_said() {
    let said = Policy {
        longest_wait: Duration::from_secs(20),
        believe_after: Some(Duration::from_secs(300)),
        tries: 7,
        ..Policy::default()
    };
    assert_eq!(said.belief(true), (3, Duration::from_secs(300)));
    assert_eq!(said.belief(false), (2, Duration::from_secs(60)), "a hiccup costs no more");
    let soon = Policy { believe_after: Some(Duration::from_secs(7)), ..said };
    assert_eq!(soon.belief(false), (2, Duration::from_secs(7)));
    let cut = Failure::new(Class::Network, Reach::Session, Provenance::Server, "x");
    let of = |tries| {
        let history = History { tries, ..History::default() };
        decide(&cut, &history, &said, Now::default())
    };
    assert!(matches!(of(7), Verdict::Wait(wait) if wait <= Duration::from_secs(24)));
    assert_eq!(of(8), Verdict::GiveUp);
}

/// What the server asks for is waited for up to the end of the patience, and not a moment longer.
#[test]
fn patience_has_an_end() {
    let policy = Policy::default();
    let history = History { tries: 1, ..History::default() };
    let told = |wait| {
        let failure = Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, "x")
            .when(When::After(wait));
        decide(&failure, &history, &policy, Now::default())
    };
    assert_eq!(told(policy.patience), Verdict::Wait(policy.patience));
    assert_eq!(told(policy.patience + Duration::from_millis(1)), Verdict::GiveUp);
}

#[test]
fn an_inferred_refusal_is_not_believed() {
    let failure = Failure::new(Class::Auth, Reach::Account, Provenance::Inferred, "x");
    let history = History { tries: 1, ..History::default() };
    assert!(matches!(
        decide(&failure, &history, &Policy::default(), Now::default()),
        Verdict::Wait(_)
    ));
    // Not even by who doubts, however often and long.
    let history =
        History { tries: 1, refusals: 99, first_refusal: Some(Micros(0)), ..History::default() };
    let late = Now { wall: Micros::from_seconds(1_000_000), mono: Duration::ZERO };
    assert!(matches!(
        decide(&failure, &history, &Policy::default().staying(), late),
        Verdict::Wait(_)
    ));
}

#[test]
fn history_counts_and_resets_on_survival_only() {
    let mut history = History::default();
    let bug = Failure::bug("here");
    for n in 1..=3 {
        history.failed(&bug, Micros(0));
        assert_eq!(history.panics, n);
    }
    history.failed(&Failure::bug("there"), Micros(0));
    assert_eq!((history.panics, history.tries), (1, 4));
    history.survived();
    assert_eq!(history.tries, 0);
}

/// Refusals that are believed although the wall clock jumped back, and how far apart the looks are.
#[test]
fn a_clock_that_jumped_back_costs_no_logins() {
    let policy = Policy::default().staying();
    let at = |seconds: i64| Now { wall: Micros::from_seconds(seconds), mono: Duration::ZERO };
    let refused = Failure::new(Class::Auth, Reach::Account, Provenance::Server, "x");
    for (has_logged_in, most, last) in [(false, 4, 60), (true, 5, 900)] {
        let mut history = History { has_logged_in, ..History::default() };
        history.failed(&refused, at(100_000).wall);
        for n in 2..=most {
            let Verdict::Wait(wait) = decide(&refused, &history, &policy, at(0)) else {
                panic!("{n}")
            };
            let apart = if n == 2 { 60 } else { last };
            assert!((apart..apart + apart / 10).contains(&wait.as_secs()), "{n}: {wait:?}");
            history.failed(&refused, at(0).wall);
        }
        assert_eq!(decide(&refused, &history, &policy, at(0)), Verdict::Park);
    }
}

#[test]
fn tries_are_counted_for_restarts_too() {
    let bug = Failure::bug("x");
    for (tries, gives_up) in [(5, false), (6, true)] {
        let history = History { tries, ..History::default() };
        let verdict = decide(&bug, &history, &Policy::default(), Now::default());
        assert_eq!(verdict == Verdict::GiveUp, gives_up, "{tries}");
    }
    // Only a disk is waited for without an end, and only by who stays.
    let policy = Policy::default().staying();
    let history = History { tries: 6, ..History::default() };
    let lost = Failure::new(Class::Network, Reach::Session, Provenance::Local, "x");
    assert_eq!(decide(&lost, &history, &policy, Now::default()), Verdict::GiveUp);
    assert_eq!(
        decide(&Failure::storage("x"), &history, &Policy::default(), Now::default()),
        Verdict::GiveUp
    );
}

/// What a server names is believed for an hour, of a quota for a day, whoever names it and however;
/// what our own budgets name is so.
#[test]
fn a_wait_that_is_named_has_an_end() {
    let policy = Policy::default().staying();
    let now = Now { wall: Micros::from_seconds(1_000), mono: Duration::ZERO };
    let history = History { tries: 1, ..History::default() };
    let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
    let ever = Duration::from_secs(u64::MAX);
    for (class, when, wait) in [
        (Class::RateLimit, When::After(ever), hour),
        (Class::RateLimit, When::After(hour / 2), hour / 2),
        (Class::RateLimit, When::At(Micros(i64::MAX)), hour),
        (Class::Provider, When::After(ever), hour),
        (Class::Provider, When::At(Micros::from_seconds(1_060)), hour / 60),
        (Class::Network, When::After(ever), hour),
        (Class::Quota, When::After(ever), day),
        (Class::Quota, When::At(Micros(i64::MAX)), day),
        (Class::Quota, When::After(day / 2), day / 2),
    ] {
        for reach in [Reach::Session, Reach::Account, Reach::Endpoint] {
            for provenance in [Provenance::Server, Provenance::Inferred, Provenance::Deadline] {
                let failure = Failure::new(class, reach, provenance, "x").when(when);
                let verdict = decide(&failure, &history, &policy, now);
                assert_eq!(verdict, Verdict::Wait(wait), "{class} {when:?}");
                assert_eq!(named(&failure, now), Some(wait));
            }
        }
    }
    let ours = Failure::new(Class::Quota, Reach::Account, Provenance::Local, "x");
    let ours = ours.when(When::After(day * 20));
    assert_eq!(decide(&ours, &history, &policy, now), Verdict::Wait(day * 20));
}

/// Who was logged in is refused as a client by a hiccup, too: it is believed a minute later.
#[test]
fn a_client_that_was_taken_is_refused_twice() {
    let policy = Policy::default().staying();
    let at = |seconds: i64| Now { wall: Micros::from_seconds(seconds), mono: Duration::ZERO };
    let refused = Failure::new(Class::Config, Reach::Account, Provenance::Server, "x");
    let mut history = History { has_logged_in: true, ..History::default() };
    history.failed(&refused, at(0).wall);
    let Verdict::Wait(wait) = decide(&refused, &history, &policy, at(0)) else { panic!() };
    assert!((60..66).contains(&wait.as_secs()), "{wait:?}");
    history.failed(&refused, at(30).wall);
    assert!(matches!(decide(&refused, &history, &policy, at(30)), Verdict::Wait(_)));
    history.failed(&refused, at(61).wall);
    assert_eq!(decide(&refused, &history, &policy, at(61)), Verdict::Park);
    // Who never was, who does not stay, and what our own config says: at once.
    let once = History { tries: 1, refusals: 1, ..History::default() };
    assert_eq!(decide(&refused, &once, &policy, at(0)), Verdict::Park);
    let known = History { has_logged_in: true, ..once };
    assert_eq!(decide(&refused, &known, &Policy::default(), at(0)), Verdict::Park);
    let ours = Failure::new(Class::Config, Reach::Account, Provenance::Local, "x");
    assert_eq!(decide(&ours, &known, &policy, at(0)), Verdict::Park);
}

/// A hiccup that refuses the client, then the password, has refused neither of them twice.
#[test]
fn refusals_of_two_kinds_do_not_add_up() {
    let of = |class| Failure::new(class, Reach::Account, Provenance::Server, "x");
    let at = |seconds: i64| Micros::from_seconds(seconds);
    let mut history = History { has_logged_in: true, ..History::default() };
    history.failed(&of(Class::Auth), at(0));
    history.failed(&of(Class::Auth), at(60));
    history.failed(&of(Class::Config), at(120));
    assert_eq!((history.refusals, history.first_refusal), (1, Some(at(120))));
    history.failed(&of(Class::Network), at(130));
    history.failed(&of(Class::Config), at(180));
    assert_eq!((history.refusals, history.first_refusal), (2, Some(at(120))), "of one kind");
    history.logged_in();
    assert_eq!((history.refusals, history.first_refusal), (0, None));
}
