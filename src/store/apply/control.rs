//! What operators and the config change: states, names, removal, purging. Each is one short
//! transaction; purging is many.

use super::numbers::Numbers;
use super::own::announce;
use super::words::{read, text, write, write_now};
use crate::store::failure::Trouble;
use crate::store::held::refused_proof_of;
use crate::store::orders::Control;
use crate::store::rows::{get, standing};
use crate::store::sql::{CountText, FeedText, Text};
use crate::store::transaction::Transaction;
use postrider_core::budget::Spending;
use postrider_core::mail::id::AccountId;
use postrider_core::oauth::CredentialRow;
use postrider_core::standing::{EventKind, Standing};
use postrider_core::time::Micros;
use sea_orm::Value;
use serde_json::json;

/// Messages that one transaction of a purge deletes.
const PURGE_CHUNK: i64 = 1000;

/// What a control write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// What was asked.
    Changed,
    /// Nothing: it was so already.
    Same,
    /// Nothing: another account has the id.
    Taken,
    /// There is no such account.
    Missing,
}

/// Whether a control write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Portion {
    /// Yes.
    Over(Done),
    /// A part is; the rest comes in further transactions, so that pages are not held up.
    More,
}

/// Carries a control write out, or a part of it.
pub(in crate::store) async fn control(
    db: &Transaction,
    numbers: &mut Numbers,
    control: &Control,
    at: Micros,
) -> Result<Portion, Trouble> {
    let over = Portion::Over;
    let name = match control {
        Control::Renew { from, row } => return renew(db, *from, row).await.map(over),
        Control::Reseal { rows } => return reseal(db, rows).await.map(over),
        Control::NotRenewed { account, version, error } => {
            let values =
                vec![account.clone().into(), (*version).into(), error.clone().into(), at.0.into()];
            return Ok(over(changed(write_now(db, Text::NotRenewed, values).await?)));
        }
        Control::RefusedProof { account, mark } => {
            let value = format!("{} {mark}", at.0);
            let values = vec![refused_proof_of(account).into(), value.into()];
            return write(db, Text::PutSetting, values).await.map(|()| over(Done::Changed));
        }
        Control::Spend { endpoint, rows } => return spend(db, endpoint, rows).await.map(over),
        Control::Stand { account, .. }
        | Control::History { account, .. }
        | Control::Remove { account }
        | Control::Purge { account } => account,
        Control::Rename { was, .. } => was,
    };
    if let Control::Purge { account } = control {
        // It may have been granted before the account's first run.
        write(db, Text::PurgeCredential, vec![account.clone().into()]).await?;
        write(db, Text::ForgetSetting, vec![refused_proof_of(account).into()]).await?;
        write(db, Text::PurgeSpent, vec![account.clone().into()]).await?;
    }
    let found = read(db, Text::StoodByName, vec![name.clone().into()]).await?;
    let Some(row) = found.first() else { return Ok(over(Done::Missing)) };
    let (id, stood) = (get::<i64>(row, 0)?, standing(row, 1)?);
    match control {
        Control::Stand { standing, reason, event, parked_for, .. } => {
            let values = vec![
                id.into(),
                standing.as_str().into(),
                reason.clone().into(),
                at.0.into(),
                parked_for.clone().into(),
            ];
            if write_now(db, Text::StandByHand, values).await? == 0 {
                return Ok(over(Done::Same));
            }
            if let Some(kind) = event {
                announce(db, numbers, AccountId(id), *kind, &json!({ "reason": reason })).await?;
            }
        }
        Control::History { history, parked_for, .. } => {
            let values = vec![id.into(), history.clone().into(), parked_for.clone().into()];
            return Ok(over(changed(write_now(db, Text::SaveHistory, values).await?)));
        }
        Control::Remove { .. } => {
            if stood == Standing::Removed {
                return Ok(over(Done::Same));
            }
            // Whoever still holds the account's cursors is fenced off.
            write(
                db,
                Text::RemoveAccount,
                vec![id.into(), at.0.into(), Standing::Removed.as_str().into()],
            )
            .await?;
            announce(db, numbers, AccountId(id), EventKind::AccountRemoved, &json!({})).await?;
        }
        Control::Rename { was, account } => {
            let taken = read(db, Text::AccountExists, vec![account.clone().into()]).await?;
            if !taken.is_empty() {
                return Ok(over(Done::Taken));
            }
            write(db, Text::RenameAccount, vec![id.into(), account.clone().into()]).await?;
            let names = vec![was.clone().into(), account.clone().into()];
            write(db, Text::RenameCredential, names.clone()).await?;
            write(db, Text::RenameSpent, names).await?;
        }
        Control::Purge { .. } => return purge(db, id).await,
        Control::Renew { .. }
        | Control::Reseal { .. }
        | Control::NotRenewed { .. }
        | Control::RefusedProof { .. }
        | Control::Spend { .. } => {}
    }
    Ok(over(Done::Changed))
}

/// Hours after which it is of no use what was spent.
const SPENT_HOURS: i64 = 48;

async fn spend(
    db: &Transaction,
    endpoint: &str,
    rows: &[(Option<String>, Spending)],
) -> Result<Done, Trouble> {
    let row = |(account, spent): &(Option<String>, Spending)| {
        json!([account.as_deref().unwrap_or_default(), spent.hour, spent.units])
    };
    let document = serde_json::Value::from(rows.iter().map(row).collect::<Vec<_>>());
    let document = document.to_string();
    write(db, Text::PutSpent, vec![endpoint.into(), document.clone().into()]).await?;
    if let Some(last) = rows.iter().map(|(_, spent)| spent.hour).max() {
        let (from, to) = (last.saturating_sub(SPENT_HOURS), last.saturating_add(1));
        let values = vec![endpoint.into(), from.into(), to.into(), document.into()];
        write(db, Text::ForgetSpent, values).await?;
    }
    Ok(Done::Changed)
}

fn changed(written: u64) -> Done {
    if written == 0 { Done::Same } else { Done::Changed }
}

/// The next generation of a credential, if the stored one is the one it follows.
async fn renew(db: &Transaction, from: i64, row: &CredentialRow) -> Result<Done, Trouble> {
    let values = vec![
        row.account.clone().into(),
        from.into(),
        row.version.into(),
        row.issuer.clone().into(),
        row.username.clone().into(),
        row.sealed.clone().into(),
        row.key_print.clone().into(),
        row.scopes.clone().into(),
        row.granted_at.0.into(),
        row.renewed_at.0.into(),
        row.expires_at.0.into(),
    ];
    let text = if from == 0 { Text::FirstCredential } else { Text::NextCredential };
    Ok(changed(write_now(db, text, values).await?))
}

/// The same tokens under another key. What the old key opens is not kept.
async fn reseal(db: &Transaction, rows: &[CredentialRow]) -> Result<Done, Trouble> {
    for row in rows {
        let values = vec![
            row.account.clone().into(),
            (row.version - 1).into(),
            row.version.into(),
            row.sealed.clone().into(),
            row.key_print.clone().into(),
        ];
        if changed(write_now(db, Text::Reseal, values).await?) == Done::Same {
            let text = format!(
                "the grant of {} has changed meanwhile; nothing was sealed anew",
                row.account
            );
            return Err(Trouble::Damaged(text));
        }
    }
    Ok(Done::Changed)
}

/// Deletes a part of an account; its own row goes last, so that a purge that was cut off can be
/// begun again.
async fn purge(db: &Transaction, id: i64) -> Result<Portion, Trouble> {
    let account = || vec![Value::from(id)];
    // Fenced off first: no page may come behind it.
    write(db, Text::FenceOff, vec![id.into(), Standing::Removed.as_str().into()]).await?;
    let values = || vec![Value::from(id), Value::from(PURGE_CHUNK)];
    for text in [CountText::UncountPurged, CountText::UncountLocations] {
        write(db, text, values()).await?;
    }
    write(db, Text::PurgeLocations, values()).await?;
    let bodies = read(db, Text::PurgedBodies, values()).await?;
    let deleted = write_now(db, Text::PurgeMessages, values()).await?;
    let bodies =
        bodies.iter().map(|row| get::<i64>(row, 0)).collect::<Result<Vec<_>, Trouble>>()?;
    write(db, Text::PurgeBodies, vec![text(&bodies)?]).await?;
    let owed = write_now(db, FeedText::PurgeOwed, values()).await?;
    if deleted + owed > 0 {
        return Ok(Portion::More);
    }
    write(db, FeedText::PurgeFeeds, account()).await?;
    for text in [
        Text::PurgeFolderLocations,
        Text::PurgeCursors,
        Text::PurgeFolders,
        Text::PurgeFailures,
        Text::PurgeNotes,
        Text::PurgeRuns,
        Text::PurgeRunHours,
        // The feed's numbers have no gaps: what its events say goes, that they were does not.
        Text::PurgeEventData,
        Text::PurgeAccount,
    ] {
        write(db, text, account()).await?;
    }
    Ok(Portion::Over(Done::Changed))
}
