//! A message on its way from an API: a short one is gathered, a long one streamed into a sink of its own.

use crate::provider::api::sinks::{Loan, SpareSinks};
use crate::provider::head::{Head, facts};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::{BodyRef, BodySink};
use postrider_core::mail::page::Fragment;
use postrider_core::mail::room::Room;
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::feeds::{FoundMail, Got, SeenState};
use postrider_core::time::Micros;

/// Longer bodies are not gathered.
const GATHERED: usize = 256 * 1024;

/// What an answer says beside the bytes.
#[derive(Debug)]
pub(in crate::provider) struct ToldMail {
    /// Its octets, about.
    pub(in crate::provider) size: Option<u64>,
    pub(in crate::provider) state: SeenState,
    pub(in crate::provider) date: Option<Micros>,
    /// Its thread's id.
    pub(in crate::provider) thread: Option<String>,
}

/// What became of a message.
#[derive(Debug)]
pub(in crate::provider) enum ReadMail {
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

/// It cannot be read, this time.
pub(in crate::provider) fn bad(text: &str, came: Option<Fragment>) -> ReadMail {
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
pub(in crate::provider) struct Arriving {
    gathered: Vec<u8>,
    long: Option<(Loan, Head)>,
    /// Octets that have come.
    pub(in crate::provider) length: u64,
}

impl Arriving {
    /// Whether nothing has come.
    pub(in crate::provider) fn is_empty(&self) -> bool {
        self.long.is_none() && self.gathered.is_empty()
    }

    /// The beginning of what has come.
    pub(in crate::provider) fn came(&self) -> Option<Fragment> {
        match &self.long {
            Some((_, head)) => Fragment::of(head.bytes()),
            None => Fragment::of(&self.gathered),
        }
    }

    /// Takes bytes. Returns why there is no room for them, if so.
    pub(in crate::provider) async fn take(
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

/// All of it has come: what its header says; a long one is made durable.
pub(in crate::provider) async fn arrived(
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

/// A message that is there.
pub(in crate::provider) fn there(told: ToldMail, bytes: Option<(BodyRef, HeaderFacts)>) -> Got {
    let ToldMail { state, date, thread, .. } = told;
    let (stamp, room) = (None, Room::default());
    Got::Found(Box::new(FoundMail { state, stamp, thread, date, bytes, room }))
}

/// What became of a message whose bytes need not be written any more.
pub(in crate::provider) fn settled(read: ReadMail) -> Got {
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
