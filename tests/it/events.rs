//! The feed as a product: what is asked of it, what its events are, and what of it is kept.

use crate::support::binary::{Postrider, account};
use crate::support::check::consistent;
use crate::support::database::{ask, change};
use crate::support::fits;
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// A day, in seconds.
const DAY: u64 = 86_400;

/// A server of two accounts of two owners, each with its mail; what its clock shows is in a file.
async fn begun(section: &str) -> (postrider_imapd::Server, Mailbox, Postrider) {
    let (one, other) = (Mailbox::new(), Mailbox::new());
    for n in 0..3 {
        one.append("INBOX", note(&format!("one {n}")));
    }
    other.append("INBOX", note("other"));
    let server = serve(&[("a", &one), ("b", &other)], |_, _| None).await;
    let of = |id, owner| format!("{}owner = \"{owner}\"\n", account(id, server.port(), "pw"));
    let accounts = [of("a", "ada"), of("b", "bob")].concat();
    (server, one, Postrider::new(&format!("{}{section}{accounts}", head())))
}

fn ready(postrider: &Postrider, env: &[(&str, &str)]) -> Served {
    let served = postrider.serve(env);
    ["a", "b"].iter().for_each(|id| served.wait_for_state(id, "idle"));
    served
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().unwrap().clone()
}

/// Kind and account of each.
fn said(page: &Value) -> Vec<String> {
    let word = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    items(page).iter().map(|e| format!("{} {}", word(e, "kind"), word(e, "account"))).collect()
}

fn newest(served: &Served) -> i64 {
    served.get("/v1/events?after=now")["next"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_the_feed_is_told_and_no_more() {
    let (_server, mailbox, postrider) = begun("").await;
    blocking(move || {
        let served = ready(&postrider, &[]);
        let all = served.get("/v1/events?after=0&limit=1000");
        items(&all).iter().for_each(fits::demand);
        assert_eq!(all, served.get("/v1/events?limit=1000"), "from the first, unless it is said");
        assert_eq!(all, served.get("/v1/events?after=oldest&limit=1000"));
        let last = newest(&served);
        assert_eq!(all["next"], last.to_string());
        let created = said(&served.get("/v1/events?kind=message.created"));
        assert_eq!(created.len(), 4, "{created:?}");
        let of = |query: &str| {
            let page = served.get(&format!("/v1/events?{query}"));
            assert_eq!(page["next"], last.to_string(), "a filter moves on: {query}");
            said(&page).into_iter().collect::<BTreeSet<_>>()
        };
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(of("kind=message.*&account=b"), set(&["message.created b"]));
        assert_eq!(of("kind=message.*&owner=bob"), set(&["message.created b"]));
        assert_eq!(
            of("kind=folder.*,account.started&account=a"),
            set(&["account.started a", "folder.created a"])
        );
        assert_eq!(of("kind=job.dead"), set(&[]));
        assert_eq!(of("kind=*&owner=nobody"), set(&[]));
        assert_eq!(of("account=a").len() + of("account=b").len(), of("kind=*").len());
        // A page that is full goes on behind its last.
        let page = served.get("/v1/events?kind=message.*&account=a&limit=2");
        assert_eq!(
            (items(&page).len(), &page["next"]),
            (2, &json!(items(&page)[1]["seq"].to_string()))
        );
        // What is stored of a message, as it is; of what is none there is none.
        let page = served.get("/v1/events?fields=head&limit=1000");
        for event in items(&page) {
            fits::demand(&event);
            assert_eq!(event["message"].is_null(), event.get("mail").is_none(), "{event}");
        }
        let subjects = items(&page)
            .into_iter()
            .filter_map(|e| Some(e["mail"]["subject"].as_str()?.to_owned()));
        assert_eq!(subjects.collect::<BTreeSet<_>>(), set(&["one 0", "one 1", "one 2", "other"]));
        let head = items(&page).into_iter().find(|e| e["mail"]["subject"] == "other").unwrap();
        let stored = served.get(&format!("/v1/messages/{}", head["message"]));
        for name in ["sha256", "size", "message_id", "date"] {
            assert_eq!(head["mail"][name], stored[name], "{name}");
        }
        for (wrong, told) in [
            ("after=-1", "after: write a number from 0, `oldest` or `now`"),
            ("after=soon", "after: write"),
            ("kind=mail", "kind: there is no kind `mail`; write some of message.created"),
            ("kind=", "kind: there is no kind"),
            ("fields=body", "fields: write `head`"),
            ("wait=26", "wait: seconds from 0 to 25"),
        ] {
            let (status, problem) = served.ask("GET", &format!("/v1/events?{wrong}"));
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(status == 400 && detail.starts_with(told), "{wrong}: {status} {problem}");
        }
        assert_eq!(served.ask("GET", "/v1/events?account=nobody").0, 404);
        let (status, problem) = served.ask("GET", &format!("/v1/events?after={}", last + 1));
        assert_eq!(
            (status, &problem["type"], &problem["newest"]),
            (410, &json!("events_ahead"), &json!(last))
        );
        // Whoever waits is told when there is something for it, and of nothing else; in the end how far it was looked.
        let waits = |query: &str| served.get(&format!("/v1/events?after={last}&wait=2&{query}"));
        std::thread::scope(|scope| {
            let wanted = scope
                .spawn(|| served.get(&format!("/v1/events?after={last}&wait=25&kind=message.*")));
            let others = scope.spawn(|| waits("account=b"));
            mailbox.append("INBOX", note("late"));
            assert_eq!(served.ask("POST", "/v1/accounts/a/sync-now").0, 202);
            let wanted = wanted.join().unwrap();
            assert_eq!(said(&wanted), ["message.created a"]);
            let others = others.join().unwrap();
            assert_eq!(said(&others), [""; 0]);
            assert!(others["next"].as_str().unwrap().parse::<i64>().unwrap() > last, "{others}");
        });
        // The command says the same.
        let ran = postrider
            .run(&["events", "--kind", "message.*", "--account", "b", "--fields", "head"])
            .exits(0);
        assert!(
            ran.stdout.lines().count() == 1 && ran.stdout.contains("\"subject\":\"other\""),
            "{}",
            ran.stdout
        );
        let told = |args: &[&str]| postrider.run(&[&["events"], args].concat()).exits(0).stdout;
        let (served_all, served_now) = (told(&[]), told(&["--after", "now"]));
        served.stop();
        assert_eq!((told(&[]), served_now.as_str()), (served_all, ""));
        assert_eq!(
            told(&["--kind", "message.*", "--account", "b", "--fields", "head"]),
            ran.stdout
        );
        for wrong in
            [["--kind", "mail"], ["--after", "-1"], ["--after", "soon"], ["--fields", "body"]]
        {
            postrider.run(&[&["events"], &wrong[..]].concat()).exits(2);
        }
    })
    .await;
}

/// An event for each kind is in the document for people, and is what the other document says. What is not, is no event.
#[test]
fn every_kind_is_described_and_fits() {
    let text = include_str!("../../docs/events.md");
    let shown: Vec<Value> = text
        .lines()
        .filter(|line| line.starts_with("{\"seq\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    shown.iter().for_each(fits::demand);
    let kinds: BTreeSet<String> =
        shown.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, fits::kinds());
    let of = |kind: &str| shown.iter().find(|event| event["kind"] == kind).unwrap().clone();
    let misfits = |name: &str, value: Value| {
        let mut event = of("message.moved");
        event[name] = value;
        fits::misfit(&event).is_some()
    };
    assert!(misfits("kind", json!("message.lost")) && misfits("seq", json!("1")));
    assert!(misfits("message", Value::Null) && misfits("more", json!(1)));
    assert!(misfits("data", json!({ "path": "INBOX" })) && misfits("backfill", Value::Null));
    assert!(!misfits("data", json!({})), "of who was purged");
    for (kind, name, value) in [
        ("message.moved", "what", json!("lost")),
        ("message.moved", "count", json!(-1)),
        ("message.moved", "changed", json!([{ "folder": 1, "uid": 2 }])),
        ("folder.renamed", "path", Value::Null),
        ("run.finished", "outcome", json!("fine")),
        ("job.dead", "job", json!("7")),
        ("store.damaged", "messages", json!(["25"])),
    ] {
        let mut event = of(kind);
        event["data"][name] = value;
        assert!(fits::misfit(&event).is_some(), "{event}");
    }
    let mut event = of("job.dead");
    event["message"] = json!(1);
    assert!(fits::misfit(&event).is_some(), "a job is no message");
}

/// Runs a server at this day until `done`.
fn on_day<T>(postrider: &Postrider, day: u64, done: impl FnOnce(&Served) -> T) -> T {
    let clock = postrider.path("clock");
    fs::write(&clock, (day * DAY).to_string()).unwrap();
    let served = ready(postrider, &[("POSTRIDER_CLOCK", clock.to_str().unwrap())]);
    let told = done(&served);
    served.stop();
    told
}

fn gone(served: &Served, after: i64) -> Value {
    let (status, problem) = served.ask("GET", &format!("/v1/events?after={after}"));
    assert_eq!((status, &problem["type"]), (410, &json!("events_gone")), "{problem}");
    problem["oldest"].clone()
}

/// What is older than is kept goes from the bottom; whoever was there is told, whoever begins is, too.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_so_long_and_their_numbers_for_ever() {
    let (_server, mailbox, postrider) = begun("[retention]\nevents = \"10d\"\n").await;
    blocking(move || {
        let first = on_day(&postrider, 0, newest);
        mailbox.append("INBOX", note("a day later"));
        let second = on_day(&postrider, 9, |served| {
            wait_until("news", || newest(served) > first);
            newest(served)
        });
        assert_eq!(on_day(&postrider, 10, |served| served.ask("GET", "/v1/events?after=0").0), 200);
        // Two days late: what was missed is made up for at the start.
        on_day(&postrider, 12, |served| {
            wait_until("what is old has gone", || served.ask("GET", "/v1/events?after=0").0 == 410);
            let oldest = gone(served, 0).as_i64().unwrap();
            assert!(first < oldest && oldest <= second, "{first} {oldest} {second}");
            assert_eq!((gone(served, oldest - 2), gone(served, 1)), (json!(oldest), json!(oldest)));
            let kept = served.get(&format!("/v1/events?after={}", oldest - 1));
            assert_eq!(
                kept,
                served.get("/v1/events"),
                "whoever says nothing begins with what is kept"
            );
            assert_eq!(items(&kept)[0]["seq"], oldest);
            assert_eq!(
                ask(&postrider.database(), "SELECT min(seq) AS x FROM event"),
                oldest.to_string()
            );
            postrider.run(&["events", "--after", "0"]).exits(2);
            let told = postrider.run(&["events"]).exits(0).stdout;
            let first = told.lines().next().unwrap();
            assert!(first.contains(&format!("\"seq\":{oldest}")), "{told}");
        });
        postrider.run(&["verify", "a", "--offline"]).exits(0);
        // All of them: the end is where it was, and goes on from there.
        let last: i64 =
            ask(&postrider.database(), "SELECT max(seq) AS x FROM event").parse().unwrap();
        // A clock that has risen by days is not believed for a day.
        on_day(&postrider, 99, |_| std::thread::sleep(Duration::from_secs(3)));
        assert_eq!(ask(&postrider.database(), "SELECT count(*) > 0 AS x FROM event"), "1");
        on_day(&postrider, 100, |served| {
            wait_until("nothing is left", || {
                ask(&postrider.database(), "SELECT count(*) AS x FROM event") == "0"
            });
            assert_eq!(gone(served, last - 1), json!(last + 1));
            assert_eq!(items(&served.get(&format!("/v1/events?after={last}"))), [] as [Value; 0]);
            assert_eq!(served.ask("GET", &format!("/v1/events?after={}", last + 1)).0, 410);
            mailbox.append("INBOX", note("behind all of them"));
            assert_eq!(served.ask("POST", "/v1/accounts/a/sync-now").0, 202);
            wait_until("it goes on", || newest(served) > last);
            let page = served.get(&format!("/v1/events?after={last}"));
            assert_eq!(items(&page)[0]["seq"], last + 1);
        });
        postrider.run(&["verify", "a", "--offline"]).exits(0);
        // What is missing behind the lowest that is kept is said.
        let lowest = ask(&postrider.database(), "SELECT min(seq) AS x FROM event");
        change(&postrider.database(), "DELETE FROM event WHERE seq = (SELECT min(seq) FROM event)");
        let ran = postrider.run(&["verify", "a", "--offline"]).exits(1);
        assert!(ran.stdout.contains(&format!("event {lowest} is missing")), "{}", ran.stdout);
    })
    .await;
}

/// A server that goes on deletes at its time of the day, 1000 a write, and a reader meanwhile misses nothing unsaid.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_goes_at_its_time_and_nobody_misses_it_unsaid() {
    let (_server, _mailbox, postrider) =
        begun("[retention]\nevents = \"2d\"\nat = \"03:30\"\n").await;
    blocking(move || {
        on_day(&postrider, 0, newest);
        change(
            &postrider.database(),
            "INSERT INTO event (seq, id, at, kind, account, backfill, data) \
             WITH RECURSIVE n (x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < 19999) \
             SELECT c.next + n.x, 'e' || n.x, (SELECT max(at) FROM event), 'account.paused', a.id, FALSE, '{}' FROM n, counter c, \
             account a WHERE c.name = 'event' AND a.name = 'a'",
        );
        change(&postrider.database(), "UPDATE counter SET next = next + 20000 WHERE name = 'event'");
        on_day(&postrider, 2, |served| {
            let all = newest(served);
            assert_eq!(items(&served.get("/v1/events?after=0&limit=1000")).len(), 1000, "it is not time yet");
            // Two days later the clock of a server that goes on has passed half past three twice.
            fs::write(postrider.path("clock"), (4 * DAY).to_string()).unwrap();
            let (mut after, mut read) = (0, 0);
            let began = Instant::now();
            let oldest = loop {
                let (status, page) = served.ask("GET", &format!("/v1/events?after={after}&limit=7"));
                if status == 410 {
                    break page["oldest"].as_i64().unwrap();
                }
                assert_eq!(status, 200, "{page}");
                for event in items(&page) {
                    assert_eq!(event["seq"], after + 1, "a number is missing, and nobody says so");
                    after += 1;
                    read += 1;
                }
                // Who has read all begins anew, until they go.
                after = if after >= all { 0 } else { after };
                assert!(began.elapsed() < Duration::from_secs(60), "nothing goes; {read} were read");
            };
            assert!(oldest > after + 1);
            wait_until("what is old has gone", || gone(served, 0).as_i64().unwrap() > all - 20);
        });
        consistent_but_for_what_has_gone(&postrider);
    })
    .await;
}

fn consistent_but_for_what_has_gone(postrider: &Postrider) {
    postrider.run(&["verify", "a", "--offline"]).exits(0);
    let kept = "SELECT c.next - k.next - (SELECT count(*) FROM event) AS x FROM counter c, counter k WHERE c.name = 'event' AND k.name = 'kept'";
    assert_eq!(ask(&postrider.database(), kept), "0");
}

/// A copy that goes on leaps with its numbers, and the lowest that is kept stays where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_goes_on_keeps_what_it_has() {
    let (_server, mailbox, postrider) = begun("[retention]\nevents = \"10d\"\n").await;
    blocking(move || {
        let first = on_day(&postrider, 0, newest);
        consistent(&postrider.database());
        mailbox.append("INBOX", note("a week later"));
        on_day(&postrider, 9, |served| wait_until("news", || newest(served) > first));
        on_day(&postrider, 12, |served| {
            wait_until("what is old has gone", || served.ask("GET", "/v1/events?after=0").0 == 410);
        });
        let kept = ask(&postrider.database(), "SELECT min(seq) AS x FROM event");
        fs::remove_file(postrider.path("data/instance")).unwrap();
        fs::write(postrider.path("data/instance"), "01234567-89ab-cdef-0123-456789abcdef\n")
            .unwrap();
        let clock = postrider.path("clock");
        let env = [("POSTRIDER_CLOCK", clock.to_str().unwrap())];
        let served = postrider.serve_with(&["serve", "--adopt"], &env);
        ["a", "b"].iter().for_each(|id| served.wait_for_state(id, "idle"));
        assert_eq!(gone(&served, 0).to_string(), kept);
        mailbox.append("INBOX", note("behind the leap"));
        assert_eq!(served.ask("POST", "/v1/accounts/a/sync-now").0, 202);
        wait_until("it goes on above", || newest(&served) > 1 << 32);
        served.stop();
        postrider.run(&["verify", "a", "--offline"]).exits(0);
    })
    .await;
}
