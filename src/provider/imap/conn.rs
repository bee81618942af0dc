//! The connection under a session: commands out, responses in, each within its deadline.
//!
//! Every command returns its tagged status; "empty" exists only under OK. A connection that saw an
//! error is never used again.

use crate::provider::imap::deflate::Deflated;
use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::notices::{Notices, Sought};
use crate::provider::imap::stream::Stream;
use crate::provider::imap::touched::Touched;
use crate::provider::imap::wire::frame::FrameReader;
use crate::provider::imap::wire::response::{Condition, FetchLine, Response, Told, read};
use crate::provider::sink::NoSink;
use crate::telemetry::wire::WireLog;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::BodySink;
use postrider_core::provider::folders::{Examined, Hint};
use postrider_core::provider::server::Timeouts;
use postrider_core::provider::{Proof, Tells, View};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Octets a second that a long answer must bring to go on beyond the deadline.
pub(super) const PACE: u64 = 1024;
/// Rows that a server may show beside a short answer: what happens in a mailbox meanwhile.
pub(super) const STRAY_ROWS: usize = 100_000;
/// How long a LOGOUT is waited for.
const FAREWELL: Duration = Duration::from_secs(2);

/// The folder that is open.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) remote_id: Vec<u8>,
    pub(super) examined: Examined,
    pub(super) exists: u32,
}

/// The connection under a session.
#[derive(Debug)]
pub(super) struct Conn {
    stream: Stream,
    reader: FrameReader,
    timeouts: Timeouts,
    pub(super) account: String,
    wire: WireLog,
    tags: u64,
    pub(super) capabilities: Vec<String>,
    pub(super) selected: Option<Selected>,
    /// A folder was opened on this session, refused by us or not: until the next says where its answer begins,
    /// what comes may be of the one before.
    pub(super) has_opened: bool,
    /// What was told of the open folder without being asked for.
    pub(super) unasked: Option<Hint>,
    /// Of which messages flags were told so.
    pub(super) touched: Touched,
    /// The question that is open asks for flags: lines of them are its answer.
    pub(super) asks_flags: bool,
    /// What went is told by UID (RFC 7162 §3.2.3); nothing before it was asked whether.
    pub(super) tells_uids: Option<bool>,
    /// Extensions that this server offers and is not believed in.
    pub(super) distrusted: Vec<&'static str>,
    /// How much of a folder it shows.
    pub(super) view: View,
    /// What was told of folders that are not open.
    pub(super) notices: Notices,
    /// An IDLE that is to be ended with the next command, in one write.
    pub(super) idles: Option<String>,
    /// What the question that is open asks of folders.
    pub(super) asked: Sought,
}

/// What comes in the middle of a command, or at its end.
pub(super) enum Reply {
    /// `+`: the server waits for more; here is what followed.
    More(String),
    /// The command is over.
    Over(Told),
}

impl Conn {
    pub(super) fn new(stream: Stream, timeouts: Timeouts, account: String, wire: WireLog) -> Self {
        let reader = FrameReader::new(timeouts.silence);
        Self {
            stream,
            reader,
            timeouts,
            account,
            wire,
            tags: 0,
            capabilities: Vec::new(),
            selected: None,
            has_opened: false,
            unasked: None,
            touched: Touched::default(),
            asks_flags: false,
            tells_uids: None,
            distrusted: Vec::new(),
            view: View::Whole,
            notices: Notices::default(),
            idles: None,
            asked: Sought::default(),
        }
    }

    pub(super) fn into_parts(self) -> (Stream, Timeouts, String, WireLog) {
        (self.stream, self.timeouts, self.account, self.wire)
    }

    pub(super) fn has_leftover(&self) -> bool {
        self.reader.has_leftover()
    }

    /// The same connection, and what is said on it from here on compressed.
    pub(super) fn deflated(mut self) -> Self {
        let first = self.reader.leftover();
        Self { stream: Stream::Deflated(Box::new(Deflated::new(self.stream, first))), ..self }
    }

    pub(super) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability) && !self.distrusted.contains(&capability)
    }

    /// How changes are proved on this session.
    pub(super) fn proof(&self) -> Proof {
        let tells = match (self.has("CONDSTORE"), self.has("ENABLE") && self.has("QRESYNC")) {
            (true, true) => Tells::Went,
            (true, false) => Tells::Came,
            (false, _) => Tells::Nothing,
        };
        let counted = self.counts_along() || self.counts_apart();
        Proof { counted, tells, view: self.view }
    }

    /// Octets read so far.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reader.octets)
    }

    /// Octets so far that a question wanted.
    pub(super) fn useful(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reader.useful)
    }

    /// What was told of the open folder without being asked for. A look at flags sees what came or
    /// went, too.
    pub(super) fn unheard(&mut self) -> Option<Hint> {
        let flags = (!self.touched.is_empty()).then_some(Hint::Flags);
        let counts = self.unasked.take();
        flags.or(counts)
    }

    /// Of a body that comes in pieces, this octet is awaited next.
    pub(super) fn await_octet(&mut self, at: Option<u64>) {
        self.reader.from = at;
    }

    /// The message in whose bytes the stream has ended, as far as it was told.
    pub(super) fn cut(&mut self) -> Option<FetchLine> {
        match read(&self.reader.cut()?) {
            Response::Fetch(line) => Some(line),
            _ => None,
        }
    }

    /// Waits for something to read; a dropped wait has lost nothing.
    pub(super) async fn ready(&mut self) -> Result<(), Failure> {
        self.reader.ready(&mut self.stream).await
    }

    /// Gives buffers back until the next command.
    pub(super) fn rest(&mut self) {
        self.reader.rest();
        self.stream.rest();
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(super) fn command_deadline(&self) -> Duration {
        self.timeouts.command
    }

    /// Sends a command; returns its tag. `secret`: its arguments stay out of the wire log.
    pub(super) async fn send(&mut self, command: &[u8], secret: bool) -> Result<String, Failure> {
        let (tag, line) = self.numbered(command, secret);
        self.write_behind(&line).await?;
        Ok(tag)
    }

    /// Sends commands that do not wait for each other's answers; returns their tags.
    pub(super) async fn send_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<String>, Failure> {
        let (tags, lines): (Vec<_>, Vec<_>) =
            commands.iter().map(|command| self.numbered(command, false)).unzip();
        self.write_behind(&lines.join(b"\r\n".as_slice())).await?;
        Ok(tags)
    }

    /// Writes commands behind the end of an IDLE, if there is one. What comes before that is answered belongs
    /// to it: it is heard, and no question takes it for its answer.
    async fn write_behind(&mut self, lines: &[u8]) -> Result<(), Failure> {
        let Some(idle) = self.idles.take() else { return self.write_line(lines).await };
        self.write_line(&[b"DONE\r\n", lines].concat()).await?;
        let asked = (std::mem::take(&mut self.asks_flags), std::mem::take(&mut self.asked));
        // Whether it ended well says the answer to what follows.
        self.tagged(&idle).await?;
        (self.asks_flags, self.asked) = asked;
        Ok(())
    }

    fn numbered(&mut self, command: &[u8], secret: bool) -> (String, Vec<u8>) {
        self.tags += 1;
        let tag = format!("a{}", self.tags);
        let line = [tag.as_bytes(), b" ", command].concat();
        self.wire.sent(&self.account, &line, secret);
        (tag, line)
    }

    pub(super) async fn write_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let mut line = line.to_vec();
        line.extend_from_slice(b"\r\n");
        let silence = self.timeouts.silence;
        let write = async {
            self.stream.write_all(&line).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(silence, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => {
                Err(Failure::new(Class::Network, Reach::Session, Provenance::Local, "sending")
                    .caused_by(e))
            }
            Err(_) => {
                let text = format!("the server took no octet for {} s", silence.as_secs());
                Err(Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text))
            }
        }
    }

    /// The next response, within the command's deadline, or longer while octets keep coming at a pace.
    pub(super) async fn next_patiently<S: BodySink>(
        &mut self,
        sink: &mut S,
    ) -> Result<Response, Failure> {
        let (deadline, counter) = (self.command_deadline(), self.useful());
        let mut seen = counter.load(Ordering::Relaxed);
        let mut reading = std::pin::pin!(self.next(Some(sink)));
        loop {
            if let Ok(response) = tokio::time::timeout(deadline, &mut reading).await {
                return response;
            }
            let now = counter.load(Ordering::Relaxed);
            if now - seen < PACE.saturating_mul(deadline.as_secs().max(1)) {
                let text = format!("a response took longer than {} s", deadline.as_secs());
                let (class, reach) = (Class::Timeout, Reach::Session);
                return Err(Failure::new(class, reach, Provenance::Deadline, text));
            }
            seen = now;
        }
    }

    /// The next response. A BYE ends the session.
    pub(super) async fn next<S: BodySink>(
        &mut self,
        sink: Option<&mut S>,
    ) -> Result<Response, Failure> {
        let frame = self.reader.frame(&mut self.stream, sink).await?;
        let response = read(&frame);
        match &response {
            Response::List { .. } | Response::Counters { .. } | Response::Fetch(_) => {
                self.reader.count_useful();
            }
            _ => {}
        }
        self.notices.hear(&response, &mut self.asked);
        match &response {
            Response::Status(told) if told.status == Condition::Bye => {
                return Err(refusal(told, During::Other));
            }
            Response::Capability(capabilities) => self.capabilities.clone_from(capabilities),
            Response::Exists(n) => {
                if let Some(selected) = &mut self.selected {
                    selected.exists = *n;
                    self.unasked = Some(Hint::Counts);
                }
            }
            Response::Expunge(_) => {
                if let Some(selected) = &mut self.selected {
                    selected.exists = selected.exists.saturating_sub(1);
                    self.unasked = Some(Hint::Counts);
                    self.touched.hear(&response);
                }
            }
            Response::Vanished { earlier: false, uids } => {
                if let Some(selected) = &mut self.selected {
                    let gone = u32::try_from(uids.len()).unwrap_or(u32::MAX);
                    selected.exists = selected.exists.saturating_sub(gone);
                    self.unasked = Some(Hint::Counts);
                    self.touched.hear(&response);
                }
            }
            // An answer to one of our questions names its UID; where UIDs are told of everything, it
            // tells more than flags, or was asked for them.
            Response::Fetch(line)
                if line.uid.is_none()
                    || !line.closed
                    || (!self.asks_flags && line.is_of_flags()) =>
            {
                self.unasked.get_or_insert(Hint::Flags);
                self.touched.hear(&response);
            }
            _ => {}
        }
        Ok(response)
    }

    /// Waits for `+`, or for the command's end.
    pub(super) async fn continued(&mut self, tag: &str) -> Result<Option<Told>, Failure> {
        Ok(match self.reply(tag).await? {
            Reply::More(_) => None,
            Reply::Over(told) => Some(told),
        })
    }

    /// The same, with what follows the `+`.
    pub(super) async fn reply(&mut self, tag: &str) -> Result<Reply, Failure> {
        let deadline = self.timeouts.command;
        let reading = async {
            loop {
                match self.next(None::<&mut NoSink>).await? {
                    Response::Continue(text) => return Ok(Reply::More(text)),
                    Response::Tagged(of, told) if of == tag => return Ok(Reply::Over(told)),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(deadline, reading).await.unwrap_or_else(|_| Err(too_long(deadline)))
    }

    /// Reads to the command's end, handing every response to `each`.
    pub(super) async fn until(
        &mut self,
        tag: &str,
        mut each: impl FnMut(Response),
    ) -> Result<Told, Failure> {
        let mut rows = 0_usize;
        let each = |response: Response| {
            rows += usize::from(matches!(response, Response::List { .. } | Response::Fetch(_)));
            each(response);
            rows <= STRAY_ROWS
        };
        self.until_more(tag, each).await
    }

    /// The same; `each` says whether there may be more. An answer that does not end is not read to
    /// its end.
    pub(super) async fn until_more(
        &mut self,
        tag: &str,
        each: impl FnMut(Response) -> bool,
    ) -> Result<Told, Failure> {
        self.until_into(tag, None::<&mut NoSink>, each).await
    }

    /// The same; bodies go into `sink`.
    pub(super) async fn until_into<S: BodySink>(
        &mut self,
        tag: &str,
        mut sink: Option<&mut S>,
        mut each: impl FnMut(Response) -> bool,
    ) -> Result<Told, Failure> {
        let deadline = self.timeouts.command;
        let counter = self.useful();
        let mut seen = counter.load(Ordering::Relaxed);
        let reading = async {
            loop {
                match self.next(sink.as_deref_mut()).await? {
                    Response::Tagged(of, told) if of == tag => return Ok(told),
                    other => {
                        if !each(other) {
                            return Err(endless());
                        }
                    }
                }
            }
        };
        let mut reading = std::pin::pin!(reading);
        loop {
            if let Ok(result) = tokio::time::timeout(deadline, &mut reading).await {
                return result;
            }
            // A long answer may take longer, as long as what was asked for keeps a pace; small talk
            // does not count.
            let now = counter.load(Ordering::Relaxed);
            if now - seen < PACE.saturating_mul(deadline.as_secs().max(1)) {
                return Err(too_long(deadline));
            }
            seen = now;
        }
    }

    pub(super) async fn tagged(&mut self, tag: &str) -> Result<Told, Failure> {
        self.until(tag, |_| ()).await
    }

    /// Sends a command and demands its OK.
    pub(super) async fn command(&mut self, command: &str, during: During) -> Result<Told, Failure> {
        let tag = self.send(command.as_bytes(), false).await?;
        let told = self.tagged(&tag).await?;
        if told.status == Condition::Ok { Ok(told) } else { Err(refusal(&told, during)) }
    }

    /// Says goodbye; half-open sessions count against a server's limits.
    pub(super) async fn log_out(mut self) {
        let farewell = async {
            let tag = self.send(b"LOGOUT", false).await?;
            // BYE comes before the tagged OK, and ends the reading.
            self.tagged(&tag).await.map(|_| ())
        };
        // However it ends, the connection is closed next.
        drop(tokio::time::timeout(FAREWELL, farewell).await);
    }
}

pub(super) fn endless() -> Failure {
    let text = "an answer that is larger than is kept is not read to its end";
    Failure::new(Class::InvalidData, Reach::Session, Provenance::Server, text)
}

fn too_long(deadline: Duration) -> Failure {
    let text = format!("a command took longer than {} s", deadline.as_secs());
    Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text)
}
