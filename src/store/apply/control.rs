//! What operators and the config change: states, names, removal, purging. Each is one short transaction; purging is many.

use super::own::announce;
use super::{Counters, read, write};
use crate::store::actor::Control;
use crate::store::failure::Trouble;
use crate::store::rows::{get, standing};
use postrider_core::mail::id::AccountId;
use postrider_core::standing::{EventKind, Standing};
use postrider_core::time::Micros;
use sea_orm::{DatabaseTransaction, Value};
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
    db: &DatabaseTransaction,
    counters: &mut Counters,
    control: &Control,
    at: Micros,
) -> Result<Portion, Trouble> {
    let over = Portion::Over;
    let name = match control {
        Control::Stand { account, .. }
        | Control::History { account, .. }
        | Control::Remove { account }
        | Control::Purge { account } => account,
        Control::Rename { was, .. } => was,
    };
    let found = read(db, "SELECT id, state FROM account WHERE name = ?1", vec![name.clone().into()]).await?;
    let Some(row) = found.first() else { return Ok(over(Done::Missing)) };
    let (id, stood) = (get::<i64>(row, 0)?, standing(row, 1)?);
    match control {
        Control::Stand { standing, reason, event, parked_for, .. } => {
            let sql = "UPDATE account SET state = ?2, reason = ?3, since = ?4, next_attempt_at = NULL, parked_for = ?5 \
                       WHERE id = ?1 AND (state <> ?2 OR reason <> ?3 OR parked_for IS NOT ?5)";
            let values = vec![
                id.into(),
                standing.as_str().into(),
                reason.clone().into(),
                at.0.into(),
                parked_for.clone().into(),
            ];
            if write(db, sql, values).await?.rows_affected() == 0 {
                return Ok(over(Done::Same));
            }
            if let Some(kind) = event {
                announce(db, counters, AccountId(id), *kind, &json!({ "reason": reason }), at.0).await?;
            }
        }
        Control::History { history, parked_for, .. } => {
            let sql = "UPDATE account SET history = ?2, parked_for = ?3 WHERE id = ?1";
            write(db, sql, vec![id.into(), history.clone().into(), parked_for.clone().into()]).await?;
        }
        Control::Remove { .. } => {
            if stood == Standing::Removed {
                return Ok(over(Done::Same));
            }
            // Whoever still holds the account's cursors is fenced off.
            let sql = "UPDATE account SET state = ?3, reason = 'the config does not name it', since = ?2, \
                       next_attempt_at = NULL, incarnation = incarnation + 1 WHERE id = ?1";
            write(db, sql, vec![id.into(), at.0.into(), Standing::Removed.as_str().into()]).await?;
            announce(db, counters, AccountId(id), EventKind::AccountRemoved, &json!({}), at.0).await?;
        }
        Control::Rename { account, .. } => {
            let taken = read(db, "SELECT 1 FROM account WHERE name = ?1", vec![account.clone().into()]).await?;
            if !taken.is_empty() {
                return Ok(over(Done::Taken));
            }
            let sql = "UPDATE account SET name = ?2, incarnation = incarnation + 1 WHERE id = ?1";
            write(db, sql, vec![id.into(), account.clone().into()]).await?;
        }
        Control::Purge { .. } => return purge(db, id).await,
    }
    Ok(over(Done::Changed))
}

/// Deletes a part of an account; its own row goes last, so that a purge that was cut off can be begun again.
async fn purge(db: &DatabaseTransaction, id: i64) -> Result<Portion, Trouble> {
    let account = || vec![Value::from(id)];
    // Fenced off first: no page may come behind it.
    let sql = "UPDATE account SET incarnation = incarnation + 1, state = ?2 WHERE id = ?1";
    write(db, sql, vec![id.into(), Standing::Removed.as_str().into()]).await?;
    let chunk = "SELECT id FROM message WHERE account = ?1 ORDER BY id LIMIT ?2";
    let values = || vec![Value::from(id), Value::from(PURGE_CHUNK)];
    write(db, &format!("DELETE FROM location WHERE message IN ({chunk})"), values()).await?;
    let bodies = read(db, &format!("SELECT DISTINCT hex(body) FROM message WHERE id IN ({chunk})"), values()).await?;
    let deleted = write(db, &format!("DELETE FROM message WHERE id IN ({chunk})"), values()).await?.rows_affected();
    let bodies = bodies.iter().map(|row| get::<String>(row, 0)).collect::<Result<Vec<_>, Trouble>>()?;
    let sql = "DELETE FROM body WHERE hash IN (SELECT unhex(value) FROM json_each(?1)) \
               AND NOT EXISTS (SELECT 1 FROM message m WHERE m.body = body.hash)";
    write(db, sql, vec![super::text(&bodies)?]).await?;
    if deleted > 0 {
        return Ok(Portion::More);
    }
    for sql in [
        "DELETE FROM location WHERE folder IN (SELECT id FROM folder WHERE account = ?1)",
        "DELETE FROM cursor WHERE folder IN (SELECT id FROM folder WHERE account = ?1)",
        "DELETE FROM folder WHERE account = ?1",
        "DELETE FROM failure WHERE account = ?1",
        "DELETE FROM note WHERE account = ?1",
        "DELETE FROM run WHERE account = ?1",
        "DELETE FROM run_hour WHERE account = ?1",
        // The feed's numbers have no gaps: what its events say goes, that they were does not.
        "UPDATE event SET data = '{}' WHERE account = ?1",
        "DELETE FROM account WHERE id = ?1",
    ] {
        write(db, sql, account()).await?;
    }
    Ok(Portion::Over(Done::Changed))
}
