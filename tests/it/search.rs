//! Mail that is searched for: from the command line, and among so much that a request does not look at all of it.

use crate::derive::{stop, wait_until_derived};
use crate::lists::mail;
use crate::support::binary::{Postrider, account};
use crate::support::database::change;
use crate::support::mail::{Mail, Mailbox, blocking, serve};
use crate::support::served::head;
use serde_json::{Value, json};

/// Where no mail is there, none is found: that is no trouble of the index.
#[test]
fn nothing_is_found_where_nothing_is() {
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", 1, "pw")));
    let served = postrider.serve(&[]);
    for path in ["/v1/messages?q=x", "/v1/messages?q=x&subject=y"] {
        assert_eq!(served.get(path)["items"], json!([]), "{path}");
    }
    let ran = postrider.run(&["search", "x"]).exits(0);
    assert!(!ran.stderr.contains("search.index"), "{}", ran.stderr);
    stop(served);
}

/// From the command line: what is found, and one of it.
#[tokio::test(flavor = "multi_thread")]
async fn mail_is_found_and_shown() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        for n in 0..12 {
            u.append("INBOX", mail(n));
        }
        let evil = "From: \"\u{1b}[2J, x\" <e@x.y>\r\nSubject: =?utf-8?q?a=0AB=1B[1m?=\r\nMessage-ID: <e@x.y>\r\n\r\none\u{1b}[2J\r\ntwo\r\n";
        u.append("INBOX", Mail::new(evil).dated("09-Feb-2024 10:00:00 +0000"));
        let none = postrider.run(&["search"]).exits(7);
        assert!(none.stderr.contains("`postrider serve` or `sync --once` makes"), "{}", none.stderr);
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        wait_until_derived(&served, &postrider.database());
        let found = postrider.run(&["search", "--from", "p1@example.org"]).exits(0).stdout;
        let lines: Vec<&str> = found.lines().collect();
        assert!(lines[0].starts_with("ID") && lines.len() > 1, "{found}");
        assert!(lines[1..].iter().all(|line| line.contains("P1@Example.ORG")), "{found}");
        let all = postrider.run(&["search", "--json", "--limit", "1000"]).exits(0).stdout;
        assert_eq!(all.lines().count(), 13);
        let newest: Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
        let id = newest["id"].to_string();
        assert_eq!(served.get(&format!("/v1/messages/{id}"))["id"], newest["id"]);
        let two = postrider.run(&["search", "--limit", "2", "--unread"]).exits(0);
        assert!(two.stderr.contains("… and more") && two.stdout.lines().count() == 3, "{two:?}");
        let two = postrider.run(&["search", "--limit", "2", "--json"]).exits(0);
        assert!(two.stderr.contains("… and more") && two.stdout.lines().count() == 2, "{two:?}");
        let read = postrider.run(&["search", "--unread=false"]).exits(0).stdout;
        assert!(!read.contains("unread") && read.lines().count() > 3, "{read}");
        let shown = postrider.run(&["show", &id]).exits(0).stdout;
        for line in ["Subject: a B", "Folders: INBOX (no flags)", "Message-ID: e@x.y", "two"] {
            assert!(shown.lines().any(|told| told.starts_with(line)), "{line}: {shown}");
        }
        assert!(!shown.contains('\u{1b}') && !found.contains('\u{1b}'), "a terminal obeys no mail");
        let raw = postrider.run(&["show", &id, "--raw"]).exits(0).stdout;
        assert_eq!(raw, evil);
        let headers = postrider.run(&["show", &id, "--headers"]).exits(0).stdout;
        assert!(evil.starts_with(&headers) && headers.contains("Message-ID"));
        let with_file = postrider.run(&["search", "--has-attachment", "--json"]).exits(0).stdout;
        let with_file: Value = serde_json::from_str(with_file.lines().next().unwrap()).unwrap();
        let id = with_file["id"].to_string();
        assert_eq!(postrider.run(&["show", &id, "--part", "3"]).exits(0).stdout, "1,2");
        let shown = postrider.run(&["show", &id]).exits(0).stdout;
        assert!(shown.contains("3: t.csv (text/csv, 3 B)"), "{shown}");
        let all = postrider.run(&["search", "--folder", "inbox", "--json"]).exits(0).stdout;
        assert_eq!(all.lines().count(), 13, "{all}");
        for (args, exit, why) in [
            (&["show", "999"][..], 2, "no such message"),
            (&["show", &id, "--part", "9"], 2, "no such part"),
            (&["show", &id, "--html"], 2, "no such HTML"),
            (&["search", "--folder", "x"], 2, "no folder is called `x`"),
            (&["search", "--from", "ada"], 2, "--from: write a whole address"),
            (&["search", "--folder", "a\" b \"c"], 2, "quotation mark"),
            (&["search", "--folder", "inbox", "\"two words"], 2, "lacks the other"),
            (&["search", "--account", "nobody"], 2, "no such account"),
            (&["search", "--limit", "0"], 2, "limit"),
            (&["show", &id, "--raw", "--html"], 2, "cannot be used with"),
        ] {
            let ran = postrider.run(args).exits(exit);
            assert!(ran.stderr.contains(why), "{args:?}: {}", ran.stderr);
        }
        stop(served);
        // The database answers alone.
        let same = postrider.run(&["search", "--folder", "inbox", "--json"]).exits(0).stdout;
        assert_eq!(same, all);
        assert_eq!(postrider.run(&["show", &id, "--part", "3"]).exits(0).stdout, "1,2");
        assert!(postrider.run(&["show", "999"]).exits(2).stderr.contains("no such message"));
    })
    .await;
}

/// Rows of messages that nothing asks for: one an instant, so many.
const MANY: [&str; 4] = [
    "INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, incarnation) VALUES (77, 'many', \
     'imap', '', '', 'hash', 'x', '', 0, 1)",
    "INSERT INTO message (id, account, size, subject, internal_date, stored_at, parse, places, body, identity) WITH RECURSIVE n (i) AS \
     (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < 45000) SELECT i + 1, 77, 1, 'plain', (1600000000 + i) * 1000000, 0, \
     'ok', 0, 1, 'i' || i FROM n",
    "INSERT INTO derived (message, account, rank, received_at, snippet, attachments, thread, parse, version) WITH RECURSIVE n (i) AS \
     (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < 45000) SELECT i + 1, 77, ((1600000000 + i) << 30) | (i + 1), (1600000000 + i) \
     * 1000000, '', 0, 1, 'ok', 2 FROM n",
    "INSERT INTO thread (id, account, messages, rank, first_at) VALUES (1, 77, 45000, 1, 0)",
];

/// A request looks at a bounded number of rows, and each goes on where the one before it ended; where what is wanted
/// ends, the list ends.
#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_read_in_pieces() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let off = head().replace("[limits]\n", "[limits]\nderive_bytes = \"0\"\n");
    let postrider = Postrider::new(&format!("{off}{}", account("u", server.port(), "pw")));
    blocking(move || {
        u.append("INBOX", mail(1));
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        stop(served);
        for sql in MANY {
            change(&postrider.database(), sql);
        }
        let served = postrider.serve(&[]);
        for query in ["account=many&subject=nothing", "thread=1&larger=5"] {
            let (mut pages, mut cursor) = (0, String::new());
            loop {
                let page = served.get(&format!("/v1/messages?{query}{cursor}"));
                assert_eq!(page["items"], json!([]), "{query}");
                pages += 1;
                let Some(next) = page["next"].as_str() else { break };
                let before = std::mem::replace(&mut cursor, format!("&cursor={next}"));
                assert_ne!(before, cursor, "it goes on");
            }
            assert_eq!(pages, 3, "{query}: of 20,000 rows or a piece more");
        }
        for (span, count) in [
            ("received_after=1600044991", 10),
            ("received_after=1600044991&received_before=1600044993", 2),
            ("received_before=1600000011", 10),
        ] {
            let page = served.get(&format!("/v1/messages?account=many&{span}"));
            assert_eq!(page["items"].as_array().unwrap().len(), count, "{span}");
            assert_eq!(page["next"], Value::Null, "{span}");
        }
        stop(served);
    })
    .await;
}
