//! What an account and its folders hold is counted as it changes: asked, proved, and taken back.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::consistent;
use crate::support::database::{ask, change};
use crate::support::mail::{blocking, note, seed, serve_well};

/// Counts go with what comes, is copied, ends, is in limbo, is deleted and comes back; `verify` proves
/// them.
#[tokio::test(flavor = "multi_thread")]
async fn counts_are_those_of_the_rows() {
    let mailbox = seed::mailbox(95, 60);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let database = postrider.database();
        let held = || ask(&database, "SELECT held AS x FROM account");
        postrider.sync().exits(0);
        consistent(&database);
        let first: usize = held().parse().unwrap();
        assert!(first > 50, "{first}");
        let inbox = mailbox.lock()["INBOX"].mail.keys().copied().collect::<Vec<_>>();
        mailbox.append("INBOX", note("comes"));
        let gone = mailbox.expunge("INBOX", inbox[0]).unwrap();
        mailbox.relocate("INBOX", inbox[1], "Archive");
        postrider.sync();
        consistent(&database);
        mailbox.append("Archive", gone);
        mailbox.delete("Work");
        for _ in 0..3 {
            postrider.sync();
            consistent(&database);
        }
        let octets = ask(&database, "SELECT held_octets AS x FROM account");
        let told = postrider.run(&["status", "--json"]).exits(0).stdout;
        assert!(told.contains(&octets) && told.contains(&held()), "{told}");
        for wrong in
            ["account SET held = held + 1", "account SET held_octets = 0", "folder SET held = 0"]
        {
            postrider.run(&["verify", "u", "--offline"]).exits(0);
            let before = postrider.path("before.db");
            std::fs::copy(database.file(), &before).unwrap();
            change(&database, Box::leak(format!("UPDATE {wrong}").into_boxed_str()));
            let told = postrider.run(&["verify", "u", "--offline"]).exits(1).stdout;
            assert!(told.contains("counted as held"), "{wrong}: {told}");
            std::fs::copy(&before, database.file()).unwrap();
            for aside in ["db-wal", "db-shm"] {
                drop(std::fs::remove_file(database.file().with_extension(aside)));
            }
        }
    })
    .await;
}

/// A purge that is cut off has taken from the counts what it has deleted, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_is_cut_off_leaves_counts_that_are_true() {
    let mailbox = seed::mailbox(96, 0);
    for n in 0..2300 {
        mailbox.append("INBOX", note(&n.to_string()));
    }
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    let another = format!("{SHORT}{}", account("v", server.port(), "pw"));
    blocking(move || {
        let database = postrider.database();
        postrider.sync().exits(0);
        std::fs::write(postrider.path("config.toml"), another).unwrap();
        change(
            &database,
            "CREATE TRIGGER stop BEFORE DELETE ON message WHEN OLD.id > 1500 BEGIN SELECT RAISE(ABORT, 'scripted'); END",
        );
        postrider.run(&["account", "purge", "u", "--yes"]).exits(7);
        consistent(&database);
        // Pieces of 1,000, or of 500 where the first one took long.
        let part = "SELECT held IN (1301, 801) AS x FROM account";
        assert_eq!(ask(&database, part), "1");
        change(&database, "DROP TRIGGER stop");
        // Of 25,000 events more each other one is somebody else's: they are gone over in pieces, too.
        change(
            &database,
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 25000) INSERT INTO event (seq, \
             id, at, kind, account, backfill, data) SELECT next + x, 'more' || x, 0, 'account.paused', 1 + x % 2, \
             FALSE, '{\"reason\":\"more\"}' FROM n, counter WHERE name = 'event'",
        );
        postrider.run(&["account", "purge", "u", "--yes"]).exits(0);
        assert_eq!(ask(&database, "SELECT count(*) AS x FROM account"), "0");
        let said = "SELECT count(*) || ' ' || min(account) AS x FROM event WHERE data <> '{}'";
        assert_eq!(ask(&database, said), "12500 2");
    })
    .await;
}
