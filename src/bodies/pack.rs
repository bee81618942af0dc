//! The folder of packs: their numbers, their room, and those that rest.

use crate::bodies::beginnings::Beginnings;
use crate::bodies::disk::{Disk, make_dir};
use crate::bodies::hasher::{self, HasherOrder};
use crate::bodies::open::{DyingPacks, OpenPack, OpenPacks};
use crate::bodies::seals::Seals;
use crate::bodies::writer;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::mpsc;

/// Packs that are kept for whoever has mail next.
const RESTING: usize = 32;
/// One that is shorter is gone on with whoever collects.
const SHORT: u64 = 1024 * 1024;
/// How soon who was refused for want of room asks again.
const ROOM_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// A message beyond this that does not fit is left alone; a smaller one means that the disk is
/// full.
const LARGE_ALONE: u64 = 16 * 1024 * 1024;
/// Octets that are taken in, at most, without a question what is free.
const UNASKED: u64 = 4 * 1024 * 1024;

/// The folder that packs live in; hands out their numbers.
pub struct PackDir {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    next: AtomicI64,
    /// The first number of this process: what is below it is nobody's lease.
    first: i64,
    /// Why nothing is to be taken in now.
    full: RwLock<Option<Failure>>,
    /// Octets that stay free.
    min_free: AtomicU64,
    /// Octets of the longest body that is taken.
    longest: AtomicU64,
    /// Octets that may be taken in before the file system is asked again what is free.
    unasked: AtomicU64,
    /// Packs up to this number may be another mirror's: they are never unlinked.
    foreign: AtomicI64,
    /// Packs with their threads whose sessions rest: who has mail next goes on with one of them.
    resting: Mutex<Vec<Lease>>,
    /// Packs of this process that somebody holds.
    open: OpenPacks,
    /// Those that are given back.
    dying: DyingPacks,
    /// One copies, and gives back, at a time.
    collecting: Arc<tokio::sync::Mutex<()>>,
    pub(super) beginnings: Beginnings,
    /// Those that are under way.
    pub(super) seals: Arc<Seals>,
}

/// Nobody else copies, or gives back. What is copied into a pack is named only then; who saw nothing named in it would give it back.
#[derive(Debug)]
pub struct Alone {
    _guard: tokio::sync::OwnedMutexGuard<()>,
}

/// A pack that is durable up to `offset`, its end, and the thread that appends to it.
pub(super) struct Lease {
    pub(super) orders: mpsc::Sender<HasherOrder>,
    pub(super) pack: OpenPack,
    pub(super) offset: u64,
}

/// The number that a file's name says.
fn number_of(name: &OsStr) -> Option<i64> {
    name.to_str()?.strip_suffix(".pack")?.parse().ok()
}

impl std::fmt::Debug for PackDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackDir").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl PackDir {
    /// Opens the folder, making it if need be. Numbers go on after the highest file and after
    /// `highest`, the highest number that a row names: an old pack is never appended to.
    ///
    /// # Errors
    /// Class storage when the folder cannot be made or read.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>, highest: i64) -> Result<Self, Failure> {
        let storage = |what: &str, e: io::Error| {
            Failure::storage(format!("{what} {}", dir.display())).caused_by(e)
        };
        make_dir(&*disk, dir).map_err(|e| storage("cannot make", e))?;
        let mut last = highest;
        for entry in std::fs::read_dir(dir).map_err(|e| storage("cannot read", e))? {
            let name = entry.map_err(|e| storage("cannot read", e))?.file_name();
            last = last.max(number_of(&name).unwrap_or(0));
        }
        let next = AtomicI64::new(last + 1);
        Ok(Self {
            dir: dir.to_owned(),
            disk,
            next,
            first: last + 1,
            full: RwLock::new(None),
            min_free: AtomicU64::new(0),
            longest: AtomicU64::new(u64::MAX),
            unasked: AtomicU64::new(0),
            foreign: AtomicI64::new(0),
            resting: Mutex::default(),
            open: OpenPacks::default(),
            dying: DyingPacks::default(),
            collecting: Arc::default(),
            beginnings: Beginnings::new(dir),
            seals: Arc::default(),
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Packs up to this number lay here before the folder was ours: they are never unlinked.
    pub fn spare(&self, pack: i64) {
        self.foreign.store(pack, Ordering::Relaxed);
    }

    /// The highest number that a file had when the folder was opened, or a row named.
    #[must_use]
    pub fn highest(&self) -> i64 {
        self.first - 1
    }

    /// From now on so many octets stay free.
    pub fn keep_free(&self, octets: u64) {
        self.min_free.store(octets, Ordering::Relaxed);
        self.unasked.store(0, Ordering::Relaxed);
    }

    /// From now on no body is taken that is longer.
    pub fn take_at_most(&self, octets: u64) {
        self.longest.store(octets, Ordering::Relaxed);
    }

    /// Whether a body may be so long.
    ///
    /// # Errors
    /// It may not: class invalid data, of the message.
    pub(super) fn takes(&self, octets: u64) -> Result<(), Failure> {
        let longest = self.longest.load(Ordering::Relaxed);
        if octets <= longest {
            return Ok(());
        }
        let text = format!(
            "it is longer than limits.message_max ({} MiB): with a higher limit, and a restart, it comes",
            longest >> 20
        );
        Err(Failure::new(Class::InvalidData, Reach::Message, Provenance::Local, text))
    }

    /// Whether another `octets` may be written.
    ///
    /// # Errors
    /// Class storage: of the process, when space is scarce; of the message, when it alone is too
    /// large for what is left.
    pub(super) fn room_for(&self, octets: u64) -> Result<(), Failure> {
        let min = self.min_free.load(Ordering::Relaxed);
        if min == 0 {
            return Ok(());
        }
        let taken = |left: u64| if octets > 0 { left.checked_sub(octets) } else { None };
        if self.unasked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok() {
            return Ok(());
        }
        // A file system that does not tell is not asked twice.
        let Ok(stat) = rustix::fs::statvfs(&self.dir) else { return Ok(()) };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let mib = |octets: u64| octets.div_ceil(1 << 20);
        if free < min {
            let text = format!(
                "{} has {} MiB free, below bodies.min_free ({} MiB)",
                self.dir.display(),
                mib(free),
                mib(min)
            );
            return Err(Failure::storage(text).when(When::After(ROOM_AGAIN_AFTER)));
        }
        if octets <= free - min {
            let unasked = UNASKED.min((free - min - octets) / 2);
            self.unasked.store(unasked, Ordering::Relaxed);
            return Ok(());
        }
        let text = format!(
            "it needs {} MiB, and bodies.min_free leaves {} MiB of {}",
            mib(octets),
            mib(free - min),
            self.dir.display()
        );
        if octets > LARGE_ALONE {
            return Err(Failure { reach: Reach::Message, ..Failure::storage(text) });
        }
        Err(Failure::storage(text).when(When::After(ROOM_AGAIN_AFTER)))
    }

    /// Whether there is room left for a body that goes on, and has taken so many octets that nobody
    /// had announced.
    ///
    /// # Errors
    /// Class storage; of reach message where it may be that body alone that is too large.
    pub(super) fn room_left(&self, taken: u64) -> Result<(), Failure> {
        self.room_for(0).map_err(|full| {
            if taken < LARGE_ALONE {
                return full;
            }
            let text = format!("it needs more than {} MiB: {}", taken >> 20, full.text);
            Failure { reach: Reach::Message, ..Failure::storage(text) }
        })
    }

    /// Stops taking bodies in, for this reason, or goes on.
    pub fn set_full(&self, why: Option<Failure>) {
        if why.is_some() {
            self.beginnings.forget_all();
        }
        *self.full.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Whether bodies are taken in.
    ///
    /// # Errors
    /// Class storage, with the reason.
    pub fn room(&self) -> Result<(), Failure> {
        let full = self.full.read().unwrap_or_else(PoisonError::into_inner);
        full.clone().map_or(Ok(()), Err)
    }

    /// The number that no pack has had yet.
    #[must_use]
    pub fn next_unused(&self) -> i64 {
        self.next.load(Ordering::Relaxed)
    }

    /// The files of packs that nobody holds, and that are ours, with their lengths.
    ///
    /// # Errors
    /// Class storage.
    pub fn closed(&self) -> Result<BTreeMap<i64, u64>, Failure> {
        let storage = |e: io::Error| {
            Failure::storage(format!("cannot read {}", self.dir.display())).caused_by(e)
        };
        let mut closed = BTreeMap::new();
        for entry in std::fs::read_dir(&self.dir).map_err(storage)? {
            let entry = entry.map_err(storage)?;
            let number = number_of(&entry.file_name()).filter(|number| self.is_closed(*number));
            let Some(number) = number else { continue };
            match entry.metadata() {
                Ok(file) => drop(closed.insert(number, file.len())),
                // It has gone meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(storage(e)),
            }
        }
        Ok(closed)
    }

    /// Whether nobody holds it, and it is ours: what lay there before the folder was may be another mirror's.
    #[must_use]
    pub fn is_closed(&self, pack: i64) -> bool {
        pack > self.foreign.load(Ordering::Relaxed) && self.open.has_closed(pack, &self.next)
    }

    /// Who copies, and gives back, does so alone: it waits for whoever does.
    pub async fn alone(&self) -> Alone {
        Alone { _guard: Arc::clone(&self.collecting).lock_owned().await }
    }

    /// Those that are given back.
    #[must_use]
    pub fn dying(&self) -> DyingPacks {
        self.dying.clone()
    }

    /// Nothing that lies in these is to be named from now on. To be said before it is looked whether something is.
    pub fn give_back(&self, packs: &[i64]) {
        // What was read before this process began is named, or is not, already.
        self.dying.add(packs.iter().copied().filter(|pack| *pack >= self.first));
    }

    /// Something is named that lies in these: they stay.
    pub fn keep_all(&self, is_named: impl Fn(i64) -> bool) {
        self.dying.spare(is_named);
    }

    /// Nobody goes on with packs that rest: they are closed then, and who has mail next begins another. Short ones stay, or there
    /// would be a file for each that rests and each time.
    pub fn retire(&self) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|lease| lease.offset < SHORT);
    }

    /// Octets that are free.
    #[must_use]
    pub fn free(&self) -> u64 {
        // A file system that does not tell may have none.
        rustix::fs::statvfs(&self.dir).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Octets that copies may take which are made to save some: half of what is free beyond what is to stay so; where that is
    /// little, a quarter of what is free, or a full disk would never empty.
    #[must_use]
    pub fn room_for_copies(&self) -> u64 {
        let free = self.free();
        let beyond = free.saturating_sub(self.min_free.load(Ordering::Relaxed));
        (beyond / 2).max(free / 4)
    }

    /// Unlinks one of them, where it is there.
    ///
    /// # Errors
    /// Class storage.
    pub fn unlink(&self, pack: i64) -> Result<(), Failure> {
        if !self.is_closed(pack) {
            return Err(Failure::bug(format!("pack {pack} is not ours to unlink")));
        }
        match std::fs::remove_file(writer::path_of(&self.dir, pack)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Failure::storage(format!("cannot unlink pack {pack}")).caused_by(e))
            }
            _ => Ok(()),
        }
    }

    /// Whether it lay there when this process began, and is no other mirror's.
    fn is_of_before(&self, pack: i64) -> bool {
        (self.foreign.load(Ordering::Relaxed) + 1..self.first).contains(&pack)
    }

    /// Gives back what no row names, of packs that no session of this process can hold: whole
    /// packs, and what lies behind the `named` end of others. Returns the octets.
    ///
    /// # Errors
    /// Class storage; what was given back before is gone.
    pub fn clear_unnamed(&self, named: &BTreeMap<i64, u64>) -> Result<u64, Failure> {
        let storage = |e: io::Error| {
            Failure::storage(format!("cannot clear {}", self.dir.display())).caused_by(e)
        };
        let mut freed = 0;
        for entry in std::fs::read_dir(&self.dir).map_err(storage)? {
            let entry = entry.map_err(storage)?;
            let number = number_of(&entry.file_name());
            let Some(number) = number.filter(|n| self.is_of_before(*n)) else { continue };
            let length = entry.metadata().map_err(storage)?.len();
            match named.get(&number) {
                None => {
                    freed += length;
                    std::fs::remove_file(entry.path()).map_err(storage)?;
                }
                Some(end) if *end < length => {
                    let file = std::fs::OpenOptions::new()
                        .write(true)
                        .open(entry.path())
                        .map_err(storage)?;
                    file.set_len(*end).map_err(storage)?;
                    freed += length - end;
                }
                Some(_) => {}
            }
        }
        Ok(freed)
    }

    /// The threads that hash and write packs. They end when the sender is dropped.
    ///
    /// # Errors
    /// Class storage when no thread can be had.
    pub(super) fn writer(&self) -> Result<mpsc::Sender<HasherOrder>, Failure> {
        let (disk, seals) = (Arc::clone(&self.disk), Arc::clone(&self.seals));
        hasher::start(writer::start(self.dir.clone(), disk, seals)?)
    }

    /// Takes a pack that rests, if there is one.
    pub(super) fn take(&self) -> Option<Lease> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|lease| !lease.orders.is_closed());
        resting.pop()
    }

    /// Keeps a pack for whoever has mail next: mail that comes one by one shares a file, and nobody
    /// waits for a new one to be made durable in its folder.
    pub(super) fn keep(&self, lease: Lease) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < RESTING {
            resting.push(lease);
        }
    }

    /// A pack with a number that none has had.
    pub(super) fn begin_pack(&self) -> OpenPack {
        self.open.begin(&self.next)
    }
}

#[cfg(test)]
mod tests;
