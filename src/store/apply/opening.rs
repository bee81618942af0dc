//! Handing out an account: its incarnation is raised in the transaction that reads its cursors.

use super::feed::handed_out;
use super::words::{read, write};
use crate::store::failure::Trouble;
use crate::store::orders::OpenAccount;
use crate::store::rows::{get, guard, standing, uid};
use crate::store::sql::{OpeningText, Text};
use crate::store::transaction::Asked;
use postrider_core::commit::change::{Note, Poison};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::id::{AccountId, FolderId, UidValidity};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::run::event::AccountSnapshot;
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use sea_orm::{QueryResult, Value};
use std::collections::BTreeMap;

/// Reads an account whole; where it is asked for `anew`, or there is no row of it, its incarnation is
/// raised (the answer says so). Another provider or username under a known name is refused: it would
/// be another mailbox, and every location would end.
pub(in crate::store) async fn open_account(
    db: &impl Asked,
    open: &OpenAccount,
    anew: bool,
    at: Micros,
) -> Result<Result<(AccountSnapshot, bool), Failure>, Trouble> {
    let name = || Value::from(open.name.clone());
    let mut found = found(db, name()).await?;
    if let Some(known) = &found
        && (known.provider != open.provider || known.username != open.username)
    {
        let text = format!(
            "account {} is the mirror of another mailbox (another provider or username); give the new one another id",
            open.name
        );
        let failure = Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
            .when(When::AfterChange);
        return Ok(Err(failure));
    }
    let raises = anew || found.is_none();
    if raises {
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
        write(db, OpeningText::HandOutAccount, values).await?;
        found = self::found(db, name()).await?;
    }
    let lacks = || Trouble::Damaged(format!("account {} has no row", open.name));
    let found = found.ok_or_else(lacks)?;
    let id = found.id;
    let mut account = None;
    let mut folders = Vec::new();
    for row in read(db, Text::AllFolders, vec![id.0.into()]).await? {
        let (stored, folder) = guard(id, &row)?;
        account = Some(stored);
        folders.extend(folder);
    }
    let account = account.ok_or_else(lacks)?;
    let mut snapshot = AccountSnapshot { folders, ..AccountSnapshot::of(account) };
    (snapshot.stood, snapshot.limbo) = (Some(found.stood), found.limbo);
    if found.failed {
        retries(db, &mut snapshot, at).await?;
    }
    if found.noted {
        snapshot.notes = notes(db, id).await?;
    }
    if found.feeds {
        snapshot.feed = handed_out(db, &snapshot.account).await?;
    }
    Ok(Ok((snapshot, raises)))
}

/// An account's row, and what else there is to be read of it: mostly nothing.
struct FoundAccount {
    id: AccountId,
    provider: String,
    username: String,
    stood: (Standing, String),
    /// Messages of it are looked for.
    limbo: bool,
    /// Messages of it could not be fetched.
    failed: bool,
    noted: bool,
    feeds: bool,
}

async fn found(db: &impl Asked, name: Value) -> Result<Option<FoundAccount>, Trouble> {
    let rows = read(db, OpeningText::AccountFound, vec![name]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(FoundAccount {
        id: AccountId(get(row, 0)?),
        provider: get(row, 1)?,
        username: get(row, 2)?,
        stood: (standing(row, 3)?, get(row, 4)?),
        limbo: get(row, 5)?,
        failed: get(row, 6)?,
        noted: get(row, 7)?,
        feeds: get(row, 8)?,
    }))
}

async fn notes(db: &impl Asked, id: AccountId) -> Result<Vec<Note>, Trouble> {
    let rows = read(db, OpeningText::Notes, vec![id.0.into()]).await?;
    let note = |row: &QueryResult| {
        let about = match get::<String>(row, 0)?.as_str() {
            "examine" => Poison::Examine(get(row, 2)?),
            "index" => Poison::Index(get(row, 2)?),
            _ => Poison::Mail(FolderId(get(row, 1)?), UidValidity(uid(row, 3)?), uid(row, 4)?),
        };
        Ok(Note { about, count: uid(row, 5)?, text: get(row, 6)? })
    };
    rows.iter().map(note).collect()
}

/// The open failures that are tried again in this run, and which of them in what way.
async fn retries(
    db: &impl Asked,
    snapshot: &mut AccountSnapshot,
    at: Micros,
) -> Result<(), Trouble> {
    for row in read(
        db,
        OpeningText::FailuresToRetry,
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
