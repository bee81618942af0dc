//! `serve --no-sync`: looking into any copy. Faces up; no login, nothing written into the database.

use crate::account::message::Obeyed;
use crate::admin::actor::AdminActor;
use crate::admin::mail::StoredBytes;
use crate::admin::probe::DatabaseProbe;
use crate::admin::token::Tokens;
use crate::admin::{Desks, NotPurged, Operator, Shared, Soon};
use crate::boot::start_error::StartError;
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::message::LimitsView;
use crate::deliver::{DeliverDesk, admitted};
use crate::feed::Hub;
use crate::jobs::{JobVerb, Worked};
use crate::push::PushDesk;
use crate::server::face::{open_door, url_of};
use crate::server::serve_error::ServeError;
use crate::store::{AuditWork, Done, FailureWork, FeedEnd, Reader, open_for_reading};
use crate::telemetry::registry::Registry;
use metrics_exporter_prometheus::PrometheusHandle;
use postrider_core::account::follow::{Command, Conflict};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::job::queue::{JobWish, Submitted};
use postrider_core::mail::id::AccountId;
use postrider_core::oauth::CredentialRow;
use ractor::Actor;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// Commands nothing.
struct Nobody;

const NOTHING: &str = "this server only looks (serve --no-sync)";

fn only_looks() -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, NOTHING)
}

impl Operator for Nobody {
    fn command(&self, _account: &str, _command: Command) -> Soon<Obeyed> {
        Box::pin(async { Err(Conflict(NOTHING).into()) })
    }

    fn tell(&self, _account: &str, _command: Command) {}

    fn failures(&self, _work: FailureWork) -> Soon<Result<Done, Failure>> {
        Box::pin(async { Err(only_looks()) })
    }

    fn purge(&self, _account: &str) -> Soon<Result<u64, NotPurged>> {
        Box::pin(async { Err(NotPurged::Refused(NOTHING.into())) })
    }

    fn reindex(&self, _account: AccountId) -> Soon<Result<(), Failure>> {
        Box::pin(async { Err(only_looks()) })
    }

    fn submit(&self, _wishes: Vec<JobWish>) -> Soon<Result<Vec<Submitted>, Failure>> {
        Box::pin(async { Err(only_looks()) })
    }

    fn work_jobs(
        &self,
        _verb: JobVerb,
        _ids: Vec<u64>,
        _by: &str,
    ) -> Soon<Result<Vec<Worked>, Failure>> {
        Box::pin(async { Err(only_looks()) })
    }

    fn audit(&self, _work: AuditWork) -> Soon<Result<Done, Failure>> {
        Box::pin(async { Err(only_looks()) })
    }

    fn limits(&self) -> Soon<Result<Vec<LimitsView>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn grant(&self, _from: i64, _row: CredentialRow) -> Soon<Result<bool, Failure>> {
        Box::pin(async { Err(Failure::storage(NOTHING)) })
    }
}

/// How subscribers of the config stand, as it is stored.
async fn looked(config: &Config, reader: &Reader) -> Result<Arc<DeliverDesk>, ServeError> {
    let desk = DeliverDesk::new(None);
    let all: Vec<_> = config.subscribers.iter().cloned().map(Arc::new).collect();
    let now = Clock::start().now().wall;
    admitted(&desk, reader, &all, now).await.map_err(StartError::Failure)?;
    Ok(Arc::new(desk))
}

/// Serves the API over a database that is only read to who has these tokens, until `stop`. Says where through `listening`.
///
/// # Errors
/// [`ServeError`], by variant.
pub async fn look(
    config: &Config,
    tokens: Tokens,
    metrics: PrometheusHandle,
    listening: impl FnOnce(&str),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let db = open_for_reading(&config.database).await.map_err(StartError::from)?;
    let reader = Reader::new(&db);
    let registry = Registry::new(Clock::start());
    let push = Arc::new(PushDesk::nobody(&registry));
    let opened = open_door(config, tokens)?;
    let door = opened.door;
    let deliver = looked(config, &reader).await?;
    let (_events, told) = watch::channel(FeedEnd::default());
    let (_mode, mode) = watch::channel(config.mode);
    let hub = Arc::new(Hub::new(&reader, told));
    let ends = Arc::clone(&hub);
    let args = opened.args(|tokens| Shared {
        audit: Arc::default(),
        probe: Arc::new(DatabaseProbe::new(&reader, registry.clock())),
        mail: StoredBytes::new(&reader, config.bodies.clone()),
        reader,
        registry,
        operator: Arc::new(Nobody),
        hub,
        desks: Desks { deliver, push },
        streams: Arc::new(Semaphore::new(config.admin.streams)),
        metrics,
        tokens,
        door,
        mode,
        per_account: config.per_account,
        no_sync: true,
    });
    let started = AdminActor::spawn(None, AdminActor, args).await;
    let (actor, task) = started.map_err(|_| ServeError::Ended)?;
    listening(&url_of(door));
    stop.await;
    ends.end();
    actor.stop(None);
    // It has nothing to settle.
    drop(task.await);
    db.close().await;
    Ok(())
}
