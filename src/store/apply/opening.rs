//! Handing out an account: its incarnation is raised in the transaction that reads its cursors.

use super::feed::handed_out;
use super::words::{read, write};
use crate::store::failure::Trouble;
use crate::store::orders::OpenAccount;
use crate::store::rows::{get, guard, standing, uid};
use crate::store::sql::{HeldText, Text};
use postrider_core::commit::change::{Note, Poison};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::id::{AccountId, FolderId, UidValidity};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::run::event::AccountSnapshot;
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use sea_orm::{DatabaseTransaction, Value};
use std::collections::BTreeMap;

/// Reads an account whole; where it is asked for `anew`, or there is no row of it, its incarnation is
/// raised (the answer says so). Another provider or username under a known name is refused: it would
/// be another mailbox, and every location would end.
pub(in crate::store) async fn open_account(
    db: &DatabaseTransaction,
    open: &OpenAccount,
    anew: bool,
    at: Micros,
) -> Result<Result<(AccountSnapshot, bool), Failure>, Trouble> {
    let name = || Value::from(open.name.clone());
    let mut is_known = false;
    if let Some(row) = read(db, Text::AccountOrigin, vec![name()]).await?.first() {
        is_known = true;
        let (provider, username): (String, String) = (get(row, 0)?, get(row, 1)?);
        if provider != open.provider || username != open.username {
            let text = format!(
                "account {} is the mirror of another mailbox (another provider or username); give the new one another id",
                open.name
            );
            let failure = Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
                .when(When::AfterChange);
            return Ok(Err(failure));
        }
    }
    let values = vec![
        name(),
        open.provider.into(),
        open.host.clone().into(),
        open.username.clone().into(),
        at.0.into(),
        open.keep.into(),
        Standing::Starting.as_str().into(),
        Standing::Removed.as_str().into(),
        open.owner.clone().into(),
    ];
    let raises = anew || !is_known;
    if raises {
        write(db, Text::HandOutAccount, values).await?;
    }
    let rows = read(db, Text::AccountNumber, vec![name()]).await?;
    let id = rows.first().map_or(Ok(0), |row| get(row, 0)).map(AccountId)?;
    let mut account = None;
    let mut folders = Vec::new();
    for row in read(db, Text::AllFolders, vec![id.0.into()]).await? {
        let (stored, folder) = guard(id, &row)?;
        account = Some(stored);
        folders.extend(folder);
    }
    let account =
        account.ok_or_else(|| Trouble::Damaged(format!("account {} has no row", open.name)))?;
    let mut snapshot = AccountSnapshot { folders, ..AccountSnapshot::of(account) };
    retries(db, &mut snapshot, at).await?;
    for row in read(db, Text::Notes, vec![id.0.into()]).await? {
        let about = match get::<String>(&row, 0)?.as_str() {
            "examine" => Poison::Examine(get(&row, 2)?),
            "index" => Poison::Index(get(&row, 2)?),
            _ => Poison::Mail(FolderId(get(&row, 1)?), UidValidity(uid(&row, 3)?), uid(&row, 4)?),
        };
        snapshot.notes.push(Note { about, count: uid(&row, 5)?, text: get(&row, 6)? });
    }
    snapshot.feed = handed_out(db, &snapshot.account).await?;
    let rows = read(db, Text::HowItStood, vec![id.0.into()]).await?;
    if let Some(row) = rows.first() {
        snapshot.stood = Some((standing(row, 0)?, get(row, 1)?));
    }
    snapshot.limbo = !read(db, HeldText::AnyLost, vec![id.0.into()]).await?.is_empty();
    Ok(Ok((snapshot, raises)))
}

/// The open failures that are tried again in this run, and which of them in what way.
async fn retries(
    db: &DatabaseTransaction,
    snapshot: &mut AccountSnapshot,
    at: Micros,
) -> Result<(), Trouble> {
    for row in read(
        db,
        Text::FailuresToRetry,
        vec![snapshot.account.id.0.into(), at.0.into(), env!("CARGO_PKG_VERSION").into()],
    )
    .await?
    {
        let (folder, uid) = (FolderId(get(&row, 0)?), uid(&row, 1)?);
        let into =
            |rows: &mut BTreeMap<FolderId, UidSet>| rows.entry(folder).or_default().insert(uid);
        let is_due = get::<Option<bool>>(&row, 2)?.unwrap_or(false);
        if is_due {
            into(&mut snapshot.due);
        }
        if get::<bool>(&row, 3)? {
            into(&mut snapshot.lone);
        }
        if get::<bool>(&row, 4)? && !is_due {
            into(&mut snapshot.burst);
        }
    }
    Ok(())
}
