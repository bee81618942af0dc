//! A web server that takes events, and answers as it is told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// A status, with such a header line (or none) and such a body.
    Status(u16, &'static str, &'static str),
    /// 200, behind a while.
    Slow(Duration),
    /// The connection ends without an answer.
    Cut,
    /// The connection ends in the middle of the answer.
    Half,
}

/// All is well.
pub(crate) const TAKES: Says = Says::Status(200, "", "");

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) head: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Whether it was answered that it was taken.
    pub(crate) taken: bool,
}

impl Given {
    pub(crate) fn id(&self) -> &str {
        &self.head["webhook-id"]
    }

    /// The numbers of its events, in their order.
    pub(crate) fn numbers(&self) -> Vec<i64> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let list = body.as_array().cloned().unwrap_or_else(|| vec![body]);
        list.iter().map(|one| one["data"]["seq"].as_i64().unwrap_or(0)).collect()
    }

    /// Whether one of its signatures is of this secret, as a receiver finds out.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.head["webhook-timestamp"], self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
        let want = format!("v1,{}", STANDARD.encode(tag));
        self.head["webhook-signature"].split(' ').any(|one| one == want)
    }
}

type Script = dyn FnMut(&Given, usize) -> Says + Send;

/// The server; it ends when it is dropped.
pub(crate) struct Hook {
    pub(crate) port: u16,
    given: Arc<Mutex<Vec<Given>>>,
    connections: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
}

impl Hook {
    /// Listens; `script` is told what was asked, and how much before that.
    pub(crate) fn new(script: impl FnMut(&Given, usize) -> Says + Send + 'static) -> Self {
        Self::on(0, script)
    }

    /// The same, on this port.
    pub(crate) fn on(
        port: u16,
        script: impl FnMut(&Given, usize) -> Says + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let hook = Self {
            port,
            given: Arc::default(),
            connections: Arc::default(),
            most: Arc::default(),
            ends: Arc::default(),
        };
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let (given, connections, most, ends) = (
            Arc::clone(&hook.given),
            Arc::clone(&hook.connections),
            Arc::clone(&hook.most),
            Arc::clone(&hook.ends),
        );
        let open = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let (script, given) = (Arc::clone(&script), Arc::clone(&given));
                let (open, most) = (Arc::clone(&open), Arc::clone(&most));
                std::thread::spawn(move || {
                    // Whoever asks may end at any time.
                    drop(answer(stream, &script, &given, (&open, &most)));
                });
            }
        });
        hook
    }

    /// What was asked, in the order in which it was answered.
    pub(crate) fn given(&self) -> Vec<Given> {
        self.given.lock().unwrap().clone()
    }

    /// The numbers of events that were taken, each once, in the order of their first sight.
    pub(crate) fn first_sights(&self) -> Vec<i64> {
        let mut seen = BTreeSet::new();
        let all = self.given().into_iter().flat_map(|given| given.numbers());
        all.filter(|number| seen.insert(*number)).collect()
    }

    /// Numbers that were taken.
    pub(crate) fn taken(&self) -> BTreeSet<i64> {
        let taken = self.given().into_iter().filter(|given| given.taken);
        taken.flat_map(|given| given.numbers()).collect()
    }

    /// That nothing is known by one id and is two things.
    pub(crate) fn same_ids_are_the_same(&self) {
        let mut known = BTreeMap::new();
        for given in self.given() {
            let body = known.entry(given.id().to_owned()).or_insert_with(|| given.body.clone());
            assert_eq!(*body, given.body, "{}", given.id());
        }
    }

    /// How often somebody has connected.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many were connected at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // It waits for the next one.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn answer(
    stream: TcpStream,
    script: &Mutex<Box<Script>>,
    all: &Mutex<Vec<Given>>,
    (open, most): (&AtomicUsize, &AtomicUsize),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(());
    }
    let mut head = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        head.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = head.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut given = Given { head, body: String::from_utf8(body).unwrap(), taken: false };
    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    let before = all.lock().unwrap().len();
    let says = (script.lock().unwrap())(&given, before);
    given.taken = matches!(says, Says::Slow(_) | Says::Status(200..=299, ..));
    let whole = |status: u16, header: &str, body: &str| {
        let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
        let length = body.len();
        format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n{body}"
        )
    };
    all.lock().unwrap().push(given);
    let written = match says {
        Says::Status(status, header, body) => whole(status, header, body),
        Says::Slow(wait) => {
            std::thread::sleep(wait);
            whole(200, "", "")
        }
        Says::Cut => String::new(),
        Says::Half => "HTTP/1.1 20".to_owned(),
    };
    open.fetch_sub(1, Ordering::SeqCst);
    stream.write_all(written.as_bytes())
}
