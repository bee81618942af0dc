//! Events are handed on: each to who wants it, in order, until it is taken, and the same each time.

use crate::support::binary::{Postrider, account};
use crate::support::database::ask;
use crate::support::hook::{Given, Hook, Says, TAKES};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::ports::free_port;
use crate::support::served::{Served, head, wait_until, wait_within};
use postrider_core::recovery::backoff::mix;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQI";

/// What an hour is in seconds.
const HOUR: u64 = 3600;

/// A mailbox with so many mails, its server, and a config with these subscribers.
async fn begun(mails: usize, subscribers: &str) -> (postrider_imapd::Server, Mailbox, Postrider) {
    let mailbox = Mailbox::new();
    for n in 0..mails {
        mailbox.append("INBOX", note(&format!("mail {n}")));
    }
    let server = serve(&[("a", &mailbox)], |_, _| None).await;
    let one = format!("{}owner = \"ada\"\n", account("a", server.port(), "pw"));
    let postrider = Postrider::new(&format!("{}{one}{subscribers}", head()));
    fs::create_dir(postrider.path("secrets")).unwrap();
    fs::write(postrider.path("secrets/crm"), format!("{SECRET}\n")).unwrap();
    (server, mailbox, postrider)
}

/// A subscriber of a hook on this port, with more keys.
fn hooked(id: &str, port: u16, more: &str) -> String {
    format!(
        "[[subscriber]]\nid = \"{id}\"\nurl = \"http://127.0.0.1:{port}/hook?key=geheim\"\nsecret_file = \"secrets/crm\"\n\
         allow_private = true\n{more}"
    )
}

/// Every number that the feed has, of these kinds.
fn told(served: &Served, kinds: &str) -> Vec<i64> {
    let page = served.get(&format!("/v1/events?limit=1000&kind={kinds}"));
    page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()).collect()
}

fn stands(served: &Served, id: &str) -> Value {
    served.get(&format!("/v1/subscribers/{id}"))
}

fn waits_for_state(served: &Served, id: &str, state: &str) {
    wait_until(&format!("{id} is {state}"), || stands(served, id)["state"] == state);
}

/// All that the feed has was taken.
fn waits_until_taken(served: &Served, hook: &Hook, kinds: &str) {
    wait_until("all was taken", || {
        let taken = hook.taken();
        told(served, kinds).iter().all(|number| taken.contains(number))
    });
}

/// What was given is what the feed has: each number, the first sight of each in order, the same id always the same.
fn all_was_given(served: &Served, hook: &Hook, kinds: &str) {
    waits_until_taken(served, hook, kinds);
    let want = told(served, kinds);
    let seen = hook.first_sights();
    let known: Vec<i64> = seen.iter().copied().filter(|number| want.contains(number)).collect();
    assert_eq!(known, want);
    hook.same_ids_are_the_same();
}

fn ordered(served: &Served, path: &str, body: &str) -> Value {
    let (status, told) = served.post(&format!("/v1/subscribers/{path}"), body);
    assert_eq!(status, 200, "{path}: {told}");
    told
}

fn rewrite(postrider: &Postrider, change: impl Fn(&str) -> String) {
    let file = postrider.path("config.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, change(&text)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_given_once_signed_and_as_the_feed_has_it() {
    let hook = Hook::new(|_, _| TAKES);
    let config = hooked("crm", hook.port, "from = \"oldest\"\n");
    let (_server, mailbox, postrider) = begun(5, &config).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        waits_until_taken(&served, &hook, "*");
        // Whoever mirrors, reads or writes comes before who hands on.
        let own = served.threads();
        let usual = own.iter().find(|(name, _)| name == "postrider").unwrap().1;
        for (name, nice) in &own {
            let wanted = if name == "deliver" { (usual + 10).min(19) } else { usual };
            assert_eq!(*nice, wanted, "{name}: {own:?}");
        }
        assert!(own.iter().any(|(name, _)| name == "deliver"), "{own:?}");
        let items = served.get("/v1/events?limit=1000")["items"].as_array().unwrap().clone();
        for (given, item) in hook.given().iter().zip(&items) {
            let body: Value = serde_json::from_str(&given.body).unwrap();
            let want = json!({ "type": item["kind"], "timestamp": item["at"], "data": item });
            assert_eq!(body, want);
            assert_eq!((given.id(), item["id"].as_str()), (given.id(), Some(given.id())));
            assert!(given.is_signed_with(SECRET) && !given.is_signed_with(OTHER));
            assert_eq!(given.head["content-type"], "application/json");
            assert!(!given.head.contains_key("postrider-lost"));
        }
        assert_eq!(hook.given().len(), items.len(), "nothing twice");
        // Another secret is signed with from the next request on, and the one before it as well.
        fs::write(postrider.path("secrets/crm"), format!("{OTHER}\n{SECRET}\n")).unwrap();
        let before = hook.given().len();
        mailbox.append("INBOX", note("rotated"));
        wait_until("it was given", || hook.given().len() > before);
        let last = hook.given().pop().unwrap();
        assert!(last.is_signed_with(OTHER) && last.is_signed_with(SECRET));
        assert!(hook.most_at_once() <= 1, "one request at a time");
        let metric = |name: &str| served.metric(name);
        let taken = "postrider_deliveries_total{outcome=\"taken\"}";
        wait_until("it is counted", || metric(taken) as usize == hook.given().len());
        assert_eq!(metric("postrider_subscribers{state=\"active\"}") as u32, 1);
        assert_eq!(metric("postrider_delivery_lag_seconds") as u32, 0);
        // What follows the host is a secret of its own, and so is what it is signed with.
        let shown = stands(&served, "crm");
        assert_eq!(shown["target"], format!("http://127.0.0.1:{}", hook.port));
        let log = served.stop();
        assert!(!log.contains("geheim") && !log.contains("whsec"), "{log}");
        // The next process gives nothing again: it was stopped, and knew.
        let before = hook.given().len();
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        mailbox.append("INBOX", note("another day"));
        wait_until("it was given", || hook.given().len() > before);
        all_was_given(&served, &hook, "*");
        let numbers: Vec<i64> = hook.given().iter().flat_map(|given| given.numbers()).collect();
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
    })
    .await;
}

/// One that refuses half, one that cuts connections, one that is slow, one that takes lists, and one that wants little.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_given_again_and_is_the_same() {
    let says = |n: usize| match mix(n as u64) % 6 {
        0 => Says::Status(500, "", "not now"),
        1 => Says::Cut,
        2 => Says::Half,
        3 => Says::Status(302, "Location: /elsewhere", ""),
        4 => Says::Slow(Duration::from_millis(20)),
        _ => TAKES,
    };
    let half = Hook::new(move |_, n| says(n));
    let lists = Hook::new(move |_, n| says(n + 1000));
    let moves = Hook::new(|_, _| TAKES);
    let from = "from = \"oldest\"\n";
    let config = [
        hooked("half", half.port, from),
        hooked("lists", lists.port, &format!("{from}batch = 7\n")),
        hooked("little", moves.port, &format!("{from}kinds = [\"message.*\"]\nowner = \"ada\"\n")),
    ];
    let (_server, mailbox, postrider) = begun(40, &config.concat()).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        for n in 0..10 {
            mailbox.append("INBOX", note(&format!("later {n}")));
        }
        assert_eq!(served.ask("POST", "/v1/accounts/a/sync-now").0, 202);
        wait_until("all mail is told", || told(&served, "message.created").len() == 50);
        all_was_given(&served, &half, "*");
        all_was_given(&served, &lists, "*");
        all_was_given(&served, &moves, "message.*");
        assert_eq!(told(&served, "message.*").len(), moves.given().len(), "nothing else");
        let given = lists.given();
        assert!(given.iter().all(|one| one.numbers().len() <= 7 && one.body.starts_with('[')));
        assert!(given.iter().any(|one| one.numbers().len() > 1));
        for one in &given {
            let numbers = one.numbers();
            let begins = format!("{}-{}-", numbers[0], numbers.len());
            assert!(one.id().starts_with(&begins) && one.id().len() == begins.len() + 16);
        }
        // A try is kept when its answer has come: a moment behind what the hook was given.
        let kept = || served.get("/v1/subscribers/half/deliveries?limit=1000")["items"].clone();
        let is_kept = || kept().as_array().unwrap().len() == half.given().len();
        wait_until("each try is kept", is_kept);
        let tries = kept().as_array().unwrap().clone();
        assert!(tries.iter().any(|one| one["status"] == 500 && one["text"] == "not now"));
        let redirected = tries.iter().find(|one| one["status"] == 302).unwrap();
        assert!(redirected["text"].as_str().unwrap().contains("not followed"), "{redirected}");
        assert!(tries.iter().any(|one| one["attempt"] == 2));
        let listed = postrider.run(&["subscribers"]).exits(0).stdout;
        assert!(listed.contains("half") && listed.contains("active"), "{listed}");
        let listed = postrider.run(&["subscribers", "deliveries", "half"]).exits(0).stdout;
        assert_eq!(listed.lines().count(), 21, "{listed}");
    })
    .await;
}

/// Killed again and again, before and behind an answer, and while it waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_gives_all_of_it() {
    let seed = std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(7);
    let opened = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&opened);
    let hook = Hook::new(move |_, n| {
        let is_busy = mix(seed ^ n as u64).is_multiple_of(3) || !is_open.load(Ordering::SeqCst);
        if is_busy { Says::Status(503, "", "") } else { TAKES }
    });
    let lists = Hook::new(|_, _| TAKES);
    let config = [
        hooked("one", hook.port, "from = \"oldest\"\n"),
        hooked("lists", lists.port, "from = \"oldest\"\nbatch = 5\n"),
    ];
    let (_server, mailbox, postrider) = begun(30, &config.concat()).await;
    blocking(move || {
        // What is stored while it is given something is not that it was.
        let running = postrider.start(&["serve"], &[]);
        let failing = "SELECT count(*) AS x FROM subscriber WHERE id = 'one' AND attempts > 1";
        wait_until("it is stored that it fails", || {
            postrider.database().is_made() && ask(&postrider.database(), failing) == "1"
        });
        running.signal("KILL");
        opened.store(true, Ordering::SeqCst);
        for round in 0..20 {
            mailbox.append("INBOX", note(&format!("round {round}")));
            let fault = match mix(seed ^ round) % 3 {
                0 => format!("deliver.answered:{}", 1 + mix(round) % 9),
                1 => format!("panic.deliver:{}", 1 + mix(round) % 9),
                _ => "none:1".to_owned(),
            };
            let running = postrider.start(&["serve"], &[("POSTRIDER_FAULT", fault.as_str())]);
            std::thread::sleep(Duration::from_millis(300 + mix(seed ^ round) % 700));
            running.signal("KILL");
        }
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        assert_eq!(served.ask("POST", "/v1/accounts/a/sync-now").0, 202);
        wait_until("all mail is told", || told(&served, "message.created").len() == 50);
        all_was_given(&served, &hook, "*");
        all_was_given(&served, &lists, "*");
    })
    .await;
}

/// A bug that ends a task ends nobody else's, and what it was giving is given.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ends_of_a_bug_begins_again() {
    let hook = Hook::new(|_, _| TAKES);
    let config = hooked("crm", hook.port, "from = \"oldest\"\n");
    let (_server, _mailbox, postrider) = begun(5, &config).await;
    blocking(move || {
        rewrite(&postrider, |text| text.replace("first_wait = \"20ms\"", "first_wait = \"2s\""));
        let served = postrider.serve(&[("POSTRIDER_FAULT", "panic.deliver:3")]);
        served.wait_for_state("a", "idle");
        // What it could not be given grows old meanwhile.
        waits_for_state(&served, "crm", "failing");
        assert_ne!(stands(&served, "crm")["sending"], Value::Null);
        all_was_given(&served, &hook, "*");
        assert_eq!(served.get("/readyz")["status"], "ok");
        assert!(served.stop().contains("subscriber=crm"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_given_nothing_until_somebody_enables_it() {
    let gone = Arc::new(AtomicBool::new(true));
    let is_gone = Arc::clone(&gone);
    let hook = Hook::new(move |given, n| {
        let is_gone = n == 3 && is_gone.load(Ordering::SeqCst);
        assert!(!given.body.is_empty());
        if is_gone { Says::Status(410, "", "moved away") } else { TAKES }
    });
    let watch = Hook::new(|_, _| TAKES);
    let config = [
        hooked("crm", hook.port, "from = \"oldest\"\n"),
        hooked("watch", watch.port, "kinds = [\"subscriber.disabled\"]\n"),
    ];
    let (_server, mailbox, postrider) = begun(6, &config.concat()).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        waits_for_state(&served, "crm", "disabled");
        let shown = stands(&served, "crm");
        assert!(shown["reason"].as_str().unwrap().contains("410"), "{shown}");
        wait_until("it is told", || told(&served, "subscriber.disabled").len() == 1);
        wait_until("to whom wants it", || watch.given().len() == 1);
        let body: Value = serde_json::from_str(&watch.given()[0].body).unwrap();
        assert_eq!(body["data"]["data"]["subscriber"], "crm");
        served.wait_for_state("a", "idle");
        mailbox.append("INBOX", note("meanwhile"));
        served.stop();
        // It stays so.
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        assert_eq!(stands(&served, "crm")["state"], "disabled");
        assert_eq!(hook.given().len(), 4);
        ordered(&served, "crm/replay", "{\"from\": 4}");
        assert_eq!(served.metric("postrider_subscribers{state=\"disabled\"}") as u32, 1);
        gone.store(false, Ordering::SeqCst);
        postrider.run(&["subscribers", "enable", "crm"]).exits(0);
        all_was_given(&served, &hook, "*");
        // It was given the one that it had refused once more, and nothing else twice.
        assert_eq!(hook.given().len(), told(&served, "*").len() + 1);
        assert_eq!(told(&served, "subscriber.disabled").len(), 1);
        postrider.run(&["subscribers", "disable", "crm"]).exits(0);
        wait_until("by hand, too", || told(&served, "subscriber.disabled").len() == 2);
        let reason = stands(&served, "crm")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("has disabled it"), "{reason}");
    })
    .await;
}

/// Seconds of an instant, as it is told.
fn instant(text: &str) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

/// Three days of tries, on a clock that goes on to the next of them.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_for_four_days_is_disabled_and_loses_nothing() {
    let port = free_port();
    let config = hooked("crm", port, "from = \"oldest\"\n");
    let (_server, mailbox, postrider) = begun(3, &config).await;
    blocking(move || {
        let clock = postrider.path("clock");
        fs::write(&clock, "0").unwrap();
        let served = postrider.serve(&[("POSTRIDER_CLOCK", clock.to_str().unwrap())]);
        waits_for_state(&served, "crm", "failing");
        let real = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let (begun, mut skew, mut tries) = (real(), 0, 0);
        wait_within(Duration::from_secs(120), "it is disabled", || {
            let now = stands(&served, "crm");
            let attempts = now["attempts"].as_u64().unwrap();
            let next = now["next_at"].as_str().and_then(instant);
            if let Some(next) = next.filter(|_| attempts > tries) {
                // Another try has failed: it is the time of the next one.
                tries = attempts;
                skew = skew.max(next + 1 - real());
                fs::write(&clock, skew.to_string()).unwrap();
            }
            now["state"] == "disabled"
        });
        let days = (real() + skew - begun) as f64 / (24 * HOUR) as f64;
        assert!((3.0..3.1).contains(&days), "{days} days");
        assert!(tries > 60, "{tries} tries");
        mailbox.append("INBOX", note("meanwhile"));
        let hook = Hook::on(port, |_, _| TAKES);
        postrider.run(&["subscribers", "enable", "crm"]).exits(0);
        all_was_given(&served, &hook, "*");
    })
    .await;
}

/// Who could not be reached is given what it has missed soon after it is there again, however long it was away.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_seen_soon() {
    let port = free_port();
    let config = hooked("crm", port, "from = \"oldest\"\n");
    let (_server, _mailbox, postrider) = begun(3, &config).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        // The next try would be eight seconds away, at least.
        wait_until("it waits", || stands(&served, "crm")["attempts"].as_u64().unwrap() >= 10);
        let hook = Hook::on(port, |_, _| TAKES);
        wait_within(Duration::from_secs(5), "it is given", || !hook.given().is_empty());
        all_was_given(&served, &hook, "*");
        assert_eq!(stands(&served, "crm")["next_at"], Value::Null);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_by_hand_is_done() {
    let hook = Hook::new(|given, _| {
        if given.body.contains("poison") { Says::Status(422, "", "I choke on it") } else { TAKES }
    });
    let config = hooked("crm", hook.port, "kinds = [\"message.created\"]\nfields = \"head\"\n");
    let (_server, mailbox, postrider) = begun(3, "").await;
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        rewrite(&postrider, |text| format!("{text}{config}"));
        wait_until("it is there", || served.ask("GET", "/v1/subscribers/crm").0 == 200);
        let tested = postrider.run(&["subscribers", "test", "crm"]).exits(0);
        assert!(tested.stdout.starts_with("taken"), "{}", tested.stdout);
        let given = hook.given().pop().unwrap();
        let body: Value = serde_json::from_str(&given.body).unwrap();
        assert_eq!((&body["type"], body["data"]["seq"].as_i64()), (&json!("test"), None));
        assert!(given.is_signed_with(SECRET));
        // What was there before it was asked for is not given: it begins now. But it can be.
        assert_eq!(hook.given().iter().filter(|one| one.numbers() != [0]).count(), 0);
        let want = told(&served, "message.created");
        ordered(&served, "crm/replay", &format!("{{\"from\": {}}}", want[1]));
        wait_until("two were given", || hook.first_sights() == [0, want[1], want[2]]);
        let body: Value = serde_json::from_str(&hook.given().pop().unwrap().body).unwrap();
        assert_eq!(body["data"]["mail"]["subject"], "mail 2", "{body}");
        ordered(&served, "crm/replay", "{\"from\": \"2020-01-01T00:00:00Z\"}");
        wait_until("all were given", || hook.taken().len() == 4);
        let since = "2199-01-01T00:00:00Z";
        postrider.run(&["subscribers", "replay", "crm", "--from", since]).exits(0);
        for (wrong, status) in [("0", 400), ("-4", 400), ("99999999", 410), ("\"x\"", 400)] {
            let asked = format!("{{\"from\": {wrong}}}");
            let (told, problem) = served.post("/v1/subscribers/crm/replay", &asked);
            assert_eq!(told, status, "{problem}");
        }
        // What it cannot take is passed over.
        mailbox.append("INBOX", note("poison"));
        mailbox.append("INBOX", note("behind it"));
        waits_for_state(&served, "crm", "failing");
        assert_eq!(served.post("/v1/subscribers/crm/skip", "{\"note\": \" \"}").0, 400);
        let skip = ["subscribers", "skip", "crm", "--note", "the receiver's bug 17", "--event"];
        let poison = stands(&served, "crm")["sending"]["first"].to_string();
        let ran = postrider.run(&[&skip[..], &[want[0].to_string().as_str()]].concat()).exits(2);
        assert!(ran.stderr.contains(&format!("from {poison} to {poison} that")), "{}", ran.stderr);
        let ran = postrider.run(&[&skip[..], &[&poison]].concat()).exits(0);
        let says = format!("it is never given {poison} to {poison} (1)");
        assert!(ran.stdout.starts_with(&says), "{}", ran.stdout);
        wait_until("the next is given", || {
            hook.given().iter().any(|one| one.taken && one.body.contains("behind it"))
        });
        waits_for_state(&served, "crm", "active");
        let tries = served.get("/v1/subscribers/crm/deliveries")["items"].clone();
        let said = |text: &str| {
            tries.as_array().unwrap().iter().any(|one| one["text"].as_str().unwrap().contains(text))
        };
        assert!(said("bug 17") && said("I choke on it"), "{tries}");
        let (status, problem) = served.post("/v1/subscribers/crm/skip", "{\"note\": \"x\"}");
        assert_eq!(status, 409, "there is nothing: {problem}");
        let (status, problem) = served.ask("GET", "/v1/subscribers/nobody");
        assert_eq!(status, 404);
        assert!(problem["detail"].as_str().unwrap().ends_with("there is crm"), "{problem}");
        let shown = postrider.run(&["subscribers", "show", "crm"]).exits(0).stdout;
        assert!(shown.contains("message.created") && shown.contains("head"), "{shown}");
        assert_eq!(stands(&served, "crm")["lag_seconds"], 0);
        ordered(&served, "crm/disable", "");
        assert_eq!(stands(&served, "crm")["lag_seconds"], Value::Null, "nobody knows");
        // Who acts says on which mirror, where the config does not.
        rewrite(&postrider, |text| format!("{text}colour = \"red\"\n"));
        let ran = postrider.run(&["subscribers", "test", "crm"]).exits(2);
        assert!(ran.stderr.contains("--data"), "{}", ran.stderr);
    })
    .await;
}

/// Of a list what is named is passed over, and nothing else; of one who is disabled no more than was named.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_list_what_is_named_is_passed_over() {
    let opened = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&opened);
    let hook = Hook::new(move |_, _| match is_open.load(Ordering::SeqCst) {
        true => TAKES,
        false => Says::Status(422, "", ""),
    });
    let more = "from = \"oldest\"\nkinds = [\"message.created\"]\nbatch = 10\n";
    let config = hooked("crm", hook.port, more);
    let (_server, mailbox, postrider) = begun(3, "").await;
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        mailbox.append("INBOX", note("behind what it does not want"));
        wait_until("all are there", || told(&served, "message.created").len() == 4);
        let want = told(&served, "message.created");
        let between = want[3] - 1;
        assert!(between > want[2], "{want:?}");
        rewrite(&postrider, |text| format!("{text}{config}"));
        wait_until("it is there", || served.ask("GET", "/v1/subscribers/crm").0 == 200);
        waits_for_state(&served, "crm", "failing");
        assert_eq!(stands(&served, "crm")["sending"]["count"], 4);
        let skip = |event: Option<i64>| {
            let body = json!({ "note": "x", "event": event });
            served.post("/v1/subscribers/crm/skip", &body.to_string())
        };
        assert_eq!(skip(Some(between)).0, 409, "it is none of them");
        ordered(&served, "crm/disable", "");
        let (status, problem) = skip(None);
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains("up to"),
            "{problem}"
        );
        let (status, view) = skip(Some(want[1]));
        assert_eq!((status, view["cursor"].as_i64()), (200, Some(want[1])), "{view}");
        let skipped = json!({ "first": want[0], "last": want[1], "count": 2 });
        assert_eq!(view["skipped"], skipped);
        opened.store(true, Ordering::SeqCst);
        ordered(&served, "crm/enable", "");
        wait_until("the rest is given", || hook.taken() == want[2..].iter().copied().collect());
    })
    .await;
}

/// Another id begins anew; who is put back goes on where it was; another choice is followed at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_keeps_what_was_given() {
    let (hook, other) =
        (Hook::new(|_, _| Says::Slow(Duration::from_millis(30))), Hook::new(|_, _| TAKES));
    let of_hook = hooked("crm", hook.port, "from = \"oldest\"\n");
    let (_server, mailbox, postrider) = begun(30, &of_hook).await;
    let (one, another) = (hook.port.to_string(), other.port.to_string());
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("some were given", || hook.given().len() > 5);
        // Taken out while it delivers, and put back elsewhere.
        rewrite(&postrider, |text| text.replace(&of_hook, ""));
        wait_until("it is not there", || served.ask("GET", "/v1/subscribers/crm").0 == 404);
        served.wait_for_state("a", "idle");
        let had = hook.given().len();
        rewrite(&postrider, |text| format!("{text}{}", of_hook.replace(&one, &another)));
        waits_until_taken_by_both(&served, &hook, &other);
        assert!(hook.given().len() <= had + 1, "one was under way");
        let twice = hook.taken().intersection(&other.taken()).count();
        assert!(twice <= 1, "{twice} were given to both");
        // Only some kinds, from here on; and another name is somebody else.
        let renamed =
            |text: &str| text.replace("id = \"crm\"", "id = \"erp\"\nkinds = [\"folder.*\"]");
        let (folders, before) = (told(&served, "folder.*").len(), other.given().len());
        rewrite(&postrider, renamed);
        wait_until("it is another", || served.ask("GET", "/v1/subscribers/erp").0 == 200);
        wait_until("it has what it wants", || other.given().len() == before + folders);
        mailbox.append("INBOX", note("of no concern"));
        mailbox.create("Archive", "");
        assert_eq!(served.ask("POST", "/v1/accounts/a/sync-now").0, 202);
        wait_until("a folder is told", || told(&served, "folder.created").len() > folders);
        wait_until("it is given", || other.given().len() == before + folders + 1);
        // A config that says nonsense changes nothing.
        rewrite(&postrider, |text| text.replace("folder.*", "nonsense"));
        wait_until("it is refused", || served.running.stderr().contains("there is no kind"));
        assert_eq!(served.get("/v1/subscribers")["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

fn waits_until_taken_by_both(served: &Served, one: &Hook, other: &Hook) {
    wait_until("all was taken by one of them", || {
        let taken: BTreeSet<i64> = one.taken().union(&other.taken()).copied().collect();
        told(served, "*").iter().all(|number| taken.contains(number))
    });
}

/// Whoever was away for longer than events are kept is told which it will never see.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_too_long_is_told_what_is_lost() {
    let port = free_port();
    let retention = "[retention]\nevents = \"30d\"\n";
    let config = hooked("crm", port, "from = \"oldest\"\n");
    let (_server, mailbox, postrider) = begun(4, &format!("{config}{retention}")).await;
    blocking(move || {
        let clock = postrider.path("clock");
        let on_day = |day: u64| {
            fs::write(&clock, (day * 24 * HOUR).to_string()).unwrap();
            let served = postrider.serve(&[("POSTRIDER_CLOCK", clock.to_str().unwrap())]);
            served.wait_for_state("a", "idle");
            served
        };
        let served = on_day(0);
        waits_for_state(&served, "crm", "failing");
        let last = *told(&served, "*").last().unwrap();
        served.stop();
        mailbox.append("INBOX", note("of yesterday"));
        let served = on_day(31);
        wait_until("what is old has gone", || served.ask("GET", "/v1/events?after=0").0 == 410);
        let hook = Hook::on(port, |_, n| if n == 1 { Says::Status(503, "", "") } else { TAKES });
        postrider.run(&["subscribers", "enable", "crm"]).exits(0);
        wait_until("all that is left is given", || {
            told_after(&served, last).iter().all(|number| hook.taken().contains(number))
        });
        let given = hook.given();
        // The first was in hand already, and is given. What was lost behind it is told until that is taken.
        let says = |one: &Given| one.head.get("postrider-lost").cloned();
        let first: Vec<(i64, Option<String>)> =
            given.iter().take(4).map(|one| (one.numbers()[0], says(one))).collect();
        let begins = first[2].0;
        let lost = Some(format!("2-{}", begins - 1));
        assert!(begins > 2 && begins <= last + 1, "{first:?}");
        assert_eq!(first[..3], [(1, None), (begins, lost.clone()), (begins, lost)]);
        assert!(given[3..].iter().all(|one| says(one).is_none()));
        let whole: BTreeSet<i64> = given[2..].iter().flat_map(Given::numbers).collect();
        assert_eq!(whole.len() as i64, whole.last().unwrap() - begins + 1);
    })
    .await;
}

fn told_after(served: &Served, after: i64) -> Vec<i64> {
    let page = served.get(&format!("/v1/events?limit=1000&after={after}"));
    page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()).collect()
}

/// No packet leaves for what is no public address, whatever it is called; and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_reached_is_not() {
    let hook = Hook::new(|_, _| TAKES);
    let port = hook.port;
    let hosts = [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
    ];
    let one = |n: usize, url: String| {
        format!(
            "[[subscriber]]\nid = \"s{n}\"\nurl = \"{url}\"\nsecret_file = \"secrets/crm\"\nfrom = \"oldest\"\n"
        )
    };
    let mut config: Vec<String> = hosts
        .iter()
        .enumerate()
        .map(|(n, host)| one(n, format!("https://{host}:{port}/")))
        .collect();
    config.push(one(hosts.len(), format!("http://127.0.0.1:{port}/")));
    let (_server, _mailbox, postrider) = begun(2, &config.concat()).await;
    blocking(move || {
        let served = postrider.serve(&[
            ("HTTPS_PROXY", &format!("http://127.0.0.1:{port}")),
            ("HTTP_PROXY", &format!("http://127.0.0.1:{port}")),
        ]);
        served.wait_for_state("a", "idle");
        for n in 0..=hosts.len() {
            let id = format!("s{n}");
            wait_until("it was tried twice", || {
                stands(&served, &id)["attempts"].as_u64().unwrap() >= 2
            });
            let shown = stands(&served, &id);
            let reason = shown["reason"].as_str().unwrap();
            // Not every machine knows that name with a dot behind it.
            let is_unknown =
                reason.contains("lookup") && shown["target"].to_string().contains(".:");
            assert!(is_unknown || reason.contains("allow_private = true"), "{shown}");
            let log = served.running.stderr();
            let said = log.lines().filter(|line| line.ends_with(&format!("subscriber={id}")));
            assert_eq!(said.count(), 1, "{id}: {log}");
        }
        assert_eq!(hook.connections(), 0);
        let checked = postrider.run(&["check", "--offline"]);
        assert!(checked.stderr.contains("gets nothing"), "{}", checked.stderr);
    })
    .await;
}

/// A program takes events; whoever it has started ends with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_takes_events() {
    let program = |id: &str, script: &str| {
        format!(
            "[[subscriber]]\nid = \"{id}\"\ncommand = [\"/bin/sh\", \"-c\", '''{script}''', \"$HOME; x\"]\nfrom = \"oldest\"\n\
             kinds = [\"message.created\"]\n"
        )
    };
    let config = [
        program(
            "takes",
            "cat >> FOLDER/taken; echo >> FOLDER/taken; env >> FOLDER/env; nice >> FOLDER/nice; echo \"$0\" >> FOLDER/words",
        ),
        program("refuses", "echo \"no room\" >&2; exit 3"),
        program("hangs", "sleep 600 & echo $! > FOLDER/child; wait"),
    ];
    let (_server, _mailbox, postrider) = begun(3, "").await;
    let folder = postrider.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    rewrite(&postrider, |text| format!("{text}{}", config.concat().replace("FOLDER", &folder)));
    blocking(move || {
        let read = |name: &str| fs::read_to_string(postrider.path(name)).unwrap_or_default();
        let served = postrider.serve(&[("HOME_SECRET", "geheim")]);
        served.wait_for_state("a", "idle");
        wait_until("three were taken", || read("taken").lines().count() == 3);
        let numbers: Vec<i64> = read("taken")
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["data"]["seq"].as_i64().unwrap()
            })
            .collect();
        assert_eq!(numbers, told(&served, "message.created"));
        assert!(
            !read("env").contains("geheim") && read("env").contains("PATH="),
            "{}",
            read("env")
        );
        assert!(read("words").starts_with("$HOME; x"), "no shell of ours reads them");
        let own = served.threads();
        let usual = own.iter().find(|(name, _)| name == "postrider").unwrap().1.to_string();
        assert!(read("nice").lines().all(|nice| nice == usual), "it is as quick as others");
        waits_for_state(&served, "refuses", "failing");
        let reason = stands(&served, "refuses")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains('3') && reason.contains("no room"), "{reason}");
        waits_for_state(&served, "hangs", "failing");
        let reason = stands(&served, "hangs")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("10 s"), "{reason}");
        // The next one has begun: that is another child.
        rewrite(&postrider, |text| {
            text.replace("id = \"hangs\"", "id = \"off\"\nowner = \"ada\"")
                .replace("sleep 600", "true")
        });
        let child = read("child");
        let stat = format!("/proc/{}/stat", child.trim());
        wait_until("its child has ended", || {
            fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
        });
    })
    .await;
}

#[test]
fn a_config_says_what_is_wrong_with_a_subscriber() {
    let of = |lines: &str| {
        let account = account("a", 1, "pw");
        let postrider =
            Postrider::new(&format!("{account}owner = \"ada\"\n[[subscriber]]\n{lines}"));
        let ran = postrider.run(&["check", "--offline"]).exits(2);
        assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
        ran.stderr
    };
    let url = "url = \"https://example.org/x\"\n";
    let whole = format!("id = \"x\"\n{url}secret_file = \"s\"\n");
    for (lines, says) in [
        (format!("{url}secret_file = \"s\"\n"), "id: it is needed"),
        (format!("id = \"a b\"\n{url}secret_file = \"s\"\n"), "\"a b\" will not do"),
        (format!("id = \"x\"\n{url}"), "secret_file: it is needed"),
        ("id = \"x\"\n".to_owned(), "write either url"),
        (format!("{whole}command = [\"/bin/true\"]\n"), "write either url"),
        (whole.replace("\"s\"", "\"whsec_geheim\""), "that is a secret"),
        ("id = \"x\"\ncommand = [\"true\"]\n".to_owned(), "the whole path"),
        ("id = \"x\"\ncommand = [\"/bin/true\"]\nsecret_file = \"s\"\n".to_owned(), "leave it out"),
        (whole.replace("https://example.org", "https://geheim:geheim@x"), "a name or a password"),
        (whole.replace("https://", "ftp://"), "write https://"),
        (whole.replace("https://", "nats://"), "not supported yet"),
        (whole.replace("https://example.org/x", "geheim"), "no URL"),
        (format!("{whole}kinds = [\"mail\"]\n"), "there is no kind `mail`"),
        (format!("{whole}kinds = [\"mail\"]\n"), "`subscriber.*`; or `*`"),
        (format!("{whole}kinds = []\n"), "no kind is named"),
        (format!("{whole}kinds = \"message.*\"\n"), "write a list of strings"),
        (format!("{whole}accounts = \"a\"\n"), "write a list of strings"),
        (format!("{whole}[[subscribers]]\n{whole}"), "write [[subscriber]], once for each"),
        (format!("{whole}accounts = [\"b\"]\n"), "there is no account \"b\""),
        (format!("{whole}accounts = []\n"), "nobody is named"),
        (format!("{whole}owner = \"bob\"\n"), "no account has the owner"),
        (format!("{whole}accounts = [\"a\"]\nowner = \"ada\"\n"), "either accounts or owner"),
        (format!("{whole}batch = 101\n"), "batch: "),
        (format!("{whole}from = \"then\"\n"), "from: "),
        (format!("{whole}from = 0\n"), "from: "),
        (format!("{whole}fields = \"all\"\n"), "fields: "),
        (format!("{whole}colour = \"red\"\n"), "colour"),
        (format!("{whole}[[subscriber]]\n{whole}"), "another subscriber is called"),
    ] {
        let told = of(&lines);
        assert!(told.contains(says) && told.contains("config.toml:"), "{lines}: {told}");
        let count = told.lines().filter(|line| line.contains("config.toml:")).count();
        assert_eq!(count, 1, "{lines}: {told}");
    }
    // Who is refused is there all the same.
    let account = account("a", 1, "pw").replace("id = ", "colour = \"red\"\nid = ");
    let named = format!("{account}[[subscriber]]\n{whole}accounts = [\"a\"]\n");
    let ran = Postrider::new(&named).run(&["check", "--offline"]).exits(2);
    assert!(!ran.stderr.contains("no account"), "{}", ran.stderr);
}

/// What a subscriber needs is looked for before it is given anything.
#[test]
fn check_looks_for_secrets_and_programs() {
    let config = "[[subscriber]]\nid = \"x\"\nurl = \"https://example.org\"\nsecret_file = \"s\"\n\
                  [[subscriber]]\nid = \"y\"\ncommand = [\"/nowhere/page-me\"]\n";
    let postrider = Postrider::new(&format!("{}{config}", account("a", 1, "pw")));
    let ran = postrider.run(&["check", "--offline"]).exits(2);
    for says in ["config.toml: subscriber x: secret_file", "subscriber y: command /nowhere/page-me"]
    {
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    fs::write(postrider.path("s"), format!("{SECRET}\n")).unwrap();
    rewrite(&postrider, |text| text.replace("/nowhere/page-me", "/bin/true"));
    postrider.run(&["check", "--offline"]).exits(0);
}

/// Whoever repeats what it was asked tells nobody where it lives, or what a mail says.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_repeats_is_for_nobody() {
    let hook = Hook::new(|given, _| match given.body.contains("mail 0") {
        true => Says::Status(500, "", "cannot take mail 0"),
        false => Says::Status(404, "", "Cannot POST /hook?key=geheim"),
    });
    let config = [
        hooked("path", hook.port, "from = \"oldest\"\nkinds = [\"account.*\"]\n"),
        hooked(
            "mail",
            hook.port,
            "from = \"oldest\"\nkinds = [\"message.*\"]\nfields = \"head\"\n",
        ),
    ];
    // A web server that is asked in TLS, and speaks none.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
            drop(stream.read(&mut [0; 4096]));
        }
    });
    let plain = hooked("plain", port, "from = \"oldest\"\n").replace("http://", "https://");
    let (_server, _mailbox, postrider) = begun(1, &[config.concat(), plain].concat()).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        waits_for_state(&served, "plain", "failing");
        let reason = stands(&served, "plain")["reason"].as_str().unwrap().to_owned();
        assert_eq!(reason, "no TLS: who is there speaks none");
        for (id, says) in [("path", "repeated the request"), ("mail", "cannot take mail 0")] {
            waits_for_state(&served, id, "failing");
            let tries = served.get(&format!("/v1/subscribers/{id}/deliveries"));
            assert!(tries["items"][0]["text"].as_str().unwrap().contains(says), "{tries}");
            assert!(!tries.to_string().contains("geheim"), "{tries}");
            let shown = stands(&served, id).to_string();
            assert!(!shown.contains("geheim") && !shown.contains("mail 0"), "{shown}");
        }
        // Who may not read mail is not told what repeats it.
        let file = postrider.path("data/admin.token");
        let reader = format!("{:x<40}", "reader");
        let own = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{own}read {reader}\n")).unwrap();
        let mut other = served;
        other.token = reader;
        let path = "/v1/subscribers/mail/deliveries";
        wait_until("its token is known", || other.ask("GET", path).0 == 200);
        assert_eq!(other.get(path)["items"][0]["text"], Value::Null);
        let log = other.stop();
        assert!(!log.contains("geheim") && !log.contains("mail 0"), "{log}");
    })
    .await;
}

/// Whose an account's events are, and what it is called, may change while they wait: none is passed over.
#[tokio::test(flavor = "multi_thread")]
async fn who_gets_another_owner_or_name_loses_nothing() {
    let (owned, named) = (Hook::new(|_, _| TAKES), Hook::new(|_, _| TAKES));
    let config = [
        hooked("owned", owned.port, "from = \"oldest\"\nowner = \"ada\"\n"),
        hooked("named", named.port, "from = \"oldest\"\naccounts = [\"a\"]\n"),
    ];
    let ports = [owned.port, named.port];
    // Nobody is there at first.
    drop((owned, named));
    let (_server, _mailbox, postrider) = begun(20, &config.concat()).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("a", "idle");
        waits_for_state(&served, "owned", "failing");
        waits_for_state(&served, "named", "failing");
        let edit = |text: &str| {
            let text = text.replace("ada", "eve").replace("id = \"a\"", "id = \"b\"\nwas = \"a\"");
            text.replace("[\"a\"]", "[\"b\"]")
        };
        rewrite(&postrider, edit);
        wait_until("it has another name", || served.ask("GET", "/v1/accounts/b").0 == 200);
        served.wait_for_state("b", "idle");
        let [owned, named] = ports.map(|port| Hook::on(port, |_, _| TAKES));
        all_was_given(&served, &owned, "message.*");
        all_was_given(&served, &named, "message.*");
        assert_eq!(told(&served, "message.created").len(), 20);
        assert_eq!(
            served.get("/v1/events?limit=1000&owner=eve&kind=message.*")["items"]
                .as_array()
                .unwrap()
                .len(),
            20
        );
    })
    .await;
}

/// Orders that wait together are carried out one after the other, and nothing falls between.
#[tokio::test(flavor = "multi_thread")]
async fn orders_at_once_lose_nothing() {
    let hook = Hook::new(|_, n| {
        if n >= 3 {
            return TAKES;
        }
        std::thread::sleep(Duration::from_millis(700));
        Says::Status(500, "", "")
    });
    let config = hooked("crm", hook.port, "from = \"oldest\"\n");
    let (_server, _mailbox, postrider) = begun(5, &config).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(200));
            std::thread::scope(|threads| {
                for verb in ["disable", "enable", "disable", "enable"] {
                    let (served, path) = (&served, format!("/v1/subscribers/crm/{verb}"));
                    threads.spawn(move || served.ask("POST", &path));
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        postrider.run(&["subscribers", "enable", "crm"]).exits(0);
        served.wait_for_state("a", "idle");
        all_was_given(&served, &hook, "*");
    })
    .await;
}

/// Tries are kept, the last thousand of each.
#[tokio::test(flavor = "multi_thread")]
async fn so_many_tries_are_kept() {
    let hook = Hook::new(|_, _| TAKES);
    let config = hooked("crm", hook.port, "from = \"oldest\"\nkinds = [\"message.created\"]\n");
    let (_server, _mailbox, postrider) = begun(1100, &config.replace("500ms", "5s")).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_within(Duration::from_secs(120), "all were given", || hook.given().len() == 1100);
        let count = "SELECT count(*) AS x FROM delivery";
        wait_until("all are stored", || {
            ask(&postrider.database(), "SELECT max(number) AS x FROM delivery") == "1100"
        });
        assert_eq!(ask(&postrider.database(), count), "1000");
        let page = served.get("/v1/subscribers/crm/deliveries?limit=600");
        let next = page["next"].as_str().unwrap();
        let rest = served.get(&format!("/v1/subscribers/crm/deliveries?limit=600&cursor={next}"));
        assert_eq!(page["items"][0]["number"], 1100);
        assert_eq!(rest["items"].as_array().unwrap().len(), 400);
        assert_eq!(rest["items"][399]["number"], 101);
    })
    .await;
}
