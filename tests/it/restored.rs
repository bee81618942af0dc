//! What was put back from a backup: bodies that are older than the database, a database that is older than
//! what it has told.

use crate::support::binary::{Postrider, account};
use crate::support::mail::{blocking, seed, serve_well};
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
    })
    .await;
}
