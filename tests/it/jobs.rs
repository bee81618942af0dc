//! What somebody asks for is done, can be seen and taken back; a killed process forgets none of it.

use crate::support::binary::{Postrider, account};
use crate::support::database::{ask, change};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_imapd::{Misbehaviour, Server};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with a folder that is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    Well,
    Slowly,
    Never,
}

/// A server of two accounts that is told how it does.
#[derive(Clone)]
pub(crate) struct Way {
    opens: Arc<Mutex<Opens>>,
    logins: Arc<AtomicUsize>,
    /// Questions for flags of all there is.
    compared: Arc<AtomicUsize>,
}

impl Way {
    fn is(&self, opens: Opens) {
        *self.opens.lock().unwrap() = opens;
    }

    fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }
}

pub(crate) async fn begun() -> (Server, Way, Postrider) {
    let boxes = ["a", "b"].map(|name| {
        let mailbox = Mailbox::new();
        for n in 0..5 {
            mailbox.append("INBOX", note(&format!("{name} {n}")));
        }
        (name, mailbox)
    });
    let way = Way {
        opens: Arc::new(Mutex::new(Opens::Well)),
        logins: Arc::default(),
        compared: Arc::default(),
    };
    let script = way.clone();
    let users = boxes.each_ref().map(|(name, mailbox)| (*name, mailbox));
    let server = serve(&users, move |_, asked| {
        let is_login = asked.starts_with("LOGIN") || asked.starts_with("AUTHENTICATE");
        script.logins.fetch_add(usize::from(is_login), Ordering::SeqCst);
        let is_index = asked.contains("FETCH 1:") && !asked.contains("CHANGEDSINCE");
        script.compared.fetch_add(usize::from(is_index), Ordering::SeqCst);
        let is_opened = asked.starts_with("EXAMINE") || asked.starts_with("STATUS");
        match *script.opens.lock().unwrap() {
            Opens::Slowly if is_opened => Some(Misbehaviour::Delay(Duration::from_secs(2))),
            Opens::Never if is_opened => Some(Misbehaviour::Close),
            _ => None,
        }
    })
    .await;
    let accounts = ["a", "b"].map(|id| account(id, server.port(), "pw")).concat();
    let head = head().replace("500ms", "5s");
    let postrider = Postrider::new(&format!("{head}{accounts}"));
    (server, way, postrider)
}

fn submitted(served: &Served, wish: &Value) -> Value {
    let (status, told) = served.post("/v1/jobs", &wish.to_string());
    assert_eq!(status, 202, "{told}");
    told
}

/// One job of an account.
fn asked_for(served: &Served, kind: &str, account: &str) -> u64 {
    let told = submitted(served, &json!({ "kind": kind, "accounts": [account] }));
    assert_eq!(told["refused"], json!([]), "{told}");
    told["items"][0]["id"].as_u64().unwrap_or_else(|| panic!("{told}"))
}

fn job(served: &Served, id: u64) -> Value {
    served.get(&format!("/v1/jobs/{id}"))
}

pub(crate) fn wait_for(served: &Served, id: u64, status: &str) -> Value {
    wait_until(&format!("job {id} is {status}"), || job(served, id)["status"] == status);
    job(served, id)
}

pub(crate) fn jobs(served: &Served, query: &str) -> Vec<Value> {
    served.get(&format!("/v1/jobs{query}"))["items"].as_array().unwrap().clone()
}

pub(crate) fn idle(served: &Served) {
    ["a", "b"].iter().for_each(|id| served.wait_for_state(id, "idle"));
}

/// The lists of what waits and of what is done: ids of the open ones, and how many wishes each is.
fn open(served: &Served) -> Vec<(u64, String, u64)> {
    let all = jobs(served, "").into_iter().filter(|job| job["finished_at"].is_null());
    all.map(|job| {
        let status = job["status"].as_str().unwrap().to_owned();
        (job["id"].as_u64().unwrap(), status, job["merged"].as_u64().unwrap())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_are_one_job() {
    let (server, way, postrider) = begun().await;
    blocking(move || {
        let served = postrider.serve(&[]);
        idle(&served);
        postrider.run(&["pause", "a"]).exits(0);
        let many = |n: usize| {
            std::thread::scope(|threads| {
                for _ in 0..n {
                    threads.spawn(|| asked_for(&served, "full", "a"));
                }
            });
        };
        many(100);
        let [(id, status, merged)] = &open(&served)[..] else { panic!("{:?}", open(&served)) };
        assert_eq!((status.as_str(), *merged), ("queued", 100));
        let held = job(&served, *id);
        assert_eq!(
            (&held["reason"], &held["by"]),
            (&"its account is paused".into(), &"an operator".into())
        );
        // Another kind, another account: others.
        let other = asked_for(&served, "full", "b");
        assert_eq!(wait_for(&served, other, "done")["outcome"], "success");
        let compared = way.compared.load(Ordering::SeqCst);
        way.is(Opens::Slowly);
        postrider.run(&["resume", "a"]).exits(0);
        wait_for(&served, *id, "running");
        many(100);
        let open = open(&served);
        let told: Vec<_> =
            open.iter().map(|(_, status, merged)| (status.as_str(), *merged)).collect();
        assert_eq!(told, [("running", 100), ("queued", 100)], "one more beside it");
        way.is(Opens::Well);
        for (id, ..) in open {
            let done = wait_for(&served, id, "done");
            assert_eq!((&done["attempts"], &done["errors"]), (&0.into(), &json!([])), "{done}");
        }
        assert!(
            way.compared.load(Ordering::SeqCst) >= compared + 2,
            "each has compared everything"
        );
        let counted = served.get("/v1/jobs?status=done")["items"].as_array().unwrap().len();
        assert_eq!(
            ask(&postrider.database(), "SELECT count(*) AS x FROM job"),
            counted.to_string()
        );
        drop(server);
        served.stop();
    })
    .await;
}

fn killed(mut served: Served) {
    served.running.child.kill().unwrap();
    served.running.child.wait().unwrap();
}

/// Killed while a job is in each status: what was asked for is done once, what was taken back stays so, and who was
/// paused is not logged in.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_forgets_no_job() {
    let (server, way, postrider) = begun().await;
    blocking(move || {
        let served = postrider.serve(&[]);
        idle(&served);
        let done = asked_for(&served, "incremental", "b");
        let done = wait_for(&served, done, "done");
        postrider.run(&["pause", "a"]).exits(0);
        let queued = asked_for(&served, "full", "a");
        let cancelled = asked_for(&served, "incremental", "a");
        postrider.run(&["jobs", "cancel", &cancelled.to_string()]).exits(0);
        way.is(Opens::Slowly);
        let running = asked_for(&served, "full", "b");
        wait_for(&served, running, "running");
        killed(served);
        way.is(Opens::Well);
        let logins = way.logins();
        let served = postrider.serve(&[]);
        assert_eq!(job(&served, done["id"].as_u64().unwrap()), done);
        assert_eq!(wait_for(&served, running, "done")["attempts"], 0);
        assert_eq!(job(&served, queued)["status"], "queued");
        assert_eq!(job(&served, cancelled)["status"], "cancelled");
        assert_eq!(way.logins(), logins + 1, "b alone");
        postrider.run(&["resume", "a"]).exits(0);
        wait_for(&served, queued, "done");
        served.stop();
        // Its account has taken it, and no run has begun: the process ends right there.
        let mut running = postrider.start(&["serve"], &[("POSTRIDER_FAULT", "job.claimed:1")]);
        let file = postrider.path("data/admin.url");
        wait_until("the API", || file.exists());
        // Until it listens it is asked again; who asks may not hear the answer any more.
        let mut said = String::new();
        wait_until("a job is taken, and the fault", || {
            if running.child.try_wait().unwrap().is_none() {
                said = postrider.run(&["jobs", "add", "full", "a"]).stderr;
            }
            running.child.try_wait().unwrap().is_some()
        });
        let fault = running.stderr();
        assert!(fault.contains("scripted fault"), "{fault}\n{said}");
        assert_eq!(
            ask(
                &postrider.database(),
                "SELECT max(status) AS x FROM job WHERE finished_at IS NULL"
            ),
            "claimed"
        );
        let served = postrider.serve(&[]);
        wait_until("all are done", || open(&served).is_empty());
        let last = jobs(&served, "?account=a&kind=full");
        assert_eq!(last.last().unwrap()["status"], "done", "{last:?}");
        // Numbers go on, whatever is gone.
        let purged = postrider.run(&["jobs", "add", "maintenance", "--task", "purge"]).exits(0);
        let number = |text: &str| text.split([' ', ':']).nth(1).unwrap().parse::<u64>().unwrap();
        let purge = number(&purged.stdout);
        wait_for(&served, purge, "done");
        assert_eq!(jobs(&served, "").len(), 1);
        served.stop();
        // As if the process had been killed while it did that.
        let half =
            "UPDATE job SET status = 'running', finished_at = NULL WHERE kind = 'maintenance'";
        change(&postrider.database(), half);
        let served = postrider.serve(&[]);
        wait_for(&served, purge, "done");
        assert_eq!(asked_for(&served, "full", "a"), purge + 1);
        drop(server);
        served.stop();
    })
    .await;
}

/// A run that fails is not what was asked for: the job is tried again when its account is well. One that has no turn for a
/// week is dead, and told; it can be retried, or discarded.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_tried_again_and_one_that_never_comes_is_dead() {
    let (server, way, postrider) = begun().await;
    let config = postrider.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("first_wait = \"20ms\"", "first_wait = \"20ms\"\ntries = 2"),
    )
    .unwrap();
    blocking(move || {
        let clock = postrider.path("clock");
        std::fs::write(&clock, "0").unwrap();
        let served = postrider.serve(&[("POSTRIDER_CLOCK", clock.to_str().unwrap())]);
        idle(&served);
        way.is(Opens::Never);
        let failing = asked_for(&served, "full", "a");
        wait_until("it has failed", || job(&served, failing)["attempts"] == 1);
        let failed = job(&served, failing);
        assert_eq!((&failed["status"], &failed["errors"][0]["class"]), (&"queued".into(), &"network".into()), "{failed}");
        assert!(failed["reason"].as_str().unwrap().starts_with("its account is waiting: "), "{failed}");
        way.is(Opens::Well);
        postrider.run(&["sync-now", "a", "--wait"]).exits(0);
        let done = wait_for(&served, failing, "done");
        assert_eq!((&done["attempts"], done["errors"].as_array().unwrap().len()), (&1.into(), 1), "{done}");
        // A week, and nobody resumes it.
        postrider.run(&["pause", "a"]).exits(0);
        let never = asked_for(&served, "full", "a");
        let late = submitted(&served, &json!({ "kind": "incremental", "accounts": ["a"], "not_before": "2099-01-01T00:00:00Z" }));
        std::fs::write(&clock, (8 * 86_400).to_string()).unwrap();
        let dead = wait_for(&served, never, "dead");
        assert!(dead["errors"][0]["text"].as_str().unwrap().contains("its account is paused"), "{dead}");
        assert_eq!(job(&served, late["items"][0]["id"].as_u64().unwrap())["status"], "queued");
        let told = "SELECT data AS x FROM event WHERE kind = 'job.dead'";
        let told: Value = serde_json::from_str(&ask(&postrider.database(), told)).unwrap();
        assert_eq!((&told["job"], &told["what"]), (&never.into(), &"full".into()), "{told}");
        assert_eq!(served.metric("postrider_jobs{status=\"dead\"}"), 1.0);
        let id = never.to_string();
        postrider.run(&["jobs", "retry", &id]).exits(0);
        assert_eq!(job(&served, never)["status"], "queued");
        let ran = postrider.run(&["jobs", "discard", &id]);
        assert!(ran.code != Some(0) && ran.stderr.contains("cancel it"), "{}", ran.stderr);
        postrider.run(&["resume", "a"]).exits(0);
        assert_eq!(wait_for(&served, never, "done")["attempts"], 0);
        drop(server);
        served.stop();
    })
    .await;
}

/// What is under way is ended; what is taken back is not done.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_taken_back() {
    let (server, way, postrider) = begun().await;
    blocking(move || {
        let served = postrider.serve(&[]);
        idle(&served);
        way.is(Opens::Slowly);
        let running = asked_for(&served, "full", "a");
        wait_for(&served, running, "running");
        let queued = asked_for(&served, "incremental", "a");
        let ran = postrider.run(&["jobs", "cancel", &running.to_string()]).exits(0);
        assert!(ran.stdout.contains("cancelled (cancelled by an operator)"), "{}", ran.stdout);
        wait_until("its run is over", || {
            let ended = served.account("a")["ended"].as_array().unwrap().clone();
            ended.iter().any(|run| run["outcome"] == "cancelled")
        });
        // Nor is another one's that is cancelled by its account.
        wait_for(&served, queued, "running");
        postrider.run(&["cancel", "a"]).exits(0);
        assert_eq!(wait_for(&served, queued, "cancelled")["outcome"], "its run was cancelled");
        postrider.run(&["pause", "b"]).exits(0);
        asked_for(&served, "full", "b");
        asked_for(&served, "incremental", "b");
        let ran = postrider.run(&["jobs", "cancel", "--account", "b"]).exits(0);
        assert_eq!(ran.stdout, "2 taken back\n");
        assert_eq!(open(&served), []);
        // Who is paused in the middle of one has it still.
        let kept = asked_for(&served, "full", "a");
        wait_for(&served, kept, "running");
        postrider.run(&["pause", "a"]).exits(0);
        assert_eq!(wait_for(&served, kept, "queued")["attempts"], 0);
        way.is(Opens::Well);
        postrider.run(&["resume", "a"]).exits(0);
        wait_for(&served, kept, "done");
        drop(server);
        served.stop();
    })
    .await;
}

/// Bad input is told by its field, and a part that cannot be is told beside the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_is_told() {
    let (server, _, postrider) = begun().await;
    blocking(move || {
        let served = postrider.serve(&[]);
        idle(&served);
        for (body, words) in [
            ("", "the body is no job"),
            (r#"{"kind": "full"}"#, "accounts, owner or all"),
            (r#"{"kind": "full", "accounts": []}"#, "accounts: nobody is named"),
            (
                r#"{"kind": "fully", "all": true}"#,
                "full, incremental, selective, webhook_triggered, maintenance",
            ),
            (r#"{"kind": "full", "all": true, "owner": "x"}"#, "one of accounts, owner and all"),
            (r#"{"kind": "full", "all": true, "task": "purge"}"#, "only maintenance"),
            (r#"{"kind": "maintenance", "all": true}"#, "reindex, purge"),
            (
                r#"{"kind": "maintenance", "all": true, "task": "purge"}"#,
                "leave accounts, owner and all out",
            ),
            (r#"{"kind": "full", "all": true, "priority": 4}"#, "from 0 (the best) to 3"),
            (r#"{"kind": "full", "all": true, "not_before": "soon"}"#, "2026-01-31T08:00:00Z"),
            (r#"{"kind": "full", "all": true, "now": true}"#, "unknown field `now`"),
        ] {
            let (status, told) = served.post("/v1/jobs", body);
            assert_eq!(status, 400, "{body}: {told}");
            assert!(told["detail"].as_str().unwrap().contains(words), "{body}: {told}");
        }
        for (path, status) in [
            ("/v1/jobs/77", 404),
            ("/v1/jobs/x", 404),
            ("/v1/jobs?status=late", 400),
            ("/v1/jobs?cursor=x", 400),
        ] {
            assert_eq!(served.ask("GET", path).0, status, "{path}");
        }
        let ran = postrider.run(&["jobs", "add", "full", "a", "nobody"]).exits(3);
        assert!(
            ran.stdout.contains("of a: ")
                && ran.stderr.contains("nobody: there is no such account"),
            "{ran:?}"
        );
        let (status, told) = served.post("/v1/jobs", r#"{"kind": "full", "owner": "nobody"}"#);
        assert_eq!((status, &told["detail"]), (404, &"there is no such owner".into()));
        postrider.run(&["jobs", "add", "full", "--owner", "nobody"]).exits(2);
        let wish = json!({ "kind": "incremental", "accounts": ["b"], "not_before": "2099-01-01T00:00:00Z" });
        let later = submitted(&served, &wish)["items"][0]["id"].as_u64().unwrap();
        let told = job(&served, later);
        assert!(told["reason"].as_str().unwrap().contains("2099-01-01"), "{told}");
        let done = asked_for(&served, "full", "b");
        wait_for(&served, done, "done");
        for verb in ["cancel", "retry", "discard"] {
            let (status, told) = served.ask("POST", &format!("/v1/jobs/{done}/{verb}"));
            assert_eq!(status, 409, "{verb}: {told}");
        }
        // Maintenance of an account; and what is shown of it.
        let ran =
            postrider.run(&["jobs", "add", "maintenance", "--task", "reindex", "--all"]).exits(0);
        assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
        wait_until("both are read anew", || {
            jobs(&served, "?kind=maintenance&status=done").len() == 2
        });
        let list = postrider.run(&["jobs", "--kind", "maintenance"]).exits(0).stdout;
        assert!(
            list.contains("maintenance (reindex)") && list.contains("its mail is to be read anew"),
            "{list}"
        );
        let shown = postrider.run(&["jobs", "show", &done.to_string()]).exits(0).stdout;
        assert!(shown.contains("outcome:") && shown.contains("success"), "{shown}");
        drop(server);
        served.stop();
    })
    .await;
}

/// Who keeps jobs dies, and is started again with what is stored.
#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_jobs_is_started_again() {
    let (server, way, postrider) = begun().await;
    blocking(move || {
        let served = postrider.serve(&[("POSTRIDER_FAULT", "panic.jobs:2")]);
        idle(&served);
        way.is(Opens::Slowly);
        let first = asked_for(&served, "full", "a");
        wait_for(&served, first, "running");
        let (status, told) = served.post("/v1/jobs", r#"{"kind": "full", "accounts": ["b"]}"#);
        assert_eq!(status, 503, "{told}");
        way.is(Opens::Well);
        // Until it is there again whoever asks is told so.
        let mut second = Value::Null;
        wait_until("it is there again", || {
            let (status, told) = served.post("/v1/jobs", r#"{"kind": "full", "accounts": ["b"]}"#);
            second = told["items"][0]["id"].clone();
            status == 202
        });
        let second = second.as_u64().unwrap();
        assert_eq!(wait_for(&served, first, "done")["attempts"], 0);
        wait_for(&served, second, "done");
        assert_eq!(served.actor("root/jobs").unwrap()["restarts"], 1);
        drop(server);
        served.stop();
    })
    .await;
}

/// A job is its account's, whatever that is called; it ends with it.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_follow_their_account() {
    let (server, _, postrider) = begun().await;
    let config = postrider.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    blocking(move || {
        let served = postrider.serve(&[]);
        idle(&served);
        postrider.run(&["pause", "a"]).exits(0);
        let of_a = asked_for(&served, "full", "a");
        let renamed = text.replacen("id = \"a\"", "id = \"c\"\nwas = \"a\"", 1);
        assert_ne!(renamed, text);
        std::fs::write(&config, &renamed).unwrap();
        wait_until("it has another id", || job(&served, of_a)["account"] == "c");
        wait_until("it is held", || job(&served, of_a)["reason"] == "its account is paused");
        assert_eq!(job(&served, of_a)["status"], "queued");
        postrider.run(&["resume", "c"]).exits(0);
        wait_for(&served, of_a, "done");
        postrider.run(&["pause", "b"]).exits(0);
        let of_b = asked_for(&served, "full", "b");
        let (before, _) = renamed.rsplit_once("[[account]]").unwrap();
        std::fs::write(&config, before).unwrap();
        let gone = wait_for(&served, of_b, "cancelled");
        assert_eq!(gone["outcome"], "the config no longer names its account");
        postrider.run(&["account", "purge", "b", "--yes"]).exits(0);
        assert_eq!(served.ask("GET", &format!("/v1/jobs/{of_b}")).0, 404);
        assert_eq!(job(&served, of_a)["status"], "done");
        drop(server);
        served.stop();
    })
    .await;
}

/// Beside a run that is cancelled the order of a job is lost with it: it is given again, and done by a run of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_lost_is_given_again() {
    let (server, way, postrider) = begun().await;
    blocking(move || {
        let served = postrider.serve(&[]);
        idle(&served);
        for end in ["cancel", "pause"] {
            way.is(Opens::Slowly);
            postrider.run(&["sync-now", "a"]).exits(0);
            wait_until("a run", || served.state("a") == "running");
            let behind = asked_for(&served, "full", "a");
            wait_for(&served, behind, "claimed");
            let compared = way.compared.load(Ordering::SeqCst);
            postrider.run(&[end, "a"]).exits(0);
            way.is(Opens::Well);
            if end == "pause" {
                wait_for(&served, behind, "queued");
                postrider.run(&["resume", "a"]).exits(0);
            }
            assert_eq!(wait_for(&served, behind, "done")["attempts"], 0);
            assert!(way.compared.load(Ordering::SeqCst) > compared, "{end}: it has compared");
            served.wait_for_state("a", "idle");
        }
        drop(server);
        served.stop();
    })
    .await;
}
