//! What the ledger says is written: bodies, messages, locations, events; one document a table.

use super::numbers::{Numbers, event_id};
use super::words::{text, write};
use crate::store::failure::Trouble;
use crate::store::sql::Text;
use postrider_core::commit::event::ToldPlace;
use postrider_core::commit::ledger::{Ledger, NewMessage, Writes};
use postrider_core::commit::rows::{LocationRow, MessageRow};
use postrider_core::mail::id::AccountId;
use postrider_core::time::Micros;
use sea_orm::DatabaseTransaction;
use serde_json::{Value as Json, json};

pub(super) async fn save(
    db: &DatabaseTransaction,
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
    db: &DatabaseTransaction,
    numbers: &mut Numbers,
    account: AccountId,
    writes: &Writes,
    at: Micros,
) -> Result<(), Trouble> {
    if !writes.created.is_empty() {
        let rows: Vec<Json> = writes.created.iter().map(|m| body_row(m, at)).collect();
        write(db, Text::PutBodies, vec![text(&rows)?]).await?;
        let rows: Vec<Json> = writes.created.iter().map(|m| message_row(m, at)).collect();
        write(db, Text::InsertMessages, vec![account.0.into(), text(&rows)?]).await?;
    }
    if !writes.messages.is_empty() {
        let row = |m: &MessageRow| {
            json!([
                m.id.0,
                m.limbo_since,
                m.last_folder.map(|f| f.0),
                m.last_sight,
                m.deleted_at,
                m.places,
                m.version.as_ref().map(|version| version.as_str())
            ])
        };
        let rows: Vec<Json> = writes.messages.iter().map(row).collect();
        write(db, Text::UpdateMessages, vec![text(&rows)?]).await?;
    }
    if !writes.locations.is_empty() {
        let rows: Vec<Json> = writes.locations.iter().map(location_row).collect();
        write(db, Text::PutLocations, vec![text(&rows)?]).await?;
    }
    if !writes.events.is_empty() {
        let mut rows = Vec::with_capacity(writes.events.len());
        for event in &writes.events {
            let seq = numbers.event();
            rows.push(json!([
                seq,
                event_id(at.0, seq),
                event.kind.as_str(),
                event.folder.map(|f| f.0),
                event.message.map(|m| m.0),
                event.backfill,
                match &event.path {
                    Some(path) => json!({ "path": path }).to_string(),
                    None => {
                        let mut data = json!({
                            "what": event.what.as_str(),
                            "changed": told(&event.changed),
                            "locations": told(&event.locations),
                            "count": event.count,
                        });
                        if let (true, Some(data)) = (event.kept, data.as_object_mut()) {
                            data.insert("kept".into(), true.into());
                        }
                        data.to_string()
                    }
                }
            ]));
        }
        write(db, Text::InsertEvents, vec![account.0.into(), at.0.into(), text(&rows)?]).await?;
    }
    Ok(())
}

fn told(locations: &[ToldPlace]) -> Vec<Json> {
    let row = |(folder, uid, flags): &ToldPlace| json!({ "folder": folder.0, "uid": uid, "flags": flags.as_str() });
    locations.iter().map(row).collect()
}

fn body_row(m: &NewMessage, at: Micros) -> Json {
    json!([m.body.hash().to_string(), m.body.pack(), m.body.offset(), m.body.length(), at])
}

/// Its header goes as it is: the text names what of it is stored.
fn message_row(m: &NewMessage, at: Micros) -> Json {
    json!([
        m.row.id.0,
        m.row.identity.0,
        m.body.hash().to_string(),
        m.body.length(),
        m.internal_date,
        at,
        m.row.places,
        m.announced,
        m.header,
        m.row.version.as_ref().map(|version| version.as_str())
    ])
}

fn location_row(l: &LocationRow) -> Json {
    json!([
        l.folder.0,
        l.uidvalidity.0,
        l.uid,
        l.message.0,
        l.flags.system(),
        l.flags.keywords(),
        l.modseq,
        l.internal_date,
        l.began_at,
        l.ended_at
    ])
}
