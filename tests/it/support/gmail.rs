//! A mailbox of Gmail's API, and an account that follows it.

use crate::support::binary::{Postrider, SHORT};
use crate::support::check::consistent;
use postrider_feedd::{GmailBox, GmailServer, Play, Question};

/// What a server does that does nothing wrong.
pub(crate) fn well(_: &Question) -> Option<Play> {
    None
}

/// An account there, which may ask as much as it likes.
pub(crate) fn gmail_account(url: &str) -> String {
    format!(
        "[[account]]\nid = \"u\"\nprovider = \"gmail\"\napi_url = \"{url}\"\nusername = \"demo@example.com\"\naccess_token_file = \"token\"\n\
         quota = {{ per_minute = 1000000000, shared_per_minute = 1000000000, per_day = \"none\" }}\n"
    )
}

/// A folder whose config follows a server, behind this head.
pub(crate) fn follower(head: &str, server: &GmailServer, more: &str) -> Postrider {
    let postrider = Postrider::new(&format!("{head}{}{more}", gmail_account(&server.url())));
    std::fs::write(postrider.path("token"), "good\n").unwrap();
    postrider
}

/// One that syncs once, with short waits.
pub(crate) fn short(server: &GmailServer) -> Postrider {
    follower(SHORT, server, "")
}

/// Compares what is held with the mailbox: places, bytes, flags.
pub(crate) fn mirrors(postrider: &Postrider, mailbox: &GmailBox, wants: impl Fn(&str) -> bool) {
    let (got, want) = (postrider.manifest("u"), mailbox.manifest(wants));
    let missing: Vec<&String> = want.iter().filter(|l| !got.contains(l)).take(3).collect();
    let extra: Vec<&String> = got.iter().filter(|l| !want.contains(l)).take(3).collect();
    assert_eq!(got, want, "missing {missing:?}, extra {extra:?}");
    consistent(&postrider.database());
}

/// What was asked of messages: bytes, states.
pub(crate) fn gets(asked: &[Question]) -> (usize, usize) {
    let raw = asked.iter().filter(|q| q.raw().is_some()).count();
    (raw, asked.iter().filter(|q| q.minimal().is_some()).count())
}
