//! Actors that die: the tree starts them again from the durable cursor, and the run goes on.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::equal;
use crate::support::mail::{blocking, seed, serve_well};

async fn survives(kind: &'static str) {
    let (one, two) = (seed::mailbox(31, 150), seed::mailbox(32, 60));
    let server = crate::support::mail::serve(&[("a", &one), ("b", &two)], |_, _| None).await;
    let config = format!(
        "{SHORT}{}{}",
        account("a", server.port(), "pw"),
        account("b", server.port(), "pw")
    );
    for nth in [1, 2, 5] {
        let postrider = Postrider::new(&config);
        let (one, two) = (one.clone(), two.clone());
        blocking(move || {
            let fault = format!("panic.{kind}:{nth}");
            let ran = postrider.run_with(
                &["sync", "--once", "--metrics", "metrics"],
                &[("POSTRIDER_FAULT", &fault)],
            );
            let hit = ran.stderr.contains("scripted fault");
            assert_eq!(ran.code, Some(0), "{fault}\n{}\n{}", ran.stdout, ran.stderr);
            equal(&postrider, "a", &one);
            equal(&postrider, "b", &two);
            if hit && !matches!(kind, "session" | "reader") {
                let metrics = std::fs::read_to_string(postrider.path("metrics")).unwrap();
                let restarts = format!("postrider_actor_restarts_total{{kind=\"{kind}\"");
                assert!(metrics.contains(&restarts), "{metrics}");
            }
            assert!(hit || nth > 1, "{fault} was never passed");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_dies() {
    survives("store").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_dies() {
    survives("endpoint").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_dies() {
    survives("session").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_dies() {
    survives("account").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_rows_dies() {
    survives("reader").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_wire_log_tell_the_truth() {
    let mailbox = seed::mailbox(33, 50);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.run(&["sync", "--once", "--metrics", "metrics", "--wire-log", "wire"]).exits(0);
        let metrics = std::fs::read_to_string(postrider.path("metrics")).unwrap();
        let stored = mailbox.all().len();
        assert!(
            metrics.contains(&format!("postrider_messages_stored_total {stored}")),
            "{metrics}"
        );
        assert!(metrics.contains("postrider_runs_total{outcome=\"success\"} 1"), "{metrics}");
        let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
        assert!(
            wire.contains("AUTHENTICATE …")
                && wire.contains("BODY.PEEK[]")
                && !wire.contains("BODY[]"),
            "{wire}"
        );
    })
    .await;
}

/// A runtime in which no task has its turn any more ends the process; whoever started it starts it anew.
#[test]
fn a_runtime_that_is_held_ends_the_process() {
    let config = format!("{SHORT}{}", account("u", 1, "pw"));
    let postrider = Postrider::new(&config);
    let began = std::time::Instant::now();
    let running = postrider.start(&["serve"], &[("POSTRIDER_FAULT", "hold.runtime:12")]);
    let ran = running.wait(std::time::Duration::from_secs(40));
    assert_eq!(ran.code, Some(70), "{}", ran.stderr);
    assert!(ran.stderr.contains("no task has had a turn for 2 s"), "{}", ran.stderr);
    assert!(began.elapsed() >= std::time::Duration::from_secs(2));
}
