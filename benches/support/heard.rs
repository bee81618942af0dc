//! When each event was told to a stream.

use crate::support::served::Served;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// When each was told, by what it is known by.
pub(crate) type Heard<K> = Arc<Mutex<BTreeMap<K, Instant>>>;

/// Listens for new messages from now on.
pub(crate) fn listens<K: Ord + Send + 'static>(
    served: &Served,
    key: impl Fn(&Value) -> Option<K> + Send + 'static,
) -> Heard<K> {
    let heard = Heard::default();
    let (address, token) = (&served.address, &served.token);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET /v1/events/stream?kind=message.created&fields=head HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let seen = Arc::clone(&heard);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let event: Value = serde_json::from_str(data).unwrap_or_default();
            if let Some(key) = key(&event) {
                seen.lock().unwrap().entry(key).or_insert_with(Instant::now);
            }
        }
    });
    heard
}
