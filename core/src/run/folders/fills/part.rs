//! The pages of a folder that are on their way, and what of it is to be asked for again.

use crate::failure::Failure;
use crate::mail::page::Suspect;
use crate::mail::page::{Again, Page};
use crate::mail::uid_set::UidSet;
use crate::run::event::Token;
use crate::run::folders::fills::first::FirstPart;
use std::collections::{BTreeMap, VecDeque};

/// Why a page is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run::folders) enum FillKind {
    Backfill,
    Arrivals,
    Retry,
}

/// What a part of a page was when it was sent to the store.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SentPart {
    pub(super) messages: u64,
    pub(super) octets: u64,
    pub(super) failed: u64,
}

/// A page on its way: from its FETCH on until it is committed or dropped.
#[derive(Debug)]
pub(super) struct Fill {
    pub(super) kind: FillKind,
    /// Every UID asked for.
    pub(super) asked: UidSet,
    /// What the page still has to settle (backfill: holes included).
    pub(super) open: UidSet,
    /// Whether the session still owes parts.
    pub(super) fetching: bool,
    /// A link before it in the chain was refused or dropped: what still comes of it is not
    /// committed.
    pub(super) dead: bool,
    /// Commits sent and not acknowledged.
    pub(super) unacked: VecDeque<SentPart>,
}

impl Fill {
    /// A page that the session is asked for.
    pub(super) fn asked(kind: FillKind, asked: UidSet, open: UidSet) -> Self {
        Self { kind, asked, open, fetching: true, dead: false, unacked: VecDeque::new() }
    }

    /// One of which all is known, and sent.
    pub(super) fn sent(kind: FillKind, asked: UidSet, open: UidSet, part: SentPart) -> Self {
        Self { kind, asked, open, fetching: false, dead: false, unacked: VecDeque::from([part]) }
    }

    /// A part of the page goes to be committed.
    ///
    /// # Errors
    /// A bug when it settles what nobody asked for, comes out of order, or ends the page without
    /// settling all of it.
    pub(super) fn take(
        &mut self,
        page: &Page,
        settled: &UidSet,
        last: bool,
    ) -> Result<(), Failure> {
        let unsettled = self.open.intersect(&self.asked).minus(settled);
        if !self.open.contains_all(settled) || (last && !unsettled.is_empty()) {
            return Err(Failure::bug("a page settled other UIDs than it was asked for"));
        }
        let reached = settled.last().unwrap_or(0);
        if !last && unsettled.first().is_some_and(|uid| uid < reached) {
            return Err(Failure::bug("a page's parts did not come in order"));
        }
        self.fetching = !last;
        let elsewhere = page.failed.iter().filter(|f| f.again == Again::Elsewhere).count();
        let failed = (page.failed.len() - elsewhere) as u64;
        let (messages, octets) = (page.rows.len() as u64, page.octets());
        self.unacked.push_back(SentPart { messages, octets, failed });
        Ok(())
    }
}

/// What is known of a folder's pages.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct FillPart {
    /// Pages on their way, by the token of their fetch.
    pub(super) pages: BTreeMap<Token, Fill>,
    /// Failures that are due for another try.
    pub(super) due: UidSet,
    /// Failures that are due and are asked for alone: the mail, or its line, ended sessions.
    pub(super) lone: UidSet,
    /// Failures that came in a burst and are not due: as soon as one of them comes, they are.
    pub(super) burst: UidSet,
    /// The rest of a burst, while one of it is tried.
    pub(super) canaries: UidSet,
    /// Messages of another length than was announced, their bytes sealed: another session is to say
    /// the same.
    pub(super) suspects: BTreeMap<u32, Suspect>,
    /// Messages in a page, where sessions have ended.
    pub(super) size: Option<usize>,
    /// A page of its newest mail was asked for before other folders were opened.
    pub(super) paged: bool,
    /// The `uidnext` that the last arrivals page sent will leave.
    pub(super) chain: u32,
    /// What comes first, because somebody asked.
    pub(super) first: FirstPart,
}

impl FillPart {
    /// What is to be tried again in this run.
    pub(in crate::run::folders) fn of_retries(due: UidSet, lone: &UidSet, burst: &UidSet) -> Self {
        Self {
            lone: due.intersect(lone),
            burst: burst.minus(&due),
            due: due.minus(lone),
            ..Self::default()
        }
    }

    /// The folder is left alone.
    pub(in crate::run::folders) fn stall(&mut self) {
        self.due = UidSet::new();
        self.lone = UidSet::new();
        self.suspects.clear();
    }

    /// Its UIDs have begun anew: what was remembered of the old ones is void.
    pub(super) fn forget_uids(&mut self) {
        self.suspects.clear();
        self.first = FirstPart::default();
        for uids in [&mut self.due, &mut self.lone, &mut self.burst, &mut self.canaries] {
            *uids = UidSet::new();
        }
    }

    /// Whether nothing is on its way.
    pub(in crate::run::folders) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub(in crate::run::folders) fn has_retries(&self) -> bool {
        !self.due.is_empty() || !self.lone.is_empty() || !self.suspects.is_empty()
    }

    /// Parts of pages that are sent and not acknowledged.
    pub(in crate::run::folders) fn sealed(&self) -> usize {
        self.pages.values().map(|fill| fill.unacked.len()).sum()
    }

    /// Messages of pages that are on their way.
    pub(in crate::run::folders) fn asked(&self) -> u64 {
        self.pages.values().map(|fill| fill.asked.len()).sum()
    }

    /// Whether a page of this fetch is on its way.
    pub(in crate::run::folders) fn has(&self, token: Token) -> bool {
        self.pages.contains_key(&token)
    }

    /// The first UID that a page has not settled.
    pub(in crate::run::folders) fn first_open(&self, token: Token) -> Option<u32> {
        let fill = self.pages.get(&token)?;
        fill.open.intersect(&fill.asked).first()
    }

    /// Whether mail that is new is on its way.
    pub(in crate::run::folders) fn arrives(&self) -> bool {
        self.pages.values().any(|fill| fill.kind == FillKind::Arrivals)
    }

    /// Whether mail that is new is still to come from the session.
    pub(in crate::run::folders) fn is_arriving(&self) -> bool {
        self.pages.values().any(|fill| fill.kind == FillKind::Arrivals && fill.fetching)
    }

    /// Whether the session owes nothing.
    pub(in crate::run::folders) fn is_here(&self) -> bool {
        self.pages.values().all(|fill| !fill.fetching)
    }

    /// The `uidnext` that the new mail on its way will leave.
    pub(in crate::run::folders) fn chain(&self) -> Option<u32> {
        self.arrives().then_some(self.chain)
    }

    /// UIDs whose page is on its way.
    pub(in crate::run::folders) fn in_flight(&self) -> UidSet {
        self.pages.values().fold(UidSet::new(), |all, fill| all.union(&fill.asked))
    }

    /// The parts of `remaining` that pages on their way will take out.
    pub(in crate::run::folders) fn claimed(&self) -> UidSet {
        let backfill = self.pages.values().filter(|f| f.kind == FillKind::Backfill);
        backfill.fold(UidSet::new(), |all, fill| all.union(&fill.open).union(&fill.asked))
    }

    /// Whether its newest page was asked for before other folders were opened.
    pub(in crate::run::folders) fn is_paged(&self) -> bool {
        self.paged
    }

    /// Messages in a page of it.
    pub(in crate::run::folders) fn size(&self, usual: usize) -> usize {
        self.size.unwrap_or(usual)
    }

    /// Suspects that can still be asked for: what was expunged meanwhile is none.
    pub(in crate::run::folders) fn open_suspects(&self, failures: &UidSet) -> u64 {
        let kept: UidSet = self.suspects.keys().copied().collect();
        kept.intersect(&self.lone).intersect(failures).len()
    }

    /// Whether a suspect waits for another session.
    pub(super) fn has_suspect_of(&self, failures: &UidSet) -> bool {
        self.lone.iter().any(|uid| self.suspects.contains_key(&uid) && failures.contains(uid))
    }

    /// Whether a failure is to be asked for again in this run, alone or with others.
    pub(in crate::run::folders) fn owes_retry(&self, failures: &UidSet) -> bool {
        !self.due.union(&self.lone).intersect(failures).is_empty()
    }

    /// Whether nothing of it is to be asked for again in this run.
    pub(in crate::run::folders) fn is_retried(&self, failures: &UidSet) -> bool {
        self.open_suspects(failures) == 0 && self.due.intersect(failures).is_empty()
    }

    /// What is over goes.
    pub(super) fn drop_settled(&mut self) {
        self.pages.retain(|_, fill| fill.fetching || !fill.unacked.is_empty());
    }

    /// A page is on its way, for tests.
    #[cfg(test)]
    pub(in crate::run::folders) fn of_page(token: Token) -> Self {
        let fill = Fill::asked(FillKind::Retry, UidSet::new(), UidSet::new());
        Self { pages: BTreeMap::from([(token, fill)]), ..Self::default() }
    }
}
