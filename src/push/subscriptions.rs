//! What providers are asked to push, of each account: whether it is to be asked now, and whether it still pushes.

use crate::account::args::Progress;
use crate::clock::Clock;
use crate::fault;
use crate::provider::mailbox_of;
use crate::push::whose::{PushAnswer, PushAsk, Whose};
use crate::store::{SubscriptionKey, SubscriptionWork};
use crate::telemetry::registry::{AccountLine, Registry};
use postrider_core::failure::Failure;
use postrider_core::mail::feed::MailVersion;
use postrider_core::provider::push::{PushReply, PushRequest};
use postrider_core::provider::subscription::{Subscribed, Subscription, SubscriptionState};
use postrider_core::recovery::decide::Policy;
use postrider_core::run::summary::{Counts, Summary};
use postrider_core::standing::Standing;
use postrider_core::time::Now;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who could not be asked now is asked again after a while.
const LATER: Duration = Duration::from_secs(30);
/// Who leaves is told so as often, where no session is to spare.
const TOLD: u8 = 20;
/// Proofs are written together, so often.
const PROOFS: Duration = Duration::from_secs(60);
/// A run that takes longer says nothing of pushes for a while.
const LONG: Duration = Duration::from_secs(600);
/// That something could not be had is said so often.
const SAID: Duration = Duration::from_secs(60);

/// What is to be asked now.
pub(super) struct PushQuestion {
    pub(super) account: String,
    pub(super) request: PushRequest,
    pub(super) ask: Arc<dyn PushAsk>,
}

/// One of an account.
struct Kept {
    source: &'static str,
    it: Subscribed,
    /// Who asks for it; nobody where the account left while no process ran.
    ask: Option<Arc<dyn PushAsk>>,
    /// The account can be asked: it is followed, and its last try did not fail.
    well: bool,
    /// The account is here no more; and how often its provider could not be told so.
    leaves: bool,
    untold: u8,
}

#[derive(Default)]
struct Book {
    /// What is stored has been read.
    is_read: bool,
    all: BTreeMap<String, Kept>,
    /// Their rows are to go.
    gone: Vec<SubscriptionKey>,
    /// When it was said that one could not be had, and how many could not since.
    said: Option<(Duration, u64)>,
    /// The account that was asked last: the next one is behind it.
    last: String,
    /// When something was written.
    written: Duration,
}

/// All of them.
pub(crate) struct Subscriptions {
    /// Where each provider that is asked is to push to.
    topics: BTreeMap<&'static str, String>,
    policy: Policy,
    clock: Clock,
    registry: Registry,
    book: Mutex<Book>,
}

impl std::fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriptions").field("topics", &self.topics).finish_non_exhaustive()
    }
}

impl Subscriptions {
    /// These providers are asked to push there.
    pub(crate) fn to(
        topics: BTreeMap<&'static str, String>,
        policy: Policy,
        registry: Registry,
    ) -> Self {
        let (clock, book) = (registry.clock(), Mutex::default());
        Self { topics, policy: policy.staying(), clock, registry, book }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is stored has been read; whoever asked before is gone.
    pub(super) fn begins(&self) -> bool {
        let mut book = self.book();
        book.all.values_mut().for_each(|kept| kept.it.begins_anew());
        book.is_read
    }

    /// What is stored.
    pub(super) fn read(&self, stored: BTreeMap<SubscriptionKey, Subscription>) {
        let mut book = self.book();
        for ((source, account), row) in stored {
            match self.topics.get_key_value(source.as_str()) {
                Some((&source, topic)) => {
                    let it = Subscribed::to(topic, Some(row));
                    book.all.insert(
                        account,
                        Kept { source, it, ask: None, well: false, leaves: false, untold: 0 },
                    );
                }
                // Nobody goes on with it: it ends by itself, or is given up where nobody takes it.
                None => {
                    if account.is_empty() {
                        tracing::warn!(
                            "the webhook {} of {source} is not asked for any more: remove it at the provider",
                            row.remote_id
                        );
                    }
                    book.gone.push((source, account));
                }
            }
        }
        book.is_read = true;
    }

    /// What is to be asked now, so many at most, for these accounts.
    pub(super) fn due(&self, whose: &Whose, room: usize) -> Vec<PushQuestion> {
        let now = self.clock.now();
        let mut book = self.book();
        for (account, source, ask) in whose.asks() {
            let Some((&source, topic)) = self.topics.get_key_value(source) else { continue };
            let kept = book.all.entry(account.to_owned()).or_insert_with(|| {
                let it = Subscribed::to(topic, None);
                Kept { source, it, ask: None, well: false, leaves: false, untold: 0 }
            });
            if !kept.ask.as_ref().is_some_and(|before| Arc::ptr_eq(before, ask)) {
                // An edit may have mended what was refused.
                kept.it.may_be_had();
                kept.ask = Some(Arc::clone(ask));
            }
            let is_active = kept.it.is_active(now.wall);
            let seen = self.registry.look(account, |line| (line.is_well(), line.pushed));
            (kept.leaves, kept.untold) = (false, 0);
            kept.well = seen.is_some_and(|(is_well, _)| is_well);
            if seen.is_some_and(|(_, pushed)| pushed != is_active) {
                self.registry.account(account, |line| line.pushed = is_active);
            }
        }
        self.leave(&mut book, whose, now);
        let Book { all, last, .. } = &mut *book;
        let from = std::mem::take(last);
        let behind = (Bound::Excluded(from.clone()), Bound::Unbounded);
        let mut turns: Vec<String> = all.range(behind).map(|(id, _)| id.clone()).collect();
        turns.extend(all.range(..=from.clone()).map(|(id, _)| id.clone()));
        let mut questions = Vec::new();
        *last = from;
        for account in turns {
            if questions.len() == room {
                break;
            }
            let Some(kept) = all.get_mut(&account) else { continue };
            let Some(request) = self.request(kept, now) else { continue };
            let Some(ask) = kept.ask.clone() else { continue };
            kept.it.asks();
            last.clone_from(&account);
            questions.push(PushQuestion { account, request, ask });
        }
        questions
    }

    /// What is to be asked for an account now.
    fn request(&self, kept: &Kept, now: Now) -> Option<PushRequest> {
        if kept.leaves {
            return kept.it.may_ask(now).then_some(PushRequest::Unsubscribe);
        }
        let topic = self.topics.get(kept.source).filter(|_| kept.well && kept.it.is_due(now));
        topic.map(|topic| PushRequest::Subscribe(topic.clone()))
    }

    /// Who is no more here is told to push no more, unless another account is of the same mailbox.
    fn leave(&self, book: &mut Book, whose: &Whose, now: Now) {
        let mut gone = Vec::new();
        for (account, kept) in &mut book.all {
            if whose.has(account) {
                continue;
            }
            kept.leaves = true;
            let others = kept
                .ask
                .as_ref()
                .is_some_and(|ask| !whose.named(kept.source, ask.username()).is_empty());
            // Who was refused is not asked once more.
            let is_of_use =
                kept.ask.is_some() && kept.well && !others && kept.it.is_active(now.wall);
            if !is_of_use && !kept.it.is_open() {
                gone.push(account.clone());
            }
        }
        for account in gone {
            book.forget(&account);
        }
    }

    /// What was answered.
    pub(super) fn answered(&self, account: &str, request: &PushRequest, answer: PushAnswer) {
        let now = self.clock.now();
        let mut book = self.book();
        let Some(kept) = book.all.get_mut(account) else { return };
        if *request == PushRequest::Unsubscribe {
            if answer.is_none() && kept.leaves && kept.untold < TOLD {
                kept.untold += 1;
                return kept.it.put_off(LATER, "no session is to spare for it now", now);
            }
            match &answer {
                Some(Ok(_)) => {}
                Some(Err(failure)) => {
                    tracing::info!(account.id = %account, "it may be pushed for a week: {failure}");
                }
                None => tracing::info!(account.id = %account, "it may be pushed for a week"),
            }
            let (source, leaves) = (kept.source, kept.leaves);
            let mailbox = kept.ask.as_ref().map(|ask| mailbox_of(source, ask.username()));
            if leaves {
                book.forget(account);
            }
            // It may have come back, or another one of the same mailbox may have come meanwhile.
            for kept in book.all.values_mut().filter(|kept| kept.source == source) {
                if kept.ask.as_ref().map(|ask| mailbox_of(source, ask.username())) == mailbox {
                    kept.it.was_ended();
                }
            }
            return;
        }
        match answer {
            None => kept.it.put_off(LATER, "no session is to spare for it now", now),
            Some(Ok(PushReply::Pushes(pushing))) => {
                fault::pass("watch.renewed");
                kept.it.subscribed(pushing, now);
                tracing::debug!(account.id = %account, "its provider pushes");
            }
            Some(Ok(PushReply::Ended)) => {
                let failure =
                    Failure::bug("a provider was asked to push, and says that it does not");
                kept.it.failed(&failure, &self.policy, now);
            }
            Some(Err(failure)) => {
                kept.it.failed(&failure, &self.policy, now);
                book.says(account, &failure, now.mono);
            }
        }
    }

    /// A push has come for this account.
    pub(super) fn pushed(&self, account: &str, state: Option<&str>) {
        let state = state.map(MailVersion::new);
        if let Some(kept) = self.book().all.get_mut(account) {
            kept.it.pushed(state.as_ref(), self.clock.now());
        }
    }

    /// What is to be written now.
    pub(super) fn unstored(&self) -> SubscriptionWork {
        let mono = self.clock.now().mono;
        let mut book = self.book();
        let is_urgent = |kept: &Kept| kept.it.is_urgent() && !kept.leaves;
        let urgent = !book.gone.is_empty() || book.all.values().any(is_urgent);
        if !urgent && mono < book.written + PROOFS {
            return SubscriptionWork::default();
        }
        book.written = mono;
        let gone = std::mem::take(&mut book.gone);
        let rows = book.all.iter_mut().filter(|(_, kept)| !kept.leaves);
        let rows = rows.filter_map(|(account, kept)| {
            let row = kept.it.unstored()?.clone();
            Some(((kept.source.to_owned(), account.clone()), row))
        });
        SubscriptionWork { rows: rows.collect(), gone }
    }

    /// That could not be written.
    pub(super) fn not_stored(&self, work: SubscriptionWork) {
        let mut book = self.book();
        for ((_, account), _) in work.rows {
            if let Some(kept) = book.all.get_mut(&account) {
                kept.it.not_stored();
            }
        }
        book.gone.extend(work.gone);
    }

    /// Each of a provider, by account.
    pub(crate) fn seen(&self, source: &str) -> BTreeMap<String, Subscription> {
        let now = self.clock.now().wall;
        let book = self.book();
        let of = book.all.iter().filter(|(_, kept)| kept.source == source);
        let seen = of.map(|(account, kept)| {
            let mut row = kept.it.row().clone();
            if row.state != SubscriptionState::Failed && !kept.it.is_active(now) {
                row.state = SubscriptionState::Failed;
                row.reason = "it is over, and could not be asked for again yet".into();
            }
            (account.clone(), row)
        });
        seen.collect()
    }

    /// For how long nothing has shown that each of a provider pushes.
    pub(crate) fn unproved(&self, source: &str) -> Vec<Duration> {
        let now = self.clock.now();
        let book = self.book();
        let of = book.all.iter().filter(|(_, kept)| kept.source == source && !kept.leaves);
        // Whom nobody looks at now is not meant, nor who has been read for long: a look ends with its run.
        // Where it never pushed it is since the account is followed.
        let well = |account: &str| {
            let is_long = |line: &AccountLine| {
                line.run_since.is_some_and(|since| now.mono.saturating_sub(since) > LONG)
            };
            let followed =
                |line: &AccountLine| (line.is_well() && !is_long(line)).then_some(line.followed);
            self.registry.look(account, followed).flatten()
        };
        of.filter_map(|(account, kept)| {
            let followed = well(account)?;
            Some(kept.it.unproved(now.wall).unwrap_or(now.mono.saturating_sub(followed)))
        })
        .collect()
    }

    /// Who is asked.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &'static str> {
        self.topics.keys().copied()
    }
}

impl Book {
    fn forget(&mut self, account: &str) {
        if let Some(kept) = self.all.remove(account) {
            self.gone.push((kept.source.to_owned(), account.to_owned()));
        }
    }

    /// One wrong right fails all accounts: it is said once a minute.
    fn says(&mut self, account: &str, failure: &Failure, mono: Duration) {
        match &mut self.said {
            Some((said, more)) if mono < *said + SAID => *more += 1,
            said => {
                let more = said.map_or(0, |(_, more)| more);
                *said = Some((mono, 0));
                tracing::warn!(
                    account.id = %account,
                    failure.repeated = more,
                    "its provider does not push (it is looked at on its schedule): {failure}"
                );
            }
        }
    }
}

impl Progress for Subscriptions {
    fn step(&self, _account: &str, _standing: Standing, _counts: Counts) {}
    fn waits(&self, _account: &str, _wait: Duration) {}
    fn failed(&self, _account: &str, _failure: &Failure) {}

    fn ended(&self, account: &str, summary: &Summary) {
        let changes = &summary.sight.changes;
        if !changes.is_all && changes.newest.is_none() {
            return;
        }
        if let Some(kept) = self.book().all.get_mut(account) {
            kept.it.looked(changes.newest.as_ref(), self.clock.now());
        }
    }
}

#[cfg(test)]
mod tests;
