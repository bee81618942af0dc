//! The thread in front of a pack's: it hashes bodies in the blocks that pass. Neither the session that
//! reads nor the thread that waits for the disk has the time.

use crate::bodies::block::{BLOCKS_AHEAD, Block};
use crate::bodies::writer::Order;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyHash;
use sha2::{Digest, Sha256};
use std::sync::mpsc::SyncSender;
use tokio::sync::{mpsc, oneshot};

/// What happens so many octets into a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// A body begins; one that was open is forgotten.
    Begin(usize),
    /// The body that is open ends.
    End(usize),
}

/// What a sink sends to its threads.
pub(super) enum HasherOrder {
    /// Append a block to a pack, creating it if it is new.
    Block { pack: i64, block: Block, edges: Vec<Edge>, back: mpsc::UnboundedSender<Block> },
    /// Unlink a file in which nothing lies that anybody will name.
    Forget { pack: i64 },
    /// Make everything durable and name each body that has ended since the last time; keep only
    /// `keep` open. Without haste it may wait for others.
    Seal {
        keep: i64,
        edges: Vec<Edge>,
        haste: bool,
        reply: oneshot::Sender<Result<Vec<BodyHash>, Failure>>,
    },
    /// Make durable now what waits to be.
    Hurry,
}

/// Starts one in front of a pack's thread. It ends when the sender is dropped.
///
/// # Errors
/// Class storage when no thread can be had.
pub(super) fn start(orders: SyncSender<Order>) -> Result<mpsc::Sender<HasherOrder>, Failure> {
    let (sender, receiver) = mpsc::channel(BLOCKS_AHEAD);
    std::thread::Builder::new()
        .name("hash".into())
        .spawn(move || run(receiver, &orders))
        .map_err(|e| Failure::storage("cannot start a pack's thread").caused_by(e))?;
    Ok(sender)
}

fn run(mut passing: mpsc::Receiver<HasherOrder>, orders: &SyncSender<Order>) {
    let mut hasher = Hasher::default();
    while let Some(passing) = passing.blocking_recv() {
        let order = match passing {
            HasherOrder::Block { pack, block, edges, back } => {
                hasher.take(block.bytes(), &edges);
                Order::Write { pack, block, back }
            }
            HasherOrder::Forget { pack } => Order::Forget { pack },
            HasherOrder::Seal { keep, edges, haste, reply } => {
                hasher.take(&[], &edges);
                Order::Seal { keep, hashes: std::mem::take(&mut hasher.done), haste, reply }
            }
            HasherOrder::Hurry => Order::Hurry,
        };
        // A writer that is gone has dropped whoever waits for it.
        if orders.send(order).is_err() {
            return;
        }
    }
}

#[derive(Default)]
struct Hasher {
    open: Option<Sha256>,
    done: Vec<BodyHash>,
}

impl Hasher {
    fn take(&mut self, bytes: &[u8], edges: &[Edge]) {
        let mut from = 0;
        for edge in edges {
            let (Edge::Begin(at) | Edge::End(at)) = *edge;
            self.update(bytes.get(from..at));
            from = at;
            match edge {
                Edge::Begin(_) => self.open = Some(Sha256::new()),
                Edge::End(_) => {
                    self.done.extend(self.open.take().map(|hash| BodyHash(hash.finalize().into())))
                }
            }
        }
        self.update(bytes.get(from..));
    }

    fn update(&mut self, bytes: Option<&[u8]>) {
        if let (Some(hash), Some(bytes)) = (&mut self.open, bytes) {
            hash.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> BodyHash {
        BodyHash(Sha256::digest(bytes).into())
    }

    #[test]
    fn bodies_lie_anywhere_in_blocks() {
        let mut hasher = Hasher::default();
        hasher.take(b"onetw", &[Edge::Begin(0), Edge::End(3), Edge::Begin(3)]);
        hasher.take(b"o", &[Edge::End(1)]);
        // An empty one, one that was given up, and one that ends with its block.
        hasher.take(b"lost", &[Edge::Begin(0), Edge::End(0), Edge::Begin(0)]);
        hasher.take(b"more", &[Edge::Begin(0)]);
        hasher.take(&[], &[Edge::End(0)]);
        assert_eq!(hasher.done, [of(b"one"), of(b"two"), of(b""), of(b"more")]);
    }
}
