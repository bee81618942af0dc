//! The admin API: looking in and commanding over HTTP. It reads the registry and the database, and
//! commands through [`Operator`]; it never touches an account itself.

pub mod actor;
pub mod address;
mod answer;
mod audit;
pub mod audit_desk;
mod commands;
mod control;
pub(crate) mod derived_view;
mod document;
mod events;
pub(crate) mod failures;
mod feed_view;
mod folder_view;
pub(crate) mod grant;
mod guard;
mod health;
mod inbound;
pub(crate) mod job_view;
mod jobs;
mod limits;
mod lists;
pub mod mail;
mod metrics;
mod note;
pub mod probe;
mod problem;
mod progress;
pub mod routes;
mod sight;
mod stream;
pub(crate) mod subscriber_view;
mod subscribers;
pub mod table;
pub mod token;
pub mod verbs;
pub mod view;
mod wish;

use crate::account::message::Obeyed;
use crate::connection::message::LimitsView;
use crate::deliver::DeliverDesk;
use crate::feed::Hub;
use crate::jobs::{JobVerb, Worked};
use crate::push::PushDesk;
use crate::store::{AuditWork, Done, FailureWork, Reader};
use crate::telemetry::registry::Registry;
use metrics_exporter_prometheus::PrometheusHandle;
use postrider_core::account::follow::Command;
use postrider_core::account::schedule::Mode;
use postrider_core::failure::Failure;
use postrider_core::job::queue::{JobWish, Submitted};
use postrider_core::mail::id::AccountId;
use postrider_core::oauth::CredentialRow;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

pub use crate::admin::audit_desk::AuditDesk;
pub use crate::reply::Soon;

/// Why nothing was purged.
#[derive(Debug)]
pub enum NotPurged {
    /// The config names it, or nothing is written here.
    Refused(String),
    /// There is no such account.
    Missing,
    /// The database.
    Failed(Failure),
}

/// Who carries commands out.
pub trait Operator: Send + Sync {
    /// Gives an account a command.
    fn command(&self, account: &str, command: Command) -> Soon<Obeyed>;
    /// The same, for who needs no answer.
    fn tell(&self, account: &str, command: Command);
    /// Works rows of the ledger; answered when that is durable.
    fn failures(&self, work: FailureWork) -> Soon<Result<Done, Failure>>;
    /// Deletes every row of an account that the config does not name; answers with the octets that
    /// were freed.
    fn purge(&self, account: &str) -> Soon<Result<u64, NotPurged>>;
    /// Reads all mail of an account anew into what is derived of it; answered when that is durable.
    fn reindex(&self, account: AccountId) -> Soon<Result<(), Failure>>;
    /// Puts jobs in the queue; answered when they are durable.
    fn submit(&self, wishes: Vec<JobWish>) -> Soon<Result<Vec<Submitted>, Failure>>;
    /// Does something with jobs, for somebody of this name; those that are not there are not answered.
    fn work_jobs(
        &self,
        verb: JobVerb,
        ids: Vec<u64>,
        by: &str,
    ) -> Soon<Result<Vec<Worked>, Failure>>;
    /// Writes down who has what done; answered when that is durable.
    fn audit(&self, work: AuditWork) -> Soon<Result<Done, Failure>>;
    /// What every endpoint limits, and how much of it is in use.
    fn limits(&self) -> Soon<Result<Vec<LimitsView>, Failure>>;
    /// Makes a grant durable, if the stored one is that generation, and wakes its account. Answers
    /// whether it is stored.
    fn grant(&self, from: i64, row: CredentialRow) -> Soon<Result<bool, Failure>>;
}

/// What every route may use.
#[derive(Clone)]
pub struct Shared {
    /// Rows.
    pub reader: Reader,
    /// How the database does.
    pub probe: Arc<probe::DatabaseProbe>,
    /// What is going on.
    pub registry: Registry,
    /// Who carries commands out.
    pub operator: Arc<dyn Operator>,
    /// The newest events.
    pub(crate) hub: Arc<Hub>,
    /// What goes out and what comes in.
    pub(crate) desks: Desks,
    /// Streams of events that may still be opened.
    pub streams: Arc<Semaphore>,
    /// Counters.
    pub metrics: PrometheusHandle,
    /// Who may do what.
    pub tokens: Arc<token::Tokens>,
    /// Where it listens, and what protects it.
    pub door: Door,
    /// The schedule's mode.
    pub mode: watch::Receiver<Mode>,
    /// Metrics may carry account ids.
    pub per_account: bool,
    /// Nothing is synced here (`serve --no-sync`).
    pub no_sync: bool,
    /// Numbers what is asked for.
    pub audit: Arc<AuditDesk>,
    /// The bytes of mail.
    pub mail: mail::StoredBytes,
}

/// What goes out and what comes in.
#[derive(Clone, Debug)]
pub(crate) struct Desks {
    /// How subscribers stand.
    pub(crate) deliver: Arc<DeliverDesk>,
    /// What providers push.
    pub(crate) push: Arc<PushDesk>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("door", &self.door).finish_non_exhaustive()
    }
}

/// Where the API listens, and what protects it.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The address.
    pub address: SocketAddr,
    /// TLS of our own: a browser checks the name.
    pub tls: bool,
    /// A proxy checks names.
    pub behind_proxy: bool,
}

impl Door {
    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_private(self) -> bool {
        self.address.ip().is_loopback() && !self.behind_proxy
    }
}
