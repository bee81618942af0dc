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
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const FILE: &str = "in-flight";
/// Octets of a slot; a longer mark is not kept.
const SLOT: u64 = 16 * 1024;
/// Slots; beyond them nothing is marked.
const SLOTS: u32 = 1024;
/// The first slot: the handler of `SIGABRT` writes its first octet.
const HEAD: &[u8] = b".\n";
/// Longest wait of a suspect for another one.
const ALONE_WAIT: Duration = Duration::from_secs(120);

/// Mail of an account that was on its way together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailInFlight {
    /// The account's id in the config.
    pub account: String,
    /// The mail.
    pub mail: WhichMail,
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
        let before = read(&path)?;
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let file =
            options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(&path)?;
        file.write_all_at(HEAD, 0)?;
        // Its own place in the file is the beginning; a handler may do little more than write.
        let told = OpenOptions::new().write(true).open(&path)?;
        let aborts = signal_hook::low_level::pipe::register(signal_hook::consts::SIGABRT, told)?;
        let (slots, alone) = (Mutex::default(), Arc::new(Semaphore::new(1)));
        Ok((Self(Some(Arc::new(Shared { path, file, slots, alone, aborts }))), before))
    }

    /// The process ends as it was told to.
    pub fn end(&self) {
        let Some(shared) = &self.0 else { return };
        if let Err(e) = std::fs::remove_file(&shared.path) {
            tracing::warn!("{} cannot be taken away: {e}", shared.path.display());
        }
    }

    /// A place for a question that processes have ended at: none is on its way beside it. Nobody waits for it for
    /// ever.
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

    fn mark(&self, account: &str, mail: &WhichMail) -> Option<Mark> {
        let shared = self.0.as_ref()?;
        let marked = MailInFlight { account: account.to_owned(), mail: mail.clone() };
        let mut text = serde_json::to_vec(&marked).ok()?;
        text.push(b'\n');
        if text.len() as u64 > SLOT {
            return None;
        }
        let slot = {
            let mut slots = shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let next = slots.used + 1;
            match slots.free.pop() {
                Some(slot) => slot,
                None if next < SLOTS => {
                    slots.used = next;
                    next
                }
                None => return None,
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
        self._mark = self.mail.as_ref().and_then(|mail| self.of.mark(&self.account, mail));
    }

    /// This has come of it.
    pub(super) fn brought(&mut self, answer: &Answer) -> Option<MarkedPart> {
        let part = self.mail.as_mut()?.take(answer)?;
        let part =
            MarkedPart { _mark: self.of.mark(&self.account, &part), _permit: self.permit.clone() };
        self.mail = self.mail.take().filter(|left| !left.is_empty() && answer.goes_on());
        self.mark();
        Some(part)
    }
}

impl WhichMail {
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
mod tests {
    use super::*;
    use postrider_core::budget::Lane;
    use postrider_core::failure::Class;
    use postrider_core::mail::page::{Again, Page, Unfetched};
    use postrider_core::mail::recognise::IdentityKind;
    use postrider_core::provider::feeds::{Got, WantedMail};

    fn fetch(uids: &str) -> Request {
        Request::Folders(FolderRequest::Fetch {
            remote_id: b"A\xff".to_vec().into(),
            uidvalidity: UidValidity(3),
            uids: UidSet::parse(uids).unwrap(),
            estimated: false,
            lane: Lane::Live,
            names: IdentityKind::Hash,
            seeks: false,
            pieces: false,
            suspect: false,
        })
    }

    fn page(uids: &str, last: bool) -> Answer {
        let failed = |uid| Unfetched {
            uid,
            class: Class::Provider,
            text: "".into(),
            again: Again::default(),
        };
        let failed = UidSet::parse(uids).unwrap().iter().map(failed).collect();
        Answer::Folders(FolderAnswer::Fetched { page: Page { failed, ..Page::default() }, last })
    }

    /// What another process would find.
    fn found(dir: &Path) -> Vec<String> {
        let Some(before) = read(&dir.join(FILE)).unwrap() else { return Vec::new() };
        let told = |mail: MailInFlight| match mail.mail {
            WhichMail::Uids { uids, .. } => uids.to_string(),
            WhichMail::Ids(ids) => ids.into_iter().map(|id| id.0).collect::<Vec<_>>().join(" "),
        };
        let mut all: Vec<String> = before.mail.into_iter().map(told).collect();
        all.sort();
        all
    }

    #[test]
    fn what_was_asked_for_is_marked_until_it_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let (in_flight, before) = InFlight::begin(dir.path()).unwrap();
        assert_eq!(before, None);
        let mut first = in_flight.asked("a", &fetch("1:9"), None);
        let second = in_flight.asked("b", &fetch("20:29"), None);
        let looked = FolderRequest::examine(b"A".to_vec().into()).into();
        let look = in_flight.asked("a", &looked, None);
        assert_eq!(found(dir.path()), ["1:9", "20:29"], "a look brings no mail");
        let part = first.brought(&page("1:4", false));
        assert_eq!(found(dir.path()), ["1:4", "20:29", "5:9"]);
        let last = first.brought(&page("5:9", true));
        drop((first, second, look));
        assert_eq!(found(dir.path()), ["1:4", "5:9"], "they are not stored");
        drop(part);
        assert_eq!(found(dir.path()), ["5:9"]);
        drop(last);
        assert_eq!(found(dir.path()), [""; 0]);
        // By ids alike; what nobody asked for is not marked.
        let id = |id: &str| Identity(id.to_owned());
        let wanted = ["x", "y"].map(|of| WantedMail { id: id(of), bytes: true }).to_vec();
        let get = Request::Feed(FeedRequest::Get { wanted, lane: Lane::Live, suspect: false });
        let mut get = in_flight.asked("a", &get, None);
        let got = vec![(id("x"), Got::Missing), (id("z"), Got::Missing)];
        let part = get.brought(&Answer::Feed(FeedAnswer::Got { found: got, last: false }));
        assert_eq!(found(dir.path()), ["x", "y"]);
        drop((part, get));
        in_flight.end();
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn the_next_process_learns_how_the_one_before_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (in_flight, _) = InFlight::begin(dir.path()).unwrap();
        let _asked = in_flight.asked("a", &fetch("1:9"), None);
        let copy = std::fs::read(dir.path().join(FILE)).unwrap();
        let (_, before) = InFlight::begin(dir.path()).unwrap();
        let mail = WhichMail::Uids {
            folder: b"A\xff".to_vec(),
            uidvalidity: UidValidity(3),
            uids: UidSet::range(1, 9),
        };
        let killed = vec![MailInFlight { account: "a".into(), mail: mail.clone() }];
        assert_eq!(before, Some(EndBefore { how: ProcessEnd::Killed, mail: killed.clone() }));
        // As the handler leaves it; what is no mark is passed over.
        let mut told = copy.clone();
        told[0] = b'X';
        told.extend_from_slice(b"{\"account\":7}\n");
        std::fs::write(dir.path().join(FILE), told).unwrap();
        let (_, before) = InFlight::begin(dir.path()).unwrap();
        assert_eq!(before, Some(EndBefore { how: ProcessEnd::Aborted, mail: killed }));
    }

    #[test]
    fn there_are_only_so_many_marks() {
        let dir = tempfile::tempdir().unwrap();
        let (in_flight, _) = InFlight::begin(dir.path()).unwrap();
        let all: Vec<_> =
            (0..SLOTS + 50).map(|_| in_flight.asked("a", &fetch("1"), None)).collect();
        assert_eq!(found(dir.path()).len() as u32, SLOTS - 1);
        drop(all);
        assert_eq!(found(dir.path()), [""; 0]);
        let long = (1..9000).step_by(2).map(|uid| uid.to_string()).collect::<Vec<_>>().join(",");
        let _long = in_flight.asked("a", &fetch(&long), None);
        assert_eq!(found(dir.path()), [""; 0], "what does not fit is not marked");
    }

    #[tokio::test]
    async fn a_suspect_waits_for_the_one_before_until_that_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let (in_flight, _) = InFlight::begin(dir.path()).unwrap();
        let permit = in_flight.clone().alone().await;
        assert!(permit.is_some());
        let mut asked = in_flight.asked("a", &fetch("1"), permit);
        let part = asked.brought(&page("1", true));
        drop(asked);
        let next = tokio::time::timeout(Duration::from_millis(20), in_flight.clone().alone()).await;
        assert!(next.is_err(), "it is not stored");
        drop(part);
        assert!(in_flight.alone().await.is_some());
    }
}
