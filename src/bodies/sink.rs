//! The sink that a session streams bodies into: it fills blocks and hands them to the pack's
//! threads.
#![expect(
    clippy::disallowed_methods,
    reason = "a dropped sink gives its block back, and cannot wait for it"
)]

use crate::bodies::block::Block;
use crate::bodies::hasher::{Edge, Passing};
use crate::bodies::pack::{Lease, PackDir};
use crate::bodies::writer::{thread_gone, within};
use postrider_core::failure::Failure;
use postrider_core::mail::body::{BodyRef, BodySink, Sealing};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// A pack is left when it is this long.
const PACK_LIMIT: u64 = 128 * 1024 * 1024;
/// Octets of a body after which free space is looked at again.
const CHECK: u64 = 16 * 1024 * 1024;
/// Longer messages get a file of their own.
const LARGE: u64 = 8 * 1024 * 1024;

#[derive(Debug)]
struct InPack {
    pack: i64,
    offset: u64,
}

struct Body {
    place: InPack,
    announced: u64,
    length: u64,
    large: bool,
}

/// A leased pack. See [`BodySink`] for the promises.
pub struct PackSink {
    packs: Arc<PackDir>,
    /// The pack's thread, from the first body on.
    orders: Option<mpsc::Sender<Passing>>,
    regular: InPack,
    /// Something was written that no seal was begun for.
    unsealed: bool,
    /// Seals begun, and those whose end was seen.
    seals: (u64, Arc<AtomicU64>),
    body: Option<Body>,
    block: Block,
    block_pack: i64,
    /// Where bodies begin and end in the block.
    edges: Vec<Edge>,
    finished: Vec<(i64, u64, u64)>,
    /// Octets since free space was looked at.
    unchecked: u64,
    spare: (mpsc::UnboundedSender<Block>, mpsc::UnboundedReceiver<Block>),
}

impl std::fmt::Debug for PackSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackSink").field("regular", &self.regular).finish_non_exhaustive()
    }
}

impl PackSink {
    /// A sink into these packs; it takes one when the first body comes.
    #[must_use]
    pub fn new(packs: Arc<PackDir>) -> Self {
        Self {
            packs,
            orders: None,
            block_pack: 0,
            regular: InPack { pack: 0, offset: 0 },
            unsealed: false,
            seals: (0, Arc::default()),
            body: None,
            block: Block::default(),
            edges: Vec::new(),
            finished: Vec::new(),
            unchecked: 0,
            spare: mpsc::unbounded_channel(),
        }
    }

    /// Gives a file back that nobody will name.
    fn forget(&self, pack: i64) {
        if let Some(orders) = self.orders.clone() {
            // The writer may be behind; whoever abandons does not wait for it.
            if let Err(mpsc::error::TrySendError::Full(order)) =
                orders.try_send(Passing::Forget { pack })
            {
                tokio::spawn(async move { drop(orders.send(order).await) });
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.block.is_empty() {
            return Ok(());
        }
        // Room first: whoever drops this future while it waits has lost no block.
        let Some(orders) = &self.orders else { return Err(Failure::bug("a block without a pack")) };
        let room = within(orders.reserve()).await?.map_err(|_| thread_gone())?;
        // Blocks come back when they are written; there are at most BLOCKS_AHEAD + 2 of them.
        let next = self.spare.1.try_recv().unwrap_or_default();
        let block = std::mem::replace(&mut self.block, next);
        let (edges, back) = (std::mem::take(&mut self.edges), self.spare.0.clone());
        let order = Passing::Block { pack: self.block_pack, block, edges, back };
        room.send(order);
        Ok(())
    }

    /// The next octets go to `pack`.
    async fn turn_to(&mut self, pack: i64) -> Result<(), Failure> {
        if self.block_pack != pack {
            self.flush().await?;
            self.block_pack = pack;
        }
        Ok(())
    }
}

impl Drop for PackSink {
    fn drop(&mut self) {
        self.rest();
    }
}

impl BodySink for PackSink {
    async fn begin(&mut self, announced: u64) -> Result<(), Failure> {
        self.abandon();
        self.packs.room_for(announced)?;
        self.unchecked = 0;
        if self.orders.is_none() {
            let lease = match self.packs.take() {
                Some(lease) => lease,
                None => {
                    let orders = self.packs.writer()?;
                    Lease { orders, pack: self.packs.next_number(), offset: 0 }
                }
            };
            self.orders = Some(lease.orders);
            self.regular = InPack { pack: lease.pack, offset: lease.offset };
            self.block_pack = lease.pack;
            self.unsealed = false;
            self.seals = (0, Arc::default());
        }
        let large = announced > LARGE;
        if !large && self.regular.offset >= PACK_LIMIT {
            self.regular = InPack { pack: self.packs.next_number(), offset: 0 };
        }
        let place = if large {
            InPack { pack: self.packs.next_number(), offset: 0 }
        } else {
            InPack { pack: self.regular.pack, offset: self.regular.offset }
        };
        self.turn_to(place.pack).await?;
        // Should its file fail, the thread has failed: nobody goes on with it before a seal.
        self.unsealed |= large;
        self.body = Some(Body { place, announced, length: 0, large });
        self.edges.push(Edge::Begin(self.block.len()));
        Ok(())
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let Some(body) = &mut self.body else { return Err(Failure::bug("bytes without a body")) };
        let mut at = body.place.offset + body.length;
        body.length += bytes.len() as u64;
        self.unchecked += bytes.len() as u64;
        if self.unchecked >= CHECK {
            self.unchecked = 0;
            // Longer than it was said to be, it may be this body itself that has no room.
            let unheard = if body.length > body.announced { body.length } else { 0 };
            self.packs.room_left(unheard)?;
        }
        let large = body.large;
        while !bytes.is_empty() {
            if self.block.is_empty() {
                self.block.begin(at);
            }
            let taken = self.block.take(bytes);
            at += taken as u64;
            if !large {
                self.regular.offset += taken as u64;
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.block.is_full() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        let Some(body) = self.body.take() else { return Err(Failure::bug("the end of no body")) };
        self.edges.push(Edge::End(self.block.len()));
        self.unsealed = true;
        self.finished.push((body.place.pack, body.place.offset, body.length));
        Ok(())
    }

    fn abandon(&mut self) {
        let Some(body) = self.body.take() else { return };
        self.edges.pop_if(|edge| matches!(edge, Edge::Begin(_)));
        if !body.large {
            // What is still in hand goes. What was written is the end of its pack: the next body
            // begins another, and the next start cuts that end off.
            let copied =
                usize::try_from(self.regular.offset - body.place.offset).unwrap_or(usize::MAX);
            let in_hand = copied.min(self.block.len());
            self.block.shorten(in_hand);
            self.regular.offset = body.place.offset;
            if copied > in_hand {
                self.regular = InPack { pack: self.packs.next_number(), offset: 0 };
                // Where nothing else lies in it, it goes at once.
                if !self.finished.iter().any(|(pack, _, _)| *pack == body.place.pack)
                    && body.place.offset == 0
                {
                    self.forget(body.place.pack);
                }
            }
        } else {
            // A file of its own goes.
            if self.block_pack == body.place.pack {
                self.block.clear();
            }
            self.forget(body.place.pack);
        }
    }

    fn room(&self) -> Result<(), Failure> {
        self.packs.room()?;
        self.packs.room_for(0)
    }

    fn rest(&mut self) {
        self.abandon();
        self.finished.clear();
        self.edges.clear();
        self.block = Block::default();
        while self.spare.1.try_recv().is_ok() {}
        let InPack { pack, offset } = self.regular;
        // One in which something lies that was not made durable, or that could not be, is left: its
        // thread ends.
        let (begun, seen) = (self.seals.0, self.seals.1.load(Ordering::Acquire));
        if let Some(orders) = self.orders.take()
            && (!self.unsealed && begun == seen && offset > 0 && offset < PACK_LIMIT)
        {
            self.packs.keep(Lease { orders, pack, offset });
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seal: the one place that may vouch for durability"
    )]
    async fn begin_seal(&mut self) -> Result<Sealing, Failure> {
        if self.finished.is_empty() {
            return Ok(Box::pin(std::future::ready(Ok(Vec::new()))));
        }
        self.flush().await?;
        let (reply, sealed) = oneshot::channel();
        let edges = std::mem::take(&mut self.edges);
        let order = Passing::Seal { keep: self.regular.pack, edges, reply };
        let Some(orders) = &self.orders else { return Err(Failure::bug("bodies without a pack")) };
        within(orders.send(order)).await?.map_err(|_| thread_gone())?;
        self.unsealed = false;
        self.seals.0 += 1;
        let seen = Arc::clone(&self.seals.1);
        let finished = std::mem::take(&mut self.finished);
        Ok(Box::pin(async move {
            let hashes = within(sealed).await?.map_err(|_| thread_gone())??;
            if hashes.len() != finished.len() {
                return Err(Failure::bug("another number of bodies was hashed than was written"));
            }
            seen.fetch_add(1, Ordering::Release);
            Ok(finished
                .into_iter()
                .zip(hashes)
                .map(|((pack, at, length), hash)| BodyRef::sealed(hash, pack, at, length))
                .collect())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::disk::RealDisk;
    use postrider_core::failure::Reach;

    async fn put(sink: &mut PackSink, bytes: &[u8]) {
        sink.begin(bytes.len() as u64).await.unwrap();
        sink.write(bytes).await.unwrap();
        sink.finish().await.unwrap();
    }

    /// Mail that comes one by one, whoever reads it, shares a file; only a pack that is durable to
    /// its end is gone on with.
    #[tokio::test]
    async fn who_rests_leaves_its_pack_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
        let sink = || PackSink::new(Arc::clone(&packs));
        let (mut one, mut two) = (sink(), sink());
        for n in 0..10_u8 {
            let sink = if n % 2 == 0 { &mut one } else { &mut two };
            put(sink, &[n; 100]).await;
            let sealed = sink.seal().await.unwrap();
            assert_eq!((sealed[0].pack(), sealed[0].offset()), (1, u64::from(n) * 100));
            sink.rest();
        }
        assert_eq!(std::fs::read(dir.path().join("0000000001.pack")).unwrap().len(), 1000);
        // Two at a time have one each.
        put(&mut one, b"x").await;
        put(&mut two, b"y").await;
        assert_eq!(one.seal().await.unwrap()[0].pack(), 1);
        assert_eq!(two.seal().await.unwrap()[0].pack(), 2);
        // Who is gone leaves its pack, too.
        drop(two);
        let mut two = sink();
        put(&mut two, b"y").await;
        assert_eq!(two.seal().await.unwrap()[0].pack(), 2);
        // Nor is a pack gone on with whose seal was begun, and not seen to end.
        put(&mut two, b"y").await;
        let begun = two.begin_seal().await.unwrap();
        two.rest();
        put(&mut two, b"z").await;
        assert_eq!(two.seal().await.unwrap()[0].pack(), 3);
        assert_eq!(begun.await.unwrap()[0].pack(), 2);
        two.rest();
        // What was not made durable, and a large one that nobody vouches for, take theirs along.
        put(&mut one, b"lost").await;
        one.rest();
        two.begin(LARGE + 1).await.unwrap();
        two.rest();
        put(&mut one, b"z").await;
        let pack = one.seal().await.unwrap()[0].pack();
        assert!(pack > 2, "{pack}");
    }

    /// Where nobody said how long a body is, it may be that body alone that fills the disk.
    #[tokio::test]
    async fn a_body_that_fills_the_disk_unannounced_costs_itself() {
        let dir = tempfile::tempdir().unwrap();
        let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
        for (announced, reach) in [(0, Reach::Message), (2 * CHECK, Reach::Process)] {
            packs.keep_free(0);
            let mut sink = PackSink::new(Arc::clone(&packs));
            sink.begin(announced).await.unwrap();
            packs.keep_free(u64::MAX);
            let piece = vec![0; 1 << 20];
            let full = loop {
                if let Err(full) = sink.write(&piece).await {
                    break full;
                }
            };
            assert_eq!(full.reach, reach, "{full}");
        }
    }
}
