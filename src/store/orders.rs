//! What the store is asked beside commits: handing out an account, and what operators and the
//! config change.

use crate::provider::in_flight::WhichMail;
use crate::store::audit::AuditWork;
use crate::store::deliver::DeliverWork;
use crate::store::expired::Collected;
use crate::store::failures::FailureWork;
use crate::store::inbound::InboundWork;
use crate::store::jobs::JobWork;
use crate::store::packs::PackWork;
use crate::store::repair::RepairStep;
use crate::store::subscriptions::{SubscriptionKey, SubscriptionWork};
use postrider_core::budget::Spending;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::oauth::CredentialRow;
use postrider_core::proof::FolderProof;
use postrider_core::provider::subscription::Subscription;
use postrider_core::recovery::asked::{Beside, ProcessEnd};
use postrider_core::retention::{ClockSeen, Expiry};
use postrider_core::standing::{EventKind, Standing};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which account to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAccount {
    /// Its id in the config.
    pub name: String,
    /// `imap`.
    pub provider: &'static str,
    /// Where it is reached.
    pub host: String,
    /// Who logs in.
    pub username: String,
    /// What the server deletes is kept for ever.
    pub keep: bool,
    /// Whose it is.
    pub owner: Option<String>,
    /// The addresses that are its own, as they are compared.
    pub addresses: BTreeSet<String>,
}

/// How it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenHow {
    /// Its incarnation is raised: commits that its sender does not know of are refused from here on.
    Anew,
    /// As it is; this is its row.
    Again(AccountId),
}

/// Writes of operators and of the config; served between transactions of pages.
#[derive(Clone, Debug)]
pub enum Control {
    /// An account's public state.
    Stand {
        /// Its id in the config.
        account: String,
        /// How it stands.
        standing: Standing,
        /// Why.
        reason: String,
        /// The event that tells it.
        event: Option<EventKind>,
        /// A mark of the secret and place it is parked with.
        parked_for: Option<String>,
    },
    /// An account's failures so far.
    History {
        /// Its id in the config.
        account: String,
        /// JSON.
        history: String,
        /// A mark of the secret and place it is parked with.
        parked_for: Option<String>,
        /// For what it waits, JSON.
        waits: Option<String>,
    },
    /// Events up to this number are kept no longer.
    ForgetEvents {
        /// The last of them.
        upto: i64,
    },
    /// What is kept no longer goes, and is counted.
    Collect(Expiry, Arc<Collected>),
    /// What was seen of the wall clock.
    Clock(ClockSeen),
    /// The process before has ended while mail of it was on its way.
    Ended {
        /// Its id in the config.
        account: String,
        /// How.
        how: ProcessEnd,
        /// What was asked for together, and not stored.
        mail: Vec<(WhichMail, Beside)>,
    },
    /// What a human does with rows of the ledger.
    Failures(FailureWork),
    /// What is written of jobs.
    Jobs(JobWork),
    /// Who has had what done.
    Audit(AuditWork),
    /// How far what is handed on has come.
    Deliver(DeliverWork),
    /// What providers were asked to push.
    Subscriptions(SubscriptionWork),
    /// What they have pushed.
    Inbound(InboundWork),
    /// What is known of packs.
    Packs(PackWork),
    /// Something is set right of an account that is damaged.
    Repair(AccountId, RepairStep),
    /// What was proved of folders.
    Proved(Vec<(FolderId, FolderProof)>),
    /// Whose it is, as the config says now: who may see it.
    Own {
        /// Its id, as it is stored.
        account: String,
        /// Whose.
        owner: Option<String>,
    },
    /// Its server has refused a proof of its password.
    RefusedProof {
        /// Its id in the config.
        account: String,
        /// What the password goes by.
        mark: String,
    },
    /// The config no longer names it: every row stays.
    Remove {
        /// Its id in the config.
        account: String,
    },
    /// It has another id now.
    Rename {
        /// The id it had.
        was: String,
        /// Its id now.
        account: String,
    },
    /// The next generation of its credential. Nothing changes where the stored one is another
    /// than `from` (0: there is none): who is late overwrites nothing.
    Renew {
        /// The generation that it follows.
        from: i64,
        /// As it is from now on.
        row: Box<CredentialRow>,
    },
    /// Generations of all credentials, and what webhooks sign with, sealed with another key: all of it, or nothing.
    Reseal {
        /// As they are from now on.
        rows: Vec<CredentialRow>,
        /// The same of webhooks.
        webhooks: Vec<(SubscriptionKey, Subscription)>,
    },
    /// Why that generation could not be renewed.
    NotRenewed {
        /// Its id in the config.
        account: String,
        /// Which.
        version: i64,
        /// Why.
        error: String,
    },
    /// What was spent of daily limits: by which account (or by all), in which hour.
    Spend {
        /// The endpoint's place in the tree.
        endpoint: String,
        /// The larger number of an hour holds.
        rows: Vec<(Option<String>, Spending)>,
    },
    /// Deletes every row of it.
    Purge {
        /// Its id in the config.
        account: String,
    },
}

impl Control {
    /// Whether an account has another name or owner behind it.
    #[must_use]
    pub fn names(&self) -> bool {
        matches!(self, Self::Own { .. } | Self::Rename { .. })
    }
}
