//! How an account stands whose changes are told by message id.

use crate::instant::instant;
use crate::store::FeedStanding;
use serde::Serialize;
use utoipa::ToSchema;

/// Ids that are owed a look.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwedView {
    /// To be read now.
    due: u64,
    /// Read, or held, and asked about once more in a while.
    settling: u64,
    /// Not there at a first look; a second one, on another session, decides.
    missing: u64,
    /// Could not be read: `/v1/failures` names them.
    failed: u64,
    /// Of what could not be read, what a human leaves out.
    left_out: u64,
    /// Known to lie where the config leaves out: nothing is asked about them.
    away: u64,
}

/// Cursor, what is owed, and the proof.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedView {
    /// `[{place, state: {format, state: {cursor, head_at}}}]`; place 0 is the whole account.
    #[schema(value_type = Vec<Object>)]
    cursors: serde_json::Value,
    /// Everything was listed once.
    listed: bool,
    /// Since when a compare is owed.
    debt_since: Option<String>,
    owed: OwedView,
    /// When the places were asked for last.
    placed_at: Option<String>,
    /// When the messages were counted last.
    counted_at: Option<String>,
    /// How many more messages the server counts than it lists, as the last compare has found.
    misfit: Option<i64>,
    /// When the last compare began.
    compared_at: Option<String>,
    /// When the mirror was last proved: a compare that asked nothing, with nothing owed.
    proved_at: Option<String>,
}

impl From<&FeedStanding> for FeedView {
    fn from(row: &FeedStanding) -> Self {
        Self {
            cursors: serde_json::from_str(&row.feeds).unwrap_or_default(),
            listed: row.state.listed,
            debt_since: row.state.debt.map(instant),
            owed: OwedView {
                due: row.due,
                settling: row.settling,
                missing: row.missing,
                failed: row.failed,
                left_out: row.left_out,
                away: row.away,
            },
            placed_at: row.state.placed_at.map(instant),
            counted_at: row.state.counted_at.map(instant),
            misfit: row.state.misfit,
            compared_at: row.compared_at.map(instant),
            proved_at: row.proved_at.map(instant),
        }
    }
}
