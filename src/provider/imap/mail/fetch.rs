//! Pages of messages: pipelined FETCHes, bodies streamed and sealed, each UID settled.
#![expect(
    clippy::disallowed_methods,
    reason = "a session's deadlines are its own: the pace of a page"
)]

use crate::provider::head::Head;
use crate::provider::imap::link::PACE;
use crate::provider::imap::mail::handover::{Asker, Cost, HandOver};
use crate::provider::imap::mail::page::{
    Active, Alone, CameSince, Parts, Reading, SET_OCTETS, is_answer, is_of, merge, read_header,
    stray, tagged,
};
use crate::provider::imap::mail::recognise::item;
use crate::provider::imap::mail::row::{Meta, Row};
use crate::provider::imap::session::ImapSession;
use crate::provider::imap::wire::response::{BodySeen, FetchLine, Response};
use crate::provider::{Ask, Asks, Denied};
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::haste::Haste;
use postrider_core::mail::body::BodySink;
use postrider_core::mail::page::Page;
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::settle::{Question, Settlement};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::FolderRequest;
use postrider_core::provider::{Answer, Request};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

fn items(names: IdentityKind) -> String {
    format!("(UID FLAGS INTERNALDATE RFC822.SIZE{} BODY.PEEK[])", item(names))
}

impl ImapSession {
    /// Fetches a page, and, pipelined behind it, the pages that are asked for meanwhile.
    ///
    /// # Errors
    /// What ended the session; the pages it met have been told.
    pub(in crate::provider::imap) async fn fetch(
        &mut self,
        first: Ask,
        queue: &mut VecDeque<Ask>,
        asks: &mut Asks,
    ) -> Result<(), Failure> {
        let hand = self.hand.take().unwrap_or_else(HandOver::begin);
        let (pages, unsealed) = (VecDeque::new(), Vec::new());
        let mut reading = Reading { pages, unsealed, hand, apart: None, keeps: false };
        queue.push_front(first);
        let read = self.read_pages(&mut reading, queue, asks).await;
        match read {
            Ok(()) => {
                self.hand = Some(reading.hand);
                Ok(())
            }
            Err(failure) => self.fail(reading, failure).await,
        }
    }

    /// Reads pages until something else is asked, or nothing.
    async fn read_pages(
        &mut self,
        reading: &mut Reading,
        queue: &mut VecDeque<Ask>,
        asks: &mut Asks,
    ) -> Result<(), Failure> {
        let (mut most, mut looks) = (1, false);
        let mut came = CameSince::begin(Instant::now());
        loop {
            if reading.pages.len() < most {
                while let Ok(ask) = asks.try_recv() {
                    queue.push_back(ask);
                }
            }
            let Some(front) = reading.pages.front() else {
                let Some(ask) = queue.pop_front_if(|ask| ask.request.brings_mail()) else {
                    return Ok(());
                };
                looks = self.open_page(ask, reading).await?;
                // Who looks first asks one thing after the other.
                most = if looks || self.is_metered() { 1 } else { 2 };
                continue;
            };
            // Behind the page that is being read, the next one's FETCH goes out at once. Without a
            // credit at hand it waits its turn: who holds one must not wait for another.
            if reading.pages.len() < most
                && front.parts.pieces.is_empty()
                && queue.front().is_some_and(|ask| is_of(&ask.request, front))
                && let Some(credit) = self.credits.try_take()
                && let Some(ask) = queue.pop_front()
            {
                self.start_page(ask, Some(credit), looks, reading).await?;
                continue;
            }
            // What comes by ranges waits until nothing else is on its way.
            let is_alone = front.parts.pieces.is_empty()
                || reading.pages.iter().all(|page| page.open.is_empty());
            if front.open.is_empty() && is_alone {
                self.settle_front(reading).await?;
                came = CameSince::begin(Instant::now());
                continue;
            }
            if came.is_enough(!reading.unsealed.is_empty(), Instant::now()) {
                self.hand_over_part(reading).await?;
                self.wait_for(asks.room(), &mut reading.pages).await;
                came = CameSince::begin(Instant::now());
            }
            if let Some(meta) = self.read_one(reading).await? {
                came.took(&meta, reading.unsealed.is_empty(), Instant::now());
                reading.unsealed.push(meta);
            }
        }
    }

    /// Reads on when the database has taken enough of what was read. Nobody takes the session for one that
    /// hangs meanwhile.
    async fn wait_for(&mut self, room: impl Future<Output = ()>, pages: &mut VecDeque<Active>) {
        self.leash.busy.store(false, Ordering::Relaxed);
        room.await;
        // The wait was ours: it is not the server's time.
        let (now, octets) = (Instant::now(), self.conn.link().useful().load(Ordering::Relaxed));
        pages.iter_mut().for_each(|page| (page.began, page.octets) = (now, octets));
        self.leash.busy.store(true, Ordering::Relaxed);
    }

    /// Starts a page while no other is being read. Says whether its messages are looked for among
    /// those that we hold.
    async fn open_page(&mut self, ask: Ask, reading: &mut Reading) -> Result<bool, Failure> {
        // Too little room is no trouble of the session: it can still be asked what needs none.
        let looks = match self.sink.room() {
            Ok(()) => self.looks_first(&ask.request).await,
            Err(full) => Err(full),
        };
        let looks = match looks {
            Ok(looks) => looks,
            Err(failure) => {
                reading.hand.told(Asker::new(ask), Err(failure)).await?;
                return Ok(false);
            }
        };
        self.leash.busy.store(false, Ordering::Relaxed);
        let credit = match self.credits.try_take() {
            Some(credit) => Some(credit),
            None => {
                // Who waits for a credit waits without a pack: it is another's who has one.
                self.sink.hurry();
                tokio::select! {
                    biased;
                    failure = reading.hand.broken() => {
                        reading.hand.told(Asker::new(ask), Err(failure)).await?;
                        return Ok(false);
                    }
                    () = reading.hand.reached() => self.sink.rest(),
                }
                self.credits.take().await
            }
        };
        self.leash.busy.store(true, Ordering::Relaxed);
        self.start_page(ask, credit, looks, reading).await?;
        Ok(looks)
    }

    /// Opens the folder and sends the FETCHes of a page. A folder's own trouble is answered, and
    /// ends nothing.
    async fn start_page(
        &mut self,
        ask: Ask,
        credit: Option<OwnedSemaphorePermit>,
        looks: bool,
        reading: &mut Reading,
    ) -> Result<(), Failure> {
        let Request::Folders(FolderRequest::Fetch {
            remote_id,
            uidvalidity,
            uids,
            estimated,
            lane,
            names,
            pieces,
            ..
        }) = ask.request.clone()
        else {
            return Err(Failure::bug("not a FETCH"));
        };
        // Whatever ends the session now is told to this page, too.
        reading.pages.push_back(Active {
            asker: Asker::new(ask),
            page: Settlement::new(uids.clone(), self.delivered),
            remote_id: remote_id.clone(),
            uidvalidity,
            estimated,
            names,
            lane,
            strays: 0,
            open: Vec::new(),
            broken: None,
            alone: None,
            began: Instant::now(),
            octets: 0,
            cost: Cost { _credit: credit, _units: None },
            parts: Parts {
                pieces: if pieces { uids.iter().collect() } else { BTreeSet::new() },
                ..Parts::default()
            },
        });
        let Some(page) = reading.pages.back_mut() else { return Ok(()) };
        let refused = match self.pay(lane).await {
            Ok(units) => {
                page.cost._units = Some(units);
                match self.ask_page(page, &uids, looks.then_some(names)).await {
                    Ok(()) => return Ok(()),
                    Err(failure) if is_answer(&failure) => Err(failure),
                    Err(failure) => return Err(failure),
                }
            }
            // Nothing was asked: it is asked for later.
            Err(Denied::Later(wait)) => Ok(Answer::Deferred(wait)),
            Err(Denied::Over(failure)) => return Err(failure),
        };
        let Some(page) = reading.pages.pop_back() else { return Ok(()) };
        reading.hand.told(page.asker, refused).await
    }

    /// Opens the folder of a page, and asks for what it lacks.
    async fn ask_page(
        &mut self,
        page: &mut Active,
        uids: &UidSet,
        looks_for: Option<IdentityKind>,
    ) -> Result<(), Failure> {
        self.conn.select(&page.remote_id, page.uidvalidity).await?;
        if let Some(names) = looks_for {
            let held = self.recognised(&page.remote_id, uids, names, page.estimated).await?;
            held.into_iter().for_each(|held| page.page.got(Row::Held(held)));
        }
        // What was refused just now is not asked for again.
        page.names = self.conn.offered.names_of(page.names);
        let kept = self.sink.kept(&self.account, &page.remote_id, page.uidvalidity.0);
        page.parts.pieces.extend(kept.iter().filter(|uid| uids.contains(**uid)));
        // What is recognised is not read: what is kept of it is of no use.
        let known: Vec<u32> =
            page.parts.pieces.iter().copied().filter(|uid| !page.page.wants(*uid)).collect();
        for uid in known {
            page.parts.pieces.remove(&uid);
            self.sink.forget(&page.beginning(&self.account, uid));
        }
        let is_whole = |uid: &u32| page.page.wants(*uid) && !page.parts.pieces.contains(uid);
        page.parts.unasked = uids.iter().filter(is_whole).collect();
        self.ask_below(page).await
    }

    /// Asks for what the page lacks in front of the next message that is read by ranges: it is
    /// handed over before that is begun.
    async fn ask_below(&mut self, page: &mut Active) -> Result<(), Failure> {
        page.parts.pieces.retain(|uid| page.page.wants(*uid));
        let next = page.parts.pieces.first().copied();
        let below = next.map(|uid| UidSet::range(1, uid.saturating_sub(1)));
        let now = below.map_or_else(
            || page.parts.unasked.clone(),
            |below| page.parts.unasked.intersect(&below),
        );
        page.parts.unasked = page.parts.unasked.minus(&now);
        let items = items(page.names);
        for set in now.chunks(SET_OCTETS) {
            let tag = self.conn.send(format!("UID FETCH {set} {items}").as_bytes(), false).await?;
            page.open.push(tag);
        }
        (page.began, page.octets) =
            (Instant::now(), self.conn.link().useful().load(Ordering::Relaxed));
        Ok(())
    }

    /// Reads one response; returns a message that came with its octets.
    async fn read_one(&mut self, reading: &mut Reading) -> Result<Option<Meta>, Failure> {
        let Reading { pages, unsealed, hand, .. } = reading;
        let deadline = self.conn.command_deadline();
        let (counter, began) = (self.conn.link().useful(), pages.front().map(|page| page.began));
        let read = tokio::select! {
            biased;
            read = self.conn.next_patiently(&mut self.sink) => read?,
            failure = hand.broken() => return Err(failure),
        };
        // Small talk does not count as an answer: a command that brings less than the pace has had
        // its time.
        if let Some(front) = pages.front_mut()
            && began.is_some_and(|began| began.elapsed() > deadline)
        {
            let octets = counter.load(Ordering::Relaxed) - front.octets;
            if octets < PACE.saturating_mul(deadline.as_secs().max(1)) {
                let text = format!("a FETCH took longer than {} s", deadline.as_secs());
                return Err(Failure::new(
                    Class::Timeout,
                    Reach::Session,
                    Provenance::Deadline,
                    text,
                ));
            }
            (front.began, front.octets) = (Instant::now(), counter.load(Ordering::Relaxed));
        }
        match read {
            Response::Fetch(line) => {
                let came = self.take_line(pages, unsealed, line).await?;
                self.delivered |= came.is_some();
                Ok(came)
            }
            Response::Tagged(tag, told) => {
                tagged(pages, &tag, &told)?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    async fn take_line(
        &mut self,
        pages: &mut VecDeque<Active>,
        unsealed: &mut [Meta],
        mut line: FetchLine,
    ) -> Result<Option<Meta>, Failure> {
        let wanted = line.uid.filter(|uid| line.closed && pages.iter().any(|p| p.page.wants(*uid)));
        // A line that does not end as it must tells nothing: its message is asked for alone.
        let Some(uid) = wanted else {
            self.sink.abandon();
            return stray(pages);
        };
        if let Some(before) = unsealed.iter_mut().find(|meta| meta.uid == uid) {
            // Its bytes are here: what this line adds is taken, bytes once more are not.
            self.sink.abandon();
            merge(&mut before.line, line);
            return stray(pages);
        }
        for page in pages.iter_mut() {
            if let Some(alone) = page.alone.as_mut().filter(|alone| alone.uid == uid) {
                alone.shown = true;
            }
        }
        let page = pages.iter_mut().find(|p| p.page.wants(uid));
        if let (None, Some(page)) = (&line.body, page) {
            // It is told in parts: what this one says is kept for the one that has the body.
            let told = page.parts.told.remove(&uid).unwrap_or_default();
            merge(&mut line, told);
            page.parts.told.insert(uid, line);
            return stray(pages);
        }
        for page in pages.iter_mut() {
            if let Some(told) = page.parts.told.remove(&uid) {
                merge(&mut line, told);
            }
        }
        // A piece that nobody asked for is not the message.
        if line.origin.is_some_and(|from| from > 0) {
            self.sink.abandon();
            return stray(pages);
        }
        let body = line.body.take();
        if let Some(BodySeen::Refused(why)) = body {
            // It is too large for what is left of the disk: a row of its own, and the others go on.
            if let Some(page) = pages.iter_mut().find(|p| p.page.wants(uid)) {
                page.page.refused(uid, why.into());
            }
            return Ok(None);
        }
        let Some((head, length)) = self.take_body(body, line.size).await? else { return Ok(None) };
        // Nothing, where the server says that there is something: it is asked for again alone.
        if length == 0 && line.size.is_some_and(|size| size > 0) {
            self.sink.abandon();
            return Ok(None);
        }
        let Some(header) = read_header(&head, uid, pages) else {
            self.sink.abandon();
            return Ok(None);
        };
        self.sink.finish().await?;
        let mut alone = pages.iter_mut().filter_map(|page| page.alone.as_mut());
        let alone = alone.find(|alone| alone.uid == uid);
        match alone {
            Some(alone) => alone.came = true,
            None if line.mended => line.flags = None,
            None => {}
        }
        Ok(Some(Meta { uid, line, length, header }))
    }

    /// A body as far as the sink has it: its head and its length; none where none has come.
    async fn take_body(
        &mut self,
        body: Option<BodySeen>,
        size: Option<u64>,
    ) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        Ok(match body {
            Some(BodySeen::Streamed { head, length }) => Some((head, length)),
            Some(BodySeen::Inline(bytes)) => {
                let mut head = Head::default();
                head.take(&bytes);
                self.sink.begin(bytes.len() as u64).await?;
                self.sink.write(&bytes).await?;
                Some((head.into_bytes(), bytes.len() as u64))
            }
            // NIL for a message of no octets is its body; for another it is none.
            Some(BodySeen::Nil) if size == Some(0) => {
                self.sink.begin(0).await?;
                Some((Vec::new(), 0))
            }
            Some(BodySeen::Nil | BodySeen::Refused(_)) | None => None,
        })
    }

    /// Begins to seal what has come, and gives each message to the page that wants it.
    async fn seal(&mut self, reading: &mut Reading) -> Result<(), Failure> {
        let Reading { pages, unsealed, hand, keeps, .. } = reading;
        if unsealed.is_empty() && !std::mem::take(keeps) {
            return Ok(());
        }
        // What is new is waited for; of the past, pages share what makes them durable.
        let is_live = pages.iter().any(|page| page.lane == Lane::Live);
        let is_late = is_live || hand.is_full() || self.credits.are_used_up();
        let haste = if is_late { Haste::Now } else { Haste::Soon };
        let sealing = self.sink.begin_seal(haste).await?;
        let mut numbers = Vec::with_capacity(unsealed.len());
        for meta in unsealed.drain(..) {
            numbers.push(None);
            let (uid, length, told) = (meta.uid, meta.length, meta.line.size);
            let Some(page) = pages.iter_mut().find(|p| p.page.wants(uid)) else { continue };
            let Some(came) = page.row_of(meta, || hand.number()) else { continue };
            if let Some(number) = numbers.last_mut() {
                *number = Some(came.number());
            }
            match told.filter(|told| *told != length) {
                None => page.page.got(Row::Came(came)),
                Some(told) if page.estimated => page.page.got(Row::Came(came.unlike(told))),
                Some(told) => page.page.suspect(Row::Came(came), told),
            }
        }
        hand.seal(sealing, numbers).await
    }

    /// Hands over what has come of the front page, if it is the next of it in order.
    pub(in crate::provider::imap) async fn hand_over_part(
        &mut self,
        reading: &mut Reading,
    ) -> Result<(), Failure> {
        self.seal(reading).await?;
        if let Some(front) = reading.pages.front_mut()
            && let Some(page) = front.page.take_part()
        {
            reading.hand.part(&front.asker, page).await?;
        }
        Ok(())
    }

    /// All FETCHes of the front page are answered: asks what is left, or answers.
    async fn settle_front(&mut self, reading: &mut Reading) -> Result<(), Failure> {
        self.seal(reading).await?;
        let Some(front) = reading.pages.front_mut() else { return Ok(()) };
        if let Some(failure) = front.broken.take() {
            let Some(page) = reading.pages.pop_front() else { return Ok(()) };
            return reading.hand.told(page.asker, Err(failure)).await;
        }
        let question = front.page.next();
        let (uid, index) = match question {
            Question::Alone(uid) if front.parts.unasked.contains(uid) => {
                return self.ask_below(front).await;
            }
            Question::Alone(uid) if front.parts.pieces.contains(&uid) => {
                self.hand_over_part(reading).await?;
                return self.settle_apart(reading, uid).await;
            }
            Question::Alone(uid) => (uid, false),
            Question::Index(uid) => (uid, true),
            Question::Settled => {
                let Some(Active { asker, page, cost, .. }) = reading.pages.pop_front() else {
                    return Ok(());
                };
                let page = page.finish();
                // "Other mail still comes" is judged by the page before.
                // A page of held mail alone says neither.
                let is_held = |page: &Page<Row>| {
                    !page.rows.is_empty() && page.failed.is_empty() && !page.brings_bytes()
                };
                if !page.as_ref().is_ok_and(is_held) {
                    self.delivered = page.as_ref().is_ok_and(Page::brings_bytes);
                }
                return match page {
                    Ok(page) => reading.hand.last(asker, page, cost).await,
                    Err(failure) => reading.hand.told(asker, Err(failure)).await,
                };
            }
        };
        let items = if index { "(UID)".to_owned() } else { items(front.names) };
        let tag = self.conn.send(format!("UID FETCH {uid} {items}").as_bytes(), false).await?;
        front.open.push(tag);
        front.began = Instant::now();
        front.alone = Some(Alone { uid, index, shown: false, came: false });
        Ok(())
    }
}
