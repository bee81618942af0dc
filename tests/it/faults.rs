//! Actors that die or hang while a server runs: the tree starts them again, every account goes on,
//! nobody else is touched.

use crate::support::binary::{Postrider, account};
use crate::support::check::{consistent, equal};
use crate::support::database::ask;
use crate::support::gmail::{gmail_account, well};
use crate::support::mail::{Mailbox, blocking, note, seed, serve};
use crate::support::served::{Served, head, until, wait_until, wait_within};
use postrider_feedd::GmailServer;
use postrider_imapd::{Misbehaviour, Server};
use std::time::Duration;

/// After a death every account commits again within this.
const AGAIN: Duration = Duration::from_secs(10);

/// Mail for every account is committed within ten seconds.
fn all_commit(postrider: &Postrider, served: &Served, boxes: &[(&str, Mailbox)], word: &str) {
    for (name, mailbox) in boxes {
        mailbox
            .append("INBOX", note(&format!("{word}-{name}")).dated("01-Feb-2031 10:00:00 +0000"));
    }
    for (name, _) in boxes {
        let sql = format!("SELECT count(*) AS x FROM message WHERE subject = '{word}-{name}'");
        let took = until(&postrider.database(), &sql, "1");
        assert!(took < AGAIN, "{name} committed after {took:?}\n{}", served.running.stderr());
    }
}

async fn two() -> (Server, [(&'static str, Mailbox); 2], Postrider) {
    let boxes = [("a", seed::mailbox(71, 60)), ("b", seed::mailbox(72, 40))];
    let server = serve(&[("a", &boxes[0].1), ("b", &boxes[1].1)], |_, _| None).await;
    let config = format!(
        "{}{}{}",
        head(),
        account("a", server.port(), "pw"),
        account("b", server.port(), "pw")
    );
    (server, boxes, Postrider::new(&config))
}

/// A panic at its first passing, and one later, when the accounts are followed.
async fn dies(kind: &'static str, path: &'static str, passings: [u32; 2]) {
    for nth in passings {
        let (server, boxes, postrider) = two().await;
        blocking(move || {
            let served = postrider.serve(&[("POSTRIDER_FAULT", &format!("panic.{kind}:{nth}"))]);
            for (name, mailbox) in &boxes {
                served.settle(&postrider, name, mailbox);
            }
            for round in 0..4 {
                all_commit(&postrider, &served, &boxes, &format!("round{round}"));
            }
            wait_until("the fault", || {
                served.running.stderr().contains(&format!("scripted fault panic.{kind}"))
            });
            all_commit(&postrider, &served, &boxes, "after");
            let path = path.replace("PORT", &server.port().to_string());
            if !path.is_empty() {
                let actor =
                    || served.actor(&path).unwrap_or_else(|| panic!("{path} is not in the tree"));
                // What the panic left behind may still answer before its supervisor has counted.
                wait_until("the restart", || actor()["restarts"] != 0);
                let actor = actor();
                assert_eq!(actor["restarts"], 1, "{actor}");
                assert_eq!(actor["last_failure"]["class"], "bug", "{actor}");
                assert!(
                    actor["last_failure"]["reach"].is_string() && actor["state"] != "down",
                    "{actor}"
                );
                let metric =
                    format!("postrider_actor_restarts_total{{kind=\"{kind}\",class=\"bug\"}}");
                assert!(served.metric(&metric) > 0.9, "{metric}");
            }
            served.stop();
            for (name, mailbox) in &boxes {
                equal(&postrider, name, mailbox);
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store() {
    dies("store", "root/store", [1, 12]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint() {
    dies("endpoint", "root/endpoints/imap 127.0.0.1:PORT", [1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session() {
    dies("session", "", [1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account() {
    dies("account", "", [1, 40]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api() {
    dies("admin", "root/admin", [1, 1]).await;
}

/// The supervisor of the accounts: each begins again as it stood, and who was paused stays so.
#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_supervisor() {
    let (_server, boxes, postrider) = two().await;
    blocking(move || {
        let served = postrider.serve(&[("POSTRIDER_FAULT", "panic.accounts:2")]);
        for (name, mailbox) in &boxes {
            served.settle(&postrider, name, mailbox);
        }
        postrider.run(&["pause", "a"]).exits(0);
        let died = postrider.run(&["sync-now", "b"]);
        assert_ne!(died.code, Some(0), "nobody is left to obey: {died:?}");
        let restarts = || served.actor("root/accounts").unwrap()["restarts"].clone();
        wait_until("the restart", || restarts() == 1);
        boxes[0].1.append("INBOX", note("unseen").dated("01-Feb-2031 10:00:00 +0000"));
        all_commit(&postrider, &served, &boxes[1..], "after");
        assert_eq!(served.state("a"), "paused");
        assert_eq!(
            ask(
                &postrider.database(),
                "SELECT count(*) AS x FROM message WHERE subject = 'unseen'"
            ),
            "0"
        );
        let cancelled = served.metric("postrider_runs_total{outcome=\"cancelled\"}");
        assert!(cancelled < 0.5, "it did not even begin");
        postrider.run(&["resume", "a"]).exits(0);
        served.settle(&postrider, "a", &boxes[0].1);
        served.stop();
        for (name, mailbox) in &boxes {
            equal(&postrider, name, mailbox);
        }
    })
    .await;
}

/// However often sessions die, no lease is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_die_a_thousand_times_and_none_is_leaked() {
    let (server, boxes, postrider) = two().await;
    blocking(move || {
        // The first ones die; logins are not paced here, and waits are short.
        let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
        std::fs::write(
            postrider.path("config.toml"),
            config.replace("first_wait = \"20ms\"", "first_wait = \"1ms\""),
        )
        .unwrap();
        let served = postrider.serve(&[("POSTRIDER_FAULT", "panic.session:1-1000")]);
        let path = format!("root/endpoints/imap 127.0.0.1:{}", server.port());
        let deaths = || served.running.stderr().matches("scripted fault panic.session").count();
        // A run gives up after its tries: whoever is asked tries again.
        wait_within(Duration::from_secs(180), "a thousand deaths", || {
            for (name, _) in &boxes {
                served.ask("POST", &format!("/v1/accounts/{name}/sync-now"));
            }
            deaths() >= 1000
        });
        for (name, mailbox) in &boxes {
            served.ask("POST", &format!("/v1/accounts/{name}/reset-errors"));
            served.settle(&postrider, name, mailbox);
        }
        for (name, _) in &boxes {
            postrider.run(&["pause", name]).exits(0);
        }
        wait_until("every session's end", || served.actor(&path).unwrap()["in_flight"] == 0);
        let tree = served.get("/v1/actors");
        assert!(
            !tree["items"].as_array().unwrap().iter().any(|a| a["kind"] == "session"),
            "{tree}"
        );
        served.stop();
        consistent(&postrider.database());
    })
    .await;
}

/// A session that hangs inside this process is killed alone, when its deadlines have all passed.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_hangs_is_killed_alone() {
    let (_server, boxes, postrider) = two().await;
    let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
    let short = config
        .replace("connect = \"2s\"", "connect = \"100ms\"")
        .replace("greeting = \"2s\"", "greeting = \"200ms\"")
        .replace("login = \"2s\"", "login = \"500ms\"")
        .replace("command = \"5s\"", "command = \"1s\"");
    std::fs::write(postrider.path("config.toml"), short).unwrap();
    blocking(move || {
        let served = postrider.serve(&[("POSTRIDER_FAULT", "hang.session:1")]);
        wait_until("the hang", || served.running.stderr().contains("scripted fault hang.session"));
        // One of them hangs; the other is followed meanwhile.
        wait_until("the other", || boxes.iter().any(|(name, _)| served.state(name) == "idle"));
        wait_until("the kill", || {
            served.running.stderr().contains("a session hangs and is killed")
        });
        for (name, mailbox) in &boxes {
            served.settle(&postrider, name, mailbox);
        }
        assert_eq!(served.running.stderr().matches("a session hangs and is killed").count(), 1);
        served.stop();
    })
    .await;
}

/// An answer that is lost inside this process: the run that would wait for it for ever ends as a bug and begins anew
/// from what is stored. The other account hears nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_an_answer_that_was_lost_begins_anew() {
    let (_server, boxes, postrider) = two().await;
    blocking(move || {
        // The first questions of both, one of the pages.
        for lost in ["lose.answer:1", "lose.answer:2"] {
            let served = postrider.serve(&[("POSTRIDER_FAULT", lost)]);
            for (name, mailbox) in &boxes {
                mailbox.append("INBOX", note(lost));
                served.settle(&postrider, name, mailbox);
            }
            let told = served.running.stderr();
            assert_eq!(told.matches("an answer that never came").count(), 1, "{told}");
            let restarts = "postrider_actor_restarts_total{kind=\"account\",class=\"bug\"}";
            assert!((served.metric(restarts) - 1.0).abs() < 0.1);
            served.stop();
        }
    })
    .await;
}

/// Waits for units and for servers that are slow are no silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_units_is_not_stuck() {
    let mailbox = postrider_feedd::seed::mailbox(43, 40);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    let few = "quota = { per_minute = 400, shared_per_minute = 400, per_day = \"none\" }";
    let many =
        "quota = { per_minute = 1000000000, shared_per_minute = 1000000000, per_day = \"none\" }";
    let config = format!("{}{}", head(), gmail_account(&server.url()));
    assert!(config.contains(many));
    let postrider = Postrider::new(&config.replace(many, few));
    std::fs::write(postrider.path("token"), "good\n").unwrap();
    blocking(move || {
        // None is lost, and a run is looked at as where one is.
        let served = postrider.serve(&[("POSTRIDER_FAULT", "lose.answer:1000000")]);
        wait_until("the first mails", || {
            ask(
                &postrider.database(),
                "SELECT CASE WHEN count(*) > 0 THEN 'some' ELSE 'none' END AS x FROM message",
            ) == "some"
        });
        let longer = std::time::Instant::now() + Duration::from_secs(6);
        while std::time::Instant::now() < longer {
            assert!(!served.running.stderr().contains("never came"), "{}", served.running.stderr());
            wait_until("a look", || served.state("u") != "failed");
        }
        served.stop();
        drop(server);
    })
    .await;
}

/// A server that nobody can reach is waited for by one prober; its accounts' runs do not fail.
#[tokio::test(flavor = "multi_thread")]
async fn one_prober_waits_for_a_server_that_is_down() {
    let (server, boxes, postrider) = two().await;
    blocking(move || {
        server.freeze(true);
        let served = postrider.serve(&[]);
        for (name, _) in &boxes {
            served.wait_for_state(name, "waiting");
        }
        let path = format!("root/endpoints/imap 127.0.0.1:{}", server.port());
        wait_until("the prober", || {
            let endpoint = served.actor(&path).unwrap();
            endpoint["state"] == "down"
                && endpoint["next_step"] == "probe"
                && endpoint["next_at"].is_string()
        });
        assert!(served.account("a")["next_attempt_at"].is_string());
        server.freeze(false);
        for (name, mailbox) in &boxes {
            served.settle(&postrider, name, mailbox);
        }
        let failed = served.get("/v1/runs");
        assert!(
            !failed["items"].as_array().unwrap().iter().any(|run| run["outcome"] == "failed"),
            "{failed}"
        );
        served.stop();
    })
    .await;
}

/// Many of a host's accounts are refused at once, though they have logged in before: that is the
/// host's fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_refusals_flags_nobody() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let names = ["a", "b", "c", "d", "e", "f"];
    let boxes: Vec<(&str, Mailbox)> =
        names.iter().map(|name| (*name, seed::mailbox(73, 8))).collect();
    let users: Vec<(&str, &Mailbox)> =
        boxes.iter().map(|(name, mailbox)| (*name, mailbox)).collect();
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = serve(&users, move |_, command| {
        let login = command.starts_with("AUTHENTICATE") && switch.load(Ordering::SeqCst);
        login
            .then(|| Misbehaviour::Refuse("NO [AUTHENTICATIONFAILED] the directory is down".into()))
    })
    .await;
    let accounts: String = names.iter().map(|name| account(name, server.port(), "pw")).collect();
    let postrider = Postrider::new(&format!("{}{accounts}", head()));
    blocking(move || {
        let served = postrider.serve(&[]);
        for (name, mailbox) in &boxes {
            served.settle(&postrider, name, mailbox);
        }
        served.stop();
        broken.store(true, Ordering::SeqCst);
        let served = postrider.serve(&[]);
        let path = format!("root/endpoints/imap 127.0.0.1:{}", server.port());
        wait_until("the host's fault", || {
            let endpoint = served.actor(&path).unwrap();
            endpoint["state"] == "down" && endpoint["last_failure"]["class"] == "provider"
        });
        wait_until("waiting", || names.iter().all(|name| served.state(name) == "waiting"));
        assert!(names.iter().all(|name| served.state(name) != "needs_reauth"));
        served.stop();
    })
    .await;
}
