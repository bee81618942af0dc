//! The public words: what an account, a run, a machine, a session, an event is called in rows,
//! answers, metrics and logs. They are a contract with whoever reads them; no other file writes one
//! out.

string_enum! {
    /// How an account stands.
    Standing {
        /// It has not logged in yet.
        Starting => "starting",
        /// A run is under way.
        Running => "running",
        /// All is well; it looks when told, or on schedule.
        Idle => "idle",
        /// It is in trouble, and tries again by itself.
        Waiting => "waiting",
        /// The server asked for less.
        Throttled => "throttled",
        /// A human stopped it.
        Paused => "paused",
        /// It waits for another secret.
        NeedsReauth => "needs_reauth",
        /// It cannot go on before something changes.
        Failed => "failed",
        /// The config no longer names it.
        Removed => "removed",
    }
}

impl Standing {
    /// Whether its mailbox is meant to be followed.
    #[must_use]
    pub fn is_wanted(self) -> bool {
        !matches!(self, Self::Paused | Self::Removed)
    }

    /// Whether it follows its mailbox now.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }

    /// In trouble that ends by itself.
    #[must_use]
    pub fn tries_again(self) -> bool {
        matches!(self, Self::Waiting | Self::Throttled)
    }

    /// In trouble that something outside must end.
    #[must_use]
    pub fn is_stuck(self) -> bool {
        matches!(self, Self::NeedsReauth | Self::Failed)
    }

    /// In trouble of either kind.
    #[must_use]
    pub fn is_troubled(self) -> bool {
        self.tries_again() || self.is_stuck()
    }
}

string_enum! {
    /// Why a run was begun.
    RunCause {
        /// Its time had come; the first of a process, too.
        Schedule => "schedule",
        /// A watch has told something, or began after what it was to see.
        Hint => "hint",
        /// An operator.
        Operator => "operator",
        /// What somebody asked for, or a fixed time.
        Job => "job",
        /// Mail of the past is still to be read.
        History => "history",
    }
}

string_enum! {
    /// How a run ended.
    Outcome {
        /// Everything that there was to do is done.
        Success => "success",
        /// It ran to its end, and something was left.
        Partial => "partial",
        /// It ended before its end.
        Failed => "failed",
        /// Somebody stopped it.
        Cancelled => "cancelled",
    }
}

string_enum! {
    /// What a run's machine waits for; the table at the top of `machine.rs` says it in full.
    Phase {
        /// To be started.
        Dormant => "dormant",
        /// The store's rows.
        Opening => "opening",
        /// A moment, before the store is asked again.
        Reopening => "reopening",
        /// A session.
        Connecting => "connecting",
        /// Answers and acknowledgements.
        Working => "working",
        /// A moment, before the next try.
        Waiting => "waiting",
        /// The last acknowledgements.
        Closing => "closing",
        /// Nothing.
        Finished => "finished",
    }
}

string_enum! {
    /// How new mail is noticed.
    Push {
        /// The server tells of INBOX.
        Idle => "idle",
        /// The server tells of every folder.
        Notify => "notify",
        /// The provider pushes what has changed (Google's Pub/Sub); it is looked at all the same.
        Pubsub => "pubsub",
        /// By looking.
        Poll => "poll",
    }
}

string_enum! {
    /// What an actor is doing; an account's actor shows its [`Standing`] instead.
    Activity {
        /// What it is there for.
        Running => "running",
        /// It died, and is started again.
        Restarting => "restarting",
        /// Nothing, before something changes: its server does not answer, or it died too often.
        Down => "down",
        /// An edit was refused; the config before it stays in force.
        Refused => "refused",
        /// A session that logs in.
        Connecting => "connecting",
        /// A session that is asked.
        Working => "working",
        /// A session that listens for hints.
        Watching => "watching",
        /// A session that logs out.
        Leaving => "leaving",
    }
}

impl Activity {
    /// Those of sessions.
    pub const OF_SESSIONS: [Self; 4] =
        [Self::Connecting, Self::Working, Self::Watching, Self::Leaving];
}

string_enum! {
    /// What an event tells.
    EventKind {
        /// A message we did not hold.
        MessageCreated => "message.created",
        /// Flags or the number of locations changed.
        MessageUpdated => "message.updated",
        /// It left one folder and is in another.
        MessageMoved => "message.moved",
        /// It is gone from every folder.
        MessageDeleted => "message.deleted",
        /// It was deleted and is back.
        MessageRestored => "message.restored",
        /// A folder was opened.
        FolderCreated => "folder.created",
        /// A folder has another name.
        FolderRenamed => "folder.renamed",
        /// A folder is gone.
        FolderDeleted => "folder.deleted",
        /// Its UIDs have begun anew: its messages are the same, and have other UIDs.
        FolderReset => "folder.reset",
        /// The account's first opening.
        AccountStarted => "account.started",
        /// A human paused it.
        AccountPaused => "account.paused",
        /// It waits for another secret.
        AccountNeedsReauth => "account.needs_reauth",
        /// It cannot go on before something changes.
        AccountFailed => "account.failed",
        /// It is well after it was not.
        AccountRecovered => "account.recovered",
        /// The config no longer names it.
        AccountRemoved => "account.removed",
        /// A job has failed too often, or has had no turn for too long.
        JobDead => "job.dead",
        /// Bytes that are held are not what they were.
        StoreDamaged => "store.damaged",
        /// Nothing is handed on to a subscriber any more.
        SubscriberDisabled => "subscriber.disabled",
        /// A run that changed something has ended, or one failed.
        RunFinished => "run.finished",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> String {
        all.iter().copied().map(word).collect::<Vec<_>>().join(" ")
    }

    /// The words are the public contract: whoever changes one changes the API, the rows and the
    /// metrics.
    #[test]
    fn the_words_are_a_contract() {
        assert_eq!(
            said(Standing::ALL, Standing::as_str),
            "starting running idle waiting throttled paused needs_reauth failed removed"
        );
        assert_eq!(said(Outcome::ALL, Outcome::as_str), "success partial failed cancelled");
        assert_eq!(said(Push::ALL, Push::as_str), "idle notify pubsub poll");
        assert_eq!(
            said(Activity::ALL, Activity::as_str),
            "running restarting down refused connecting working watching leaving"
        );
        assert_eq!(
            said(EventKind::ALL, EventKind::as_str),
            "message.created message.updated message.moved message.deleted message.restored folder.created folder.renamed \
             folder.deleted folder.reset account.started account.paused account.needs_reauth account.failed account.recovered \
             account.removed job.dead store.damaged subscriber.disabled run.finished"
        );
    }

    #[test]
    fn a_word_reads_back_as_itself() {
        for standing in Standing::ALL {
            assert_eq!(Standing::from_word(standing.as_str()), Some(*standing));
        }
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_word(kind.as_str()), Some(*kind));
        }
        assert_eq!(Standing::from_word("tired"), None);
    }

    #[test]
    fn trouble_and_wishes() {
        for standing in Standing::ALL.iter().copied() {
            assert!(!(standing.is_well() && standing.is_troubled()), "{standing}");
            assert!(!(standing.tries_again() && standing.is_stuck()), "{standing}");
        }
        let unwanted: Vec<_> = Standing::ALL.iter().filter(|s| !s.is_wanted()).collect();
        assert_eq!(unwanted, [&Standing::Paused, &Standing::Removed]);
    }
}
