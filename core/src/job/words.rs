//! The public words of jobs.

use crate::run::first::FirstOf;

/// Paths of folders that one job may name, and octets of each.
const FOLDERS: usize = 100;
const PATH: usize = 1000;

string_enum! {
    /// What a job is.
    JobKind {
        /// Everything is compared: nothing is believed of what counters prove.
        Full => "full",
        /// Everything is looked at, by the best proof that there is.
        Incremental => "incremental",
        /// Some of the unread history comes before the rest of it.
        Selective => "selective",
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
        /// An account's mirror is looked at whole: bodies are hashed, rows have what they name.
        Verify => "verify",
        /// What is kept no longer goes: deleted mail, runs, failures, bytes that no message has.
        Gc => "gc",
        /// What is damaged of an account is set right, and read again.
        Repair => "repair",
        /// The same, and what cannot be read, or is much, is taken for damage too.
        RepairInsisted => "repair_insisted",
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
    first: Option<&FirstOf>,
    named: bool,
) -> Result<(), (&'static str, &'static str)> {
    match (kind, first) {
        (JobKind::Selective, None) => {
            return Err(("kind", "selective needs one of these: folders, since, until, limit"));
        }
        (JobKind::Selective, Some(first)) => judged(first)?,
        (_, Some(_)) => {
            return Err(("kind", "folders, since, until and limit are of selective jobs alone"));
        }
        (_, None) => {}
    }
    match (kind, task) {
        (JobKind::Maintenance, None) => {
            Err(("task", "maintenance is of one of these: reindex, purge, verify, gc"))
        }
        (JobKind::Maintenance, Some(JobTask::Purge | JobTask::Gc)) if named => Err((
            "task",
            "purge and gc are of the whole process: leave accounts, owner and all out",
        )),
        (JobKind::Maintenance, Some(JobTask::Purge | JobTask::Gc)) => Ok(()),
        (JobKind::Maintenance, Some(JobTask::Repair | JobTask::RepairInsisted)) => Err((
            "task",
            "a repair is asked for by `postrider verify --repair`, or at /v1/accounts/{id}/repair",
        )),
        (_, Some(_)) if kind != JobKind::Maintenance => Err(("task", "only maintenance has one")),
        _ if !named => Err(("accounts", "write for which: accounts, owner or all")),
        _ => Ok(()),
    }
}

/// Whether something can be chosen so.
fn judged(first: &FirstOf) -> Result<(), (&'static str, &'static str)> {
    if first.folders.len() > FOLDERS || first.folders.iter().any(|path| path.len() > PATH) {
        return Err(("folders", "at most 100 paths of at most 1000 octets"));
    }
    if first.limit == Some(0) {
        return Err(("limit", "write how many of each folder, at least 1"));
    }
    match (first.since, first.until) {
        (Some(since), Some(until)) if since >= until => Err(("until", "it is not behind since")),
        _ if *first == FirstOf::default() => {
            Err(("kind", "selective needs one of these: folders, since, until, limit"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a job is said by the field.
    #[test]
    fn what_does_not_fit_is_named() {
        let none = FirstOf::default;
        let fit = |kind, task, first: Option<FirstOf>, named| {
            fits(kind, task, first.as_ref(), named).map_err(|(key, _)| key)
        };
        let selective = |first| fit(JobKind::Selective, None, first, true);
        let some = |first: FirstOf| selective(Some(first));
        assert_eq!(selective(None), Err("kind"));
        assert_eq!(some(none()), Err("kind"));
        assert_eq!(some(FirstOf { limit: Some(0), ..none() }), Err("limit"));
        assert_eq!(some(FirstOf { since: Some(5), until: Some(5), ..none() }), Err("until"));
        assert_eq!(some(FirstOf { folders: vec!["x".repeat(1001)], ..none() }), Err("folders"));
        assert_eq!(some(FirstOf { folders: vec!["x".to_owned(); 101], ..none() }), Err("folders"));
        assert_eq!(some(FirstOf { since: Some(4), until: Some(5), ..none() }), Ok(()));
        let first = || Some(FirstOf { limit: Some(1), ..none() });
        assert_eq!(fit(JobKind::Selective, None, first(), false), Err("accounts"));
        assert_eq!(fit(JobKind::Selective, Some(JobTask::Reindex), first(), true), Err("task"));
        assert_eq!(fit(JobKind::Full, None, first(), true), Err("kind"));
        assert_eq!(fit(JobKind::Full, None, None, true), Ok(()));
        assert_eq!(fit(JobKind::Maintenance, None, None, true), Err("task"));
        assert_eq!(fit(JobKind::Maintenance, Some(JobTask::Purge), None, true), Err("task"));
        assert_eq!(fit(JobKind::Maintenance, Some(JobTask::Purge), None, false), Ok(()));
        assert_eq!(fit(JobKind::Maintenance, Some(JobTask::Gc), None, true), Err("task"));
        assert_eq!(fit(JobKind::Maintenance, Some(JobTask::Gc), None, false), Ok(()));
    }

    /// Whoever changes one changes the API, the rows and the metrics.
    #[test]
    fn the_words_are_a_contract() {
        let said = |all: Vec<&'static str>| all.join(" ");
        let kinds = JobKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(said(kinds), "full incremental selective webhook_triggered maintenance");
        let tasks = JobTask::ALL.iter().map(|task| task.as_str()).collect();
        assert_eq!(said(tasks), "reindex purge verify gc repair repair_insisted");
        let all = JobStatus::ALL.iter().map(|status| status.as_str()).collect();
        assert_eq!(said(all), "queued claimed running done dead cancelled");
    }
}
