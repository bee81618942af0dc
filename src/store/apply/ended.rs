//! What was on its way when the process before ended: what ends processes again and again is asked for alone, then
//! left out (`core/src/recovery/asked.rs`).

use super::asked::{asked, save_asked};
use super::own::open_failures;
use crate::provider::in_flight::WhichMail;
use crate::store::failure::Trouble;
use crate::store::sql::asked::{AskedOf, FoldersOf, OurFailures, OwedFailsAgain};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::failure::Class;
use postrider_core::mail::id::{AccountId, FolderId, Identity, UidValidity};
use postrider_core::mail::page::{Again, Unfetched};
use postrider_core::recovery::asked::{Beside, ProcessEnd, ends_processes};
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is our own fault is tried again after a day, then when another version may have come.
const SOON: Duration = Duration::from_secs(86_400);
const LATE: Duration = Duration::from_secs(30 * 86_400);

/// A process has ended while this mail of an account was on its way.
pub(super) async fn ended(
    db: &Transaction,
    account: AccountId,
    how: ProcessEnd,
    mail: &[(WhichMail, Beside)],
    at: Micros,
) -> Result<(), Trouble> {
    let before = db.ask_one(AskedOf { account }).await?.and_then(|row| row.asked);
    let mut asked = asked(before.as_deref());
    let folders = db.ask(FoldersOf { account }).await?.into_iter();
    let folders: BTreeMap<_, (FolderId, UidValidity)> =
        folders.map(|row| (row.remote_id, (row.id, row.uidvalidity))).collect();
    let failed = db.ask(OurFailures { account, class: Class::Bug }).await?.into_iter();
    let failed: BTreeSet<(FolderId, u32)> = failed.map(|row| (row.folder, row.uid)).collect();
    for (mail, beside) in mail {
        let is_known = how == ProcessEnd::Aborted && *beside != Beside::Anything;
        match mail {
            WhichMail::Uids { uidvalidity, uids, .. } => {
                let folder = mail.folder().and_then(|name| folders.get(&name));
                let Some((folder, _)) = folder.filter(|(_, known)| known == uidvalidity) else {
                    continue;
                };
                let row = uids.first().filter(|uid| is_known && failed.contains(&(*folder, *uid)));
                match row {
                    Some(uid) => fail_again(db, account, *folder, uid, at).await?,
                    None => asked.ended((*folder, *uidvalidity), uids, how, *beside),
                }
            }
            WhichMail::Ids(ids) => {
                let ids: Vec<Identity> = ids.iter().cloned().collect();
                let fails = match ids.first().filter(|_| is_known) {
                    Some(id) => owed_fails_again(db, account, id, at).await?,
                    None => false,
                };
                if !fails {
                    asked.ended_at(&ids, how, *beside);
                }
            }
        }
    }
    save_asked(db, account, &asked).await
}

/// A row of the ledger was tried again, and the process has ended once more.
async fn fail_again(
    db: &Transaction,
    account: AccountId,
    folder: FolderId,
    uid: u32,
    at: Micros,
) -> Result<(), Trouble> {
    let (class, text) = (Class::Bug, ends_processes().text);
    let failed = Unfetched { uid, class, text, again: Again::Spaced, came: None };
    open_failures(db, account, folder, &[failed], at).await
}

/// The same, where messages go by their ids. Says whether this was one.
async fn owed_fails_again(
    db: &Transaction,
    account: AccountId,
    id: &Identity,
    at: Micros,
) -> Result<bool, Trouble> {
    let (soon, late) = (at.plus(SOON), at.plus(LATE));
    let again =
        OwedFailsAgain { account, identity: id.0.clone(), class: Class::Bug, soon, late, at };
    Ok(db.put_now(again).await? > 0)
}
