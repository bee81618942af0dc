//! What is given at a time: made once, and the same at each try.

use crate::config::Subscriber;
use crate::feed::{ToldEvent, with_heads};
use crate::instant::instant;
use crate::store::{Reader, StoredEvent};
use postrider_core::failure::Failure;
use postrider_core::time::Micros;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What a test is called.
const TEST: &str = "test";

/// Some events, as they are given (Standard Webhooks).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    /// What it is known by: of the same there are the same octets.
    pub(crate) id: String,
    /// JSON.
    pub(crate) body: String,
    /// The numbers; none of a test.
    pub(crate) numbers: Vec<i64>,
    /// When the first of them happened.
    pub(crate) at: Micros,
    /// Numbers before it that are kept no longer, and were never given.
    pub(crate) lost: Option<(i64, i64)>,
}

/// What a subscriber is being given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InHand {
    /// The first and the last number.
    pub(crate) events: (i64, i64),
    /// How many of those.
    pub(crate) count: usize,
    /// When the first of them happened.
    pub(crate) at: Micros,
}

fn payload(kind: &str, at: Micros, data: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"timestamp\":\"{}\",\"data\":{data}}}", instant(at))
}

/// What a list is known by: where it begins, how many they are, and which.
fn id_of(events: &[Arc<ToldEvent>], first: &StoredEvent) -> String {
    let mut hash = Sha256::new();
    for event in events {
        hash.update(event.row.id.as_bytes());
    }
    let hash = hash.finalize();
    let hex: String = hash.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    format!("{}-{}-{hex}", first.seq, events.len())
}

impl Parcel {
    /// The first and the last number; none of a test.
    pub(super) fn events(&self) -> Option<(i64, i64)> {
        self.numbers.first().copied().zip(self.numbers.last().copied())
    }

    /// Which events they are; none of a test.
    pub(super) fn in_hand(&self) -> Option<InHand> {
        Some(InHand { events: self.events()?, count: self.numbers.len(), at: self.at })
    }

    /// Of these events; none of none.
    ///
    /// # Errors
    /// Class storage: what is stored of their messages cannot be read now.
    pub(crate) async fn of(
        events: &[Arc<ToldEvent>],
        subscriber: &Subscriber,
        reader: &Reader,
        lost: Option<(i64, i64)>,
    ) -> Result<Option<Self>, Failure> {
        let Some(first) = events.first() else { return Ok(None) };
        let mut texts: Vec<String> = Vec::new();
        if subscriber.heads {
            for view in with_heads(reader, events.iter().map(|event| &event.row)).await? {
                let text = serde_json::to_string(&view);
                texts.push(text.map_err(|e| Failure::bug("an event is no JSON").caused_by(e))?);
            }
        }
        let mut payloads = Vec::new();
        for (n, event) in events.iter().enumerate() {
            let data = texts.get(n).unwrap_or(&event.text);
            payloads.push(payload(&event.row.kind, event.row.at, data));
        }
        let is_list = subscriber.batch.is_some();
        let id = if is_list { id_of(events, &first.row) } else { first.row.id.clone() };
        let body = payloads.join(",");
        let body = if is_list { format!("[{body}]") } else { body };
        let numbers = events.iter().map(|event| event.row.seq).collect();
        Ok(Some(Self { id, body, numbers, at: first.row.at, lost }))
    }

    /// An event of no number, for who wants to see one.
    pub(crate) fn test(subscriber: &Subscriber, now: Micros) -> Self {
        let id = format!("test-{}", uuid::Uuid::new_v4());
        let data = format!("{{\"id\":\"{id}\",\"subscriber\":\"{}\"}}", subscriber.id);
        let body = payload(TEST, now, &data);
        let body = if subscriber.batch.is_some() { format!("[{body}]") } else { body };
        Self { id, body, numbers: Vec::new(), at: now, lost: None }
    }
}
