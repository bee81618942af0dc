//! One message: what it is (standard), and its bytes (`raw_mime`), each asked for by itself.

use crate::provider::api::MailApi;
use crate::provider::api::call::Incoming;
use crate::provider::api::http::{encoded, nonsense};
use crate::provider::api::raw::RawReader;
use crate::provider::api::read::{Arriving, ReadMail, ToldMail, arrived, bad, settled};
use crate::provider::api::sinks::SpareSinks;
use crate::provider::nylas::calls::HttpAnswer;
use crate::provider::nylas::client::NylasClient;
use crate::provider::nylas::failure::NylasRefusal;
use crate::provider::nylas::looks::{REQUEST, SELECT};
use crate::provider::nylas::places::{id_of, state_of};
use crate::provider::nylas::wire::{MessageRow, One, RawRow, is_id};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mime::told_facts;
use postrider_core::provider::feeds::{Got, WantedMail};
use postrider_core::time::Micros;
use serde_json::value::RawValue;
use std::sync::atomic::Ordering;

/// Reads a message: its state, and then, where they are wanted, its bytes, a request each. Both are paid by who asks for
/// the message.
///
/// # Errors
/// What ends the session.
pub(super) async fn read(
    client: &NylasClient,
    sinks: &SpareSinks,
    wanted: &WantedMail,
) -> Result<ReadMail, Failure> {
    let id = id_of(&wanted.id);
    // No id that this API has: one that was believed once is not there.
    if !is_id(id) {
        return Ok(ReadMail::Missing);
    }
    let told = match told(client, id).await? {
        Ok(told) => told,
        Err(read) => return Ok(read),
    };
    if !wanted.bytes {
        return Ok(ReadMail::State(told));
    }
    let refusal = match ask_raw(client, id).await? {
        HttpAnswer::Answer(answer) => match take(client, sinks, id, told, answer).await? {
            Ok(read) => {
                if matches!(read, ReadMail::Gathered(..) | ReadMail::Sealed(..)) {
                    client.behind.has_bytes();
                }
                return Ok(read);
            }
            // It is there, and without its bytes.
            Err(told) => return untold(client, wanted, told, client.behind.has_no_bytes()).await,
        },
        HttpAnswer::Refused(refusal) => refusal,
    };
    if !refusal.may_have_no_bytes() {
        return refused(client, &refusal).await;
    }
    // What is not found may be found later.
    let is_never = refusal.status != 404 && client.behind.has_no_bytes();
    untold(client, wanted, told, is_never).await
}

/// It is there, and its bytes are refused. A hiccup is no nature: only where they were in an earlier run, an hour ago, or
/// none was handed out for long, what is told of it stands in their place.
async fn untold(
    client: &NylasClient,
    wanted: &WantedMail,
    told: ToldMail,
    is_never: bool,
) -> Result<ReadMail, Failure> {
    if !wanted.tried && !is_never {
        return Ok(bad("its bytes (raw_mime) are not handed out", None));
    }
    // What is told may be long: one at a time.
    let _alone = client.told_alone().await;
    let id = id_of(&wanted.id);
    let _units = client.pay_look(REQUEST).await?;
    let path = format!("/messages/{}?fields=include_headers", encoded(id));
    let answer = match ask(client, &path).await? {
        HttpAnswer::Answer(answer) => answer,
        HttpAnswer::Refused(refusal) => return refused(client, &refusal).await,
    };
    let json = match client.calls.read_told::<One<Box<RawValue>>>(answer).await {
        Ok(One { data }) => Box::<str>::from(data).into_string().into_bytes(),
        Err(failure) if failure.class == Class::Provider && failure.reach == Reach::Account => {
            return Ok(ReadMail::Bad(failure, None));
        }
        Err(failure) => return Err(failure),
    };
    if !serde_json::from_slice::<RawRow>(&json).is_ok_and(|row| row.id == id) {
        return Ok(bad("the answer is about another one", None));
    }
    let facts = told_facts(&json);
    Ok(ReadMail::Gathered(told, json, facts))
}

/// Looks at a message beside the engine: of its bytes, whether they are to be had.
///
/// # Errors
/// What ends the session.
pub(super) async fn look_at(client: &NylasClient, mail: &WantedMail) -> Result<Got, Failure> {
    let id = id_of(&mail.id);
    let found = match told(client, id).await? {
        Ok(told) => settled(ReadMail::State(told)),
        Err(read) => settled(read),
    };
    if !mail.bytes || !matches!(found, Got::Found(_)) {
        return Ok(found);
    }
    match ask_raw(client, id).await? {
        HttpAnswer::Answer(answer) => {
            if begins(client, answer).await? {
                client.behind.has_bytes();
            }
        }
        // What is told of it will stand in their place.
        HttpAnswer::Refused(refusal) if refusal.may_have_no_bytes() && refusal.status != 404 => {
            client.behind.has_no_bytes();
        }
        HttpAnswer::Refused(refusal) => return refused(client, &refusal).await.map(settled),
    }
    Ok(found)
}

/// Whether an answer brings bytes.
async fn begins(client: &NylasClient, mut answer: Incoming) -> Result<bool, Failure> {
    let (mut reader, mut out) = (RawReader::of(b"raw_mime", 2), Vec::new());
    while let Some(piece) = client.calls.http.piece(&mut answer).await? {
        if reader.feed(piece.as_ref(), &mut out).is_err() || !out.is_empty() {
            break;
        }
    }
    Ok(!out.is_empty())
}

fn state(id: &str) -> String {
    format!("/messages/{}?select={SELECT}", encoded(id))
}

/// Asks for a message's bytes.
async fn ask_raw(client: &NylasClient, id: &str) -> Result<HttpAnswer, Failure> {
    asked(client, format!("/messages/{}?fields=raw_mime", encoded(id)), true).await
}

/// Asks about a message.
async fn ask(client: &NylasClient, path: &str) -> Result<HttpAnswer, Failure> {
    asked(client, path.to_owned(), false).await
}

/// Where Nylas reads by IMAP and keeps the newest alone, what it does not have is asked of the server behind it: first the way
/// that found the last one. It is not there if neither has it.
async fn asked(client: &NylasClient, path: String, raw: bool) -> Result<HttpAnswer, Failure> {
    let ask = async |path: &str| match raw {
        true => client.ask_unpacked(path).await,
        false => client.ask(path).await,
    };
    if !client.may_be_imap() {
        return ask(&path).await;
    }
    let older = client.older.load(Ordering::Relaxed);
    let of = |older: bool| match older {
        true => format!("{path}&query_imap=true"),
        false => path.clone(),
    };
    match ask(&of(older)).await? {
        HttpAnswer::Refused(refusal) if refusal.is_missing() => {
            let _units = client.pay_look(REQUEST).await?;
            let answer = match ask(&of(!older)).await? {
                // Whoever knows of no such way has said what it knows.
                HttpAnswer::Refused(other) if other.status == 400 && !client.is_imap() => {
                    HttpAnswer::Refused(refusal)
                }
                answer => answer,
            };
            if matches!(answer, HttpAnswer::Answer(_)) {
                client.older.store(!older, Ordering::Relaxed);
            }
            Ok(answer)
        }
        answer => Ok(answer),
    }
}

/// What is wrong with one message is no trouble of the others.
async fn refused(client: &NylasClient, refusal: &NylasRefusal) -> Result<ReadMail, Failure> {
    if refusal.is_missing() {
        return Ok(ReadMail::Missing);
    }
    let failure = client.failure(refusal).await;
    // A right that one message is protected by is not the mailbox's.
    let is_its_own = refusal.status == 403 && failure.reach == Reach::Account;
    match failure.class {
        Class::Auth if is_its_own => {
            let text = format!("the message is refused with {}", refusal.status);
            let failure = Failure::new(Class::Provider, Reach::Message, Provenance::Server, text);
            Ok(ReadMail::Bad(failure, None))
        }
        Class::Provider | Class::InvalidData => Ok(ReadMail::Bad(failure, None)),
        _ => Err(failure),
    }
}

async fn told(client: &NylasClient, id: &str) -> Result<Result<ToldMail, ReadMail>, Failure> {
    let answer = match ask(client, &state(id)).await? {
        HttpAnswer::Answer(answer) => client.calls.read::<One<MessageRow>>(answer).await,
        HttpAnswer::Refused(refusal) => return refused(client, &refusal).await.map(Err),
    };
    let One { data: row } = match answer {
        Ok((found, _)) => found,
        // One message's answer that cannot be read is its own trouble.
        Err(failure) if failure.class == Class::Provider && failure.reach == Reach::Account => {
            return Ok(Err(ReadMail::Bad(failure, None)));
        }
        Err(failure) => return Err(failure),
    };
    if row.id != id {
        return Ok(Err(bad("the answer is about another one", None)));
    }
    let Some(state) = state_of(&row, client.is_google()) else {
        return Ok(Err(bad("its folders are not told", None)));
    };
    Ok(Ok(ToldMail {
        size: None,
        state,
        date: row.date.map(|seconds| Micros(seconds.saturating_mul(1_000_000))),
        thread: row.thread_id,
    }))
}

/// Its bytes, as they come; without any, what is told of it goes back.
async fn take(
    client: &NylasClient,
    sinks: &SpareSinks,
    id: &str,
    told: ToldMail,
    mut answer: Incoming,
) -> Result<Result<ReadMail, ToldMail>, Failure> {
    // Four signs are three octets.
    let announced = answer.length().unwrap_or_default() / 4 * 3;
    let mut reader = RawReader::of(b"raw_mime", 2);
    let (mut coming, mut out) = (Arriving::default(), Vec::new());
    while let Some(piece) = client.calls.http.piece(&mut answer).await? {
        out.clear();
        if let Err(what) = reader.feed(piece.as_ref(), &mut out) {
            return between(reader.rest()).map_or_else(|| Ok(Ok(bad(what, coming.came()))), Err);
        }
        if let Some(full) = coming.take(&out, announced, sinks).await? {
            return Ok(Ok(ReadMail::NoRoom(full)));
        }
    }
    let rest = reader.rest().to_vec();
    let read = match reader.finish() {
        Ok((rest, has_bytes)) => serde_json::from_slice::<One<RawRow>>(&rest)
            .map(|told| (told.data, has_bytes))
            .map_err(|e| nonsense(&rest, &e).text.to_string()),
        Err(what) => Err(what.to_owned()),
    };
    match read {
        Ok((row, _)) if row.id != id => Ok(Ok(bad("the answer is about another one", None))),
        Ok((_, true)) if !coming.is_empty() => arrived(coming, told, sinks).await.map(Ok),
        Ok(_) => Ok(Err(told)),
        Err(what) => between(&rest).map_or_else(|| Ok(Ok(bad(&what, coming.came()))), Err),
    }
}

/// Where the answer is no word of the API at all: what ends the session.
fn between(rest: &[u8]) -> Option<Failure> {
    let e = serde_json::from_slice::<One<RawRow>>(rest).err()?;
    Some(nonsense(rest, &e)).filter(|failure| failure.reach == Reach::Endpoint)
}
