//! What is sent is believed by whoever verifies it as docs/webhooks.md says, in three languages; what was touched is not.

use crate::support::binary::{Postrider, account};
use crate::support::hook::{Given, Hook, TAKES};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{head, wait_until};
use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "../../examples/webhook/verify.rs"]
#[expect(unreachable_pub, reason = "it is there to be copied")]
mod verify;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQI";
/// Another one, which is in no file of ours.
const STRANGE: &str = "whsec_AAAAsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQI";

/// What is to be believed, and what not: secrets, headers, body.
fn cases(given: &Given) -> Vec<(bool, Vec<&'static str>, Given)> {
    let stamp: i64 = given.head["webhook-timestamp"].parse().unwrap();
    let with = |name: &str, value: String| {
        let mut other = given.clone();
        other.head.insert(name.to_owned(), value);
        other
    };
    let touched =
        Given { body: given.body.replace("message.created", "message.deleted"), ..given.clone() };
    let without = |name: &str| {
        let mut other = given.clone();
        other.head.remove(name);
        other
    };
    vec![
        (false, vec![SECRET], without("webhook-id")),
        (false, vec![SECRET], without("webhook-timestamp")),
        (false, vec![SECRET], without("webhook-signature")),
        (false, vec![SECRET], with("webhook-timestamp", "²".to_owned())),
        (false, vec![SECRET], with("webhook-timestamp", "soon".to_owned())),
        (false, vec![SECRET], with("webhook-timestamp", "1".repeat(400))),
        (false, vec![SECRET], with("webhook-timestamp", "1".repeat(5000))),
        (false, vec![SECRET], with("webhook-signature", "v1,größer".to_owned())),
        (true, vec![SECRET], given.clone()),
        (true, vec![OTHER], given.clone()),
        (true, vec![STRANGE, OTHER], given.clone()),
        (false, vec![STRANGE], given.clone()),
        (false, vec![SECRET], touched),
        (false, vec![SECRET], with("webhook-id", "another".to_owned())),
        (false, vec![SECRET], with("webhook-timestamp", (stamp - 600).to_string())),
        (false, vec![SECRET], with("webhook-signature", "v1,AAAA v2,BBBB".to_owned())),
    ]
}

/// A request of a server, signed with two secrets.
async fn given() -> Given {
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("größer"));
    let server = serve(&[("a", &mailbox)], |_, _| None).await;
    let hook = Hook::new(|_, _| TAKES);
    let subscriber = format!(
        "[[subscriber]]\nid = \"x\"\nurl = \"http://127.0.0.1:{}/\"\nsecret_file = \"x\"\nallow_private = true\nfrom = \"oldest\"\n\
         kinds = [\"message.created\"]\nfields = \"head\"\n",
        hook.port
    );
    let account = account("a", server.port(), "pw");
    let postrider = Postrider::new(&format!("{}{account}{subscriber}", head()));
    fs::write(postrider.path("x"), format!("{SECRET}\n{OTHER}\n")).unwrap();
    blocking(move || {
        let _served = postrider.serve(&[]);
        wait_until("it is given", || !hook.given().is_empty());
        hook.given().remove(0)
    })
    .await
}

/// Runs a script of this program beside the example, where the program is at hand: it says `true` or `false` for each case.
fn ran(program: &str, given: &Given, script: &str) {
    if Command::new(program).arg("--version").output().is_err() {
        println!("NOT TESTED: there is no {program}");
        return;
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/webhook");
    let cases = cases(given);
    let told: Vec<serde_json::Value> = cases
        .iter()
        .map(|(_, secrets, given)| serde_json::json!([secrets, given.head, given.body]))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cases.json");
    fs::write(&file, serde_json::to_string(&told).unwrap()).unwrap();
    let flag = if program == "node" { vec!["--input-type=module", "-e"] } else { vec!["-B", "-c"] };
    let out = Command::new(program)
        .args(flag)
        .arg(
            script
                .replace("FILE", file.to_str().unwrap())
                .replace("EXAMPLES", examples.to_str().unwrap()),
        )
        .output()
        .unwrap();
    let said = String::from_utf8(out.stdout).unwrap().to_lowercase();
    let said: Vec<bool> = said.lines().map(|line| line == "true").collect();
    let want: Vec<bool> = cases.iter().map(|(is_believed, ..)| *is_believed).collect();
    assert_eq!(said, want, "{program}: {}", String::from_utf8_lossy(&out.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_verified_as_the_examples_do_it() {
    let given = given().await;
    assert!(given.body.contains("größer"), "{}", given.body);
    for (is_believed, secrets, given) in cases(&given) {
        let of = |name: &str| given.head.get(name).map_or("", String::as_str);
        let request = verify::Signed {
            id: of("webhook-id"),
            timestamp: of("webhook-timestamp"),
            signature: of("webhook-signature"),
            body: given.body.as_bytes(),
        };
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        assert_eq!(verify::verify(&secrets, &request, now), is_believed, "{secrets:?} {given:?}");
    }
    ran(
        "python3",
        &given,
        "import json, sys\nsys.path.insert(0, 'EXAMPLES')\nfrom verify import verify\n\
         for secrets, head, body in json.load(open('FILE')):\n    print(verify(secrets, head, body.encode()))\n",
    );
    ran(
        "node",
        &given,
        "import { readFileSync } from 'node:fs';\nimport { verify } from 'EXAMPLES/verify.mjs';\n\
         for (const [secrets, head, body] of JSON.parse(readFileSync('FILE', 'utf8')))\n  \
         console.log(verify(secrets, head, Buffer.from(body)));\n",
    );
}

/// The program of the documentation writes a mail.
#[test]
fn the_example_of_a_program_writes_a_mail() {
    let dir = tempfile::tempdir().unwrap();
    let (sendmail, sent) = (dir.path().join("sendmail"), dir.path().join("sent"));
    fs::write(&sendmail, format!("#!/bin/sh\ncat > {}\n", sent.display())).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/notify-by-mail.sh");
    let event = "{\"type\":\"account.failed\",\"timestamp\":\"x\",\"data\":{}}";
    let ran = Command::new("sh")
        .args(["-c", "chmod +x \"$SENDMAIL\"; printf %s \"$2\" | \"$1\" me@example.org", "sh"])
        .args([script.to_str().unwrap(), event])
        .env("SENDMAIL", &sendmail)
        .status()
        .unwrap();
    assert!(ran.success());
    let mail = fs::read_to_string(sent).unwrap();
    assert_eq!(
        mail,
        format!("To: me@example.org\nSubject: Postrider: account.failed\n\n{event}\n")
    );
}
