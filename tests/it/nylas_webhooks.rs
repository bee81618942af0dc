//! The webhook of an application at Nylas: made with its first account, removed with its last, and believed when its secret is
//! written down.

use crate::grants::{ENV, KEY};
use crate::support::binary::Postrider;
use crate::support::database::{ask, locked};
use crate::support::mail::blocking;
use crate::support::nylas::{KEY as API_KEY, application, granted};
use crate::support::nylas_push::{about, rests, send, signature};
use crate::support::ports::free_port;
use crate::support::served::{Served, head, request, wait_until};
use postrider_feedd::nylas::seed;
use postrider_feedd::{NylasApplication, NylasBox, NylasServer, Play, Question};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An application, who answers for it, and whoever is told.
struct Asked {
    application: NylasApplication,
    server: NylasServer,
    postrider: Postrider,
    at: String,
}

async fn asked(
    mailboxes: &[&NylasBox],
    script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
) -> Asked {
    let named = NylasApplication::new(API_KEY, mailboxes);
    let server = NylasServer::start(&named, script).await.unwrap();
    let at = format!("127.0.0.1:{}", free_port());
    let seldom = head().replace("[sync]\n", "[sync]\nmode = \"conservative\"\n");
    let text = format!(
        "{seldom}[webhooks]\nlisten = \"{at}\"\npublic_url = \"http://{at}/\"\n[credentials]\nkey_env = \"KEY\"\n{}{}",
        application(&server.url()),
        granted("u", "grant-1", "demo@example.com")
    );
    let postrider = Postrider::new(&text);
    fs::write(postrider.path("nylas"), format!("{API_KEY}\n")).unwrap();
    Asked { application: named, server, postrider, at }
}

impl Served {
    /// What its provider was asked to push.
    fn webhook(&self) -> Value {
        self.get("/v1/inbound")["sources"][0]["subscriptions"][0].clone()
    }

    /// It is made, and written down.
    fn is_told(&self, asked: &Asked, id: &str) {
        wait_until("it is made", || {
            let all = asked.application.webhooks();
            all.len() == 1 && all[0].id == id
        });
        wait_until("it is written down", || asked.stored("remote_id") == id);
        assert_eq!(self.webhook()["id"], id);
    }
}

impl Asked {
    fn stored(&self, what: &str) -> String {
        let sql = format!("SELECT {what} AS x FROM subscription WHERE source = 'nylas/main'");
        ask(&self.postrider.database(), &sql)
    }

    /// Sends what its first webhook would.
    fn hook(&self, octets: &[u8]) -> u16 {
        let secret = self.application.webhooks()[0].secret.clone();
        send(&self.at, octets, &signature(&secret, octets), "")
    }

    /// How often one was made.
    fn made(&self) -> usize {
        let asked = self.server.asked();
        asked.iter().filter(|it| it.method == "POST" && it.path == "webhooks").count()
    }
}

/// It is made once, whatever restarts; what it signs with is written nowhere in clear.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_with_the_first_account_and_kept() {
    let mailbox = seed::mailbox(41, 5, "microsoft");
    let asked = asked(&[&mailbox], |_| None).await;
    blocking(move || {
        let served = asked.postrider.serve(&ENV);
        served.is_told(&asked, "hook-0");
        rests(&served);
        let seen = served.webhook();
        assert_eq!((&seen["state"], &seen["account"]), (&json!("active"), &Value::Null), "{seen}");
        assert_eq!(seen["to"], format!("http://{}/nylas/main", asked.at));
        let hook = asked.application.webhooks()[0].clone();
        assert_eq!(hook.url, format!("http://{}/nylas/main", asked.at));
        for trigger in ["message.created", "message.deleted", "folder.updated", "grant.expired"] {
            assert!(hook.triggers.iter().any(|it| it == trigger), "{trigger}: {hook:?}");
        }
        let new = mailbox.insert("Subject: new\r\n\r\nx\r\n".to_owned(), &["INBOX"], 1_700_000_000);
        let octets = about("e1", "message.created", &new);
        assert_eq!(send(&asked.at, &octets, &signature("another secret", &octets), ""), 401);
        assert_eq!(asked.hook(&octets), 200);
        wait_until("it is a row", || {
            let sql = "SELECT count(*) AS x FROM message WHERE subject = 'new'";
            ask(&asked.postrider.database(), sql) == "1"
        });
        assert!(asked.stored("secret").len() > 40 && !asked.stored("secret").contains("hook"));
        assert_eq!(asked.made(), 1);
        let mut said = served.stop();

        // The next process believes at once, and makes none.
        let _ = asked.server.asked();
        let served = asked.postrider.serve(&ENV);
        wait_until("it believes", || asked.hook(&about("e2", "message.updated", &new)) == 200);
        rests(&served);
        wait_until("it has looked", || {
            asked.server.asked().iter().any(|it| it.method == "GET" && it.path == "webhooks")
        });
        rests(&served);
        served.is_told(&asked, "hook-0");
        assert_eq!(asked.made(), 0);
        said += &served.stop();
        assert!(!said.contains("the-secret-of"), "{said}");
        assert!(!said.contains("webhooks may not come"), "{said}");

        // Where the key is rotated, it goes along.
        let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        fs::write(asked.postrider.path("new"), format!("{other}\n")).unwrap();
        let rotate = ["auth", "rotate-key", "--new-key-file", "new"];
        let wrong = [("KEY", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=")];
        let ran = asked.postrider.run_with(&rotate, &wrong).exits(0);
        assert!(ran.stderr.contains("nylas/main signs with opens neither"), "{}", ran.stderr);
        for told in ["0 grant(s) and 1 secret(s) of webhooks are", "0 grant(s) are"] {
            let ran = asked.postrider.run_with(&rotate, &ENV).exits(0);
            assert!(ran.stdout.starts_with(told), "{}", ran.stdout);
        }
        let _ = asked.server.asked();
        let served = asked.postrider.serve(&[("KEY", other)]);
        wait_until("it believes", || asked.hook(&about("e3", "message.updated", &new)) == 200);
        rests(&served);
        served.is_told(&asked, "hook-0");
        assert_eq!(asked.made(), 0);
        served.stop();

        // With another key it is made anew.
        let served = asked.postrider.serve(&ENV);
        served.is_told(&asked, "hook-1");
        wait_until("it believes", || asked.hook(&about("e4", "message.updated", &new)) == 200);
        let said = served.stop();
        assert!(said.contains("does not open with the key of [credentials]"), "{said}");

        // Whoever takes the table out is told what stays.
        let path = asked.postrider.path("config.toml");
        let config = fs::read_to_string(&path).unwrap();
        let (before, behind) = config.split_once("[webhooks]").unwrap();
        let (_, behind) = behind.split_once("[credentials]").unwrap();
        fs::write(&path, format!("{before}[credentials]{behind}")).unwrap();
        let served = asked.postrider.serve(&ENV);
        let said = served.stop();
        assert!(said.contains("nylas/main goes on pushing as it was asked to"), "{said}");
    })
    .await;
}

/// Killed when it is made and its secret is not written down: nobody knows that secret any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_its_secret_is_kept_has_it_made_anew() {
    let mailbox = seed::mailbox(42, 5, "google");
    let asked = asked(&[&mailbox], |_| None).await;
    blocking(move || {
        let env = [("KEY", KEY), ("POSTRIDER_FAULT", "subscription.made:1")];
        let ran = asked.postrider.start(&["serve"], &env).wait(Duration::from_secs(60));
        assert!(ran.stderr.contains("scripted fault subscription.made"), "{}", ran.stderr);
        assert_eq!((asked.application.webhooks().len(), asked.stored("count(*)")), (1, "0".into()));
        // Another's is no business of ours.
        let other = postrider_feedd::NylasWebhook {
            id: "other".into(),
            url: "http://other.example.org/nylas/main".into(),
            ..asked.application.webhooks()[0].clone()
        };
        asked.application.webhooks().push(other);
        let served = asked.postrider.serve(&ENV);
        wait_until("it is made anew", || {
            let all = asked.application.webhooks();
            all.iter().map(|it| it.id.as_str()).collect::<Vec<_>>() == ["other", "hook-1"]
        });
        wait_until("it is written down", || asked.stored("remote_id") == "hook-1");
        assert_eq!(asked.made(), 2);
        served.stop();
    })
    .await;
}

/// While the database is away nothing is believed, and nothing refused for good.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_written_down_is_not_believed() {
    let mailbox = seed::mailbox(43, 5, "google");
    let waits = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&waits);
    let asked = asked(&[&mailbox], move |it| {
        if it.method != "POST" || it.path != "webhooks" {
            return None;
        }
        seen.store(true, Ordering::SeqCst);
        Some(Play { delay: Duration::from_secs(2), ..Play::default() })
    })
    .await;
    blocking(move || {
        let id = mailbox.ids()[0].clone();
        let served = asked.postrider.serve(&ENV);
        wait_until("it is asked for", || waits.load(Ordering::SeqCst));
        locked(&asked.postrider.database(), || {
            wait_until("it is made", || !asked.application.webhooks().is_empty());
            std::thread::sleep(Duration::from_millis(500));
            assert_eq!(asked.hook(&about("e1", "message.updated", &id)), 503);
            assert_eq!(served.last()["outcome"], "unjudged", "{}", served.last());
        });
        wait_until("it is believed", || asked.hook(&about("e1", "message.updated", &id)) == 200);
        assert_eq!(asked.made(), 1);
        served.stop();
    })
    .await;
}

/// One that its provider gave up, that somebody removed, or that is sent elsewhere, is made anew at the next look.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_no_good_is_made_anew() {
    let mailbox = seed::mailbox(44, 5, "imap");
    let asked = asked(&[&mailbox], |_| None).await;
    blocking(move || {
        let served = asked.postrider.serve(&ENV);
        served.is_told(&asked, "hook-0");
        served.stop();
        asked.application.webhooks()[0].status = "failed".into();
        let served = asked.postrider.serve(&ENV);
        served.is_told(&asked, "hook-1");
        served.stop();
        asked.application.webhooks().clear();
        let served = asked.postrider.serve(&ENV);
        served.is_told(&asked, "hook-2");
        served.stop();
        asked.application.webhooks()[0].url = "http://127.0.0.1:1/nylas/main".into();
        let served = asked.postrider.serve(&ENV);
        served.is_told(&asked, "hook-3");
        served.stop();
        // What somebody has paused he has paused; that it fails is said.
        for (status, state) in [("pause", "failed"), ("failing", "doubted"), ("active", "active")] {
            asked.application.webhooks()[0].status = status.into();
            let served = asked.postrider.serve(&ENV);
            wait_until(status, || served.webhook()["state"] == state);
            let said = served.stop();
            assert_eq!(said.contains("webhooks may not come"), status != "active", "{said}");
        }
        assert_eq!(asked.application.webhooks()[0].id, "hook-3");
    })
    .await;
}

/// It goes with the last account of its application, and no sooner.
#[tokio::test(flavor = "multi_thread")]
async fn it_goes_with_the_last_account() {
    let one = seed::mailbox(45, 3, "google");
    let two = seed::mailbox(46, 3, "google");
    (two.lock().grant, two.lock().address) = ("grant-2".into(), "two@example.com".into());
    let asked = asked(&[&one, &two], |_| None).await;
    blocking(move || {
        let file = asked.postrider.path("config.toml");
        let first = fs::read_to_string(&file).unwrap();
        let (top, account) = first.split_once("[[account]]").unwrap();
        let other = application(&asked.server.url()).replace("[nylas.main]", "[nylas.other]");
        let kept = granted("kept", "grant-2", "two@example.com").replace("\"main\"", "\"other\"");
        let twin = account.replace("id = \"u\"", "id = \"twin\"");
        let of = |accounts: &[&str]| {
            let accounts: String = accounts.iter().map(|it| format!("[[account]]{it}")).collect();
            fs::write(&file, format!("{top}{other}{kept}{accounts}")).unwrap();
        };
        of(&[account, &twin]);
        let served = asked.postrider.serve(&ENV);
        let urls = || {
            let mut urls: Vec<String> =
                asked.application.webhooks().iter().map(|it| it.url.clone()).collect();
            urls.sort();
            urls
        };
        let url = |name: &str| format!("http://{}/nylas/{name}", asked.at);
        wait_until("both are made", || urls() == [url("main"), url("other")]);
        wait_until("both are written down", || {
            ask(&asked.postrider.database(), "SELECT count(*) AS x FROM subscription") == "2"
        });
        let reloads = |accounts: &[&str]| {
            let read = || served.running.stderr().matches("in force").count();
            let before = read();
            of(accounts);
            served.running.signal("HUP");
            wait_until("the reload", || read() > before);
        };
        reloads(&[account]);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(urls().len(), 2, "one is left");
        reloads(&[]);
        wait_until("it is removed", || urls() == [url("other")]);
        wait_until("nothing is kept of it", || asked.stored("count(*)") == "0");
        // The same where it is the last of all.
        fs::write(&file, format!("account = []\n{top}{other}")).unwrap();
        wait_until("all are removed", || urls().is_empty());
        // And where it left while nobody was there to see it.
        of(&[]);
        wait_until("it is made anew", || urls() == [url("other")]);
        wait_until("it is written down", || {
            ask(&asked.postrider.database(), "SELECT count(*) AS x FROM subscription") == "1"
        });
        served.stop();
        fs::write(&file, format!("account = []\n{top}{other}")).unwrap();
        let served = asked.postrider.serve(&ENV);
        wait_until("it is removed by the next process", || urls().is_empty());
        served.stop();
    })
    .await;
}

/// Who may not have one has none: his mailboxes are looked at on their schedule.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_once_and_costs_no_account() {
    let mailbox = seed::mailbox(47, 5, "microsoft");
    let asked = asked(&[&mailbox], |it| {
        (it.path == "webhooks" && it.method == "POST")
            .then(|| Play::nylas(403, "forbidden", "this key may have no webhooks"))
    })
    .await;
    blocking(move || {
        let served = asked.postrider.serve(&ENV);
        wait_until("it is refused", || served.webhook()["state"] == "failed");
        rests(&served);
        let seen = served.webhook();
        let why = seen["reason"].as_str().unwrap();
        assert!(why.contains("this key may have no webhooks"), "{seen}");
        assert_eq!(served.account("u")["state"], "idle");
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(asked.made(), 1, "it is not asked again and again");
        // An edit of the account may have mended it; it has not.
        let file = asked.postrider.path("config.toml");
        let config = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            config.replace("grant_id", "folders = { exclude = [\"Nowhere\"] }\ngrant_id"),
        )
        .unwrap();
        wait_until("it is asked once more", || asked.made() == 1);
        rests(&served);
        let said = served.stop();
        assert_eq!(said.matches("webhooks may not come").count(), 1, "{said}");
    })
    .await;
}

/// An application that does not have all that is asked for gets what it has.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_application_does_not_know_is_left_out() {
    let mailbox = seed::mailbox(48, 5, "microsoft");
    let asked = asked(&[&mailbox], |it| {
        it.body.contains("message.deleted").then(|| {
            Play::nylas(400, "invalid_request_error", "trigger_types: message.deleted is none")
        })
    })
    .await;
    blocking(move || {
        let served = asked.postrider.serve(&ENV);
        wait_until("it is written down", || !asked.stored("remote_id").is_empty());
        let hooks = asked.application.webhooks().clone();
        let hook = hooks.last().unwrap();
        assert!(hook.triggers.iter().any(|it| it == "message.updated"), "{hook:?}");
        assert!(!hook.triggers.iter().any(|it| it == "message.deleted"), "{hook:?}");
        let get = request(&asked.at, "GET /nylas/main?challenge=a HTTP/1.1\r\nHost: x\r\n", "");
        assert_eq!(get.0, 200);
        served.stop();
    })
    .await;
}

/// Who has not written what a webhook is asked for with is told so.
#[test]
fn what_it_is_asked_for_with_is_said() {
    let account = granted("u", "grant-1", "demo@example.com");
    let said = |webhooks: &str, env: &[(&str, &str)]| {
        let text = format!("{webhooks}{}{account}", application("http://127.0.0.1:9"));
        let postrider = Postrider::new(&text);
        fs::write(postrider.path("nylas"), "x\n").unwrap();
        let ran = postrider.run_with(&["check", "--offline"], env);
        (ran.code, format!("{}{}", ran.stdout, ran.stderr))
    };
    let listen = "[webhooks]\nlisten = \"127.0.0.1:8026\"\n";
    let public = "public_url = \"https://in.example.org\"\n";
    let key = "[credentials]\nkey_env = \"KEY\"\n";
    let gmail = "[webhooks.gmail]\nservice_account = \"a@b.org\"\naudience = \"x\"\n";
    let nobody = "webhooks.listen: nobody may push there yet";
    for webhooks in [listen.to_owned(), format!("{listen}{key}"), format!("{listen}{public}")] {
        let (code, text) = said(&webhooks, &ENV);
        assert_eq!(code, Some(2), "{webhooks}{text}");
        assert!(text.contains(nobody), "{webhooks}{text}");
    }
    let (code, text) = said(&format!("{listen}{public}{gmail}"), &ENV);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("[nylas.main] is asked for no webhook"), "{text}");
    for webhooks in [format!("{listen}{public}{key}"), format!("{listen}{public}{gmail}{key}")] {
        let (code, text) = said(&webhooks, &ENV);
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains("is asked for no webhook"), "{text}");
        let (code, text) = said(&webhooks, &[("KEY", "short")]);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("webhook main") && text.contains("openssl rand"), "{text}");
    }
}
