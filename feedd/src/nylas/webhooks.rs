//! Webhooks of an application: who is to be told what, and whether somebody is there.

use crate::nylas::mailbox::{NylasApplication, NylasWebhook};
use crate::play::Question;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Whoever is told answers a challenge within this.
const ANSWER: Duration = Duration::from_secs(10);
/// What it is asked.
const CHALLENGE: &str = "is-somebody.there_0";

type Refused = (u16, &'static str, &'static str);

impl NylasWebhook {
    fn shown(&self) -> Value {
        json!({
            "id": self.id,
            "description": "x",
            "trigger_types": self.triggers,
            "webhook_url": self.url,
            "status": self.status,
            "notification_email_addresses": null,
            "status_updated_at": 1_700_000_000,
            "updated_at": 1_700_000_000,
        })
    }
}

impl NylasApplication {
    /// Its webhooks.
    pub fn webhooks(&self) -> MutexGuard<'_, Vec<NylasWebhook>> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn webhook(&self, question: &Question, id: Option<&str>) -> Result<Value, Refused> {
        let of = |data: Value| json!({"request_id": "r", "data": data});
        match (question.method.as_str(), id) {
            ("GET", None) => {
                let shown: Vec<Value> = self.webhooks().iter().map(NylasWebhook::shown).collect();
                Ok(of(Value::Array(shown)))
            }
            ("DELETE", Some(id)) => {
                let mut all = self.webhooks();
                let before = all.len();
                all.retain(|webhook| webhook.id != id);
                match all.len() == before {
                    true => Err((404, "not_found_error", "Webhook not found")),
                    false => Ok(of(json!({"status": "success"}))),
                }
            }
            ("POST", None) => self.made(question).map(of),
            _ => Err((404, "not_found_error", "Not found")),
        }
    }

    fn made(&self, question: &Question) -> Result<Value, Refused> {
        let wrong = |why| (400, "invalid_request_error", why);
        let told: Value = serde_json::from_str(&question.body).map_err(|_| wrong("no JSON"))?;
        let url = told.get("webhook_url").and_then(Value::as_str).ok_or(wrong("no webhook_url"))?;
        let triggers = told.get("trigger_types").and_then(Value::as_array);
        let triggers = triggers.ok_or(wrong("no trigger_types"))?;
        if !is_answered(url) {
            return Err(wrong("the challenge was not answered"));
        }
        let mut all = self.webhooks();
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        let webhook = NylasWebhook {
            id: format!("hook-{made}"),
            url: url.to_owned(),
            triggers: triggers.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            status: "active".to_owned(),
            secret: format!("the-secret-of-hook-{made}"),
        };
        let mut shown = webhook.shown();
        crate::play::put(&mut shown, "webhook_secret", Value::from(webhook.secret.as_str()));
        all.push(webhook);
        Ok(shown)
    }
}

/// Whether somebody is there who says what was asked, exactly.
fn is_answered(url: &str) -> bool {
    let Some((host, path)) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let head = format!(
            "GET /{path}?challenge={CHALLENGE} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().unwrap_or_default();
    let said = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    answer.starts_with("HTTP/1.1 200") && said == Some(CHALLENGE)
}
