//! Octets of a stored body on their way to a client: read and decoded off the runtime, a piece at a time as the client
//! takes them; nothing is held while it does not.
#![expect(
    clippy::disallowed_methods,
    reason = "a file is read off the runtime's threads, one piece at a time; it is waited for"
)]

use crate::bodies::{BodyReader, Damage};
use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use postrider_core::mail::body::{BodyHash, StoredBody};
use postrider_core::mime::{Decoder, Encoding};
use sha2::{Digest as _, Sha256};
use std::ops::Range;
use std::path::Path;

/// Octets of a body that are read at a time.
const PIECE: u64 = 64 * 1024;
/// What is not longer is checked before anything of it is sent.
const GATHERED: usize = 256 * 1024;

/// What is to be sent of a body.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The body.
    pub(super) body: StoredBody,
    /// Where in it.
    pub(super) octets: Range<u64>,
    /// How that is encoded.
    pub(super) encoding: Encoding,
    /// Which of the octets that it decodes to.
    pub(super) wanted: Range<u64>,
    /// What all of those hash to, where all of them are sent.
    pub(super) hash: Option<BodyHash>,
}

/// What is under way.
struct Under {
    reader: BodyReader,
    sent: Sent,
    /// Where the next piece begins.
    at: u64,
    decoder: Option<Decoder>,
    /// Octets that were decoded so far.
    decoded: u64,
    hash: Sha256,
}

impl Under {
    fn new(bodies: &Path, sent: Sent) -> Self {
        let mut at = sent.octets.start;
        let mut decoded = 0;
        // What is not encoded is read from where it is wanted.
        if sent.encoding == Encoding::Identity {
            at = at.saturating_add(sent.wanted.start);
            decoded = sent.wanted.start;
        }
        let (reader, decoder) = (BodyReader::new(bodies), Some(Decoder::of(sent.encoding)));
        Self { reader, sent, at, decoder, decoded, hash: Sha256::new() }
    }

    /// The next octets; none when all were sent.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Damage> {
        while let Some(mut decoder) = self.decoder.take() {
            if self.decoded >= self.sent.wanted.end {
                return self.ended();
            }
            let end = self.sent.octets.end.min(self.at.saturating_add(PIECE));
            let mut out = Vec::new();
            let body = self.sent.body;
            self.reader.pieces(&body, self.at..end, &mut |piece| {
                decoder.feed(piece, &mut out);
                Ok::<_, Damage>(())
            })?;
            if end >= self.sent.octets.end {
                decoder.finish(&mut out);
            } else {
                self.decoder = Some(decoder);
            }
            self.at = end;
            let of = self.decoded..self.decoded + out.len() as u64;
            self.decoded = of.end;
            let within = |place: u64| {
                usize::try_from(place.clamp(of.start, of.end) - of.start).unwrap_or(out.len())
            };
            let wanted = within(self.sent.wanted.start)..within(self.sent.wanted.end);
            let octets = out.get(wanted).unwrap_or_default().to_vec();
            self.hash.update(&octets);
            if !octets.is_empty() {
                // Nobody has all of it before it is known to be whole.
                let is_last = self.decoder.is_none() || self.decoded >= self.sent.wanted.end;
                return if is_last { self.ended().map(|_| Some(octets)) } else { Ok(Some(octets)) };
            }
        }
        self.ended()
    }

    /// All of it was read: holds it against its hash, once.
    fn ended(&mut self) -> Result<Option<Vec<u8>>, Damage> {
        let found = BodyHash(std::mem::take(&mut self.hash).finalize().into());
        match self.sent.hash.take().filter(|wanted| *wanted != found) {
            Some(wanted) => Err(Damage::Hash { wanted, found }),
            None => Ok(None),
        }
    }
}

/// Off the runtime.
async fn next(mut under: Under) -> Result<Option<(Vec<u8>, Under)>, Damage> {
    let read = tokio::task::spawn_blocking(move || {
        let octets = under.next()?;
        Ok(octets.map(|octets| (octets, under)))
    });
    let ended = |_| Damage::Out(std::io::Error::other("the process ends"));
    read.await.map_err(ended)?
}

/// The octets as the body of an answer. What is damaged is said here where it is short, or cannot be read at all;
/// else the answer is broken off.
///
/// # Errors
/// [`Damage`].
pub(super) async fn body(bodies: &Path, sent: Sent) -> Result<Body, Damage> {
    let mut under = Under::new(bodies, sent);
    let mut gathered = Vec::new();
    loop {
        let Some((octets, behind)) = next(under).await? else { return Ok(Body::from(gathered)) };
        gathered.extend_from_slice(&octets);
        under = behind;
        if gathered.len() > GATHERED {
            break;
        }
    }
    let rest = stream::try_unfold(under, next);
    let all = stream::once(std::future::ready(Ok(gathered))).chain(rest);
    Ok(Body::from_stream(all))
}
