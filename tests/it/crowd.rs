//! Many mailboxes at once: what they need together does not grow with their number.

use crate::support::binary::{Postrider, account};
use crate::support::check::consistent;
use crate::support::database::ask;
use crate::support::mail::{Mail, Mailbox, blocking, note, serve};
use crate::support::served::{head, wait_within};
use postrider_imapd::Misbehaviour;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MAILBOXES: usize = 200;
/// Mails of each, and the length of the longest.
const MAILS: usize = 40;
const LONG: usize = 300_000;
/// Pages that are read at once, as `limits.inflight_bytes` has it unless written.
const PAGES: usize = 16;

/// All mailboxes have brought mail and are still at work: who is not asked for mail holds no pack and
/// no thread.
#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_holds_nothing() {
    let names: Vec<String> = (0..MAILBOXES).map(|n| format!("u{n:03}")).collect();
    let mailboxes: Vec<Mailbox> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let mailbox = Mailbox::new();
            mailbox.create("Later", "");
            for mail in 1..MAILS {
                mailbox.append("INBOX", note(&format!("{name} {mail}")));
            }
            let long = format!("Subject: {name}\r\n\r\n{}", "x".repeat(LONG + n));
            mailbox.append("INBOX", Mail::new(long));
            mailbox
        })
        .collect();
    let users: Vec<(&str, &Mailbox)> = names.iter().map(String::as_str).zip(&mailboxes).collect();
    // Each waits at this folder's door, its mail read.
    let waiting = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&waiting);
    let server = serve(&users, move |_, command| {
        let is_later = command.contains("EXAMINE") && command.contains("Later");
        is_later.then(|| {
            seen.fetch_add(1, Ordering::SeqCst);
            Misbehaviour::Delay(Duration::from_secs(3))
        })
    })
    .await;
    let mut config = head()
        .replace("command = \"5s\"", "command = \"60s\"")
        .replace("silence = \"500ms\"", "silence = \"30s\"");
    config =
        config.replace("[limits]", &format!("[limits]\nsessions_per_endpoint = {}", 2 * MAILBOXES));
    config.extend(names.iter().map(|name| account(name, server.port(), "pw")));
    let postrider = Postrider::new(&config);
    blocking(move || {
        let served = postrider.serve(&[]);
        let mut threads = 0_u64;
        let sql = "SELECT count(*) AS x FROM message";
        let all = (MAILBOXES * MAILS).to_string();
        wait_within(Duration::from_secs(120), "all mail", || {
            threads = threads.max(served.status("Threads:"));
            ask(&postrider.database(), sql) == all && waiting.load(Ordering::SeqCst) >= MAILBOXES
        });
        let packs = std::fs::read_dir(postrider.path("data/bodies")).unwrap().count();
        assert!(packs <= 3 * PAGES, "{packs} packs");
        assert!(threads <= 6 * PAGES as u64 + 24, "{threads} threads");
        let peak = served.status("VmHWM:") / 1024;
        assert!(peak < 256, "{peak} MiB");
        served.stop();
        consistent(&postrider.database());
    })
    .await;
}
