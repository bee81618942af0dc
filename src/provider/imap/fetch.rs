//! Pages of messages: pipelined FETCHes, bodies streamed and sealed, each UID settled.
#![expect(
    clippy::disallowed_methods,
    reason = "a session's deadlines are its own: the pace of a page"
)]

use crate::provider::head::Head;
use crate::provider::imap::conn::{Conn, PACE};
use crate::provider::imap::page::{Active, Alone, Meta, merge, stray, tagged};
use crate::provider::imap::recognise::{item, name_of};
use crate::provider::imap::session::ImapSession;
use crate::provider::imap::wire::response::{BodySeen, FetchLine, Response};
use crate::provider::{Ask, Denied};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::body::BodySink;
use postrider_core::mail::id::Identity;
use postrider_core::mail::message::Fetched;
use postrider_core::mail::page::Page;
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::settle::{Question, Settlement};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::mime;
use postrider_core::provider::folders::{Answer, Request};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

/// Octets of UID set in a command line (RFC 7162 §6 asks for lines below 8,192).
const SET_OCTETS: usize = 4000;
/// Octets of mail after which what has come of a page is handed over as a part.
const PART_OCTETS: u64 = 16 * 1024 * 1024;

fn items(names: IdentityKind) -> String {
    format!("(UID FLAGS INTERNALDATE RFC822.SIZE{} BODY.PEEK[])", item(names))
}

/// What has come is handed over as a part at the latest after this.
const PART_TIME: Duration = Duration::from_secs(2);

impl ImapSession {
    /// Fetches a page, and, pipelined behind it, the pages of the same folder that are asked for
    /// meanwhile.
    ///
    /// # Errors
    /// What ended the session; the pages it met have been told.
    pub(super) async fn fetch(
        &mut self,
        first: Ask,
        queue: &mut VecDeque<Ask>,
        asks: &mut mpsc::UnboundedReceiver<Ask>,
    ) -> Result<(), Failure> {
        let mut pages: VecDeque<Active> = VecDeque::new();
        let mut first = first;
        if let Err(full) = self.sink.room() {
            // This is no trouble of the session: it can still be asked what needs no room.
            (first.answer)(Err(full));
            return Ok(());
        }
        let looks = match self.looks_first(&first.request).await {
            Ok(looks) => looks,
            Err(failure) => {
                (first.answer)(Err(failure));
                return Ok(());
            }
        };
        // Who looks first asks one thing after the other.
        let most = if looks || self.is_metered() { 1 } else { 2 };
        // A closed semaphore gives no credit and takes none: the process is ending.
        self.leash.busy.store(false, Ordering::Relaxed);
        let credit = Arc::clone(&self.credits).acquire_owned().await.ok();
        self.leash.busy.store(true, Ordering::Relaxed);
        let mut next = Some((first, credit));
        let mut unsealed: Vec<Meta> = Vec::new();
        let mut octets = 0_u64;
        let mut since = Instant::now();
        loop {
            // Behind the page that is being read, the next one's FETCH goes out at once.
            if next.is_none() && pages.len() < most {
                while let Ok(ask) = asks.try_recv() {
                    queue.push_back(ask);
                }
                // Without a credit at hand it waits its turn: who holds one must not wait for
                // another.
                if let (Some(ask), Some(page)) = (queue.front(), pages.front())
                    && same_folder(&ask.request, &page.ask.request)
                    && let Ok(credit) = Arc::clone(&self.credits).try_acquire_owned()
                {
                    next = queue.pop_front().map(|ask| (ask, Some(credit)));
                }
            }
            if let Some((ask, credit)) = next.take() {
                match self.start_page(ask, credit, looks).await {
                    Ok(Some(page)) => pages.push_back(page),
                    Ok(None) => {}
                    Err((mut ask, failure)) => {
                        return self.fail(&mut pages, &mut unsealed, Some(&mut ask), failure).await;
                    }
                }
                continue;
            }
            let Some(front) = pages.front() else { return Ok(()) };
            if front.open.is_empty() {
                match self.settle_front(&mut pages, &mut unsealed).await {
                    Ok(()) => (octets, since) = (0, Instant::now()),
                    Err(failure) => {
                        return self.fail(&mut pages, &mut unsealed, None, failure).await;
                    }
                }
                continue;
            }
            if octets >= PART_OCTETS || (!unsealed.is_empty() && since.elapsed() >= PART_TIME) {
                (octets, since) = (0, Instant::now());
                if let Err(failure) = self.hand_over_part(&mut pages, &mut unsealed).await {
                    return self.fail(&mut pages, &mut unsealed, None, failure).await;
                }
            }
            match self.read_one(&mut pages, &mut unsealed).await {
                Ok(Some(meta)) => {
                    if unsealed.is_empty() {
                        since = Instant::now();
                    }
                    octets += meta.length + meta.cost();
                    unsealed.push(meta);
                }
                Ok(None) => {}
                Err(failure) => return self.fail(&mut pages, &mut unsealed, None, failure).await,
            }
        }
    }

    /// Opens the folder and sends the FETCHes of a page. A folder's own trouble is answered, and
    /// ends nothing.
    async fn start_page(
        &mut self,
        mut ask: Ask,
        credit: Option<OwnedSemaphorePermit>,
        looks: bool,
    ) -> Result<Option<Active>, (Ask, Failure)> {
        let Request::Fetch { remote_id, uidvalidity, uids, estimated, lane, names, .. } =
            ask.request.clone()
        else {
            return Err((ask, Failure::bug("not a FETCH")));
        };
        let units = match self.pay(lane).await {
            Ok(units) => units,
            // Nothing was asked: it is asked for later.
            Err(Denied::Later(wait)) => {
                (ask.answer)(Ok(Answer::Deferred(wait)));
                return Ok(None);
            }
            Err(Denied::Over(failure)) => return Err((ask, failure)),
        };
        match self.conn.select(&remote_id, uidvalidity).await {
            Ok(()) => {}
            Err(failure) if failure.reach == Reach::Folder => {
                (ask.answer)(Err(failure));
                return Ok(None);
            }
            Err(failure) => return Err((ask, failure)),
        }
        let mut page = Settlement::new(uids.clone(), self.delivered);
        if looks {
            match self.recognised(&remote_id, &uids, names, estimated).await {
                Ok(held) => held.into_iter().for_each(|held| page.got(held)),
                Err(failure) if is_answer(&failure) => {
                    (ask.answer)(Err(failure));
                    return Ok(None);
                }
                Err(failure) => return Err((ask, failure)),
            }
        }
        let names = self.conn.names_of(names);
        let (mut open, items) = (Vec::new(), items(names));
        let unread: UidSet = uids.iter().filter(|uid| page.wants(*uid)).collect();
        for set in unread.chunks(SET_OCTETS) {
            match self.conn.send(format!("UID FETCH {set} {items}").as_bytes(), false).await {
                Ok(tag) => open.push(tag),
                Err(failure) => return Err((ask, failure)),
            }
        }
        let octets = self.conn.useful().load(Ordering::Relaxed);
        let (broken, alone, told, began) = (None, None, BTreeMap::new(), Instant::now());
        let strays = 0;
        Ok(Some(Active {
            ask,
            page,
            estimated,
            names,
            strays,
            open,
            broken,
            alone,
            told,
            began,
            octets,
            _credit: credit,
            _units: units,
        }))
    }

    /// Reads one response; returns a message that came with its octets.
    async fn read_one(
        &mut self,
        pages: &mut VecDeque<Active>,
        unsealed: &mut [Meta],
    ) -> Result<Option<Meta>, Failure> {
        let deadline = self.conn.command_deadline();
        let (counter, began) = (self.conn.useful(), pages.front().map(|page| page.began));
        let read = patiently(&mut self.conn, &mut self.sink).await?;
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
            let told = page.told.remove(&uid).unwrap_or_default();
            merge(&mut line, told);
            page.told.insert(uid, line);
            return stray(pages);
        }
        for page in pages.iter_mut() {
            if let Some(told) = page.told.remove(&uid) {
                merge(&mut line, told);
            }
        }
        let (head, length) = match line.body.take() {
            Some(BodySeen::Streamed { head, length }) => (head, length),
            Some(BodySeen::Inline(bytes)) => {
                let mut head = Head::default();
                head.take(&bytes);
                self.sink.begin(bytes.len() as u64).await?;
                self.sink.write(&bytes).await?;
                (head.into_bytes(), bytes.len() as u64)
            }
            // NIL for a message of no octets is its body; for another it is none.
            Some(BodySeen::Nil) if line.size == Some(0) => {
                self.sink.begin(0).await?;
                (Vec::new(), 0)
            }
            // It is too large for what is left of the disk: a row of its own, and the others go on.
            Some(BodySeen::Refused(why)) => {
                if let Some(page) = pages.iter_mut().find(|p| p.page.wants(uid)) {
                    page.page.refused(uid, why);
                }
                return Ok(None);
            }
            Some(BodySeen::Nil) | None => return Ok(None),
        };
        // Nothing, where the server says that there is something: it is asked for again alone.
        if length == 0 && line.size.is_some_and(|size| size > 0) {
            self.sink.abandon();
            return Ok(None);
        }
        self.sink.finish().await?;
        for page in pages.iter_mut() {
            if let Some(alone) = page.alone.as_mut().filter(|alone| alone.uid == uid) {
                alone.came = true;
            }
        }
        let header = mime::header_facts(&head);
        Ok(Some(Meta { uid, line, length, header }))
    }

    /// Seals what has come and gives each message to the page that wants it.
    async fn seal(
        &mut self,
        pages: &mut VecDeque<Active>,
        unsealed: &mut Vec<Meta>,
    ) -> Result<(), Failure> {
        let bodies = self.sink.seal().await?;
        let metas = std::mem::take(unsealed);
        if bodies.len() != metas.len() {
            return Err(Failure::bug("the sink sealed another number of bodies than it was given"));
        }
        for (meta, body) in metas.into_iter().zip(bodies) {
            let Meta { uid, line, header, .. } = meta;
            let Some(page) = pages.iter_mut().find(|p| p.page.wants(uid)) else { continue };
            // A message without its flags is not told yet: it is asked for again alone.
            let identity = name_of(&line, page.names);
            let Some(flags) = line.flags else { continue };
            let identity = identity.unwrap_or_else(|| Identity(format!("h:{}", body.hash())));
            let (modseq, internal_date) = (line.modseq, line.internal_date);
            let announced = line.size.filter(|size| *size != body.length());
            let fetched = Fetched {
                uid,
                identity,
                body,
                flags,
                modseq,
                internal_date,
                header,
                announced: None,
                held: false,
            };
            match announced {
                None => page.page.got(fetched),
                Some(announced) if page.estimated => {
                    page.page.got(Fetched { announced: Some(announced), ..fetched });
                }
                Some(announced) => page.page.suspect(fetched, announced),
            }
        }
        Ok(())
    }

    /// Hands over what has come of the front page, if it is the next of it in order.
    async fn hand_over_part(
        &mut self,
        pages: &mut VecDeque<Active>,
        unsealed: &mut Vec<Meta>,
    ) -> Result<(), Failure> {
        self.seal(pages, unsealed).await?;
        if let Some(front) = pages.front_mut()
            && let Some(page) = front.page.take_part()
        {
            (front.ask.answer)(Ok(Answer::Fetched { page, last: false }));
        }
        Ok(())
    }

    /// All FETCHes of the front page are answered: asks what is left, or answers.
    async fn settle_front(
        &mut self,
        pages: &mut VecDeque<Active>,
        unsealed: &mut Vec<Meta>,
    ) -> Result<(), Failure> {
        self.seal(pages, unsealed).await?;
        let Some(front) = pages.front_mut() else { return Ok(()) };
        if let Some(failure) = front.broken.take() {
            if let Some(Active { mut ask, .. }) = pages.pop_front() {
                (ask.answer)(Err(failure));
            }
            return Ok(());
        }
        let (uid, index) = match front.page.next() {
            Question::Alone(uid) => (uid, false),
            Question::Index(uid) => (uid, true),
            Question::Settled => {
                let Some(Active { mut ask, page, .. }) = pages.pop_front() else { return Ok(()) };
                let page = page.finish();
                // "Other mail still comes" is judged by the page before.
                // A page of held mail alone says neither.
                let is_held = |page: &Page| {
                    !page.rows.is_empty() && page.failed.is_empty() && !page.brings_bytes()
                };
                if !page.as_ref().is_ok_and(is_held) {
                    self.delivered = page.as_ref().is_ok_and(Page::brings_bytes);
                }
                (ask.answer)(page.map(|page| Answer::Fetched { page, last: true }));
                return Ok(());
            }
        };
        let items = if index { "(UID)".to_owned() } else { items(front.names) };
        let tag = self.conn.send(format!("UID FETCH {uid} {items}").as_bytes(), false).await?;
        front.open.push(tag);
        front.began = Instant::now();
        front.alone = Some(Alone { uid, index, shown: false, came: false });
        Ok(())
    }

    /// The session is over: what had come whole is handed over, the rest is told what ended it.
    async fn fail(
        &mut self,
        pages: &mut VecDeque<Active>,
        unsealed: &mut Vec<Meta>,
        starting: Option<&mut Ask>,
        failure: Failure,
    ) -> Result<(), Failure> {
        self.sink.abandon();
        // Not after a deadline of our own: it may have cut the sink's work, and the sink is not to
        // be used then.
        if failure.class != Class::Storage && failure.provenance != Provenance::Deadline {
            // Were this to fail, the messages would be fetched again: nothing is lost.
            drop(self.hand_over_part(pages, unsealed).await);
        }
        // Too little room for what is coming ends the session, unlike too little room to begin:
        // nobody is to ask it again.
        let ends = failure.class == Class::Storage && matches!(failure.when, When::After(_));
        let failure = if ends { failure.when(When::BackOff) } else { failure };
        for page in pages.iter_mut() {
            (page.ask.answer)(Err(failure.clone()));
        }
        if let Some(ask) = starting {
            (ask.answer)(Err(failure.clone()));
        }
        Err(failure)
    }
}

/// Whether a failure to look first ends nothing: the folder's own trouble, or our disk's.
fn is_answer(failure: &Failure) -> bool {
    failure.reach == Reach::Folder || failure.class == Class::Storage
}

fn same_folder(request: &Request, other: &Request) -> bool {
    match (request, other) {
        (
            Request::Fetch { remote_id: a, uidvalidity: v, .. },
            Request::Fetch { remote_id: b, uidvalidity: w, .. },
        ) => a == b && v == w,
        _ => false,
    }
}

/// The next response, within the command's deadline, or longer while octets keep coming at a pace.
async fn patiently<S: BodySink>(conn: &mut Conn, sink: &mut S) -> Result<Response, Failure> {
    let deadline = conn.command_deadline();
    let counter = conn.useful();
    let mut seen = counter.load(Ordering::Relaxed);
    let mut reading = std::pin::pin!(conn.next(Some(sink)));
    loop {
        if let Ok(response) = tokio::time::timeout(deadline, &mut reading).await {
            return response;
        }
        let now = counter.load(Ordering::Relaxed);
        if now - seen < PACE.saturating_mul(deadline.as_secs().max(1)) {
            let text = format!("a response took longer than {} s", deadline.as_secs());
            return Err(Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text));
        }
        seen = now;
    }
}
