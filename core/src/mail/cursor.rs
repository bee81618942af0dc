//! The two lanes of a folder's cursor, as they are stored.
//!
//! *live* is a chain: who commits names the value it starts from. *backfill* is a set: who commits
//! takes out a range that must still be in it. Both are JSON with the number of their format.

use crate::mail::id::{MailboxId, UidValidity};
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the server said of a folder at one instant (an EXAMINE). Cheap proofs compare with it
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// UIDNEXT.
    pub uidnext: u32,
    /// EXISTS.
    pub exists: u32,
    /// HIGHESTMODSEQ, 0 where the server has none.
    pub modseq: u64,
}

impl Mark {
    /// No mark: the next pass lists the folder.
    pub const CLEARED: Self = Self { uidnext: 0, exists: 0, modseq: 0 };
}

/// Up to where the flags of a folder are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagsMark {
    /// HIGHESTMODSEQ before they were listed: each change since has raised it (RFC 7162 §3.1.2). A
    /// pass that only counts moves the mark, and not this.
    pub modseq: u64,
    /// When the whole folder was listed with its flags last.
    pub listed_at: Micros,
}

/// Whatever the counters say, a folder is listed with its flags, sizes and dates as often: a lie, or
/// a change that a server has told nobody of, does not stay for longer.
const LISTED: Duration = Duration::from_secs(24 * 3600);

impl FlagsMark {
    /// Whether the listing is still believed.
    #[must_use]
    pub fn is_recent(&self, at: Micros) -> bool {
        at >= self.listed_at && at.since(self.listed_at) < LISTED
    }
}

/// The live lane: everything from `uidnext` on is still to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// The UIDVALIDITY all this belongs to.
    pub uidvalidity: UidValidity,
    /// Next UID to be fetched as an arrival.
    pub uidnext: u32,
    /// What the last complete pass saw.
    pub mark: Mark,
    /// Something below the mark has ended since: its EXISTS is no longer what counting compares
    /// with.
    #[serde(default)]
    pub ended: bool,
    /// None before a whole listing, and where the server has no modseq.
    #[serde(default)]
    pub flags: Option<FlagsMark>,
    /// When what lies under our UIDs was compared last, by size and date; the folder's opening where
    /// it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_at: Option<Micros>,
    /// What the server names the folder by, whatever it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<MailboxId>,
    /// When its UIDs began anew, the last day's times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resets: Vec<Micros>,
}

/// UIDs that begin anew more often in a day are matched once an hour.
const RESETS: usize = 2;
const RESTLESS: Duration = Duration::from_secs(3600);

impl Live {
    /// Whether it is still believed that our mail lies under our UIDs, in a folder that was opened
    /// then: a server that is put back from a backup uses them again.
    #[must_use]
    pub fn is_compared(&self, opened_at: Micros, at: Micros) -> bool {
        let last = self.compared_at.unwrap_or(opened_at);
        at >= last && at.since(last) < LISTED
    }

    /// Whether UIDs begin anew so often that the next time has to wait: how often they would have in
    /// the last day.
    #[must_use]
    pub fn is_restless(&self, at: Micros) -> Option<usize> {
        let times = self.resets_before(at).len();
        let last = self.resets.last().copied().unwrap_or_default();
        (times > RESETS && at.since(last) < RESTLESS).then_some(times + 1)
    }

    /// The times of the last day.
    fn resets_before(&self, at: Micros) -> Vec<Micros> {
        let is_recent = |reset: &&Micros| at >= **reset && at.since(**reset) < LISTED;
        self.resets.iter().filter(is_recent).copied().collect()
    }
}

/// The backfill lane: what lies below the boundary and is not read yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backfill {
    /// The UIDVALIDITY all this belongs to.
    pub uidvalidity: UidValidity,
    /// UIDNEXT when the folder was opened, fixed once: live owns what is not below it.
    pub boundary: u32,
    /// UIDs still to be settled, holes included.
    pub remaining: UidSet,
    /// Of those, what was held before and is read again: what comes of it anew is no news.
    #[serde(default, skip_serializing_if = "UidSet::is_empty")]
    pub again: UidSet,
    /// For a folder that appeared after the account's first LIST: only mail older than this is old
    /// mail.
    pub old_before: Option<Micros>,
}

/// Both lanes of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// The live lane.
    pub live: Live,
    /// The backfill lane.
    pub backfill: Backfill,
}

impl Lanes {
    /// The lanes of a folder that is opened as the server shows it now: everything below UIDNEXT is
    /// history.
    #[must_use]
    pub fn opened(uidvalidity: UidValidity, mark: Mark, old_before: Option<Micros>) -> Self {
        let remaining = UidSet::range(1, mark.uidnext.saturating_sub(1));
        Self {
            live: Live {
                uidvalidity,
                uidnext: mark.uidnext,
                mark,
                ended: false,
                flags: None,
                compared_at: None,
                mailbox: None,
                resets: Vec::new(),
            },
            backfill: Backfill {
                uidvalidity,
                boundary: mark.uidnext,
                remaining,
                again: UidSet::new(),
                old_before,
            },
        }
    }

    /// The lanes of a folder that has lost one of them, or both, and still has these rows: what is neither held nor failed
    /// is still to be read, and the next pass lists it.
    #[must_use]
    pub fn rebuilt(
        uidvalidity: UidValidity,
        live: Option<Live>,
        backfill: Option<Backfill>,
        known: &UidSet,
    ) -> Self {
        let live = live.filter(|live| live.uidvalidity == uidvalidity);
        let backfill = backfill.filter(|lane| lane.uidvalidity == uidvalidity);
        let behind = known.last().map_or(1, |uid| uid.saturating_add(1));
        let boundary = backfill.as_ref().map_or(1, |lane| lane.boundary);
        let top = live.as_ref().map_or(1, |live| live.uidnext).max(boundary).max(behind);
        let mark = Mark { uidnext: top, ..Mark::CLEARED };
        let mut lanes = Self::opened(uidvalidity, mark, None);
        lanes.backfill.remaining = match &backfill {
            // What has come since the boundary may have been read or not.
            Some(lane) if live.is_none() => {
                lane.remaining.union(&UidSet::range(boundary, top.saturating_sub(1)))
            }
            Some(lane) => lane.remaining.clone(),
            None => lanes.backfill.remaining,
        };
        lanes.backfill.remaining = lanes.backfill.remaining.minus(known);
        if let Some(lane) = backfill {
            lanes.backfill.again = lane.again;
            (lanes.backfill.boundary, lanes.backfill.old_before) = (lane.boundary, lane.old_before);
        }
        lanes.live = live.unwrap_or(lanes.live);
        lanes.list_anew();
        lanes
    }

    /// Nothing is believed of what counters prove: the next pass lists the folder with its flags.
    pub fn list_anew(&mut self) {
        (self.live.mark, self.live.flags) = (Mark::CLEARED, None);
    }

    /// These were held, and are read again: whoever asks for what remains asks for them.
    pub fn read_again(&mut self, uids: &UidSet) {
        // What is not below the chain's end comes by itself.
        let below = UidSet::range(1, self.live.uidnext.saturating_sub(1));
        let uids = uids.intersect(&below);
        self.backfill.again = self.backfill.again.union(&uids);
        self.backfill.remaining = self.backfill.remaining.union(&uids);
    }

    /// UIDs begin anew, and what is held has been found again but for what remains, which is old mail
    /// where it is older than the last sight of the folder. The next pass lists it.
    pub fn renumber(
        &mut self,
        uidvalidity: UidValidity,
        mark: Mark,
        remaining: UidSet,
        sight: Micros,
        at: Micros,
    ) {
        let mut resets = self.live.resets_before(at);
        resets.push(at);
        *self = Self::opened(uidvalidity, mark, Some(sight));
        self.live.mark = Mark::CLEARED;
        self.live.resets = resets;
        self.live.compared_at = Some(at);
        self.backfill.remaining = remaining;
    }

    /// UIDNEXT has fallen, and a whole listing says what is there: `uidnext` goes to `top`, one
    /// above the highest UID that is held or listed. It never goes below what we have seen, so that
    /// a wrong one loses nothing. A boundary that was a lie goes with it: below it only mail older
    /// than the folder's opening is old.
    pub fn take_back(&mut self, top: u32, opened_at: Micros) {
        self.live.uidnext = top;
        self.live.flags = None;
        let backfill = &mut self.backfill;
        backfill.remaining = backfill.remaining.intersect(&UidSet::range(1, top.saturating_sub(1)));
        backfill.again = backfill.again.intersect(&backfill.remaining);
        if backfill.boundary > top {
            backfill.boundary = top;
            backfill.old_before =
                Some(backfill.old_before.map_or(opened_at, |old| old.min(opened_at)));
        }
    }
}

/// The number of the stored format of both lanes.
pub const LANE_FORMAT: u32 = 1;

/// A stored lane that this binary cannot read.
#[derive(Debug, thiserror::Error)]
pub enum BadLane {
    /// Not the JSON of a lane.
    #[error("cursor lane is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("cursor lane has format {found}, this binary reads {LANE_FORMAT}")]
    Format {
        /// The stored number.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    format: u32,
    state: T,
}

/// The stored text of a lane.
///
/// # Errors
/// Never in practice: lanes are plain data.
pub fn to_text<T: Serialize>(state: &T) -> Result<String, BadLane> {
    Ok(serde_json::to_string(&Versioned { format: LANE_FORMAT, state })?)
}

/// Reads a stored lane.
///
/// # Errors
/// [`BadLane`] when the text is damaged or of another format.
pub fn from_text<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, BadLane> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_str(text)?;
    if format != LANE_FORMAT {
        return Err(BadLane::Format { found: format });
    }
    Ok(serde_json::from_str::<Versioned<T>>(text)?.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_round_trip_and_refuse_other_formats() {
        let lane = Backfill {
            uidvalidity: UidValidity(7),
            boundary: 10,
            remaining: UidSet::range(1, 9),
            again: UidSet::one(3),
            old_before: None,
        };
        let text = to_text(&lane).unwrap();
        assert_eq!(from_text::<Backfill>(&text).unwrap(), lane);
        let newer = text.replace("\"format\":1", "\"format\":2");
        assert!(matches!(from_text::<Backfill>(&newer), Err(BadLane::Format { found: 2 })));
        assert!(matches!(from_text::<Backfill>("{}"), Err(BadLane::Json(_))));
    }

    /// Whichever of its lanes a folder has lost: what is not known is read, nothing that was told as read twice is.
    #[test]
    fn lanes_are_rebuilt_of_what_is_left() {
        let v = UidValidity(7);
        let mut lanes =
            Lanes::opened(v, Mark { uidnext: 10, exists: 9, modseq: 4 }, Some(Micros(5)));
        (lanes.live.uidnext, lanes.backfill.remaining) = (14, UidSet::range(1, 3));
        let known = UidSet::range(4, 13).minus(&UidSet::one(8)).minus(&UidSet::one(12));
        let Lanes { live, backfill } = lanes.clone();
        let rebuilt = |live, backfill| Lanes::rebuilt(v, live, backfill, &known);
        let of = |lanes: &Lanes| {
            (lanes.live.uidnext, lanes.backfill.boundary, lanes.backfill.remaining.to_string())
        };
        let both = rebuilt(Some(live.clone()), Some(backfill.clone()));
        assert_eq!(of(&both), (14, 10, "1:3".to_owned()));
        let backward = rebuilt(Some(live), None);
        assert_eq!(of(&backward), (14, 14, "1:3,8,12".to_owned()), "of its past nothing is known");
        let forward = rebuilt(None, Some(backfill));
        assert_eq!(of(&forward), (14, 10, "1:3,12".to_owned()), "of what has come nothing is");
        assert_eq!(forward.backfill.old_before, Some(Micros(5)));
        let neither = rebuilt(None, None);
        assert_eq!(of(&neither), (14, 14, "1:3,8,12".to_owned()));
        assert_eq!(of(&Lanes::rebuilt(v, None, None, &UidSet::new())), (1, 1, String::new()));
        for lanes in [both, backward, forward, neither] {
            assert_eq!((lanes.live.mark, lanes.live.flags), (Mark::CLEARED, None), "it is listed");
        }
        let other = Lanes { live: Live { uidvalidity: UidValidity(6), ..lanes.live }, ..lanes };
        assert_eq!(rebuilt(Some(other.live), None).live.uidvalidity, v);
    }

    #[test]
    fn what_is_read_again_lies_below_the_end() {
        let mut lanes =
            Lanes::opened(UidValidity(7), Mark { uidnext: 10, exists: 9, modseq: 4 }, None);
        lanes.backfill.remaining = UidSet::one(2);
        lanes.read_again(&UidSet::range(9, 11));
        assert_eq!(lanes.backfill.remaining.to_string(), "2,9");
        assert_eq!(lanes.backfill.again.to_string(), "9");
    }
}
