//! The thread behind a leased pack: it writes blocks and makes them durable, in the order it is told.

use crate::bodies::block::{BLOCKS_AHEAD, Block};
use crate::bodies::disk::{Disk, DiskFile};
use crate::fault;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyHash;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Longest wait for the disk.
const DEADLINE: Duration = Duration::from_secs(60);

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
pub(super) fn start(dir: PathBuf, disk: Arc<dyn Disk>) -> Result<mpsc::Sender<Order>, Failure> {
    let (sender, receiver) = mpsc::channel(BLOCKS_AHEAD);
    std::thread::Builder::new()
        .name("pack".into())
        .spawn(move || {
            Writer { dir, disk, files: BTreeMap::new(), created: false, broken: None }.run(receiver)
        })
        .map_err(|e| Failure::storage("cannot start a pack's thread").caused_by(e))?;
    Ok(sender)
}

/// What it is told.
pub(super) enum Order {
    /// Append a block to a pack, creating it if it is new.
    Write { pack: i64, block: Block, back: mpsc::UnboundedSender<Block> },
    /// Unlink a file in which nothing lies that anybody will name.
    Forget { pack: i64 },
    /// Make everything durable, and tell these hashes then; keep only `keep` open.
    Seal {
        keep: i64,
        hashes: Vec<BodyHash>,
        reply: oneshot::Sender<Result<Vec<BodyHash>, Failure>>,
    },
}

struct Writer {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    files: BTreeMap<i64, (Box<dyn DiskFile>, bool)>,
    created: bool,
    broken: Option<Failure>,
}

impl Writer {
    fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.blocking_recv() {
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
                }
                Order::Forget { pack } => {
                    if self.files.remove(&pack).is_some()
                        && let Err(e) = std::fs::remove_file(path_of(&self.dir, pack))
                    {
                        // It goes with the next start.
                        tracing::warn!("{}", self.failure("cannot unlink", pack, e).chain());
                    }
                }
                Order::Seal { keep, hashes, reply } => {
                    // A disk that failed once keeps failing for this lease: after a failed
                    // fdatasync nothing can be known about what was written before it.
                    let result = match self.broken.clone() {
                        Some(failure) => Err(failure),
                        None => self.seal(keep),
                    };
                    self.broken = result.as_ref().err().cloned();
                    drop(reply.send(result.map(|()| hashes)));
                }
            }
        }
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
        fault::pass("bodies.block_written");
        Ok(())
    }

    fn seal(&mut self, keep: i64) -> Result<(), Failure> {
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
        self.files.retain(|pack, _| *pack == keep);
        Ok(())
    }
}
