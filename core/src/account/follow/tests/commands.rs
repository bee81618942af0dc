//! What a follower does when it is told to.

use super::*;

#[test]
fn pause_cancel_resume_and_stop() {
    let mut f = resting();
    let out = f.take(Input::Command(Command::Pause), at(5));
    assert!(out.iter().any(|o| matches!(
        o,
        Output::Persist { standing: Standing::Paused, event: Some(EventKind::AccountPaused), .. }
    )));
    assert!(out.iter().any(|o| matches!(o, Output::Release(SessionRole::Main))));
    assert!(f.accepts(&Command::SyncNow).is_err() && f.accepts(&Command::Pause).is_ok());
    assert!(!begins(&f.take(Input::Tick, at(5000))), "paused is paused");
    assert!(begins(&f.take(Input::Command(Command::Resume), at(5001))));
    let out = f.take(Input::Command(Command::Cancel), at(5002));
    assert!(
        out.iter().any(|o| matches!(o, Output::Ended(s) if s.outcome == Outcome::Cancelled)),
        "{out:?}"
    );
    assert!(f.accepts(&Command::Cancel).is_err());
    let out = f.take(Input::Command(Command::Stop), at(5003));
    assert!(out.iter().any(|o| matches!(o, Output::Done)));
    assert!(f.accepts(&Command::SyncNow).is_err());
}

#[test]
fn who_is_parked_waits_for_something_outside() {
    let mut f = follower(Begin::Parked(Standing::NeedsReauth, "auth".into()));
    assert!(!begins(&f.take(Input::Start, at(0))));
    assert!(!begins(&f.take(Input::Tick, at(90_000))));
    assert_eq!(f.status().standing, Standing::NeedsReauth);
    assert!(begins(&f.take(Input::Command(Command::Woken), at(90_001))));
    let mut f = resting();
    assert!(!begins(&f.take(Input::Command(Command::Woken), at(2))), "who is well needs no waking");

    // One that doubts its refusal and waits in its run does not wait for the rest; one that waits
    // for a server does.
    for (class, wakes) in [(Class::Auth, true), (Class::Network, false)] {
        let refused =
            || Event::ConnectFailed(Failure::new(class, Reach::Account, Provenance::Server, "x"));
        let begun = || {
            let mut f = follower(Begin::Run);
            f.take(Input::Start, at(0));
            f.take(Input::Machine(f.run(), snapshot()), at(0));
            f
        };
        let tries = |out: &[Output]| out.iter().any(|o| matches!(o, Output::Connect));
        let mut f = begun();
        f.take(Input::Machine(f.run(), refused()), at(1));
        assert_eq!(tries(&f.take(Input::Command(Command::Woken), at(2))), wakes, "{class}");
        // The login that is refused now may have been on its way with the secret before: that,
        // once.
        let mut f = begun();
        assert!(!tries(&f.take(Input::Command(Command::Woken), at(1))));
        assert_eq!(tries(&f.take(Input::Machine(f.run(), refused()), at(2))), wakes, "{class}");
        assert!(!tries(&f.take(Input::Machine(f.run(), refused()), at(3))), "{class}");
    }
    // Where the run ended refused, the next begins at once: parked, or after an hour.
    for class in [Class::Auth, Class::Config] {
        let failure = Failure::new(class, Reach::Account, Provenance::Server, "x");
        let ended =
            || Summary { parked: true, ..Summary::failed(failure.clone(), History::default()) };
        for woken_first in [true, false] {
            let mut f = follower(Begin::Run);
            f.take(Input::Start, at(0));
            let out = if woken_first {
                f.take(Input::Command(Command::Woken), at(1));
                f.end_with(ended(), at(2));
                f.take(Input::Tick, at(2))
            } else {
                f.end_with(ended(), at(1));
                assert!(!begins(&f.take(Input::Tick, at(2))));
                f.take(Input::Command(Command::Woken), at(2))
            };
            assert!(begins(&out), "{class} {woken_first}: {out:?}");
        }
    }
}

/// Commands that come while a run is being ended: the strongest counts, and a resume takes a pause
/// back.
#[test]
fn commands_during_the_end_of_a_run() {
    let ending = || {
        let mut f = resting();
        f.take(Input::Command(Command::SyncNow), at(5));
        f.take(Input::Machine(f.run(), snapshot()), at(5));
        let out = f.take(Input::Command(Command::Pause), at(6));
        assert!(
            out.iter().any(|o| matches!(o, Output::Persist { standing: Standing::Paused, .. })),
            "durable at once: {out:?}"
        );
        f
    };
    let mut f = ending();
    if matches!(f.stage, Stage::Working(_)) {
        f.take(Input::Command(Command::Cancel), at(7));
        assert_eq!(f.stage.working().unwrap().after, After::Pause);
        f.take(Input::Command(Command::Stop), at(7));
        f.take(Input::Command(Command::Pause), at(7));
        assert_eq!(f.stage.working().unwrap().after, After::End);
    }
    let mut f = ending();
    assert_eq!(f.stage.working().unwrap().after, After::Pause);
    f.take(Input::Command(Command::ResetErrors), at(7));
    f.take(Input::Command(Command::Resume), at(7));
    let again = f.stage.working().map(|working| working.again.next.clone());
    let again = again.map(|next| next.map(|next| (next.scope, next.level)));
    assert_eq!(
        again,
        Some(Some((Scope::Doubt, Level::Operator))),
        "what was asked meanwhile is not forgotten"
    );
    let mut f = ending();
    f.take(Input::Command(Command::Resume), at(7));
    assert!(f.stage.working().is_none_or(|working| working.after == After::Rest), "{:?}", f.stage);
}

/// Whoever is told that a pause was not stored finds the account at work, and that it asks how it stands: what
/// became of the write nobody may know.
#[test]
fn a_pause_that_was_not_stored_is_taken_back() {
    let mut f = resting();
    f.take(Input::Command(Command::Pause), at(5));
    assert!(
        begins(&f.take(Input::NotStored(Command::Pause), at(6))) && f.past().begin == Begin::Run,
        "{:?}",
        f.stage
    );

    let mut f = super::orders::working();
    f.take(Input::Command(Command::Pause), at(6));
    f.take(Input::NotStored(Command::Pause), at(7));
    assert_eq!(f.past().begin, Begin::Run);
    let out = match f.stage {
        Stage::Working(_) => f.end_with(Summary::of(Outcome::Cancelled, History::default()), at(8)),
        _ => Vec::new(),
    };
    assert!(begins(&out), "{:?} {out:?}", f.stage);
    // It was stored all the same.
    let Event::Opened(mut opened) = snapshot() else { unreachable!() };
    opened.stood = Some((Standing::Paused, String::new()));
    f.take(Input::Machine(f.run(), Event::Opened(opened)), at(9));
    assert_eq!(f.past().begin, Begin::Paused, "{:?}", f.stage);

    // Another was meant.
    let mut f = resting();
    f.take(Input::Command(Command::Pause), at(5));
    assert!(!begins(&f.take(Input::NotStored(Command::Resume), at(6))));
    f.take(Input::Command(Command::Stop), at(7));
    f.take(Input::NotStored(Command::Pause), at(8));
    assert!(matches!(f.stage, Stage::Ended), "{:?}", f.stage);
}

/// What an account waits for outlives the process: else nobody could tell after a stop.
#[test]
fn a_stop_keeps_what_is_waited_for() {
    let waiting = || {
        let mut f = resting();
        f.take(Input::Command(Command::SyncNow), at(5));
        f.take(Input::Machine(f.run(), snapshot()), at(5));
        f.sessions.main = None;
        let refused =
            Failure::new(Class::Network, Reach::Endpoint, Provenance::Local, "connection refused");
        let token = crate::run::event::Token(1);
        f.take(Input::Machine(f.run(), Event::Answered { token, answer: Err(refused) }), at(6));
        assert_eq!(f.status().standing, Standing::Waiting);
        f
    };
    let mut f = waiting();
    let out = f.take(Input::Command(Command::Stop), at(7));
    let kept = |o: &Output| matches!(o, Output::Persist { standing: Standing::Waiting, reason, .. } if reason.contains("refused"));
    assert!(out.iter().any(kept), "{out:?}");
    // A pause that is settling has the last word.
    let mut f = waiting();
    f.take(Input::Command(Command::Pause), at(7));
    let out = f.take(Input::Command(Command::Stop), at(7));
    assert!(!out.iter().any(kept), "{out:?}");
    let out = resting().take(Input::Command(Command::Stop), at(7));
    assert!(
        !out.iter().any(|o| matches!(o, Output::Persist { .. })),
        "who is well has nothing to keep: {out:?}"
    );
}

/// What the next incarnation is told: a pause that is still settling is a pause, and what it is
/// parked with stays.
#[test]
fn the_past_is_what_the_next_one_begins_with() {
    let mut f = resting();
    assert_eq!(f.past().begin, Begin::Run);
    f.take(Input::Command(Command::SyncNow), at(5));
    f.take(Input::Machine(f.run(), snapshot()), at(5));
    f.take(Input::Command(Command::Pause), at(6));
    assert!(matches!(f.stage, Stage::Working(_)), "it settles");
    assert_eq!(f.past().begin, Begin::Paused);
    f.take(Input::Command(Command::Resume), at(7));
    assert_eq!(f.past().begin, Begin::Run, "taken back");
    let mut f = resting();
    f.take(Input::Command(Command::Pause), at(6));
    assert_eq!((f.status().standing, f.past().begin), (Standing::Paused, Begin::Paused));
    let parked = Begin::Parked(Standing::NeedsReauth, "refused".into());
    let mut f = follower(parked.clone());
    f.take(Input::Start, at(0));
    assert_eq!(f.past().begin, parked);
}

/// A run that waits for its slot begins once, with all that was asked for meanwhile; whoever takes
/// it back, takes it back.
#[test]
fn a_run_waits_for_its_slot() {
    let asking = || {
        let mut f = resting();
        f.connected_once = true;
        let out = f.step(Input::Tick, at(901));
        assert!(!begins(&out) && out.iter().any(|o| matches!(o, Output::AskSlot(2))), "{out:?}");
        assert_eq!(
            (f.status().standing, f.push()),
            (Standing::Running, Push::Idle),
            "it is watched meanwhile"
        );
        assert_eq!(f.runs(), (1, 2));
        f
    };
    let mut f = asking();
    f.step(Input::Hinted(1, Hint::Flags), at(902));
    let Stage::Asking(NextRun { scope: Scope::Some { folders, .. }, .. }) = &f.stage else {
        panic!("{:?}", f.stage)
    };
    assert_eq!(folders.get(&FolderId(1)), Some(&Depth::Full));
    assert!(!begins(&f.step(Input::Granted(1), at(903))), "another run's");
    assert!(
        begins(&f.step(Input::Granted(2), at(904))) && !begins(&f.step(Input::Granted(2), at(905)))
    );
    let mut f = asking();
    assert!(f.accepts(&Command::SyncNow).is_ok());
    f.step(Input::Command(Command::SyncNow), at(902));
    assert!(
        matches!(&f.stage, Stage::Asking(NextRun { scope: Scope::Insist, .. })),
        "{:?}",
        f.stage
    );
    // Rows that are due are looked at by whoever looks at more.
    f.step(Input::Command(Command::Retry), at(902));
    assert!(
        matches!(&f.stage, Stage::Asking(NextRun { scope: Scope::Insist, .. })),
        "{:?}",
        f.stage
    );
    // Who doubts is not served by less, whoever asks after that.
    for command in [Command::ResetErrors, Command::SyncNow, Command::Retry] {
        f.step(Input::Command(command), at(902));
        assert!(
            matches!(&f.stage, Stage::Asking(NextRun { scope: Scope::Doubt, .. })),
            "{:?}",
            f.stage
        );
    }
    // What was in trouble with the secret before is forgotten with it; a run that has not begun has
    // not used it.
    let mut f = asking();
    f.trouble = Some(Failure::new(Class::Auth, Reach::Account, Provenance::Server, "refused"));
    f.history.tries = 3;
    f.step(Input::Command(Command::Woken), at(902));
    assert_eq!(f.history.tries, 0);
    for (command, standing) in
        [(Command::Cancel, Standing::Idle), (Command::Pause, Standing::Paused)]
    {
        let mut f = asking();
        assert!(f.accepts(&command).is_ok());
        f.step(Input::Command(command), at(902));
        assert_eq!(
            (f.status().standing, f.runs()),
            (standing, (2, 2)),
            "nobody waits for it for ever"
        );
        assert!(!begins(&f.step(Input::Granted(2), at(903))));
    }
}

/// A resume that could not be stored is stored when it is asked for again, though the account
/// works: else the next run would find the pause, and take it up.
#[test]
fn a_resume_is_stored_whenever_it_is_asked_for() {
    let mut f = resting();
    let out = f.take(Input::Command(Command::Resume), at(5));
    assert!(
        matches!(&out[..], [Output::Persist { standing: Standing::Idle, event: None, .. }, ..]),
        "{out:?}"
    );
    f.take(Input::Command(Command::SyncNow), at(6));
    let out = f.take(Input::Command(Command::Resume), at(7));
    assert!(
        matches!(&out[..], [Output::Persist { standing: Standing::Starting, event: None, .. }, ..]),
        "{out:?}"
    );
    f.take(Input::Machine(f.run(), snapshot()), at(8));
    assert!(f.take(Input::Command(Command::Resume), at(9)).is_empty(), "its rows are read");
    // What it is parked with stays as it is stored: the mark of the secret that was refused.
    let mut f = follower(Begin::Parked(Standing::NeedsReauth, "refused".into()));
    f.take(Input::Start, at(0));
    assert!(f.take(Input::Command(Command::Resume), at(1)).is_empty());
}
