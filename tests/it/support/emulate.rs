//! The Gmail API of the `emulate` package (npm), where `cargo xtask test` could install it.

use crate::support::ports::free_port;
use crate::support::served::{request, wait_until};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = include_str!("emulate.mjs");

/// A running one; it ends with its value.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Emulator {
    /// Starts one; none where it is not installed, which is said.
    pub(crate) fn start() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/emulate");
        if !folder.join("node_modules/emulate/package.json").exists() {
            println!(
                "NOT TESTED: emulate is not installed (cargo xtask test does it, where node is)"
            );
            return None;
        }
        let port = free_port();
        // Node looks for packages beside the script.
        let script = folder.join(format!("serve-{port}.mjs"));
        std::fs::write(&script, SCRIPT).unwrap();
        let child = Command::new("node")
            .arg(&script)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let emulator = Self { child, port };
        wait_until("the emulator", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        drop(std::fs::remove_file(&script));
        for message in emulator.ids() {
            emulator.ask("DELETE", &format!("messages/{message}"), &Value::Null);
        }
        Some(emulator)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks; the answer, or nothing where there is none.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} /gmail/v1/users/me/{path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer good\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let (status, _, answer) = request(&format!("127.0.0.1:{}", self.port), &head, &body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let list = self.ask("GET", "messages?maxResults=500&includeSpamTrash=true", &Value::Null);
        let ids = list["messages"].as_array().cloned().unwrap_or_default();
        ids.iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn insert(&self, raw: &[u8], labels: &[&str]) -> String {
        let body = json!({"raw": URL_SAFE_NO_PAD.encode(raw), "labelIds": labels});
        self.ask("POST", "messages", &body)["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn modify(&self, id: &str, add: &[&str], remove: &[&str]) {
        let body = json!({"addLabelIds": add, "removeLabelIds": remove});
        self.ask("POST", &format!("messages/{id}/modify"), &body);
    }

    /// What a mirror of it is to hold: place, hash, flags, sorted.
    pub(crate) fn manifest(&self) -> Vec<String> {
        let labels = self.ask("GET", "labels", &Value::Null);
        let name = |id: &str| match id {
            "SENT" => "Sent".to_owned(),
            "DRAFT" => "Drafts".to_owned(),
            "TRASH" => "Trash".to_owned(),
            "SPAM" => "Spam".to_owned(),
            "CATEGORY_SOCIAL" => "Category/Social".to_owned(),
            id => {
                let all = labels["labels"].as_array().unwrap();
                let label = all.iter().find(|label| label["id"] == id).unwrap();
                label["name"].as_str().unwrap().to_owned()
            }
        };
        let mut lines = Vec::new();
        for id in self.ids() {
            let message = self.ask("GET", &format!("messages/{id}?format=raw"), &Value::Null);
            let raw = message["raw"].as_str().unwrap().trim_end_matches('=');
            let hash = crate::support::check::sha256(&URL_SAFE_NO_PAD.decode(raw).unwrap());
            let ids = message["labelIds"].as_array().cloned().unwrap_or_default();
            let ids: Vec<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
            let has = |id: &str| ids.contains(&id);
            let all = [
                ("$Important", has("IMPORTANT")),
                ("\\Draft", has("DRAFT")),
                ("\\Flagged", has("STARRED")),
                ("\\Seen", !has("UNREAD")),
            ];
            let flags: Vec<&str> =
                all.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).collect();
            let flags = flags.join(" ");
            if !has("TRASH") && !has("SPAM") {
                lines.push(format!("All Mail\t{hash}\t{flags}"));
            }
            let is_place = |id: &&&str| !["UNREAD", "STARRED", "IMPORTANT"].contains(*id);
            for id in ids.iter().filter(is_place) {
                lines.push(format!("{}\t{hash}\t{flags}", name(id)));
            }
        }
        lines.sort();
        lines
    }
}
