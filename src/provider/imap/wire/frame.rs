//! The framer: cuts the stream into responses. A body literal is streamed into the sink, another
//! one is kept if it is small, and skipped if it is not.

use crate::provider::head::Head;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::BodySink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Octets read at a time.
const BUFFER: usize = 64 * 1024;
/// The buffer of a session that only waits.
const RESTING: usize = 1024;
/// A response's text (without literals) beyond this is skipped.
const TEXT_LIMIT: usize = 1024 * 1024;
/// A literal that is no body beyond this is skipped.
const LITERAL_LIMIT: u64 = 64 * 1024;
/// Who announces a literal that is longer, and not wanted, is not listened to until its end: the session
/// ends. Mail of that length comes by ranges, once sessions have ended at it.
const SKIPPED: u64 = 1 << 30;
/// Of a line that is too long, its end.
const KEPT: usize = 64;
/// Pieces of one response beyond this end the session.
const PARTS: usize = 4096;

/// A piece of a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Text between literals, without line ends.
    Text(Vec<u8>),
    /// A small literal.
    Literal(Vec<u8>),
    /// The body literal: its bytes are in the sink, its beginning is here.
    Body {
        /// The beginning, at most `HEADER_LIMIT` octets, up to the end of the header.
        head: Vec<u8>,
        /// Its length.
        length: u64,
    },
    /// A literal that was skipped.
    Skipped,
    /// The body literal, which the sink refused for this reason: it was skipped.
    Refused(String),
}

/// A response. `truncated` when its text was too long: then it is not to be interpreted.
#[derive(Debug, Default)]
pub struct Frame {
    /// The pieces.
    pub parts: Vec<Part>,
    /// Whether text was thrown away.
    pub truncated: bool,
}

/// Reads frames. An error leaves the stream unusable.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
    silence: Duration,
    /// Octets read so far.
    pub octets: Arc<AtomicU64>,
    /// Octets that a question wants: of bodies, and of the lines that [`FrameReader::count_useful`]
    /// names.
    pub useful: Arc<AtomicU64>,
    /// Octets of the last frame's lines.
    last: u64,
    /// Of a body that comes in pieces, the octet that is awaited next; it moves with what comes.
    pub from: Option<u64>,
    /// What is here of the frame that is being read.
    frame: Frame,
}

fn broken(text: &str) -> Failure {
    Failure::new(Class::Network, Reach::Session, Provenance::Local, text)
}

impl FrameReader {
    /// A reader that gives up when no octet comes for `silence`.
    #[must_use]
    pub fn new(silence: Duration) -> Self {
        Self {
            buffer: Vec::with_capacity(BUFFER),
            start: 0,
            silence,
            octets: Arc::default(),
            useful: Arc::default(),
            last: 0,
            from: None,
            frame: Frame::default(),
        }
    }

    /// Whether octets wait that no frame has taken: none may survive a STARTTLS handshake.
    #[must_use]
    pub fn has_leftover(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// What waits that no frame has taken, for whoever reads it otherwise.
    pub fn leftover(&mut self) -> Vec<u8> {
        let rest = self.waiting().to_vec();
        self.start = self.buffer.len();
        rest
    }

    /// The last frame was what a question wants: its octets may extend a deadline, as small talk
    /// never does.
    pub fn count_useful(&mut self) {
        self.useful.fetch_add(std::mem::take(&mut self.last), Ordering::Relaxed);
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Waits until there is something to read, for however long that takes.
    ///
    /// # Errors
    /// Network, when the stream ends.
    ///
    /// # Cancel safety
    /// A dropped wait has lost nothing.
    pub async fn ready(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<(), Failure> {
        if self.has_leftover() {
            return Ok(());
        }
        self.buffer.clear();
        self.start = 0;
        self.buffer.reserve(RESTING);
        match stream.read_buf(&mut self.buffer).await {
            Err(e) => Err(broken("reading").caused_by(e)),
            Ok(0) => Err(broken("the server closed the connection")),
            Ok(n) => {
                self.octets.fetch_add(n as u64, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Gives the buffer back: who only waits needs little of it.
    pub fn rest(&mut self) {
        if !self.has_leftover() {
            self.buffer = Vec::with_capacity(RESTING);
            self.start = 0;
        }
    }

    async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<(), Failure> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > BUFFER / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(BUFFER);
        let read = tokio::time::timeout(self.silence, stream.read_buf(&mut self.buffer)).await;
        match read {
            Err(_) => {
                let text = format!("no octet came for {} s", self.silence.as_secs_f32());
                Err(Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text))
            }
            Ok(Err(e)) => Err(broken("reading").caused_by(e)),
            Ok(Ok(0)) => Err(broken("the server closed the connection")),
            Ok(Ok(n)) => {
                self.octets.fetch_add(n as u64, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Takes text up to the end of the line into `text`, without it; returns whether some was
    /// thrown away.
    async fn line(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        text: &mut Vec<u8>,
        room: usize,
    ) -> Result<bool, Failure> {
        let mut truncated = false;
        loop {
            let waiting = self.waiting();
            let end = waiting.iter().position(|b| *b == b'\n');
            let take = waiting.get(..end.unwrap_or(waiting.len())).unwrap_or_default();
            if text.len() + take.len() > room {
                truncated = true;
                // The end of a line may announce a literal: that much is always kept, however the
                // line was cut into pieces.
                text.extend_from_slice(
                    take.get(take.len().saturating_sub(KEPT)..).unwrap_or_default(),
                );
                let cut = text.len().saturating_sub(KEPT);
                text.drain(..cut);
            } else {
                text.extend_from_slice(take);
            }
            self.start += take.len();
            if end.is_some() {
                self.start += 1;
                if text.last() == Some(&b'\r') {
                    text.pop();
                }
                return Ok(truncated);
            }
            self.fill(stream).await?;
        }
    }

    /// The response in whose body the stream has ended, as far as it came.
    pub fn cut(&mut self) -> Option<Frame> {
        let mut frame = std::mem::take(&mut self.frame);
        let Some(Part::Text(text)) = frame.parts.last() else { return None };
        if frame.truncated || origin(text) != Some(self.from.unwrap_or(0)) {
            return None;
        }
        frame.parts.push(Part::Body { head: Vec::new(), length: 0 });
        frame.parts.push(Part::Text(b")".to_vec()));
        Some(frame)
    }

    /// Reads the next response. Body literals (of `BODY[]`, from the octet that is awaited) go into
    /// `sink`; others, or without one, are skipped.
    ///
    /// # Errors
    /// Network, timeout (reach session): the stream is unusable. Storage: the sink refused.
    ///
    /// # Cancel safety
    /// None: a dropped read leaves the stream unusable.
    pub async fn frame<S: BodySink>(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        mut sink: Option<&mut S>,
    ) -> Result<Frame, Failure> {
        self.frame = Frame::default();
        let mut used = 0;
        let mut has_body = false;
        loop {
            let mut text = Vec::new();
            let truncated = self.line(stream, &mut text, TEXT_LIMIT.saturating_sub(used)).await?;
            let frame = &mut self.frame;
            frame.truncated |= truncated;
            used += text.len();
            self.last = if frame.parts.is_empty() { 0 } else { self.last } + text.len() as u64;
            // Every part costs memory, also an empty one.
            if frame.parts.len() > PARTS {
                return Err(broken("a response of too many literals"));
            }
            let literal =
                if frame.parts.is_empty() && is_status(&text) { None } else { announced(&text)? };
            let Some((length, marker)) = literal else {
                frame.parts.push(Part::Text(text));
                return Ok(std::mem::take(frame));
            };
            text.truncate(text.len() - marker);
            let body = !has_body && origin(&text) == Some(self.from.unwrap_or(0));
            frame.parts.push(Part::Text(text));
            used += 16;
            let part = match (&mut sink, body) {
                (Some(sink), true) => {
                    has_body = true;
                    self.stream_body(stream, length, *sink).await?
                }
                _ if length <= LITERAL_LIMIT && used < TEXT_LIMIT => {
                    used += usize::try_from(length).unwrap_or(TEXT_LIMIT);
                    self.literal(stream, length).await?
                }
                _ => {
                    self.skip(stream, length).await?;
                    Part::Skipped
                }
            };
            self.frame.parts.push(part);
        }
    }

    async fn literal(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        length: u64,
    ) -> Result<Part, Failure> {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(left);
        while left > 0 {
            let take = self.waiting().get(..left.min(self.waiting().len())).unwrap_or_default();
            bytes.extend_from_slice(take);
            let n = take.len();
            self.start += n;
            left -= n;
            if left > 0 {
                self.fill(stream).await?;
            }
        }
        Ok(Part::Literal(bytes))
    }

    async fn skip(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        length: u64,
    ) -> Result<(), Failure> {
        if length > SKIPPED {
            return Err(broken("a literal was announced that is longer than any mail"));
        }
        let mut left = length;
        while left > 0 {
            let n = self.waiting().len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.start += n;
            left -= n as u64;
            self.useful.fetch_add(n as u64, Ordering::Relaxed);
            if left > 0 {
                self.fill(stream).await?;
            }
        }
        Ok(())
    }

    async fn stream_body<S: BodySink>(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        length: u64,
        sink: &mut S,
    ) -> Result<Part, Failure> {
        match sink.begin(length).await {
            Ok(()) => {}
            // This message alone: the session goes on behind it.
            Err(failure) if failure.reach == Reach::Message => {
                self.skip(stream, length).await?;
                return Ok(Part::Refused(failure.chain()));
            }
            Err(failure) => return Err(failure),
        }
        let mut head = Head::default();
        let mut left = length;
        while left > 0 {
            if self.start == self.buffer.len() {
                self.fill(stream).await?;
            }
            let n = self.waiting().len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = self.buffer.get(self.start..self.start + n).unwrap_or_default();
            sink.write(piece).await?;
            head.take(piece);
            self.start += n;
            left -= n as u64;
            self.useful.fetch_add(n as u64, Ordering::Relaxed);
        }
        self.from = self.from.map(|from| from + length);
        Ok(Part::Body { head: head.into_bytes(), length })
    }
}

/// The literal that a line announces at its end (`{n}`, `{n+}`, `~{n}`), and how long the
/// announcement is.
fn announced(text: &[u8]) -> Result<Option<(u64, usize)>, Failure> {
    let Some(inner) = text.strip_suffix(b"}") else { return Ok(None) };
    let Some(open) = inner.iter().rposition(|b| *b == b'{') else { return Ok(None) };
    let digits = inner.get(open + 1..).unwrap_or_default();
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let length = std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok());
    let Some(length) = length else {
        return Err(broken("a literal of an impossible length was announced"));
    };
    let marker = text.len() - open;
    let tilde = usize::from(open > 0 && text.get(open - 1) == Some(&b'~'));
    Ok(Some((length, marker + tilde)))
}

/// Whether a line is a status response: its text is for people, and announces nothing.
fn is_status(text: &[u8]) -> bool {
    let word = text.split(|b| *b == b' ').nth(1).unwrap_or_default();
    [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"]
        .iter()
        .any(|status| word.eq_ignore_ascii_case(status))
}

/// From which octet of the message the literal behind this text begins: `BODY[]`, `BODY[]<0>`; some
/// servers repeat the length, too (`BODY[]<0.100>`).
fn origin(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_end();
    let (name, range) = match text.strip_suffix(b">") {
        Some(inner) => inner.split_at(inner.iter().rposition(|b| *b == b'<')?),
        None => (text, &b"<0"[..]),
    };
    let is_body = name
        .get(name.len().saturating_sub(6)..)
        .is_some_and(|name| name.eq_ignore_ascii_case(b"BODY[]"));
    let first = range.get(1..)?.split(|b| *b == b'.').next()?;
    std::str::from_utf8(first).ok()?.parse().ok().filter(|_| is_body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::haste::Haste;
    use postrider_core::mail::body::Sealing;

    /// A sink that remembers.
    #[derive(Debug, Default)]
    struct Memory(Vec<u8>);

    impl BodySink for Memory {
        async fn begin(&mut self, _announced: u64) -> Result<(), Failure> {
            self.0.clear();
            Ok(())
        }
        async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
        async fn finish(&mut self) -> Result<(), Failure> {
            Ok(())
        }
        fn abandon(&mut self) {}
        fn rest(&mut self) {}
        fn room(&self) -> Result<(), Failure> {
            Ok(())
        }
        async fn begin_seal(&mut self, _haste: Haste) -> Result<Sealing, Failure> {
            Ok(Box::pin(std::future::ready(Ok(Vec::new()))))
        }
    }

    /// What came along with a line is there for another reader, once.
    #[tokio::test]
    async fn what_is_left_behind_a_line() {
        let mut reader = FrameReader::new(Duration::from_secs(5));
        let mut stream = b"a1 OK go on\r\n\x01\x02".as_slice();
        reader.frame(&mut stream, None::<&mut Memory>).await.unwrap();
        assert!(reader.has_leftover());
        assert_eq!(reader.leftover(), [1, 2]);
        assert!(!reader.has_leftover());
    }

    async fn frames(bytes: &[u8]) -> (Vec<Frame>, Vec<u8>, Failure) {
        let mut reader = FrameReader::new(Duration::from_secs(5));
        let mut stream = bytes;
        let mut sink = Memory::default();
        let mut frames = Vec::new();
        loop {
            match reader.frame(&mut stream, Some(&mut sink)).await {
                Ok(frame) => frames.push(frame),
                Err(end) => return (frames, sink.0, end),
            }
        }
    }

    #[tokio::test]
    async fn literals_are_kept_streamed_or_skipped() {
        let wire =
            b"* LIST () \"/\" {3}\r\na\nb\r\n* 1 FETCH (UID 5 BODY[] {11}\r\nA: b\r\n\r\nxyz FLAGS ())\r\nt OK\n";
        let (frames, body, end) = frames(wire).await;
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[0].parts[1], Part::Literal(b"a\nb".to_vec()));
        assert_eq!(frames[1].parts[1], Part::Body { head: b"A: b\r\n\r\n".to_vec(), length: 11 });
        assert_eq!(frames[1].parts[2], Part::Text(b" FLAGS ())".to_vec()));
        assert_eq!(frames[2].parts[0], Part::Text(b"t OK".to_vec()));
        assert_eq!(body, b"A: b\r\n\r\nxyz");
        assert_eq!(end.class, Class::Network);
    }

    #[tokio::test]
    async fn an_endless_line_costs_no_memory() {
        let mut wire = vec![b'x'; 3 * TEXT_LIMIT];
        wire.extend_from_slice(b"\r\n* 2 EXISTS\r\n");
        let (frames, _, _) = frames(&wire).await;
        assert!(frames[0].truncated && !frames[1].truncated);
        assert_eq!(frames[1].parts[0], Part::Text(b"* 2 EXISTS".to_vec()));
    }

    #[tokio::test]
    async fn a_cut_and_an_impossible_literal_are_errors() {
        let (_, _, end) = frames(b"* 1 FETCH (BODY[] {500000000}\r\nabc").await;
        assert_eq!(end.class, Class::Network);
        let (none, _, end) = frames(b"* X {99999999999999999999999}\r\n").await;
        assert!(none.is_empty() && end.text.contains("impossible"));
        // It would be read for hours, and thrown away.
        let (_, _, end) = frames(b"* 1 FETCH (X {1073741825}\r\nabc").await;
        assert!(end.text.contains("longer than any mail"), "{end}");
    }

    #[test]
    fn announcements() {
        assert_eq!(announced(b"a {5}").unwrap(), Some((5, 3)));
        assert_eq!(announced(b"a ~{5}").unwrap(), Some((5, 4)));
        assert_eq!(announced(b"a {5+}").unwrap(), Some((5, 4)));
        assert_eq!(announced(b"a {x}").unwrap(), None);
        assert_eq!(announced(b"}").unwrap(), None);
        assert!(is_status(b"a3 NO Unknown mailbox x{7}") && !is_status(b"* LIST () NIL {3}"));
    }
}
