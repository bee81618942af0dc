//! Feeds through the real store: a mailbox in memory is changed at random between runs; whatever
//! came, the mirror is the mailbox, and each message is read once.

use crate::door::run;
use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{equal, state};
use crate::support::database::{TestDatabase, ask, change};
use crate::support::mail::{Mail, Mailbox, note, seed};
use crate::support::tape::Tape;
use postrider::config::{Config, load};
use postrider::provider::Endpoint;
use postrider_core::recovery::backoff::mix;
use postrider_core::standing::Outcome;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = mix(self.0);
        usize::try_from(self.0).unwrap_or_default() % n.max(1)
    }
}

/// One thing that the owner does.
fn act(mailbox: &Mailbox, dice: &mut Dice, number: usize) {
    let all = mailbox.all();
    let (folder, uid, _) = all[dice.roll(all.len())].clone();
    let names: Vec<String> = mailbox.lock().keys().cloned().collect();
    let to = names[dice.roll(names.len())].clone();
    match dice.roll(10) {
        0..3 => {
            mailbox
                .append(&to, note(&format!("number {number}")).dated("01-Feb-2031 10:00:00 +0000"));
        }
        3..5 => mailbox.set_flags(
            &folder,
            uid,
            [&["\\Flagged"][..], &["\\Seen", "work"], &[]][dice.roll(3)],
        ),
        5..8 if to != folder => drop(mailbox.relocate(&folder, uid, &to)),
        8 => drop(mailbox.expunge(&folder, uid)),
        _ if names.len() < 9 => mailbox.create(&format!("New {number}"), ""),
        _ if to != "INBOX" => mailbox.delete(&to),
        _ => {}
    }
}

/// Runs until nothing is left that waits for its time.
async fn settle(config: &Config, endpoint: &Arc<dyn Endpoint>, database: &TestDatabase) {
    for _ in 0..6 {
        // An hour has passed.
        change(
            database,
            "UPDATE account SET feed = json_set(feed, '$.state.placed_at', 0, '$.state.counted_at', NULL)",
        );
        let outcome = run(config, Some(Arc::clone(endpoint))).await;
        let left = "SELECT (SELECT count(*) FROM owed WHERE due_at IS NOT NULL) + (SELECT count(*) FROM account WHERE list_look IS NOT NULL OR feed->>'$.state.debt' IS NOT NULL) AS x";
        if outcome == Outcome::Success && ask(database, left) == "0" {
            return;
        }
    }
    panic!("it does not come to rest");
}

async fn follows(seed: u64, records: bool) {
    let mut dice = Dice(seed);
    let mailbox = seed::mailbox(seed, 40);
    let tape = if records { Tape::of_records(&mailbox) } else { Tape::of(&mailbox) };
    let endpoint: Arc<dyn Endpoint> = Arc::new(tape.clone());
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", 1, "pw")));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    let database = postrider.database();
    assert_eq!(run(&config, Some(Arc::clone(&endpoint))).await, Outcome::Success);
    settle(&config, &endpoint, &database).await;
    equal(&postrider, "u", &mailbox);
    for round in 0..4 {
        for number in 0..1 + dice.roll(8) {
            act(&mailbox, &mut dice, round * 100 + number);
            // Each step is one that the server tells apart, or some together.
            if dice.roll(2) == 0 {
                tape.now();
            }
        }
        if dice.roll(4) == 0 {
            tape.floor.store(tape.now(), Ordering::SeqCst);
        }
        let first = run(&config, Some(Arc::clone(&endpoint))).await;
        assert_ne!(first, Outcome::Failed, "seed {seed}, round {round}");
        tape.floor.store(0, Ordering::SeqCst);
        settle(&config, &endpoint, &database).await;
        equal(&postrider, "u", &mailbox);
    }
    let (before, bodies) = (state(&database), tape.bodies.load(Ordering::SeqCst));
    assert_eq!(run(&config, Some(endpoint)).await, Outcome::Success);
    assert_eq!(state(&database), before, "seed {seed}: nothing to do");
    assert_eq!(
        bodies.to_string(),
        ask(&database, "SELECT count(*) AS x FROM message"),
        "seed {seed}: each is read once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_the_mirror_follows() {
    let first: u64 = std::env::var("POSTRIDER_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    for seed in first..first + 4 {
        follows(seed, false).await;
        follows(seed, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_at_once_is_not_hammered() {
    let mailbox = seed::mailbox(7, 20);
    let tape = Tape::of_records(&mailbox);
    let endpoint: Arc<dyn Endpoint> = Arc::new(tape.clone());
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", 1, "pw")));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    // Whatever cursor it tells, it has forgotten it when it is asked.
    tape.floor.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(run(&config, Some(Arc::clone(&endpoint))).await, Outcome::Partial);
    let asked = tape.log.lock().unwrap().iter().filter(|word| *word == "Changes").count();
    assert!(asked < 10, "it was asked {asked} times");
    // What lists show is mirrored all the same, and nothing is fetched again when it has mended.
    equal(&postrider, "u", &mailbox);
    tape.floor.store(0, Ordering::SeqCst);
    settle(&config, &endpoint, &postrider.database()).await;
    equal(&postrider, "u", &mailbox);
    let bodies = tape.bodies.load(Ordering::SeqCst).to_string();
    assert_eq!(bodies, ask(&postrider.database(), "SELECT count(*) AS x FROM message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_cannot_be_read_is_named_and_read_when_it_can() {
    let mailbox = seed::mailbox(8, 20);
    mailbox.append("INBOX", Mail::new("X-Spoilt: yes\r\n\r\nspoilt\r\n"));
    let tape = Tape::of_records(&mailbox);
    tape.spoilt.store(true, Ordering::SeqCst);
    let endpoint: Arc<dyn Endpoint> = Arc::new(tape.clone());
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", 1, "pw")));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    assert_eq!(run(&config, Some(Arc::clone(&endpoint))).await, Outcome::Partial);
    let ran = postrider.run(&["failures", "u"]).exits(0);
    for what in ["tp:", "invalid_data", "it is spoilt"] {
        assert!(ran.stdout.contains(what), "{what}: {}", ran.stdout);
    }
    let status = postrider.run(&["status", "u"]).exits(0);
    assert!(status.stdout.contains("left undone: 1"), "{}", status.stdout);
    // It can be read, and an hour has passed.
    tape.spoilt.store(false, Ordering::SeqCst);
    change(&postrider.database(), "UPDATE owed SET due_at = 0 WHERE attempts > 0");
    assert_eq!(run(&config, Some(endpoint)).await, Outcome::Success);
    equal(&postrider, "u", &mailbox);
    let ran = postrider.run(&["failures", "u"]).exits(0);
    assert!(ran.stdout.contains("nothing is left undone"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_empty_pages_go_on_is_left() {
    for records in [false, true] {
        let mailbox = seed::mailbox(9, 20);
        let tape = if records { Tape::of_records(&mailbox) } else { Tape::of(&mailbox) };
        let endpoint: Arc<dyn Endpoint> = Arc::new(tape.clone());
        let postrider = Postrider::new(&format!("{SHORT}{}", account("u", 1, "pw")));
        let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
        tape.endless.store(true, Ordering::SeqCst);
        assert_eq!(run(&config, Some(Arc::clone(&endpoint))).await, Outcome::Partial);
        let asked = tape.log.lock().unwrap().len();
        assert!(asked < 100, "it was asked {asked} times");
        tape.endless.store(false, Ordering::SeqCst);
        settle(&config, &endpoint, &postrider.database()).await;
        equal(&postrider, "u", &mailbox);
        // The same when all of it is held, and nothing that was held goes.
        tape.endless.store(true, Ordering::SeqCst);
        mailbox.append("INBOX", note("late"));
        tape.log.lock().unwrap().clear();
        assert_eq!(run(&config, Some(Arc::clone(&endpoint))).await, Outcome::Partial);
        let asked = tape.log.lock().unwrap().len();
        assert!(asked < 60, "it was asked {asked} times");
        tape.endless.store(false, Ordering::SeqCst);
        settle(&config, &endpoint, &postrider.database()).await;
        equal(&postrider, "u", &mailbox);
        let deleted = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), deleted), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_never_answered_is_asked_for_in_later_runs() {
    let mailbox = seed::mailbox(10, 20);
    mailbox.append("INBOX", Mail::new("X-Spoilt: yes\r\n\r\nmute\r\n"));
    let tape = Tape::of(&mailbox);
    tape.mute.store(true, Ordering::SeqCst);
    let endpoint: Arc<dyn Endpoint> = Arc::new(tape.clone());
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", 1, "pw")));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    // Not a success while one is left, and not asked without an end.
    assert_eq!(run(&config, Some(Arc::clone(&endpoint))).await, Outcome::Partial);
    let asked = tape.log.lock().unwrap().iter().filter(|word| *word == "Get").count();
    assert!(asked < 20, "it was asked {asked} times");
    assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM owed"), "1");
    tape.mute.store(false, Ordering::SeqCst);
    settle(&config, &endpoint, &postrider.database()).await;
    equal(&postrider, "u", &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mails_that_are_listed_and_not_there_end_a_run() {
    let mailbox = seed::mailbox(11, 20);
    for n in 0..1100 {
        let mail = Mail::new(format!("X-Spoilt: yes\r\nSubject: {n}\r\n\r\nhidden\r\n"));
        mailbox.append("INBOX", mail);
    }
    let tape = Tape::of(&mailbox);
    tape.hidden.store(true, Ordering::SeqCst);
    let endpoint: Arc<dyn Endpoint> = Arc::new(tape.clone());
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", 1, "pw")));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    // Each is asked for once by a session, and what waits for another is not read again for ever.
    let ran = run(&config, Some(Arc::clone(&endpoint)));
    tokio::time::timeout(Duration::from_secs(60), ran).await.expect("the run ends");
    let asked = tape.log.lock().unwrap().iter().filter(|word| *word == "Get").count();
    assert!(asked < 150, "it was asked {asked} times");
    tape.hidden.store(false, Ordering::SeqCst);
    settle(&config, &endpoint, &postrider.database()).await;
    equal(&postrider, "u", &mailbox);
}
