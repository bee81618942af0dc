//! What is written of who has had what done.

use crate::store::audit::{AuditEnd, AuditWork};
use crate::store::failure::Trouble;
use crate::store::sql::audit::{EndAudit, ForgetAudits, PutAudit};
use crate::store::transaction::{Sql, Transaction};

/// Rows are kept so long, in microseconds: a year.
const KEPT: i64 = 366 * 86_400 * 1_000_000;

/// Writes it.
pub(super) async fn work(db: &Transaction, work: &AuditWork) -> Result<(), Trouble> {
    let (row, end) = match work {
        AuditWork::End(id, AuditEnd { status, detail }) => {
            let (status, detail) = (i64::from(*status), detail.clone());
            return db.put(EndAudit { id: *id, status, detail }).await;
        }
        AuditWork::Put(row, end) => (row.clone(), end.clone()),
    };
    let (status, detail) = match end {
        Some(AuditEnd { status, detail }) => (Some(i64::from(status)), detail),
        None => (None, None),
    };
    let role = row.role.map(str::to_owned);
    let (id, who, owner, verb, what, source) =
        (row.id, row.who, row.owner, row.verb, row.what, row.source);
    db.put(ForgetAudits { before: id.saturating_sub(KEPT) }).await?;
    db.put(PutAudit { id, who, role, owner, verb, what, source, status, detail }).await
}
