//! Who may do what, and to whose: every route with every right, and with every owner.

use crate::derive::{stop, wait_until_derived};
use crate::lists::mail;
use crate::support::binary::{Postrider, account};
use crate::support::database::{TestDatabase, ask, change};
use crate::support::mail::{Mail, Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, request, wait_until};
use postrider::admin::table::{About, Route, routes};
use postrider::admin::token::Access;
use postrider_imapd::Misbehaviour;
use serde_json::Value;
use std::fs;

/// Every route: what a token must allow, whether to read mail, and what it is about, as docs/operations.md says it.
const ROUTES: &str = "
open    -    nobody  GET /healthz
open    -    nobody  GET /readyz
open    -    nobody  GET /openapi.json
open    -    nobody  GET /docs
open    -    nobody  GET /docs/
open    -    nobody  GET /docs/{*rest}
open    -    nobody  GET /
read    -    process GET /metrics
read    -    list    GET /v1/accounts
read    -    account GET /v1/accounts/{id}
read    -    account GET /v1/accounts/{id}/folders
read    -    account GET /v1/accounts/{id}/cursors
read    -    account GET /v1/accounts/{id}/runs
read    -    process GET /v1/actors
read    -    list    GET /v1/runs
read    -    list    GET /v1/failures
read    -    failure GET /v1/failures/{id}
read    mail failure GET /v1/failures/{id}/raw
operate -    list    POST /v1/failures/retry
operate -    failure POST /v1/failures/{id}/retry
operate -    failure POST /v1/failures/{id}/discard
read    -    list    GET /v1/jobs
read    -    job     GET /v1/jobs/{id}
operate -    list    POST /v1/jobs
operate -    list    POST /v1/jobs/cancel
operate -    job     POST /v1/jobs/{id}/cancel
operate -    job     POST /v1/jobs/{id}/retry
operate -    job     POST /v1/jobs/{id}/discard
read    -    list    GET /v1/subscribers
read    -    subscriber GET /v1/subscribers/{id}
read    -    subscriber GET /v1/subscribers/{id}/deliveries
operate -    subscriber POST /v1/subscribers/{id}/test
operate -    subscriber POST /v1/subscribers/{id}/enable
operate -    subscriber POST /v1/subscribers/{id}/disable
operate -    subscriber POST /v1/subscribers/{id}/replay
operate -    subscriber POST /v1/subscribers/{id}/skip
admin   -    list    GET /v1/audit
read    -    list    GET /v1/events
read    -    list    GET /v1/events/stream
read    -    process GET /v1/limits
read    -    process GET /v1/health
read    -    process GET /v1/inbound
read    mail message GET /v1/messages/{id}
read    mail message GET /v1/messages/{id}/raw
read    mail message GET /v1/messages/{id}/headers
read    mail message GET /v1/messages/{id}/text
read    mail message GET /v1/messages/{id}/html
read    mail message GET /v1/messages/{id}/parts/{number}
read    mail list    GET /v1/messages
read    mail message GET /v1/messages/{id}/history
read    mail list    GET /v1/threads
read    mail thread  GET /v1/threads/{id}
read    mail list    GET /v1/contacts
read    mail contact GET /v1/contacts/{id}
read    mail list    GET /v1/attachments
admin   -    account POST /v1/accounts/{id}/purge
operate -    account POST /v1/accounts/{id}/reindex
admin   -    account POST /v1/accounts/{id}/credential
admin   -    account POST /v1/accounts/{id}/repair
operate -    account POST /v1/accounts/{id}/schedule-at
operate -    list    POST /v1/control/{verb}
operate -    list    POST /v1/sync
operate -    list    GET /v1/sync
operate -    account POST /v1/accounts/{id}/pause
operate -    account POST /v1/accounts/{id}/resume
operate -    account POST /v1/accounts/{id}/cancel
operate -    account POST /v1/accounts/{id}/sync-now
operate -    account POST /v1/accounts/{id}/reset-errors
";

const OWNERS: [(&str, &str); 2] = [("of-ada", "ada"), ("of-bob", "bob")];
const RIGHTS: [(&str, Access, bool); 5] = [
    ("read", Access::Read, false),
    ("read+mail", Access::Read, true),
    ("operate", Access::Operate, false),
    ("operate+mail", Access::Operate, true),
    ("admin", Access::Admin, true),
];

/// Who asks.
struct Asker {
    token: Option<String>,
    role: Access,
    mail: bool,
    owner: Option<&'static str>,
}

impl Asker {
    fn ask(&self, served: &Served, method: &str, path: &str) -> (u16, String) {
        let token = self.token.as_ref();
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n{}",
            served.address,
            bearer.unwrap_or_default()
        );
        let (status, _, body) = request(&served.address, &head, "");
        (status, body)
    }

    fn get(&self, served: &Served, path: &str) -> Value {
        let (status, body) = self.ask(served, "GET", path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

/// A token of each right, everybody's and each owner's; and the lines of the file.
fn askers() -> (Vec<Asker>, String) {
    let (mut all, mut lines) = (Vec::new(), String::new());
    for (word, role, mail) in RIGHTS {
        for owner in [None, Some("ada"), Some("bob")] {
            let rights = owner.map_or_else(|| word.to_owned(), |owner| format!("{word}@{owner}"));
            let token = format!("{:x<40}", rights.replace(['+', '@'], "-"));
            lines.push_str(&format!("{rights} {token}\n"));
            all.push(Asker { token: Some(token), role, mail, owner });
        }
    }
    (all, lines)
}

/// Two accounts of two owners, the same mail in both, and a failure of each.
async fn served() -> (postrider_imapd::Server, Postrider, Served, Vec<Asker>) {
    let boxes = OWNERS.map(|(account, owner)| {
        let mailbox = Mailbox::new();
        for n in 1..=12 {
            mailbox.append("INBOX", mail(n));
        }
        let html = "Content-Type: text/html\r\n\r\n<p>hello</p>\r\n";
        mailbox.append("INBOX", Mail::new(format!("Subject: only of {owner}\r\n{html}")));
        mailbox.append("INBOX", note("never handed out"));
        (account, mailbox)
    });
    let [(a, ada), (b, bob)] = &boxes;
    let refuses =
        |_: &str, asked: &str| asked.contains("BODY").then(|| Misbehaviour::Hollow(vec![14]));
    let server = serve(&[(a, ada), (b, bob)], refuses).await;
    let accounts = OWNERS
        .map(|(id, owner)| format!("{}owner = \"{owner}\"\n", account(id, server.port(), "pw")));
    let subscribers = OWNERS.map(|(id, owner)| {
        let whose = format!("id = \"to-{id}\"\nowner = \"{owner}\"\n");
        format!("[[subscriber]]\n{whose}command = [\"/bin/true\"]\n")
    });
    let config = [head(), accounts.concat(), subscribers.concat()].concat();
    let postrider = Postrider::new(&config);
    let (askers, lines) = askers();
    let (postrider, served) = blocking(move || {
        let first = postrider.serve(&[]);
        wait_until("all but two mails, which are failures", || {
            let items = |list: &str| first.get(list)["items"].as_array().unwrap().len();
            (items("/v1/messages?limit=200"), items("/v1/failures")) == (26, 2)
        });
        wait_until_derived(&first, &postrider.database());
        stop(first);
        // As if something had come of them.
        let came = match postrider.database() {
            TestDatabase::File(_) => "UPDATE failure SET came = CAST('A' AS BLOB)",
            TestDatabase::Server(_) => "UPDATE failure SET came = CAST('A' AS BYTEA)",
        };
        change(&postrider.database(), came);
        fs::write(postrider.path("data/admin.token"), lines).unwrap();
        let mut served = postrider.serve(&[]);
        served.token = format!("{:x<40}", "admin");
        OWNERS.iter().for_each(|(id, _)| served.wait_for_state(id, "idle"));
        let asked = served.post("/v1/jobs", r#"{"kind": "incremental", "all": true}"#);
        assert_eq!((asked.0, asked.1["items"].as_array().unwrap().len()), (202, 2));
        wait_until("two jobs are done", || {
            served.get("/v1/jobs?status=done")["items"].as_array().unwrap().len() == 2
        });
        (postrider, served)
    })
    .await;
    (server, postrider, served, askers)
}

/// What the paths of an owner's things name.
struct Named {
    account: &'static str,
    message: String,
    thread: String,
    contact: String,
    failure: String,
    job: String,
    subscriber: String,
    folder: String,
}

fn named(served: &Served, account: &'static str) -> Named {
    let first = |list: &str, more: &str| {
        served.get(&format!("{list}?account={account}{more}"))["items"][0].clone()
    };
    let message = first("/v1/messages", "&subject=only");
    Named {
        account,
        message: message["id"].to_string(),
        thread: first("/v1/threads", "")["id"].to_string(),
        contact: first("/v1/contacts", "")["id"].to_string(),
        failure: first("/v1/failures", "")["id"].to_string(),
        job: first("/v1/jobs", "")["id"].to_string(),
        subscriber: format!("to-{account}"),
        folder: message["folders"][0]["id"].to_string(),
    }
}

impl Named {
    fn of(&self, about: About) -> &str {
        match about {
            About::Account => self.account,
            About::Message => &self.message,
            About::Thread => &self.thread,
            About::Contact => &self.contact,
            About::Failure => &self.failure,
            About::Job => &self.job,
            About::Subscriber => &self.subscriber,
            About::Nobody | About::List | About::Process => "index.html",
        }
    }
}

/// Whether an answer of a route need name no account, or tells what somebody has asked of another's.
fn names_nobody(route: &Route) -> bool {
    matches!(&*route.path, "/v1/sync" | "/v1/audit")
}

/// A stream would not end: asked for what is behind all that was told it is refused.
fn ended(path: String) -> String {
    if path.ends_with("/stream") { format!("{path}?after=99999999999") } else { path }
}

#[test]
fn the_table_of_routes_is_this_one() {
    let mut table: Vec<String> = ROUTES
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let mut there: Vec<String> = routes()
        .iter()
        .map(|route| {
            let about = format!("{:?}", route.about).to_lowercase();
            let mail = if route.mail { "mail" } else { "-" };
            format!("{} {mail} {about} {} {}", route.role.as_str(), route.method, route.path)
        })
        .collect();
    table.sort();
    there.sort();
    assert_eq!(there, table);
}

/// What a right allows is let in, and nothing else; what is another owner's is not there, as what never was is not.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_with_every_right_and_every_owner() {
    let (_server, postrider, mut served, askers) = served().await;
    blocking(move || {
        let nobody = |token: Option<&str>| Asker {
            token: token.map(str::to_owned),
            role: Access::Open,
            mail: false,
            owner: None,
        };
        let strangers = [nobody(None), nobody(Some("wrong-wrong-wrong-wrong-wrong-wrong-wrong"))];
        let things = OWNERS.map(|(account, owner)| (owner, named(&served, account)));
        let count = "SELECT count(*) AS x FROM audit WHERE who IS NOT NULL AND status IS NOT NULL";
        let audited = || ask(&postrider.database(), count).parse::<u64>().unwrap();
        let (mut tried, mut written) = (0, audited());
        for route in routes() {
            // On loopback the metrics are open.
            let needed = if route.path == "/metrics" { Access::Open } else { route.role };
            let path = |id: &str| {
                let path = route.path.replace("{id}", id).replace("{*rest}", id);
                let path = path.replace("{number}", "1").replace("{verb}", "pause");
                ended(path)
            };
            for (whose, named) in &things {
                let path = path(named.of(route.about));
                for asker in strangers.iter().chain(&askers) {
                    let (status, body) = asker.ask(&served, route.method, &path);
                    let is_known = asker.role != Access::Open;
                    let is_written = route.method == "POST" || route.path == "/v1/sync";
                    written += u64::from(is_written && is_known);
                    let others = asker.owner.is_some_and(|owner| owner != *whose);
                    let is_named = !matches!(route.about, About::List | About::Process);
                    let want = match asker {
                        _ if needed == Access::Open => &[200, 303, 307][..],
                        Asker { role: Access::Open, .. } => &[401],
                        _ if asker.role < needed || route.mail && !asker.mail => &[403],
                        _ if asker.owner.is_some() && route.about == About::Process => &[403],
                        _ if others && is_named => &[404],
                        // Who is let in and says nothing is told so; what the config names is not purged.
                        _ if route.path.ends_with("credential") => &[400],
                        _ if route.path.ends_with("failures/{id}/discard") => &[400],
                        _ if route.path.ends_with("jobs") && route.method == "POST" => &[400],
                        _ if route.path.ends_with("jobs/cancel") => &[400],
                        _ if route.path.ends_with("/replay") => &[400],
                        _ if route.path.ends_with("/skip") => &[400],
                        _ if route.path.starts_with("/v1/subscribers") => &[200],
                        _ if route.path.ends_with("schedule-at") => &[400],
                        _ if route.path.ends_with("control/{verb}") => &[400],
                        // What it tells, and to whom, is another test's.
                        _ if route.path.ends_with("/stream") => &[410],
                        _ if route.path.ends_with("/sync") => &[200],
                        _ if route.path.ends_with("purge") => &[409],
                        _ if route.method == "POST" => &[202, 409],
                        _ => &[200],
                    };
                    let who = (asker.role, asker.mail, asker.owner);
                    let asked = format!("{} {path} as {who:?}", route.method);
                    assert!(want.contains(&status), "{asked}: {status} {body}");
                    if want == [404] {
                        let none = if route.about == About::Account { "nobody" } else { "9999999" };
                        let never = path_of(&route.path, none);
                        written += u64::from(is_written && is_known);
                        assert_eq!(
                            asker.ask(&served, route.method, &never),
                            (404, body),
                            "{asked}"
                        );
                    } else if route.about == About::List && status == 200 && !names_nobody(&route) {
                        for (id, owner) in OWNERS {
                            let sees = asker.owner.is_none_or(|mine| mine == owner);
                            assert_eq!(body.contains(id), sees, "{asked}: {body}");
                        }
                    }
                    tried += 1;
                }
            }
            let has_get = |path: &str| routes().iter().any(|r| r.method == "GET" && r.path == path);
            let other = if has_get(&route.path) { "DELETE" } else { "GET" };
            let path = path("of-ada");
            assert_eq!(served.ask(other, &path).0, 405, "{other} {path}");
        }
        assert!(tried > 1000, "{tried}");
        // Each that was to change something has a row, refused ones too.
        assert_eq!(audited(), written);
        let ada = |right: &str| {
            let token = Some(format!("{:x<40}", format!("{right}-ada")));
            Asker { token, role: Access::Read, mail: true, owner: Some("ada") }
        };
        let (ada, [_, (_, bobs)]) = (ada("read-mail"), &things);
        for path in [
            "/v1/failures?account=of-bob".to_owned(),
            "/v1/failures?owner=bob".to_owned(),
            "/v1/jobs?account=of-bob".to_owned(),
            "/v1/jobs?owner=bob".to_owned(),
            "/v1/messages?account=of-bob".to_owned(),
            "/v1/messages?owner=bob".to_owned(),
            "/v1/threads?owner=bob".to_owned(),
            "/v1/contacts?owner=bob&account=of-ada".to_owned(),
            format!("/v1/messages?folder={}", bobs.folder),
            format!("/v1/messages?thread={}", bobs.thread),
            format!("/v1/attachments?contact={}", bobs.contact),
            format!("/v1/messages?account=of-ada&folder={}", bobs.folder),
        ] {
            let (status, body) = ada.ask(&served, "GET", &path);
            assert_eq!(status, 404, "{path}: {body}");
        }
        // What failed in a run is that run's.
        let runs = served.get("/v1/runs")["items"].as_array().unwrap().clone();
        let is_first = |run: &&Value| run["account"] == "of-ada" && run["failed"] != 0;
        let first = runs.iter().find(is_first).unwrap_or_else(|| panic!("{runs:?}"));
        let failures = |asker: &Asker, run: &Value| {
            let of = asker.get(&served, &format!("/v1/failures?run={run}"));
            of["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["account"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(failures(&ada, &first["id"]), ["of-ada"]);
        let is_bobs = |run: &&Value| run["account"] == "of-bob" && run["failed"] != 0;
        let bobs_run = runs.iter().find(is_bobs).unwrap();
        assert!(failures(&ada, &bobs_run["id"]).is_empty(), "another owner's run");
        assert!(failures(&ada, &9_999_999.into()).is_empty());
        // What an owner has tried again is the owner's.
        let op = Asker { token: Some(format!("{:x<40}", "operate-ada")), ..ada };
        let (status, told) = op.ask(&served, "POST", "/v1/failures/retry");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (status, &told["rows"], &told["accounts"]),
            (202, &1.into(), &1.into()),
            "{told}"
        );
        for path in [
            "/v1/failures/retry?owner=bob",
            "/v1/failures/retry?account=of-bob",
            "/v1/jobs/cancel?owner=bob",
            "/v1/jobs/cancel?account=of-bob",
        ] {
            assert_eq!(op.ask(&served, "POST", path).0, 404, "{path}");
        }
        // So is what an owner asks for.
        let admin = std::mem::replace(&mut served.token, op.token.clone().unwrap());
        let asked = |body: &str| served.post("/v1/jobs", body);
        let all = asked(r#"{"kind": "incremental", "all": true}"#);
        let items = all.1["items"].as_array().unwrap();
        let of: Vec<&Value> = items.iter().map(|job| &job["account"]).collect();
        assert_eq!((all.0, of), (202, vec![&Value::from("of-ada")]));
        let bobs = asked(r#"{"kind": "full", "accounts": ["of-bob"]}"#);
        let never = asked(r#"{"kind": "full", "accounts": ["nobody"]}"#);
        let why = |told: &Value| told["refused"][0]["why"].clone();
        assert_eq!((bobs.0, bobs.1["items"].as_array().unwrap().len()), (202, 0));
        assert_eq!(why(&bobs.1), why(&never.1));
        assert_eq!(asked(r#"{"kind": "full", "owner": "bob"}"#).0, 404);
        assert_eq!(asked(r#"{"kind": "maintenance", "task": "purge"}"#).0, 403);
        served.token = admin;
        let ada = Asker { token: Some(format!("{:x<40}", "read-mail-ada")), ..op };
        for (path, found) in [
            ("/v1/messages?q=only", 1),
            ("/v1/messages?subject=only", 1),
            ("/v1/messages?owner=ada&subject=only", 1),
            ("/v1/messages?unread=true&subject=only", 1),
            ("/v1/messages?message_id=m3@x.example", 1),
            ("/v1/attachments?filename=t.csv", 4),
        ] {
            let items = ada.get(&served, path)["items"].as_array().unwrap().len();
            assert_eq!(items, found, "{path}");
        }
        served.stop();
    })
    .await;
}

fn path_of(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{number}", "1")
}

/// An owner's feed goes past what is others', a bounded number of events in one request, and waits for the owner's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_past_what_is_others() {
    let (_server, postrider, served, askers) = served().await;
    blocking(move || {
        served.stop();
        let database = postrider.database();
        change(
            &database,
            "INSERT INTO event (seq, id, at, kind, account, backfill, data) \
             WITH RECURSIVE n (x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < 24999) \
             SELECT c.next + n.x, 'e' || n.x, 1, 'account.paused', a.id, FALSE, '{}' FROM n, counter c, account a \
             WHERE c.name = 'event' AND a.name = 'of-bob'",
        );
        change(&database, "UPDATE counter SET next = next + 25000 WHERE name = 'event'");
        change(
            &database,
            "INSERT INTO owed (account, identity, told_at, due_at, rank, bytes, attempts, class, text) \
             SELECT id, 'not read', 1, 1, 1, TRUE, 1, 'unknown', 'it could not be read' FROM account",
        );
        let mut served = postrider.serve(&[]);
        served.token = format!("{:x<40}", "admin");
        let ada = askers.iter().find(|asker| asker.owner == Some("ada")).unwrap();
        let bob = askers.iter().find(|asker| asker.owner == Some("bob")).unwrap();
        let failures = |asker: &Asker| {
            let page = asker.get(&served, "/v1/failures");
            page["items"].as_array().unwrap().iter().map(|one| one["account"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(failures(ada), ["of-ada", "of-ada"]);
        assert_eq!(failures(bob), ["of-bob", "of-bob"]);
        let number = |page: &Value| page["next"].as_str().unwrap().parse::<i64>().unwrap();
        let (mut after, mut empty, mut told) = (0, 0, 0);
        loop {
            let page = ada.get(&served, &format!("/v1/events?after={after}&limit=1000&wait=0"));
            let items = page["items"].as_array().unwrap();
            assert!(items.iter().all(|event| event["account"] == "of-ada"), "{page}");
            let next = number(&page);
            assert!(next - after <= 10_000, "{after} to {next}");
            (empty, told) = (empty + usize::from(items.is_empty()), told + items.len());
            if next == after {
                break;
            }
            after = next;
        }
        assert!(empty >= 2 && told > 13, "{empty} {told}");
        let page = bob.get(&served, &format!("/v1/events?after={}&limit=5", after - 20_000));
        assert_eq!(page["items"].as_array().unwrap().len(), 5);
        // It waits through what is others'.
        OWNERS.iter().for_each(|(id, _)| served.wait_for_state(id, "idle"));
        let after = number(&served.get(&format!("/v1/events?after={after}&limit=1000")));
        std::thread::scope(|scope| {
            let path = format!("/v1/events?after={after}&wait=20");
            let (ada, served) = (&ada, &served);
            let waiting = scope.spawn(move || ada.get(served, &path));
            for (account, verb) in
                [("of-bob", "pause"), ("of-bob", "resume"), ("of-bob", "pause"), ("of-ada", "pause")]
            {
                assert_eq!(served.ask("POST", &format!("/v1/accounts/{account}/{verb}")).0, 202);
            }
            let page = waiting.join().unwrap();
            assert_eq!(page["items"][0]["kind"], "account.paused", "{page}");
            assert_eq!(page["items"][0]["account"], "of-ada", "{page}");
            assert!(number(&page) > after + 1, "what was bob's was looked at: {page}");
        });
        served.stop();
    })
    .await;
}

/// What nobody was told, since a copy goes on behind a leap, is gone past at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_past_a_leap() {
    let (_server, postrider, served, askers) = served().await;
    blocking(move || {
        served.stop();
        let database = postrider.database();
        change(&database, "UPDATE counter SET next = next + 4294967296 WHERE name = 'event'");
        let mut served = postrider.serve(&[]);
        served.token = format!("{:x<40}", "admin");
        served.wait_for_state("of-ada", "idle");
        assert_eq!(served.ask("POST", "/v1/accounts/of-ada/pause").0, 202);
        let ada = askers.iter().find(|asker| asker.owner == Some("ada")).unwrap();
        let (mut after, mut told) = ("0".to_owned(), Vec::new());
        for _ in 0..4 {
            let page = ada.get(&served, &format!("/v1/events?after={after}&limit=1000"));
            told.extend(page["items"].as_array().unwrap().iter().map(|one| one["kind"].clone()));
            page["next"].as_str().unwrap().clone_into(&mut after);
        }
        assert!(told.contains(&"account.paused".into()), "{after}: {told:?}");
        let seen = postrider.run(&["events"]).exits(0).stdout;
        assert!(seen.contains("account.paused"), "{seen}");
        served.stop();
    })
    .await;
}

/// An account that gets another owner is that owner's at once, and the other's no longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_changes_hands() {
    let (_server, postrider, served, askers) = served().await;
    blocking(move || {
        let of = |owner: &str| {
            let mut own = askers.iter().filter(|asker| asker.owner == Some(owner) && asker.mail);
            own.next().unwrap()
        };
        let (ada, bob) = (of("ada"), of("bob"));
        let seen = |asker: &Asker, list: &str| {
            let page = asker.get(&served, &format!("{list}?limit=200"));
            let of = if list == "/v1/accounts" { "id" } else { "account" };
            let items = page["items"].as_array().unwrap();
            let mut seen: Vec<String> =
                items.iter().map(|item| item[of].as_str().unwrap().to_owned()).collect();
            seen.sort();
            seen.dedup();
            seen
        };
        assert_eq!(seen(ada, "/v1/messages"), ["of-ada"]);
        // Whether it is followed or not.
        assert_eq!(served.ask("POST", "/v1/accounts/of-bob/pause").0, 202);
        let config = fs::read_to_string(postrider.path("config.toml")).unwrap();
        let text = config.replace("owner = \"bob\"", "owner = \"ada\"");
        assert_ne!(text, config);
        fs::write(postrider.path("config.toml"), text).unwrap();
        for list in ["/v1/accounts", "/v1/messages", "/v1/events", "/v1/failures"] {
            wait_until("both are ada's", || seen(ada, list) == ["of-ada", "of-bob"]);
            wait_until("bob has none", || seen(bob, list).is_empty());
        }
        let of_bob = bob.ask(&served, "GET", "/v1/accounts/of-bob");
        assert_eq!(of_bob.0, 404, "{}", of_bob.1);
        assert_eq!(ada.ask(&served, "GET", "/v1/accounts/of-bob/folders").0, 200);
        served.stop();
    })
    .await;
}

/// What is asked for in a query string is in no line of a log, however much is logged.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_string_is_written_nowhere() {
    const MARK: &str = "qzxwvmark";
    let (server, _, _, _) = served().await;
    let config = format!(
        "{}[telemetry]\nlog = \"trace\"\n{}",
        head(),
        account("of-ada", server.port(), "pw")
    );
    let postrider = Postrider::new(&config);
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("of-ada", "idle");
        let mut answers = String::new();
        for route in routes().iter().filter(|route| route.method == "GET") {
            let path = path_of(&route.path.replace("{*rest}", "index.html"), "1");
            let path = ended(path);
            let begin = if path.contains('?') { '&' } else { '?' };
            for name in [
                "q",
                "account",
                "owner",
                "folder",
                "thread",
                "contact",
                "from",
                "to",
                "any_email",
                "subject",
                "message_id",
                "unread",
                "received_after",
                "larger",
                "filename",
                "limit",
                "cursor",
                "after",
                "wait",
                "email",
            ] {
                for value in [MARK.to_owned(), format!("has:{MARK}"), format!("%22{MARK}")] {
                    let (_, answer) = served.ask("GET", &format!("{path}{begin}{name}={value}"));
                    answers.push_str(&answer.to_string());
                }
            }
        }
        assert!(!answers.contains(MARK), "an answer repeats what was asked");
        let log = served.running.stderr();
        assert!(log.contains("DEBUG") && !log.contains(MARK), "{log}");
        served.stop();
    })
    .await;
}
