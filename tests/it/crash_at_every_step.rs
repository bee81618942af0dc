//! The process is aborted at each named durable step in turn and started again: the same mirror,
//! and what was told is what a process tells that nobody aborted.

use crate::support::binary::{OTHER_FAULTS, Postrider, SHORT, account};
use crate::support::check::{equal, state, told};
use crate::support::database::KIND;
use crate::support::mail::{blocking, note, seed, serve_well};

/// Passings of a step at which the process is aborted: the first ones, then further and further
/// apart.
const PASSINGS: [u32; 8] = [1, 2, 3, 5, 8, 13, 21, 34];

async fn crash_at(point: &'static str) {
    // `cargo xtask soak` brings seeds that no run has seen.
    let seed: u64 =
        std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(21);
    println!("seed {seed}");
    let mailbox = seed::mailbox(seed, 120);
    let server = serve_well("u", &mailbox).await;
    let config = format!("{SHORT}{}", account("u", server.port(), "pw"));
    let mut aborted = 0;
    // What differs between databases is a transaction that is cut off, not how many went before it: a database is made
    // for each of these.
    let is_server = std::env::var(KIND).is_ok_and(|kind| kind == "postgres");
    let passings = if is_server { &[1, 2, 8, 21][..] } else { &PASSINGS };
    for nth in passings {
        let (postrider, unhurt) = (Postrider::new(&config), Postrider::new(&config));
        let mailbox = mailbox.clone();
        let fault = format!("{point}:{nth}");
        let hit = blocking(move || {
            let env = [("POSTRIDER_FAULT", fault.as_str())];
            let ran = postrider.run_with(&["sync", "--once"], &env);
            let hit = ran.stderr.contains("scripted fault");
            assert_eq!(
                ran.code,
                if hit { None } else { Some(0) },
                "{fault}\n{}\n{}",
                ran.stdout,
                ran.stderr
            );
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            let alike = |when: &str| {
                unhurt.sync().exits(0);
                let (got, want) = (told(&postrider.database()), told(&unhurt.database()));
                assert_eq!(got, want, "{fault}: told otherwise {when}");
            };
            alike("at first");
            let before = state(&postrider.database());
            postrider.sync().exits(0);
            assert_eq!(
                state(&postrider.database()),
                before,
                "{fault}: the third run changed something"
            );
            // The same while following changes.
            let uid = mailbox.append("INBOX", note(&fault));
            mailbox.relocate("INBOX", uid, "Trash");
            let first = *mailbox.lock()["Archive"].mail.keys().next().unwrap();
            mailbox.set_flags("Archive", first, &["\\Answered", &format!("n{nth}")]);
            postrider.run_with(&["sync", "--once"], &env);
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            alike("after changes");
            hit
        })
        .await;
        aborted += u32::from(hit);
        if !hit {
            break;
        }
    }
    assert!(aborted > 0, "{point} was never passed");
}

macro_rules! steps {
    ($($test:ident => $point:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                crash_at($point).await;
            }
        )*

        #[test]
        fn every_named_step_is_tried() {
            let ran = Postrider::new("").run(&["faults"]).exits(0);
            let named: Vec<&str> = ran.stdout.lines().filter(|n| !OTHER_FAULTS.iter().any(|kind| n.starts_with(kind))).collect();
            assert_eq!(named, [$($point),*]);
        }
    };
}

steps! {
    pack_created => "bodies.pack_created";
    block_written => "bodies.block_written";
    synced => "bodies.synced";
    dir_synced => "bodies.dir_synced";
    page_sent => "account.page_sent";
    begun => "store.begun";
    rows_written => "store.rows_written";
    before_commit => "store.before_commit";
    committed => "store.committed";
    store_answered => "store.answered";
    account_answered => "account.answered";
}
