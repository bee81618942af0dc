//! So many runs at a time, the best first; history leaves for who is better.

use crate::support::binary::{Postrider, account};
use crate::support::check::{consistent, equal};
use crate::support::database::ask;
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_imapd::{Misbehaviour, Server};
use std::time::Duration;

/// Mails of an account that is imported: more than are wanted first of each folder.
const MANY: usize = 6000;

fn mailbox(mails: usize) -> Mailbox {
    let mailbox = Mailbox::new();
    for n in 0..mails {
        mailbox.append("INBOX", note(&format!("mail {n}")));
    }
    mailbox
}

/// Accounts by what they say they do: at work, and waiting for their turn.
fn at_work(served: &Served) -> (usize, usize) {
    let accounts = served.get("/v1/accounts");
    let all = accounts["items"].as_array().unwrap();
    let work = all.iter().filter(|a| a["state"] == "running" && a["reason"] == "").count();
    (work, all.iter().filter(|a| a["reason"] == "waits for its turn").count())
}

fn stored(postrider: &Postrider, account: &str) -> usize {
    let sql = format!(
        "SELECT count(*) AS x FROM message m JOIN account a ON a.id = m.account WHERE a.name = '{account}'"
    );
    ask(&postrider.database(), &sql).parse().unwrap()
}

/// A server of these accounts; mail of `slow` takes its time.
async fn begun(boxes: &[(&'static str, Mailbox)], slow: &'static [&'static str]) -> Server {
    let users: Vec<(&str, &Mailbox)> = boxes.iter().map(|(name, mails)| (*name, mails)).collect();
    serve(&users, |user, asked| {
        let is_slow = slow.contains(&user) && asked.contains("BODY");
        is_slow.then(|| Misbehaviour::Delay(Duration::from_millis(500)))
    })
    .await
}

/// So many of them work at a time, and of each ten mails come before history.
fn config(server: &Server, boxes: &[(&'static str, Mailbox)], runs: usize) -> String {
    let accounts: String = boxes.iter().map(|(id, _)| account(id, server.port(), "pw")).collect();
    head()
        .replace("[limits]\n", &format!("[limits]\nruns = {runs}\n"))
        .replace("500ms", "5s")
        .replace("[sync]\n", "[sync]\nrecent_messages = 10\n")
        + &accounts
}

/// Two accounts are imported; whoever has news is served meanwhile, and no more work than there are slots.
async fn imports(runs: usize) {
    let boxes = [("c", mailbox(3)), ("d", mailbox(3)), ("a", mailbox(MANY)), ("b", mailbox(MANY))];
    let server = begun(&boxes, &["a", "b"]).await;
    let postrider = Postrider::new(&config(&server, &boxes[..2], runs));
    let all = config(&server, &boxes, runs);
    blocking(move || {
        let served = postrider.serve(&[]);
        for id in ["c", "d"] {
            served.wait_for_state(id, "idle");
        }
        std::fs::write(postrider.path("config.toml"), all).unwrap();
        let imported = || stored(&postrider, "a") + stored(&postrider, "b");
        let (mut told, mut waited) = (0, false);
        while imported() < 2 * MANY {
            let (work, wait) = at_work(&served);
            assert!(work <= runs, "{work} of {runs} work");
            waited |= wait > 0;
            if told < 5 && imported() > 1500 * (told + 1) {
                // It is there long before the history is.
                let (id, mails) = &boxes[told % 2];
                mails.append("INBOX", note(&format!("news {told}")));
                let want = mails.all().len();
                wait_until("the news", || stored(&postrider, id) == want);
                told += 1;
            }
        }
        assert!(told > 2, "news came while history was read: {told}");
        assert!(waited, "somebody has waited for a turn");
        for (id, mails) in &boxes {
            served.wait_for_state(id, "idle");
            wait_until("all of it", || stored(&postrider, id) == mails.all().len());
        }
        served.stop();
        for (id, mails) in &boxes {
            equal(&postrider, id, mails);
        }
        consistent(&postrider.database());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_leaves_the_only_slot_for_who_has_news() {
    imports(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_of_two_is_not_for_history() {
    imports(2).await;
}

/// Who runs once reads all of it, whoever waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_the_only_one_leaves_nothing() {
    let boxes = [("a", mailbox(MANY / 2)), ("b", mailbox(MANY / 2))];
    let server = begun(&boxes, &["a", "b"]).await;
    let postrider = Postrider::new(&config(&server, &boxes, 1));
    blocking(move || {
        postrider.sync().exits(0);
        for (id, mails) in &boxes {
            equal(&postrider, id, mails);
        }
    })
    .await;
}
