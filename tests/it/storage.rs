//! A disk that is full: nothing is acknowledged that is not there, and there is no half-done mirror afterwards.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::mail::{blocking, seed, serve_well};

/// File sizes, in blocks of 512 octets, at which the system refuses more: in the packs, in the log, in the database.
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
            // The limit holds for every file; the signal that comes with it is ignored, so that writes fail instead.
            let command = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" sync --once");
            let ran = postrider.shell(&command);
            assert!(matches!(ran.code, Some(0 | 7)), "{limit}: {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
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
