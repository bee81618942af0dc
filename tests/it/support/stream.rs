//! A client of `/v1/events/stream`.

use crate::support::fits;
use crate::support::served::{Served, request};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest time until something comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct EventStream {
    from: BufReader<TcpStream>,
    read: String,
    /// The last `id` that was told.
    pub(crate) last: Option<i64>,
}

/// What was told at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: Option<i64>,
    pub(crate) kind: Option<String>,
    pub(crate) event: Option<Value>,
    pub(crate) retry: Option<u64>,
    pub(crate) comments: usize,
}

impl EventStream {
    /// Opens one with this token; or the status and the problem.
    pub(crate) fn open(
        served: &Served,
        token: &str,
        query: &str,
        headers: &str,
    ) -> Result<Self, (u16, Value)> {
        let address = &served.address;
        let head = format!(
            "GET /v1/events/stream{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{headers}"
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let mut from = BufReader::new(stream);
        let mut told = String::new();
        while !told.ends_with("\r\n\r\n") {
            assert_ne!(from.read_line(&mut told).unwrap(), 0, "it ended in its head: {told}");
        }
        let status: u16 = told.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 200 {
            let (status, _, body) = request(address, &head, "");
            return Err((status, serde_json::from_str(&body).unwrap()));
        }
        let told = told.to_lowercase();
        assert!(told.contains("content-type: text/event-stream\r\n"), "{told}");
        assert!(told.contains("connection: close\r\n"), "{told}");
        Ok(Self { from, read: String::new(), last: None })
    }

    /// With the server's own token.
    pub(crate) fn of(served: &Served, query: &str) -> Self {
        Self::open(served, &served.token, query, "").unwrap()
    }

    /// The connection.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.from.get_ref()
    }

    /// A chunk; nothing behind the last one. An error where it was cut off.
    fn chunk(&mut self) -> std::io::Result<bool> {
        let mut size = String::new();
        if self.from.read_line(&mut size)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.from.read_exact(&mut chunk)?;
        chunk.truncate(size);
        self.read.push_str(&String::from_utf8(chunk).unwrap());
        Ok(size > 0)
    }

    /// What is told next; nothing at the end.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Told>> {
        while !self.read.contains("\n\n") {
            if !self.chunk()? {
                return Ok(None);
            }
        }
        let (block, rest) = self.read.split_once("\n\n").unwrap();
        let (mut told, mut data) = (Told::default(), None);
        for line in block.split('\n') {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("id", id) => told.id = Some(id.parse().unwrap()),
                ("event", kind) => told.kind = Some(kind.to_owned()),
                ("data", text) => data = Some(text),
                ("retry", millis) => told.retry = Some(millis.parse().unwrap()),
                (":", _) => told.comments += 1,
                other => panic!("no line of a stream: {other:?}"),
            }
        }
        if let Some(text) = data {
            let event: Value = serde_json::from_str(text).unwrap();
            fits::demand(&event);
            assert_eq!(
                (&event["seq"], &event["kind"]),
                (&told.id.into(), &told.kind.clone().into())
            );
            told.event = Some(event);
        }
        self.read = rest.to_owned();
        self.last = told.id.or(self.last);
        Ok(Some(told))
    }

    /// The next event, behind whatever else is told.
    pub(crate) fn event(&mut self) -> Value {
        loop {
            let told = self.next().unwrap().unwrap();
            if let Some(event) = told.event {
                return event;
            }
        }
    }

    /// The numbers of events, whatever they say, until one is the last.
    pub(crate) fn numbers(&mut self, is_last: impl Fn(i64) -> bool) -> Vec<i64> {
        let mut numbers = Vec::new();
        while !numbers.last().is_some_and(|last| is_last(*last)) {
            assert!(self.chunk().unwrap(), "it has ended");
            let whole = self.read.rfind("\n\n").map_or(0, |end| end + 2);
            let rest = self.read.split_off(whole);
            let blocks = self.read.split("\n\n").filter(|block| block.contains("\ndata: "));
            let id = |block: &str| {
                block.strip_prefix("id: ").unwrap().split('\n').next().unwrap().parse::<i64>()
            };
            numbers.extend(blocks.map(|block| id(block).unwrap()));
            self.read = rest;
        }
        numbers
    }

    /// Events up to this number.
    pub(crate) fn up_to(&mut self, seq: i64) -> Vec<Value> {
        let mut events = Vec::new();
        while self.last.is_none_or(|last| last < seq) {
            let told = self.next().unwrap().unwrap();
            events.extend(told.event);
        }
        events
    }
}
