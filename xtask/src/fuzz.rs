//! The admin API against its own description: schemathesis asks what nobody would, of a living
//! demo.
#![expect(clippy::disallowed_methods, reason = "waits for the demo to come up")]

use crate::{cargo, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where all of it lies.
const DIR: &str = "target/fuzz";
const GENERATOR: &str = "openapi-python-client";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// What an answer must be: no 5xx that is not described, and as the description says.
const CHECKS: &str = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance";

/// Fuzzes for so many seconds. Without Python nothing is done, and that is said.
pub(crate) fn fuzz(seconds: &str) -> bool {
    if !Command::new("python3")
        .args(["-m", "venv", "--help"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        eprintln!("NOT RUN: the fuzz of the admin API needs python3 with venv, and it is not here");
        return true;
    }
    let dir = PathBuf::from(DIR);
    let Some(program) = schemathesis(&dir) else { return false };
    beside_a_demo(|url, token| {
        run(Command::new(program)
            // It leaves what it has learned where it runs.
            .current_dir(&dir)
            .args(["run", &format!("{url}/openapi.json"), "--checks", CHECKS])
            .args(["--max-time", seconds, "--request-timeout", "40"])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .env("PYTHONDONTWRITEBYTECODE", "1"))
    })
}

/// A client is made of the API's description, by a generator that is installed. Without one nothing is
/// done, and that is said.
pub(crate) fn client() -> bool {
    let is_here = |o: std::process::Output| o.status.success();
    if !Command::new(GENERATOR).arg("--version").output().is_ok_and(is_here) {
        eprintln!("NOT RUN: a client of openapi.json (pip install {GENERATOR})");
        return true;
    }
    let document = PathBuf::from(DIR).join("openapi.json");
    beside_a_demo(|url, token| {
        let header = format!("Authorization: Bearer {token}");
        let url = format!("{url}/openapi.json");
        run(Command::new("curl").args(["-fsS", "-H", &header, &url, "-o"]).arg(&document))
            && run(Command::new(GENERATOR)
                .args(["generate", "--overwrite", "--fail-on-warning", "--meta", "none", "--path"])
                .arg(&document)
                .arg("--output-path")
                .arg(PathBuf::from(DIR).join("client")))
    })
}

/// Does this while a demo runs, with its address and token.
fn beside_a_demo(does: impl FnOnce(&str, &str) -> bool) -> bool {
    if !cargo(&["build", "--release"], &[]) {
        return false;
    }
    let data = PathBuf::from(DIR).join("data");
    // What an earlier run left.
    drop(fs::remove_dir_all(&data));
    let demo = Command::new("target/release/postrider")
        .args(["demo", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut demo = match demo {
        Ok(demo) => demo,
        Err(e) => {
            eprintln!("the demo does not start: {e}");
            return false;
        }
    };
    let done = match reached(&data) {
        Some((url, token)) => does(&url, &token),
        None => {
            eprintln!("the demo's admin API did not come up");
            false
        }
    };
    stop(&mut demo) && done
}

fn schemathesis(dir: &Path) -> Option<PathBuf> {
    let program = dir.join("venv/bin/schemathesis");
    let ready = program.exists()
        || (run(Command::new("python3").args(["-m", "venv"]).arg(dir.join("venv")))
            && run(Command::new(dir.join("venv/bin/pip")).args([
                "install",
                "--quiet",
                SCHEMATHESIS,
            ])));
    if !ready {
        eprintln!("schemathesis cannot be installed");
    }
    ready.then(|| fs::canonicalize(program).ok()).flatten()
}

/// Address and token, when the API is there.
fn reached(data: &Path) -> Option<(String, String)> {
    // Half a minute.
    for _ in 0..600 {
        let read = |name: &str| {
            fs::read_to_string(data.join(name)).ok().map(|text| text.trim().to_owned())
        };
        if let (Some(url), Some(token)) = (read("admin.url"), read("admin.token")) {
            return Some((url, token));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// It must still be there, and end well when it is asked to.
fn stop(demo: &mut Child) -> bool {
    if let Ok(Some(status)) = demo.try_wait() {
        eprintln!("the demo ended by itself: {status}");
        return false;
    }
    let asked = run(Command::new("kill").args(["-INT", &demo.id().to_string()]));
    match demo.wait() {
        Ok(status) => asked && status.success(),
        Err(e) => {
            eprintln!("the demo: {e}");
            false
        }
    }
}
