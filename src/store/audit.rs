//! Who has had what done: written as it is asked for, and as it is answered.

use crate::store::read::{Reader, failed};
use crate::store::sql::audit::{StoredAudit, StoredAudits};
use postrider_core::failure::Failure;

/// A request that is to change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// When, in microseconds: no two are of the same one.
    pub id: i64,
    /// Whose token; none of a request without one that is known.
    pub who: Option<String>,
    /// What that allows.
    pub role: Option<&'static str>,
    /// Whose accounts it is about, where that is known.
    pub owner: Option<String>,
    /// Method and route.
    pub verb: String,
    /// Of what.
    pub what: Option<String>,
    /// The address that it came from.
    pub source: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEnd {
    /// The status that was answered.
    pub status: u16,
    /// What came of it.
    pub detail: Option<String>,
}

/// What is written of it: it begins; or, where how it ended is known, it is over, whether its beginning was written or not.
pub type AuditWork = (AuditRow, Option<AuditEnd>);

/// Which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhichAudits {
    /// Only about this owner's accounts.
    pub owner: Option<String>,
    /// Only of the token of this name.
    pub who: Option<String>,
    /// Only about this.
    pub what: Option<String>,
}

impl Reader {
    /// The newest before this number.
    ///
    /// # Errors
    /// Class storage.
    pub async fn audits(
        &self,
        which: WhichAudits,
        before: i64,
        most: u32,
    ) -> Result<Vec<StoredAudit>, Failure> {
        let WhichAudits { owner, who, what } = which;
        self.ask(StoredAudits { owner, who, what, before, most }).await.map_err(failed)
    }
}
