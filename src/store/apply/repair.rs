//! Sets right what is damaged: what is lost is asked for again by the ordinary way, what is counted is counted.

use super::feed::hint;
use super::messages::event_row;
use super::numbers::Numbers;
use super::own::{close_failures, write_lanes};
use crate::store::failure::Trouble;
use crate::store::repair::{Again, RepairStep};
use crate::store::rows::{bare, folder_row};
use crate::store::sql::change::{FolderGrew, InsertFolder};
use crate::store::sql::commit::{AllFolders, FolderColumns, Guard, NameIsTaken};
use crate::store::sql::counts::{CountLocations, CountMessages, Miscount};
use crate::store::sql::feeds::FeedAccount;
use crate::store::sql::integrity::{NoMessage, OtherPlaces};
use crate::store::sql::packs::{PutPacks, ScrubAnew};
use crate::store::sql::query::Document;
use crate::store::sql::repair::{
    CountPlaces, DropMessages, DropPlaces, DropPlacesOf, LeapOver, LoseBody, NameNoBody,
};
use crate::store::sql::repair_asked::{KnownUids, NamesOf, PlacesOf, Untold, ValidityOf};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::commit::change::feed::Hinted;
use postrider_core::commit::event::{EventDraft, What};
use postrider_core::commit::rows::FolderRow;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::cursor::{self, Lanes};
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId, MessageId, UidValidity};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// Does a step of it.
pub(super) async fn repair(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    step: &RepairStep,
    at: Micros,
) -> Result<(), Trouble> {
    match step {
        RepairStep::Bodyless(messages) => {
            db.put(NameNoBody { messages: Document::of(messages)? }).await
        }
        RepairStep::Folders(ids) => folders(db, account, ids, at).await,
        RepairStep::Cursors(folders) => cursors(db, account, folders).await,
        RepairStep::Places(rows) => places(db, numbers, account, rows, at).await,
        RepairStep::Gone(messages) => gone(db, numbers, account, messages).await,
        RepairStep::Counted(rows) => counted(db, numbers, account, rows, at).await,
        RepairStep::Held(rows) => {
            for (folder, uids) in rows {
                close_failures(db, *folder, uids, at).await?;
            }
            Ok(())
        }
        RepairStep::Lost(bodies, mail) => {
            for body in bodies {
                let StoredBody { hash, pack, offset, length, .. } = *body;
                db.put(LoseBody { hash, pack, offset, length }).await?;
            }
            if !bodies.is_empty() {
                numbers.lose();
                // What is left in there is counted anew, and not told again.
                let mut packs: BTreeMap<i64, u64> = BTreeMap::new();
                bodies.iter().for_each(|body| *packs.entry(body.pack).or_default() += 1);
                let rows: Vec<(i64, u64)> = packs.into_iter().collect();
                db.put(ScrubAnew { rows: Document::of(&rows)? }).await?;
            }
            again(db, numbers, account, mail, at).await
        }
        RepairStep::Recounted(rows) => recounted(db, account, rows).await,
        RepairStep::Leapt(ranges) => {
            for range in ranges {
                let (after, next) = (range.start - 1, range.end);
                db.put(LeapOver { at, after, next }).await?;
            }
            Ok(())
        }
        RepairStep::Packs(packs) => {
            // How long they are is counted when they are read.
            let rows: Vec<(i64, u64, Option<i64>)> =
                packs.iter().map(|id| (*id, 0, None)).collect();
            db.put(PutPacks { rows: Document::of(&rows)? }).await
        }
        RepairStep::Counters(rows) => {
            rows.iter().for_each(|row| numbers.raise(&row.name, row.highest));
            Ok(())
        }
        RepairStep::ListedAnew => {
            for before in every(db, account).await? {
                let mut row = before.clone();
                if let Some(lanes) = &mut row.lanes {
                    lanes.list_anew();
                }
                write_lanes(db, Some(&before), &row).await?;
            }
            let compare = Hinted { compare: true, ..Hinted::default() };
            hint(db, numbers, account, compare, at).await
        }
    }
}

/// The folders of an account; one that has lost a cursor has none.
async fn every(db: &Transaction, account: AccountId) -> Result<Vec<FolderRow>, Trouble> {
    let rows = db.ask(AllFolders { account }).await?;
    let rows = rows.into_iter().filter_map(|row| row.folder.0);
    rows.map(|row| folder_row(bare(row))).collect()
}

/// Mail is asked for again, though it is held.
async fn again(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    mail: &Again,
    at: Micros,
) -> Result<(), Trouble> {
    let mut asked: BTreeMap<FolderId, UidSet> = mail.uids.iter().cloned().collect();
    if !mail.messages.is_empty() {
        let mut known = BTreeSet::new();
        for row in db.ask(PlacesOf { messages: Document::of(&mail.messages)? }).await? {
            // One of a message's places will do.
            if let Ok(uid) = u32::try_from(row.uid)
                && known.insert(row.message)
            {
                asked.entry(row.folder).or_default().insert(uid);
            }
        }
    }
    for (folder, uids) in &asked {
        let guard = Guard { account, folder: Some(*folder), remote_id: None };
        let Some(found) = db.ask_one(guard).await? else { continue };
        let Some(row) = found.rows.folder.0 else { continue };
        let before = folder_row(bare(row))?;
        let mut row = before.clone();
        let Some(lanes) = &mut row.lanes else { continue };
        lanes.read_again(uids);
        write_lanes(db, Some(&before), &row).await?;
        // Who looks for a mail in limbo waits for what is read of this one.
        db.put(FolderGrew { folder: *folder, grown_at: Some(at) }).await?;
    }
    if mail.messages.is_empty() {
        return Ok(());
    }
    let named = NamesOf { messages: Document::of(&mail.messages)? };
    let unread = db.ask(named).await?.into_iter().map(|row| row.identity).collect();
    hint(db, numbers, account, Hinted { unread, ..Hinted::default() }, at).await
}

/// Folders that are named have a row again. Under what name they lie now nobody knows: whoever lists finds that, or that
/// they are gone.
async fn folders(
    db: &Transaction,
    account: AccountId,
    rows: &[(i64, Option<String>)],
    at: Micros,
) -> Result<(), Trouble> {
    let feed = db.ask_one(FeedAccount { account }).await?.and_then(|row| row.feed);
    for (id, told) in rows {
        let folder = FolderId(*id);
        let seen = db.ask_one(ValidityOf { folder }).await?;
        // Places of a feed go by names of its own, and what is not ASCII is written otherwise on the wire.
        let is_wire = |path: &&String| feed.is_none() && path.is_ascii() && !path.contains('&');
        let path = told.as_ref().filter(is_wire).cloned();
        let mut path = path.unwrap_or_else(|| format!("missing folder {id}"));
        let remote_id = WireName::from(path.clone().into_bytes());
        let taken = NameIsTaken { account, remote_id, folder };
        if db.finds(taken).await? {
            path = format!("missing folder {id}");
        }
        db.put(InsertFolder {
            folder,
            account,
            remote_id: path.clone().into_bytes().into(),
            path,
            delimiter: None,
            role: None,
            uidvalidity: seen.map_or(UidValidity(0), |seen| seen.uidvalidity),
            exists: 0,
            opened_at: at,
        })
        .await?;
    }
    let ids: Vec<FolderId> = rows.iter().map(|(id, _)| FolderId(*id)).collect();
    // What lies in places of a feed has no cursors.
    if feed.is_some() { Ok(()) } else { cursors(db, account, &ids).await }
}

/// Folders that lack a cursor have both.
async fn cursors(db: &Transaction, account: AccountId, ids: &[FolderId]) -> Result<(), Trouble> {
    let rows = db.ask(AllFolders { account }).await?;
    for row in rows.into_iter().filter_map(|row| row.folder.0) {
        if !ids.contains(&row.folder) || (row.live.is_some() && row.backfill.is_some()) {
            continue;
        }
        let folder = row.folder;
        let seen = db.ask_one(ValidityOf { folder }).await?;
        let uidvalidity = seen.map_or(UidValidity(0), |seen| seen.uidvalidity);
        let FolderColumns { live, backfill, .. } = &row;
        let damaged = |e: cursor::BadLane| Trouble::damaged("a lane", &e);
        let live = live.as_deref().map(cursor::from_text).transpose().map_err(damaged)?;
        let backfill = backfill.as_deref().map(cursor::from_text).transpose().map_err(damaged)?;
        let known = db.ask(KnownUids { folder, uidvalidity }).await?;
        let known: UidSet = known.iter().filter_map(|row| u32::try_from(row.uid).ok()).collect();
        let mut row = folder_row(bare(row))?;
        row.lanes = Some(Lanes::rebuilt(uidvalidity, live, backfill, &known));
        write_lanes(db, None, &row).await?;
    }
    Ok(())
}

/// Places of messages that are not there go, and are read again; what those were is told to be gone.
async fn places(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    rows: &[NoMessage],
    at: Micros,
) -> Result<(), Trouble> {
    let gone: Vec<_> = rows.iter().map(|row| (row.folder, row.uid, row.message)).collect();
    if db.put_now(DropPlaces { rows: Document::of(&gone)? }).await? == 0 {
        return Ok(());
    }
    let mut uids: BTreeMap<FolderId, UidSet> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for row in rows.iter().filter(|row| row.is_living) {
        if let Ok(uid) = u32::try_from(row.uid) {
            uids.entry(row.folder).or_default().insert(uid);
        }
        if !told.insert(row.message) {
            continue;
        }
        let gone = (Some(row.folder), MessageId(row.message));
        tell_gone(db, numbers, account, gone).await?;
    }
    let mail = Again { uids: uids.into_iter().collect(), messages: Vec::new() };
    again(db, numbers, account, &mail, at).await
}

/// Messages of neither bytes nor a place go. Whose end was told already is not told of again.
async fn gone(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    messages: &[i64],
) -> Result<(), Trouble> {
    let messages = Document::of(&messages)?;
    let untold = db.ask(Untold { messages: messages.clone() }).await?;
    db.put(DropMessages { messages: messages.clone() }).await?;
    db.put(DropPlacesOf { messages }).await?;
    for row in untold {
        tell_gone(db, numbers, account, (None, MessageId(row.id))).await?;
    }
    Ok(())
}

/// Whoever knows it learns that it is gone.
async fn tell_gone(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    (folder, message): (Option<FolderId>, MessageId),
) -> Result<(), Trouble> {
    let draft = EventDraft {
        kind: EventKind::MessageDeleted,
        folder,
        message: Some(message),
        backfill: true,
        what: What::State,
        changed: Vec::new(),
        locations: Vec::new(),
        count: 0,
        path: None,
        kept: false,
    };
    db.put_rows(std::iter::once(event_row(&draft, account, numbers)?)).await
}

/// Messages lie in as many places as they do: whoever lies in none any more is looked for.
async fn counted(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    rows: &[OtherPlaces],
    at: Micros,
) -> Result<(), Trouble> {
    let places: Vec<_> = rows.iter().map(|row| (row.id, row.kept, row.counted)).collect();
    db.put(CountPlaces { rows: Document::of(&places)?, at }).await?;
    let messages: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let ids = db.ask(NamesOf { messages: Document::of(&messages)? }).await?;
    let ids = ids.into_iter().map(|row| row.identity).collect();
    // Where messages have no UIDs each is asked for by its name.
    hint(db, numbers, account, Hinted { ids, ..Hinted::default() }, at).await
}

/// What is kept of counts is what was counted: by as much as they differed.
async fn recounted(db: &Transaction, account: AccountId, rows: &[Miscount]) -> Result<(), Trouble> {
    let mut folders = Vec::new();
    for row in rows {
        let by = row.counted - row.kept;
        match (row.folder, row.octets) {
            (Some(folder), _) => folders.push((folder, by)),
            (None, false) => {
                db.put(CountMessages { account, messages: by, octets: 0 }).await?;
            }
            (None, true) => {
                db.put(CountMessages { account, messages: 0, octets: by }).await?;
            }
        }
    }
    if folders.is_empty() {
        return Ok(());
    }
    db.put(CountLocations { rows: Document::of(&folders)? }).await
}
