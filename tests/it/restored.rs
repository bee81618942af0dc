//! What was put back from a backup: bodies that are older than the database, a database that is older than
//! what it has told.

use crate::support::binary::{Postrider, account};
use crate::support::database::ask;
use crate::support::gmail::{short, well};
use crate::support::mail::{blocking, note, seed, serve_well};
use crate::support::served::head;
use std::fs;
use std::path::PathBuf;

/// The packs, the newest last.
fn packs(postrider: &Postrider) -> Vec<PathBuf> {
    let all = fs::read_dir(postrider.path("data/bodies")).unwrap();
    let mut packs: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    packs.retain(|path| path.extension().is_some_and(|e| e == "pack"));
    packs.sort();
    packs
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_older_than_the_database_are_refused() {
    let mailbox = seed::mailbox(67, 60);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        let newest = packs(&postrider).pop().unwrap();
        let whole = fs::read(&newest).unwrap();
        let refused = |said: &str| {
            let ran = postrider.sync().exits(7);
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
            assert!(ran.stderr.contains("--adopt"), "{}", ran.stderr);
        };
        fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
        refused("are the bodies older than the database?");
        fs::remove_file(&newest).unwrap();
        refused("is it mounted");
        fs::write(&newest, &whole).unwrap();
        postrider.sync().exits(0);
        postrider.run(&["verify", "u"]).exits(0);
        // Once it has gone on all the same, the next start does, and each says what is not there.
        fs::remove_file(&newest).unwrap();
        refused("is it mounted");
        for args in [&["sync", "--once", "--adopt"][..], &["sync", "--once"], &["sync", "--once"]] {
            let ran = postrider.run(args).exits(0);
            assert!(ran.stderr.contains("held without their bytes"), "{}", ran.stderr);
        }
        postrider.run(&["verify", "u", "--offline"]).exits(1);
        fs::write(&newest, &whole).unwrap();
        let ran = postrider.sync().exits(0);
        assert!(!ran.stderr.contains("held without their bytes"), "{}", ran.stderr);
        postrider.run(&["verify", "u", "--offline"]).exits(0);
    })
    .await;
}

/// A whole folder that was put back knows nothing of what it has told since: who asks beyond its end hears
/// so, and started with `--adopt` it uses no number twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_was_put_back_says_where_it_ends() {
    let mailbox = seed::mailbox(68, 30);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let database = postrider.database();
        let last = || ask(&database, "SELECT max(seq) AS x FROM event").parse::<i64>().unwrap();
        postrider.sync().exits(0);
        let kept = last();
        assert!(postrider.shell("cp -a data kept").code == Some(0));
        for n in 0..3 {
            mailbox.append("INBOX", note(&format!("since {n}")));
        }
        postrider.sync().exits(0);
        let told = last();
        assert!(told >= kept + 3);
        assert!(postrider.shell("rm -r data && mv kept data").code == Some(0));
        let ran = postrider.run(&["events", "--after", &told.to_string()]).exits(2);
        assert!(ran.stderr.contains(&format!("the feed ends at {kept}")), "{}", ran.stderr);

        let served = postrider.serve_with(&["serve", "--adopt"], &[]);
        served.settle(&postrider, "u", &mailbox);
        let (status, events) = served.ask("GET", &format!("/v1/events?after={told}"));
        let first = events["items"][0]["seq"].as_i64().unwrap();
        assert!(status == 200 && first > told, "{events}");
        served.stop();
        assert_eq!(ask(&database, "SELECT count(*) - count(DISTINCT seq) AS x FROM event"), "0");
    })
    .await;
}

/// Who was killed could say nothing: the next start does.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_did_not_end_cleanly_is_told_of() {
    let mailbox = seed::mailbox(69, 10);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let said = |ran: &str| ran.contains("did not end cleanly");
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        served.running.signal("KILL");
        drop(served);
        assert!(said(&postrider.sync().exits(0).stderr));
        assert!(!said(&postrider.sync().exits(0).stderr), "that one ended by itself");
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        assert!(!said(&served.stop()));
    })
    .await;
}

/// Behind a leap numbers of messages are larger than any UID: what is told by them is read all the same. So is an
/// account's, where the database had none: what was told is not another's.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_beyond_those_of_uids_are_read() {
    let mailbox = postrider_feedd::seed::mailbox(7, 20);
    let server = postrider_feedd::GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        let id = "SELECT id AS x FROM account";
        let before: i64 = ask(&postrider.database(), id).parse().unwrap();
        // The database is lost, the folder is not.
        for name in ["postrider.db", "postrider.db-wal", "postrider.db-shm"] {
            drop(std::fs::remove_file(postrider.path("data").join(name)));
        }
        postrider.run(&["sync", "--once", "--adopt"]).exits(0);
        let least = "SELECT min(id) AS x FROM message";
        assert!(ask(&postrider.database(), least).parse::<i64>().unwrap() > 1 << 32);
        let now: i64 = ask(&postrider.database(), id).parse().unwrap();
        assert!(now > before + (1 << 32), "{now}, and it was {before}");
        let name = postrider.run(&["status", "--json"]).exits(0).stdout;
        let name = name.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert!(postrider.run(&["export", &name]).exits(0).stdout.lines().count() >= 20);
        postrider.run(&["verify", &name, "--offline"]).exits(0);
        postrider.run(&["verify", &name]).exits(0);
    })
    .await;
}
