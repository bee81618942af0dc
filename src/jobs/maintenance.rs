//! What is done of maintenance.

use crate::jobs::hands::JobHands;
use crate::store::JobWork;
use postrider_core::failure::Failure;
use postrider_core::job::queue::{JobPlace, TaskEnd};
use postrider_core::job::words::JobTask;
use postrider_core::time::Micros;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// What takes longer has failed; but for what reads all that is held.
const TASK: Duration = Duration::from_secs(3600);
const READS: Duration = Duration::from_secs(24 * 3600);

/// Does it, and says what came of it.
pub(super) async fn maintained(
    hands: Arc<dyn JobHands>,
    what: JobPlace,
    now: Micros,
) -> Result<String, Failure> {
    match (what.task, what.account) {
        (Some(JobTask::Reindex), Some(account)) => hands.reindex(&account).await,
        (Some(JobTask::Verify), Some(account)) => hands.verify(&account).await,
        (Some(JobTask::Repair), Some(account)) => hands.repair(&account, false).await,
        (Some(JobTask::RepairInsisted), Some(account)) => hands.repair(&account, true).await,
        (Some(JobTask::Purge), _) => purge(hands.as_ref(), now).await,
        (Some(JobTask::Gc), _) => hands.collect().await,
        _ => Err(Failure::bug("a job of this kind is for an account")),
    }
}

/// Rows of finished jobs go, all of them.
async fn purge(hands: &dyn JobHands, now: Micros) -> Result<String, Failure> {
    while hands.write(JobWork::Forget { before: now, most: 1000 }).await? {}
    Ok("finished jobs are gone".to_owned())
}

/// How it ended.
pub(super) async fn ended_in_time(
    doing: JoinHandle<Result<String, Failure>>,
    what: Option<JobTask>,
) -> TaskEnd {
    let is_short = matches!(what, None | Some(JobTask::Reindex | JobTask::Purge));
    let limit = if is_short { TASK } else { READS };
    let end = doing.abort_handle();
    let ended = match tokio::time::timeout(limit, doing).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(_)) => Err(Failure::bug("the maintenance panicked")),
        Err(_) => {
            end.abort();
            Err(Failure::bug(format!(
                "the maintenance has not ended within {} h",
                limit.as_secs() / 3600
            )))
        }
    };
    ended.map_err(|failure| (failure.class.as_str(), failure.to_string()))
}
