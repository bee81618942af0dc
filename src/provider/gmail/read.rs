//! One message: read as it comes, its bytes decoded on the way. A short one is gathered, a long one
//! streamed into a sink of its own.

use crate::provider::credits::PageCredits;
use crate::provider::gmail::client::{GmailClient, HttpAnswer, Incoming};
use crate::provider::gmail::history::id_of;
use crate::provider::gmail::http::nonsense;
use crate::provider::gmail::looks::encoded;
use crate::provider::gmail::places::state_of;
use crate::provider::gmail::raw::RawReader;
use crate::provider::gmail::sinks::{Loan, SpareSinks};
use crate::provider::gmail::wire::{Message, is_id};
use crate::provider::head::{Head, facts};
use crate::provider::sink::{Sink, Sinks};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::{BodyRef, BodySink};
use postrider_core::mail::feed::MailVersion;
use postrider_core::mail::page::Fragment;
use postrider_core::mail::room::Room;
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::feeds::{FoundMail, Got, SeenState, WantedMail};
use postrider_core::time::Micros;

/// Longer bodies are not gathered.
const GATHERED: usize = 256 * 1024;

/// What an answer says beside the bytes.
#[derive(Debug)]
pub(super) struct ToldMail {
    /// Its octets, about.
    size: Option<u64>,
    pub(super) state: SeenState,
    pub(super) date: Option<Micros>,
    /// Its thread's id.
    thread: Option<String>,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum ReadMail {
    /// Its state was asked for.
    State(ToldMail),
    /// Its bytes have come.
    Gathered(ToldMail, Vec<u8>, HeaderFacts),
    /// Its bytes are durable already.
    Sealed(ToldMail, BodyRef, HeaderFacts),
    /// It is not there.
    Missing,
    /// It is too large for what is left of the disk.
    NoRoom(Failure),
    /// It cannot be read, this time.
    Bad(Failure, Option<Fragment>),
}

fn bad(text: &str, came: Option<Fragment>) -> ReadMail {
    let text = format!("the message cannot be read: {text}");
    ReadMail::Bad(Failure::new(Class::InvalidData, Reach::Message, Provenance::Server, text), came)
}

/// Why there is no room for one message, if that is what failed.
fn room(done: Result<(), Failure>) -> Result<Option<Failure>, Failure> {
    match done {
        Ok(()) => Ok(None),
        Err(full) if full.reach == Reach::Message => Ok(Some(full)),
        Err(failure) => Err(failure),
    }
}

/// Bytes on their way.
#[derive(Default)]
struct Arriving {
    gathered: Vec<u8>,
    long: Option<(Loan, Head)>,
    /// Octets that have come.
    length: u64,
}

impl Arriving {
    /// The beginning of what has come.
    fn came(&self) -> Option<Fragment> {
        match &self.long {
            Some((_, head)) => Fragment::of(head.bytes()),
            None => Fragment::of(&self.gathered),
        }
    }

    /// Takes bytes. Returns why there is no room for them, if so.
    async fn take(
        &mut self,
        bytes: &[u8],
        announced: u64,
        sinks: &SpareSinks,
    ) -> Result<Option<Failure>, Failure> {
        self.length += bytes.len() as u64;
        if let Some((loan, head)) = &mut self.long {
            head.take(bytes);
            return room(loan.sink.write(bytes).await);
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() <= GATHERED {
            return Ok(None);
        }
        let mut loan = sinks.take().await;
        let begun = loan.sink.begin(announced.max(self.gathered.len() as u64)).await;
        if let Some(full) = room(begun)? {
            return Ok(Some(full));
        }
        let gathered = std::mem::take(&mut self.gathered);
        let mut head = Head::default();
        head.take(&gathered);
        loan.sink.write(&gathered).await?;
        self.long = Some((loan, head));
        Ok(None)
    }
}

/// Reads a message. `alone`: for the second time, so that bytes that fall short of their size once more
/// are what there is.
///
/// # Errors
/// What ends the session.
pub(super) async fn read(
    client: &GmailClient,
    sinks: &SpareSinks,
    wanted: &WantedMail,
    alone: bool,
) -> Result<ReadMail, Failure> {
    // No id that this API has: one that was believed once is not there.
    if !is_id(id_of(&wanted.id)) {
        return Ok(ReadMail::Missing);
    }
    let answer = match client.ask(&path_of(wanted)).await? {
        HttpAnswer::Answer(answer) => answer,
        HttpAnswer::Refused(refusal) if refusal.is_missing() => return Ok(ReadMail::Missing),
        HttpAnswer::Refused(refusal) => {
            return refused(client.failure(&refusal));
        }
    };
    take(client, sinks, wanted, alone, answer).await
}

/// What is wrong with one message is no trouble of the others.
fn refused(failure: Failure) -> Result<ReadMail, Failure> {
    match failure.class {
        Class::Provider | Class::InvalidData => Ok(ReadMail::Bad(failure, None)),
        _ => Err(failure),
    }
}

/// Looks at a message beside the engine: of its bytes, whether they are to be had.
///
/// # Errors
/// What ends the session.
pub(super) async fn look_at(client: &GmailClient, mail: &WantedMail) -> Result<Got, Failure> {
    let nobody = SpareSinks::new(Sinks::new(Sink::none), PageCredits::one());
    let state = WantedMail { bytes: false, ..mail.clone() };
    let got = settled(read(client, &nobody, &state, true).await?);
    if !mail.bytes || !matches!(got, Got::Found(_)) {
        return Ok(got);
    }
    match client.ask(&path_of(mail)).await? {
        HttpAnswer::Answer(_) => Ok(got),
        HttpAnswer::Refused(refusal) => refused(client.failure(&refusal)).map(settled),
    }
}

fn path_of(mail: &WantedMail) -> String {
    let id = encoded(id_of(&mail.id));
    format!("messages/{id}?format={}", if mail.bytes { "raw" } else { "minimal" })
}

async fn take(
    client: &GmailClient,
    sinks: &SpareSinks,
    wanted: &WantedMail,
    alone: bool,
    mut answer: Incoming,
) -> Result<ReadMail, Failure> {
    // Four signs are three octets.
    let announced = answer.length().unwrap_or_default() / 4 * 3;
    let (mut reader, mut coming, mut out) = (RawReader::default(), Arriving::default(), Vec::new());
    while let Some(piece) = client.piece(&mut answer).await? {
        out.clear();
        if let Err(what) = reader.feed(piece.as_ref(), &mut out) {
            return between(reader.rest()).map_or_else(|| Ok(bad(what, coming.came())), Err);
        }
        if let Some(full) = coming.take(&out, announced, sinks).await? {
            return Ok(ReadMail::NoRoom(full));
        }
    }
    let rest = reader.rest().to_vec();
    let read = match reader.finish() {
        Ok((rest, has_bytes)) => serde_json::from_slice::<Message>(&rest)
            .map(|told| (told, has_bytes))
            .map_err(|e| nonsense(&rest, &e).text.to_string()),
        Err(what) => Err(what.to_owned()),
    };
    let (told, has_bytes) = match read {
        Ok(read) => read,
        Err(what) => return between(&rest).map_or_else(|| Ok(bad(&what, coming.came())), Err),
    };
    if told.id != id_of(&wanted.id) {
        return Ok(bad("the answer is about another one", None));
    }
    if wanted.bytes && !has_bytes {
        return Ok(bad("the answer has no bytes", None));
    }
    let version = told.history_id.map(|id| MailVersion::new(&id.0));
    let told = ToldMail {
        size: told.size_estimate,
        state: state_of(told.label_ids.as_deref().unwrap_or_default(), version),
        date: told.internal_date.map(|ms| Micros(ms.saturating_mul(1000))),
        thread: told.thread_id,
    };
    if !wanted.bytes {
        return Ok(ReadMail::State(told));
    }
    if coming.long.is_none() && coming.gathered.is_empty() && told.size.is_some_and(|size| size > 0)
    {
        return Ok(bad("the server says that there is something, and brings nothing", None));
    }
    let (length, size) = (coming.length, told.size.unwrap_or_default());
    if !alone && length < size / 2 {
        return Ok(bad(&format!("{length} octets have come of {size}"), coming.came()));
    }
    arrived(coming, told, sinks).await
}

/// All of it has come: what its header says; a long one is made durable.
async fn arrived(
    coming: Arriving,
    told: ToldMail,
    sinks: &SpareSinks,
) -> Result<ReadMail, Failure> {
    let Arriving { gathered, long, .. } = coming;
    let Some((mut loan, head)) = long else {
        let read = facts(&gathered);
        return Ok(match read {
            Ok(header) => ReadMail::Gathered(told, gathered, header),
            Err(failure) => ReadMail::Bad(failure, Fragment::of(&gathered)),
        });
    };
    let head = head.into_bytes();
    let header = match facts(&head) {
        Ok(header) => header,
        Err(failure) => return Ok(ReadMail::Bad(failure, Fragment::of(&head))),
    };
    loan.sink.finish().await?;
    let sealed = loan.sink.seal().await?;
    let [body] = sealed.as_slice() else {
        return Err(Failure::bug("the sink sealed another number of bodies than it was given"));
    };
    sinks.give_back(loan);
    Ok(ReadMail::Sealed(told, *body, header))
}

/// Where the answer is no word of the API at all: what ends the session.
fn between(rest: &[u8]) -> Option<Failure> {
    let e = serde_json::from_slice::<Message>(rest).err()?;
    Some(nonsense(rest, &e)).filter(|failure| failure.reach == Reach::Endpoint)
}

/// A message that is there.
pub(super) fn there(told: ToldMail, bytes: Option<(BodyRef, HeaderFacts)>) -> Got {
    let ToldMail { state, date, thread, .. } = told;
    let (stamp, room) = (None, Room::default());
    Got::Found(Box::new(FoundMail { state, stamp, thread, date, bytes, room }))
}

/// What became of a message whose bytes need not be written any more.
pub(super) fn settled(read: ReadMail) -> Got {
    let failed = |failure: Failure, came| {
        let (class, text) = (failure.class, failure.chain().into());
        Got::Failed { class, text, came }
    };
    match read {
        ReadMail::State(told) => there(told, None),
        ReadMail::Sealed(told, body, header) => there(told, Some((body, header))),
        ReadMail::Missing => Got::Missing,
        ReadMail::NoRoom(failure) => failed(failure, None),
        ReadMail::Bad(failure, came) => failed(failure, came),
        ReadMail::Gathered(..) => {
            let class = Class::Bug;
            Got::Failed { class, text: "its bytes were not written".into(), came: None }
        }
    }
}
