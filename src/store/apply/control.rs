//! What operators and the config change: states, names, removal, purging. Those that
//! wait together share a short transaction; purging is many.

use super::collect::Collect;
use super::ended::ended;
use super::failures::work;
use super::forget::ForgetEvents;
use super::numbers::Numbers;
use super::own::announce;
use super::purge::{Purge, purge_name};
use super::words::lane;
use crate::store::expired::{COLLECTED, SEEN};
use crate::store::failure::Trouble;
use crate::store::held::refused_proof_of;
use crate::store::orders::Control;
use crate::store::pass::PassUnderWay;
use crate::store::sql::control::{
    AccountExists, FenceOff, OwnAccount, RemoveAccount, RenameAccount, RenameSpent, SaveHistory,
    StandByHand, Stood, StoodByName,
};
use crate::store::sql::counts::PutProofs;
use crate::store::sql::credential::{
    ForgetSpent, NextCredential, NotRenewed, PutSpent, RenameCredential, Reseal,
};
use crate::store::sql::jobs::RenameJobs;
use crate::store::sql::query::Document;
use crate::store::sql::setting::PutSetting;
use crate::store::subscriptions::SubscriptionWork;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::budget::Spending;
use postrider_core::mail::id::FolderId;
use postrider_core::oauth::CredentialRow;
use postrider_core::proof::FolderProof;
use postrider_core::standing::{EventKind, Standing};
use postrider_core::time::Micros;
use serde_json::json;
use std::sync::Arc;

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
#[derive(Debug)]
pub(in crate::store) enum Portion {
    /// Yes.
    Over(Done),
    /// Its beginning is; the rest goes over many rows.
    Goes(Pass),
}

/// What goes over many rows.
#[derive(Debug)]
pub(in crate::store) enum Pass {
    /// An account is deleted.
    Purge(PassUnderWay<Purge>),
    /// Events are kept no longer.
    Forget(PassUnderWay<ForgetEvents>),
    /// Mail, runs and failures are.
    Collect(PassUnderWay<Collect>),
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
        Control::Reseal { rows, webhooks } => {
            let work = SubscriptionWork { rows: webhooks.clone(), gone: Vec::new() };
            super::subscriptions::work(db, &work).await?;
            return reseal(db, rows).await.map(over);
        }
        Control::NotRenewed { account, version, error } => {
            let (account, version, error) = (account.clone(), *version, error.clone());
            let written = db.put_now(NotRenewed { account, version, error, at }).await?;
            return Ok(over(changed(written)));
        }
        Control::RefusedProof { account, mark } => {
            let value = format!("{} {mark}", at.0);
            let setting = PutSetting { name: refused_proof_of(account), value };
            return db.put(setting).await.map(|()| over(Done::Changed));
        }
        Control::Spend { endpoint, rows } => return spend(db, endpoint, rows).await.map(over),
        Control::Failures(asked) => {
            let done = if work(db, asked, at).await? == 0 { Done::Missing } else { Done::Changed };
            return Ok(over(done));
        }
        Control::Audit(work) => {
            return super::audit::work(db, work).await.map(|()| over(Done::Changed));
        }
        Control::Deliver(work) => {
            return super::deliver::work(db, numbers, work).await.map(|()| over(Done::Changed));
        }
        Control::Subscriptions(work) => {
            return super::subscriptions::work(db, work).await.map(|()| over(Done::Changed));
        }
        Control::Inbound(work) => {
            let is_written = super::inbound::work(db, numbers, work, at).await?;
            return Ok(over(if is_written { Done::Changed } else { Done::Same }));
        }
        Control::Jobs(work) => {
            let is_written = super::jobs::work(db, numbers, work).await?;
            return Ok(over(if is_written { Done::Changed } else { Done::Same }));
        }
        Control::ForgetEvents { upto } => {
            let pass = PassUnderWay::new(ForgetEvents { upto: *upto });
            return Ok(Portion::Goes(Pass::Forget(pass)));
        }
        Control::Packs(work) => {
            let done = super::packs::work(db, numbers, work, at).await;
            return done.map(|()| over(Done::Changed));
        }
        Control::Collect(expiry, gone) => {
            let value = expiry.now.0.to_string();
            db.put(PutSetting { name: COLLECTED.to_owned(), value }).await?;
            let collect = Collect { expiry: *expiry, gone: Arc::clone(gone) };
            return Ok(Portion::Goes(Pass::Collect(PassUnderWay::new(collect))));
        }
        Control::Clock(seen) => {
            let put = PutSetting { name: SEEN.to_owned(), value: lane(seen)? };
            return db.put(put).await.map(|()| over(Done::Changed));
        }
        Control::Repair(account, step) => {
            let done = super::repair::repair(db, numbers, *account, step, at).await;
            return done.map(|()| over(Done::Changed));
        }
        Control::Proved(folders) => {
            let text = |(id, proof): &(FolderId, FolderProof)| Ok((id.0, lane(proof)?));
            let rows: Vec<(i64, String)> =
                folders.iter().map(text).collect::<Result<_, Trouble>>()?;
            db.put(PutProofs { folders: Document::of(&rows)? }).await?;
            return Ok(over(Done::Changed));
        }
        Control::Own { account, owner } => {
            let own = OwnAccount { account: account.clone(), owner: owner.clone() };
            return Ok(over(changed(db.put_now(own).await?)));
        }
        Control::Stand { account, .. }
        | Control::History { account, .. }
        | Control::Ended { account, .. }
        | Control::Remove { account }
        | Control::Purge { account } => account,
        Control::Rename { was, .. } => was,
    };
    if let Control::Purge { account } = control {
        // It may have been granted before the account's first run.
        purge_name(db, account).await?;
    }
    if let Control::Rename { was, account } = control
        && !db.finds(AccountExists { name: account.clone() }).await?
    {
        // So may what was asked for.
        db.put(RenameJobs { was: was.clone(), name: account.clone() }).await?;
    }
    let stood = db.ask_one(StoodByName { name: name.clone() }).await?;
    let Some(Stood { id, state }) = stood else { return Ok(over(Done::Missing)) };
    match control {
        Control::Stand { standing, reason, event, parked_for, .. } => {
            let stand = StandByHand {
                account: id,
                state: *standing,
                reason: reason.clone(),
                since: at,
                parked_for: parked_for.clone(),
            };
            if db.put_now(stand).await? == 0 {
                return Ok(over(Done::Same));
            }
            if let Some(kind) = event {
                announce(db, numbers, id, *kind, &json!({ "reason": reason })).await?;
            }
        }
        Control::History { history, parked_for, waits, .. } => {
            let (history, parked_for, waits) = (history.clone(), parked_for.clone(), waits.clone());
            let save = SaveHistory { account: id, history, parked_for, waits };
            return Ok(over(changed(db.put_now(save).await?)));
        }
        Control::Ended { how, mail, .. } => ended(db, id, *how, mail, at).await?,
        Control::Remove { .. } => {
            if state == Standing::Removed {
                return Ok(over(Done::Same));
            }
            // Whoever still holds the account's cursors is fenced off.
            db.put(RemoveAccount { account: id, at, removed: Standing::Removed }).await?;
            announce(db, numbers, id, EventKind::AccountRemoved, &json!({})).await?;
        }
        Control::Rename { was, account } => {
            let name = || account.clone();
            if db.finds(AccountExists { name: name() }).await? {
                return Ok(over(Done::Taken));
            }
            db.put(RenameAccount { account: id, name: name() }).await?;
            db.put(RenameCredential { was: was.clone(), name: name() }).await?;
            db.put(RenameSpent { was: was.clone(), name: name() }).await?;
        }
        Control::Purge { account: name } => {
            // Fenced off first: no page may come behind it.
            db.put(FenceOff { account: id, removed: Standing::Removed }).await?;
            let pass = PassUnderWay::new(Purge { account: id, name: name.clone() });
            return Ok(Portion::Goes(Pass::Purge(pass)));
        }
        Control::Renew { .. }
        | Control::Reseal { .. }
        | Control::NotRenewed { .. }
        | Control::RefusedProof { .. }
        | Control::Failures(_)
        | Control::Jobs(_)
        | Control::Audit(_)
        | Control::Deliver(_)
        | Control::Subscriptions(_)
        | Control::Inbound(_)
        | Control::ForgetEvents { .. }
        | Control::Own { .. }
        | Control::Proved(_)
        | Control::Packs(_)
        | Control::Collect(..)
        | Control::Clock(_)
        | Control::Repair(..)
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
    let document = Document::of(&rows.iter().map(row).collect::<Vec<_>>())?;
    let endpoint = || endpoint.to_owned();
    db.put(PutSpent { endpoint: endpoint(), rows: document.clone() }).await?;
    if let Some(last) = rows.iter().map(|(_, spent)| spent.hour).max() {
        let (first, last) = (last.saturating_sub(SPENT_HOURS), last.saturating_add(1));
        db.put(ForgetSpent { endpoint: endpoint(), first, last, rows: document }).await?;
    }
    Ok(Done::Changed)
}

fn changed(written: u64) -> Done {
    if written == 0 { Done::Same } else { Done::Changed }
}

/// The next generation of a credential, if the stored one is the one it follows.
async fn renew(db: &Transaction, from: i64, row: &CredentialRow) -> Result<Done, Trouble> {
    let CredentialRow { version, granted_at, renewed_at, expires_at, .. } = *row;
    let (account, issuer) = (row.account.clone(), row.issuer.clone());
    let (username, sealed) = (row.username.clone(), row.sealed.clone());
    let (key_print, scopes) = (row.key_print.clone(), row.scopes.clone());
    let next = NextCredential {
        account,
        from,
        version,
        issuer,
        username,
        sealed,
        key_print,
        scopes,
        granted_at,
        renewed_at,
        expires_at,
    };
    Ok(changed(db.put_now(next).await?))
}

/// The same tokens under another key. What the old key opens is not kept.
async fn reseal(db: &Transaction, rows: &[CredentialRow]) -> Result<Done, Trouble> {
    for row in rows {
        let resealed = Reseal {
            account: row.account.clone(),
            from: row.version - 1,
            version: row.version,
            sealed: row.sealed.clone(),
            key_print: row.key_print.clone(),
        };
        if changed(db.put_now(resealed).await?) == Done::Same {
            let text = format!(
                "the grant of {} has changed meanwhile; nothing was sealed anew",
                row.account
            );
            return Err(Trouble::Damaged(text));
        }
    }
    Ok(Done::Changed)
}
