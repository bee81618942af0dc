//! What counters alone prove: a folder that did not change is not opened, one that did is.

use crate::dovecot::{client, fill, truth};
use crate::support::binary::{Postrider, SHORT};
use crate::support::check::{change, consistent, state};
use crate::support::dovecot::Dovecot;
use crate::support::mail::blocking;
use futures::TryStreamExt;

fn follower(server: &Dovecot) -> Postrider {
    Postrider::new(&format!(
        "{SHORT}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.port
    ))
}

/// Syncs once; returns the folders that were opened, and the commands between login and logout.
fn opened(postrider: &Postrider) -> (Vec<String>, usize) {
    let wire = postrider.path("wire");
    std::fs::remove_file(&wire).ok();
    postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
    let text = std::fs::read_to_string(wire).unwrap();
    let about_folders = |line: &&str| {
        [" EXAMINE ", " LIST ", " FETCH ", " STATUS "].iter().any(|word| line.contains(word))
    };
    let names = text
        .lines()
        .filter_map(|line| line.split_once(" EXAMINE "))
        .map(|(_, name)| name.trim().trim_end_matches(" (CONDSTORE)").trim_matches('"').to_owned());
    (names.collect(), text.lines().filter(about_folders).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_did_not_change_are_not_opened() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 80).await;
    let want = truth(&mut other).await;
    let postrider = follower(&server);
    let postrider = blocking(move || {
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u"), want);
        let before = state(&postrider.database());
        assert_eq!(opened(&postrider), (Vec::new(), 1), "one LIST proves them all");
        assert_eq!(state(&postrider.database()), before);
        postrider
    })
    .await;

    // A flag, a mail that comes, one that goes: the folder of each is opened, and no other.
    for what in ["flag", "append", "expunge"] {
        other.select("Archive").await.unwrap();
        match what {
            "flag" => {
                let stored = other.store("2", "+FLAGS (\\Flagged)").await.unwrap();
                let _: Vec<_> = stored.try_collect().await.unwrap();
            }
            "append" => {
                other.append("Archive", None, None, b"Subject: n\r\n\r\nn\r\n").await.unwrap();
            }
            _ => {
                let stored = other.store("1", "+FLAGS (\\Deleted)").await.unwrap();
                let _: Vec<_> = stored.try_collect().await.unwrap();
                let _: Vec<_> = other.expunge().await.unwrap().try_collect().await.unwrap();
            }
        }
        other.close().await.unwrap();
        let want = truth(&mut other).await;
        let postrider = &postrider;
        let (opened, got) =
            tokio::task::block_in_place(|| (opened(postrider).0, postrider.manifest("u")));
        assert!(
            opened.iter().all(|name| name == "Archive") && !opened.is_empty(),
            "{what}: {opened:?}"
        );
        assert_eq!(got, want, "{what}");
    }

    // Nothing is believed for longer than a day.
    blocking(move || {
        postrider.sync().exits(0);
        assert!(opened(&postrider).0.is_empty());
        let sql = "UPDATE cursor SET state = json_set(state, '$.state.flags.listed_at', 0) WHERE lane = 'live'";
        change(&postrider.database(), sql);
        let mut names = opened(&postrider).0;
        names.sort();
        names.dedup();
        assert!(names.len() >= 4, "{names:?}");
        assert!(opened(&postrider).0.is_empty());
        consistent(&postrider.database());
    })
    .await;
    other.logout().await.unwrap();
}
