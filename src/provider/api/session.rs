//! A session: looks one after the other, and beside them up to eight messages at a time.
#![expect(
    clippy::disallowed_methods,
    reason = "a session's deadlines are its own: the pace of its parts"
)]

use crate::provider::api::MailApi;
use crate::provider::api::crowd::Crowd;
use crate::provider::api::doubt::is_there;
use crate::provider::api::page::MailPage;
use crate::provider::api::read::{ReadMail, ToldMail, settled, there};
use crate::provider::api::sinks::SpareSinks;
use crate::provider::credits::PageCredits;
use crate::provider::{Ask, Asks, Coming, Denied, Leash, Session, Sink, Units, Watching};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::body::BodySink;
use postrider_core::mail::id::Identity;
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::Capabilities;
use postrider_core::provider::feeds::{FeedAnswer, FeedRequest, WantedMail};
use postrider_core::provider::{Answer, Request};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// What has come is handed over as a part at the latest after this.
const PART_TIME: Duration = Duration::from_secs(2);
/// Octets of mail after which it is, too.
const PART_OCTETS: u64 = 16 * 1024 * 1024;
/// A minute's units are for so many pages, of so many messages at least.
const PAGES_A_MINUTE: u64 = 12;
const PAGE: u64 = 10;
/// After so many messages in a row that cannot be read it is asked whether others can.
const IN_A_ROW: u32 = 3;

/// Something that was waited for.
enum Landed {
    /// A page may be read.
    Credit(Option<OwnedSemaphorePermit>),
    /// A look's answer.
    Look(Result<Answer, Failure>),
    /// The units of a message, or none.
    Paid(MailWish, Result<Units, Denied>),
    /// A message.
    Mail(MailWish, Result<ReadMail, Failure>),
    /// Messages could not be read: whether the server answers about others.
    Probed(MailWish, Failure, Result<(), Failure>),
}

/// A message that is asked for.
struct MailWish {
    page: u64,
    lane: Lane,
    mail: WantedMail,
    /// For the second time.
    alone: bool,
}

/// A body in the sink.
struct WrittenMail {
    page: u64,
    id: Identity,
    told: ToldMail,
    header: HeaderFacts,
}

/// A way to one mailbox.
#[derive(Debug)]
pub(in crate::provider) struct ApiSession<A> {
    pub(in crate::provider) api: Arc<A>,
    pub(in crate::provider) sink: Sink,
    pub(in crate::provider) spare: Arc<SpareSinks>,
    pub(in crate::provider) credits: PageCredits,
    pub(in crate::provider) crowd: Arc<Crowd>,
}

impl<A: MailApi> Session for ApiSession<A> {
    fn capabilities(&self) -> Capabilities {
        // A page holds a credit of the process's while it is read: it is as long as a few seconds'
        // units.
        let page = (self.api.user() / self.api.price().max(1) / PAGES_A_MINUTE).max(PAGE);
        let page = Some(usize::try_from(page).unwrap_or(usize::MAX));
        Capabilities { page, feed: self.api.traits(), ..Capabilities::default() }
    }

    fn leash(&self) -> Leash {
        self.api.leash().clone()
    }

    fn unlisted(&self) -> usize {
        self.api.unlisted()
    }

    fn behind(&self) -> Option<String> {
        self.api.behind()
    }

    fn answer<'a>(&'a mut self, request: &'a Request) -> Coming<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            match request {
                Request::Feed(FeedRequest::Get { wanted, .. }) => {
                    let mut found = Vec::new();
                    for mail in wanted {
                        let _units = self.api.pay_look(self.api.price()).await?;
                        found.push((mail.id.clone(), self.api.look_at(mail).await?));
                    }
                    Ok(Answer::Feed(FeedAnswer::Got { found, last: true }))
                }
                request => self.api.answer(request).await,
            }
        })
    }

    fn run(
        self: Box<Self>,
        asks: Asks,
        _watching: Watching,
    ) -> Coming<'static, Result<(), Failure>> {
        Box::pin(async move { Talk::new(*self).serve(asks).await })
    }

    fn close(self: Box<Self>) -> Coming<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A session that is being asked.
struct Talk<A> {
    at: ApiSession<A>,
    waiting: FuturesUnordered<Coming<'static, Landed>>,
    looks: VecDeque<Ask>,
    look: Option<Ask>,
    pages: BTreeMap<u64, MailPage>,
    next: u64,
    /// A credit has been asked for.
    wants_credit: bool,
    /// Something is held for pages.
    holds: bool,
    /// Messages whose units are waited for, by lane.
    paying: BTreeSet<Lane>,
    /// Messages that are asked for.
    flying: usize,
    /// Bodies in the sink, in their order.
    written: Vec<WrittenMail>,
    octets: u64,
    /// When the first thing came that is not handed over.
    since: Option<Instant>,
    /// Messages in a row that could not be read.
    bad: u32,
}

impl<A: MailApi> Talk<A> {
    fn new(at: ApiSession<A>) -> Self {
        Self {
            at,
            waiting: FuturesUnordered::new(),
            looks: VecDeque::new(),
            look: None,
            pages: BTreeMap::new(),
            next: 0,
            wants_credit: false,
            holds: false,
            paying: BTreeSet::new(),
            flying: 0,
            written: Vec::new(),
            octets: 0,
            since: None,
            bad: 0,
        }
    }

    async fn serve(mut self, mut asks: Asks) -> Result<(), Failure> {
        loop {
            self.go_on();
            crate::fault::hang("hang.session").await;
            let part = self.since.map(|since| since + PART_TIME);
            let done = tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => {
                        self.take(ask);
                        continue;
                    }
                    None => return Ok(()),
                },
                Some(done) = self.waiting.next(), if !self.waiting.is_empty() => self.on(done).await,
                () = tokio::time::sleep_until(part.unwrap_or_else(Instant::now)), if part.is_some() => {
                    self.hand_over().await
                }
            };
            if let Err(failure) = done {
                return self.fail(failure).await;
            }
        }
    }

    fn take(&mut self, mut ask: Ask) {
        let Request::Feed(FeedRequest::Get { wanted, lane, .. }) = &ask.request else {
            self.looks.push_back(ask);
            return;
        };
        if let Err(full) = self.at.sink.room() {
            // This is no trouble of the session: it can still be asked what needs no room.
            (ask.answer)(Err(full));
            return;
        }
        let (wanted, lane) = (wanted.clone(), *lane);
        self.next += 1;
        self.pages.insert(self.next, MailPage::new(ask, wanted, lane));
    }

    fn wait(&mut self, done: impl Future<Output = Landed> + Send + 'static) {
        self.waiting.push(Box::pin(done));
    }

    /// Begins what may begin.
    fn go_on(&mut self) {
        if self.look.is_none()
            && let Some(ask) = self.looks.pop_front()
        {
            let (api, request) = (Arc::clone(&self.at.api), ask.request.clone());
            self.look = Some(ask);
            self.wait(async move { Landed::Look(api.answer(&request).await) });
        }
        if self.pages.is_empty() {
            // Nothing is being read: nothing is held.
            if std::mem::take(&mut self.holds) {
                self.at.spare.rest();
                self.at.sink.rest();
            }
            return;
        }
        self.want_credits();
        for lane in [Lane::Live, Lane::Backfill] {
            self.pay_next(lane);
        }
    }

    /// Each page is read on a credit of its own. Who holds one must not wait for another: further
    /// pages get what is to spare.
    fn want_credits(&mut self) {
        let mut holds = self.pages.values().any(MailPage::is_begun) || self.wants_credit;
        let mut waiting: Vec<&mut MailPage> =
            self.pages.values_mut().filter(|page| !page.is_begun()).collect();
        waiting.sort_by_key(|page| page.lane);
        let mut wants = false;
        for page in waiting {
            if !std::mem::replace(&mut holds, true) {
                wants = true;
                continue;
            }
            let Some(permit) = self.at.credits.try_take() else { break };
            page.begin(Some(permit));
            self.holds = true;
        }
        if wants {
            self.wants_credit = true;
            let credits = self.at.credits.clone();
            self.wait(async move { Landed::Credit(credits.take().await) });
        }
    }

    /// Asks for the units of the next message of a lane, one after the other.
    fn pay_next(&mut self, lane: Lane) {
        let asked = self.flying + self.paying.len();
        if self.paying.contains(&lane) || asked >= self.at.crowd.most() {
            return;
        }
        let pages = self.pages.iter_mut().filter(|(_, page)| page.lane == lane && page.is_begun());
        let next = pages.map(|(no, page)| (*no, page.next())).find(|(_, next)| next.is_some());
        let Some((page, Some((mail, alone)))) = next else { return };
        self.paying.insert(lane);
        let wish = MailWish { page, lane, mail, alone };
        let api = Arc::clone(&self.at.api);
        self.wait(async move {
            let units = api.pay(lane, api.price()).await;
            Landed::Paid(wish, units)
        });
    }

    async fn on(&mut self, done: Landed) -> Result<(), Failure> {
        match done {
            Landed::Credit(permit) => {
                self.wants_credit = false;
                let mut waiting: Vec<&mut MailPage> =
                    self.pages.values_mut().filter(|page| !page.is_begun()).collect();
                waiting.sort_by_key(|page| page.lane);
                if let Some(page) = waiting.into_iter().next() {
                    page.begin(permit);
                    self.holds = true;
                }
            }
            Landed::Look(answer) => {
                let answer = match answer {
                    Ok(answer) => answer,
                    // It is told to who asked, before it is told to the others.
                    Err(failure) => {
                        if let Some(mut ask) = self.look.take() {
                            (ask.answer)(Err(failure.clone()));
                        }
                        return Err(failure);
                    }
                };
                if let Some(mut ask) = self.look.take() {
                    (ask.answer)(Ok(answer));
                }
            }
            Landed::Paid(wish, units) => {
                self.paying.remove(&wish.lane);
                match units {
                    Ok(units) => self.read(wish, units),
                    // Nothing was asked: it is asked for later.
                    Err(Denied::Later(wait)) => {
                        if let Some(page) = self.pages.get_mut(&wish.page) {
                            page.landed();
                            page.defer(wait);
                        }
                        return self.end_page(wish.page).await;
                    }
                    Err(Denied::Over(failure)) => return Err(failure),
                }
            }
            Landed::Mail(wish, read) => {
                self.flying -= 1;
                return self.on_mail(wish, read?).await;
            }
            Landed::Probed(wish, failure, answered) => {
                self.flying -= 1;
                answered?;
                self.bad = 0;
                if wish.alone {
                    self.note(&wish, ReadMail::Bad(failure, None));
                } else if let Some(page) = self.pages.get_mut(&wish.page) {
                    page.landed();
                    page.set_aside(wish.mail);
                }
                return self.end_page(wish.page).await;
            }
        }
        Ok(())
    }

    fn read(&mut self, wish: MailWish, units: Units) {
        self.flying += 1;
        let (api, spare) = (Arc::clone(&self.at.api), Arc::clone(&self.at.spare));
        self.wait(async move {
            let found = api.read(&spare, &wish.mail, wish.alone).await;
            drop(units);
            Landed::Mail(wish, found)
        });
    }

    async fn on_mail(&mut self, wish: MailWish, read: ReadMail) -> Result<(), Failure> {
        match read {
            ReadMail::Bad(failure, came) => {
                let is_broken = failure.class == Class::Provider;
                self.bad += u32::from(is_broken && !wish.alone);
                if !wish.alone && (!is_broken || self.bad < IN_A_ROW) {
                    if let Some(page) = self.pages.get_mut(&wish.page) {
                        page.landed();
                        page.set_aside(wish.mail);
                    }
                    return self.end_page(wish.page).await;
                }
                if !is_broken {
                    self.note(&wish, ReadMail::Bad(failure, came));
                    return self.end_page(wish.page).await;
                }
                // Is it the message, or the server?
                self.flying += 1;
                let api = Arc::clone(&self.at.api);
                self.wait(async move {
                    let answered = is_there(api.as_ref(), &wish.mail, &failure).await;
                    Landed::Probed(wish, failure, answered)
                });
            }
            ReadMail::Gathered(told, bytes, header) => {
                self.bad = 0;
                self.write(wish.page, wish.mail.id.clone(), (told, header), &bytes).await?;
                return self.end_page(wish.page).await;
            }
            read => {
                self.bad = 0;
                if let ReadMail::Sealed(_, body, _) = &read {
                    self.octets += body.length();
                }
                self.note(&wish, read);
                return self.end_page(wish.page).await;
            }
        }
        Ok(())
    }

    /// What became of a message is known.
    fn note(&mut self, wish: &MailWish, read: ReadMail) {
        self.since.get_or_insert_with(Instant::now);
        if let Some(page) = self.pages.get_mut(&wish.page) {
            page.landed();
            page.found(wish.mail.id.clone(), settled(read));
        }
    }

    /// Writes a gathered body.
    async fn write(
        &mut self,
        no: u64,
        id: Identity,
        (told, header): (ToldMail, HeaderFacts),
        bytes: &[u8],
    ) -> Result<(), Failure> {
        self.since.get_or_insert_with(Instant::now);
        let Some(page) = self.pages.get_mut(&no) else { return Ok(()) };
        page.landed();
        match self.at.sink.begin(bytes.len() as u64).await {
            Ok(()) => {}
            Err(full) if full.reach == Reach::Message => {
                page.found(id, settled(ReadMail::NoRoom(full)));
                return Ok(());
            }
            Err(failure) => return Err(failure),
        }
        self.at.sink.write(bytes).await?;
        self.at.sink.finish().await?;
        self.octets += bytes.len() as u64;
        self.written.push(WrittenMail { page: no, id, told, header });
        if self.octets >= PART_OCTETS {
            return self.hand_over().await;
        }
        Ok(())
    }

    /// Makes what was written durable, and gives it to its pages.
    async fn seal(&mut self) -> Result<(), Failure> {
        let bodies = self.at.sink.seal().await?;
        let written = std::mem::take(&mut self.written);
        if bodies.len() != written.len() {
            return Err(Failure::bug("the sink sealed another number of bodies than it was given"));
        }
        for (WrittenMail { page, id, told, header }, body) in written.into_iter().zip(bodies) {
            if let Some(page) = self.pages.get_mut(&page) {
                page.found(id, there(told, Some((body, header))));
            }
        }
        Ok(())
    }

    /// Hands over what has come of each page.
    async fn hand_over(&mut self) -> Result<(), Failure> {
        (self.octets, self.since) = (0, None);
        self.seal().await?;
        for page in self.pages.values_mut() {
            page.hand_over();
        }
        Ok(())
    }

    /// Ends a page, if nothing is left of it.
    async fn end_page(&mut self, no: u64) -> Result<(), Failure> {
        if self.pages.get(&no).is_some_and(MailPage::is_over) {
            self.seal().await?;
            if let Some(page) = self.pages.remove(&no) {
                page.end();
            }
        }
        Ok(())
    }

    /// The session is over: what had come whole is handed over, the rest is told what ended it.
    async fn fail(mut self, failure: Failure) -> Result<(), Failure> {
        self.waiting.clear();
        self.at.crowd.hear(&failure);
        // Not after a deadline of our own: it may have cut the sink's work.
        if failure.class != Class::Storage && failure.provenance != Provenance::Deadline {
            // Were this to fail, the messages would be fetched again: nothing is lost.
            drop(self.hand_over().await);
        }
        // Too little room for what is coming ends the session, unlike too little room to begin.
        let ends = failure.class == Class::Storage && matches!(failure.when, When::After(_));
        let failure = if ends { failure.when(When::BackOff) } else { failure };
        for page in std::mem::take(&mut self.pages).into_values() {
            page.fail(&failure);
        }
        if let Some(mut ask) = self.look.take() {
            (ask.answer)(Err(failure.clone()));
        }
        Err(failure)
    }
}
