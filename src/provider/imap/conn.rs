//! The connection under a session: commands out, responses in, each within its deadline.
//!
//! Every command returns its tagged status; "empty" exists only under OK. A connection that saw an
//! error is never used again.

use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::hints::notices::{Notices, Sought};
use crate::provider::imap::link::Link;
use crate::provider::imap::login::offered::Offered;
use crate::provider::imap::look::opened::OpenFolder;
use crate::provider::imap::wire::response::{Condition, Response, Told};
use crate::provider::sink::NoSink;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::BodySink;
use std::time::Duration;

/// Rows that a server may show beside a short answer: what happens in a mailbox meanwhile.
pub(super) const MAX_UNSOLICITED: usize = 100_000;
/// How long a LOGOUT is waited for.
const FAREWELL: Duration = Duration::from_secs(2);

/// The connection under a session.
#[derive(Debug)]
pub(super) struct Conn {
    link: Link,
    /// What the server can.
    pub(super) offered: Offered,
    /// The folder that is open.
    pub(super) open: OpenFolder,
    /// What was told of folders that are not open.
    pub(super) notices: Notices,
    /// An IDLE that is to be ended with the next command, in one write.
    idles: Option<String>,
    /// What the question that is open asks of folders.
    asked: Sought,
}

/// What comes in the middle of a command, or at its end.
pub(super) enum Reply {
    /// `+`: the server waits for more; here is what followed.
    More(String),
    /// The command is over.
    Over(Told),
}

impl Conn {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            offered: Offered::default(),
            open: OpenFolder::default(),
            notices: Notices::default(),
            idles: None,
            asked: Sought::default(),
        }
    }

    /// The line, which something else begins on: what was said on it counts no more.
    pub(super) fn into_link(self) -> Link {
        self.link
    }

    /// The same connection, and what is said on it from here on compressed.
    pub(super) fn deflated(self) -> Self {
        Self { link: self.link.deflated(), ..self }
    }

    /// The line, for what is neither command nor response.
    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    pub(super) fn has(&self, capability: &str) -> bool {
        self.offered.has(capability)
    }

    /// A question about folders begins, or (by default) is over.
    pub(super) fn asks(&mut self, sought: Sought) {
        self.asked = sought;
    }

    /// An IDLE goes on until the next command, or (none) is over.
    pub(super) fn idles(&mut self, tag: Option<String>) {
        self.idles = tag;
    }

    pub(super) fn command_deadline(&self) -> Duration {
        self.link.timeouts().command
    }

    /// Sends a command; returns its tag. `secret`: its arguments stay out of the wire log.
    pub(super) async fn send(&mut self, command: &[u8], secret: bool) -> Result<String, Failure> {
        let (tag, line) = self.link.numbered(command, secret);
        self.write_behind(&line).await?;
        Ok(tag)
    }

    /// Sends commands that do not wait for each other's answers; returns their tags.
    pub(super) async fn send_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<String>, Failure> {
        let (tags, lines): (Vec<_>, Vec<_>) =
            commands.iter().map(|command| self.link.numbered(command, false)).unzip();
        self.write_behind(&lines.join(b"\r\n".as_slice())).await?;
        Ok(tags)
    }

    /// Writes commands behind the end of an IDLE, if there is one. What comes before that is answered belongs
    /// to it: it is heard, and no question takes it for its answer.
    async fn write_behind(&mut self, lines: &[u8]) -> Result<(), Failure> {
        let Some(idle) = self.idles.take() else { return self.write_line(lines).await };
        self.write_line(&[b"DONE\r\n", lines].concat()).await?;
        let (asks_flags, asked) = (self.open.asks_flags(false), std::mem::take(&mut self.asked));
        // Whether it ended well says the answer to what follows.
        self.tagged(&idle).await?;
        self.open.asks_flags(asks_flags);
        self.asked = asked;
        Ok(())
    }

    pub(super) async fn write_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.link.write_line(line).await
    }

    /// The next response, within the command's deadline, or longer while octets keep coming at a pace.
    pub(super) async fn next_patiently<S: BodySink>(
        &mut self,
        sink: &mut S,
    ) -> Result<Response, Failure> {
        let (deadline, mut pace) = (self.command_deadline(), self.link.pace());
        let mut reading = std::pin::pin!(self.next(Some(sink)));
        loop {
            if let Ok(response) = tokio::time::timeout(deadline, &mut reading).await {
                return response;
            }
            if !pace.is_kept() {
                let text = format!("a response took longer than {} s", deadline.as_secs());
                let (class, reach) = (Class::Timeout, Reach::Session);
                return Err(Failure::new(class, reach, Provenance::Deadline, text));
            }
        }
    }

    /// The next response. A BYE ends the session.
    pub(super) async fn next<S: BodySink>(
        &mut self,
        sink: Option<&mut S>,
    ) -> Result<Response, Failure> {
        let response = self.link.receive(sink).await?;
        self.notices.hear(&response, &mut self.asked);
        self.open.hear(&response);
        if let Response::Capability(capabilities) = &response {
            self.offered.learn(capabilities.clone());
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
        let deadline = self.command_deadline();
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
            rows <= MAX_UNSOLICITED
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
        let deadline = self.command_deadline();
        let mut pace = self.link.pace();
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
            // A long answer may take longer, as long as what was asked for keeps a pace.
            if !pace.is_kept() {
                return Err(too_long(deadline));
            }
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
