//! Seals that wait for others, and those that do not.

use super::*;
use crate::bodies::block::BLOCK;
use crate::bodies::disk::RealDisk;
use std::sync::atomic::{AtomicU32, Ordering};

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A disk that counts how often it is waited for.
struct CountingDisk(Arc<AtomicU32>);

struct CountedFile(Box<dyn DiskFile>, Arc<AtomicU32>);

impl Disk for CountingDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.create_new(path)?;
        Ok(Box::new(CountedFile(file, Arc::clone(&self.0))))
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
}

impl DiskFile for CountedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }
    fn sync_data(&mut self) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.sync_data()
    }
}

struct Pack {
    _dir: tempfile::TempDir,
    orders: SyncSender<Order>,
    syncs: Arc<AtomicU32>,
    at: u64,
}

impl Pack {
    /// Seals wait so long.
    fn new(company: Duration) -> Self {
        let (dir, syncs) = (tempfile::tempdir().unwrap(), Arc::<AtomicU32>::default());
        let disk = Arc::new(CountingDisk(Arc::clone(&syncs)));
        let orders = start_with(dir.path().to_owned(), disk, Arc::default(), company).unwrap();
        Self { _dir: dir, orders, syncs, at: 0 }
    }

    /// Writes so much, and asks that it be made durable.
    fn seal(&mut self, octets: usize, haste: bool) -> Sealed {
        self.write(1, octets);
        let (reply, sealed) = oneshot::channel();
        self.orders.send(Order::Seal { keep: 1, hashes: Vec::new(), haste, reply }).unwrap();
        sealed
    }

    fn write(&mut self, pack: i64, octets: usize) {
        let (mut left, back) = (vec![7; octets], mpsc::unbounded_channel().0);
        while !left.is_empty() {
            let mut block = Block::default();
            block.begin(self.at);
            let taken = block.take(&left);
            left.drain(..taken);
            self.at += taken as u64;
            self.orders.send(Order::Write { pack, block, back: back.clone() }).unwrap();
        }
    }

    fn syncs(&self) -> u32 {
        self.syncs.load(Ordering::SeqCst)
    }
}

type Sealed = oneshot::Receiver<Result<Vec<BodyHash>, Failure>>;

#[test]
fn seals_that_nobody_waits_for_share_a_sync() {
    let mut pack = Pack::new(FOR_EVER);
    let waiting: Vec<Sealed> = (0..8).map(|_| pack.seal(1000, false)).collect();
    let last = pack.seal(1000, true);
    assert!(last.blocking_recv().unwrap().is_ok());
    // Each of them was in front of it.
    for mut sealed in waiting {
        assert!(sealed.try_recv().unwrap().is_ok());
    }
    assert_eq!(pack.syncs(), 1);
    let (hurried, order) = (pack.seal(10, false), Order::Hurry);
    pack.orders.send(order).unwrap();
    assert!(hurried.blocking_recv().unwrap().is_ok());
    assert_eq!(pack.syncs(), 2);
    pack.orders.send(Order::Hurry).unwrap();
    assert!(pack.seal(0, true).blocking_recv().unwrap().is_ok());
    assert_eq!(pack.syncs(), 2, "nothing was written");
}

/// A pack that was begun behind a seal which waits is gone on with when that is done.
#[test]
fn what_was_begun_behind_a_seal_goes_on() {
    let mut pack = Pack::new(FOR_EVER);
    let waiting = pack.seal(10, false);
    pack.write(2, 10);
    pack.orders.send(Order::Hurry).unwrap();
    assert!(waiting.blocking_recv().unwrap().is_ok());
    pack.write(2, 10);
    assert!(pack.seal(10, true).blocking_recv().unwrap().is_ok());
    assert_eq!(pack.syncs(), 4, "of each pack what was written, twice");
}

/// Blocks of another message that come without a pause do not hold it up.
#[test]
fn a_seal_does_not_wait_for_a_pause() {
    let mut pack = Pack::new(FOR_EVER);
    let mut waiting = pack.seal(10, false);
    let much = usize::try_from(ENOUGH).unwrap();
    pack.write(2, much);
    // The last of it is in the thread's hands at most.
    pack.write(2, 2 * BLOCK * BLOCKS_AHEAD);
    assert!(waiting.try_recv().unwrap().is_ok());
}

/// Without anybody in haste: after a moment, or when much was written, or when nobody writes any more.
#[test]
fn a_seal_waits_only_so_long() {
    let mut pack = Pack::new(COMPANY);
    assert!(pack.seal(10, false).blocking_recv().unwrap().is_ok());
    assert_eq!(pack.syncs(), 1);
    let much = usize::try_from(ENOUGH).unwrap();
    assert!(pack.seal(much, false).blocking_recv().unwrap().is_ok());
    let left = pack.seal(10, false);
    let Pack { orders, syncs, .. } = pack;
    drop(orders);
    assert!(left.blocking_recv().unwrap().is_ok());
    assert_eq!(syncs.load(Ordering::SeqCst), 3);
}
