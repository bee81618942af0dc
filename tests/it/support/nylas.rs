//! Mailboxes that were granted to an application of Nylas's, and accounts that follow them.

use crate::support::binary::{Postrider, SHORT};
use crate::support::check::consistent;
use crate::support::database::change;
use postrider_feedd::{NylasApplication, NylasBox, NylasServer, Play, Question};

/// The application's key.
pub(crate) const KEY: &str = "nyk-good";

/// What a server does that does nothing wrong.
pub(crate) fn well(_: &Question) -> Option<Play> {
    None
}

/// A server of an application with this mailbox alone.
pub(crate) async fn serves(
    mailbox: &NylasBox,
    script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
) -> NylasServer {
    NylasServer::start(&NylasApplication::new(KEY, &[mailbox]), script).await.unwrap()
}

/// The application, which may ask as much as it likes.
pub(crate) fn application(url: &str) -> String {
    format!(
        "[nylas.main]\napi_key_file = \"nylas\"\napi_url = \"{url}\"\nrequests_per_second = 1000000\n"
    )
}

/// An account of it.
pub(crate) fn granted(id: &str, grant: &str, username: &str) -> String {
    format!(
        "[[account]]\nid = \"{id}\"\nprovider = \"nylas\"\napplication = \"main\"\ngrant_id = \"{grant}\"\nusername = \"{username}\"\n"
    )
}

/// A folder whose config follows these accounts, behind this head.
pub(crate) fn follower(head: &str, server: &NylasServer, accounts: &str) -> Postrider {
    let postrider = Postrider::new(&format!("{head}{}{accounts}", application(&server.url())));
    std::fs::write(postrider.path("nylas"), format!("{KEY}\n")).unwrap();
    postrider
}

/// One that syncs once, with short waits.
pub(crate) fn short(server: &NylasServer) -> Postrider {
    follower(SHORT, server, &granted("u", "grant-1", "demo@example.com"))
}

/// The daily list is due.
pub(crate) fn a_day_later(postrider: &Postrider) {
    let database = postrider.database();
    change(&database, "UPDATE account SET listed_at = 0");
    change(&database, "UPDATE account SET feed = json_set(feed, '$.state.placed_at', 0)");
}

/// Compares what is held with the mailbox: places, bytes, flags.
pub(crate) fn mirrors(postrider: &Postrider, mailbox: &NylasBox) {
    let (got, want) = (postrider.manifest("u"), mailbox.manifest());
    if got != want {
        let missing: Vec<&String> = want.iter().filter(|l| !got.contains(l)).take(3).collect();
        let extra: Vec<&String> = got.iter().filter(|l| !want.contains(l)).take(3).collect();
        panic!("missing {missing:?}, extra {extra:?}");
    }
    consistent(&postrider.database());
}
