//! What a seed comes to, in two numbers: whoever moves the core's rules about and changes none sees that they
//! are what they were.
//!
//! `WORLD_HASHES=folder` writes a file for each world, or, where it is there, compares with it. The *end* of a
//! seed (rows, ledger, events) must be what it was; its *trace* (what each folder was committed, in its order,
//! and what was refused) may differ for a seed in two hundred, each of which has to be explained.
//! Neither knows of numbers that are given out in the order of things that have none: tokens, instants, rows.

use crate::feeds::FeedWorld;
use crate::town::Town;
use crate::world::World;
use postrider_core::commit::event::EventDraft;
use postrider_core::commit::ledger::Ledger;
use postrider_core::mail::id::{FolderId, MessageId};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::path::PathBuf;

/// Seeds in a thousand whose trace may be another.
const DIFFER: usize = 5;

/// Numbers of what has no order: they are left out.
const NUMBERED: [&str; 4] = ["Micros(", "FolderId(", "MessageId(", "Incarnation("];

/// The way of a seed so far: what was committed, by what it is about.
#[derive(Debug, Default)]
pub(crate) struct Trace(BTreeMap<String, u64>);

/// Whether anybody asks.
fn folder() -> Option<PathBuf> {
    std::env::var_os("WORLD_HASHES").map(PathBuf::from)
}

fn hash(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A value as text, without numbers that are given out in an order.
fn told(value: &impl Debug) -> String {
    let mut text = format!("{value:?}");
    for kind in NUMBERED {
        let mut parts = text.split(kind);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
            write!(out, "{kind}{rest}").unwrap();
        }
        text = out;
    }
    text
}

impl Trace {
    /// This was committed about something.
    pub(crate) fn add(&mut self, about: &str, what: &impl Debug) {
        if folder().is_some() {
            let so_far = self.0.entry(about.to_owned()).or_default();
            *so_far = hash(*so_far, &told(what));
        }
    }
}

/// An event, its folder by name and its message by its mail.
fn event(
    event: &EventDraft,
    path: impl Fn(FolderId) -> String,
    cid: &impl Fn(MessageId) -> String,
) -> String {
    let mut text = told(event);
    let folders = event.changed.iter().chain(&event.locations).map(|(folder, ..)| *folder);
    for folder in event.folder.into_iter().chain(folders) {
        write!(text, " {}", path(folder)).unwrap();
    }
    if let Some(message) = event.message {
        write!(text, " {}", cid(message)).unwrap();
    }
    text
}

fn ledger(ledger: &Ledger, path: &impl Fn(FolderId) -> String) -> Vec<String> {
    let messages = ledger.messages().map(|message| {
        let mut at: Vec<String> = ledger
            .locations()
            .filter(|location| location.message == message.id)
            .map(|location| format!("{} {}", path(location.folder), told(location)))
            .collect();
        at.sort();
        format!("{} {at:?}", told(message))
    });
    let mut all: Vec<String> = messages.collect();
    all.sort();
    all
}

fn all(parts: impl IntoIterator<Item = String>) -> u64 {
    parts.into_iter().fold(0, |so_far, part| hash(so_far, &part))
}

/// What a seed came to: its trace and its end.
pub(crate) type Hashes = (u64, u64);

impl World {
    pub(crate) fn hashes(&self, rounds: &impl Debug) -> Hashes {
        let store = &self.store;
        let path = |id: FolderId| {
            store.folders.get(&id).map_or_else(|| "gone".to_owned(), |folder| folder.path.clone())
        };
        let cid = |id: MessageId| store.cid(id).to_string();
        let mut folders: Vec<String> = store.folders.values().map(told_row).collect();
        folders.sort();
        let mut events: Vec<String> =
            store.events.iter().map(|draft| event(draft, path, &cid)).collect();
        events.sort();
        let trace = format!("{:?} {rounds:?}", store.trace.0);
        let end = [vec![told(&store.account)], folders, ledger(&store.ledger, &path), events];
        (hash(0, &trace), all(end.concat()))
    }
}

fn told_row(row: &impl Debug) -> String {
    told(row)
}

impl FeedWorld {
    pub(crate) fn hashes(&self, rounds: &impl Debug) -> Hashes {
        let books = &self.store.books;
        let path = |id: FolderId| {
            books.rows.places.get(&id).map_or_else(|| "gone".to_owned(), |row| row.path.clone())
        };
        let cid = |id: MessageId| {
            let is_it = books.ledger.messages().find(|message| message.id == id);
            is_it.map_or_else(String::new, |message| message.identity.to_string())
        };
        let mut events: Vec<String> =
            self.store.events.iter().map(|draft| event(draft, path, &cid)).collect();
        events.sort();
        let mut owed: Vec<String> = books.all_owed().map(told).collect();
        owed.sort();
        let mut places: Vec<String> = books.rows.places.values().map(told).collect();
        places.sort();
        let trace = format!("{:?} {rounds:?}", self.store.trace.0);
        let end = [places, ledger(&books.ledger, &path), owed, events];
        (hash(0, &trace), all(end.concat()))
    }
}

impl Town {
    pub(crate) fn hashes(&self) -> Hashes {
        (hash(0, &format!("{:?}", self.way.0)), hash(0, &self.ends()))
    }
}

/// Writes what the seeds of a world came to, or compares.
pub(crate) fn keep(world: &str, seeds: &[(u64, Hashes)]) {
    let Some(folder) = folder() else { return };
    let file = folder.join(format!("{world}.txt"));
    let now: Vec<String> = seeds
        .iter()
        .map(|(seed, (trace, end))| format!("{seed} {trace:016x} {end:016x}"))
        .collect();
    let Ok(before) = std::fs::read_to_string(&file) else {
        std::fs::create_dir_all(&folder).unwrap();
        return std::fs::write(file, now.join("\n")).unwrap();
    };
    let before: BTreeMap<&str, &str> =
        before.lines().filter_map(|line| line.split_once(' ')).collect();
    let (mut traces, mut ends) = (Vec::new(), Vec::new());
    for line in &now {
        let (seed, hashes) = line.split_once(' ').unwrap();
        let Some(was) = before.get(seed).filter(|was| **was != hashes) else { continue };
        traces.push(seed.to_owned());
        if was.split(' ').next_back() != hashes.split(' ').next_back() {
            ends.push(seed.to_owned());
        }
    }
    println!(
        "{world}: {} of {} go another way, {} end otherwise",
        traces.len(),
        now.len(),
        ends.len()
    );
    assert!(ends.is_empty(), "{world}: seeds that end otherwise: {}", ends.join(" "));
    let few = traces.len() * 1000 <= now.len() * DIFFER;
    assert!(few, "{world}: seeds that go another way: {}", traces.join(" "));
}
