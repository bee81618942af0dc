//! What the API answers of folders.

use crate::admin::view::instant;
use crate::store::StoredFolder;
use postrider_core::mail::cursor::{self, Backfill};
use postrider_core::proof::FolderProof;
use serde::Serialize;
use utoipa::ToSchema;

/// What was proved of a folder.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProofView {
    /// When that began.
    at: String,
    /// By what: `pass` (its counts, or a listing, fit its server's), `compare` (the lists of its account did), `verify` (all that is
    /// held was read, and hashed).
    by: &'static str,
    /// Messages that its server showed; nothing where a server tells that of no folder.
    server: Option<u64>,
    /// Messages that were held; by a pass: that are.
    held: u64,
    /// Open failures, not those that are left out.
    failures: u64,
    /// Mails that cannot be read and are left out.
    left_out: u64,
    /// SHA-256 of its lines of `postrider export`, in their order, when they were read last.
    digest: Option<String>,
    /// When that was.
    digest_at: Option<String>,
}

impl ProofView {
    fn of(row: &StoredFolder) -> Option<Self> {
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        let text = row.proof.as_deref();
        let whole = text.and_then(|text| cursor::from_text::<FolderProof>(text).ok());
        let digest = whole.as_ref().map(|whole| whole.digest.clone());
        let digest_at = whole.as_ref().map(|whole| instant(whole.at));
        if let Some(FolderProof { at, server, held, failures, left_out, .. }) =
            whole.filter(|whole| row.proved_at.is_none_or(|at| at <= whole.at))
        {
            let (at, by) = (instant(at), "verify");
            return Some(Self { at, by, server, held, failures, left_out, digest, digest_at });
        }
        let is_of_feed = row.live.is_empty();
        Some(Self {
            at: instant(row.proved_at?),
            by: if is_of_feed { "compare" } else { "pass" },
            server: (!is_of_feed).then(|| number(row.exists)),
            held: number(row.messages),
            failures: number(row.failures),
            left_out: number(row.left_out),
            digest,
            digest_at,
        })
    }
}

/// A folder, as it is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FolderView {
    id: i64,
    path: String,
    role: Option<String>,
    uidvalidity: i64,
    /// What the server said at the last pass.
    exists: i64,
    /// What we hold.
    messages: i64,
    /// Open failures; not those that are left out.
    failures: i64,
    /// Mails that cannot be read and are left out.
    left_out: i64,
    /// UIDs of its history that are still to be read, holes included.
    remaining: u64,
    /// Begin of the last complete pass that opened the folder or counted it anew.
    passed_at: Option<String>,
    /// Begin of the last pass that proved it whole.
    proved_at: Option<String>,
    /// Why it is not proved although its pass was complete.
    unproved: Option<String>,
    /// What was proved of it last, and how.
    proof: Option<ProofView>,
    /// The config leaves it out.
    excluded: bool,
}

impl From<&StoredFolder> for FolderView {
    fn from(row: &StoredFolder) -> Self {
        let remaining =
            cursor::from_text::<Backfill>(&row.backfill).map_or(0, |lane| lane.remaining.len());
        Self {
            id: row.id,
            path: row.path.clone(),
            role: row.role.clone(),
            uidvalidity: row.uidvalidity,
            exists: row.exists,
            messages: row.messages,
            failures: row.failures,
            left_out: row.left_out,
            remaining,
            passed_at: row.passed_at.map(instant),
            proved_at: row.proved_at.map(instant),
            unproved: row.unproved.clone(),
            proof: ProofView::of(row),
            excluded: row.excluded,
        }
    }
}

/// Both lanes of a folder, as they are stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CursorView {
    folder: i64,
    path: String,
    /// `{format, state: {uidvalidity, uidnext, mark}}`.
    #[schema(value_type = Object)]
    live: serde_json::Value,
    /// `{format, state: {uidvalidity, boundary, remaining}}`.
    #[schema(value_type = Object)]
    backfill: serde_json::Value,
}

impl From<&StoredFolder> for CursorView {
    fn from(row: &StoredFolder) -> Self {
        let read =
            |text: &str| serde_json::from_str(text).unwrap_or_else(|_| serde_json::json!({}));
        Self {
            folder: row.id,
            path: row.path.clone(),
            live: read(&row.live),
            backfill: read(&row.backfill),
        }
    }
}
