//! Google's queue of a push, pulled from: what is not acknowledged comes again.

use crate::support::pusher::notification;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A message that is shown and not acknowledged is shown again after so long.
const AGAIN: Duration = Duration::from_secs(2);
/// An empty queue waits so long for a message.
const WAITS: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Lies {
    /// Messages: number, what they carry, not to be shown before then.
    messages: Vec<(usize, Value, Option<Instant>)>,
    number: usize,
    /// Numbers, as they were acknowledged.
    pub(crate) acknowledged: Vec<usize>,
    /// Questions for messages.
    pub(crate) pulls: usize,
    /// Tokens, as they were shown.
    pub(crate) tokens: Vec<String>,
    /// So many questions are refused so; with this body.
    pub(crate) refuses: usize,
    pub(crate) refusal: (u16, String),
    /// An empty queue says so at once.
    pub(crate) hasty: bool,
    /// An acknowledgement is not heard.
    pub(crate) deaf: bool,
}

/// The queue; it goes on until the process ends.
pub(crate) struct Pubsub {
    pub(crate) url: String,
    lies: Arc<Mutex<Lies>>,
}

pub(crate) const SUBSCRIPTION: &str = "projects/p/subscriptions/s";

impl Pubsub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let lies = Arc::<Mutex<Lies>>::default();
        let shared = Arc::clone(&lies);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), shared) = (stream, Arc::clone(&shared)) else { return };
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, lies }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap()
    }

    /// A notification lies there.
    pub(crate) fn publish(&self, address: &str, history: u64) -> usize {
        let told: Value = serde_json::from_str(&notification(address, history)).unwrap();
        self.put(told["message"].clone())
    }

    pub(crate) fn put(&self, message: Value) -> usize {
        let mut lies = self.lock();
        lies.number += 1;
        let number = lies.number;
        lies.messages.push((number, message, None));
        number
    }
}

fn serve(mut stream: TcpStream, lies: &Mutex<Lies>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut path, mut token, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        } else if lower.starts_with("authorization:") {
            token = line.rsplit(' ').next().unwrap().to_owned();
        } else if path.is_empty() {
            path = line.split(' ').nth(1).unwrap().to_owned();
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let asked: Value = serde_json::from_slice(&body).unwrap();
    lies.lock().unwrap().tokens.push(token);
    let (status, said) = answer(&path, &asked, lies);
    let length = said.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // Who has gone needs none.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(said.as_bytes())));
}

fn answer(path: &str, asked: &Value, lies: &Mutex<Lies>) -> (u16, String) {
    {
        let mut lies = lies.lock().unwrap();
        if lies.refuses > 0 {
            lies.refuses -= 1;
            return lies.refusal.clone();
        }
    }
    let verb = path.strip_prefix(&format!("/v1/{SUBSCRIPTION}:"));
    match verb {
        Some("acknowledge") => {
            let mut lies = lies.lock().unwrap();
            for id in asked["ackIds"].as_array().unwrap() {
                let number: usize =
                    id.as_str().unwrap().strip_prefix("ack-").unwrap().parse().unwrap();
                if !lies.deaf {
                    lies.messages.retain(|(of, ..)| *of != number);
                }
                lies.acknowledged.push(number);
            }
            (200, "{}".to_owned())
        }
        Some("pull") => {
            let most = usize::try_from(asked["maxMessages"].as_u64().unwrap()).unwrap();
            lies.lock().unwrap().pulls += 1;
            let until = Instant::now() + WAITS;
            loop {
                let now = Instant::now();
                let mut lies = lies.lock().unwrap();
                let is_hasty = lies.hasty;
                let ready = lies
                    .messages
                    .iter_mut()
                    .filter(|(_, _, after)| after.is_none_or(|after| now >= after));
                let shown: Vec<Value> = ready
                    .take(most)
                    .map(|(number, message, after)| {
                        *after = Some(now + AGAIN);
                        json!({"ackId": format!("ack-{number}"), "message": message})
                    })
                    .collect();
                drop(lies);
                if !shown.is_empty() {
                    return (200, json!({"receivedMessages": shown}).to_string());
                }
                if now > until || is_hasty {
                    return (200, "{}".to_owned());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        _ => (404, "{}".to_owned()),
    }
}
