//! Answers of Gmail's API that hold more than was asked for: they cost little, and the run.

use crate::support::database::ask;
use crate::support::gmail::{follower, mirrors, short};
use crate::support::mail::blocking;
use crate::support::served::{head, wait_within};
use postrider_feedd::{GmailServer, Play, seed};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Octets of each: more than is read of an answer, and less.
const FLOODS: [usize; 2] = [15 * 1024 * 1024, 3_900_000];

/// A JSON answer of this one piece, again and again.
fn flood(begins: &str, piece: &str, ends: &str) -> [Play; 2] {
    FLOODS.map(|octets| {
        let pieces = vec![piece; octets / (piece.len() + 1)].join(",");
        Play::says(200, "application/json", &format!("{begins}{pieces}{ends}"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_costs_what_was_asked_for() {
    let added = r#"{"message":{"id":"a"}}"#;
    let labelled = r#""a""#;
    let floods = [
        ("labels", flood(r#"{"labels":["#, r#"{"id":"a"}"#, "]}")),
        ("messages", flood(r#"{"messages":["#, r#"{"id":"a"}"#, "]}")),
        ("messages", flood(r#"{"messages":["#, "{}", "]}")),
        ("history", flood(r#"{"historyId":"9","history":["#, r#"{"id":"1"}"#, "]}")),
        (
            "history",
            flood(r#"{"historyId":"9","history":[{"id":"8","messagesAdded":["#, added, "]}]}"),
        ),
        (
            "history",
            flood(
                r#"{"historyId":"9","history":[{"id":"8","labelsAdded":[{"message":{"id":"a"},"labelIds":["#,
                labelled,
                "]}]}]}",
            ),
        ),
        ("profile", flood(r#"{"emailAddress":"demo@example.com","x":["#, "1", "]}")),
    ];
    for (path, play) in floods.into_iter().flat_map(|(path, plays)| plays.map(|play| (path, play)))
    {
        let mailbox = seed::mailbox(3, 20);
        let shown = Arc::new(AtomicUsize::new(0));
        let (counts, comes, says) = (Arc::clone(&shown), mailbox.clone(), play.clone());
        let server = GmailServer::start(&mailbox, move |q| {
            let is_it = q.path == path && counts.load(Ordering::SeqCst) > 0;
            if is_it {
                counts.fetch_add(1, Ordering::SeqCst);
            }
            is_it.then(|| says.clone())
        })
        .await
        .unwrap();
        blocking(move || {
            let postrider = follower(&head(), &server, "");
            let served = postrider.serve(&[]);
            served.wait_for_state("u", "idle");
            let before = served.peak();
            shown.store(1, Ordering::SeqCst);
            comes.insert("Subject: new\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
            drop(postrider.run(&["reset-errors", "u"]));
            drop(postrider.run(&["sync-now", "u"]));
            wait_within(Duration::from_secs(60), "the flood", || shown.load(Ordering::SeqCst) > 1);
            // It has been read, or given up, by now. What history cannot say, lists do.
            wait_within(Duration::from_secs(60), "its refusal, or the mail", || {
                let account = served.account("u");
                let reason = account["reason"].as_str().unwrap_or_default();
                if path == "history" {
                    return postrider.manifest("u").len() == comes.manifest(|_| true).len();
                }
                reason.contains("more than was asked for")
            });
            served.has_cost_little(before, path, 0);
            served.stop();
        })
        .await;
    }
}

/// Records that are longer than an answer may be are asked for in parts, and nothing is compared.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_comes_in_parts() {
    let mailbox = seed::mailbox(5, 60);
    let too_long = Play::says(200, "application/json", &" ".repeat(5_000_000));
    let server = GmailServer::start(&mailbox, move |q| {
        let records: u32 = q.query.get("maxResults")?.parse().ok()?;
        (q.path == "history" && records > 10).then(|| too_long.clone())
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        for id in mailbox.ids().iter().take(30) {
            mailbox.modify(id, &["IMPORTANT"], &["UNREAD"]);
        }
        drop(server.asked());
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        let lists = server.asked().iter().filter(|q| q.path == "messages").count();
        assert_eq!(lists, 0, "nothing was forgotten");
    })
    .await;
}

/// A list that shows ever new ids shows more than ten times what there is: it is no list.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_ever_new_ids_ends() {
    let mailbox = seed::mailbox(6, 20);
    let (lies, pages) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(0)));
    let (lying, counted) = (Arc::clone(&lies), Arc::clone(&pages));
    let server = GmailServer::start(&mailbox, move |q| {
        if q.path != "messages" || lying.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let page = counted.fetch_add(1, Ordering::SeqCst);
        let ids: Vec<String> = (0..500).map(|n| format!("{{\"id\":\"f{page}x{n}\"}}")).collect();
        let body = format!("{{\"messages\":[{}],\"nextPageToken\":\"{page}\"}}", ids.join(","));
        Some(Play::says(200, "application/json", &body))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        let ran = postrider.sync().exits(3);
        assert!(ran.stdout.contains("a list has no end"), "{}", ran.stdout);
        let pages = pages.load(Ordering::SeqCst);
        assert!(pages < 30, "{pages} pages");
        lies.store(0, Ordering::SeqCst);
        postrider.sync();
        postrider.sync();
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        let owed = "SELECT count(*) AS x FROM owed WHERE due_at IS NOT NULL";
        assert_eq!(ask(&postrider.database(), owed), "0", "what there never was is gone");
    })
    .await;
}
