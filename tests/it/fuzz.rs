//! Bytes that nobody meant, from seeds in `tests/corpus`: what reads them says the same however they
//! come, and never panics. `FUZZ_RUNS` and `FUZZ_SEED` make it longer, and another one.

use crate::support::mail::seed::Dice;
use postrider::provider::imap::wire::frame::FrameReader;
use postrider::provider::imap::wire::response::read;
use postrider::provider::imap::wire::utf7;
use postrider_core::failure::Failure;
use postrider_core::haste::Haste;
use postrider_core::mail::body::{BodySink, Sealing};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::mime::header_facts;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

/// Words that mean something somewhere.
const WORDS: [&[u8]; 22] = [
    b"\r\n",
    b"{3}",
    b"{0}",
    b"{99999}",
    b"~{5+}",
    b"(",
    b")",
    b"\"",
    b"\\",
    b"&",
    b"-",
    b",",
    b":",
    b"*",
    b"BODY[]",
    b"BODY[]<7>",
    b"UID 4294967295",
    b"FLAGS (",
    b"NIL",
    b"\0",
    b"4294967296",
    b"&AOQ-",
];

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
}

/// One of these, and then as many changes of it as the dice want.
fn changed(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                bytes.splice(at.., other[from..].iter().copied());
            }
            2 => {
                bytes.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied());
            }
            3 => {
                let end = (at + dice.below(20)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let end = (at + dice.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(dice.below(256)).unwrap();
                }
            }
        }
    }
    bytes
}

fn fuzz(target: &str, runs: u64, mut check: impl FnMut(&[u8], &mut Dice)) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(seeds.len() > 1, "{target} has no seeds");
    let mut dice = Dice::new(number("FUZZ_SEED", 1));
    seeds.iter().for_each(|seed| check(seed, &mut dice));
    for _ in 0..number("FUZZ_RUNS", runs) {
        let bytes = changed(&mut dice, &seeds);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let checked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&bytes, &mut dice)));
        assert!(checked.is_ok(), "{target}: {shown:?}");
    }
}

/// A stream that brings a few octets at a time.
struct Few<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
}

impl AsyncRead for Few<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let most = self.sizes.pop().unwrap_or(usize::MAX).max(1);
        let (now, rest) = self.bytes.split_at(most.min(self.bytes.len()).min(into.remaining()));
        into.put_slice(now);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Memory(Vec<u8>);

impl BodySink for Memory {
    async fn begin(&mut self, _announced: u64) -> Result<(), Failure> {
        self.0.extend_from_slice(b"|");
        Ok(())
    }
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    async fn finish(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    fn abandon(&mut self) {}
    fn rest(&mut self) {}
    fn room(&self) -> Result<(), Failure> {
        Ok(())
    }
    async fn begin_seal(&mut self, _haste: Haste) -> Result<Sealing, Failure> {
        Ok(Box::pin(std::future::ready(Ok(Vec::new()))))
    }
}

/// Everything that a stream says: responses, bodies, and what was left of the one that was cut.
async fn said(bytes: &[u8], sizes: Vec<usize>, from: Option<u64>) -> (Vec<String>, Vec<u8>) {
    let mut stream = Few { bytes, sizes };
    let mut reader = FrameReader::new(Duration::from_secs(5));
    reader.from = from;
    let (mut sink, mut all) = (Memory::default(), Vec::new());
    loop {
        match reader.frame(&mut stream, Some(&mut sink)).await {
            Ok(frame) => all.push(format!("{frame:?} {:?}", read(&frame))),
            Err(end) => {
                all.push(format!("{end} {:?}", reader.cut().map(|frame| read(&frame))));
                return (all, sink.0);
            }
        }
    }
}

/// What is said does not hang on where the network cuts it.
#[test]
fn the_wire() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    fuzz("wire", 4_000, |bytes, dice| {
        let from = [None, Some(0), Some(4096)][dice.below(3)];
        let whole = runtime.block_on(said(bytes, Vec::new(), from));
        let most = 1 + dice.below(12);
        let sizes = (0..bytes.len()).map(|_| 1 + dice.below(most)).collect();
        assert_eq!(runtime.block_on(said(bytes, sizes, from)), whole);
    });
}

#[test]
fn names_of_folders() {
    fuzz("names", 20_000, |bytes, _| {
        let shown = utf7::decode(bytes);
        if !bytes.contains(&b'&') {
            assert_eq!(shown, String::from_utf8_lossy(bytes));
        }
    });
}

#[test]
fn sets_of_uids() {
    fuzz("sets", 20_000, |bytes, _| {
        let Ok(set) = UidSet::parse(&String::from_utf8_lossy(bytes)) else { return };
        let text = set.to_string();
        assert_eq!(UidSet::parse(&text).unwrap_or_default(), set, "{text}");
        let pieces = set.chunks(40);
        assert!(pieces.iter().all(|piece| piece.to_string().len() <= 40));
        assert_eq!(pieces.iter().fold(UidSet::new(), |all, piece| all.union(piece)), set);
        assert!(set.ranges().windows(2).all(|two| two[0].1 + 1 < two[1].0), "{text}");
    });
}

#[test]
fn heads_of_mail() {
    fuzz("heads", 10_000, |bytes, _| drop(header_facts(bytes)));
}
