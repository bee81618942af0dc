//! What an account's actor is made with, and who watches it work.

use crate::clock::Clock;
use crate::connection::message::ConnectionMsg;
use crate::handle::Handle;
use crate::jobs::SlotDesk;
use crate::provider::{Credential, Endpoint};
use crate::reply::ReplyTo;
use crate::store::Reader;
use crate::store::message::StoreMsg;
use crate::store::orders::OpenAccount;
use crate::telemetry::registry::Registry;
use postrider_core::account::follow::{Past, Rules};
use postrider_core::failure::Failure;
use postrider_core::run::summary::{Counts, Summary};
use postrider_core::standing::Standing;
use std::sync::Arc;
use std::time::Duration;

/// Everything an account needs; the same for every incarnation.
#[derive(Clone, Debug)]
pub struct AccountArgs {
    /// Its id in the config.
    pub name: String,
    /// Who it is, for the store.
    pub open: OpenAccount,
    /// Where its server is.
    pub endpoint: Arc<dyn Endpoint>,
    /// A mark of the settings that it is followed with.
    pub settings: String,
    /// What it logs in with.
    pub credential: Arc<dyn Credential>,
    /// What its follower may know.
    pub rules: Rules,
    /// The store.
    pub store: Handle<StoreMsg>,
    /// The pool of its endpoint.
    pub pool: Handle<ConnectionMsg>,
    /// The slots of all runs.
    pub slots: SlotDesk,
    /// The readers.
    pub reader: Reader,
    /// Time.
    pub clock: Clock,
    /// Told after every step.
    pub progress: Arc<dyn Progress>,
    /// Where it is seen.
    pub registry: Registry,
}

/// One life of an account's actor.
pub struct Incarnation {
    /// What every incarnation needs.
    pub args: AccountArgs,
    /// What the ones before went through.
    pub past: Past,
    /// Told what the next one is to know, whenever that is something else.
    pub went: Box<dyn Fn(Past) + Send + Sync>,
    /// Gets its last run's summary when it has ended of its own will.
    pub finished: ReplyTo<Summary>,
}

impl std::fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incarnation").field("account", &self.args.name).finish_non_exhaustive()
    }
}

/// Who watches accounts work.
pub trait Progress: Send + Sync + std::fmt::Debug {
    /// An account's counters and state now.
    fn step(&self, account: &str, standing: Standing, counts: Counts);
    /// An account waits before its next try.
    fn waits(&self, account: &str, wait: Duration);
    /// A failure was handled.
    fn failed(&self, account: &str, failure: &Failure);
    /// A run has ended.
    fn ended(&self, _account: &str, _summary: &Summary) {}
}

/// Nobody watches.
#[derive(Debug)]
pub struct Unseen;

impl Progress for Unseen {
    fn step(&self, _account: &str, _standing: Standing, _counts: Counts) {}
    fn waits(&self, _account: &str, _wait: Duration) {}
    fn failed(&self, _account: &str, _failure: &Failure) {}
}

/// An account's place in the tree.
pub(crate) fn path_of(name: &str) -> String {
    format!("root/accounts/{name}")
}
