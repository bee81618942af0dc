//! What is written of who has had what done.

use crate::store::audit::{AuditEnd, AuditRow, AuditWork};
use crate::store::failure::Trouble;
use crate::store::sql::audit::{ForgetAudits, PutAudit};
use crate::store::transaction::{Sql, Transaction};

/// Rows are kept so long, in microseconds: a year.
const KEPT: i64 = 366 * 86_400 * 1_000_000;

/// Writes it.
pub(super) async fn work(db: &Transaction, (row, end): &AuditWork) -> Result<(), Trouble> {
    let AuditRow { id, who, role, owner, verb, what, source } = row.clone();
    let (status, detail) = match end.clone() {
        Some(AuditEnd { status, detail }) => (Some(i64::from(status)), detail),
        None => (None, None),
    };
    let role = role.map(str::to_owned);
    if end.is_none() {
        db.put(ForgetAudits { before: id.saturating_sub(KEPT) }).await?;
    }
    db.put(PutAudit { id, who, role, owner, verb, what, source, status, detail }).await
}
