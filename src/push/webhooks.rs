//! Webhooks of applications: each has one for all its accounts, and is asked about it with its own key.

use crate::clock::Clock;
use crate::credentials::Vault;
use crate::fault;
use crate::provider::AskedWebhook;
use crate::push::hands::WebhookTold;
use crate::push::whose::Whose;
use crate::store::{SubscriptionKey, SubscriptionWork};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::Failure;
use postrider_core::provider::push::{FreshSecret, WebhookAnswer, WebhookQuestion};
use postrider_core::provider::subscription::Subscription;
use postrider_core::provider::webhook::Webhook;
use postrider_core::recovery::decide::Policy;
use postrider_core::time::{Micros, Now};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One that is not wanted any more is so often tried to be removed, and for so long.
const TRIED: u8 = 20;
const LEFT: Duration = Duration::from_secs(24 * 3600);

/// One of an application.
struct Kept {
    asked: AskedWebhook,
    it: Webhook,
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
    book: Mutex<Book>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Kept {
    /// Whose it is from now on. An edit may have mended what was refused.
    fn belongs_to(&mut self, whose: &Whose, now: Now) {
        let is_wanted = whose.has_application(&self.asked.place.application);
        self.unwanted = (!is_wanted).then(|| self.unwanted.unwrap_or(now.mono));
        self.wanted_since = is_wanted.then(|| self.wanted_since.unwrap_or(now.wall));
        self.it.may_be_had();
        self.tried = 0;
    }
}

impl Webhooks {
    /// These, whose secrets are sealed with this.
    pub(crate) fn of(
        asked: impl IntoIterator<Item = (String, AskedWebhook)>,
        vault: Option<Arc<Vault>>,
        policy: Policy,
        clock: Clock,
    ) -> Self {
        let kept = |asked| Kept {
            asked,
            it: Webhook::default(),
            wanted_since: None,
            unwanted: None,
            tried: 0,
            said: None,
        };
        let all = asked.into_iter().map(|(source, asked)| (source, kept(asked))).collect();
        let book = Mutex::new(Book { all, ..Book::default() });
        Self { vault, policy: policy.staying(), clock, book }
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
                    "what the webhook of {source} signs with does not open with the key of [credentials] (was it rotated, and the old one is \
                     given?): another webhook is made"
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
    pub(super) fn due(&self, whose: &Arc<Whose>) -> Vec<(String, WebhookQuestion)> {
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
        let next = |(source, kept): (&String, &mut Kept)| {
            let question = kept.it.next(kept.unwanted.is_none(), now)?;
            kept.it.asks(&question);
            Some((source.clone(), question))
        };
        all.iter_mut().filter_map(next).collect()
    }

    /// One that is not wanted is tried to be removed, and forgotten in the end.
    fn tries(&self, source: &str, kept: &mut Kept, failure: &Failure) {
        let mono = self.clock.now().mono;
        let Some(since) = kept.unwanted else { return };
        kept.tried += 1;
        if kept.tried < TRIED && mono.saturating_sub(since) < LEFT {
            return;
        }
        let (url, ids) = (&kept.asked.place.url, kept.it.forget().join(", "));
        tracing::warn!(
            "a webhook of {source} ({ids}), sent to {url}, may stay, and nobody takes it any more: remove it at the provider \
             ({failure})"
        );
        kept.tried = 0;
        self.tell(source, kept);
    }

    /// What was answered.
    pub(super) fn answered(&self, source: &str, question: &WebhookQuestion, told: WebhookTold) {
        let now = self.clock.now();
        let mut book = self.book();
        let Some(kept) = book.all.get_mut(source) else { return };
        match told.and_then(|answer| self.kept(source, answer)) {
            Ok(answer) => {
                if let WebhookAnswer::Made(id, _) = &answer {
                    tracing::info!("{source}: its provider sends to the webhook {id} from now on");
                }
                match question {
                    WebhookQuestion::Remove(id) if !kept.it.is_own(id) => tracing::warn!(
                        "{source}: the webhook {id} was sent to {}, signed with what nobody here knows: it is removed",
                        kept.asked.place.url
                    ),
                    WebhookQuestion::Remove(id) => {
                        tracing::info!("{source}: its webhook {id} is removed at its provider");
                    }
                    WebhookQuestion::List | WebhookQuestion::Make => {}
                }
                kept.it.answered(question, answer, now);
                self.says(source, kept);
            }
            Err(failure) => {
                kept.it.failed(question, &failure, &self.policy, now);
                self.says(source, kept);
                self.tries(source, kept, &failure);
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
        Some((kept.asked.place.url.clone(), kept.it.seen()?))
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
