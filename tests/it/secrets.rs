//! A password is nowhere but in the config.

use crate::support::binary::{Postrider, SHORT};
use crate::support::mail::{blocking, seed};
use crate::support::served::wait_until;
use base64::Engine;
use postrider_imapd::{Misbehaviour, Server, User};
use std::collections::BTreeMap;

const SECRET: &str = "s3cr3t-hunter2";

#[tokio::test(flavor = "multi_thread")]
async fn no_log_error_or_file_holds_it() {
    let user = User { password: SECRET.into(), mailbox: seed::mailbox(1, 20) };
    let server =
        Server::start(BTreeMap::from([("me".to_owned(), user)]), |_, _| None).await.unwrap();
    let config = |password: &str| {
        format!(
            "[telemetry]\nlog = \"trace\"\n{SHORT}[[account]]\nid = \"a\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"me\"\n{password}\n",
            server.port()
        )
    };
    let ways = [
        (config(&format!("password = \"{SECRET}\"")), 0),
        (config(&format!("password = \"{SECRET}-wrong\"")), 4),
        (config("password_env = \"PW\""), 0),
        (config("password_command = \"printf %s $PW\""), 0),
        (config("password_file = \"pw\""), 0),
    ];
    blocking(move || {
        for (config, code) in ways {
            let postrider = Postrider::new(&config);
            std::fs::write(postrider.path("pw"), format!("{SECRET}\n")).unwrap();
            let args = ["sync", "--once", "--wire-log", "wire", "--metrics", "metrics"];
            let ran = postrider.run_with(&args, &[("PW", SECRET)]);
            assert_eq!(ran.code, Some(code), "{}\n{}", ran.stdout, ran.stderr);
            let coded = ["czNjcjN0", "AG1lAHMz"];
            for text in [&ran.stdout, &ran.stderr] {
                assert!(
                    !text.contains(SECRET) && !coded.iter().any(|c| text.contains(c)),
                    "{text}"
                );
            }
            for file in
                ["wire", "metrics", "data/postrider.db", "data/postrider.db-wal", "data/lock"]
            {
                let bytes = std::fs::read(postrider.path(file)).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                assert!(
                    !text.contains(SECRET) && !coded.iter().any(|c| text.contains(c)),
                    "{file}"
                );
            }
        }
    })
    .await;
}

/// Servers that say the password back, each in its own way; what they say is an operator's to read,
/// the password is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_it_back_is_not_quoted() {
    let coded = base64::engine::general_purpose::STANDARD.encode(format!("\0me\0{SECRET}"));
    let bare = base64::engine::general_purpose::STANDARD.encode(SECRET);
    let mut ways: Vec<(&str, Misbehaviour)> = vec![
        (
            "AUTHENTICATE",
            Misbehaviour::Refuse(format!("NO [AUTHENTICATIONFAILED] \"{SECRET}\" is not it")),
        ),
        ("AUTHENTICATE", Misbehaviour::Refuse(format!("BAD cannot read {coded}"))),
        ("AUTHENTICATE", Misbehaviour::Refuse(format!("NO [ALERT] got {bare}"))),
        ("AUTHENTICATE", Misbehaviour::Bye(format!("go away, {SECRET}"))),
        (
            "AUTHENTICATE",
            Misbehaviour::Inject(
                format!("* NO {SECRET} {coded}\r\n* OK [ALERT] {SECRET}\r\n").into_bytes(),
            ),
        ),
        ("LIST", Misbehaviour::Refuse(format!("NO [UNAVAILABLE] {SECRET}"))),
        ("EXAMINE", Misbehaviour::Bye(format!("{coded} {SECRET}"))),
        ("UID FETCH", Misbehaviour::Refuse(format!("NO {SECRET}: {bare}"))),
    ];
    // Wherever a long text is cut, it is not cut in the middle of it.
    for before in [80, 150, 190, 195, 240, 250, 490, 500, 1000] {
        ways.push(("LIST", Misbehaviour::Refuse(format!("NO {}{SECRET}", "x".repeat(before)))));
    }
    for (what, how) in ways {
        let user = User { password: SECRET.into(), mailbox: seed::mailbox(2, 6) };
        let shown = format!("{what}: {how:?}");
        let script = move |_: &str, command: &str| command.starts_with(what).then(|| how.clone());
        let server =
            Server::start(BTreeMap::from([("me".to_owned(), user)]), script).await.unwrap();
        let config = format!(
            "[telemetry]\nlog = \"trace\"\n{SHORT}{}[[account]]\nid = \"a\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = \"me\"\npassword = \"{SECRET}\"\n",
            "[admin]\nlisten = \"127.0.0.1:0\"\n",
            server.port()
        );
        let (bare, coded) = (bare.clone(), coded.clone());
        blocking(move || {
            let postrider = Postrider::new(&config);
            let ran =
                postrider.run(&["sync", "--once", "--wire-log", "wire", "--metrics", "metrics"]);
            let mut told = vec![ran.stdout, ran.stderr];
            let served = postrider.serve(&[]);
            wait_until("trouble or rest", || {
                !matches!(served.state("a").as_str(), "" | "starting" | "running")
            });
            for path in [
                "/v1/accounts",
                "/v1/failures",
                "/v1/actors",
                "/v1/runs",
                "/v1/events",
                "/readyz",
                "/metrics",
            ] {
                let answer = served.ask("GET", path).1.to_string();
                assert!(
                    path != "/readyz" || !answer.contains("\"a\""),
                    "{shown}: /readyz names an account: {answer}"
                );
                told.push(answer);
            }
            told.push(postrider.run(&["status", "a"]).stdout);
            told.push(served.stop());
            for file in
                ["wire", "metrics", "data/postrider.db", "data/postrider.db-wal", "data/lock"]
            {
                let bytes = std::fs::read(postrider.path(file)).unwrap_or_default();
                told.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            // A beginning of it tells half of it.
            let part = |text: &str, from: usize, to: usize| text.get(from..to).unwrap().to_owned();
            let forms = [
                part(SECRET, 0, 7),
                part(SECRET, 6, SECRET.len()),
                part(&bare, 0, 8),
                part(&coded, 4, 14),
            ];
            for text in &told {
                for form in &forms {
                    assert!(!text.contains(form.as_str()), "{shown}: {form} in {text}");
                }
            }
        })
        .await;
    }
}
