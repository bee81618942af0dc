//! One message: read as it comes, its bytes decoded on the way. A short one is gathered, a long one
//! streamed into a sink of its own.

use crate::provider::api::call::Incoming;
use crate::provider::api::http::{encoded, nonsense};
use crate::provider::api::raw::RawReader;
use crate::provider::api::read::{Arriving, ReadMail, ToldMail, arrived, bad, settled};
use crate::provider::api::sinks::SpareSinks;
use crate::provider::credits::PageCredits;
use crate::provider::gmail::client::{GmailClient, HttpAnswer};
use crate::provider::gmail::history::id_of;
use crate::provider::gmail::places::state_of;
use crate::provider::gmail::wire::{Message, is_id};
use crate::provider::sink::{Sink, Sinks};
use postrider_core::failure::{Class, Failure, Reach};
use postrider_core::mail::feed::MailVersion;
use postrider_core::provider::feeds::{Got, WantedMail};
use postrider_core::time::Micros;

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
    let (mut reader, mut coming, mut out) =
        (RawReader::of(b"raw", 1), Arriving::default(), Vec::new());
    while let Some(piece) = client.calls.piece(&mut answer).await? {
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
    if coming.is_empty() && told.size.is_some_and(|size| size > 0) {
        return Ok(bad("the server says that there is something, and brings nothing", None));
    }
    let (length, size) = (coming.length, told.size.unwrap_or_default());
    if !alone && length < size / 2 {
        return Ok(bad(&format!("{length} octets have come of {size}"), coming.came()));
    }
    arrived(coming, told, sinks).await
}

/// Where the answer is no word of the API at all: what ends the session.
fn between(rest: &[u8]) -> Option<Failure> {
    let e = serde_json::from_slice::<Message>(rest).err()?;
    Some(nonsense(rest, &e)).filter(|failure| failure.reach == Reach::Endpoint)
}
