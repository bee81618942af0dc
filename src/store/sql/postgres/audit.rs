//! PostgreSQL's words for who has had what done.

use crate::store::sql::audit::AuditText;

pub(in crate::store::sql) const fn words(text: AuditText) -> &'static str {
    match text {
        AuditText::StoredAudits => {
            "SELECT id, who, role, verb, what, source, status, detail FROM audit WHERE ($1::text IS NULL OR owner = $1) AND \
             ($2::text IS NULL OR who = $2) AND ($3::text IS NULL OR what = $3) AND id < $4 ORDER BY id DESC LIMIT $5"
        }
        AuditText::PutAudit => {
            "INSERT INTO audit (id, who, role, owner, verb, what, source, status, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET status = excluded.status, detail = excluded.detail"
        }
        AuditText::ForgetAudits => {
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < $1 ORDER BY id LIMIT 100)"
        }
    }
}
