//! What bodies on their way may take of memory, all together, and how long one may take.
#![expect(
    clippy::disallowed_methods,
    reason = "a body has a deadline, and so has its wait for room"
)]

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Octets of one body.
pub(super) const BODY: usize = 2 * 1024 * 1024;
/// Octets of all that are on their way. Their beginnings have a part of it for themselves: what is pushed is small, and a
/// few long bodies are not to take its room.
const BODIES: usize = 12 * 1024 * 1024;
const BEGINNINGS: usize = 4 * 1024 * 1024;
/// Octets of a beginning.
const BEGINNING: usize = 64 * 1024;
/// What is counted.
const GRAIN: usize = 1024;
/// A body is there within this.
const READ: Duration = Duration::from_secs(10);
/// It waits no longer for room, all its waits together.
const WAIT: Duration = Duration::from_secs(5);

/// Why a body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoBody {
    /// It is longer than one may be.
    Large,
    /// It did not come in time, or was cut off.
    Slow,
    /// Others take all the room.
    Full,
}

/// Room for bodies.
#[derive(Clone, Debug)]
pub(super) struct BodyRoom {
    beginnings: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    /// How long a body may take, and how long of it may be a wait for room.
    read: Duration,
    wait: Duration,
}

/// A body, and the room that it takes.
#[derive(Debug)]
pub(super) struct PushBody {
    pub(super) octets: Vec<u8>,
    /// Of either part.
    held: [Option<OwnedSemaphorePermit>; 2],
}

impl Default for BodyRoom {
    fn default() -> Self {
        let of = |octets| Arc::new(Semaphore::new(octets / GRAIN));
        Self { beginnings: of(BEGINNINGS), bodies: of(BODIES), read: READ, wait: WAIT }
    }
}

impl BodyRoom {
    /// Reads a body: each octet has its room before it is kept.
    ///
    /// # Errors
    /// [`NoBody`], by variant; what was kept is given back.
    pub(super) async fn read(&self, body: Body) -> Result<PushBody, NoBody> {
        let until = Instant::now() + self.read;
        let read = self.all(body.into_data_stream());
        timeout_at(until, read).await.unwrap_or(Err(NoBody::Slow))
    }

    async fn all(&self, mut pieces: BodyDataStream) -> Result<PushBody, NoBody> {
        let mut body = PushBody { octets: Vec::new(), held: [None, None] };
        let mut left = self.wait;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| NoBody::Slow)?;
            let length = body.octets.len() + piece.len();
            if length > BODY {
                return Err(NoBody::Large);
            }
            let has = body.octets.capacity();
            if length > has {
                // What it takes, not what is in it.
                let takes = length.max((has * 2).min(BODY));
                left = self.grow(&mut body, takes, left).await?;
                body.octets.reserve_exact(takes - body.octets.len());
            }
            body.octets.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Takes room for so much in all; returns what is left of the waits.
    async fn grow(
        &self,
        body: &mut PushBody,
        takes: usize,
        left: Duration,
    ) -> Result<Duration, NoBody> {
        let until = Instant::now() + left;
        let parts = [takes.min(BEGINNING), takes.saturating_sub(BEGINNING)];
        for ((held, takes), of) in
            body.held.iter_mut().zip(parts).zip([&self.beginnings, &self.bodies])
        {
            let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = takes.div_ceil(GRAIN).saturating_sub(has);
            if more == 0 {
                continue;
            }
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let wanted = Arc::clone(of).acquire_many_owned(more);
            let got = timeout_at(until, wanted).await.ok().and_then(Result::ok);
            let permit = got.ok_or(NoBody::Full)?;
            match held {
                Some(held) => held.merge(permit),
                None => *held = Some(permit),
            }
        }
        Ok(until.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    fn of(octets: usize) -> Body {
        Body::from(vec![b'x'; octets])
    }

    /// One that brings this much and then nothing more.
    fn stuck(octets: usize) -> Body {
        let first = stream::once(async move { Ok::<_, Infallible>(vec![b'x'; octets]) });
        Body::from_stream(first.chain(stream::pending()))
    }

    fn short() -> BodyRoom {
        let (read, wait) = (Duration::from_millis(200), Duration::from_millis(50));
        BodyRoom { read, wait, ..BodyRoom::default() }
    }

    fn free(room: &BodyRoom) -> usize {
        room.beginnings.available_permits() + room.bodies.available_permits()
    }

    #[tokio::test]
    async fn a_body_is_bounded_in_length_and_time() {
        let room = short();
        assert_eq!(room.read(of(BODY)).await.unwrap().octets.len(), BODY);
        assert_eq!(room.read(of(BODY + 1)).await.err(), Some(NoBody::Large));
        assert_eq!(room.read(stuck(1)).await.err(), Some(NoBody::Slow));
        let gone = stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("gone")) });
        assert_eq!(room.read(Body::from_stream(gone)).await.err(), Some(NoBody::Slow));
        assert_eq!(free(&room), (BODIES + BEGINNINGS) / GRAIN, "all of it is given back");
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_so_and_who_leaves_makes_some() {
        let room = short();
        let mut held = Vec::new();
        for _ in 0..BODIES / (BODY - BEGINNING) {
            held.push(room.read(of(BODY)).await.unwrap());
        }
        assert_eq!(room.read(of(BODY)).await.err(), Some(NoBody::Full));
        let small = room.read(of(1000)).await.map(|body| body.octets.len());
        assert_eq!(small.ok(), Some(1000), "long ones take no room of short ones");
        held.pop();
        assert!(room.read(of(BODY)).await.is_ok());
        for _ in 0..BEGINNINGS / BEGINNING {
            held.extend(room.read(of(BEGINNING)).await);
        }
        assert_eq!(room.read(of(1)).await.err(), Some(NoBody::Full));
    }

    /// What it takes is counted, not what is in it: a body of many small pieces takes no more than is counted.
    #[tokio::test]
    async fn what_a_body_takes_is_counted() {
        let room = short();
        let pieces = stream::iter((0..3000).map(|_| Ok::<_, Infallible>(vec![b'x'; 100])));
        let body = room.read(Body::from_stream(pieces)).await.unwrap();
        let counted = (BODIES + BEGINNINGS) / GRAIN - free(&room);
        assert!(body.octets.capacity() <= counted * GRAIN, "{}", body.octets.capacity());
        assert_eq!(body.octets.len(), 300_000);
    }
}
