//! Webhooks of applications: each has one for all its accounts, and is asked about it on a session of any of them.

use crate::clock::Clock;
use crate::credentials::Vault;
use crate::fault;
use crate::provider::AskedWebhook;
use crate::push::whose::{PushAnswer, PushAsk, Whose};
use crate::store::{SubscriptionKey, SubscriptionWork};
use crate::telemetry::registry::{AccountLine, Registry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::{Class, Failure, Reach};
use postrider_core::provider::push::{FreshSecret, PushReply, WebhookAnswer, WebhookQuestion};
use postrider_core::provider::subscription::Subscription;
use postrider_core::provider::webhook::Webhook;
use postrider_core::recovery::decide::Policy;
use postrider_core::time::{Micros, Now};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who could not be asked now, since its session reads mail, is asked again after a while.
const LATER: Duration = Duration::from_secs(5);
/// So many accounts that are refused themselves speak for all of an application.
const ENOUGH: usize = 3;
/// One that is not wanted any more is so often tried to be removed, and for so long.
const TRIED: u8 = 20;
const LEFT: Duration = Duration::from_secs(24 * 3600);

/// What is to be asked now.
pub(super) struct WebhookAsk {
    pub(super) source: String,
    pub(super) question: WebhookQuestion,
    pub(super) url: String,
    pub(super) ask: Arc<dyn PushAsk>,
}

/// One of an application.
struct Kept {
    asked: AskedWebhook,
    it: Webhook,
    /// Its accounts that can be asked; where there is none any more, those that were the last.
    asks: Vec<(String, Arc<dyn PushAsk>)>,
    /// The one that was asked last; and whether the next one is to be, and how many in a row could not.
    last: String,
    moves: bool,
    refused: usize,
    /// Since when there is to be one.
    wanted_since: Option<Micros>,
    /// Since when there is to be none, and how often it could not be removed.
    unwanted: Option<Duration>,
    tried: u8,
    /// Why it cannot be had was said.
    said: Option<String>,
}

#[derive(Default)]
struct Book {
    is_read: bool,
    all: BTreeMap<String, Kept>,
    /// Whom it was asked for last.
    whose: Option<Arc<Whose>>,
}

/// All of them, by source.
pub(crate) struct Webhooks {
    vault: Option<Arc<Vault>>,
    policy: Policy,
    clock: Clock,
    registry: Registry,
    book: Mutex<Book>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Kept {
    /// Whose it is from now on.
    fn belongs_to(&mut self, whose: &Whose, now: Now) {
        let application = self.asked.application.as_str();
        let is_wanted = whose.has_application(application);
        self.unwanted = (!is_wanted).then(|| self.unwanted.unwrap_or(now.mono));
        self.wanted_since = is_wanted.then(|| self.wanted_since.unwrap_or(now.wall));
        let own = whose.asks_of(application).map(|(id, ask)| (id.to_owned(), Arc::clone(ask)));
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            return;
        }
        let is_same = own.len() == self.asks.len()
            && own.iter().zip(&self.asks).all(|(one, other)| Arc::ptr_eq(&one.1, &other.1));
        // An edit may have mended what was refused.
        if !is_same {
            self.it.may_be_had();
            self.tried = 0;
            self.asks = own;
        }
    }
}

impl Webhooks {
    /// These, whose secrets are sealed with this.
    pub(crate) fn of(
        asked: impl IntoIterator<Item = (String, AskedWebhook)>,
        vault: Option<Arc<Vault>>,
        policy: Policy,
        registry: Registry,
    ) -> Self {
        let kept = |asked| {
            let (it, asks, last) = (Webhook::default(), Vec::new(), String::new());
            let (wanted_since, unwanted, said) = (None, None, None);
            let (moves, refused, tried) = (false, 0, 0);
            Kept { asked, it, asks, last, moves, refused, wanted_since, unwanted, tried, said }
        };
        let all = asked.into_iter().map(|(source, asked)| (source, kept(asked))).collect();
        let book = Mutex::new(Book { all, ..Book::default() });
        Self { vault, policy: policy.staying(), clock: registry.clock(), registry, book }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever asked before is gone.
    pub(super) fn begins(&self) {
        let now = self.clock.now();
        let mut book = self.book();
        if book.is_read {
            book.all.values_mut().for_each(|kept| kept.it.begins_anew(now));
        }
    }

    /// What is stored of them; it is taken out of what is stored of all.
    pub(super) fn read(&self, stored: &mut BTreeMap<SubscriptionKey, Subscription>) {
        let mut book = self.book();
        for (source, kept) in &mut book.all {
            let row = stored.remove(&(source.clone(), String::new()));
            let sealed = row.as_ref().and_then(|row| row.secret.as_deref());
            let opens = sealed.is_some_and(|sealed| self.opened(source, sealed).is_some());
            if sealed.is_some() && !opens {
                tracing::warn!(
                    "what the webhook of {source} signs with does not open with the key of [credentials]: another one is made"
                );
            }
            kept.it = Webhook::stored(row, opens);
            self.tell(source, kept);
        }
        book.is_read = true;
    }

    fn opened(&self, source: &str, sealed: &str) -> Option<String> {
        String::from_utf8(open(self.vault.as_ref()?, source, sealed)?).ok()
    }

    fn sealed(&self, source: &str, secret: &FreshSecret) -> Result<String, Failure> {
        let vault = self.vault.as_ref();
        let vault = vault.ok_or_else(|| Failure::bug("a webhook is asked for without a key"))?;
        seal(vault, source, secret.0.as_bytes())
    }

    /// What is believed from now on.
    fn tell(&self, source: &str, kept: &Kept) {
        let secret = kept.it.secret().and_then(|sealed| self.opened(source, sealed));
        kept.asked.signer.signs_with(secret.as_deref());
    }

    /// What is to be asked now, for these accounts.
    pub(super) fn due(&self, whose: &Arc<Whose>) -> Vec<WebhookAsk> {
        let now = self.clock.now();
        let mut book = self.book();
        let Book { is_read, all, whose: before } = &mut *book;
        if !*is_read {
            return Vec::new();
        }
        if !before.as_ref().is_some_and(|before| Arc::ptr_eq(before, whose)) {
            all.values_mut().for_each(|kept| kept.belongs_to(whose, now));
            *before = Some(Arc::clone(whose));
        }
        let mut due = Vec::new();
        for (source, kept) in all {
            let is_wanted = kept.unwanted.is_none();
            let Some(question) = kept.it.next(is_wanted, now) else {
                if !is_wanted && kept.it.is_over() {
                    // Nothing of who has left is kept.
                    kept.asks = Vec::new();
                }
                continue;
            };
            let Some(ask) = self.asker(kept, is_wanted) else {
                kept.it.put_off(LATER, now);
                self.tries(source, kept, None);
                continue;
            };
            kept.it.asks(&question);
            let url = kept.asked.url.clone();
            due.push(WebhookAsk { source: source.clone(), question, url, ask });
        }
        due
    }

    /// The account that can be asked: where the last one could not, the next of them; where there is none any more, of those
    /// that were the last.
    fn asker(&self, kept: &mut Kept, is_wanted: bool) -> Option<Arc<dyn PushAsk>> {
        let is_well = |id: &str| self.registry.look(id, AccountLine::is_well).unwrap_or(false);
        let may = |(id, _): &&(String, Arc<dyn PushAsk>)| !is_wanted || is_well(id);
        let moves = std::mem::take(&mut kept.moves);
        let is_behind = |id: &String| if moves { *id > kept.last } else { *id >= kept.last };
        let behind = kept.asks.iter().filter(|(id, _)| is_behind(id)).find(may);
        let (id, ask) = behind.or_else(|| kept.asks.iter().find(may))?.clone();
        kept.last = id;
        Some(ask)
    }

    /// One that is not wanted is tried to be removed, and forgotten in the end.
    fn tries(&self, source: &str, kept: &mut Kept, failure: Option<&Failure>) {
        let mono = self.clock.now().mono;
        let Some(since) = kept.unwanted else { return };
        kept.tried += u8::from(failure.is_some());
        let is_over = mono.saturating_sub(since) >= LEFT || kept.asks.is_empty();
        if kept.tried < TRIED && !is_over {
            return;
        }
        let why = failure.map_or_else(|| "nobody can ask for it".to_owned(), ToString::to_string);
        let (url, ids) = (&kept.asked.url, kept.it.forget().join(", "));
        tracing::warn!(
            "a webhook of {source} ({ids}), sent to {url}, may stay, and nobody takes it any more: remove it at the provider \
             ({why})"
        );
        (kept.tried, kept.asks) = (0, Vec::new());
        self.tell(source, kept);
    }

    /// What was answered.
    pub(super) fn answered(&self, source: &str, question: &WebhookQuestion, answer: PushAnswer) {
        let now = self.clock.now();
        let mut book = self.book();
        let Some(kept) = book.all.get_mut(source) else { return };
        let answer = match answer {
            None => {
                kept.moves = true;
                kept.it.put_off(LATER, now);
                return self.tries(source, kept, None);
            }
            // It may be this account's own trouble: another is asked.
            Some(Err(failure))
                if is_own(&failure)
                    && kept.refused + 1 < ENOUGH.min(kept.asks.len())
                    && *question != WebhookQuestion::Make =>
            {
                (kept.moves, kept.refused) = (true, kept.refused + 1);
                return kept.it.put_off(LATER, now);
            }
            Some(Ok(PushReply::Webhook(answer))) => self.kept(source, answer),
            Some(Ok(_)) => Err(Failure::bug("a question about a webhook was answered otherwise")),
            Some(Err(failure)) => Err(failure),
        };
        match answer {
            Ok(answer) => {
                if let WebhookAnswer::Made(id, _) = &answer {
                    tracing::info!("{source}: its provider sends to the webhook {id} from now on");
                }
                match question {
                    WebhookQuestion::Remove(id) if !kept.it.is_own(id) => tracing::warn!(
                        "{source}: the webhook {id} was sent to {}, signed with what nobody here knows: it is removed",
                        kept.asked.url
                    ),
                    WebhookQuestion::Remove(id) => {
                        tracing::info!("{source}: its webhook {id} is removed at its provider");
                    }
                    WebhookQuestion::List | WebhookQuestion::Make => {}
                }
                kept.refused = 0;
                kept.it.answered(question, answer, now);
                self.says(source, kept);
            }
            Err(failure) => {
                (kept.moves, kept.refused) = (true, 0);
                kept.it.failed(question, &failure, &self.policy, now);
                self.says(source, kept);
                self.tries(source, kept, Some(&failure));
            }
        }
        self.tell(source, kept);
    }

    /// The same, with what it signs with sealed.
    fn kept(
        &self,
        source: &str,
        answer: WebhookAnswer<FreshSecret>,
    ) -> Result<WebhookAnswer<String>, Failure> {
        Ok(match answer {
            WebhookAnswer::Listed(shown) => WebhookAnswer::Listed(shown),
            WebhookAnswer::Removed => WebhookAnswer::Removed,
            WebhookAnswer::Made(id, secret) => {
                fault::pass("subscription.made");
                let sealed = self.sealed(source, &secret)?;
                WebhookAnswer::Made(id, sealed)
            }
        })
    }

    /// What is wrong with it is said once.
    fn says(&self, source: &str, kept: &mut Kept) {
        let why = kept.it.seen().map(|seen| seen.reason).filter(|why| !why.is_empty());
        if let Some(why) = why.as_ref().filter(|why| kept.said.as_ref() != Some(why)) {
            tracing::warn!(
                "{source}: webhooks may not come (its mailboxes are looked at on their schedule): {why}"
            );
        }
        kept.said = why;
    }

    /// What is to be written now.
    pub(super) fn unstored(&self) -> SubscriptionWork {
        let mut work = SubscriptionWork::default();
        for (source, kept) in &mut self.book().all {
            let key = (source.clone(), String::new());
            match kept.it.unstored() {
                Some(Some(row)) => work.rows.push((key, row.clone())),
                Some(None) => work.gone.push(key),
                None => {}
            }
        }
        work
    }

    /// That is written.
    pub(super) fn stored(&self, work: &SubscriptionWork) {
        self.each(work, |kept, id| kept.it.is_stored(id));
    }

    /// That could not be written.
    pub(super) fn not_stored(&self, work: &SubscriptionWork) {
        self.each(work, |kept, _| kept.it.not_stored());
    }

    fn each(&self, work: &SubscriptionWork, is: impl Fn(&mut Kept, Option<&str>)) {
        let rows = work.rows.iter().map(|(key, row)| (key, Some(row.remote_id.as_str())));
        let gone = work.gone.iter().map(|key| (key, None));
        let mut book = self.book();
        for ((source, account), id) in rows.chain(gone) {
            let Some(kept) = book.all.get_mut(source).filter(|_| account.is_empty()) else {
                continue;
            };
            is(kept, id);
            self.tell(source, kept);
        }
    }

    /// How the one of a source stands.
    pub(crate) fn seen(&self, source: &str) -> Option<(String, Subscription)> {
        let book = self.book();
        let kept = book.all.get(source)?;
        Some((kept.asked.url.clone(), kept.it.seen()?))
    }

    /// Each source whose webhook is to be there: for how long nothing has shown that it is.
    pub(crate) fn unproved(&self) -> Vec<(String, Duration)> {
        let now = self.clock.now().wall;
        let book = self.book();
        let of = |(source, kept): (&String, &Kept)| {
            let at = kept.it.proved().or(kept.wanted_since)?;
            Some((source.clone(), now.since(at)))
        };
        book.all.iter().filter_map(of).collect()
    }
}

/// Whether a failure may be of the account that was to ask alone: its grant, its password.
fn is_own(failure: &Failure) -> bool {
    failure.reach == Reach::Account && matches!(failure.class, Class::Auth | Class::Config)
}

/// What a secret is sealed under: of no account.
fn about(source: &str) -> String {
    format!("webhook {source}")
}

fn open(vault: &Vault, source: &str, sealed: &str) -> Option<Vec<u8>> {
    vault.open(&about(source), &STANDARD.decode(sealed).ok()?).ok()
}

fn seal(vault: &Vault, source: &str, secret: &[u8]) -> Result<String, Failure> {
    Ok(STANDARD.encode(vault.seal(&about(source), secret)?))
}

/// Rows whose secrets are sealed with another key.
type Resealed = Vec<(SubscriptionKey, Subscription)>;

/// The same secrets under another key; and whose opens with neither, which is left as it is.
///
/// # Errors
/// As the vault says.
pub(crate) fn resealed(
    stored: BTreeMap<SubscriptionKey, Subscription>,
    old: &Vault,
    new: &Vault,
) -> Result<(Resealed, Vec<String>), Failure> {
    let (mut resealed, mut closed) = (Vec::new(), Vec::new());
    for (key, row) in stored {
        let Some(sealed) = &row.secret else { continue };
        // A second time there is nothing to do.
        if open(new, &key.0, sealed).is_some() {
            continue;
        }
        match open(old, &key.0, sealed) {
            Some(clear) => {
                let secret = Some(seal(new, &key.0, &clear)?);
                resealed.push((key, Subscription { secret, ..row }));
            }
            None => closed.push(key.0),
        }
    }
    Ok((resealed, closed))
}

#[cfg(test)]
mod tests;
