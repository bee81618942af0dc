//! What is written of packs by who reads all of them.

use super::numbers::Numbers;
use super::own::announce;
use crate::store::failure::Trouble;
use crate::store::packs::{DamagedMail, KNOWN, NewPack, PackWork, ScrubbedPack};
use crate::store::sql::packs::{DamagedOf, ForgetPacks, PutDead, PutPacks, RaisePack, Scrubbed};
use crate::store::sql::query::Document;
use crate::store::sql::setting::PutSetting;
use crate::store::transaction::{Sql, Transaction};
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
        PackWork::Known { new, gone, upto } => {
            let row = |pack: &NewPack| (pack.id, pack.octets, pack.scrubbed_at.map(|at| at.0));
            let rows: Vec<_> = new.iter().map(row).collect();
            db.put(PutPacks { rows: Document::of(&rows)? }).await?;
            db.put(ForgetPacks { packs: Document::of(gone)? }).await?;
            db.put(PutSetting { name: KNOWN.to_owned(), value: upto.to_string() }).await
        }
        PackWork::Dead(packs, next) => {
            db.put(RaisePack { next: *next }).await?;
            db.put(PutDead { packs: Document::of(packs)?, at }).await
        }
        PackWork::Unlinked(packs) => db.put(ForgetPacks { packs: Document::of(packs)? }).await,
        PackWork::Scrubbed(pack) => scrubbed(db, numbers, pack).await,
    }
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
