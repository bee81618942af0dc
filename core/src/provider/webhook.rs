//! The webhook that one application is pushed to by, for all its accounts: whether there is to be one, whether it is
//! there and does, and what is to be asked next.

use crate::failure::Failure;
use crate::provider::push::{ShownWebhook, WebhookAnswer, WebhookQuestion, WebhookStanding};
use crate::provider::subscription::{Subscription, SubscriptionState, wait};
use crate::recovery::decide::Policy;
use crate::recovery::history::History;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// It is looked at so often (Nylas has no other way to tell that it gave one up: "Webhook statuses").
const LOOK: Duration = Duration::from_secs(3600);
/// One that is made anew is not made anew at once again.
const ANEW: Duration = Duration::from_secs(600);
/// One that was asked for by who died, or was not answered, is there within this or never.
const UNSURE: Duration = Duration::from_secs(120);

/// The webhook of an application, and what this process has seen of it.
#[derive(Debug, Default)]
pub struct Webhook {
    row: Option<Subscription>,
    /// What is in the row opens.
    opens: bool,
    /// Which there are, as they were shown last and what was done since.
    shown: Vec<ShownWebhook>,
    /// When that was.
    looked: Option<Duration>,
    /// Until then there may come one that nobody has told of: it is looked once more.
    unsure: Option<Duration>,
    /// When one was made: it is not removed at once for what is wrong with it.
    made: Option<Duration>,
    /// Questions of a kind that failed in a row, and why the last one did.
    failed: BTreeMap<Kind, (History, String)>,
    not_before: Duration,
    open: Option<WebhookQuestion>,
    /// What is stored is older than the row; a row is stored that is none.
    is_fresh: bool,
    is_gone: bool,
    /// What is stored of the row is what it says.
    is_durable: bool,
}

/// Kinds of questions: that one is answered says nothing of the others. What is worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Make,
    Remove,
    List,
}

impl Kind {
    fn of(question: &WebhookQuestion) -> Self {
        match question {
            WebhookQuestion::List => Self::List,
            WebhookQuestion::Remove(_) => Self::Remove,
            WebhookQuestion::Make => Self::Make,
        }
    }
}

impl Webhook {
    /// As it is stored; whether its secret opens.
    #[must_use]
    pub fn stored(row: Option<Subscription>, opens: bool) -> Self {
        Self { is_durable: row.is_some(), row, opens, ..Self::default() }
    }

    /// Whoever asked and wrote is gone, and has said nothing: one may have been made.
    pub fn begins_anew(&mut self, now: Now) {
        if let Some(question) = self.open.take() {
            self.is_unsure(&question, now);
        }
        self.not_stored();
    }

    /// Nobody knows what came of this.
    fn is_unsure(&mut self, question: &WebhookQuestion, now: Now) {
        if *question != WebhookQuestion::List {
            (self.looked, self.unsure) = (None, Some(now.mono + UNSURE));
        }
    }

    /// What is to be asked now, where there is to be one, or none any more.
    #[must_use]
    pub fn next(&self, is_wanted: bool, now: Now) -> Option<WebhookQuestion> {
        let waits = self.open.is_some() || now.mono < self.not_before;
        // What is made is written down before anything else happens to it.
        let writes = self.row.is_some() && !self.is_durable;
        let own = self.row.as_ref().map(|row| row.remote_id.as_str());
        // What else is sent to our address is signed with what nobody knows.
        let is_stray = |one: &&ShownWebhook| one.is_here == Some(true) && own != Some(&one.id);
        let stray = self.shown.iter().find(is_stray);
        let is_idle = !is_wanted && own.is_none() && stray.is_none() && self.unsure.is_none();
        if waits || writes || is_idle {
            return None;
        }
        let is_sure = |at: Duration| self.unsure.is_none_or(|then| at >= then || now.mono < then);
        if self.looked.is_none_or(|at| now.mono >= at + LOOK || !is_sure(at)) {
            return Some(WebhookQuestion::List);
        }
        if let Some(stray) = stray {
            return Some(WebhookQuestion::Remove(stray.id.clone()));
        }
        let shown = self.shown.iter().find(|one| own == Some(one.id.as_str()));
        // What is not told is no reason to make another.
        let is_good = shown.is_some_and(|one| {
            self.opens
                && one.is_here != Some(false)
                && one.is_whole != Some(false)
                && one.standing != WebhookStanding::Failed
        });
        if is_wanted && is_good {
            return None;
        }
        match (shown, own) {
            // One that was made just now is given time: lists may lag.
            (_, Some(_)) if is_wanted && self.is_new(now) => None,
            (Some(one), _) => Some(WebhookQuestion::Remove(one.id.clone())),
            (None, Some(own)) => (!is_wanted).then(|| WebhookQuestion::Remove(own.to_owned())),
            (None, None) => is_wanted.then_some(WebhookQuestion::Make),
        }
    }

    fn is_new(&self, now: Now) -> bool {
        self.made.is_some_and(|at| now.mono < at + ANEW)
    }

    /// Whether nothing is left to be asked where there is to be none.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_here = self.shown.iter().any(|one| one.is_here == Some(true));
        self.row.is_none() && self.open.is_none() && self.unsure.is_none() && !is_here
    }

    /// Whether this is the one that was made.
    #[must_use]
    pub fn is_own(&self, id: &str) -> bool {
        self.row.as_ref().is_some_and(|row| row.remote_id == id)
    }

    /// It is being asked.
    pub fn asks(&mut self, question: &WebhookQuestion) {
        self.open = Some(question.clone());
    }

    /// What was answered.
    pub fn answered(
        &mut self,
        question: &WebhookQuestion,
        answer: WebhookAnswer<String>,
        now: Now,
    ) {
        self.open = None;
        self.failed.remove(&Kind::of(question));
        match (question, answer) {
            (_, WebhookAnswer::Listed(shown)) => self.listed(shown, now),
            (_, WebhookAnswer::Made(id, secret)) => {
                let (is_here, is_whole) = (Some(true), Some(true));
                let standing = WebhookStanding::Active;
                self.shown.push(ShownWebhook { id: id.clone(), is_here, is_whole, standing });
                self.row = Some(Subscription {
                    renewed_at: Some(now.wall),
                    proof_at: Some(now.wall),
                    state: SubscriptionState::Active,
                    secret: Some(secret),
                    ..Subscription::none(&id, "")
                });
                (self.opens, self.made) = (true, Some(now.mono));
                // It is seen that it is there, and alone.
                self.unsure = Some(now.mono + UNSURE);
                (self.is_fresh, self.is_durable, self.is_gone) = (true, false, false);
            }
            (WebhookQuestion::Remove(id), WebhookAnswer::Removed) => {
                self.shown.retain(|one| one.id != *id);
                if self.is_own(id) {
                    self.ends();
                }
            }
            (WebhookQuestion::List | WebhookQuestion::Make, WebhookAnswer::Removed) => {}
        }
    }

    fn listed(&mut self, shown: Vec<ShownWebhook>, now: Now) {
        let is_first = self.looked.is_none() && self.unsure.is_none() && self.made.is_none();
        // Whoever ran before may have asked for one just now.
        self.unsure = match is_first {
            true => Some(now.mono + UNSURE),
            false => self.unsure.filter(|then| now.mono < *then),
        };
        (self.shown, self.looked) = (shown, Some(now.mono));
        let is_new = self.is_new(now);
        let Some(row) = &mut self.row else { return };
        let Some(one) = self.shown.iter().find(|one| one.id == row.remote_id) else {
            if !is_new {
                self.ends();
            }
            return;
        };
        let (state, reason) = match one.standing {
            WebhookStanding::Active => (SubscriptionState::Active, ""),
            WebhookStanding::Failing => (
                SubscriptionState::Doubted,
                "its provider says that it is failing: what it sends is not answered",
            ),
            WebhookStanding::Failed => {
                (SubscriptionState::Failed, "its provider has given it up, and it is made anew")
            }
            WebhookStanding::Paused => {
                (SubscriptionState::Failed, "somebody has paused it at its provider")
            }
        };
        if one.standing == WebhookStanding::Active {
            row.proof_at = Some(now.wall);
        }
        (row.state, row.reason) = (state, reason.to_owned());
        self.is_fresh = true;
    }

    /// There is none any more.
    fn ends(&mut self) {
        (self.row, self.opens) = (None, false);
        (self.is_fresh, self.is_gone) = (false, true);
    }

    /// It could not be asked, or nobody knows what came of it.
    pub fn failed(
        &mut self,
        question: &WebhookQuestion,
        failure: &Failure,
        policy: &Policy,
        now: Now,
    ) {
        let (history, why) = self.failed.entry(Kind::of(question)).or_default();
        history.failed(failure, now.wall);
        *why = failure.to_string();
        (self.open, self.not_before) = (None, now.mono + wait(failure, history, policy, now));
        self.is_unsure(question, now);
    }

    /// It is nobody's from now on, whether or not it is there. Returns what those that may be are called.
    pub fn forget(&mut self) -> Vec<String> {
        let own = self.row.take().map(|row| row.remote_id);
        let here = self.shown.iter().filter(|one| one.is_here == Some(true));
        let ids: BTreeSet<String> = own.into_iter().chain(here.map(|one| one.id.clone())).collect();
        *self = Self { is_gone: true, ..Self::default() };
        ids.into_iter().collect()
    }

    /// It may be asked with something else than what was refused.
    pub fn may_be_had(&mut self) {
        self.failed.values_mut().for_each(|(history, _)| *history = History::default());
        self.not_before = Duration::ZERO;
    }

    /// What is to be written, if what is stored is older: a row, or that there is none.
    pub fn unstored(&mut self) -> Option<Option<&Subscription>> {
        if std::mem::take(&mut self.is_fresh) {
            self.is_gone = false;
            return Some(self.row.as_ref());
        }
        std::mem::take(&mut self.is_gone).then_some(None)
    }

    /// What was to be written is: the one that is called so, or that there is none.
    pub fn is_stored(&mut self, id: Option<&str>) {
        let is_it = self.row.as_ref().map(|row| row.remote_id.as_str()) == id;
        self.is_durable |= is_it && id.is_some();
    }

    /// What was to be written was not.
    pub fn not_stored(&mut self) {
        self.is_fresh = self.row.is_some();
        self.is_gone = self.row.is_none();
    }

    /// What it signs with, sealed: what is written down, and opens.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        let row = self.row.as_ref().filter(|_| self.is_durable && self.opens)?;
        row.secret.as_deref()
    }

    /// How it stands; with what is wrong, where it could not be asked.
    #[must_use]
    pub fn seen(&self) -> Option<Subscription> {
        let mut row = self.row.clone();
        if let Some((_, why)) = self.failed.values().next() {
            row.get_or_insert_with(|| Subscription::none("", "")).reason.clone_from(why);
        }
        row
    }

    /// Since when nothing has shown that it pushes.
    #[must_use]
    pub fn proved(&self) -> Option<Micros> {
        self.row.as_ref()?.proof_at
    }
}

#[cfg(test)]
mod tests;
