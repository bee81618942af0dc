//! Gmail's API, over HTTP: what a mirror costs, what it follows.

use crate::support::gmail::{gets, mirrors, short, well};
use crate::support::mail::blocking;
use postrider_feedd::{GmailServer, seed};
use std::collections::BTreeSet;

/// Everything, once; then nothing; then what each change costs.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_mirrored_and_followed() {
    let mailbox = seed::mailbox(7, 700);
    mailbox.insert("Subject: a chat\r\n\r\nx", &["CHAT"], 1);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        let asked = server.asked();
        let read: BTreeSet<&str> = asked.iter().filter_map(|q| q.raw()).collect();
        assert_eq!((gets(&asked).0, read.len()), (701, 701), "each is read once, chats are not");
        let states = gets(&asked).1;
        assert!(states <= 14, "{states} states were asked for");

        postrider.sync().exits(0);
        let asked = server.asked();
        assert_eq!(asked.len(), 1, "nothing has changed: {asked:?}");

        let costs = |what: &str, want: (usize, usize)| {
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
            assert_eq!(gets(&server.asked()), want, "{what}");
        };
        let new =
            mailbox.insert("Subject: new\r\n\r\nnew\r\n", &["INBOX", "UNREAD"], i64::MAX / 2000);
        costs("new mail", (1, 0));
        mailbox.modify(&new, &["STARRED", "Label_1"], &["UNREAD"]);
        costs("a label", (0, 0));
        mailbox.trash(&new);
        costs("the trash", (0, 0));
        mailbox.delete(&new);
        costs("its end", (0, 0));
    })
    .await;
}
