//! What Gmail's API denies, forgets or never tells: nothing ends for it, all of it is found.

use crate::support::binary::SHORT;
use crate::support::database::{ask, change};
use crate::support::gmail::{follower, gets, mirrors, short, well};
use crate::support::mail::blocking;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postrider_feedd::{GmailServer, Play, seed};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gmail forgets its history: everything is compared, nothing is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_history_costs_no_bytes() {
    let mailbox = seed::mailbox(11, 300);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        let ids = mailbox.ids();
        mailbox.modify(&ids[3], &["STARRED"], &["UNREAD"]);
        mailbox.trash(&ids[4]);
        mailbox.delete(&ids[5]);
        mailbox.delete(&ids[6]);
        let new = mailbox.insert("Subject: in the gap\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
        mailbox.forget_history();
        drop(server.asked());
        postrider.sync();
        postrider.sync().exits(0);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        let asked = server.asked();
        let read: Vec<&str> = asked.iter().filter_map(|q| q.raw()).collect();
        assert_eq!(read, [new.as_str()], "what is held is not read again");
        // What differs, and what is missing twice.
        assert!(gets(&asked).1 <= 8, "{} states", gets(&asked).1);
    })
    .await;
}

/// For a while messages that exist are said not to: none of them ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_for_a_while_is_not_deleted() {
    let mailbox = seed::mailbox(13, 260);
    let denied: BTreeSet<String> = mailbox.ids().into_iter().take(200).collect();
    let on = Arc::new(AtomicUsize::new(0));
    let (of, switch) = (denied.clone(), Arc::clone(&on));
    let server = GmailServer::start(&mailbox, move |q| {
        let id = q.raw().or(q.minimal())?;
        let is_denied = of.contains(id) && switch.load(Ordering::SeqCst) == 1;
        is_denied.then(|| Play::refuse(404, "notFound", "Requested entity was not found."))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        on.store(1, Ordering::SeqCst);
        for id in &denied {
            mailbox.modify(id, &["IMPORTANT"], &["UNREAD"]);
        }
        for _ in 0..3 {
            // A day has passed, each time.
            change(&postrider.database(), "UPDATE account SET listed_at = 0");
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
        }
        let deleted = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), deleted), "0");
    })
    .await;
}

/// Mail that comes while it is still denied is there in the end.
#[tokio::test(flavor = "multi_thread")]
async fn new_mail_that_is_denied_at_first_comes() {
    let mailbox = seed::mailbox(17, 20);
    let denials = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&denials);
    let server = GmailServer::start(&mailbox, move |q| {
        q.raw()?;
        let is_first = count.fetch_add(1, Ordering::SeqCst) < 20;
        is_first.then(|| Play::refuse(404, "notFound", "Requested entity was not found."))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync();
        postrider.sync();
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// What the config leaves out is not read, day after day.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_not_read() {
    let mailbox = seed::mailbox(19, 300);
    let hidden: BTreeSet<String> = {
        let contents = mailbox.lock();
        let lies = |m: &postrider_feedd::mailbox::Message| {
            m.labels.contains("TRASH") || m.labels.contains("SPAM")
        };
        contents.messages.iter().filter(|(_, m)| lies(m)).map(|(id, _)| id.clone()).collect()
    };
    assert!(hidden.len() > 10);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let more = "folders = { exclude = [\"Trash\", \"Spam\"] }\n";
        let postrider = follower(SHORT, &server, more);
        let wants = |place: &str| place != "Trash" && place != "Spam";
        for day in 0..3 {
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, wants);
            let asked = server.asked();
            let about = asked.iter().filter_map(|q| q.raw().or(q.minimal()));
            let about = about.filter(|id| hidden.contains(*id)).count();
            assert_eq!(about, 0, "day {day}");
            change(&postrider.database(), "UPDATE account SET listed_at = 0");
            // Something happens there, too.
            for id in hidden.iter().take(3) {
                mailbox.modify(id, &["IMPORTANT"], &[]);
                mailbox.modify(id, &[], &["IMPORTANT"]);
            }
        }
        // Out of the trash, into it.
        let back = hidden.iter().next().unwrap();
        mailbox.modify(back, &["INBOX"], &["TRASH", "SPAM"]);
        let gone = mailbox.ids().into_iter().find(|id| !hidden.contains(id)).unwrap();
        mailbox.trash(&gone);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, wants);
        assert_eq!(gets(&server.asked()), (1, 0));
    })
    .await;
}

/// Where a few places are synced alone, what lies elsewhere is listed, and not read.
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_no_place_of_ours_is_not_read() {
    let mailbox = seed::mailbox(19, 300);
    let in_inbox = {
        let contents = mailbox.lock();
        contents.messages.values().filter(|m| m.labels.contains("INBOX")).count()
    };
    assert!(in_inbox > 10 && in_inbox < 250, "{in_inbox}");
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = follower(SHORT, &server, "folders = { include = [\"INBOX\"] }\n");
        let wants = |place: &str| place == "INBOX";
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, wants);
        assert_eq!(gets(&server.asked()).0, in_inbox);
        let archived = {
            let contents = mailbox.lock();
            let lies = |m: &postrider_feedd::mailbox::Message| {
                !["INBOX", "TRASH", "SPAM"].iter().any(|label| m.labels.contains(*label))
            };
            contents.messages.iter().find(|(_, m)| lies(m)).map(|(id, _)| id.clone()).unwrap()
        };
        mailbox.modify(&archived, &["INBOX"], &[]);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, wants);
        assert_eq!(gets(&server.asked()).0, 1, "what comes back is read");
    })
    .await;
}

/// Labels without mail are no list without an end.
#[tokio::test(flavor = "multi_thread")]
async fn many_empty_labels_are_compared() {
    let mailbox = seed::mailbox(7, 40);
    for n in 0..30 {
        mailbox.create_label(&format!("Empty {n}"));
    }
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        change(&postrider.database(), "UPDATE account SET listed_at = 0");
        postrider.sync().exits(0);
        let proved = "SELECT count(*) AS x FROM folder WHERE proved_at IS NULL AND NOT excluded";
        assert_eq!(ask(&postrider.database(), proved), "0");
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// What no place of ours held, and comes into one without a word of history, is found by the next
/// compare; so where All Mail is left out, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_away_and_came_untold_is_found() {
    let mailbox = seed::mailbox(23, 40);
    let archived = mailbox.insert("Subject: a\r\n\r\nx\r\n", &[], 1_700_000_000_000);
    let silent = Arc::new(AtomicUsize::new(0));
    let (is_silent, of) = (Arc::clone(&silent), mailbox.clone());
    let server = GmailServer::start(&mailbox, move |q| {
        let is_hushed = q.path == "history" && is_silent.load(Ordering::SeqCst) > 0;
        let body = || format!("{{\"historyId\": \"{}\"}}", of.lock().now);
        is_hushed.then(|| Play::says(200, "application/json", &body()))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = follower(SHORT, &server, "folders = { exclude = [\"All Mail\"] }\n");
        postrider.sync().exits(0);
        let away = "SELECT count(*) AS x FROM owed WHERE due_at IS NULL AND identity = 'gm:ID'";
        let away = away.replace("ID", &archived);
        assert_eq!(ask(&postrider.database(), &away), "1");
        silent.store(1, Ordering::SeqCst);
        mailbox.modify(&archived, &["INBOX"], &[]);
        postrider.sync().exits(0);
        assert_eq!(ask(&postrider.database(), &away), "1", "nobody has told of it");
        change(&postrider.database(), "UPDATE account SET listed_at = 0");
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |place| place != "All Mail");
    })
    .await;
}

/// A server that counts what it never lists (chats, say) is compared once, not every hour; what is
/// missed beside it is found all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_never_fits_is_asked_about_once() {
    let mailbox = seed::mailbox(29, 40);
    let silent = Arc::new(AtomicUsize::new(0));
    let (is_silent, of) = (Arc::clone(&silent), mailbox.clone());
    let server = GmailServer::start(&mailbox, move |q| {
        let (now, all) = {
            let contents = of.lock();
            (contents.now, contents.messages.len())
        };
        let says = |text: String| Some(Play::says(200, "application/json", &text));
        match q.path.as_str() {
            "profile" => says(format!(
                "{{\"emailAddress\": \"demo@example.com\", \"messagesTotal\": {}, \"historyId\": \"{now}\"}}",
                all + 7
            )),
            "history" if is_silent.load(Ordering::SeqCst) > 0 => says(format!("{{\"historyId\": \"{now}\"}}")),
            _ => None,
        }
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        let an_hour_later = || {
            change(
                &postrider.database(),
                "UPDATE account SET feed = json_set(feed, '$.state.counted_at', 0)",
            );
            let told = postrider.sync().exits(0).stdout;
            (told, server.asked().iter().filter(|q| q.path == "messages").count())
        };
        // The first list, what it owes, and the first count that does not fit.
        for _ in 0..3 {
            an_hour_later();
        }
        for _ in 0..2 {
            let (told, lists) = an_hour_later();
            assert!(told.contains("counts 7 message(s) more than it lists"), "{told}");
            assert_eq!(lists, 0, "{told}");
        }
        silent.store(1, Ordering::SeqCst);
        mailbox.insert("Subject: n\r\n\r\nx\r\n", &["INBOX"], 1_700_000_000_000);
        let (_, lists) = an_hour_later();
        assert!(lists > 0);
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// Bytes that fall far short of the size that the server tells are asked for once more, and then they
/// are what there is.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_far_shorter_than_their_size_are_asked_for_again() {
    for (octets, times) in [(40, 1), (40, usize::MAX), (600_000, 1), (600_000, usize::MAX)] {
        let mailbox = seed::mailbox(29, 10);
        let raw = format!("Subject: cut\r\n\r\n{}", "abc".repeat(octets / 3));
        let id = mailbox.insert(raw.as_str(), &["INBOX"], i64::MAX / 2000);
        let code = URL_SAFE_NO_PAD.encode(raw.get(..raw.len() * 2 / 5).unwrap());
        let size = raw.len();
        let (cut, lies) = (id.clone(), AtomicUsize::new(0));
        let server = GmailServer::start(&mailbox, move |q| {
            let lies = q.raw() == Some(&cut) && lies.fetch_add(1, Ordering::SeqCst) < times;
            let text = format!(
                r#"{{"id":"{cut}","labelIds":["INBOX"],"sizeEstimate":{size},"historyId":"9000","raw":"{code}"}}"#
            );
            lies.then(|| Play::says(200, "application/json", &text))
        })
        .await
        .unwrap();
        blocking(move || {
            let postrider = short(&server);
            postrider.sync().exits(0);
            let asked = server.asked().iter().filter(|q| q.raw() == Some(&id)).count();
            assert_eq!(asked, 2, "{octets} octets, {times} times");
            let longest = "SELECT max(length) AS x FROM body";
            if times == 1 {
                mirrors(&postrider, &mailbox, |_| true);
            } else if octets > 1000 {
                assert_eq!(ask(&postrider.database(), longest), (size * 2 / 5).to_string());
            }
        })
        .await;
    }
}
