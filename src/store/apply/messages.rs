//! What the ledger says is written: bodies, messages, locations, events.

use super::numbers::{Numbers, event_id};
use super::words::{document, number, text, write};
use crate::store::failure::Trouble;
use crate::store::sql::{CountText, RowText, Text};
use crate::store::transaction::Transaction;
use postrider_core::commit::event::{EventDraft, ToldPlace};
use postrider_core::commit::ledger::{Ledger, NewMessage};
use postrider_core::commit::rows::{LocationRow, MessageRow};
use postrider_core::commit::tally::Tally;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::feed::MailVersion;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::time::Micros;
use sea_orm::Value;
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
    db.put_rows(RowText::Body, writes.created.iter().map(|m| body_row(m, at))).await?;
    let messages = writes.created.into_iter().map(|m| message_row(m, account, at));
    db.put_rows(RowText::Message, messages).await?;
    if !writes.messages.is_empty() {
        let rows: Vec<_> = writes.messages.iter().map(changed_row).collect();
        write(db, Text::UpdateMessages, vec![text(&rows)?]).await?;
    }
    db.put_rows(RowText::Location, writes.locations.iter().map(location_row)).await?;
    let Tally { messages, octets, locations } = &writes.tally;
    if (*messages, *octets) != (0, 0) {
        let values = vec![account.0.into(), (*messages).into(), (*octets).into()];
        write(db, CountText::CountMessages, values).await?;
    }
    if !locations.is_empty() {
        let rows: Vec<_> = locations.iter().collect();
        write(db, CountText::CountLocations, vec![text(&rows)?]).await?;
    }
    let mut rows = Vec::with_capacity(writes.events.len());
    for event in &writes.events {
        rows.push(event_row(event, account, numbers)?);
    }
    db.put_rows(RowText::Event, rows.into_iter()).await
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

fn event_row(
    event: &EventDraft,
    account: AccountId,
    numbers: &mut Numbers,
) -> Result<[Value; 9], Trouble> {
    let (at, seq) = (numbers.at().0, numbers.event());
    Ok([
        account.0.into(),
        at.into(),
        seq.into(),
        event_id(at, seq).into(),
        event.kind.as_str().into(),
        event.folder.map(|folder| folder.0).into(),
        event.message.map(|message| message.0).into(),
        event.backfill.into(),
        document(&EventData::of(event))?.into(),
    ])
}

fn hash(of: BodyHash) -> Value {
    of.0.to_vec().into()
}

fn body_row(m: &NewMessage, at: Micros) -> [Value; 5] {
    [
        hash(m.body.hash()),
        m.body.pack().into(),
        number(m.body.offset()),
        number(m.body.length()),
        at.0.into(),
    ]
}

fn message_row(m: NewMessage, account: AccountId, at: Micros) -> [Value; 17] {
    let header = m.header;
    [
        account.0.into(),
        m.row.id.0.into(),
        (!m.row.identity.is_hash()).then_some(m.row.identity.0).into(),
        hash(m.body.hash()),
        number(m.body.length()),
        m.internal_date.map(|date| date.0).into(),
        at.0.into(),
        number(m.row.places),
        m.announced.map_or(Value::BigInt(None), number),
        header.message_id.into(),
        header.subject.into(),
        header.from.into(),
        header.to.into(),
        header.cc.into(),
        header.date.map(|date| date.0).into(),
        header.parse.as_str().into(),
        m.row.version.as_ref().map(|version| version.as_str().to_owned()).into(),
    ]
}

fn changed_row(m: &MessageRow) -> impl Serialize {
    let version = m.version.as_ref().map(MailVersion::as_str);
    (m.id, m.limbo_since, m.last_folder, m.last_sight, m.deleted_at, m.places, version)
}

fn location_row(l: &LocationRow) -> [Value; 10] {
    [
        l.folder.0.into(),
        l.uidvalidity.0.into(),
        number(l.uid),
        l.message.0.into(),
        l.flags.system().into(),
        l.flags.keywords().into(),
        l.modseq.into(),
        l.internal_date.map(|date| date.0).into(),
        l.began_at.0.into(),
        l.ended_at.map(|at| at.0).into(),
    ]
}
