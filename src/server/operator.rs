//! What the admin API may have done in this process: commands, and a purge.
#![expect(
    clippy::disallowed_methods,
    reason = "files are unlinked off the runtime, and waited for"
)]

use crate::account::message::Obeyed;
use crate::admin::{NotPurged, Operator, Soon};
use crate::bodies::PackDir;
use crate::boot::switchboard::Switchboard;
use crate::boot::wiring::Engine;
use crate::clock::Clock;
use crate::connection::message::LimitsView;
use crate::handle::Handle;
use crate::jobs::{JobVerb, JobsMsg, JobsRequest, JobsWork, Worked};
use crate::reply::ReplyTo;
use crate::store::orders::Control;
use crate::store::{AuditWork, Done, FailureWork, PackReader, Reader};
use crate::supervision::root::RootMsg;
use postrider_core::account::follow::Command;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::job::queue::{JobWish, Submitted};
use postrider_core::mail::id::AccountId;
use postrider_core::oauth::CredentialRow;
use ractor::ActorRef;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Longest time of a purge.
const PURGE: Duration = Duration::from_secs(50);
/// Longest time until what is done with rows of the ledger is durable.
const WORK: Duration = Duration::from_secs(40);
/// Longest time until a grant is durable.
const GRANT: Duration = Duration::from_secs(40);

/// Longest time until jobs are durable.
const JOBS: Duration = Duration::from_secs(50);

/// Longest wait for what endpoints say of their limits.
const LIMITS: Duration = Duration::from_secs(2);

/// Carries commands out in this process.
pub(super) struct Switch {
    switchboard: Switchboard,
    ids: Arc<Mutex<BTreeSet<String>>>,
    packs: Arc<PackDir>,
    reader: Reader,
    /// A mark of the key that grants are sealed with.
    key_print: Option<String>,
    root: ActorRef<RootMsg>,
    jobs: Handle<JobsMsg>,
    clock: Clock,
}

impl Switch {
    pub(super) fn new(
        engine: &Engine,
        ids: Arc<Mutex<BTreeSet<String>>>,
        jobs: Handle<JobsMsg>,
    ) -> Self {
        let (packs, reader) = (Arc::clone(engine.packs()), engine.reader().clone());
        let key_print = engine.grants().vault.as_ref().map(|vault| vault.print().to_owned());
        let (root, clock) = (engine.root().clone(), engine.registry().clock());
        Self { switchboard: engine.switchboard(), ids, packs, reader, key_print, root, jobs, clock }
    }

    /// Until when somebody waits for jobs.
    fn until(&self) -> Duration {
        self.clock.now().mono + JOBS
    }
}

impl Operator for Switch {
    fn command(&self, account: &str, command: Command) -> Soon<Obeyed> {
        let (switchboard, account) = (self.switchboard.clone(), account.to_owned());
        Box::pin(async move { switchboard.command(&account, command).await })
    }

    fn tell(&self, account: &str, command: Command) {
        self.switchboard.tell(account, command);
    }

    fn failures(&self, work: FailureWork) -> Soon<Result<Done, Failure>> {
        let switchboard = self.switchboard.clone();
        Box::pin(async move { switchboard.control(Control::Failures(work), WORK).await })
    }

    fn purge(&self, account: &str) -> Soon<Result<u64, NotPurged>> {
        let is_named = self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(account);
        let (switchboard, account) = (self.switchboard.clone(), account.to_owned());
        let (packs, reader) = (Arc::clone(&self.packs), self.reader.clone());
        Box::pin(async move {
            if is_named {
                let text = format!("the config names {account}: take it out there first");
                return Err(NotPurged::Refused(text));
            }
            let done = switchboard
                .control(Control::Purge { account }, PURGE)
                .await
                .map_err(NotPurged::Failed)?;
            if done == Done::Missing {
                return Err(NotPurged::Missing);
            }
            unlink(&packs, &reader).await.map_err(NotPurged::Failed)
        })
    }

    fn reindex(&self, account: AccountId) -> Soon<Result<(), Failure>> {
        let root = self.root.clone();
        Box::pin(async move { derive_again(&root, account).await })
    }

    fn submit(&self, wishes: Vec<JobWish>) -> Soon<Result<Vec<Submitted>, Failure>> {
        let (jobs, until) = (self.jobs.clone(), self.until());
        Box::pin(async move {
            answer_of(JOBS, |reply| jobs.send(JobsRequest::Submit(wishes, until, reply))).await
        })
    }

    fn work_jobs(
        &self,
        verb: JobVerb,
        ids: Vec<u64>,
        by: &str,
    ) -> Soon<Result<Vec<Worked>, Failure>> {
        let (jobs, by, until) = (self.jobs.clone(), by.to_owned(), self.until());
        Box::pin(async move {
            let work = JobsWork { verb, ids, by };
            answer_of(JOBS, |reply| jobs.send(JobsRequest::Work(work, until, reply))).await
        })
    }

    fn audit(&self, work: AuditWork) -> Soon<Result<Done, Failure>> {
        let switchboard = self.switchboard.clone();
        Box::pin(async move { switchboard.control(Control::Audit(work), WORK).await })
    }

    fn limits(&self) -> Soon<Result<Vec<LimitsView>, Failure>> {
        let root = self.root.clone();
        Box::pin(async move {
            let (each, mut all) = mpsc::unbounded_channel();
            root.cast(RootMsg::Limits(each)).map_err(|_| Failure::bug("the tree has ended"))?;
            let mut views = Vec::new();
            let gather = async {
                while let Some(view) = all.recv().await {
                    views.push(view);
                }
            };
            // An endpoint that does not answer is left out; `/v1/actors` shows it.
            drop(tokio::time::timeout(LIMITS, gather).await);
            Ok(views)
        })
    }

    fn grant(&self, from: i64, row: CredentialRow) -> Soon<Result<bool, Failure>> {
        let (switchboard, key) = (self.switchboard.clone(), self.key_print.clone());
        Box::pin(async move {
            if key.as_ref() != Some(&row.key_print) {
                let text = "it is sealed with another key than this server has: give both the same, and start the server again";
                let failure = Failure::new(Class::Config, Reach::Account, Provenance::Local, text);
                return Err(failure.when(When::AfterChange));
            }
            let account = row.account.clone();
            let done =
                switchboard.control(Control::Renew { from, row: Box::new(row) }, GRANT).await?;
            // Who waits for it tries again.
            switchboard.tell(&account, Command::Woken);
            Ok(done == Done::Changed)
        })
    }
}

/// What a service of the tree answers, in time.
async fn answer_of<T: Send + 'static>(
    deadline: Duration,
    ask: impl FnOnce(ReplyTo<Result<T, Failure>>),
) -> Result<T, Failure> {
    let (done, answer) = oneshot::channel();
    ask(ReplyTo::new(move |answer: Option<Result<T, Failure>>| drop(done.send(answer))));
    let late = || Failure::storage("the database did not answer in time");
    let answer = tokio::time::timeout(deadline, answer).await.map_err(|_| late())?;
    let gone = || Failure::storage("who was asked has ended before an answer: ask again");
    answer.ok().flatten().unwrap_or_else(|| Err(gone()))
}

/// Has what is derived of an account read anew; answered when that is durable.
pub(super) async fn derive_again(
    root: &ActorRef<RootMsg>,
    account: AccountId,
) -> Result<(), Failure> {
    // A root that is gone drops what it is told, and with it the reply.
    answer_of(GRANT, |reply| drop(root.cast(RootMsg::DeriveAgain(account, reply)))).await
}

/// Gives back the packs that no message needs any more.
pub(crate) async fn unlink(packs: &Arc<PackDir>, reader: &Reader) -> Result<u64, Failure> {
    let spared = PackReader::new(reader).spared().await?;
    let packs = Arc::clone(packs);
    let unlinked = tokio::task::spawn_blocking(move || packs.clear_unnamed(&spared)).await;
    unlinked.map_err(|_| Failure::bug("unlinking packs panicked"))?
}
