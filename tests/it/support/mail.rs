//! Scripted servers for tests.

use postrider_imapd::{Misbehaviour, Server, User};
use std::collections::BTreeMap;

pub(crate) use postrider_imapd::{Mail, Mailbox, seed};

/// A server for `users`, their password `pw`.
pub(crate) async fn serve(
    users: &[(&str, &Mailbox)],
    script: impl Fn(&str, &str) -> Option<Misbehaviour> + Send + Sync + 'static,
) -> Server {
    let user = |mailbox: &Mailbox| User { password: "pw".into(), mailbox: mailbox.clone() };
    let users: BTreeMap<String, User> =
        users.iter().map(|(name, mailbox)| ((*name).to_owned(), user(mailbox))).collect();
    Server::start(users, script).await.unwrap()
}

/// A server that behaves.
pub(crate) async fn serve_well(name: &str, mailbox: &Mailbox) -> Server {
    serve(&[(name, mailbox)], |_, _| None).await
}

/// Runs blocking work from an async test.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A short message.
pub(crate) fn note(subject: &str) -> Mail {
    Mail::new(format!(
        "From: a@example.org\r\nSubject: {subject}\r\nDate: Thu, 1 Feb 2024 10:00:00 +0000\r\n\r\n{subject}\r\n"
    ))
}
