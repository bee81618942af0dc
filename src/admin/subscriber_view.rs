//! Subscribers as faces show them.

use crate::config::Target;
use crate::deliver::{InHand, SubscriberSeen, Tried};
use crate::instant::instant;
use crate::store::StoredDelivery;
use postrider_core::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who takes events as they come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriberView {
    /// Its id in the config.
    id: String,
    /// The server, or the program, that takes them.
    target: String,
    /// Whose accounts' events it gets; none: everybody's, or some accounts'.
    owner: Option<String>,
    /// active, failing, disabled.
    state: &'static str,
    /// Why it stands so.
    reason: String,
    since: String,
    /// Since when it fails, but for the time in which nobody tried; after three days it is disabled.
    failing_since: Option<String>,
    /// Tries that failed in a row.
    attempts: u32,
    /// When the next one is.
    next_at: Option<String>,
    /// The last number that is done with.
    cursor: i64,
    /// What it is being given.
    sending: Option<SendingView>,
    /// How old the oldest event is that it has not taken; none where nobody gives it any: it is disabled, or no server
    /// runs.
    lag_seconds: Option<u64>,
    /// What of the feed it is given.
    wants: WantsView,
}

/// What of the feed a subscriber is given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WantsView {
    /// Only of these kinds; none: all.
    kinds: Option<Vec<&'static str>>,
    /// Only of these accounts: the ids that they have, and had; none: all, or an owner's.
    accounts: Option<Vec<String>>,
    /// So many at a time at most, as a list; none: one, and no list.
    batch: Option<usize>,
    /// `head`: with what is stored of a message.
    fields: Option<&'static str>,
}

/// What a subscriber is being given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SendingView {
    /// The first number.
    first: i64,
    /// The last.
    last: i64,
    /// How many events.
    count: usize,
}

/// A try.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Its number, among those of its subscriber.
    number: i64,
    /// The first number of what was given; none of a test.
    first: Option<i64>,
    /// The last.
    last: Option<i64>,
    /// The how manieth of the same.
    attempt: u32,
    /// When it began.
    at: String,
    /// The HTTP status that was answered, or how the program ended.
    status: Option<i64>,
    /// How long it took.
    millis: u64,
    /// The beginning of the answer, or why there is none. Of what is given with `fields = "head"` it is for who may read
    /// mail.
    text: Option<String>,
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestedView {
    id: String,
    /// Whether it was taken.
    taken: bool,
    /// The HTTP status that was answered, or how the program ended.
    status: Option<i64>,
    /// How long it took.
    millis: u64,
    /// The beginning of the answer, or why there is none.
    text: String,
}

/// Where a subscriber is to go on.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayFrom {
    /// The number of the first event; or an instant; or `oldest`.
    #[schema(value_type = String, example = "4711")]
    pub(crate) from: serde_json::Value,
}

/// What is never given, and how it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SkippedView {
    /// What it was being given.
    skipped: SendingView,
    #[serde(flatten)]
    subscriber: SubscriberView,
}

/// Why something is not given.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkipNote {
    /// For who reads it later.
    pub(crate) note: String,
    /// Only where this number is in what it is being given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<i64>,
}

impl SubscriberView {
    /// As it is now.
    pub(crate) fn of(line: &SubscriberSeen, now: Micros) -> Self {
        let (one, it) = (&line.subscriber, &line.delivered);
        let target = match &one.target {
            // What follows the host may be a secret of its own.
            Target::Webhook { url, .. } => url.origin().ascii_serialization(),
            Target::Command(words) => words.first().cloned().unwrap_or_default(),
        };
        let sending = line.in_hand.map(SendingView::of);
        Self {
            id: one.id.clone(),
            target,
            owner: one.owner.clone(),
            state: it.state.as_str(),
            reason: it.reason.clone(),
            since: instant(it.since),
            failing_since: it.failing_since.map(instant),
            attempts: it.attempts,
            next_at: it.next_at.map(instant),
            cursor: it.cursor,
            sending,
            lag_seconds: line.lag(now).map(|lag| lag.as_secs()),
            wants: WantsView {
                kinds: one.kinds.as_ref().map(|kinds| kinds.words().to_vec()),
                accounts: one.accounts.as_ref().map(|ids| ids.iter().cloned().collect()),
                batch: one.batch,
                fields: one.heads.then_some("head"),
            },
        }
    }
}

impl SendingView {
    fn of(hand: InHand) -> Self {
        Self { first: hand.events.0, last: hand.events.1, count: hand.count }
    }
}

impl SkippedView {
    /// This is never given.
    pub(crate) fn of(hand: InHand, subscriber: SubscriberView) -> Self {
        Self { skipped: SendingView::of(hand), subscriber }
    }

    /// For who reads it later.
    pub(crate) fn told(&self, note: &str) -> String {
        let SendingView { first, last, count } = self.skipped;
        format!("{first} to {last} ({count}): {note}")
    }
}

impl DeliveryView {
    /// As it is stored; what it says only to who may read that.
    pub(crate) fn of(row: StoredDelivery, shows_text: bool) -> Self {
        Self {
            number: row.number,
            first: row.first,
            last: row.last,
            attempt: row.attempt,
            at: instant(row.at),
            status: row.status,
            millis: row.millis,
            text: Some(row.text).filter(|_| shows_text),
        }
    }
}

impl TestedView {
    /// Of this subscriber.
    pub(crate) fn of(id: String, Tried { answer, millis }: Tried) -> Self {
        let (taken, status) = (answer.not_taken.is_none(), answer.status);
        Self { id, taken, status, millis, text: answer.text }
    }
}
