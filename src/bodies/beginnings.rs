//! Beginnings of messages that were cut: durable, named by no row, and known to this process alone.
//! The next start gives their octets back like those of anything that nobody names.

use crate::bodies::damage::Damage;
use crate::bodies::open::OpenPack;
use crate::bodies::read::BodyReader;
use crate::bodies::writer::path_of;
use postrider_core::failure::Failure;
use postrider_core::mail::body::{Beginning, StoredBody};
use postrider_core::mail::folder::WireName;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Beginnings that are kept at a time; the oldest goes first.
const KEPT: usize = 32;
/// Pieces of 64 KiB on their way from the disk.
const AHEAD: usize = 4;

/// So many octets more than ever before are a step forward.
const FURTHER: u64 = 64 * 1024;

/// Where a beginning lies.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) body: StoredBody,
    /// Its pack, which is held so.
    pub(super) pack: OpenPack,
    /// Nothing else lies in its file.
    pub(super) alone: bool,
}

/// What is known of a message that was cut.
#[derive(Debug, Default)]
struct CutMail {
    kept: Option<Kept>,
    /// The most octets that ever came.
    most: u64,
}

/// By message, and in the order in which they were cut last.
#[derive(Debug, Default)]
struct CutMails {
    of: BTreeMap<Beginning, CutMail>,
    order: VecDeque<Beginning>,
}

/// What is kept.
#[derive(Debug)]
pub(super) struct Beginnings {
    dir: PathBuf,
    cuts: Mutex<CutMails>,
}

impl Beginnings {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), cuts: Mutex::default() }
    }

    /// So many octets of it have come. Says whether that is a step forward.
    pub(super) fn came(&self, of: &Beginning, octets: u64) -> bool {
        let mut gone = None;
        let is_further = {
            let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
            let CutMails { of: all, order } = &mut *cuts;
            order.retain(|other| other != of);
            order.push_back(of.clone());
            let cut = all.entry(of.clone()).or_default();
            // Each time it is copied once more.
            let step = FURTHER.max(cut.most / 16);
            let is_further = octets >= cut.most.saturating_add(step);
            cut.most = cut.most.max(octets);
            if order.len() > KEPT
                && let Some(oldest) = order.pop_front()
            {
                gone = all.remove(&oldest).and_then(|cut| cut.kept);
            }
            is_further
        };
        self.unlink(gone);
        is_further
    }

    /// Keeps it, in place of what was kept of the same message.
    pub(super) fn keep(&self, of: &Beginning, kept: Kept) {
        let gone = {
            let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
            match cuts.of.get_mut(of) {
                Some(cut) => {
                    let longer = cut
                        .kept
                        .as_ref()
                        .is_none_or(|before| before.body.length < kept.body.length);
                    if longer { cut.kept.replace(kept) } else { Some(kept) }
                }
                None => Some(kept),
            }
        };
        self.unlink(gone);
    }

    /// Of which messages of a folder something is kept.
    pub(super) fn of_folder(
        &self,
        account: &str,
        remote_id: &WireName,
        uidvalidity: u32,
    ) -> Vec<u32> {
        let cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.of
            .iter()
            .filter(|(of, cut)| cut.kept.is_some() && of.uidvalidity == uidvalidity)
            .filter(|(of, _)| of.account == account && of.remote_id == *remote_id)
            .map(|(of, _)| of.uid)
            .collect()
    }

    /// What is kept of it is of no use.
    pub(super) fn forget(&self, of: &Beginning) {
        let kept = {
            let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
            cuts.of.get_mut(of).and_then(|cut| cut.kept.take())
        };
        self.unlink(kept);
    }

    /// It has come.
    pub(super) fn end(&self, of: &Beginning) {
        self.forget(of);
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.order.retain(|other| other != of);
        cuts.of.remove(of);
    }

    /// Gives back what all of them take: space is scarce.
    pub(super) fn forget_all(&self) {
        let kept: Vec<Kept> = {
            let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
            cuts.of.values_mut().filter_map(|cut| cut.kept.take()).collect()
        };
        self.unlink(kept);
    }

    fn unlink(&self, gone: impl IntoIterator<Item = Kept>) {
        for kept in gone.into_iter().filter(|kept| kept.alone) {
            if let Err(e) = std::fs::remove_file(path_of(&self.dir, kept.pack.id())) {
                // It goes with the next start.
                let text = format!("cannot unlink pack {}", kept.pack.id());
                tracing::warn!("{}", Failure::storage(text).caused_by(e).chain());
            }
        }
    }

    /// Reads back what is kept of a message, if something is.
    #[expect(clippy::disallowed_methods, reason = "who reads back waits for its end")]
    pub(super) fn read(&self, of: &Beginning) -> Option<ReadingBack> {
        let kept = {
            let cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
            cuts.of.get(of)?.kept.clone()?
        };
        let (sender, pieces) = mpsc::channel(AHEAD);
        let dir = self.dir.clone();
        let done = tokio::task::spawn_blocking(move || {
            BodyReader::new(&dir).copy(&kept.body, &mut Pieces(sender))
        });
        Some(ReadingBack { pieces, done })
    }
}

/// A beginning on its way from the disk; it is whole when `done` says so.
pub(super) struct ReadingBack {
    pub(super) pieces: mpsc::Receiver<Vec<u8>>,
    pub(super) done: JoinHandle<Result<(), Damage>>,
}

struct Pieces(mpsc::Sender<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(piece.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
