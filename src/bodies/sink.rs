//! The sink that a session streams bodies into: it fills blocks and hands them to the pack's
//! threads.
#![expect(
    clippy::disallowed_methods,
    reason = "a dropped sink gives its block back, and cannot wait for it"
)]

use crate::bodies::beginnings::Kept;
use crate::bodies::block::Block;
use crate::bodies::hasher::{Edge, HasherOrder};
use crate::bodies::open::OpenPack;
use crate::bodies::pack::{Lease, PackDir};
use crate::bodies::writer::{thread_gone, within};
use postrider_core::failure::Failure;
use postrider_core::haste::Haste;
use postrider_core::mail::body::{Beginning, BodyRef, BodySink, Sealing, StoredBody};
use postrider_core::mail::folder::WireName;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// A pack is left when it is this long.
const PACK_LIMIT: u64 = 128 * 1024 * 1024;
/// Octets of a body after which free space is looked at again.
const CHECK: u64 = 16 * 1024 * 1024;
/// Less of a message than this is read again rather than kept.
const WORTH: u64 = 64 * 1024;
/// Longer messages get a file of their own.
const LARGE: u64 = 8 * 1024 * 1024;

#[derive(Clone, Debug, Default)]
struct InPack {
    pack: OpenPack,
    offset: u64,
}

struct Body {
    place: InPack,
    announced: u64,
    length: u64,
    large: bool,
    /// What was kept of it is in it.
    resumed: Option<Beginning>,
}

/// A body that the next seal makes durable.
struct Finished {
    place: InPack,
    length: u64,
    end: End,
}

/// How a body has ended.
enum End {
    /// Whole; nothing is to be kept of it any more.
    Whole(Option<Beginning>),
    /// It was cut; whether nothing else lies in its file.
    Cut(Beginning, bool),
}

/// A leased pack. See [`BodySink`] for the promises.
pub struct PackSink {
    packs: Arc<PackDir>,
    /// The pack's thread, from the first body on.
    orders: Option<mpsc::Sender<HasherOrder>>,
    regular: InPack,
    /// What it takes lies here already: it lies by itself, and no room is kept free of it.
    is_apart: bool,
    /// Something was written that no seal was begun for.
    unsealed: bool,
    /// Seals begun, and those whose end was seen.
    seals: (u64, Arc<AtomicU64>),
    body: Option<Body>,
    block: Block,
    block_pack: i64,
    /// Where bodies begin and end in the block.
    edges: Vec<Edge>,
    finished: Vec<Finished>,
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
            regular: InPack::default(),
            is_apart: false,
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

    /// One that takes copies of what lies in other packs.
    #[must_use]
    pub(super) fn apart(packs: Arc<PackDir>) -> Self {
        let mut sink = Self::new(packs);
        sink.is_apart = true;
        sink
    }

    /// Nothing else lies in its pack.
    fn is_alone(&self, body: &Body) -> bool {
        body.place.offset == 0
            && !self.finished.iter().any(|other| other.place.pack.id() == body.place.pack.id())
    }

    fn end(&mut self, body: Body, end: End) {
        self.edges.push(Edge::End(self.block.len()));
        self.unsealed = true;
        self.finished.push(Finished { place: body.place, length: body.length, end });
    }

    /// Gives a file back that nobody will name.
    fn give_back(&self, pack: i64) {
        if let Some(orders) = self.orders.clone() {
            // The writer may be behind; whoever abandons does not wait for it.
            if let Err(mpsc::error::TrySendError::Full(order)) =
                orders.try_send(HasherOrder::Forget { pack })
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
        let order = HasherOrder::Block { pack: self.block_pack, block, edges, back };
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
        if !self.is_apart {
            self.packs.takes(announced)?;
            self.packs.room_for(announced)?;
        }
        self.unchecked = 0;
        if self.orders.is_none() {
            let resting = if self.is_apart { None } else { self.packs.take() };
            let lease = match resting {
                Some(lease) => lease,
                None => {
                    let orders = self.packs.writer()?;
                    Lease { orders, pack: self.packs.begin_pack(), offset: 0 }
                }
            };
            self.orders = Some(lease.orders);
            self.block_pack = lease.pack.id();
            self.regular = InPack { pack: lease.pack, offset: lease.offset };
            self.unsealed = false;
            self.seals = (0, Arc::default());
        }
        let large = announced > LARGE;
        if !large && self.regular.offset >= PACK_LIMIT {
            self.regular = InPack { pack: self.packs.begin_pack(), offset: 0 };
        }
        let place = if large {
            InPack { pack: self.packs.begin_pack(), offset: 0 }
        } else {
            self.regular.clone()
        };
        self.turn_to(place.pack.id()).await?;
        // Should its file fail, the thread has failed: nobody goes on with it before a seal.
        self.unsealed |= large;
        self.body = Some(Body { place, announced, length: 0, large, resumed: None });
        self.edges.push(Edge::Begin(self.block.len()));
        Ok(())
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let Some(body) = &mut self.body else { return Err(Failure::bug("bytes without a body")) };
        let mut at = body.place.offset + body.length;
        let length = body.length + bytes.len() as u64;
        if !self.is_apart {
            self.packs.takes(length)?;
        }
        self.unchecked += bytes.len() as u64;
        if self.unchecked >= CHECK && !self.is_apart {
            self.unchecked = 0;
            // Longer than it was said to be, it may be this body itself that has no room.
            let unheard = if length > body.announced { length } else { 0 };
            self.packs.room_left(unheard)?;
        }
        while !bytes.is_empty() {
            if self.block.is_empty() {
                self.block.begin(at);
            }
            let taken = self.block.take(bytes);
            at += taken as u64;
            // What is taken is counted before there is a wait: who drops this may go on with it.
            if let Some(body) = &mut self.body {
                body.length += taken as u64;
                if !body.large {
                    self.regular.offset += taken as u64;
                }
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.block.is_full() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        let Some(mut body) = self.body.take() else {
            return Err(Failure::bug("the end of no body"));
        };
        let resumed = body.resumed.take();
        self.end(body, End::Whole(resumed));
        Ok(())
    }

    fn keep(&mut self, of: Beginning) -> bool {
        let Some(body) = self.body.take_if(|body| body.length >= WORTH) else {
            self.abandon();
            return false;
        };
        let is_further = self.packs.beginnings.came(&of, body.length);
        let alone = body.large || self.is_alone(&body);
        if !body.large {
            // It stays the end of its pack, which the next start cuts off.
            self.regular = InPack { pack: self.packs.begin_pack(), offset: 0 };
        }
        self.end(body, End::Cut(of, alone));
        is_further
    }

    fn kept(&self, account: &str, remote_id: &WireName, uidvalidity: u32) -> Vec<u32> {
        self.packs.beginnings.of_folder(account, remote_id, uidvalidity)
    }

    async fn resume(
        &mut self,
        of: &Beginning,
        announced: u64,
        seen: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Option<u64>, Failure> {
        let Some(mut back) = self.packs.beginnings.read(of) else { return Ok(None) };
        self.begin(announced).await?;
        let mut length = 0;
        while let Some(piece) = within(back.pieces.recv()).await? {
            seen(&piece);
            self.write(&piece).await?;
            length += piece.len() as u64;
        }
        match within(back.done).await? {
            Ok(Ok(())) => {
                if let Some(body) = &mut self.body {
                    body.resumed = Some(of.clone());
                }
                Ok(Some(length))
            }
            Ok(Err(damage)) => {
                tracing::warn!("the beginning of a message is damaged, and read again: {damage}");
                self.abandon();
                self.forget(of);
                Ok(None)
            }
            Err(e) => Err(Failure::storage("reading a beginning").caused_by(e)),
        }
    }

    fn forget(&mut self, of: &Beginning) {
        self.packs.beginnings.forget(of);
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
                self.regular = InPack { pack: self.packs.begin_pack(), offset: 0 };
                // Where nothing else lies in it, it goes at once.
                if self.is_alone(&body) {
                    self.give_back(body.place.pack.id());
                }
            }
        } else {
            // A file of its own goes.
            if self.block_pack == body.place.pack.id() {
                self.block.clear();
            }
            self.give_back(body.place.pack.id());
        }
    }

    fn room(&self) -> Result<(), Failure> {
        self.packs.room()?;
        self.packs.room_for(0)
    }

    fn hurry(&mut self) {
        if let Some(orders) = &self.orders {
            // Where its threads are behind, what waits there is due before long.
            drop(orders.try_send(HasherOrder::Hurry));
        }
    }

    fn rest(&mut self) {
        self.abandon();
        self.finished.clear();
        self.edges.clear();
        self.block = Block::default();
        while self.spare.1.try_recv().is_ok() {}
        let InPack { pack, offset } = std::mem::take(&mut self.regular);
        // One in which something lies that was not made durable, or that could not be, is left: its
        // thread ends.
        let (begun, seen) = (self.seals.0, self.seals.1.load(Ordering::Acquire));
        if let Some(orders) = self.orders.take()
            && (!self.is_apart && !self.unsealed && begun == seen)
            && (offset > 0 && offset < PACK_LIMIT)
        {
            self.packs.keep(Lease { orders, pack, offset });
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seal: the one place that may vouch for durability"
    )]
    async fn begin_seal(&mut self, haste: Haste) -> Result<Sealing, Failure> {
        if self.finished.is_empty() {
            return Ok(Box::pin(std::future::ready(Ok(Vec::new()))));
        }
        self.flush().await?;
        let (reply, sealed) = oneshot::channel();
        let edges = std::mem::take(&mut self.edges);
        let (keep, haste) = (self.regular.pack.id(), haste == Haste::Now);
        let order = HasherOrder::Seal { keep, edges, haste, reply };
        let Some(orders) = &self.orders else { return Err(Failure::bug("bodies without a pack")) };
        within(orders.send(order)).await?.map_err(|_| thread_gone())?;
        self.unsealed = false;
        self.seals.0 += 1;
        let seen = Arc::clone(&self.seals.1);
        let finished = std::mem::take(&mut self.finished);
        let packs = Arc::clone(&self.packs);
        Ok(Box::pin(async move {
            let hashes = within(sealed).await?.map_err(|_| thread_gone())??;
            if hashes.len() != finished.len() {
                return Err(Failure::bug("another number of bodies was hashed than was written"));
            }
            seen.fetch_add(1, Ordering::Release);
            let mut sealed = Vec::with_capacity(finished.len());
            for (Finished { place: InPack { pack, offset }, length, end }, hash) in
                finished.into_iter().zip(hashes)
            {
                match end {
                    End::Whole(resumed) => {
                        if let Some(of) = resumed {
                            packs.beginnings.end(&of);
                        }
                        sealed.push(BodyRef::sealed(hash, pack.id(), offset, length));
                    }
                    End::Cut(of, alone) => {
                        let id = pack.id();
                        let body = StoredBody { hash, pack: id, offset, length, stored: None };
                        packs.beginnings.keep(&of, Kept { body, pack, alone });
                    }
                }
            }
            Ok(sealed)
        }))
    }
}

#[cfg(test)]
mod tests;
