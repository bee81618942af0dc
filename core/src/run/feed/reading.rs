//! What is owed is asked for when it is due, and what came of it goes to the store.

use crate::budget::{Lane, Wait};
use crate::commit::change::feed::FeedStep;
use crate::commit::feed::rows::Owed;
use crate::failure::{Class, Failure};
use crate::mail::id::{Identity, SessionId};
use crate::provider::feeds::{FeedRequest, Got, WantedMail};
use crate::recovery::asked::ends_processes;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::event::Token;
use crate::run::feed::gets::{GetPage, PAGE_MAILS};
use crate::run::feed::lane::Stashed;
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::state::FeedWork;
use crate::run::reads::{FeedQuery, OwedWaits, Query};
use crate::run::work::{CUTS, Cut};
use std::collections::BTreeSet;
use std::time::Duration;

/// Pages of what lists showed that are asked for at a time; one of what words told beside them.
const PAGES: usize = 2;
/// Sessions that may end at one message asked for alone before it counts as one that fails.
const ENDED: u8 = 3;

/// What was wrong with a message so long ago, and is still, is no hiccup.
const LONG_AGO: Duration = Duration::from_secs(3600);

impl FeedWork {
    pub(super) fn plan_gets(&mut self, cx: &mut Cx<'_>) {
        let Some(session) = cx.session() else { return };
        // What a hint has named before the opening is not read before it: it would have no age.
        if self.rows.account.opened_at.is_none() {
            return;
        }
        let defers = cx.defers();
        if self.gets.deferred && !defers {
            self.gets.deferred = false;
            self.gets.look_again();
        }
        let careful = self.gets.size < PAGE_MAILS;
        loop {
            let asking = |lane| {
                self.gets.pages.values().filter(|page| page.asking && page.lane == lane).count()
            };
            let (live, past) = (asking(Lane::Live), asking(Lane::Backfill));
            let in_hand = self.gets.pages.len();
            if (careful && live + past > 0) || in_hand > cx.settings().pages_in_flight + 1 {
                return;
            }
            let full = match self.gets.queue.front() {
                Some(row) if row.rank.is_none() => live >= PAGES,
                Some(_) => past >= PAGES,
                None => {
                    return self.read_due(cx);
                }
            };
            if full {
                return;
            }
            let most = self.gets.size.min(cx.settings().page_messages).max(1);
            let Some((lane, rows)) = self.gets.take(session, defers, most) else { continue };
            match rows.as_slice() {
                [row] if self.gets.ends.is_left_out(&row.id) => {
                    self.leave_out(row.id.clone(), lane, session, cx);
                }
                _ => self.ask_page(lane, rows, cx),
            }
        }
    }

    fn read_due(&mut self, cx: &mut Cx<'_>) {
        if let Some(limit) = self.gets.begin_reading() {
            // What became due just now carries a stamp that may be ahead of a clock set back.
            let (at, insists) = (cx.stamp(), self.gets.insists);
            cx.read(FeedOwner::Due, Query::Feed(FeedQuery::Due { at, insists, limit }));
        }
    }

    fn ask_page(&mut self, lane: Lane, rows: Vec<Owed>, cx: &mut Cx<'_>) {
        let suspect = self.gets.is_suspect(&rows);
        let ids: BTreeSet<Identity> = rows.iter().map(|row| row.id.clone()).collect();
        let asked = cx.stamp();
        let one = |row: Owed| {
            let is_long_ago = row.failed_at.is_some_and(|at| at.plus(LONG_AGO) <= asked);
            let tried = is_long_ago && matches!(row.failure, Some((Class::InvalidData, _)));
            WantedMail { id: row.id, bytes: row.bytes, tried }
        };
        let wanted: Vec<WantedMail> = rows.into_iter().map(one).collect();
        let request = FeedRequest::Get { wanted, lane, suspect };
        let token = cx.ask_page(FeedOwner::Get, request);
        let open = ids.clone();
        let page = GetPage { lane, asked, ids, open, asking: true, unacked: 0 };
        self.gets.pages.insert(token, page);
    }

    pub(super) fn on_due(&mut self, rows: Vec<Owed>, waits: OwedWaits) {
        self.gets.found_due(rows, waits);
    }

    pub(super) fn unread_due(&mut self) {
        self.gets.unread_due();
    }

    pub(super) fn on_got(
        &mut self,
        token: Token,
        found: Vec<(Identity, Got)>,
        last: bool,
        cx: &mut Cx<'_>,
    ) {
        let Some(session) = cx.session() else { return };
        self.gets.came += found.len() as u64;
        if let Some(page) = self.gets.pages.get_mut(&token) {
            page.asking = !last;
            for (id, _) in &found {
                page.open.remove(id);
                self.gets.ends.settled(id);
            }
            if last {
                self.gets.size = (self.gets.size * 2).min(PAGE_MAILS);
            }
            page.unacked += u32::from(!found.is_empty());
        }
        if found.is_empty() {
            self.gets.end_pages();
        } else {
            self.on_got_part(token, session, found, cx);
        }
    }

    /// A part whose places are known goes to the store; else Places is asked first.
    pub(super) fn on_got_part(
        &mut self,
        token: Token,
        session: SessionId,
        found: Vec<(Identity, Got)>,
        cx: &mut Cx<'_>,
    ) {
        let places = found.iter().filter_map(|(_, got)| match got {
            Got::Found(found) => Some(&found.state.places),
            Got::Missing | Got::Failed { .. } => None,
        });
        let Some(asked) = self.gets.pages.get(&token).map(|page| page.asked) else { return };
        // In no place of ours may end a message: the place may have come since we asked last.
        if self.is_strange(places.flatten(), asked, cx) {
            self.stash.push(Stashed::Got { token, session, found });
            return;
        }
        for (_, got) in &found {
            match got {
                Got::Found(found) => {
                    cx.counts().stored += u64::from(found.bytes.is_some());
                    let octets = found.bytes.as_ref().map_or(0, |(body, _)| body.length());
                    cx.counts().octets += octets;
                }
                Got::Failed { .. } => cx.counts().failed += 1,
                Got::Missing => {}
            }
        }
        self.send(FeedOwner::Get(token), FeedStep::Got { asked, session, found }, cx);
    }

    /// The store has answered a part of a page.
    pub(super) fn on_got_stored(&mut self, token: Token) {
        if let Some(page) = self.gets.pages.get_mut(&token) {
            page.unacked = page.unacked.saturating_sub(1);
        }
        self.gets.end_pages();
    }

    /// There is no budget for what lists showed before then.
    pub(super) fn defer_page(&mut self, token: Token, wait: Wait, cx: &mut Cx<'_>) {
        cx.defer(wait);
        if let Some(page) = self.gets.pages.get_mut(&token) {
            page.asking = false;
            page.open.clear();
        }
        self.gets.deferred = true;
        self.gets.end_pages();
    }

    /// The session has ended. A message that is asked for alone and ends three of them is one
    /// that fails.
    pub(super) fn note_cut(&mut self, failure: &Failure, cx: &mut Cx<'_>) -> Cut {
        let blamed = matches!(failure.class, Class::Network | Class::Timeout);
        let open: Vec<&GetPage> = self.gets.pages.values().filter(|page| page.asking).collect();
        let ids: BTreeSet<Identity> =
            open.iter().flat_map(|page| page.open.iter()).cloned().collect();
        if !blamed || ids.is_empty() {
            return Cut::Unnoted;
        }
        self.gets.cuts += 1;
        self.gets.size = (ids.len() / 2).clamp(1, PAGE_MAILS / 2);
        let (1, Some(id), Some(session)) = (ids.len(), ids.first(), cx.session()) else {
            return if self.gets.cuts >= CUTS { Cut::Enough { worked: false } } else { Cut::Noted };
        };
        let times = self.gets.ends.sessions.entry(id.clone()).or_default();
        *times += 1;
        if *times >= ENDED {
            self.fail(id.clone(), failure, session, cx);
        }
        if self.gets.cuts >= CUTS { Cut::Enough { worked: true } } else { Cut::AtOneThing }
    }

    /// A message is not asked for, since processes end at it. Until that is stored it is on its way, as it were: the
    /// rows still say that it is due.
    fn leave_out(&mut self, id: Identity, lane: Lane, session: SessionId, cx: &mut Cx<'_>) {
        let (token, asked, failure) = (cx.token(), cx.stamp(), ends_processes());
        let (ids, open) = (BTreeSet::from([id.clone()]), BTreeSet::new());
        let page = GetPage { lane, asked, ids, open, asking: false, unacked: 1 };
        self.gets.pages.insert(token, page);
        self.gets.ends.settled(&id);
        cx.counts().failed += 1;
        let found =
            vec![(id, Got::Failed { class: failure.class, text: failure.text, came: None })];
        self.send(FeedOwner::Get(token), FeedStep::Got { asked, session, found }, cx);
    }

    /// A message will not come: it is one that fails.
    fn fail(&mut self, id: Identity, failure: &Failure, session: SessionId, cx: &mut Cx<'_>) {
        self.gets.ends.settled(&id);
        let got = Got::Failed { class: failure.class, text: failure.chain().into(), came: None };
        let asked = cx.stamp();
        cx.counts().failed += 1;
        self.send(FeedOwner::Nobody, FeedStep::Got { asked, session, found: vec![(id, got)] }, cx);
    }
}
