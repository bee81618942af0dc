//! Edits of the config while the server runs, and commands.

use crate::support::binary::{Postrider, account};
use crate::support::check::state;
use crate::support::database::{ask, locked, rows};
use crate::support::mail::{blocking, note, seed, serve, serve_well};
use crate::support::ports::free_port;
use crate::support::served::{head, until, wait_until};
use std::fs;

fn write(postrider: &Postrider, accounts: &str) {
    // As editors do: a new file under the old name.
    fs::write(postrider.path("config.new"), format!("{}{accounts}", head())).unwrap();
    fs::rename(postrider.path("config.new"), postrider.path("config.toml")).unwrap();
}

/// The last account may go, too, where the file says that nobody is left; one that was cut off says no such thing.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_account_goes_when_the_file_says_so() {
    let mailbox = seed::mailbox(66, 5);
    let server = serve_well("u", &mailbox).await;
    let u = account("u", server.port(), "pw");
    let postrider = Postrider::new(&format!("{}{u}", head()));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        write(&postrider, "");
        wait_until("the refusal", || served.running.stderr().contains("there is no account;"));
        assert_eq!(served.state("u"), "idle");

        fs::write(postrider.path("config.new"), format!("account = []\n{}", head())).unwrap();
        fs::rename(postrider.path("config.new"), postrider.path("config.toml")).unwrap();
        served.wait_for_state("u", "removed");
        postrider.run(&["account", "purge", "u", "--yes"]).exits(0);
        assert_eq!(served.ask("GET", "/v1/accounts/u").0, 404);
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM message"), "0");
        served.stop();
        postrider.run(&["check", "--offline"]).exits(0);
        postrider.sync().exits(0);

        // It may begin without, and follows who comes.
        let served = postrider.serve(&[]);
        assert_eq!(served.get("/v1/accounts")["items"], serde_json::json!([]));
        write(&postrider, &u);
        served.settle(&postrider, "u", &mailbox);
        served.stop();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_come_go_and_change_while_it_runs() {
    let (one, two) = (seed::mailbox(61, 40), seed::mailbox(62, 30));
    let server = serve(&[("a", &one), ("b", &two)], |_, _| None).await;
    let (a, b) = (account("a", server.port(), "pw"), account("b", server.port(), "pw"));
    let postrider = Postrider::new(&format!("{}{a}", head()));
    blocking(move || {
        let served = postrider.serve(&[]);
        let database = postrider.database();
        served.settle(&postrider, "a", &one);

        write(&postrider, &format!("{a}{b}"));
        served.settle(&postrider, "b", &two);

        // A broken edit is refused with file, line and key; the old one stays in force.
        write(&postrider, &format!("{a}{b}colour = \"red\"\n"));
        wait_until("the refusal", || served.running.stderr().contains("colour: there is no such key"));
        assert!(served.running.stderr().contains("config.toml:"), "{}", served.running.stderr());
        let config = served.actor("root/config").unwrap();
        assert_eq!(config["state"], "refused", "{config}");
        two.append("INBOX", note("still followed").dated("01-Feb-2031 10:00:00 +0000"));
        until(&database, "SELECT count(*) AS x FROM message WHERE subject = 'still followed'", "1");

        // Another mailbox under a known id is refused, too.
        write(&postrider, &format!("{a}{}", b.replace("username = \"b\"", "username = \"a\"")));
        wait_until("the refusal", || served.running.stderr().contains("account \"b\" is the mirror of another mailbox"));
        assert_ne!(served.state("b"), "removed");

        // Whose it is may change; nothing is fetched again.
        assert_eq!(served.account("a")["owner"], serde_json::Value::Null);
        write(&postrider, &format!("{a}owner = \"team-a\"\n{b}"));
        wait_until("it has an owner", || served.account("a")["owner"] == "team-a");
        write(&postrider, &format!("{a}{b}"));
        wait_until("it has none", || served.account("a")["owner"].is_null());

        // Gone: its rows stay. Back: nothing is fetched again.
        write(&postrider, &a);
        served.wait_for_state("b", "removed");
        let before = state(&database);
        let bodies = || server.log().iter().filter(|l| l.contains("BODY.PEEK[]")).count();
        let fetched = bodies();
        assert_eq!(rows(&database, "SELECT kind AS x FROM event WHERE kind = 'account.removed'").len(), 1);
        write(&postrider, &format!("{a}{b}"));
        served.wait_for_state("b", "idle");
        served.settle(&postrider, "b", &two);
        assert_eq!((bodies(), state(&database)), (fetched, before), "nothing is fetched again");

        // Renamed: the same rows under another id.
        write(&postrider, &format!("{a}{}was = \"b\"\n", b.replace("id = \"b\"", "id = \"c\"")));
        served.wait_for_state("c", "idle");
        served.settle(&postrider, "c", &two);
        assert_eq!(bodies(), fetched);
        assert_eq!(rows(&database, "SELECT name AS x FROM account ORDER BY name"), ["a", "c"]);
        assert_eq!(rows(&database, "SELECT kind AS x FROM event WHERE kind = 'account.removed'").len(), 1);

        // Purged: only what the config does not name, and only with --yes.
        postrider.run(&["account", "purge", "c"]).exits(2);
        let refused = postrider.run(&["account", "purge", "c", "--yes"]).exits(2);
        assert!(refused.stderr.contains("the config names c"), "{}", refused.stderr);
        write(&postrider, &a);
        served.wait_for_state("c", "removed");
        postrider.run(&["account", "purge", "c", "--yes"]).exits(0);
        assert_eq!(rows(&database, "SELECT name AS x FROM account"), ["a"]);
        let left = "SELECT (SELECT count(*) FROM message WHERE account <> 1) + (SELECT count(*) FROM folder WHERE account <> 1) AS x";
        assert_eq!(ask(&database, left), "0");
        one.append("INBOX", note("goes on").dated("01-Feb-2031 10:00:00 +0000"));
        served.settle(&postrider, "a", &one);
        // SIGHUP reads it again, too.
        served.running.signal("HUP");
        wait_until("the reload", || served.running.stderr().contains("SIGHUP: in force; 0 account(s)"));
        served.stop();
        let missing = postrider.run(&["account", "purge", "c", "--yes"]).exits(2);
        assert!(missing.stderr.contains("there is no account c"), "{}", missing.stderr);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_waits_for_its_rename_is_not_begun() {
    let mailbox = seed::mailbox(67, 10);
    let server = serve(&[("b", &mailbox)], |_, _| None).await;
    let b = account("b", server.port(), "pw");
    let postrider = Postrider::new(&format!("{}{b}", head()));
    blocking(move || {
        let served = postrider.serve(&[]);
        let database = postrider.database();
        served.settle(&postrider, "b", &mailbox);
        let created = "SELECT count(*) AS x FROM event WHERE kind = 'message.created'";
        let before = ask(&database, created);
        let mut refused = false;
        locked(&database, || {
            write(&postrider, &format!("{}was = \"b\"\n", b.replace("id = \"b\"", "id = \"c\"")));
            wait_until("the edit", || {
                served.running.stderr().contains("the file has changed: in force")
            });
            wait_until("the refusal", || {
                let (status, told) = served.ask("POST", "/v1/accounts/c/sync-now");
                refused |=
                    told["detail"].as_str().is_some_and(|d| d.contains("new id is being stored"));
                status == 409 && refused
            });
        });
        served.wait_for_state("c", "idle");
        served.settle(&postrider, "c", &mailbox);
        assert_eq!(
            rows(&database, "SELECT name AS x FROM account"),
            ["c"],
            "one mailbox, one mirror"
        );
        assert_eq!(ask(&database, created), before);
        served.stop();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_not_hammered_and_a_new_secret_wakes() {
    let mailbox = seed::mailbox(63, 20);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let config = head().replace("first_wait = \"20ms\"", "first_wait = \"100ms\"");
    let account =
        account("u", server.port(), "x").replace("password = \"x\"", "password_file = \"secret\"");
    let postrider = Postrider::new(&format!("{config}{account}"));
    fs::write(postrider.path("secret"), "wrong\n").unwrap();
    blocking(move || {
        let logins = || server.log().iter().filter(|l| l.starts_with("AUTHENTICATE")).count();
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "needs_reauth");
        assert_eq!(logins(), 2, "two refusals are believed of who never logged in");
        let database = postrider.database();
        assert_eq!(
            rows(&database, "SELECT kind AS x FROM event WHERE kind LIKE 'account.%'"),
            ["account.needs_reauth"]
        );
        served.stop();
        // A restart is no reason to try again, with the same secret.
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "needs_reauth");
        served.running.signal("HUP");
        wait_until("the reload", || served.running.stderr().contains("SIGHUP"));
        assert_eq!((logins(), served.state("u").as_str()), (2, "needs_reauth"));
        // Another one is.
        fs::write(postrider.path("secret"), "pw\n").unwrap();
        served.settle(&postrider, "u", &mailbox);
        assert_eq!(logins(), 3);
        until(&database, "SELECT count(*) AS x FROM event WHERE kind = 'account.recovered'", "1");
        served.stop();
    })
    .await;
}

/// A secret that is exchanged costs nobody a session: the next login uses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_restarts_nobody() {
    let mailbox = seed::mailbox(66, 20);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let account =
        account("u", server.port(), "x").replace("password = \"x\"", "password_file = \"secret\"");
    let postrider = Postrider::new(&format!("{}{account}", head()));
    fs::write(postrider.path("secret"), "pw\n").unwrap();
    blocking(move || {
        let logins = || server.log().iter().filter(|l| l.starts_with("AUTHENTICATE")).count();
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        served.wait_for_state("u", "idle");
        wait_until("a watch", || served.account("u")["push"] == "idle");
        let before = logins();
        // This one is wrong: were it used now, the account would be in trouble.
        fs::write(postrider.path("secret"), "wrong\n").unwrap();
        wait_until("the exchange", || served.running.stderr().contains("it has a new secret"));
        mailbox.append("INBOX", note("on the same session"));
        served.settle(&postrider, "u", &mailbox);
        // The mail is there before its run has ended.
        served.wait_for_state("u", "idle");
        assert_eq!(logins(), before);
        assert_eq!(served.actor("root/accounts/u").unwrap()["restarts"], 0);
        // The next login does use it, and the one after it the right one again, without a wait.
        served.stop();
        let served = postrider.serve(&[]);
        wait_until("a refusal", || served.account("u")["class"] == "auth");
        fs::write(postrider.path("secret"), "pw\n").unwrap();
        served.settle(&postrider, "u", &mailbox);
        served.stop();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_obeyed_and_survive_a_restart() {
    let mailbox = seed::mailbox(64, 30);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        served.wait_for_state("u", "idle");
        let conflict = postrider.run(&["cancel", "u"]).exits(2);
        assert!(conflict.stderr.contains("no run is under way"), "{}", conflict.stderr);
        let unknown = postrider.run(&["pause", "nobody"]).exits(2);
        assert!(unknown.stderr.contains("there is no such account"), "{}", unknown.stderr);
        postrider.run(&["pause", "u"]).exits(0);
        postrider.run(&["pause", "u"]).exits(0);
        assert_eq!(served.state("u"), "paused");
        assert_eq!(
            rows(
                &postrider.database(),
                "SELECT kind AS x FROM event WHERE kind = 'account.paused'"
            )
            .len(),
            1
        );
        postrider.run(&["sync-now", "u"]).exits(2);
        wait_until("the session's end", || {
            served.metric("postrider_sessions{state=\"watching\"}") < 0.5
        });
        mailbox.append("INBOX", note("later").dated("01-Feb-2031 10:00:00 +0000"));
        served.stop();

        let offline = postrider.run(&["status"]).exits(0);
        assert!(
            offline.stdout.contains("paused")
                && offline.stdout.contains("\ndatabase: ")
                && offline.stderr.contains("no server runs"),
            "{offline:?}"
        );
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "paused");
        let shown = postrider.run(&["status"]).exits(0);
        assert!(shown.stdout.contains("paused by an operator"), "{}", shown.stdout);
        assert!(shown.stdout.contains(" answers in "), "{}", shown.stdout);
        let in_use = postrider.run(&["sync", "--once"]).exits(8);
        assert!(in_use.stderr.contains("postrider serve"), "{}", in_use.stderr);
        postrider.run(&["serve"]).exits(8);
        postrider.run(&["resume", "u"]).exits(0);
        served.settle(&postrider, "u", &mailbox);
        let nothing = postrider.run(&["failures"]).exits(0);
        assert!(nothing.stdout.contains("nothing is left undone"), "{}", nothing.stdout);
        let events = postrider.run(&["events"]).exits(0);
        let seqs: Vec<i64> = events
            .stdout
            .lines()
            .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["seq"].as_i64().unwrap())
            .collect();
        assert!(seqs.windows(2).all(|w| w[1] == w[0] + 1) && seqs[0] == 1, "{seqs:?}");
        assert_eq!(
            seqs.last().unwrap().to_string(),
            ask(&postrider.database(), "SELECT max(seq) AS x FROM event")
        );
        // Following prints what happens, and ends at a signal.
        let after = seqs.last().unwrap().to_string();
        let following = postrider.start(&["events", "--follow", "--after", &after], &[]);
        mailbox.append("INBOX", note("told").dated("01-Feb-2031 10:00:00 +0000"));
        wait_until("the event", || following.stdout().contains("message.created"));
        following.signal("INT");
        following.wait(std::time::Duration::from_secs(5)).exits(0);
        served.stop();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_not_synced_by_accident() {
    let mailbox = seed::mailbox(65, 25);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        let database = postrider.database();
        let last: i64 = ask(&database, "SELECT max(seq) AS x FROM event").parse().unwrap();
        // The database of this folder, in another one.
        fs::write(postrider.path("data/instance"), "another\n").unwrap();
        for args in [&["serve"][..], &["sync", "--once"]] {
            let refused = postrider.run(args).exits(2);
            assert!(refused.stderr.contains("--adopt") && refused.stderr.contains("--no-sync"), "{}", refused.stderr);
        }
        // Looking is allowed, and changes nothing.
        let logins = server.log().len();
        let served = postrider.start(&["serve", "--no-sync"], &[]);
        wait_until("the API", || served.stderr().contains("the admin API is at"));
        let url = served.stderr();
        let address = url.split("http://").nth(1).unwrap().split([',', ' ', '\n']).next().unwrap().to_owned();
        let token = fs::read_to_string(postrider.path("data/admin.token")).unwrap();
        let ask_api = |method: &str, path: &str| {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n",
                token.trim()
            );
            crate::support::served::request(&address, &head, "")
        };
        let (status, _, body) = ask_api("GET", "/v1/accounts");
        assert!(status == 200 && body.contains("\"messages\":2"), "{body}");
        assert_eq!((ask_api("POST", "/v1/accounts/u/sync-now").0, ask_api("GET", "/readyz").0), (409, 200));
        served.signal("TERM");
        served.wait(std::time::Duration::from_secs(10)).exits(0);
        assert_eq!(server.log().len(), logins, "no login");

        mailbox.append("INBOX", note("after").dated("01-Feb-2031 10:00:00 +0000"));
        let served = postrider.serve_with(&["serve", "--adopt"], &[]);
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        let next = ask(&database, &format!("SELECT min(seq) AS x FROM event WHERE seq > {last}"));
        assert!(next.parse::<i64>().unwrap() > last + (1 << 32), "{next}");
        postrider.sync().exits(0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_room_stops_the_intake_and_is_said() {
    let mailbox = seed::mailbox(66, 25);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let full = format!(
        "{}[bodies]\nmin_free = \"900000GiB\"\n{}",
        head(),
        account("u", server.port(), "pw")
    );
    let postrider = Postrider::new(&full);
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("trouble", || served.state("u") == "waiting");
        let (status, body) = served.ask("GET", "/readyz");
        assert!(status == 503 && body.to_string().contains("below bodies.min_free"), "{body}");
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM message"), "0");
        served.stop();
        fs::write(postrider.path("config.toml"), full.replace("900000GiB", "1MiB")).unwrap();
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        served.stop();
    })
    .await;
}

/// After a stop the database still says what an account waits for; a config that is refused does
/// not keep anybody from looking.
#[tokio::test(flavor = "multi_thread")]
async fn who_looks_after_a_stop_is_told_the_truth() {
    let mailbox = seed::mailbox(61, 3);
    let server = serve_well("u", &mailbox).await;
    let dead = free_port();
    let config =
        format!("{}{}{}", head(), account("u", server.port(), "pw"), account("gone", dead, "pw"));
    let postrider = Postrider::new(&config);
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        served.wait_for_state("gone", "waiting");
        std::fs::write(postrider.path("config.toml"), format!("{config}[unknown]\nkey = 1\n"))
            .unwrap();
        let told = postrider.run(&["status", "u"]).exits(0);
        assert!(
            told.stderr.contains("config.toml:") && told.stderr.contains("is refused"),
            "{}",
            told.stderr
        );
        // It may be looking once more at what came between its first pass and its watch.
        wait_until("rest", || postrider.run(&["status", "u"]).exits(0).stdout.contains("idle"));
        // To look is one thing; nothing is done on a mirror that a refused config may not name.
        postrider.run(&["pause", "u"]).exits(2);
        postrider.run(&["account", "purge", "u", "--yes"]).exits(2);
        served.wait_for_state("u", "idle");
        served.stop();
        std::fs::write(postrider.path("config.toml"), &config).unwrap();
        let told = postrider.run(&["status", "gone"]).exits(0).stdout;
        assert!(told.contains("waiting") && told.contains("refused"), "{told}");
        let told = postrider.run(&["status", "u"]).exits(0).stdout;
        assert!(
            told.contains("nothing while no server runs") && told.contains("postrider serve"),
            "{told}"
        );
    })
    .await;
}
