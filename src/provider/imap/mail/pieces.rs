//! A message by ranges (RFC 3501 §6.4.5, `BODY.PEEK[]<octet.length>`): one at which sessions have
//! ended comes in pieces, and what had come before a cut is not read again.

use crate::provider::Sink;
use crate::provider::head::{Head, facts};
use crate::provider::imap::conn::{Conn, MAX_UNSOLICITED};
use crate::provider::imap::failure::{ends_session, telling};
use crate::provider::imap::mail::page::{Reading, merge, message_refusal};
use crate::provider::imap::mail::recognise::item;
use crate::provider::imap::mail::row::Meta;
use crate::provider::imap::session::ImapSession;
use crate::provider::imap::wire::response::{BodySeen, Condition, FetchLine, Response, Told};
use postrider_core::failure::{Failure, Reach};
use postrider_core::haste::Haste;
use postrider_core::mail::body::{Beginning, BodySink, Sealing};
use postrider_core::mail::page::Fragment;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Octets of a piece.
const PIECE_OCTETS: u64 = 4 * 1024 * 1024;
/// Pieces that are on their way at a time: the next is asked for while one comes. A server may answer
/// in another order than it is asked (RFC 3501 §5.5), and Dovecot does when several wait; one that
/// waits alone has its turn next.
const AHEAD: usize = 2;
/// Who brings less than this at a time, as a rule, is asked for the whole.
const LEAST_PIECE: u64 = 64 * 1024;
/// Questions that a message may take beside those.
const ROUNDS: u64 = 16;
/// Octets in front of a cut that are read again: are they others, so is the message.
const OVERLAP: usize = 1024;

/// What came of it.
enum Pieced {
    /// All of it; its bytes are in the sink.
    Came(Box<Meta>),
    /// The server does not show it, or refuses it.
    Missed(Option<Failure>),
    /// The disk has no room for it.
    Refused(String),
    /// What has come of it cannot be read.
    Unreadable(Failure, Option<Fragment>),
    /// It cannot be had by ranges here.
    Unable,
}

/// Why there are no more pieces.
enum Stop {
    /// There is nothing behind the last.
    End,
    /// Nothing is shown any more.
    Gone,
    /// What was kept is not the beginning of this message.
    Other,
    /// The server refuses ranges, or does not know them.
    Unable,
    /// There is more of it than may be taken in.
    Full(Failure),
}

/// The sink, in the middle of a body: what is begun goes on, behind what must be the same.
struct Joined<'a, 'k> {
    sink: &'a mut Sink,
    head: &'a mut Head,
    /// What must come once more.
    again: &'k [u8],
    /// It was something else.
    differs: bool,
    /// There is no room for this message: what still comes of it is heard, and thrown away.
    full: Option<Failure>,
    came: u64,
}

impl BodySink for Joined<'_, '_> {
    async fn begin(&mut self, _announced: u64) -> Result<(), Failure> {
        Ok(())
    }
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.came += bytes.len() as u64;
        let known = bytes.len().min(self.again.len());
        let (known, new) = bytes.split_at_checked(known).unwrap_or((bytes, &[]));
        let (again, rest) = self.again.split_at_checked(known.len()).unwrap_or_default();
        self.again = rest;
        self.differs |= again != known;
        if self.differs || self.full.is_some() || new.is_empty() {
            return Ok(());
        }
        self.head.take(new);
        match self.sink.write(new).await {
            Err(full) if full.reach == Reach::Message => {
                self.full = Some(full);
                Ok(())
            }
            written => written,
        }
    }
    async fn finish(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    fn abandon(&mut self) {}
    fn room(&self) -> Result<(), Failure> {
        Ok(())
    }
    fn rest(&mut self) {}
    async fn begin_seal(&mut self, _haste: Haste) -> Result<Sealing, Failure> {
        Err(Failure::bug("a seal in the middle of a body"))
    }
}

impl ImapSession {
    /// Reads a message of the front page by ranges.
    pub(in crate::provider::imap) async fn settle_apart(
        &mut self,
        reading: &mut Reading,
        uid: u32,
    ) -> Result<(), Failure> {
        let Reading { pages, unsealed, hand, apart, .. } = reading;
        let Some(front) = pages.front_mut() else { return Ok(()) };
        front.parts.pieces.remove(&uid);
        let of = front.beginning(&self.account, uid);
        // Whatever an odd line has left there is none of it.
        self.sink.abandon();
        *apart = Some(of.clone());
        let items = format!("(UID FLAGS INTERNALDATE RFC822.SIZE{})", item(front.names));
        let pieced = tokio::select! {
            biased;
            pieced = self.read_pieces(&of, &items) => pieced?,
            failure = hand.broken() => return Err(failure),
        };
        *apart = None;
        match pieced {
            Pieced::Came(meta) => {
                self.delivered = true;
                unsealed.push(*meta);
            }
            Pieced::Missed(refusal) => {
                self.sink.forget(&of);
                front.page.missed(uid, refusal);
            }
            Pieced::Refused(why) => front.page.refused(uid, why.into()),
            Pieced::Unreadable(failure, came) => front.page.unreadable(uid, failure, came),
            // It is asked for as a whole.
            Pieced::Unable => {}
        }
        Ok(())
    }

    /// Reads one message of the open folder by ranges, behind what is kept of it. Nothing else is on
    /// its way on this connection.
    ///
    /// # Errors
    /// What ended the session; what has come lies in the sink as a body that is not finished.
    async fn read_pieces(&mut self, of: &Beginning, items: &str) -> Result<Pieced, Failure> {
        let (line, told) = ask_line(&mut self.conn, of.uid, items).await?;
        if told.status != Condition::Ok {
            if let Some(failure) = telling(&told).filter(|failure| ends_session(failure.class)) {
                return Err(failure);
            }
            return Ok(Pieced::Missed(Some(message_refusal(&told))));
        }
        let Some(line) = line else { return Ok(Pieced::Missed(None)) };
        let Some(size) = line.size else { return Ok(Pieced::Unable) };
        loop {
            let (mut head, mut tail) = (Head::default(), Vec::new());
            let resumed = self
                .sink
                .resume(of, size, &mut |piece| {
                    head.take(piece);
                    tail.extend_from_slice(piece);
                    tail.drain(..tail.len().saturating_sub(OVERLAP));
                })
                .await;
            let begun = match resumed {
                Ok(Some(have)) => Ok(have),
                nothing => {
                    // Damaged, or there is no room for it twice.
                    if nothing.is_err() {
                        self.sink.abandon();
                        self.sink.forget(of);
                    }
                    (head, tail) = (Head::default(), Vec::new());
                    self.sink.begin(size).await.map(|()| 0)
                }
            };
            let have = match begun {
                Ok(have) => have,
                Err(full) if full.reach == Reach::Message => {
                    self.sink.abandon();
                    return Ok(Pieced::Refused(full.chain()));
                }
                Err(failure) => return Err(failure),
            };
            let (length, stop) = self.pieces(of.uid, size, have, &tail, &mut head).await?;
            match stop {
                // Nothing, where the server says that there is something: it is asked for as a whole.
                Stop::End if length > 0 || size == 0 => {
                    let head = head.into_bytes();
                    let header = match facts(&head) {
                        Ok(header) => header,
                        Err(failure) => {
                            self.sink.abandon();
                            self.sink.forget(of);
                            return Ok(Pieced::Unreadable(failure, Fragment::of(&head)));
                        }
                    };
                    self.sink.finish().await?;
                    let meta = Meta { uid: of.uid, line, length, header };
                    return Ok(Pieced::Came(Box::new(meta)));
                }
                _ => self.sink.abandon(),
            }
            self.sink.forget(of);
            match stop {
                Stop::Full(full) => return Ok(Pieced::Refused(full.chain())),
                Stop::Gone => return Ok(Pieced::Missed(None)),
                // Nothing is kept now: all of it is read.
                Stop::Other if have > 0 => {}
                _ => return Ok(Pieced::Unable),
            }
        }
    }

    /// Asks for pieces up to the end. Says how many octets of the message there are.
    async fn pieces(
        &mut self,
        uid: u32,
        size: u64,
        mut have: u64,
        tail: &[u8],
        head: &mut Head,
    ) -> Result<(u64, Stop), Failure> {
        let (mut again, mut ahead) = (tail, AHEAD);
        let most = size / LEAST_PIECE + ROUNDS;
        for _ in 0..most {
            let at = have - again.len() as u64;
            let (sink, head) = (&mut self.sink, &mut *head);
            let mut joined = Joined { sink, head, again, differs: false, full: None, came: 0 };
            let shown = pieces(&mut self.conn, uid, at..size, ahead, &mut joined).await?;
            let (differs, came) = (joined.differs, joined.came);
            if let Some(full) = joined.full {
                return Ok((have, Stop::Full(full)));
            }
            again = joined.again;
            have = (at + came).max(have);
            // Behind a short piece the others do not fit, nor where they come in another order.
            if shown.short || shown.strange {
                ahead = 1;
            }
            let stop = match shown {
                Ranges { refused: true, .. } | Ranges { broken: true, .. } => Stop::Unable,
                _ if differs => Stop::Other,
                // It knows no ranges: this is all of it, if it was asked for from its beginning.
                Ranges { whole: Some(length), .. } if at == 0 && came == length && came > 0 => {
                    Stop::End
                }
                Ranges { whole: Some(_), .. } => Stop::Unable,
                Ranges { short: false, .. } if came > 0 => continue,
                _ if !again.is_empty() => Stop::Other,
                // Shorter than it was asked for: the rest, where there may be more.
                Ranges { short: true, .. } if came > 0 && have != size => continue,
                Ranges { short: true, .. } => Stop::End,
                Ranges { strange: true, .. } => Stop::Unable,
                _ if have >= size => Stop::End,
                _ => Stop::Gone,
            };
            return Ok((have, stop));
        }
        // It does not come to its end.
        Ok((have, Stop::Unable))
    }
}

/// What is told of a message besides its bytes.
async fn ask_line(
    conn: &mut Conn,
    uid: u32,
    items: &str,
) -> Result<(Option<FetchLine>, Told), Failure> {
    let tag = conn.send(format!("UID FETCH {uid} {items}").as_bytes(), false).await?;
    let mut line: Option<FetchLine> = None;
    let told = conn
        .until(&tag, |response| {
            if let Response::Fetch(told) = response
                && told.closed
                && told.uid == Some(uid)
            {
                match &mut line {
                    Some(line) => merge(line, told),
                    None => line = Some(told),
                }
            }
        })
        .await?;
    Ok((line, told))
}

/// What the answers to a few ranges have shown.
#[derive(Default)]
struct Ranges {
    /// One was refused.
    refused: bool,
    /// What came last where it was awaited is shorter than it was asked for.
    short: bool,
    /// Bytes that are no range, and how many.
    whole: Option<u64>,
    /// Bytes came that no line of this message has told whole.
    broken: bool,
    /// Bytes from elsewhere.
    strange: bool,
}

impl Ranges {
    /// They were as they must be: there may be more.
    fn are_well(&self) -> bool {
        !(self.refused || self.short || self.broken || self.strange || self.whole.is_some())
    }

    /// A line with bytes, of which this octet is awaited. Says how many came from there on.
    fn hear(&mut self, line: FetchLine, awaited: u64, inline: &mut Vec<u8>) -> Option<u64> {
        let length = match (line.body, line.origin) {
            (Some(BodySeen::Inline(bytes)), Some(from)) if from == awaited => {
                inline.extend_from_slice(&bytes);
                bytes.len() as u64
            }
            (Some(BodySeen::Streamed { length, .. }), Some(from)) if from == awaited => length,
            (Some(BodySeen::Nil), Some(from)) if from == awaited => 0,
            (Some(BodySeen::Streamed { length, .. }), None) => {
                self.broken |= self.whole.replace(length).is_some();
                return None;
            }
            (_, origin) => {
                // Who knows no ranges brings all of it once more to each that was asked for.
                self.broken |= origin.is_none() && self.whole.is_none();
                self.strange |= origin.is_some();
                return None;
            }
        };
        self.short = length < PIECE_OCTETS;
        Some(length)
    }
}

/// Asks for ranges as long as they are well, so many ahead, and reads the answers. A server may
/// tell what the next one asks for before it ends the one before.
async fn pieces(
    conn: &mut Conn,
    uid: u32,
    Range { start: at, end: size }: Range<u64>,
    ahead: usize,
    into: &mut Joined<'_, '_>,
) -> Result<Ranges, Failure> {
    let (mut shown, mut rows, mut awaited) = (Ranges::default(), 0_usize, at);
    let (mut asked, mut next) = (VecDeque::new(), at);
    // Some answer what waits in an order of their own.
    let mut over: BTreeMap<String, Told> = BTreeMap::new();
    conn.link().await_octet(Some(at));
    loop {
        // All that was asked for has come, but for what is on its way.
        let whole = next == awaited + asked.len() as u64 * PIECE_OCTETS;
        let goes_on = whole && shown.are_well() && !into.differs && into.full.is_none();
        while goes_on && asked.len() < ahead && (next == at || next < size) {
            let command = format!("UID FETCH {uid} (UID BODY.PEEK[]<{next}.{PIECE_OCTETS}>)");
            asked.push_back(conn.send(command.as_bytes(), false).await?);
            next += PIECE_OCTETS;
        }
        let Some(tag) = asked.pop_front() else { break };
        let (mut inline, told) = (Vec::new(), over.remove(&tag));
        let each = |response| {
            match response {
                // What else is told of it meanwhile is no answer.
                Response::Fetch(line) => {
                    rows += 1;
                    if line.uid == Some(uid)
                        && line.closed
                        && line.has_bytes
                        && let Some(length) = shown.hear(line, awaited, &mut inline)
                    {
                        awaited += length;
                    }
                }
                Response::Tagged(of, told) if asked.contains(&of) => {
                    over.insert(of, told);
                }
                _ => {}
            }
            rows <= MAX_UNSOLICITED && inline.len() as u64 <= PIECE_OCTETS
        };
        let told = match told {
            Some(told) => told,
            None => conn.until_into(&tag, Some(&mut *into), each).await?,
        };
        if told.status != Condition::Ok {
            if let Some(failure) = telling(&told).filter(|told| ends_session(told.class)) {
                return Err(failure);
            }
            shown.refused = true;
        }
        into.write(&inline).await?;
        // Octets of another message, or of a line that does not end as it must.
        let known = shown.whole.filter(|_| awaited == 0);
        shown.broken |= at + into.came != known.unwrap_or(awaited);
        // What has come whole does not come once more.
        conn.link().await_octet(Some(if shown.whole.is_some() { u64::MAX } else { awaited }));
    }
    conn.link().await_octet(None);
    Ok(shown)
}
