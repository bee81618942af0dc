//! How jobs are carried out in this process.

use crate::account::message::NotObeyed;
use crate::bodies::PackDir;
use crate::boot::switchboard::Switchboard;
use crate::boot::wiring::Engine;
use crate::clock::Clock;
use crate::handle::Handle;
use crate::jobs::{JobHands, JobsArgs, JobsMsg};
use crate::reply::Soon;
use crate::server::collect::Hands as CollectHands;
use crate::server::follow::Followed;
use crate::server::operator::derive_again;
use crate::server::repair_hands::{RepairHands, repair};
use crate::server::retention::collect;
use crate::server::serve_error::ServeError;
use crate::store::orders::Control;
use crate::store::{Done, JobWork, Reader};
use crate::supervision::root::RootMsg;
use crate::telemetry::registry::Registry;
use crate::verify::{Derived, Insists, Mirror, Rows, local};
use postrider_core::account::follow::{Command, Conflict, Order};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::id::AccountId;
use postrider_core::retention::Retention;
use ractor::ActorRef;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Longest time until what is written of jobs is durable, or refused.
const WRITE: Duration = Duration::from_secs(60);

/// Carries jobs out.
struct Hands {
    switchboard: Switchboard,
    root: ActorRef<RootMsg>,
    reader: Reader,
    ids: Arc<Mutex<BTreeSet<String>>>,
    bodies: PathBuf,
    clock: Clock,
    registry: Registry,
    retention: watch::Receiver<Retention>,
    packs: Arc<PackDir>,
}

impl JobHands for Hands {
    fn order(&self, account: &str, order: Order) -> Soon<Result<u64, String>> {
        let (switchboard, account) = (self.switchboard.clone(), account.to_owned());
        Box::pin(async move {
            match switchboard.command(&account, Command::Order(order)).await {
                Ok((_, run)) => Ok(run),
                Err(NotObeyed::Conflict(Conflict(why))) => Err(why.to_owned()),
                Err(NotObeyed::NotStored) => Err("the database is away".to_owned()),
                Err(NotObeyed::Late) => Err("its account has not answered in time".to_owned()),
            }
        })
    }

    fn cancel(&self, account: &str) {
        self.switchboard.tell(account, Command::Cancel);
    }

    fn write(&self, work: JobWork) -> Soon<Result<bool, Failure>> {
        let switchboard = self.switchboard.clone();
        Box::pin(async move {
            let done = switchboard.control(Control::Jobs(work), WRITE).await?;
            Ok(done == Done::Changed)
        })
    }

    fn reindex(&self, account: &str) -> Soon<Result<String, Failure>> {
        let (reader, root, account) = (self.reader.clone(), self.root.clone(), account.to_owned());
        Box::pin(async move {
            derive_again(&root, stored(&reader, &account).await?).await?;
            Ok("its mail is to be read anew: `postrider status` tells how far that is".to_owned())
        })
    }

    fn verify(&self, account: &str) -> Soon<Result<String, Failure>> {
        let (reader, bodies, name) = (self.reader.clone(), self.bodies.clone(), account.to_owned());
        let (switchboard, now) = (self.switchboard.clone(), self.clock.now().wall);
        Box::pin(async move {
            let account = stored(&reader, &name).await?;
            let mirror = Mirror { reader, bodies, account, name };
            let verified = local(&mirror, (Rows::Passed, Derived::Passed), now).await?;
            let summary = verified.summary();
            if verified.differs() {
                tracing::warn!(account.id = %mirror.name, "its mirror is not whole: {summary}");
            }
            switchboard.control(Control::Proved(verified.proofs(now)), WRITE).await?;
            Ok(summary)
        })
    }

    fn repair(&self, account: &str, insists: bool) -> Soon<Result<String, Failure>> {
        let (reader, bodies, name) = (self.reader.clone(), self.bodies.clone(), account.to_owned());
        let (switchboard, now) = (self.switchboard.clone(), self.clock.now().wall);
        let (registry, root) = (self.registry.clone(), self.root.clone());
        let insists = if insists { Insists::Yes } else { Insists::No };
        Box::pin(async move {
            let account = stored(&reader, &name).await?;
            let mirror = Mirror { reader, bodies, account, name };
            repair(&mirror, RepairHands { switchboard, registry, root }, insists, now).await
        })
    }

    fn collect(&self) -> Soon<Result<String, Failure>> {
        let (reader, switchboard) = (self.reader.clone(), self.switchboard.clone());
        let (packs, clock) = (Arc::clone(&self.packs), self.clock);
        let (retention, now) = (*self.retention.borrow(), clock.now());
        let hands = CollectHands { reader, switchboard, packs, clock };
        Box::pin(async move { collect(&hands, retention, now).await })
    }

    fn names(&self, account: &str) -> bool {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.contains(account)
    }
}

/// The row of an account.
async fn stored(reader: &Reader, account: &str) -> Result<AccountId, Failure> {
    let stored = reader.stored_accounts(Some(account)).await?;
    let missing = || {
        let text = "nothing of its account is stored yet";
        Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
    };
    stored.first().map(|row| AccountId(row.id)).ok_or_else(missing)
}

/// Starts who keeps jobs.
///
/// # Errors
/// When the tree has ended.
pub(super) async fn start(
    engine: &Engine,
    followed: &Followed,
) -> Result<Handle<JobsMsg>, ServeError> {
    let (switchboard, root) = (engine.switchboard(), engine.root().clone());
    let reader = engine.reader().clone();
    let ids = Arc::clone(&followed.ids);
    let (bodies, clock) = (followed.config().bodies.clone(), engine.registry().clock());
    let registry = engine.registry().clone();
    let retention = followed.retention.subscribe();
    let (reader_of, packs) = (reader.clone(), Arc::clone(engine.packs()));
    let hands = Hands {
        switchboard,
        root,
        reader: reader_of,
        ids,
        bodies,
        clock,
        registry,
        retention,
        packs,
    };
    let hands: Arc<dyn JobHands> = Arc::new(hands);
    let (registry, schedules) = (engine.registry().clone(), followed.schedules.subscribe());
    let args = JobsArgs { reader, hands, registry, schedules };
    let (reply, jobs) = oneshot::channel();
    engine.root().cast(RootMsg::Jobs(args, reply)).map_err(|_| ServeError::Ended)?;
    jobs.await.map_err(|_| ServeError::Ended)
}
