//! EXAMINE is refused, or answered without a word of the folder: by one folder, by all, for a moment.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{equal, expected};
use crate::support::database::{ask, change};
use crate::support::mail::{blocking, note, seed, serve};
use crate::support::served::{head, wait_within};
use postrider_imapd::Misbehaviour;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Ledger rows of folders.
const SHUT: &str = "SELECT count(*) AS x FROM failure WHERE remote_id IS NOT NULL";
/// First refusals that are remembered.
const LOOKS: &str = "SELECT count(*) AS x FROM folder WHERE refused IS NOT NULL";

fn no() -> Option<Misbehaviour> {
    Some(Misbehaviour::Refuse("NO Mailbox does not exist".into()))
}

/// For a moment every EXAMINE is refused, of an account that is mirrored and of a new one: what comes
/// meanwhile is there soon after, nothing is shut, and nobody has lent a hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_moment_in_which_all_is_refused() {
    for mirrored in [true, false] {
        let mailbox = seed::mailbox(31, 60);
        let refused = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&refused);
        let server = serve(&[("u", &mailbox)], move |_, command| {
            let is_on = command.starts_with("EXAMINE") && count.load(Ordering::SeqCst) > 0;
            if is_on {
                count.fetch_add(1, Ordering::SeqCst);
            }
            is_on.then(no).flatten()
        })
        .await;
        let config = format!("{}{}", head(), account("u", server.port(), "pw"));
        let postrider = Postrider::new(&config);
        blocking(move || {
            if mirrored {
                postrider.sync().exits(0);
            }
            mailbox.append("INBOX", note("meanwhile"));
            refused.store(1, Ordering::SeqCst);
            let served = postrider.serve(&[]);
            wait_within(Duration::from_secs(20), "a refusal", || {
                refused.load(Ordering::SeqCst) > 1
            });
            std::thread::sleep(Duration::from_millis(200));
            refused.store(0, Ordering::SeqCst);
            let ended = Instant::now();
            let held = || {
                let held = "SELECT count(*) AS x FROM location WHERE ended_at IS NULL";
                ask(&postrider.database(), held) == expected(&mailbox).len().to_string()
            };
            wait_within(Duration::from_secs(50), "the mail", held);
            println!(
                "mirrored {mirrored}: {} ms after the last refusal",
                ended.elapsed().as_millis()
            );
            served.wait_for_state("u", "idle");
            let rows = (ask(&postrider.database(), SHUT), ask(&postrider.database(), LOOKS));
            assert_eq!(rows, ("0".into(), "0".into()), "mirrored {mirrored}");
            served.stop();
            equal(&postrider, "u", &mailbox);
        })
        .await;
    }
}

/// For longer: `sync --once` says that it is the server, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_every_folder() {
    let mailbox = seed::mailbox(32, 60);
    let on = Arc::new(AtomicUsize::new(1));
    let switch = Arc::clone(&on);
    let server = serve(&[("u", &mailbox)], move |_, command| {
        let is_on = command.starts_with("EXAMINE") && switch.load(Ordering::SeqCst) > 0;
        is_on.then(no).flatten()
    })
    .await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        for mirrored in [false, true] {
            let ran = postrider.sync().exits(6);
            assert!(
                ran.stdout.contains("every folder that was asked is refused"),
                "{}",
                ran.stdout
            );
            assert_eq!(ask(&postrider.database(), SHUT), "0", "{mirrored}");
            on.store(0, Ordering::SeqCst);
            mailbox.append("INBOX", note("one more"));
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            mailbox.append("INBOX", note("and one"));
            on.store(1, Ordering::SeqCst);
        }
    })
    .await;
}

/// One folder alone is shut at its second refusal, which another process may see; the first one is no
/// error, and INBOX is asked whenever a human wants.
#[tokio::test(flavor = "multi_thread")]
async fn one_folder_is_shut_at_its_second_refusal() {
    for name in ["Archive", "INBOX"] {
        let mailbox = seed::mailbox(33, 60);
        let on = Arc::new(AtomicUsize::new(0));
        let switch = Arc::clone(&on);
        let server = serve(&[("u", &mailbox)], move |_, command| {
            let is_on = command.starts_with(&format!("EXAMINE {name}"))
                || command.starts_with(&format!("EXAMINE \"{name}"));
            (is_on && switch.load(Ordering::SeqCst) > 0).then(no).flatten()
        })
        .await;
        let config = format!("{SHORT}{}", account("u", server.port(), "pw"));
        let postrider =
            Postrider::new(&config.replace("confirm_after = \"1ms\"", "confirm_after = \"1s\""));
        blocking(move || {
            postrider.sync().exits(0);
            on.store(1, Ordering::SeqCst);
            mailbox.append(name, note("it waits"));
            let ran = postrider.sync().exits(3);
            let rows = (ask(&postrider.database(), SHUT), ask(&postrider.database(), LOOKS));
            assert_eq!(rows, ("0".into(), "1".into()), "{name}: {}", ran.stdout);
            let warned = ran.stderr.lines().find(|l| l.contains(" WARN ") && l.contains("exist"));
            assert_eq!(warned, None, "a first refusal is no error");
            std::thread::sleep(Duration::from_millis(1100));
            postrider.sync().exits(3);
            assert_eq!(ask(&postrider.database(), SHUT), "1", "{name}");
            on.store(0, Ordering::SeqCst);
            let ran = postrider.sync();
            assert_eq!(ran.code, Some(if name == "INBOX" { 0 } else { 3 }), "{}", ran.stdout);
            change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            assert_eq!(ask(&postrider.database(), LOOKS), "0");
        })
        .await;
    }
}

/// An EXAMINE whose lines are lost is asked once more on another session: `sync --once` has all of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_examine_that_tells_nothing() {
    for mirrored in [false, true] {
        let mailbox = seed::mailbox(34, 60);
        let left = Arc::new(AtomicUsize::new(usize::from(!mirrored)));
        let count = Arc::clone(&left);
        let server = serve(&[("u", &mailbox)], move |_, command| {
            let is_it = command.starts_with("EXAMINE INBOX");
            let lies = is_it
                && count
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok();
            lies.then(|| Misbehaviour::Refuse("OK [READ-ONLY] done".into()))
        })
        .await;
        let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
        blocking(move || {
            if mirrored {
                postrider.sync().exits(0);
                mailbox.append("INBOX", note("one more"));
                left.store(1, Ordering::SeqCst);
            }
            postrider.sync().exits(0);
            assert_eq!(left.load(Ordering::SeqCst), 0, "it was asked");
            equal(&postrider, "u", &mailbox);
            assert_eq!(ask(&postrider.database(), SHUT), "0");
        })
        .await;
    }
}

/// An INBOX that never tells anything: the account waits, and looks again within a minute.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_inbox_does_not_rest() {
    let mailbox = seed::mailbox(35, 40);
    let server = serve(&[("u", &mailbox)], move |_, command| {
        command
            .starts_with("EXAMINE INBOX")
            .then(|| Misbehaviour::Refuse("OK [READ-ONLY] done".into()))
    })
    .await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "waiting");
        let due = "SELECT (next_try_at - last_at) / 1000000 AS x FROM failure WHERE path = 'INBOX'";
        assert_eq!(ask(&postrider.database(), due), "60");
        served.stop();
    })
    .await;
}
