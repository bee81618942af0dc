//! The EXAMINE of the next folder goes out behind the last FETCH of this one, and its index behind that
//! where it is asked for anyway: the server opens it while mail is still on its way. All speak of what is
//! open. A server with QRESYNC says where one folder ends and the next begins (CLOSED, RFC 7162 §3.2.11):
//! from others nothing is asked ahead. One that says so before the mail it was asked for has come is not
//! believed, and is asked one thing after the other from then on. A session that ends with both questions
//! out does not say at which: the folders after it are opened one by one.

use crate::provider::imap::changes::rows_of;
use crate::provider::imap::conn::{Conn, SentAhead, Unread};
use crate::provider::imap::failure::{ends_session, telling};
use crate::provider::imap::page::Reading;
use crate::provider::imap::session::ImapSession;
use crate::provider::imap::wire::quote::{Said, say};
use crate::provider::imap::wire::response::{Condition, Response};
use crate::provider::{Ask, Asks};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::id::UidValidity;
use postrider_core::provider::folders::{Request, Since};
use std::collections::VecDeque;
use std::time::Duration;

/// What an index is asked for.
pub(super) const INDEX: &str = "(UID FLAGS)";
/// A question is waited for so long, beside what a page brings.
const LISTENS: Duration = Duration::from_secs(2);

/// The EXAMINE that is asked for next, if nothing more will be asked of the page that is being read, as
/// far as can be seen.
fn next_folder(reading: &Reading, queue: &VecDeque<Ask>) -> Option<(Vec<u8>, Option<Since>, bool)> {
    let page = reading.pages.front().filter(|_| reading.pages.len() == 1)?;
    let is_last = page.pieces.is_empty() && page.unasked.is_empty() && page.alone.is_none();
    match queue.front().map(|ask| &ask.request) {
        Some(Request::Examine { remote_id, since, lists, .. })
            if is_last && !page.open.is_empty() && *remote_id != page.remote_id =>
        {
            Some((remote_id.clone(), *since, *lists))
        }
        _ => None,
    }
}

impl ImapSession {
    /// Sends the EXAMINE that is asked for next, and waits for something to read or for a question,
    /// whichever comes first; not for long, since what reads has deadlines. Says whether it is a
    /// question.
    pub(super) async fn look_ahead(
        &mut self,
        reading: &mut Reading,
        queue: &mut VecDeque<Ask>,
        asks: &mut Asks,
    ) -> Result<bool, Failure> {
        if self.conn.ahead.is_some() {
            return Ok(false);
        }
        if let Some((remote_id, since, lists)) = next_folder(reading, queue) {
            self.conn.examine_ahead(&remote_id, since, lists).await?;
        }
        if self.conn.has_leftover() {
            return Ok(false);
        }
        let patience = LISTENS.min(self.conn.timeouts().silence);
        let heard = async {
            tokio::select! {
                biased;
                ready = self.conn.ready() => ready.map(|()| None),
                Some(ask) = asks.recv() => Ok(Some(ask)),
                // Whoever reads next says so.
                _ = reading.hand.broken() => Ok(None),
            }
        };
        let heard = tokio::time::timeout(patience, heard).await.unwrap_or(Ok(None))?;
        let is_question = heard.is_some();
        queue.extend(heard);
        Ok(is_question)
    }

    /// More is to be asked of this page: its folder is opened again, if another one is by now.
    pub(super) async fn look_back(
        &mut self,
        remote_id: &[u8],
        uidvalidity: UidValidity,
    ) -> Result<(), Failure> {
        if self.conn.ahead.is_some() {
            self.conn.call_back().await?;
            self.conn.select(remote_id, uidvalidity).await?;
        }
        Ok(())
    }
}

impl Conn {
    /// Sends an EXAMINE before which nothing is to be known.
    async fn examine_ahead(
        &mut self,
        remote_id: &[u8],
        since: Option<Since>,
        lists: bool,
    ) -> Result<(), Failure> {
        let is_plain = since.is_none_or(|since| since.modseq == 0);
        if is_plain
            && self.tells_uids == Some(true)
            && self.order.is_kept()
            && let Said::Quoted(name) = say(remote_id)
        {
            let line = [b"EXAMINE ", name.as_slice(), self.keeps(None).as_bytes()].concat();
            let index = lists.then(|| format!("UID FETCH 1:* {INDEX}"));
            let lines: Vec<_> =
                std::iter::once(line).chain(index.clone().map(String::into_bytes)).collect();
            let mut tags = self.send_all(&lines).await?.into_iter();
            let tag = tags.next().unwrap_or_default();
            let behind = index.zip(tags.next()).map(|(command, tag)| Unread { command, tag });
            self.ahead = Some(SentAhead { remote_id: remote_id.to_vec(), tag, behind });
        }
        Ok(())
    }

    /// The tag of the EXAMINE that was sent ahead, if it is this one; the answer to another is read.
    pub(super) async fn sent_ahead(
        &mut self,
        remote_id: &[u8],
        since: Option<Since>,
    ) -> Result<Option<String>, Failure> {
        if self.ahead.as_ref().is_some_and(|sent| since.is_none() && sent.remote_id == remote_id) {
            let sent = self.ahead.take();
            return Ok(sent.map(|sent| {
                self.unread = sent.behind;
                sent.tag
            }));
        }
        self.call_back().await?;
        Ok(None)
    }

    /// The tag of this command, if it was sent behind the EXAMINE of the folder that is open.
    pub(super) fn sent_before(&mut self, command: &str) -> Option<String> {
        self.unread.take_if(|unread| unread.command == command).map(|unread| unread.tag)
    }

    /// Reads the answer to what was sent, and is not asked for.
    pub(super) async fn pass_over(&mut self) -> Result<(), Failure> {
        let Some(Unread { tag, .. }) = self.unread.take() else { return Ok(()) };
        let asked =
            (std::mem::replace(&mut self.asks_flags, true), std::mem::take(&mut self.asked));
        // Nothing of it is kept, and how long it may be nobody has read, mostly.
        let (mut rows, most) = (0_usize, rows_of(u32::MAX));
        let passed = self.until_more(&tag, |response| {
            rows += usize::from(matches!(response, Response::Fetch(_) | Response::List { .. }));
            rows <= most
        });
        let passed = passed.await;
        (self.asks_flags, self.asked) = asked;
        if passed.is_err() {
            self.order.ended();
        }
        passed.map(|_| ())
    }

    /// Takes what has come in front of the answer to an EXAMINE: what was sent behind it is answered first.
    pub(super) fn overtaken(&mut self, tag: &str) {
        if self.unread.take_if(|unread| unread.tag == tag).is_some() {
            self.order.broken();
        }
    }

    /// Reads the answer to what was sent ahead: no folder is open behind it.
    async fn call_back(&mut self) -> Result<(), Failure> {
        let Some(SentAhead { remote_id, tag, behind }) = self.ahead.take() else { return Ok(()) };
        self.unread = behind;
        (self.selected, self.has_opened) = (None, true);
        self.asked.opens = remote_id;
        let mut early = String::new();
        let hear = |response| {
            if let Response::Tagged(tag, _) = response {
                early = tag;
            }
        };
        let answered = self.until(&tag, hear).await;
        self.overtaken(&early);
        self.asked.opens.clear();
        if answered.is_err() {
            self.order.ended();
        }
        answered.map(|_| ())
    }

    /// While mail of the folder that is open comes, nothing may tell that another one is.
    pub(super) fn in_turn(&mut self, response: &Response) -> Result<(), Failure> {
        let Some(ahead) = &self.ahead else { return Ok(()) };
        let is_early = match response {
            Response::Tagged(tag, _) => {
                *tag == ahead.tag || ahead.behind.as_ref().is_some_and(|behind| *tag == behind.tag)
            }
            Response::Status(told) if told.status == Condition::Ok => {
                let code = told.code.as_deref().unwrap_or_default();
                let name = code.split(' ').next().unwrap_or_default();
                ["CLOSED", "UIDVALIDITY"].iter().any(|early| name.eq_ignore_ascii_case(early))
            }
            _ => false,
        };
        if !is_early {
            return Ok(());
        }
        if let Response::Tagged(_, told) = response
            && let Some(failure) = telling(told).filter(|failure| ends_session(failure.class))
        {
            return Err(failure);
        }
        self.order.broken();
        self.is_mixed = true;
        let text = "a folder was opened before the mail of the one before had come";
        Err(Failure::new(Class::InvalidData, Reach::Session, Provenance::Server, text))
    }
}
