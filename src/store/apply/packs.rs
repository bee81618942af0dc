//! What is written of packs by who reads all of them.

use super::numbers::Numbers;
use super::own::announce;
use crate::fault;
use crate::store::failure::Trouble;
use crate::store::packs::{CopiedInto, DamagedMail, KNOWN, NewPack, PackWork, ScrubbedPack};
use crate::store::sql::copies::{MoveBodies, PutCopied};
use crate::store::sql::packs::{
    DamagedOf, ForgetPacks, PutDead, PutEnds, PutPacks, RaisePack, Scrubbed,
};
use crate::store::sql::query::Document;
use crate::store::sql::setting::PutSetting;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::body::MovedBody;
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;
use serde_json::json;

/// Writes it.
pub(super) async fn work(
    db: &Transaction,
    numbers: &mut Numbers,
    work: &PackWork,
    at: Micros,
) -> Result<(), Trouble> {
    match work {
        PackWork::Known { new, upto } => {
            db.put(PutPacks { rows: rows_of(new)? }).await?;
            db.put(PutSetting { name: KNOWN.to_owned(), value: upto.to_string() }).await
        }
        PackWork::Ends(packs) => db.put(PutEnds { rows: rows_of(packs)? }).await,
        PackWork::Dead(packs, next) => {
            db.put(RaisePack { next: *next }).await?;
            db.put(PutDead { packs: Document::of(packs)?, at }).await
        }
        PackWork::Unlinked(packs) => db.put(ForgetPacks { packs: Document::of(packs)? }).await,
        PackWork::Moved(bodies) => {
            let row = |one: &MovedBody| {
                let MovedBody { id, from, to } = *one;
                (id, from.pack, from.offset, from.length, to.pack, to.offset, to.stored)
            };
            let rows: Vec<_> = bodies.iter().map(row).collect();
            db.put(MoveBodies { rows: Document::of(&rows)? }).await?;
            fault::pass("collect.moved");
            Ok(())
        }
        PackWork::Copied(packs) => {
            let row = |pack: &CopiedInto| {
                (pack.id, pack.octets, pack.named, pack.compressed_at.map(|at| at.0))
            };
            let rows: Vec<_> = packs.iter().map(row).collect();
            db.put(PutCopied { rows: Document::of(&rows)?, at }).await
        }
        PackWork::Scrubbed(pack) => scrubbed(db, numbers, pack).await,
    }
}

fn rows_of(packs: &[NewPack]) -> Result<Document, Trouble> {
    let row = |pack: &NewPack| (pack.id, pack.octets, pack.scrubbed_at.map(|at| at.0));
    Document::of(&packs.iter().map(row).collect::<Vec<_>>())
}

/// All of it was read: what is damaged is told of once.
async fn scrubbed(
    db: &Transaction,
    numbers: &mut Numbers,
    read: &ScrubbedPack,
) -> Result<(), Trouble> {
    let ScrubbedPack { id: pack, at, octets, named, damaged, mail } = read;
    let (pack, at) = (*pack, *at);
    let (octets, named, damaged) = (*octets, *named, *damaged);
    let before = db.ask_one(DamagedOf { pack }).await?.map_or(0, |row| row.damaged);
    db.put(Scrubbed { pack, octets, named, at, damaged }).await?;
    if damaged <= before {
        return Ok(());
    }
    for (account, DamagedMail { count, first }) in mail {
        let told = json!({ "pack": pack, "count": count, "messages": first });
        announce(db, numbers, *account, EventKind::StoreDamaged, &told).await?;
    }
    Ok(())
}
