//! What a session that watches is asked, and what it notices.

use crate::mail::cursor::Mark;
use crate::mail::folder::WireName;
use std::time::Duration;

/// To tell what happens in a folder until another question comes (IDLE, RFC 2177). `seen` is what
/// the last pass saw: where the folder is another now, that is the first hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRequest {
    /// Wire name.
    pub remote_id: WireName,
    /// Its counters; a HIGHESTMODSEQ that is not 0 says that flags are compared up to it.
    pub seen: Mark,
    /// Begin IDLE anew after this: connections were cut when it lasted longer.
    pub renew: Option<Duration>,
    /// Be told of every other folder, too, where the server can.
    pub wide: bool,
}

/// What a watch noticed. A hint, never the truth: a pass looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Mail came or went.
    Counts,
    /// Flags changed.
    Flags,
    /// The folder had to be opened anew: nobody tells what happened to flags since the last pass.
    Stale,
    /// Nothing: the server has proved that it is there.
    Alive,
    /// From here on the server tells of every folder.
    Wide,
    /// Folders may have come, gone or got other names.
    Names,
    /// Anything may have happened anywhere: the server did not tell all of it.
    Untold,
}

/// What a server tells of a folder that is not open, as far as it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// UIDNEXT.
    pub uidnext: Option<u32>,
    /// MESSAGES.
    pub exists: Option<u32>,
    /// HIGHESTMODSEQ.
    pub modseq: Option<u64>,
}

impl Noticed {
    /// Whether it is what a pass has left: nothing has happened since. A server that told nothing has
    /// told of something.
    #[must_use]
    pub fn is_as(&self, mark: &Mark) -> bool {
        let differs = self.uidnext.is_some_and(|uidnext| uidnext != mark.uidnext)
            || self.exists.is_some_and(|exists| exists != mark.exists)
            || self.modseq.is_some_and(|modseq| modseq != mark.modseq);
        !differs && (self.uidnext.is_some() && self.exists.is_some())
    }

    /// This, and what is told later.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            uidnext: later.uidnext.or(self.uidnext),
            exists: later.exists.or(self.exists),
            modseq: later.modseq.or(self.modseq),
        }
    }
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwatched {
    /// Another question came.
    Asked,
    /// The server has no IDLE.
    Unable,
    /// Somebody else needs the session more: it has logged out.
    Retired,
}

/// An answer to a watch: hints, and the last one says why it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchAnswer {
    /// Something may have changed.
    Hinted(Hint),
    /// So is another folder, by wire name.
    Told(WireName, Noticed),
    /// It is over.
    Unwatched(Unwatched),
}
