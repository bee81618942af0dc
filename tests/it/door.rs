//! The door to providers: a second provider, without a network, gives the mirror that IMAP gives.
//! Whatever either has, a run, a lease, a pool or a page cannot tell which it is.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{equal, state};
use crate::support::database::{ask, change};
use crate::support::mail::{Mailbox, note, seed, serve_well};
use crate::support::shelf::Shelf;
use crate::support::tape::Tape;
use postrider::account::args::Unseen;
use postrider::boot::claims::Claims;
use postrider::boot::wiring::Engine;
use postrider::config::{Config, load};
use postrider::provider::Endpoint;
use postrider::reply::ReplyTo;
use postrider::supervision::root::RootMsg;
use postrider::telemetry::wire::WireLog;
use postrider_core::provider::Family;
use postrider_core::standing::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// One run of the only account of a config, its endpoint replaced by another, if so.
pub(crate) async fn run(config: &Config, endpoint: Option<Arc<dyn Endpoint>>) -> Outcome {
    let engine =
        Engine::start(config, "a test", WireLog::default(), Claims::default()).await.unwrap();
    let password = engine.given(&config.accounts[0]).await.unwrap().credential();
    let mut args = engine
        .account_args(&config.accounts[0], config, true, Arc::new(Unseen), password)
        .await
        .unwrap();
    if let Some(endpoint) = endpoint {
        args.endpoint = endpoint;
    }
    let (done, finished) = oneshot::channel();
    let reply = ReplyTo::new(move |summaries: Option<Vec<_>>| drop(done.send(summaries)));
    engine.root().cast(RootMsg::RunOnce(vec![args], reply)).unwrap();
    let summaries =
        tokio::time::timeout(Duration::from_secs(60), finished).await.unwrap().unwrap().unwrap();
    engine.stop().await;
    let (_, summary) = summaries.into_iter().next().unwrap();
    summary.outcome
}

/// What every provider must do: mirror, find nothing to do, follow what happens.
async fn mirrors(mailbox: Mailbox, port: u16, endpoint: Option<Arc<dyn Endpoint>>) {
    let is_feed = endpoint.as_ref().is_some_and(|endpoint| endpoint.family() == Family::Feed);

    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", port, "pw")));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    let go = async || run(&config, endpoint.clone()).await;

    assert_eq!(go().await, Outcome::Success);
    let database = postrider.database();
    equal(&postrider, "u", &mailbox);
    let before = state(&database);
    assert_eq!(go().await, Outcome::Success);
    assert_eq!(state(&database), before, "nothing to do");

    let first = |folder: &str| *mailbox.lock()[folder].mail.keys().next().unwrap();
    mailbox.append("INBOX", note("new").dated("01-Feb-2031 10:00:00 +0000"));
    mailbox.set_flags("INBOX", first("INBOX"), &["\\Flagged", "done"]);
    mailbox.expunge("Archive", first("Archive"));
    mailbox.relocate("Sent", first("Sent"), "Trash");
    mailbox.append("Fresh", note("in a folder that appeared"));
    mailbox.delete("Junk");
    if is_feed {
        // Places are asked for hourly.
        change(&database, "UPDATE account SET feed = json_set(feed, '$.state.placed_at', 0)");
    }
    assert_eq!(go().await, Outcome::Partial, "a folder ends at the second look");
    assert_eq!(go().await, Outcome::Success);
    equal(&postrider, "u", &mailbox);
    let kinds = |kind: &str| {
        ask(
            &database,
            &format!(
                "SELECT count(*) AS x FROM event WHERE kind = 'message.{kind}' AND NOT backfill"
            ),
        )
    };
    assert_eq!(
        (kinds("moved").as_str(), kinds("created").as_str()),
        ("1", "1"),
        "a move is a move"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_mirrors_through_the_door() {
    let mailbox = seed::mailbox(91, 150);
    let server = serve_well("u", &mailbox).await;
    mirrors(mailbox, server.port(), None).await;

    let mailbox = seed::mailbox(91, 150);
    let bodies = Arc::new(AtomicUsize::new(0));
    let shelf = Shelf { mailbox: mailbox.clone(), bodies: Arc::clone(&bodies), toll: None };
    // Nobody listens there: nothing but the door is asked.
    mirrors(mailbox, 1, Some(Arc::new(shelf))).await;
    assert!(bodies.load(Ordering::SeqCst) > 100, "it was the shelf that was read");

    let mailbox = seed::mailbox(91, 150);
    let tape = Tape::of(&mailbox);
    let (bodies, log) = (Arc::clone(&tape.bodies), Arc::clone(&tape.log));
    mirrors(mailbox, 1, Some(Arc::new(tape))).await;
    let (bodies, log) = (bodies.load(Ordering::SeqCst), log.lock().unwrap().clone());
    assert!(bodies > 100 && bodies < 160, "each is read once: {bodies}");
    assert!(log.iter().any(|word| word == "Changes"), "{log:?}");
}
