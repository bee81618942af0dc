//! What the process has asked servers for and not stored: a file of the data folder says it at every instant, so that
//! the next process knows what was on its way should this one end without being told to.
//!
//! A question for mail has a slot of the file from its asking on, a part of its answer one until it is stored. The
//! file outlives the process, not the machine: what ends a machine is not looked for in a mail. One byte in it says
//! that the process ended by itself (`SIGABRT`: `abort`, a stack that overflows, memory that is not to be had), not by
//! somebody else (`SIGKILL`, also of a kernel that lacks memory). A clean end takes the file away.
//! What follows of it is `core/src/recovery/asked.rs`.

use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{Identity, UidValidity};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::feeds::{FeedAnswer, FeedRequest};
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
use postrider_core::provider::{Answer, Request};
use postrider_core::recovery::asked::ProcessEnd;
use serde::{Deserialize, Serialize};
use signal_hook::consts::SIGABRT;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const FILE: &str = "in-flight";
const ASIDE: &str = "in-flight.before";
/// Octets of a slot; a longer mark is not kept.
const SLOT: u64 = 16 * 1024;
/// Slots; beyond them nothing is marked.
const SLOTS: u32 = 1024;
/// But for mail at which processes have ended, which is not asked for unmarked.
const MORE_SLOTS: u32 = 64;
/// The first slot: the handler of `SIGABRT` writes its first octet.
const HEAD: &[u8] = b".\n";
/// Longest wait of a suspect for another one.
const ALONE_WAIT: Duration = Duration::from_secs(10);

/// Mail of an account that was on its way together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailInFlight {
    /// The account's id in the config.
    pub account: String,
    /// The mail.
    pub mail: WhichMail,
    /// It was suspected of ending processes, and no other such mail was on its way.
    pub lone: bool,
}

/// Which mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhichMail {
    /// By folder and UID.
    Uids {
        /// The folder's wire name.
        folder: Vec<u8>,
        /// Its UIDVALIDITY.
        uidvalidity: UidValidity,
        /// The UIDs.
        uids: UidSet,
    },
    /// By id.
    Ids(BTreeSet<Identity>),
}

/// How the process before has ended, and what was on its way.
#[derive(Debug, PartialEq, Eq)]
pub struct EndBefore {
    /// How.
    pub how: ProcessEnd,
    /// What.
    pub mail: Vec<MailInFlight>,
}

/// What is on its way. Clones share it; without a data folder it says nothing.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: File,
    slots: Mutex<Slots>,
    /// Mail at which processes have ended is on its way one at a time.
    alone: Arc<Semaphore>,
    aborts: signal_hook::SigId,
    /// It was said that there are no slots.
    has_said: AtomicBool,
}

#[derive(Debug, Default)]
struct Slots {
    free: Vec<u32>,
    used: u32,
}

impl Drop for Shared {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.aborts);
    }
}

impl InFlight {
    /// Begins a file, and says what that of the process before had in it, if it did not end as it should. The caller
    /// holds the data folder. Should this process end before that is known to the database, it is learned at the
    /// next end.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn begin(data_dir: &Path) -> io::Result<(Self, Option<EndBefore>)> {
        let path = data_dir.join(FILE);
        // What the start before this one could not tell the database stands aside still.
        let aside = data_dir.join(ASIDE);
        let before = both(read(&aside)?, read(&path)?);
        if path.try_exists()? {
            std::fs::rename(&path, &aside)?;
        }
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let file =
            options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(&path)?;
        file.write_all_at(HEAD, 0)?;
        // Its own place in the file is the beginning; a handler may do little more than write.
        let told = OpenOptions::new().write(true).open(&path)?;
        let aborts = signal_hook::low_level::pipe::register(SIGABRT, told)?;
        // Whoever else sends it ends the process with it, as ever.
        let ends = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_default(SIGABRT, ends)?;
        let (slots, alone) = (Mutex::default(), Arc::new(Semaphore::new(1)));
        let has_said = AtomicBool::new(false);
        Ok((Self(Some(Arc::new(Shared { path, file, slots, alone, aborts, has_said }))), before))
    }

    /// The database knows what the process before had on its way.
    pub fn learned(&self) {
        let Some(shared) = &self.0 else { return };
        take_away(&shared.path.with_file_name(ASIDE));
    }

    /// The process ends as it was told to.
    pub fn end(&self) {
        let Some(shared) = &self.0 else { return };
        take_away(&shared.path);
    }

    /// A place for a question that processes have ended at: none is on its way beside it. Nobody waits for it for
    /// long, since what is asked behind it waits, too: without it the question tells less.
    ///
    /// # Cancel safety
    /// A dropped wait changes nothing.
    pub(super) async fn alone(self) -> Option<OwnedSemaphorePermit> {
        let alone = Arc::clone(&self.0.as_ref()?.alone);
        tokio::time::timeout(ALONE_WAIT, alone.acquire_owned()).await.ok()?.ok()
    }

    /// This is asked for, if it is mail. `permit`: nothing like it meanwhile.
    pub(super) fn asked(
        &self,
        account: &str,
        request: &Request,
        permit: Option<OwnedSemaphorePermit>,
    ) -> MarkedQuestion {
        let mail = self.0.as_ref().and_then(|_| which(request));
        let mut question = MarkedQuestion {
            of: self.clone(),
            account: account.to_owned(),
            mail,
            _mark: None,
            permit: permit.map(Arc::new),
        };
        question.mark();
        question
    }

    fn mark(&self, account: &str, mail: &WhichMail, lone: bool) -> Option<Mark> {
        let shared = self.0.as_ref()?;
        let marked = MailInFlight { account: account.to_owned(), mail: mail.clone(), lone };
        let mut text = serde_json::to_vec(&marked).ok()?;
        text.push(b'\n');
        if text.len() as u64 > SLOT {
            return None;
        }
        let slot = {
            let mut slots = shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let (next, most) = (slots.used + 1, SLOTS + if lone { MORE_SLOTS } else { 0 });
            match slots.free.pop() {
                Some(slot) => slot,
                None if next < most => {
                    slots.used = next;
                    next
                }
                None => {
                    drop(slots);
                    if !shared.has_said.swap(true, Ordering::Relaxed) {
                        tracing::info!(
                            "more than {SLOTS} questions for mail are open: not all are marked"
                        );
                    }
                    return None;
                }
            }
        };
        let mark = Mark { of: Arc::clone(shared), slot };
        mark.write(&text);
        Some(mark)
    }
}

/// A slot of the file.
#[derive(Debug)]
struct Mark {
    of: Arc<Shared>,
    slot: u32,
}

impl Mark {
    fn write(&self, text: &[u8]) {
        // Without it less is known after an end; there is nothing else to do about it.
        if let Err(e) = self.of.file.write_all_at(text, u64::from(self.slot) * SLOT) {
            tracing::debug!("what is on its way cannot be marked: {e}");
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.write(b"\n");
        self.of.slots.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.slot);
    }
}

/// A question for mail: marked until it is answered. Of one that is not for mail there is nothing to mark.
#[derive(Debug)]
pub(super) struct MarkedQuestion {
    of: InFlight,
    account: String,
    /// What has not come.
    mail: Option<WhichMail>,
    _mark: Option<Mark>,
    permit: Option<Arc<OwnedSemaphorePermit>>,
}

/// A part of an answer: marked until this is dropped.
#[derive(Debug)]
pub(super) struct MarkedPart {
    _mark: Option<Mark>,
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl MarkedQuestion {
    fn mark(&mut self) {
        // One slot after the other: at no instant is it in none.
        self._mark = self
            .mail
            .as_ref()
            .and_then(|mail| self.of.mark(&self.account, mail, self.permit.is_some()));
    }

    /// This has come of it.
    pub(super) fn brought(&mut self, answer: &Answer) -> Option<MarkedPart> {
        let part = self.mail.as_mut()?.take(answer)?;
        let part = MarkedPart {
            _mark: self.of.mark(&self.account, &part, self.permit.is_some()),
            _permit: self.permit.clone(),
        };
        self.mail = self.mail.take().filter(|left| !left.is_empty() && answer.goes_on());
        self.mark();
        Some(part)
    }
}

impl WhichMail {
    fn joins(&mut self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Uids { folder, uidvalidity, uids },
                Self::Uids { folder: other, uidvalidity: theirs, uids: more },
            ) if folder == other && uidvalidity == theirs && !uids.intersect(more).is_empty() => {
                *uids = uids.union(more);
                true
            }
            (Self::Ids(ids), Self::Ids(more)) if !ids.is_disjoint(more) => {
                ids.extend(more.iter().cloned());
                true
            }
            _ => false,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Uids { uids, .. } => uids.is_empty(),
            Self::Ids(ids) => ids.is_empty(),
        }
    }

    /// Takes out what an answer tells of, if it is one about mail.
    fn take(&mut self, answer: &Answer) -> Option<Self> {
        match (self, answer) {
            (
                Self::Uids { folder, uidvalidity, uids },
                Answer::Folders(FolderAnswer::Fetched { page, .. }),
            ) => {
                let came = page.settled().union(&page.suspected());
                *uids = uids.minus(&came);
                Some(Self::Uids { folder: folder.clone(), uidvalidity: *uidvalidity, uids: came })
            }
            (Self::Ids(ids), Answer::Feed(FeedAnswer::Got { found, .. })) => {
                let came = found.iter().filter_map(|(id, _)| ids.take(id)).collect();
                Some(Self::Ids(came))
            }
            _ => None,
        }
    }
}

fn which(request: &Request) -> Option<WhichMail> {
    match request {
        Request::Folders(FolderRequest::Fetch { remote_id, uidvalidity, uids, .. }) => {
            let (folder, uidvalidity) = (remote_id.to_vec(), *uidvalidity);
            Some(WhichMail::Uids { folder, uidvalidity, uids: uids.clone() })
        }
        Request::Feed(FeedRequest::Get { wanted, .. }) => {
            Some(WhichMail::Ids(wanted.iter().map(|mail| mail.id.clone()).collect()))
        }
        _ => None,
    }
}

impl WhichMail {
    /// The folder, where it goes by one.
    #[must_use]
    pub fn folder(&self) -> Option<WireName> {
        match self {
            Self::Uids { folder, .. } => Some(folder.clone().into()),
            Self::Ids(_) => None,
        }
    }
}

fn take_away(path: &Path) {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("{} cannot be taken away: {e}", path.display());
        }
        _ => {}
    }
}

/// What two processes have left. Of mail that was in more than one slot there is one line.
fn both(first: Option<EndBefore>, second: Option<EndBefore>) -> Option<EndBefore> {
    let how = match (&first, &second) {
        (None, None) => return None,
        (first, second) => {
            let aborted = |end: &Option<EndBefore>| {
                end.as_ref().is_some_and(|end| end.how == ProcessEnd::Aborted)
            };
            if aborted(first) || aborted(second) { ProcessEnd::Aborted } else { ProcessEnd::Killed }
        }
    };
    let mut mail: Vec<MailInFlight> = Vec::new();
    for found in first.into_iter().chain(second).flat_map(|end| end.mail) {
        let joined = mail.iter_mut().any(|known| known.joins(&found));
        if !joined {
            mail.push(found);
        }
    }
    Some(EndBefore { how, mail })
}

impl MailInFlight {
    /// Takes another one in, if some of it is the same mail.
    fn joins(&mut self, other: &Self) -> bool {
        let joined = self.account == other.account && self.mail.joins(&other.mail);
        // What was in a page, too, was not alone.
        self.lone &= !joined || other.lone;
        joined
    }
}

/// What the process before has left. What cannot be read of it is not believed.
fn read(path: &Path) -> io::Result<Option<EndBefore>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut octets = Vec::new();
    file.take(SLOT * u64::from(SLOTS)).read_to_end(&mut octets)?;
    let is_told = octets.first().is_some_and(|first| Some(first) != HEAD.first());
    let how = if is_told { ProcessEnd::Aborted } else { ProcessEnd::Killed };
    let slots = octets.chunks(usize::try_from(SLOT).unwrap_or(usize::MAX)).skip(1);
    let mail = slots.filter_map(|slot| {
        let line = slot.split(|octet| *octet == b'\n').next()?;
        serde_json::from_slice(line).ok()
    });
    Ok(Some(EndBefore { how, mail: mail.collect() }))
}

#[cfg(test)]
mod tests;
