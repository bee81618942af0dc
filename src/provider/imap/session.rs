//! A session: one connection, one folder at a time, questions answered in their order. One that saw
//! an error is never used again.
#![expect(clippy::disallowed_methods, reason = "how long a session that is asked nothing waits")]

use crate::provider::credits::PageCredits;
use crate::provider::imap::KIND;
use crate::provider::imap::conn::Conn;
use crate::provider::imap::link::stream::ImapEndpoint;
use crate::provider::imap::login;
use crate::provider::imap::look::counted;
use crate::provider::imap::look::keys;
use crate::provider::imap::look::questions;
use crate::provider::imap::mail::handover::{Asker, HandOver};
use crate::provider::{
    Ask, Asks, Coming, Denied, Endpoint, GuardedCredential, Leash, Login, Memory, Opening, Purse,
    Session, Sink, Units, Watching,
};
use crate::telemetry::wire::WireLog;
use postrider_core::budget::{Allowance, Lane, Quota};
use postrider_core::failure::{Failure, Reach};
use postrider_core::mail::body::BodySink;
use postrider_core::provider::Capabilities;
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
use postrider_core::provider::server::Security;
use postrider_core::provider::{Answer, Request};
use postrider_core::time::Micros;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

/// Messages of a page where a day's octets are limited: it may be read past the limit by so many.
const PAGE: usize = 10;
/// Who is asked nothing for so long is waited for, mostly.
const PAUSE: Duration = Duration::from_millis(2);
/// Beyond the sum of its own deadlines, this long until a session that hangs is killed.
const GRACE: Duration = Duration::from_secs(30);

impl Endpoint for ImapEndpoint {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn patience(&self) -> Duration {
        let t = self.server.timeouts;
        t.connect * 8
            + t.greeting * 3
            + t.login
            + t.command
            + t.silence * 2
            + GRACE.min(t.silence * 2)
    }

    fn quota(&self) -> Quota {
        let day = self.server.download_per_day;
        Quota { user: Allowance { rate: None, day }, ..Quota::default() }
    }

    fn open<'a>(
        &'a self,
        credential: GuardedCredential,
        opening: Opening,
    ) -> Coming<'a, Result<Box<dyn Session>, Failure>> {
        Box::pin(async move {
            let Opening { account, wire, sinks, credits, purse, memory } = opening;
            let sink = sinks.sink();
            let username = credential.username().to_owned();
            let (secret, mark) = (credential.secret().await?, credential.mark());
            let known = self.remember_refusal(&account, &mark, memory.as_ref()).await;
            let login = Login { username, secret, mark: mark.clone() };
            let conn = match login::open(self, &login, &account, wire.clone()).await {
                Err(refused) if refused.may_be_over => {
                    let Some(secret) = credential.renewed(&login.secret).await? else {
                        return Err(refused.failure);
                    };
                    login::open(self, &Login { secret, ..login }, &account, wire).await
                }
                opened => opened,
            };
            if self.mechanisms.refused_at(&mark) != known {
                memory.note_refused_proof(&account, &mark);
            }
            let mut conn = conn.map_err(|refused| refused.failure)?;
            let leash = Leash { octets: conn.link().counter(), ..Leash::default() };
            let (hand, delivered) = (None, false);
            let credits = credits.pages;
            let session =
                ImapSession { conn, sink, hand, delivered, credits, leash, purse, memory, account };
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }

    fn probe(&self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut conn = login::greeted(self, "prober", WireLog::default()).await?;
            if self.server.security == Security::StartTls {
                conn = login::start_tls(conn, self).await?;
            }
            conn.log_out().await;
            Ok(())
        })
    }
}

impl ImapEndpoint {
    /// When a proof of this password was refused, also by an earlier process. What cannot be read is refused
    /// once more.
    async fn remember_refusal(
        &self,
        account: &str,
        mark: &str,
        memory: &dyn Memory,
    ) -> Option<Micros> {
        if self.mechanisms.refused_at(mark).is_none()
            && let Ok(Some(at)) = memory.refused_proof(account, mark).await
        {
            self.mechanisms.refused(mark, Some(at));
        }
        self.mechanisms.refused_at(mark)
    }
}

/// A logged-in session with its sink.
#[derive(Debug)]
pub(super) struct ImapSession {
    pub(super) conn: Conn,
    pub(super) sink: Sink,
    /// Answers that wait for the disk; those behind them wait with them.
    pub(super) hand: Option<HandOver>,
    /// Whether a body has come on this session.
    pub(super) delivered: bool,
    /// Pages being read, in the whole process.
    pub(super) credits: PageCredits,
    pub(super) leash: Leash,
    /// What questions are paid with.
    purse: Purse,
    /// What the account holds.
    pub(super) memory: Arc<dyn Memory>,
    /// The account's id in the config.
    pub(super) account: String,
}

impl Session for ImapSession {
    fn capabilities(&self) -> Capabilities {
        let page = self.is_metered().then_some(PAGE);
        let (push, proof, names) =
            (self.conn.has("IDLE"), self.conn.offered.proof(), self.conn.offered.names());
        Capabilities { push, page, proof, names, ..Capabilities::default() }
    }

    fn leash(&self) -> Leash {
        self.leash.clone()
    }

    fn answer<'a>(&'a mut self, request: &'a Request) -> Coming<'a, Result<Answer, Failure>> {
        Box::pin(self.answer_one(request))
    }

    fn run(
        self: Box<Self>,
        asks: Asks,
        watching: Watching,
    ) -> Coming<'static, Result<(), Failure>> {
        Box::pin(self.serve(asks, watching))
    }

    fn close(self: Box<Self>) -> Coming<'static, ()> {
        Box::pin(self.conn.log_out())
    }
}

impl ImapSession {
    /// Whether pages are read one after the other: a second one would be read past the limit, too.
    pub(super) fn is_metered(&self) -> bool {
        !self.purse.is_free()
    }

    /// Asks whether a question may be asked; what it costs is counted by the octets that come. Who
    /// waits for that hangs at nothing.
    pub(super) async fn pay(&mut self, lane: Lane) -> Result<Units, Denied> {
        self.leash.busy.store(false, Ordering::Relaxed);
        let paid = self.purse.ask(lane, 1).await;
        self.leash.busy.store(true, Ordering::Relaxed);
        paid
    }

    /// A question that is not about bodies, paid.
    async fn answer_paid(&mut self, request: &Request) -> Result<Answer, Failure> {
        match self.pay(request.lane()).await {
            Ok(_units) => self.answer_one(request).await,
            Err(Denied::Over(failure)) => Err(failure),
            Err(Denied::Later(_)) => Err(Failure::bug("a look was left for later")),
        }
    }

    async fn answer_one(&mut self, request: &Request) -> Result<Answer, Failure> {
        let Request::Folders(request) = request else {
            return Err(Failure::bug("this is not asked for one by one"));
        };
        let answer = match request {
            FolderRequest::List { counters_of, anew } => {
                questions::list(&mut self.conn, counters_of, *anew).await
            }
            FolderRequest::Examine { remote_id, since, enough, .. } => {
                let open = counted::counted_on(&mut self.conn, remote_id, *enough).await?;
                let remote_id = remote_id.clone();
                let (examined, changed, told) = match open {
                    Some((examined, rows)) => (examined, None, Some(rows)),
                    None => {
                        let (examined, changed) =
                            self.conn.examine_since(&remote_id, *since).await?;
                        (examined, changed, None)
                    }
                };
                Ok(FolderAnswer::Examined { remote_id, examined, changed, told })
            }
            FolderRequest::Newest { remote_id, uidvalidity } => {
                questions::newest(&mut self.conn, remote_id, *uidvalidity).await
            }
            FolderRequest::Index { remote_id, uidvalidity, uids } => {
                questions::index(&mut self.conn, remote_id, *uidvalidity, uids.as_ref()).await
            }
            FolderRequest::Uids { remote_id, uidvalidity } => {
                questions::uids(&mut self.conn, remote_id, *uidvalidity).await
            }
            FolderRequest::Keys { remote_id, uidvalidity, with_size } => {
                keys::keys(&mut self.conn, remote_id, *uidvalidity, *with_size).await
            }
            FolderRequest::Sizes { remote_id, uidvalidity } => {
                questions::sizes(&mut self.conn, remote_id, *uidvalidity).await
            }
            FolderRequest::Sample { remote_id, uidvalidity, uids, names } => {
                questions::sample(&mut self.conn, remote_id, *uidvalidity, uids, *names).await
            }
            FolderRequest::Fetch { .. } => Err(Failure::bug("this is not asked for one by one")),
        };
        answer.map(Answer::Folders)
    }

    async fn serve(mut self: Box<Self>, mut asks: Asks, watching: Watching) -> Result<(), Failure> {
        let mut queue = VecDeque::new();
        loop {
            if queue.is_empty() {
                self.leash.busy.store(false, Ordering::Relaxed);
                match self.next_ask(&mut asks).await {
                    Some(ask) => queue.push_back(ask),
                    None => break,
                }
            }
            let Some(mut ask) = queue.pop_front() else { continue };
            self.leash.busy.store(true, Ordering::Relaxed);
            crate::fault::hang("hang.session").await;
            if let Request::Watch(_) = &ask.request {
                if let Err(failure) = self.hand_over().await {
                    (ask.answer)(Err(failure.clone()));
                    return Err(failure);
                }
                watching(true);
                let next = self.watch(ask, &mut asks).await;
                watching(false);
                match next? {
                    Some(next) => queue.push_back(next),
                    None => break,
                }
                continue;
            }
            if ask.request.brings_mail() {
                self.fetch(ask, &mut queue, &mut asks).await?;
                continue;
            }
            if self.hand.as_ref().is_some_and(HandOver::is_idle) {
                self.sink.rest();
            }
            let result = self.answer_paid(&ask.request).await;
            let fatal = result.as_ref().err().filter(|e| e.reach != Reach::Folder).cloned();
            self.answer_behind(ask, result).await?;
            if let Some(failure) = fatal {
                self.hand_over().await?;
                return Err(failure);
            }
        }
        self.hand_over().await?;
        self.conn.log_out().await;
        Ok(())
    }

    /// The next question; `None` when none will come, or when the disk has failed. Who is asked nothing
    /// keeps no pack: another session may go on with it.
    async fn next_ask(&mut self, asks: &mut Asks) -> Option<Ask> {
        let Some(hand) = &self.hand else { return asks.recv().await };
        let mut hurries = std::pin::pin!(sleep(PAUSE));
        loop {
            tokio::select! {
                biased;
                // Who asks is told what has broken.
                ask = asks.recv() => return ask,
                _ = hand.broken() => return None,
                () = hand.reached() => break,
                // Whoever asked may wait for what it has not been told.
                () = &mut hurries, if !hurries.is_elapsed() => self.sink.hurry(),
            }
        }
        self.sink.rest();
        self.conn.link().rest();
        tokio::select! {
            ask = asks.recv() => ask,
            _ = hand.broken() => None,
        }
    }

    /// Answers behind what waits for the disk, where that may have to do with it.
    async fn answer_behind(
        &mut self,
        mut ask: Ask,
        answer: Result<Answer, Failure>,
    ) -> Result<(), Failure> {
        let about = ask.request.remote_id().filter(|_| answer.is_ok());
        let hand = match &mut self.hand {
            Some(hand) if !about.is_some_and(|folder| hand.lets_pass(folder)) => hand,
            _ => {
                (ask.answer)(answer);
                return Ok(());
            }
        };
        match hand.told(Asker::new(ask), answer).await {
            Ok(()) => Ok(()),
            Err(_) => self.hand_over().await,
        }
    }

    /// Waits until nothing waits for the disk.
    ///
    /// # Errors
    /// What has failed there; whoever waited has been told.
    async fn hand_over(&mut self) -> Result<(), Failure> {
        self.sink.hurry();
        match self.hand.take() {
            Some(hand) => hand.end().await,
            None => Ok(()),
        }
    }
}
