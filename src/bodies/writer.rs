//! The thread behind a leased pack: it writes blocks and makes them durable, in the order it is told. What a
//! sync of the disk costs, seals that come within a moment share.
#![expect(clippy::disallowed_methods, reason = "how long a seal waits for others")]

use crate::bodies::block::{BLOCKS_AHEAD, Block};
use crate::bodies::disk::{Disk, DiskFile};
use crate::bodies::seals::{Seals, UnderWay};
use crate::fault;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyHash;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Longest wait for the disk.
const DEADLINE: Duration = Duration::from_secs(60);
/// A seal that nobody is in haste for waits so long for others.
const COMPANY: Duration = Duration::from_millis(50);
/// Beside so many octets, what a sync costs is a small part.
const ENOUGH: u64 = 4 * 1024 * 1024;

pub(super) async fn within<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let late =
        || Failure::storage(format!("the disk did not answer within {} s", DEADLINE.as_secs()));
    tokio::time::timeout(DEADLINE, work).await.map_err(|_| late())
}

pub(super) fn thread_gone() -> Failure {
    Failure::storage("the pack's thread has ended")
}

pub(super) fn path_of(dir: &Path, pack: i64) -> PathBuf {
    dir.join(format!("{pack:010}.pack"))
}

/// Starts one. It ends when the sender is dropped.
///
/// # Errors
/// Class storage when no thread can be had.
pub(super) fn start(
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    seals: Arc<Seals>,
) -> Result<SyncSender<Order>, Failure> {
    start_with(dir, disk, seals, COMPANY)
}

fn start_with(
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    seals: Arc<Seals>,
    company: Duration,
) -> Result<SyncSender<Order>, Failure> {
    let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
    let writer = Writer {
        dir,
        disk,
        files: BTreeMap::new(),
        created: false,
        broken: None,
        waiting: Vec::new(),
        seals,
        under_way: None,
        ended: BTreeSet::new(),
        company,
        due: None,
        unsynced: 0,
    };
    std::thread::Builder::new()
        .name("pack".into())
        .spawn(move || writer.run(&receiver))
        .map_err(|e| Failure::storage("cannot start a pack's thread").caused_by(e))?;
    Ok(sender)
}

/// What it is told.
pub(super) enum Order {
    /// Append a block to a pack, creating it if it is new.
    Write { pack: i64, block: Block, back: mpsc::UnboundedSender<Block> },
    /// Unlink a file in which nothing lies that anybody will name.
    Forget { pack: i64 },
    /// Make everything durable, and tell these hashes then; keep only `keep` open. Without haste it may wait
    /// for others.
    Seal {
        keep: i64,
        hashes: Vec<BodyHash>,
        haste: bool,
        reply: oneshot::Sender<Result<Vec<BodyHash>, Failure>>,
    },
    /// Make durable now what waits to be.
    Hurry,
}

/// What a seal is to tell, and whom.
type WaitingSeal = (Vec<BodyHash>, oneshot::Sender<Result<Vec<BodyHash>, Failure>>);

struct Writer {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    files: BTreeMap<i64, (Box<dyn DiskFile>, bool)>,
    created: bool,
    broken: Option<Failure>,
    /// Seals that wait for others; their orders are bounded by who gives them.
    waiting: Vec<WaitingSeal>,
    /// All that are under way in the process, and that one of this pack's is.
    seals: Arc<Seals>,
    under_way: Option<UnderWay>,
    /// Packs that nothing more was to come to when the last of them was ordered: what has begun since goes on.
    ended: BTreeSet<i64>,
    /// How long they do.
    company: Duration,
    /// When they are due.
    due: Option<Instant>,
    /// Octets written since the last sync.
    unsynced: u64,
}

impl Writer {
    /// The next order, or that what waits is due, or that none will come.
    fn next(&self, orders: &Receiver<Order>) -> Result<Order, RecvTimeoutError> {
        match self.due {
            Some(due) => orders.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match self.next(orders) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => {
                    self.seal_all();
                    continue;
                }
                // Who waits is told all the same.
                Err(RecvTimeoutError::Disconnected) => return self.seal_all(),
            };
            match order {
                Order::Write { pack, mut block, back } => {
                    if self.broken.is_none()
                        && let Err(e) = self.write(pack, block.bytes())
                    {
                        self.broken = Some(self.failure("cannot write", pack, e));
                    }
                    block.clear();
                    // The sink may be gone; then the block goes with it.
                    drop(back.send(block));
                    // Blocks that come without a pause are no reason to wait longer.
                    if self.is_due() {
                        self.seal_all();
                    }
                }
                Order::Forget { pack } => {
                    if self.files.remove(&pack).is_some()
                        && let Err(e) = std::fs::remove_file(path_of(&self.dir, pack))
                    {
                        // It goes with the next start.
                        tracing::warn!("{}", self.failure("cannot unlink", pack, e).chain());
                    }
                }
                Order::Seal { keep, hashes, haste, reply } => {
                    self.waiting.push((hashes, reply));
                    self.under_way.get_or_insert_with(|| self.seals.begin());
                    self.ended.extend(self.files.keys().filter(|pack| **pack != keep));
                    self.due.get_or_insert_with(|| Instant::now() + self.company);
                    if haste || self.is_due() {
                        self.seal_all();
                    }
                }
                Order::Hurry => self.seal_all(),
            }
        }
    }

    /// Whether what waits has waited for long enough, or beside enough.
    fn is_due(&self) -> bool {
        self.due.is_some_and(|due| self.unsynced >= ENOUGH || Instant::now() >= due)
    }

    /// One sync for all the seals that wait.
    fn seal_all(&mut self) {
        self.due = None;
        if self.waiting.is_empty() {
            return;
        }
        // A disk that failed once keeps failing for this lease: after a failed fdatasync nothing can
        // be known about what was written before it.
        let result = match self.broken.clone() {
            Some(failure) => Err(failure),
            None => self.seal(),
        };
        self.broken = result.as_ref().err().cloned();
        for (hashes, reply) in self.waiting.drain(..) {
            // Nobody may wait for it any more.
            drop(reply.send(result.clone().map(|()| hashes)));
        }
        self.under_way = None;
    }

    fn failure(&self, what: &str, pack: i64, e: io::Error) -> Failure {
        Failure::storage(format!("{what} {}", path_of(&self.dir, pack).display())).caused_by(e)
    }

    fn write(&mut self, pack: i64, block: &[u8]) -> io::Result<()> {
        let file = match self.files.entry(pack) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(none) => {
                let file = self.disk.create_new(&path_of(&self.dir, pack))?;
                self.created = true;
                fault::pass("bodies.pack_created");
                none.insert((file, false))
            }
        };
        file.0.append(block)?;
        file.1 = true;
        self.unsynced += block.len() as u64;
        fault::pass("bodies.block_written");
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Failure> {
        self.unsynced = 0;
        let dirty: Vec<i64> = self.files.iter().filter(|(_, f)| f.1).map(|(n, _)| *n).collect();
        for pack in dirty {
            if let Some(file) = self.files.get_mut(&pack) {
                let synced = file.0.sync_data();
                file.1 = false;
                synced.map_err(|e| self.failure("cannot sync", pack, e))?;
                fault::pass("bodies.synced");
            }
        }
        if std::mem::take(&mut self.created) {
            let dir = self.dir.clone();
            self.disk.sync_dir(&dir).map_err(|e| {
                Failure::storage(format!("cannot sync {}", dir.display())).caused_by(e)
            })?;
            fault::pass("bodies.dir_synced");
        }
        for pack in std::mem::take(&mut self.ended) {
            self.files.remove(&pack);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
