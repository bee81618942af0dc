//! A page of mail: what one answer settled. It is moved, never cloned.

use crate::failure::Class;
use crate::mail::message::Fetched;
use crate::mail::room::Room;
use crate::mail::uid_set::UidSet;
use crate::plain::PlainText;
use std::fmt;
use std::sync::Arc;

/// A UID that the index shows and that could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfetched {
    /// The UID.
    pub uid: u32,
    /// The class of what went wrong.
    pub class: Class,
    /// The server's words, or ours, for the ledger.
    pub text: PlainText,
    /// When it is tried again.
    pub again: Again,
    /// What came of it, where something did.
    pub came: Option<Fragment>,
}

/// The beginning of what came of a message that cannot be read. It is content: for who may read mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Fragment(Arc<[u8]>);

impl Fragment {
    /// Octets that are kept: most headers are shorter.
    pub const LIMIT: usize = 64 * 1024;

    /// The beginning of these; nothing where there are none.
    #[must_use]
    pub fn of(octets: &[u8]) -> Option<Self> {
        let kept = octets.get(..octets.len().min(Self::LIMIT)).unwrap_or_default();
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

/// When a failure row is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// After an hour, after a day; then on a new version, or daily if the mail itself is not at
    /// fault.
    #[default]
    Spaced,
    /// The same, and as soon as another of its burst has come: a fault of seconds does not keep
    /// good mail for an hour.
    WithBurst,
    /// On another session: this try does not count.
    Elsewhere,
}

/// A message of a page, its bytes sealed already or not yet.
pub trait PageRow {
    /// UID in the folder it was read from.
    fn uid(&self) -> u32;
    /// Its bytes were not read for this: it is a message that we hold.
    fn held(&self) -> bool;
}

impl PageRow for Fetched {
    fn uid(&self) -> u32 {
        self.uid
    }

    fn held(&self) -> bool {
        self.held
    }
}

/// A message whose length is not the one that the server announced: believed when another session
/// says the same.
#[derive(Debug)]
pub struct Suspect<R = Fetched> {
    /// The message.
    pub fetched: R,
    /// RFC822.SIZE.
    pub announced: u64,
}

/// What an answer settled: every UID asked for is a row, gone, or failed.
#[derive(Debug)]
pub struct Page<R = Fetched> {
    /// Messages; of a page that is handed over, their bytes are sealed.
    pub rows: Vec<R>,
    /// UIDs asked for that are no longer in the folder (absent from the index under a tagged OK).
    pub gone: UidSet,
    /// UIDs in the folder that could not be fetched.
    pub failed: Vec<Unfetched>,
    /// Messages that settle nothing yet.
    pub suspects: Vec<Suspect<R>>,
    /// What it takes of the process's memory.
    pub room: Room,
}

impl<R> Default for Page<R> {
    fn default() -> Self {
        let (gone, room) = (UidSet::new(), Room::default());
        Self { rows: Vec::new(), gone, failed: Vec::new(), suspects: Vec::new(), room }
    }
}

impl<R> Page<R> {
    /// The page with each message as `seal` makes it.
    ///
    /// # Errors
    /// The first that `seal` meets.
    pub fn sealed<S, E>(self, mut seal: impl FnMut(R) -> Result<S, E>) -> Result<Page<S>, E> {
        let Self { rows, gone, failed, suspects, room } = self;
        let rows = rows.into_iter().map(&mut seal).collect::<Result<_, E>>()?;
        let suspect =
            |s: Suspect<R>| Ok(Suspect { fetched: seal(s.fetched)?, announced: s.announced });
        let suspects = suspects.into_iter().map(suspect).collect::<Result<_, E>>()?;
        Ok(Page { rows, gone, failed, suspects, room })
    }
}

impl<R: PageRow> Page<R> {
    /// UIDs of the messages that settle nothing yet.
    #[must_use]
    pub fn suspected(&self) -> UidSet {
        self.suspects.iter().map(|s| s.fetched.uid()).collect()
    }

    /// Every UID that the page settles.
    #[must_use]
    pub fn settled(&self) -> UidSet {
        let uids = self.rows.iter().map(PageRow::uid).chain(self.failed.iter().map(|f| f.uid));
        self.gone.union(&uids.collect())
    }

    /// Whether mail was read for the page: the server hands bytes out.
    #[must_use]
    pub fn brings_bytes(&self) -> bool {
        !self.suspects.is_empty() || self.rows.iter().any(|r| !r.held())
    }
}

impl Page {
    /// Its messages in front of the first UID that is told to be gone, failed or suspect, and whether
    /// that is all of it.
    #[must_use]
    pub fn only_mail(mut self) -> (Self, bool) {
        let failed: UidSet = self.failed.iter().map(|f| f.uid).collect();
        let Some(doubt) = self.gone.union(&failed).union(&self.suspected()).first() else {
            return (self, true);
        };
        self.rows.retain(|row| row.uid < doubt);
        (Self { rows: self.rows, room: self.room, ..Self::default() }, false)
    }

    /// Octets that its rows take in memory.
    #[must_use]
    pub fn row_octets(&self) -> u64 {
        let rows = self.rows.iter().chain(self.suspects.iter().map(|s| &s.fetched));
        let came = |failed: &Unfetched| failed.came.as_ref().map_or(0, |came| came.0.len());
        let failed = self.failed.iter().map(|failed| (failed.text.len() + came(failed)) as u64);
        rows.map(Fetched::row_octets).sum::<u64>() + failed.sum::<u64>()
    }

    /// Raw octets that were read for the page.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.rows.iter().filter(|r| !r.held).map(|r| r.body.length()).sum()
    }
}
