//! A disk that is full, a database that another process holds: nothing is acknowledged that is not
//! there, and there is no half-done mirror afterwards.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::database::{ask, locked};
use crate::support::mail::{blocking, note, seed, serve_well};

/// File sizes, in blocks of 512 octets, at which the system refuses more: in the packs, in the log,
/// in the database.
const LIMITS: [u32; 8] = [64, 200, 400, 700, 1000, 1500, 2500, 4000];

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_run_and_loses_nothing() {
    let mailbox = seed::mailbox(41, 400);
    let server = serve_well("u", &mailbox).await;
    let config = format!("{SHORT}{}", account("u", server.port(), "pw"));
    let mut refused = 0;
    for limit in LIMITS {
        let postrider = Postrider::new(&config);
        let mailbox = mailbox.clone();
        refused += blocking(move || {
            // The limit holds for every file; the signal that comes with it is ignored, so that
            // writes fail instead.
            let command = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" sync --once");
            let ran = postrider.shell(&command);
            assert!(
                matches!(ran.code, Some(0 | 7)),
                "{limit}: {:?}\n{}\n{}",
                ran.code,
                ran.stdout,
                ran.stderr
            );
            let refused = ran.code == Some(7);
            if refused {
                assert!(
                    ran.stdout.contains("storage") || ran.stderr.contains("cannot"),
                    "{}\n{}",
                    ran.stdout,
                    ran.stderr
                );
            }
            postrider.sync().exits(0);
            equal(&postrider, "u", &mailbox);
            consistent(&postrider.database());
            u32::from(refused)
        })
        .await;
    }
    assert!(refused >= 3, "the disk was hardly ever full: {refused}");
}

/// Commits of a first sync that are held up, by how many rows are there then.
const HELD_AT: [u32; 6] = [0, 1, 2, 3, 60, 120];

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stays_held_ends_the_run_and_loses_nothing() {
    let mailbox = seed::mailbox(43, 20);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        mailbox.append("INBOX", note("while it is held"));
        let held = locked(&postrider.database(), || {
            postrider.start(&["sync", "--once"], &[]).wait(std::time::Duration::from_secs(150))
        });
        assert_eq!(held.code, Some(7), "{}\n{}", held.stdout, held.stderr);
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_held_for_six_seconds_stops_no_folder() {
    let mailbox = seed::mailbox(42, 300);
    let server = serve_well("u", &mailbox).await;
    // Where the first wait for it is over at once, the last second is longer than all tries together.
    let short = SHORT.replace("20ms", "100ms");
    let config = format!("{short}{}", account("u", server.port(), "pw"));
    let trials = HELD_AT.map(|rows| {
        let (config, mailbox) = (config.clone(), mailbox.clone());
        tokio::spawn(blocking(move || {
            let postrider = Postrider::new(&config);
            let running = postrider.start(&["sync", "--once"], &[]);
            let counted =
                "SELECT (SELECT count(*) FROM folder) + (SELECT count(*) FROM message) AS x";
            let is_there = || {
                let database = postrider.database();
                database.is_made() && ask(&database, counted).parse::<u32>().unwrap() >= rows
            };
            crate::support::served::wait_until("rows", is_there);
            locked(&postrider.database(), || std::thread::sleep(std::time::Duration::from_secs(6)));
            let ran = running.wait(std::time::Duration::from_secs(60));
            assert_eq!(ran.code, Some(0), "held at {rows}\n{}\n{}", ran.stdout, ran.stderr);
            equal(&postrider, "u", &mailbox);
            let standing =
                "SELECT count(*) AS x FROM failure WHERE folder IS NOT NULL AND closed_at IS NULL";
            assert_eq!(
                ask(&postrider.database(), standing),
                "0",
                "held at {rows}: a folder stands still"
            );
        }))
    });
    for trial in trials {
        trial.await.unwrap();
    }
}
