//! Accounts whose commits share a transaction cost each other nothing.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{ask, change, equal};
use crate::support::mail::{Mailbox, blocking, note, serve};

/// Mailboxes of 30 folders with ten mails each; the schema is there, and nothing of the mail.
async fn two_mailboxes(work: impl FnOnce(&Postrider, &Mailbox, &Mailbox) + Send + 'static) {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    let server = serve(&[("u", &u), ("v", &v)], |_, _| None).await;
    let accounts = ["u", "v"].map(|id| account(id, server.port(), "pw")).concat();
    let postrider = Postrider::new(&format!("{SHORT}{accounts}"));
    blocking(move || {
        postrider.sync().exits(0);
        for mailbox in [&u, &v] {
            for folder in 0..30 {
                mailbox.create(&format!("f{folder}"), "");
                for n in 0..10 {
                    mailbox.append(&format!("f{folder}"), note(&format!("n{}", folder * 10 + n)));
                }
            }
        }
        work(&postrider, &u, &v);
    })
    .await;
}

/// One message of u is refused by a trigger, the text given; nothing else is, and it comes once the
/// trigger is gone.
async fn refused(trigger: &'static str) {
    two_mailboxes(move |postrider, u, v| {
        let database = postrider.database();
        change(&database, trigger);
        postrider.sync().exits(3);
        equal(postrider, "v", v);
        assert_eq!(postrider.manifest("u").len(), 299);
        change(&database, "DROP TRIGGER poison");
        change(&database, "UPDATE failure SET next_try_at = 0");
        postrider.sync().exits(0);
        equal(postrider, "u", u);
        let told = "SELECT count(*) || ' ' || count(DISTINCT message) AS x FROM event WHERE kind = 'message.created'";
        assert_eq!(ask(&database, told), "600 600", "nothing is told twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_costs_no_other_account() {
    refused(
        "CREATE TRIGGER poison BEFORE INSERT ON message \
         WHEN NEW.subject = 'n117' AND NEW.account = (SELECT id FROM account WHERE name = 'u') \
         BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END",
    )
    .await;
}

/// Events are what is written last of a page.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_costs_no_other_account() {
    refused(
        "CREATE TRIGGER poison BEFORE INSERT ON event \
         WHEN NEW.account = (SELECT id FROM account WHERE name = 'u') \
         AND (SELECT subject FROM message WHERE id = NEW.message) = 'n117' \
         BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_costs_no_other_account() {
    two_mailboxes(|postrider, u, v| {
        let database = postrider.database();
        change(
            &database,
            "CREATE TRIGGER damage AFTER INSERT ON message \
             WHEN NEW.subject = 'n117' AND NEW.account = (SELECT id FROM account WHERE name = 'u') \
             BEGIN UPDATE account SET identity_kind = 'nonsense' WHERE id = NEW.account; END",
        );
        let run = postrider.sync().exits(70);
        assert!(!run.stderr.contains("could not commit"), "{}", run.stderr);
        equal(postrider, "v", v);
        change(&database, "DROP TRIGGER damage");
        change(
            &database,
            "UPDATE account SET identity_kind = (SELECT identity_kind FROM account WHERE name = 'v')",
        );
        postrider.sync().exits(0);
        equal(postrider, "u", u);
    })
    .await;
}
