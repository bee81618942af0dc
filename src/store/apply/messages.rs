//! What the ledger says is written: bodies, messages, locations, events; one document a table.

use super::{Counters, text, write};
use crate::store::failure::Trouble;
use postrider_core::commit::event::ToldPlace;
use postrider_core::commit::ledger::{Ledger, NewMessage, Writes};
use postrider_core::commit::rows::{LocationRow, MessageRow};
use postrider_core::mail::id::AccountId;
use postrider_core::time::Micros;
use sea_orm::DatabaseTransaction;
use serde_json::{Value as Json, json};

pub(super) async fn save(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    ledger: &mut Ledger,
    at: Micros,
) -> Result<(), Trouble> {
    let writes = ledger.take_writes();
    counters.message = ledger.next_message();
    save_writes(db, counters, account, &writes, at).await
}

async fn save_writes(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    writes: &Writes,
    at: Micros,
) -> Result<(), Trouble> {
    if !writes.created.is_empty() {
        let rows: Vec<Json> = writes.created.iter().map(|m| body_row(m, at)).collect();
        let sql = "INSERT INTO body (hash, pack, \"offset\", length, stored_at) \
                   SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4 FROM json_each(?1) WHERE TRUE \
                   ON CONFLICT (hash) DO NOTHING";
        write(db, sql, vec![text(&rows)?]).await?;
        let rows: Vec<Json> = writes.created.iter().map(|m| message_row(m, at)).collect();
        let sql = "INSERT INTO message (id, account, identity, body, size, message_id, subject, from_text, to_text, cc_text, \
                   date, internal_date, stored_at, parse, places, announced) \
                   SELECT value->>0, ?1, value->>1, unhex(value->>2), value->>3, value->>4, value->>5, value->>6, value->>7, \
                   value->>8, value->>9, value->>10, value->>11, value->>12, value->>13, value->>14 FROM json_each(?2)";
        write(db, sql, vec![account.0.into(), text(&rows)?]).await?;
    }
    if !writes.messages.is_empty() {
        let row = |m: &MessageRow| {
            json!([m.id.0, m.limbo_since, m.last_folder.map(|f| f.0), m.last_sight, m.deleted_at, m.places])
        };
        let rows: Vec<Json> = writes.messages.iter().map(row).collect();
        let sql = "UPDATE message SET limbo_since = j.value->>1, last_folder = j.value->>2, last_sight = j.value->>3, \
                   deleted_at = j.value->>4, places = j.value->>5 FROM json_each(?1) j WHERE message.id = j.value->>0";
        write(db, sql, vec![text(&rows)?]).await?;
    }
    if !writes.locations.is_empty() {
        let rows: Vec<Json> = writes.locations.iter().map(location_row).collect();
        let sql = "INSERT INTO location (folder, uidvalidity, uid, message, flags, keywords, modseq, internal_date, began_at, \
                   ended_at) SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, \
                   value->>8, value->>9 FROM json_each(?1) WHERE TRUE \
                   ON CONFLICT (folder, uidvalidity, uid) DO UPDATE SET message = excluded.message, flags = excluded.flags, \
                   keywords = excluded.keywords, modseq = excluded.modseq, internal_date = excluded.internal_date, \
                   began_at = excluded.began_at, ended_at = excluded.ended_at";
        write(db, sql, vec![text(&rows)?]).await?;
    }
    if !writes.events.is_empty() {
        let mut rows = Vec::with_capacity(writes.events.len());
        for event in &writes.events {
            let id = uuid::Uuid::now_v7().to_string();
            rows.push(json!([
                counters.event,
                id,
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
            counters.event += 1;
        }
        let sql = "INSERT INTO event (seq, id, at, kind, account, folder, message, backfill, data) \
                   SELECT value->>0, value->>1, ?2, value->>2, ?1, value->>3, value->>4, value->>5, value->>6 FROM json_each(?3)";
        write(db, sql, vec![account.0.into(), at.0.into(), text(&rows)?]).await?;
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

fn message_row(m: &NewMessage, at: Micros) -> Json {
    let h = &m.header;
    json!([
        m.row.id.0,
        m.row.identity.0,
        m.body.hash().to_string(),
        m.body.length(),
        h.message_id,
        h.subject,
        h.from,
        h.to,
        h.cc,
        h.date,
        m.internal_date,
        at,
        h.parse.as_str(),
        m.row.places,
        m.announced
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
