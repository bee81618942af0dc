//! What the ledger says is written: bodies, messages, locations, events.

use super::derive::owe_again;
use super::numbers::{Numbers, event_id};
use crate::fault;
use crate::store::failure::Trouble;
use crate::store::sql::commit::UpdateMessages;
use crate::store::sql::counts::{CountLocations, CountMessages};
use crate::store::sql::inserts::{Body, Event, Location, Message};
use crate::store::sql::packs::HoldersOf;
use crate::store::sql::query::Document;
use crate::store::sql::repair::{AdoptBodies, PlaceLost};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::commit::event::{EventDraft, ToldPlace};
use postrider_core::commit::ledger::{Ledger, NewMessage, Writes};
use postrider_core::commit::rows::{LocationRow, MessageRow};
use postrider_core::commit::tally::Tally;
use postrider_core::derive;
use postrider_core::mail::body::{BodyHash, BodyRef};
use postrider_core::mail::feed::MailVersion;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Writes it; whether it has put a message in limbo.
pub(super) async fn save(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    ledger: &mut Ledger,
    at: Micros,
) -> Result<bool, Trouble> {
    let writes = ledger.take_writes();
    let is_in_limbo = writes.messages.iter().any(|message| message.limbo_since.is_some());
    numbers.take_messages(ledger);
    for subject in writes.created.iter().filter_map(|m| m.header.subject.as_ref()) {
        fault::of_mail("write", subject.as_bytes());
    }
    save_bodies(db, numbers, account, &writes, at).await?;
    db.put_rows(writes.created.into_iter().map(|m| message_row(m, account, at))).await?;
    db.put_rows(writes.locations.iter().map(location_row)).await?;
    let created = writes.events.iter().filter(|event| event.kind == EventKind::MessageCreated);
    created
        .filter(|event| !event.backfill)
        .filter_map(|event| event.message)
        .for_each(|message| numbers.came(message));
    let mut rows = Vec::with_capacity(writes.events.len());
    for event in &writes.events {
        rows.push(event_row(event, account, numbers)?);
    }
    db.put_rows(rows.into_iter()).await?;
    // What is small comes behind what goes alone, and waits for what comes next.
    if !writes.messages.is_empty() {
        let rows: Vec<_> = writes.messages.iter().map(changed_row).collect();
        db.put(UpdateMessages { rows: Document::of(&rows)? }).await?;
    }
    let Tally { messages, octets, locations } = writes.tally;
    if (messages, octets) != (0, 0) {
        db.put(CountMessages { account, messages, octets }).await?;
    }
    if !locations.is_empty() {
        let rows: Vec<_> = locations.iter().collect();
        db.put(CountLocations { rows: Document::of(&rows)? }).await?;
    }
    Ok(is_in_limbo)
}

/// Bytes that were just read have a row: their own, or that of the same bytes. What is named as held puts none.
async fn save_bodies(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    writes: &Writes,
    at: Micros,
) -> Result<(), Trouble> {
    let read: Vec<&BodyRef> = writes.created.iter().filter(|m| !m.held).map(|m| &m.body).collect();
    db.put_rows(read.iter().map(|body| body_row(body, at))).await?;
    if !writes.adopted.is_empty() {
        let adopted: BTreeSet<BodyHash> = writes.adopted.iter().map(|(_, hash)| *hash).collect();
        let again = writes.again.iter().map(|(_, body)| body);
        let bodies: Vec<&BodyRef> = again.filter(|body| adopted.contains(&body.hash())).collect();
        db.put_rows(bodies.into_iter().map(|body| body_row(body, at))).await?;
        let rows: Vec<_> =
            writes.adopted.iter().map(|(id, hash)| (*id, hash.to_string())).collect();
        db.put(AdoptBodies { rows: Document::of(&rows)? }).await?;
    }
    let again = writes.again.iter().map(|(_, body)| body);
    let all = read.into_iter().chain(again);
    let place =
        |body: &BodyRef| (body.hash().to_string(), body.pack(), body.offset(), body.length());
    let rows: Vec<_> = all.filter(|_| numbers.loses()).map(place).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let placed = db.ask(PlaceLost { rows: Document::of(&rows)?, at }).await?;
    // Whoever has read them meanwhile has read what was damaged, or nothing: whose mail ever it is.
    let bodies: Vec<i64> = placed.iter().map(|row| row.id).collect();
    let mut owed: BTreeMap<AccountId, derive::Numbers> = BTreeMap::new();
    for row in db.ask(HoldersOf { bodies: Document::of(&bodies)? }).await? {
        owed.entry(row.account).or_default().insert(row.message);
    }
    let again = writes.again.iter().map(|(id, _)| id.0);
    again.for_each(|id| owed.entry(account).or_default().insert(id));
    for (account, messages) in owed {
        owe_again(db, numbers, account, &messages).await?;
    }
    Ok(())
}

/// What an event says, as it is stored and handed out.
#[derive(Serialize)]
#[serde(untagged)]
enum EventData<'a> {
    /// Of the account itself.
    Account {},
    Folder {
        path: &'a str,
    },
    Message {
        changed: Vec<PlaceTold<'a>>,
        count: u64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        kept: bool,
        locations: Vec<PlaceTold<'a>>,
        what: &'a str,
    },
}

#[derive(Serialize)]
struct PlaceTold<'a> {
    flags: &'a str,
    folder: FolderId,
    uid: u64,
}

impl<'a> EventData<'a> {
    fn of(event: &'a EventDraft) -> Self {
        let told = |places: &'a [ToldPlace]| {
            let told = |(folder, uid, flags): &'a ToldPlace| PlaceTold {
                flags: flags.as_str(),
                folder: *folder,
                uid: *uid,
            };
            places.iter().map(told).collect()
        };
        match (&event.path, event.message) {
            (Some(path), _) => Self::Folder { path },
            (None, None) => Self::Account {},
            (None, Some(_)) => Self::Message {
                changed: told(&event.changed),
                count: event.count,
                kept: event.kept,
                locations: told(&event.locations),
                what: event.what.as_str(),
            },
        }
    }
}

pub(super) fn event_row(
    event: &EventDraft,
    account: AccountId,
    numbers: &mut Numbers,
) -> Result<Event, Trouble> {
    let (at, seq) = (numbers.at(), numbers.event());
    Ok(Event {
        account,
        at,
        seq,
        id: event_id(at.0, seq),
        kind: event.kind,
        folder: event.folder,
        message: event.message,
        backfill: event.backfill,
        data: Document::of(&EventData::of(event))?,
    })
}

fn body_row(body: &BodyRef, at: Micros) -> Body {
    Body {
        hash: body.hash(),
        pack: body.pack(),
        offset: body.offset(),
        length: body.length(),
        stored_at: at,
    }
}

fn message_row(m: NewMessage, account: AccountId, at: Micros) -> Message {
    let header = m.header;
    Message {
        account,
        id: m.row.id,
        identity: (!m.row.identity.is_hash()).then_some(m.row.identity.0),
        hash: m.body.hash(),
        size: m.body.length(),
        internal_date: m.internal_date,
        stored_at: at,
        places: m.row.places,
        announced: m.announced,
        message_id: header.message_id,
        subject: header.subject,
        from_text: header.from,
        to_text: header.to,
        cc_text: header.cc,
        date: header.date,
        parse: header.parse.as_str(),
        version: m.row.version.as_ref().map(|version| version.as_str().to_owned()),
        thread: m.thread,
        synthetic: header.synthetic,
    }
}

fn changed_row(m: &MessageRow) -> impl Serialize {
    let version = m.version.as_ref().map(MailVersion::as_str);
    (m.id, m.limbo_since, m.last_folder, m.last_sight, m.deleted_at, m.places, version)
}

fn location_row(l: &LocationRow) -> Location {
    Location {
        folder: l.folder,
        uidvalidity: l.uidvalidity,
        uid: l.uid,
        message: l.message,
        flags: l.flags.system().to_owned(),
        keywords: l.flags.keywords().to_owned(),
        modseq: l.modseq,
        internal_date: l.internal_date,
        began_at: l.began_at,
        ended_at: l.ended_at,
    }
}
