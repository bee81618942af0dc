//! What the ledger says is written: bodies, messages, locations, events; one document a table.

use super::numbers::{Numbers, event_id};
use super::words::{document, text, write};
use crate::store::failure::Trouble;
use crate::store::sql::{CountText, Text};
use crate::store::transaction::Transaction;
use postrider_core::commit::event::{EventDraft, ToldPlace};
use postrider_core::commit::ledger::{Ledger, NewMessage, Writes};
use postrider_core::commit::rows::{LocationRow, MessageRow};
use postrider_core::commit::tally::Tally;
use postrider_core::mail::feed::MailVersion;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::time::Micros;
use serde::Serialize;

pub(super) async fn save(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    ledger: &mut Ledger,
    at: Micros,
) -> Result<(), Trouble> {
    let writes = ledger.take_writes();
    numbers.take_messages(ledger);
    save_writes(db, numbers, account, &writes, at).await
}

async fn save_writes(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    writes: &Writes,
    at: Micros,
) -> Result<(), Trouble> {
    if !writes.created.is_empty() {
        let rows: Vec<_> = writes.created.iter().map(|m| body_row(m, at)).collect();
        write(db, Text::PutBodies, vec![text(&rows)?]).await?;
        let rows: Vec<_> = writes.created.iter().map(|m| message_row(m, at)).collect();
        write(db, Text::InsertMessages, vec![account.0.into(), text(&rows)?]).await?;
    }
    if !writes.messages.is_empty() {
        let rows: Vec<_> = writes.messages.iter().map(changed_row).collect();
        write(db, Text::UpdateMessages, vec![text(&rows)?]).await?;
    }
    if !writes.locations.is_empty() {
        let rows: Vec<_> = writes.locations.iter().map(location_row).collect();
        write(db, Text::PutLocations, vec![text(&rows)?]).await?;
    }
    let Tally { messages, octets, locations } = &writes.tally;
    if (*messages, *octets) != (0, 0) {
        let values = vec![account.0.into(), (*messages).into(), (*octets).into()];
        write(db, CountText::CountMessages, values).await?;
    }
    if !locations.is_empty() {
        let rows: Vec<_> = locations.iter().collect();
        write(db, CountText::CountLocations, vec![text(&rows)?]).await?;
    }
    if !writes.events.is_empty() {
        let mut rows = Vec::with_capacity(writes.events.len());
        for event in &writes.events {
            let seq = numbers.event();
            let (id, kind) = (event_id(numbers.at().0, seq), event.kind.as_str());
            let data = document(&EventData::of(event))?;
            rows.push((seq, id, kind, event.folder, event.message, event.backfill, data));
        }
        let values = vec![account.0.into(), numbers.at().0.into(), text(&rows)?];
        write(db, Text::InsertEvents, values).await?;
    }
    Ok(())
}

/// What an event says, as it is stored and handed out.
#[derive(Serialize)]
#[serde(untagged)]
enum EventData<'a> {
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
        match &event.path {
            Some(path) => Self::Folder { path },
            None => Self::Message {
                changed: told(&event.changed),
                count: event.count,
                kept: event.kept,
                locations: told(&event.locations),
                what: event.what.as_str(),
            },
        }
    }
}

fn body_row(m: &NewMessage, at: Micros) -> impl Serialize {
    (m.body.hash().to_string(), m.body.pack(), m.body.offset(), m.body.length(), at)
}

fn message_row(m: &NewMessage, at: Micros) -> impl Serialize {
    let header = &m.header;
    (
        m.row.id,
        (!m.row.identity.is_hash()).then_some(&m.row.identity),
        m.body.hash().to_string(),
        m.body.length(),
        m.internal_date,
        at,
        m.row.places,
        m.announced,
        &header.message_id,
        &header.subject,
        &header.from,
        &header.to,
        &header.cc,
        header.date,
        header.parse,
        m.row.version.as_ref().map(MailVersion::as_str),
    )
}

fn changed_row(m: &MessageRow) -> impl Serialize {
    let version = m.version.as_ref().map(MailVersion::as_str);
    (m.id, m.limbo_since, m.last_folder, m.last_sight, m.deleted_at, m.places, version)
}

fn location_row(l: &LocationRow) -> impl Serialize {
    (
        l.folder,
        l.uidvalidity,
        l.uid,
        l.message,
        l.flags.system(),
        l.flags.keywords(),
        l.modseq,
        l.internal_date,
        l.began_at,
        l.ended_at,
    )
}
