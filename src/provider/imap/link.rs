//! The line under a session: commands out, responses in, each write within its deadline, and what was said in
//! the wire log.

pub(super) mod deflate;
pub(super) mod proxy;
pub(super) mod readahead;
pub(super) mod stream;

use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::link::deflate::Deflated;
use crate::provider::imap::link::stream::Stream;
use crate::provider::imap::wire::frame::FrameReader;
use crate::provider::imap::wire::response::{Condition, FetchLine, Response, read};
use crate::telemetry::wire::WireLog;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::BodySink;
use postrider_core::provider::server::Timeouts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncWriteExt;

/// Octets a second that a long answer must bring to go on beyond the deadline.
pub(super) const PACE: u64 = 1024;

/// The line under a session.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    reader: FrameReader,
    timeouts: Timeouts,
    account: String,
    wire: WireLog,
    tags: u64,
}

impl Link {
    pub(super) fn new(stream: Stream, timeouts: Timeouts, account: String, wire: WireLog) -> Self {
        let reader = FrameReader::new(timeouts.silence);
        Self { stream, reader, timeouts, account, wire, tags: 0 }
    }

    pub(super) fn into_parts(self) -> (Stream, Timeouts, String, WireLog) {
        (self.stream, self.timeouts, self.account, self.wire)
    }

    pub(super) fn has_leftover(&self) -> bool {
        self.reader.has_leftover()
    }

    /// The same line, and what is said on it from here on compressed.
    pub(super) fn deflated(mut self) -> Self {
        let first = self.reader.leftover();
        Self { stream: Stream::Deflated(Box::new(Deflated::new(self.stream, first))), ..self }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Octets read so far.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reader.octets)
    }

    /// Octets so far that a question wanted.
    pub(super) fn useful(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reader.useful)
    }

    /// Whether a long answer keeps the pace that it may take longer for.
    pub(super) fn pace(&self) -> AnswerPace {
        let octets = self.useful();
        let seen = octets.load(Ordering::Relaxed);
        AnswerPace {
            octets,
            seen,
            least: PACE.saturating_mul(self.timeouts.command.as_secs().max(1)),
        }
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

    /// A command behind a tag of its own, said in the wire log. `secret`: its arguments stay out of that.
    pub(super) fn numbered(&mut self, command: &[u8], secret: bool) -> (String, Vec<u8>) {
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

    /// The next response; bodies go into `sink`. A BYE ends the session.
    pub(super) async fn receive<S: BodySink>(
        &mut self,
        sink: Option<&mut S>,
    ) -> Result<Response, Failure> {
        let frame = self.reader.frame(&mut self.stream, sink).await?;
        let response = read(&frame);
        match &response {
            Response::List { .. } | Response::Counters { .. } | Response::Fetch(_) => {
                self.reader.count_useful();
            }
            Response::Status(told) if told.status == Condition::Bye => {
                return Err(refusal(told, During::Other));
            }
            _ => {}
        }
        Ok(response)
    }
}

/// What a long answer has brought since it was looked at last.
#[derive(Debug)]
pub(super) struct AnswerPace {
    octets: Arc<AtomicU64>,
    seen: u64,
    least: u64,
}

impl AnswerPace {
    /// Whether what was asked for keeps coming; small talk does not count.
    pub(super) fn is_kept(&mut self) -> bool {
        let now = self.octets.load(Ordering::Relaxed);
        let is_kept = now - self.seen >= self.least;
        self.seen = now;
        is_kept
    }
}
