//! IDLE: a session that waits for hints. Re-issued by our own deadline, so that a dead connection
//! is noticed; what was noticed is a hint, and a pass looks. Source: RFC 2177.
#![expect(
    clippy::disallowed_methods,
    reason = "a session's deadlines are its own: IDLE and its proofs of life"
)]

use crate::provider::imap::conn::Conn;
use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::hints::notify;
use crate::provider::imap::session::ImapSession;
use crate::provider::imap::wire::response::{Condition, Response, Told};
use crate::provider::sink::NoSink;
use crate::provider::{Ask, Asks};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::BodySink;
use postrider_core::mail::cursor::Mark;
use postrider_core::mail::folder::WireName;
use postrider_core::provider::watch::{Hint, Unwatched, WatchAnswer, WatchRequest};
use postrider_core::provider::{Answer, Request};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Servers may log a client out after 30 minutes of IDLE: it never lasts longer than this, whatever
/// comes meanwhile.
const IDLE_AT_MOST: Duration = Duration::from_secs(25 * 60);

/// Hints are told at most so often.
const HINT_PAUSE: Duration = Duration::from_millis(250);
/// An IDLE that the server ends sooner than this, so many times in a row, is none.
const QUICK: Duration = Duration::from_secs(5);
const QUICK_ENDS: u32 = 3;
/// Lines after which a session that is talked to lets others work.
const BREATH: u32 = 256;

/// How one IDLE ended.
enum WatchEnd {
    /// Another question came.
    Asked(Ask),
    /// Nobody asks any more.
    Closed,
    /// Somebody else needs the session.
    Retired,
    /// A hint was told, and a question mostly follows: nobody has asked.
    Hinted,
    /// Its time is over, or the server ended it: it is begun anew.
    Again,
}

impl ImapSession {
    /// Watches until another question comes, which is returned; `None` when the session is to log
    /// out.
    ///
    /// # Errors
    /// What ended the session; the watch has been told.
    pub(in crate::provider::imap) async fn watch(
        &mut self,
        mut ask: Ask,
        asks: &mut Asks,
    ) -> Result<Option<Ask>, Failure> {
        self.sink.rest();
        let ended = self.watched(&mut ask, asks).await;
        match ended {
            Ok((unwatched, next)) => {
                (ask.answer)(Ok(Answer::Watch(WatchAnswer::Unwatched(unwatched))));
                if unwatched == Unwatched::Unable && next.is_none() {
                    // It can still be asked other things.
                    return Ok(asks.recv().await);
                }
                Ok(next)
            }
            Err(failure) => {
                (ask.answer)(Err(failure.clone()));
                Err(failure)
            }
        }
    }

    async fn watched(
        &mut self,
        ask: &mut Ask,
        asks: &mut Asks,
    ) -> Result<(Unwatched, Option<Ask>), Failure> {
        let Request::Watch(WatchRequest { remote_id, seen, renew, wide }) = ask.request.clone()
        else {
            return Err(Failure::bug("not a watch"));
        };
        if !self.conn.has("IDLE") {
            return Ok((Unwatched::Unable, None));
        }
        let hint = self.since_seen(&remote_id, seen).await?;
        (ask.answer)(Ok(Answer::Watch(WatchAnswer::Hinted(hint))));
        let mut hints = Hints::default();
        let mut quick = 0;
        loop {
            if wide && notify::listen_everywhere(&mut self.conn).await? {
                (ask.answer)(Ok(Answer::Watch(WatchAnswer::Hinted(Hint::Wide))));
            }
            hints.flush(&mut self.conn, ask);
            let tag = self.conn.send(b"IDLE", false).await?;
            if let Some(told) = self.conn.continued(&tag).await? {
                let failure = refusal(&told, During::Other);
                // BAD: it offers what it has not. Any other word is about now.
                return if told.status == Condition::Bad {
                    Ok((Unwatched::Unable, None))
                } else {
                    Err(failure)
                };
            }
            // What was told before it began is told once.
            hints.waiting = hints.waiting.or(self.conn.open.take_hint());
            hints.flush(&mut self.conn, ask);
            self.conn.link().rest();
            self.leash.busy.store(false, Ordering::Relaxed);
            let began = Instant::now();
            let (mut end, over) = self.wait(&tag, ask, asks, &mut hints, renew).await?;
            self.leash.busy.store(true, Ordering::Relaxed);
            if !over {
                end = self.end(tag, end, asks, &mut hints).await?;
            }
            hints.flush(&mut self.conn, ask);
            if let WatchEnd::Again | WatchEnd::Hinted = end {
                self.conn.open.leave_unasked(None);
            }
            // An IDLE that the server ends at once, again and again, is none.
            quick = if over && began.elapsed() < QUICK { quick + 1 } else { 0 };
            if quick >= QUICK_ENDS {
                return Ok((Unwatched::Unable, None));
            }
            match end {
                WatchEnd::Asked(next) => return Ok((Unwatched::Asked, Some(next))),
                WatchEnd::Closed => return Ok((Unwatched::Asked, None)),
                WatchEnd::Retired => return Ok((Unwatched::Retired, None)),
                // That is no sign of its own: what was hinted at waits to be looked at.
                WatchEnd::Hinted => {}
                WatchEnd::Again if quick > 0 => {}
                WatchEnd::Again => {
                    (ask.answer)(Ok(Answer::Watch(WatchAnswer::Hinted(Hint::Alive))))
                }
            }
        }
    }

    /// What may have changed between the last pass and now. In the folder that is open still, the
    /// server tells all of it; in one that has to be opened anew, nobody tells what happened to
    /// flags.
    async fn since_seen(&mut self, remote_id: &WireName, seen: Mark) -> Result<Hint, Failure> {
        let open = self.conn.open.selected().filter(|selected| selected.remote_id == *remote_id);
        if let Some(selected) = open
            && (selected.examined.uidnext == seen.uidnext || selected.examined.inferred)
            && selected.exists == seen.exists
        {
            return Ok(self.conn.open.take_hint().unwrap_or(Hint::Alive));
        }
        let flags = open.is_some() && self.conn.open.has_touched();
        let examined = self.conn.examine(remote_id).await?;
        // A UIDNEXT that we had to infer falls when the newest mail goes; ours does not.
        let uidnext =
            if examined.inferred { examined.uidnext.max(seen.uidnext) } else { examined.uidnext };
        if (uidnext, examined.exists) != (seen.uidnext, seen.exists) {
            return Ok(if flags { Hint::Stale } else { Hint::Counts });
        }
        // HIGHESTMODSEQ rises with each change of a flag.
        let is_same = seen.modseq > 0 && examined.modseq == seen.modseq;
        Ok(if is_same { Hint::Alive } else { Hint::Stale })
    }

    /// Ends an IDLE that goes on; the question that follows one does so itself.
    async fn end(
        &mut self,
        tag: String,
        end: WatchEnd,
        asks: &mut Asks,
        hints: &mut Hints,
    ) -> Result<WatchEnd, Failure> {
        if let WatchEnd::Asked(_) = end {
            self.conn.idles(Some(tag));
            return Ok(end);
        }
        self.conn.write_line(b"DONE").await?;
        let told = finish(&mut self.conn, &tag, hints).await?;
        if let WatchEnd::Hinted = end {
            // Whether it ended well says the answer to the question.
            let follows = self.question(asks).await;
            hints.is_unasked = matches!(follows, WatchEnd::Hinted);
            return Ok(follows);
        }
        if told.status == Condition::Ok { Ok(end) } else { Err(refusal(&told, During::Other)) }
    }

    /// What follows a hint, behind the end of the IDLE: while the account makes ready to ask, the server has
    /// made ready to answer.
    async fn question(&mut self, asks: &mut Asks) -> WatchEnd {
        tokio::select! {
            biased;
            next = asks.recv() => next.map_or(WatchEnd::Closed, WatchEnd::Asked),
            () = self.leash.retire.notified() => WatchEnd::Retired,
            () = tokio::time::sleep(HINT_PAUSE) => WatchEnd::Hinted,
        }
    }

    /// Waits inside IDLE. Returns also whether the server has ended it already.
    async fn wait(
        &mut self,
        tag: &str,
        ask: &mut Ask,
        asks: &mut Asks,
        hints: &mut Hints,
        renew: Option<Duration>,
    ) -> Result<(WatchEnd, bool), Failure> {
        let began = Instant::now();
        let mut heard = began;
        let renewed = began + renew.unwrap_or(IDLE_AT_MOST);
        let mut lines = 0_u32;
        loop {
            let until =
                (heard + self.conn.link().timeouts().idle).min(began + IDLE_AT_MOST).min(renewed);
            let due = hints.due(&self.conn);
            tokio::select! {
                biased;
                next = asks.recv() => return Ok((next.map_or(WatchEnd::Closed, WatchEnd::Asked), false)),
                () = self.leash.retire.notified() => return Ok((WatchEnd::Retired, false)),
                () = tokio::time::sleep_until(due.unwrap_or(until)), if due.is_some() => {
                    hints.flush(&mut self.conn, ask);
                    if !hints.is_unasked {
                        return Ok((WatchEnd::Hinted, false));
                    }
                    continue;
                }
                ready = self.conn.link().ready() => ready?,
                () = tokio::time::sleep_until(until) => return Ok((WatchEnd::Again, false)),
            }
            // A server that talks without a pause does not hold a worker.
            lines = lines.wrapping_add(1);
            if lines.is_multiple_of(BREATH) {
                tokio::task::yield_now().await;
            }
            heard = Instant::now();
            let deadline = self.conn.command_deadline();
            let response =
                tokio::time::timeout(deadline, self.conn.next(None::<&mut NoSink>)).await;
            let slow = || {
                let text = format!("a line took longer than {} s", deadline.as_secs_f32());
                Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text)
            };
            match response.map_err(|_| slow())?? {
                Response::Tagged(of, told) if of == tag => {
                    return if told.status == Condition::Ok {
                        Ok((WatchEnd::Again, true))
                    } else {
                        Err(refusal(&told, During::Other))
                    };
                }
                response => {
                    if hints.notice(&response, &mut self.conn, ask) && !hints.is_unasked {
                        return Ok((WatchEnd::Hinted, false));
                    }
                }
            }
            // It tells no more of other folders: it is asked to once more.
            if self.conn.notices.is_over() && self.conn.has("NOTIFY") {
                return Ok((WatchEnd::Again, false));
            }
        }
    }
}

/// Hints that are gathered: the strongest one that was not told yet; the first at once, then at
/// most four a second.
#[derive(Default)]
struct Hints {
    waiting: Option<Hint>,
    told: Option<Instant>,
    /// Nobody has asked behind one (another session does): IDLE goes on behind the next.
    is_unasked: bool,
}

impl Hints {
    /// Keeps what a response hints at.
    fn gather(&mut self, response: &Response) {
        let hint = match response {
            Response::Exists(_) | Response::Expunge(_) | Response::Vanished { .. } => Hint::Counts,
            Response::Fetch(_) => Hint::Flags,
            // `* OK Still here`, `* 0 RECENT`: a sign of life, noticed by whoever counts octets.
            _ => return,
        };
        // A look at flags sees mail that came or went, too; not the other way round.
        if self.waiting != Some(Hint::Flags) {
            self.waiting = Some(hint);
        }
    }

    /// What a response hints at is told now, or soon. Returns whether something was told.
    fn notice(&mut self, response: &Response, conn: &mut Conn, ask: &mut Ask) -> bool {
        self.gather(response);
        self.told.is_none_or(|told| told.elapsed() >= HINT_PAUSE) && self.flush(conn, ask)
    }

    /// When what waits is to be told.
    fn due(&self, conn: &Conn) -> Option<Instant> {
        let waits = self.waiting.is_some() || conn.notices.is_news();
        self.told.filter(|_| waits).map(|told| told + HINT_PAUSE)
    }

    /// Tells what waits; whether there was something.
    fn flush(&mut self, conn: &mut Conn, ask: &mut Ask) -> bool {
        let is_news = self.waiting.is_some() || conn.notices.is_news();
        if is_news {
            self.told = Some(Instant::now());
        }
        if let Some(hint) = self.waiting.take() {
            (ask.answer)(Ok(Answer::Watch(WatchAnswer::Hinted(hint))));
        }
        conn.notices.tell(&mut *ask.answer);
        is_news
    }
}

/// Reads to the end of an IDLE that we have ended. A server that says nothing to DONE is not there
/// any more.
async fn finish(conn: &mut Conn, tag: &str, hints: &mut Hints) -> Result<Told, Failure> {
    let silence = conn.link().timeouts().silence;
    let ended =
        tokio::time::timeout(silence, conn.until(tag, |response| hints.gather(&response))).await;
    ended.map_err(|_| {
        let text =
            format!("the end of an IDLE was not answered within {} s", silence.as_secs_f32());
        Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text)
    })?
}
