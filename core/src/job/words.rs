//! The public words of jobs.

string_enum! {
    /// What a job is.
    JobKind {
        /// Everything is compared: nothing is believed of what counters prove.
        Full => "full",
        /// Everything is looked at, by the best proof that there is.
        Incremental => "incremental",
        /// The same, because somebody else's program says that something has changed.
        WebhookTriggered => "webhook_triggered",
        /// Work on what is stored.
        Maintenance => "maintenance",
    }
}

string_enum! {
    /// Which maintenance.
    JobTask {
        /// What is derived of an account's mail is read anew.
        Reindex => "reindex",
        /// Rows of finished jobs go.
        Purge => "purge",
    }
}

string_enum! {
    /// How far a job is.
    JobStatus {
        /// It waits for its turn.
        Queued => "queued",
        /// Its account has taken it, and a run of it has not begun.
        Claimed => "claimed",
        /// It is being done.
        Running => "running",
        /// It is done.
        Done => "done",
        /// It has failed too often, or has waited too long.
        Dead => "dead",
        /// Somebody took it back.
        Cancelled => "cancelled",
    }
}

impl JobStatus {
    /// Whether something is still to be done.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Claimed | Self::Running)
    }

    /// Whether somebody is at it.
    #[must_use]
    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Claimed | Self::Running)
    }
}

/// Whether there is such a job; `named`: for some accounts, or for the whole process.
///
/// # Errors
/// Which field will not do, and what to write.
pub fn fits(
    kind: JobKind,
    task: Option<JobTask>,
    named: bool,
) -> Result<(), (&'static str, &'static str)> {
    match (kind, task) {
        (JobKind::Maintenance, None) => {
            Err(("task", "maintenance is of one of these: reindex, purge"))
        }
        (JobKind::Maintenance, Some(JobTask::Purge)) if named => {
            Err(("task", "purge is of the whole process: leave accounts, owner and all out"))
        }
        (JobKind::Maintenance, Some(JobTask::Purge)) => Ok(()),
        (JobKind::Full | JobKind::Incremental | JobKind::WebhookTriggered, Some(_)) => {
            Err(("task", "only maintenance has one"))
        }
        _ if !named => Err(("accounts", "write for which: accounts, owner or all")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes one changes the API, the rows and the metrics.
    #[test]
    fn the_words_are_a_contract() {
        let said = |all: Vec<&'static str>| all.join(" ");
        let kinds = JobKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(said(kinds), "full incremental webhook_triggered maintenance");
        let tasks = JobTask::ALL.iter().map(|task| task.as_str()).collect();
        assert_eq!(said(tasks), "reindex purge");
        let all = JobStatus::ALL.iter().map(|status| status.as_str()).collect();
        assert_eq!(said(all), "queued claimed running done dead cancelled");
    }
}
