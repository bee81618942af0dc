//! The admin API's door: roles, Host names, limits, and no secret in any answer.

use crate::support::binary::{Postrider, account};
use crate::support::mail::{Mail, Mailbox, blocking, seed, serve};
use crate::support::served::{Served, head, request, wait_until};
use postrider::admin::table::routes;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const READ: &str = "read-read-read-read-read-read-read-1234";
const OPERATE: &str = "oper-oper-oper-oper-oper-oper-oper-1234";
const MAIL: &str = "mail-mail-mail-mail-mail-mail-mail-mail";

async fn served() -> (postrider_imapd::Server, Postrider, Served) {
    let mailbox = seed::mailbox(81, 20);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    let (postrider, served) = blocking(move || {
        let first = postrider.serve(&[]);
        first.settle(&postrider, "u", &mailbox);
        first.stop();
        let file = postrider.path("data/admin.token");
        let own = fs::read_to_string(&file).unwrap();
        let more = format!("read {READ}\noperate {OPERATE}\nread+mail report {MAIL}\n");
        fs::write(&file, format!("{own}{more}")).unwrap();
        let mut served = postrider.serve(&[]);
        served.token = own.trim().to_owned();
        // A server that has just begun is not ready, and says so.
        served.wait_for_state("u", "idle");
        (postrider, served)
    })
    .await;
    (server, postrider, served)
}

fn ask(served: &Served, method: &str, path: &str, token: Option<&str>) -> u16 {
    let bearer =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n{bearer}",
        served.address
    );
    request(&served.address, &head, "").0
}

/// What is asked in no way that there is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_said() {
    let (_server, _postrider, served) = served().await;
    blocking(move || {
        assert_eq!(ask(&served, "GET", "/v1/nothing", Some(&served.token)), 404);
        assert_eq!(ask(&served, "GET", "/v1/accounts?limit=0", Some(&served.token)), 400);
        assert_eq!(ask(&served, "GET", "/v1/accounts?colour=red", Some(&served.token)), 400);
        assert_eq!(ask(&served, "GET", "/v1/events?after=-1", Some(&served.token)), 400);
        assert_eq!(ask(&served, "GET", "/v1/runs?cursor=x", Some(&served.token)), 400);
        served.stop();
    })
    .await;
}

/// A page of somebody else whose name resolves to this machine gets nothing; nor does a flood.
#[tokio::test(flavor = "multi_thread")]
async fn strange_hosts_long_bodies_and_secrets_stay_out() {
    let (_server, postrider, served) = served().await;
    blocking(move || {
        let (address, token) = (served.address.clone(), served.token.clone());
        let rebound = format!("GET /v1/accounts HTTP/1.1\r\nHost: evil.example:8025\r\nAuthorization: Bearer {token}\r\n");
        assert_eq!(request(&address, &rebound, "").0, 421);
        assert_eq!(request(&address, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n", "").0, 421);
        let long = "x".repeat(20_000);
        let flood = format!(
            "POST /v1/accounts/u/pause HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n",
            long.len()
        );
        let refused = request(&address, &flood, &long);
        assert!(refused.0 == 413 && refused.2.contains("\"too_large\""), "{refused:?}");
        for (path, why) in [
            ("/v1/accounts/u?x=SECRET", "this path takes no parameters"),
            ("/v1/messages/1/text?x=SECRET", "this path takes no parameters"),
            ("/v1/accounts?x=SECRET", "there is no parameter `x`, expected `limit` or `cursor`"),
            ("/v1/accounts?limit=x", "limit: invalid digit"),
        ] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
            let (status, _, told) = request(&address, &head, "");
            assert!(status == 400 && told.contains(why) && !told.contains("SECRET"), "{path}: {told}");
        }
        let mut seen = String::new();
        for route in routes().iter().filter(|r| r.method == "GET" && !r.path.contains('*')) {
            let path = route.path.replace("{id}", "u").replace("{number}", "1");
            // A stream does not end.
            let path = path.replace("/stream", "/stream?after=99999999999");
            let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
            seen.push_str(&request(&address, &head, "").2);
        }
        assert!(!seen.contains(&token) && !seen.contains("\"pw\"") && !seen.contains(READ) && !seen.contains(MAIL), "a secret was told");
        let log = served.running.stderr();
        assert!(!log.contains(&token) && !log.contains("Bearer"), "{log}");
        let mode = |name: &str| {
            use std::os::unix::fs::PermissionsExt;
            fs::metadata(postrider.path(name)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("data"), mode("data/admin.token"), mode("data/admin.url")), (0o700, 0o600, 0o600));
        served.stop();
        assert!(!postrider.path("data/admin.url").exists(), "nobody is told of a server that has gone");
        // A token file that others can read is refused.
        fs::set_permissions(postrider.path("data/admin.token"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let refused = postrider.run(&["serve"]).exits(2);
        assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);
    })
    .await;
}

/// The page for browsers needs nothing from elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole_and_its_page_is_our_own() {
    let (_server, _postrider, served) = served().await;
    blocking(move || {
        let document = served.get("/openapi.json");
        assert!(document["paths"]["/v1/accounts/{id}/sync-now"]["post"].is_object(), "{document}");
        assert!(document["components"]["securitySchemes"]["token"].is_object());
        // Every problem is told under its own type, as the document says.
        let refused = &document["paths"]["/v1/accounts/{id}"]["get"]["responses"]["404"]["content"];
        assert!(refused["application/problem+json"].is_object(), "{refused}");
        let (_, head, _) = request(
            &served.address,
            &format!("GET /v1/runs HTTP/1.1\r\nHost: {}\r\n", served.address),
            "",
        );
        assert!(head.contains("application/problem+json"), "{head}");
        let (_, page) = served.ask("GET", "/docs/");
        let page = page.as_str().unwrap().to_owned();
        let elsewhere: Vec<&str> =
            page.split(['"', '\'']).filter(|part| part.contains("//")).collect();
        assert!(elsewhere.is_empty(), "the page asks elsewhere: {elsewhere:?}");
        for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
            assert_eq!(ask(&served, "GET", &format!("/docs/{file}"), None), 200, "{file}");
        }
        let (_, head, _) = request(
            &served.address,
            &format!("GET /docs/ HTTP/1.1\r\nHost: {}\r\n", served.address),
            "",
        );
        for told in ["nosniff", "no-store", "frame-ancestors 'none'", "default-src 'self'"] {
            assert!(head.contains(told), "{told}: {head}");
        }
        wait_until("health", || ask(&served, "GET", "/healthz", None) == 200);
        served.stop();
    })
    .await;
}

/// The page and the rules are what Prometheus takes; where promtool is at hand it is asked.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_page_and_the_rules() {
    let (_server, _postrider, served) = served().await;
    blocking(move || {
        let (_, _, page) = request(
            &served.address,
            &format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n", served.address),
            "",
        );
        served.stop();
        let mut told = std::collections::BTreeSet::new();
        for line in page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = ["_sum", "_count", "_bucket"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            for what in ["HELP", "TYPE"] {
                let says = |name: &str| page.contains(&format!("# {what} {name} "));
                assert!(says(family) || says(name), "{name} has no {what}");
            }
            told.insert(family.to_owned());
        }
        assert!(page.contains("# TYPE postrider_sync_lag_seconds summary"), "{page}");
        for name in [
            "process_start_time_seconds",
            "process_open_fds",
            "postrider_build_info",
            "postrider_free_bytes",
        ] {
            assert!(told.contains(name), "{name} is missing: {told:?}");
        }
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/alerts.yml");
        let text = std::fs::read_to_string(rules).unwrap();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let asked = text
            .split(|c| !is_word(c))
            .filter(|w| w.starts_with("postrider_") || w.starts_with("process_"));
        for name in asked {
            assert!(told.contains(name), "the rules ask for {name}, which is not told");
        }
        let Ok(mut promtool) = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
        else {
            return;
        };
        promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let said = promtool.wait_with_output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let said = Command::new("promtool").args(["check", "rules", rules]).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    })
    .await;
}

/// The feed waits for the next event, and says when it is asked for one that is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn the_feed_pages_and_waits() {
    let (_server, postrider, served) = served().await;
    blocking(move || {
        let first = served.get("/v1/events?limit=5");
        assert_eq!(
            (first["items"].as_array().unwrap().len(), &first["next"]),
            (5, &serde_json::json!("5"))
        );
        let last =
            crate::support::database::ask(&postrider.database(), "SELECT max(seq) AS x FROM event");
        let began = std::time::Instant::now();
        let none = served.get(&format!("/v1/events?after={last}&wait=1"));
        assert!(
            none["items"].as_array().unwrap().is_empty() && began.elapsed().as_millis() >= 900,
            "{none}"
        );
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| served.get(&format!("/v1/events?after={last}&wait=20")));
            assert_eq!(ask(&served, "POST", "/v1/accounts/u/pause", Some(OPERATE)), 202);
            let told = waiting.join().unwrap();
            assert_eq!(told["items"][0]["kind"], "account.paused", "{told}");
        });
        // Who writes for ever ends when nobody reads any more.
        let ends = |command: &str, sign: &str| {
            let script = format!("(timeout 60 \"$0\" {command}; echo $? > {sign}) | head -n 1");
            std::thread::scope(|scope| {
                let running = scope.spawn(|| postrider.shell(&script));
                // Until its reader is gone there is somebody to write to.
                wait_until("its end", || {
                    for verb in ["pause", "resume"] {
                        ask(&served, "POST", &format!("/v1/accounts/u/{verb}"), Some(OPERATE));
                    }
                    running.is_finished()
                });
                running.join().unwrap().exits(0);
            });
            let code = std::fs::read_to_string(postrider.path(sign)).unwrap();
            assert_eq!(code, "0\n", "{command}");
        };
        ends("events --follow --after 0", "events");
        ends("status --watch", "status");
        let change = "DELETE FROM event WHERE seq <= 3";
        crate::support::database::change(&postrider.database(), change);
        let (status, gone) = served.ask("GET", "/v1/events?after=1");
        assert_eq!((status, &gone["oldest"]), (410, &serde_json::json!(4)), "{gone}");
        let newest: i64 =
            crate::support::database::ask(&postrider.database(), "SELECT max(seq) AS x FROM event")
                .parse()
                .unwrap();
        let (status, ahead) = served.ask("GET", &format!("/v1/events?after={}", newest + 1));
        assert_eq!((status, &ahead["newest"]), (410, &serde_json::json!(newest)), "{ahead}");
        assert_eq!(ahead["type"], "events_ahead");
        assert_eq!(served.ask("GET", &format!("/v1/events?after={newest}")).0, 200);
        served.stop();
    })
    .await;
}

/// Writes the file of tokens as editors do: another one in its place.
fn write_tokens(postrider: &Postrider, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let new = postrider.path("data/new.token");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, postrider.path("data/admin.token")).unwrap();
}

/// A request that was sent; its answer is not read yet.
fn sent(served: &Served, path: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&served.address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        served.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Tokens are followed: what is written there counts, and who is taken out gets no more of what they were getting.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_out_ends() {
    const LENGTH: usize = 40_000_000;
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let config = format!("{}{}", head(), account("u", server.port(), "pw"));
    let postrider = Postrider::new(&config);
    blocking(move || {
        u.append(
            "INBOX",
            Mail::new(format!("Subject: long\r\n\r\n{}", "long ".repeat(LENGTH / 5))),
        );
        let served = postrider.serve(&[]);
        let own = served.token.clone();
        write_tokens(&postrider, &format!("{own}\nread {READ}\nread+mail {MAIL}\n"));
        served.settle(&postrider, "u", &u);
        wait_until("the tokens", || ask(&served, "GET", "/v1/messages", Some(MAIL)) == 200);
        assert_eq!(ask(&served, "GET", "/v1/messages", Some(READ)), 403);
        let mut octets = sent(&served, "/v1/messages/1/raw", MAIL);
        let mut begin = [0; 1000];
        octets.read_exact(&mut begin).unwrap();
        assert!(begin.starts_with(b"HTTP/1.1 200"));
        // The run that has brought the mail tells its end behind it.
        wait_until("the run's end", || {
            let told = served.get("/v1/events?limit=1000");
            told["items"].as_array().unwrap().iter().any(|event| event["kind"] == "run.finished")
        });
        let newest = served.get("/v1/events?limit=1000")["next"].as_str().unwrap().to_owned();
        let mut waits = sent(&served, &format!("/v1/events?after={newest}&wait=25"), MAIL);
        let began = Instant::now();
        write_tokens(&postrider, &format!("{own}\nread+mail {READ}\n"));
        let mut told = String::new();
        waits.read_to_string(&mut told).unwrap();
        assert!(
            told.starts_with("HTTP/1.1 401") && began.elapsed() < Duration::from_secs(10),
            "{told}"
        );
        // What lies on the way comes; then it breaks off.
        let mut rest = Vec::new();
        drop(octets.read_to_end(&mut rest));
        assert!(rest.len() < LENGTH, "{}", rest.len());
        assert_eq!(ask(&served, "GET", "/v1/events", Some(MAIL)), 401);
        assert_eq!(ask(&served, "GET", "/v1/messages", Some(READ)), 200);
        // What is no file of tokens changes nothing.
        write_tokens(&postrider, "short\n");
        let said = "the tokens stay as they were";
        wait_until("a word about it", || served.running.stderr().contains(said));
        assert_eq!(ask(&served, "GET", "/v1/messages", Some(READ)), 200);
        served.stop();
    })
    .await;
}
