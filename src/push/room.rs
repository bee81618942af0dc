//! What bodies on their way may take of memory, all together, and how long one may take.
#![expect(
    clippy::disallowed_methods,
    reason = "a body has a deadline, and so has its wait for room"
)]

use axum::body::{Body, BodyDataStream};
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Octets of one body.
pub(super) const BODY: usize = 2 * 1024 * 1024;
/// Octets of all that are on their way. Their beginnings have a part of it for themselves: what is pushed is small, and a
/// few long bodies are not to take its room.
const BODIES: usize = 6 * 1024 * 1024;
const BEGINNINGS: usize = 3 * 1024 * 1024;
/// Octets of a beginning.
const BEGINNING: usize = 64 * 1024;
/// Octets of one that was packed.
pub(super) const UNPACKED: usize = 20 * 1024 * 1024;
/// Those that are unpacked at a time: that is work.
const UNPACKING: usize = 2;
/// What is counted.
const GRAIN: usize = 1024;
/// A body is there within this.
const READ: Duration = Duration::from_secs(10);
/// It waits no longer for room, all its waits together; and no longer for more of it.
const WAIT: Duration = Duration::from_secs(5);
const GROWS: Duration = Duration::from_millis(250);

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
    unpacking: Arc<Semaphore>,
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

/// What comes out of a packed body, up to a limit.
struct Unpacking<R> {
    from: R,
    left: usize,
    is_over: bool,
}

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(to)?;
        let left = self.left.checked_sub(read);
        self.is_over |= left.is_none();
        self.left = left.ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

impl Default for BodyRoom {
    fn default() -> Self {
        let of = |octets| Arc::new(Semaphore::new(octets / GRAIN));
        let unpacking = Arc::new(Semaphore::new(UNPACKING));
        Self { beginnings: of(BEGINNINGS), bodies: of(BODIES), unpacking, read: READ, wait: WAIT }
    }
}

impl BodyRoom {
    /// Reads a body, whose length its head may have said: each octet has its room before it is kept.
    ///
    /// # Errors
    /// [`NoBody`], by variant; what was kept is given back.
    pub(super) async fn read(&self, said: Option<u64>, body: Body) -> Result<PushBody, NoBody> {
        let said = said.map(|said| usize::try_from(said).unwrap_or(usize::MAX));
        if said.is_some_and(|said| said > BODY) {
            return Err(NoBody::Large);
        }
        let until = Instant::now() + self.read;
        let read = self.all(said.unwrap_or(BODY), body.into_data_stream());
        timeout_at(until, read).await.unwrap_or(Err(NoBody::Slow))
    }

    /// Has somebody read a body that is packed, as it is unpacked: what comes out is kept nowhere.
    ///
    /// # Errors
    /// [`NoBody::Large`], [`NoBody::Full`].
    pub(super) async fn unpack<T: Send + 'static>(
        &self,
        body: PushBody,
        read: impl FnOnce(&mut dyn Read) -> T + Send + 'static,
    ) -> Result<T, NoBody> {
        let turn = Arc::clone(&self.unpacking).acquire_owned();
        let turn = timeout_at(Instant::now() + self.wait, turn).await.ok().and_then(Result::ok);
        let turn = turn.ok_or(NoBody::Full)?;
        let unpacked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut from = Unpacking {
                from: BufReader::new(GzDecoder::new(body.octets.as_slice())),
                left: UNPACKED,
                is_over: false,
            };
            let read = read(&mut from);
            if from.is_over { Err(NoBody::Large) } else { Ok(read) }
        });
        // A bug in it is a bug here.
        unpacked.await.unwrap_or_else(|e| match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(NoBody::Full),
        })
    }

    async fn all(&self, said: usize, mut pieces: BodyDataStream) -> Result<PushBody, NoBody> {
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
                let takes = length.max((has * 2).min(said));
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
        // Nobody waits for the rest of a beginning with room of others.
        let more = [self.wait, GROWS];
        let rooms = [&self.beginnings, &self.bodies].into_iter().zip(more);
        for ((held, takes), (of, grows)) in body.held.iter_mut().zip(parts).zip(rooms) {
            let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = takes.div_ceil(GRAIN).saturating_sub(has);
            if more == 0 {
                continue;
            }
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            // Some that each have a part of the room and wait for more would keep it from each other until their time is
            // over: who has one gives it back soon.
            let until = match held {
                Some(_) => until.min(Instant::now() + grows),
                None => until,
            };
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
        assert_eq!(room.read(None, of(BODY)).await.unwrap().octets.len(), BODY);
        assert_eq!(room.read(None, of(BODY + 1)).await.err(), Some(NoBody::Large));
        assert_eq!(room.read(Some(BODY as u64 + 1), of(1)).await.err(), Some(NoBody::Large));
        assert_eq!(room.read(None, stuck(1)).await.err(), Some(NoBody::Slow));
        let gone = stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("gone")) });
        assert_eq!(room.read(None, Body::from_stream(gone)).await.err(), Some(NoBody::Slow));
        assert_eq!(free(&room), (BODIES + BEGINNINGS) / GRAIN, "all of it is given back");
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_so_and_who_leaves_makes_some() {
        let room = short();
        let mut held = Vec::new();
        for _ in 0..BODIES / (BODY - BEGINNING) {
            held.push(room.read(None, of(BODY)).await.unwrap());
        }
        assert_eq!(room.read(None, of(BODY)).await.err(), Some(NoBody::Full));
        let small = room.read(None, of(1000)).await.map(|body| body.octets.len());
        assert_eq!(small.ok(), Some(1000), "long ones take no room of short ones");
        held.pop();
        assert!(room.read(None, of(BODY)).await.is_ok());
        for _ in 0..BEGINNINGS / BEGINNING {
            held.extend(room.read(None, of(BEGINNING)).await);
        }
        assert_eq!(room.read(None, of(1)).await.err(), Some(NoBody::Full));
    }

    /// What is packed may be anything: no more than a limit comes out of it, and what reads it keeps none.
    #[tokio::test]
    async fn what_is_packed_is_unpacked_up_to_a_limit() {
        let room = short();
        let packed = |octets: usize| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            let piece = vec![b'x'; 1 << 20];
            for _ in 0..octets >> 20 {
                std::io::Write::write_all(&mut packer, &piece).unwrap();
            }
            std::io::Write::write_all(&mut packer, &piece[..octets % (1 << 20)]).unwrap();
            PushBody { octets: packer.finish().unwrap(), held: [None, None] }
        };
        let count = |from: &mut dyn Read| std::io::copy(from, &mut std::io::sink()).ok();
        assert_eq!(room.unpack(packed(1000), count).await, Ok(Some(1000)));
        assert_eq!(room.unpack(packed(UNPACKED), count).await, Ok(Some(UNPACKED as u64)));
        assert_eq!(room.unpack(packed(UNPACKED + 1), count).await, Err(NoBody::Large));
        assert_eq!(room.unpack(packed(1 << 30), count).await, Err(NoBody::Large));
        let cut = PushBody { octets: vec![0x1f, 0x8b, 8], held: [None, None] };
        assert_eq!(room.unpack(cut, count).await, Ok(None), "who reads it is told");
        let held = room.unpacking.acquire_many(2).await.unwrap();
        assert_eq!(room.unpack(packed(1), count).await, Err(NoBody::Full));
        drop(held);
        assert_eq!(room.unpack(packed(1), count).await, Ok(Some(1)));
    }

    /// More long ones at a time than there is room for: some are read, the others give theirs back soon.
    #[tokio::test]
    async fn long_ones_do_not_keep_room_from_each_other() {
        let room = BodyRoom { wait: Duration::from_secs(60), ..BodyRoom::default() };
        let begun = tokio::sync::Barrier::new(8);
        let long = || {
            let (pieces, begun) = (BODY / BEGINNING, &begun);
            let (sends, body) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
            let body = stream::unfold(body, |mut body| async move {
                Some((Ok::<_, Infallible>(body.recv().await?), body))
            });
            let (body, room) = (Body::from_stream(body), room.clone());
            async move {
                let sends = async move {
                    for n in 0..pieces {
                        sends.send(vec![b'x'; BEGINNING]).await.ok();
                        // All have come half of their way before one goes on.
                        if n == pieces / 2 {
                            let _ = tokio::time::timeout(Duration::from_millis(300), begun.wait())
                                .await;
                        }
                    }
                };
                futures_util::join!(sends, async { room.read(None, body).await.map(drop) }).1
            }
        };
        let all = futures_util::future::join_all((0..8).map(|_| long()));
        let all = tokio::time::timeout(Duration::from_secs(8), all).await.unwrap();
        let read = all.iter().filter(|it| it.is_ok()).count();
        assert!(read >= 3, "{all:?}");
        assert!(all.iter().all(|it| matches!(it, Ok(()) | Err(NoBody::Full))), "{all:?}");
    }

    /// What it takes is counted, not what is in it: a body of many small pieces takes no more than is counted.
    #[tokio::test]
    async fn what_a_body_takes_is_counted() {
        let room = short();
        let pieces = stream::iter((0..3000).map(|_| Ok::<_, Infallible>(vec![b'x'; 100])));
        let body = room.read(None, Body::from_stream(pieces)).await.unwrap();
        let counted = (BODIES + BEGINNINGS) / GRAIN - free(&room);
        assert!(body.octets.capacity() <= counted * GRAIN, "{}", body.octets.capacity());
        assert_eq!(body.octets.len(), 300_000);
    }
}
