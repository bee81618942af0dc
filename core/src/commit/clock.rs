//! A wall clock that was ahead when it wrote: instants that lie in the future now.
//!
//! Spans are measured between a stored instant and now; one that lies ahead would hold back second looks,
//! listings and tries for as long as the clock was wrong. When an account's rows are read, and any of what
//! they say *was* lies ahead by more than [`AHEAD`], all of it that lies ahead is brought back, in its
//! order, into the four minutes before now: what was looked at since, say, is still what was looked at since.
//! What is to come is at most a day away. What somebody else has set (a token's end) is left alone, and so is
//! what only says when something was stored. Where mail is held that is dated after now ([`is_behind`]), it is
//! now that is wrong: nothing is brought back.

use crate::commit::feed::rows::{FeedRows, Owed};
use crate::commit::rows::{AccountRow, FolderRow, MessageRow};
use crate::time::{AHEAD, Micros};
use std::time::Duration;

/// No try waits longer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(86_400);
/// Instants within so many microseconds of the latest one keep their distances; earlier ones come to lie
/// within as many microseconds before those.
pub const KEPT: i64 = 120_000_000;

/// Mail that is dated after now, of what is held: so many say that it is our clock that is behind.
const WITNESSES: usize = 3;

/// Whether our clock is behind: of these dates of mail (each folder's newest), some lie between now and the
/// latest instant that was written.
#[must_use]
pub fn is_behind(dates: impl Iterator<Item = Micros>, correction: Correction) -> bool {
    let (first, last) = (correction.now.plus(AHEAD), correction.latest);
    dates.filter(|date| (first..=last).contains(date)).take(WITNESSES).count() == WITNESSES
}

/// How what lies ahead is brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Now.
    pub now: Micros,
    /// The latest instant that was written.
    pub latest: Micros,
    /// Of what was before the last [`KEPT`], so many microseconds become one.
    pub slope: i64,
}

impl Correction {
    /// Whether one is due: of the account's rows, the latest instant of what was.
    #[must_use]
    pub fn due(account: &AccountRow, folders: &[FolderRow], now: Micros) -> Option<Self> {
        let of_folder = |f: &FolderRow| {
            let looks = [
                f.look.as_ref().map(|look| look.at),
                f.misfit.as_ref().map(|misfit| misfit.at),
                f.refused.map(|look| look.at),
            ];
            let rows = [Some(f.opened_at), f.passed_at, f.proved_at, f.grown_at, f.stalled_at];
            looks.into_iter().chain(rows).flatten().max()
        };
        let shut = account.shut.values().map(|shut| shut.first_at);
        let look = account.list_look.as_ref().map(|look| look.at);
        let latest = folders
            .iter()
            .filter_map(of_folder)
            .chain(shut)
            .chain([account.stamped_at, account.listed_at, look].into_iter().flatten())
            .max()?;
        Self::from(latest, now)
    }

    /// The same of a feed account.
    #[must_use]
    pub fn due_of_feed(rows: &FeedRows, now: Micros) -> Option<Self> {
        // When a place has grown is told by the server's clock.
        let place = |place: &FolderRow| FolderRow { grown_at: None, ..place.clone() };
        let places: Vec<FolderRow> = rows.places.values().map(place).collect();
        let feed = &rows.state;
        let state = [feed.debt, feed.placed_at, feed.places_told_at, feed.counted_at];
        let heads = rows.feeds.values().map(|feed| feed.head_at);
        let latest = state.into_iter().flatten().chain(heads).max();
        let of_feed = latest.and_then(|latest| Self::from(latest, now));
        let of_rows = Self::due(&rows.account, &places, now);
        of_feed.into_iter().chain(of_rows).max_by_key(|correction| correction.latest)
    }

    /// From the latest instant of what was.
    #[must_use]
    pub fn from(latest: Micros, now: Micros) -> Option<Self> {
        let slope = (latest.0.saturating_sub(now.0) / KEPT).saturating_add(1);
        (latest > now.plus(AHEAD)).then_some(Self { now, latest, slope })
    }

    /// By how much the clock was ahead.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        self.latest.since(self.now)
    }

    /// An instant of what was.
    #[must_use]
    pub fn was(&self, at: Micros) -> Micros {
        if at <= self.now {
            return at;
        }
        let before = self.latest.0.saturating_sub(at.0).max(0);
        let last = before.min(KEPT);
        Micros(self.now.0.saturating_sub(last + (before - last) / self.slope))
    }

    /// An instant of what is to come.
    #[must_use]
    pub fn next(&self, at: Micros) -> Micros {
        at.min(self.now.plus(LONGEST_WAIT))
    }

    /// Since when mail is new: by our own clock, which was ahead, so by the newest mail that is held and
    /// is not of the future, of what lay there at the opening; where there is none, mail of the last minutes is
    /// new.
    #[must_use]
    pub fn opened(&self, at: Micros, newest: Option<Micros>) -> Micros {
        if at <= self.now {
            return at;
        }
        let minutes = i64::try_from(AHEAD.as_micros()).unwrap_or(0);
        newest.unwrap_or(Micros(self.now.0.saturating_sub(minutes))).min(self.now)
    }

    fn maybe(&self, at: &mut Option<Micros>) {
        *at = at.map(|at| self.was(at));
    }

    /// The account's row; when it was opened is another matter.
    pub fn account(&self, account: &mut AccountRow) {
        self.maybe(&mut account.listed_at);
        self.maybe(&mut account.stamped_at);
        if let Some(look) = &mut account.list_look {
            look.at = self.was(look.at);
        }
        for shut in account.shut.values_mut() {
            (shut.first_at, shut.due_at) = (self.was(shut.first_at), self.next(shut.due_at));
        }
    }

    /// A folder's row and lanes.
    pub fn folder(&self, folder: &mut FolderRow) {
        folder.opened_at = self.was(folder.opened_at);
        for at in [
            &mut folder.passed_at,
            &mut folder.proved_at,
            &mut folder.grown_at,
            &mut folder.stalled_at,
        ] {
            self.maybe(at);
        }
        if let Some(look) = &mut folder.look {
            look.at = self.was(look.at);
        }
        if let Some(misfit) = &mut folder.misfit {
            misfit.at = self.was(misfit.at);
        }
        if let Some(look) = &mut folder.refused {
            look.at = self.was(look.at);
        }
        let Some(lanes) = &mut folder.lanes else { return };
        if let Some(flags) = &mut lanes.live.flags {
            flags.listed_at = self.was(flags.listed_at);
        }
        self.maybe(&mut lanes.live.compared_at);
        lanes.live.resets.iter_mut().for_each(|at| *at = self.was(*at));
        self.maybe(&mut lanes.backfill.old_before);
    }

    /// A message that is looked for.
    pub fn message(&self, message: &mut MessageRow) {
        if message.limbo_since.is_some() {
            self.maybe(&mut message.limbo_since);
            self.maybe(&mut message.last_sight);
        }
    }

    /// The rows of a feed account; when it was opened stays: the server's clock has told it.
    pub fn feed(&self, rows: &mut FeedRows) {
        self.account(&mut rows.account);
        let state = &mut rows.state;
        let told = &mut state.places_told_at;
        for at in [&mut state.debt, &mut state.placed_at, told, &mut state.counted_at] {
            self.maybe(at);
        }
        for feed in rows.feeds.values_mut() {
            feed.head_at = self.was(feed.head_at);
        }
        for place in rows.places.values_mut() {
            let grown_at = place.grown_at;
            self.folder(place);
            place.grown_at = grown_at;
        }
    }

    /// A message that is owed.
    pub fn owed(&self, owed: &mut Owed) {
        owed.told_at = self.was(owed.told_at);
        // What has not failed waits for seconds.
        let wait = if owed.attempts > 0 { LONGEST_WAIT } else { AHEAD };
        owed.due_at = owed.due_at.map(|at| at.min(self.now.plus(wait)));
        if let Some(look) = &mut owed.missing {
            look.at = self.was(look.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::feed::rows::FeedState;
    use crate::commit::rows::{FolderLook, ListLook, Misfit, RefusedLook, Shut};
    use crate::mail::cursor::{FlagsMark, Lanes, Mark};
    use crate::mail::folder::WireName;
    use crate::mail::id::{AccountId, FolderId, Incarnation, SessionId, UidValidity};
    use crate::mail::uid_set::UidSet;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn at(seconds: i64) -> Micros {
        Micros::from_seconds(seconds)
    }

    /// Every instant of these rows, as JSON or in words, that lies after now.
    fn later(rows: &impl std::fmt::Debug, now: Micros) -> Vec<String> {
        let text = format!("{rows:?}");
        let numbers = text.split("Micros(").skip(1).filter_map(|rest| rest.split(')').next());
        let later = numbers.filter(|number| number.parse::<i64>().is_ok_and(|at| at > now.0));
        later.map(str::to_owned).collect()
    }

    #[test]
    fn nothing_of_a_folder_or_a_feed_is_forgotten() {
        let (now, ahead) = (at(1000), at(90_000));
        let correction = Correction::from(ahead, now).unwrap();
        let (session, uidvalidity) = (SessionId(1), UidValidity(1));
        let mark = Mark { uidnext: 2, exists: 1, modseq: 1 };
        let mut lanes = Lanes::opened(uidvalidity, mark, Some(ahead));
        lanes.live.flags = Some(FlagsMark { modseq: 1, listed_at: ahead });
        (lanes.live.compared_at, lanes.live.resets) = (Some(ahead), vec![ahead]);
        let ends = UidSet::one(1);
        let mut folder = FolderRow {
            lanes: Some(lanes),
            passed_at: Some(ahead),
            proved_at: Some(ahead),
            grown_at: Some(ahead),
            stalled_at: Some(ahead),
            look: Some(FolderLook { uidvalidity, ends: ends.clone(), session, at: ahead }),
            misfit: Some(Misfit { uidvalidity, listed: ends, surplus: 1, session, at: ahead }),
            refused: Some(RefusedLook { session, at: ahead }),
            ..FolderRow::new(FolderId(1), WireName::default(), String::new(), None, ahead)
        };
        assert_eq!(later(&folder, now).len(), 12);
        correction.folder(&mut folder);
        assert_eq!(later(&folder, now), Vec::<String>::new());

        let mut account = AccountRow::fresh(AccountId(1), Incarnation(1));
        (account.listed_at, account.stamped_at) = (Some(ahead), Some(ahead));
        account.list_look = Some(ListLook { missing: BTreeSet::new(), session, at: ahead });
        let due_at = at(1000 + 86_400 * 9);
        account.shut.insert(WireName::default(), Shut { first_at: ahead, attempts: 1, due_at });
        let mut rows = FeedRows::fresh(account);
        rows.state.debt = Some(ahead);
        (rows.state.placed_at, rows.state.counted_at) = (Some(ahead), Some(ahead));
        rows.state.places_told_at = Some(ahead);
        rows.feeds.insert(FolderId(0), FeedState { cursor: None, head_at: ahead });
        correction.feed(&mut rows);
        let tomorrow = now.plus(LONGEST_WAIT);
        assert_eq!(later(&rows, now), [tomorrow.0.to_string()], "the next try of what is shut");
        assert_eq!(later(&rows, tomorrow), Vec::<String>::new());
    }

    #[test]
    fn minutes_are_believed_and_more_is_not() {
        let mut account = AccountRow::fresh(AccountId(1), Incarnation(1));
        account.stamped_at = Some(at(1300));
        assert_eq!(Correction::due(&account, &[], at(1000)), None);
        account.listed_at = Some(at(1301));
        let correction = Correction::due(&account, &[], at(1000)).unwrap();
        correction.account(&mut account);
        assert_eq!(account.listed_at, Some(at(1000)));
        assert!(account.stamped_at < account.listed_at, "what lies ahead keeps its order");
    }

    #[test]
    fn mail_that_is_dated_later_says_that_now_is_wrong() {
        let correction = Correction::from(at(90_000), at(1000)).unwrap();
        let says = |dates: &[i64]| is_behind(dates.iter().map(|s| at(*s)), correction);
        assert!(says(&[5000, 6000, 7000]));
        assert!(!says(&[5000, 6000]), "one or two are somebody's mistake");
        assert!(
            !says(&[900, 1000, 1300, 95_000, 96_000, 97_000]),
            "before now, or after what we wrote"
        );
    }

    #[test]
    fn mail_is_new_by_the_newest_that_is_held() {
        let correction = Correction::from(at(9000), at(1000)).unwrap();
        assert_eq!(correction.opened(at(900), Some(at(1))), at(900), "it was right");
        assert_eq!(correction.opened(at(9000), Some(at(950))), at(950));
        assert_eq!(correction.opened(at(9000), None), at(700));
    }

    proptest! {
        #[test]
        fn what_is_brought_back_keeps_its_order_behind_what_was_before(
            month in 301..5_000_000_i64,
            wrong in proptest::collection::vec(0..100_000_i64, 1..9),
        ) {
            // The clock was ahead by `month` for `length` seconds; it is right since.
            let length = wrong.iter().max().copied().unwrap_or(0);
            prop_assume!(length < month);
            let now = at(1_000_000 + length);
            let stamps: Vec<Micros> = wrong.iter().map(|s| at(1_000_000 + month + s)).collect();
            let latest = *stamps.iter().max().unwrap();
            let Some(correction) = Correction::from(latest, now) else { return Ok(()) };
            for a in &stamps {
                let back = correction.was(*a);
                prop_assert!(back <= now && back >= at(1_000_000), "{back:?}");
                for b in &stamps {
                    prop_assert!(a > b || back <= correction.was(*b));
                }
            }
            prop_assert_eq!(correction.was(latest), now);
        }
    }
}
