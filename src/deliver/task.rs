//! One subscriber: what it is given, and what follows its answers. One request is under way at a time.
#![expect(
    clippy::disallowed_methods,
    reason = "it waits until its next try is due, or somebody wants something of it"
)]

use crate::clock::Clock;
use crate::config::{Subscriber, Target};
use crate::deliver::book::SubscriberBook;
use crate::deliver::command::Program;
use crate::deliver::desk::DeliverDesk;
use crate::deliver::order::{Obeyed, SubscriberOrder, Tried};
use crate::deliver::parcel::{InHand, Parcel};
use crate::deliver::reading::{FeedReading, Next};
use crate::deliver::sink::Sink;
use crate::deliver::webhook::{Clients, Webhook};
use crate::fault;
use crate::feed::{EventFilter, Hub};
use crate::store::{DeliveryRow, Reader};
use crate::telemetry::names;
use postrider_core::deliver::{Delivered, DeliveryOutcome, SubscriberState, Waits};
use postrider_core::failure::Failure;
use postrider_core::time::Micros;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

/// How often it is looked whether a try is due: clocks are set.
const LOOK: Duration = Duration::from_millis(if cfg!(feature = "faults") { 100 } else { 1000 });
/// How often it is looked whether who could not be reached is there again.
const PROBE: u32 = 5;
/// What nobody wants is passed so often.
const PASSES: Duration = Duration::from_secs(30);
/// Octets of the events that are given at a time, and one more: of one, of a list, of a list with heads of mail.
const OCTETS: usize = 8 * 1024;
const OCTETS_OF_LISTS: usize = 64 * 1024;
const OCTETS_OF_HEADS: usize = 16 * 1024;
/// How long it is waited for an edit of the config, or the first look at the database, before it is looked again.
const HELD: Duration = Duration::from_millis(100);
/// A database that is away is asked so often.
const AGAIN: Duration = Duration::from_secs(1);

/// What all of them have.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) hub: Arc<Hub>,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) desk: Arc<DeliverDesk>,
    /// The first of the waits.
    pub(super) first_wait: Duration,
    pub(super) clients: Clients,
    /// Where programs are started.
    pub(super) home: Handle,
    /// Edits of the config that are under way.
    pub(super) book: Arc<SubscriberBook>,
}

/// Looks for who could not be reached.
#[derive(Clone, Copy, Debug)]
struct Probe {
    looks: u32,
    /// Nobody was there: who is there now has come back.
    was_away: bool,
}

impl Around {
    /// How long a subscriber is waited for.
    pub(super) fn waits(&self, id: &str) -> Waits {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        Waits { first: self.first_wait, salt: hasher.finish() }
    }
}

/// One subscriber.
pub(super) struct DeliveryTask {
    around: Around,
    id: String,
    config: watch::Receiver<Option<Arc<Subscriber>>>,
    orders: mpsc::Receiver<SubscriberOrder>,
    subscriber: Arc<Subscriber>,
    sink: Box<dyn Sink>,
    delivered: Delivered,
    reading: FeedReading,
    parcel: Option<Arc<Parcel>>,
    /// Where it could not be reached: it is looked for.
    probe: Option<Probe>,
    /// It is tried because it was seen again.
    is_hurried: bool,
    /// It was said that the database is away.
    is_away: bool,
    stops: watch::Receiver<bool>,
}

fn sink_of(subscriber: &Subscriber, around: &Around) -> Box<dyn Sink> {
    match &subscriber.target {
        Target::Webhook { url, secret_file, allow_private } => Box::new(Webhook {
            clients: around.clients.clone(),
            url: url.clone(),
            secret_file: secret_file.clone(),
            allow_private: *allow_private,
        }),
        Target::Command(words) => Box::new(Program::of(words, &around.home)),
    }
}

fn filter_of(subscriber: &Subscriber) -> EventFilter {
    EventFilter {
        owner: subscriber.owner.clone(),
        accounts: subscriber.accounts.clone(),
        kinds: subscriber.kinds.clone(),
    }
}

/// What a try is about: a parcel of the feed, or a test.
fn row_of(id: &str, parcel: &Parcel, attempt: u32, at: Micros) -> DeliveryRow {
    DeliveryRow {
        subscriber: id.to_owned(),
        // The desk counts.
        number: 0,
        events: parcel.events(),
        attempt,
        at,
        status: None,
        millis: 0,
        text: String::new(),
    }
}

impl DeliveryTask {
    /// Begins where the desk has it.
    pub(super) fn new(
        around: &Around,
        subscriber: Arc<Subscriber>,
        config: watch::Receiver<Option<Arc<Subscriber>>>,
    ) -> Option<Self> {
        let (mut delivered, orders) = around.desk.begin(&subscriber.id)?;
        // It may be there again: who begins tries once.
        delivered.tries(around.clock.now().wall);
        let (hub, reader) = (Arc::clone(&around.hub), &around.reader);
        let reading = FeedReading::new(hub, reader, filter_of(&subscriber), delivered.cursor);
        Some(Self {
            id: subscriber.id.clone(),
            config,
            orders,
            sink: sink_of(&subscriber, around),
            subscriber,
            delivered,
            reading,
            parcel: None,
            probe: None,
            is_hurried: false,
            is_away: false,
            stops: around.hub.stops(),
            around: around.clone(),
        })
    }

    fn now(&self) -> Micros {
        self.around.clock.now().wall
    }

    /// Gives, until the server stops.
    pub(super) async fn run(mut self) {
        while !*self.stops.borrow() {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order).await;
            }
            // Before it is read what the config says: that is what an edit has made of it.
            let is_held = !self.around.book.rests();
            let config = self.config.borrow_and_update().clone();
            let is_wanted = config.is_some();
            if let Some(subscriber) = config {
                self.adopt(subscriber);
            }
            let pause = match is_wanted {
                true if is_held && self.subscriber.owner.is_some() => Pause::For(HELD),
                true => self.step().await,
                false => Pause::Long,
            };
            match pause {
                Pause::None => continue,
                Pause::Long => self.rest(),
                Pause::For(_) | Pause::UntilHeard => {}
            }
            if self.pauses(pause).await {
                break;
            }
        }
    }

    /// Waits, or until somebody wants something; true when nobody will any more.
    async fn pauses(&mut self, pause: Pause) -> bool {
        let Self { orders, config, stops, reading, .. } = self;
        let waits = async {
            match pause {
                Pause::None => {}
                Pause::Long => std::future::pending().await,
                Pause::For(wait) => tokio::time::sleep(wait).await,
                // Who wants nothing of what comes passes it all the same: it is not lost when it goes.
                Pause::UntilHeard => drop(tokio::time::timeout(PASSES, reading.hears()).await),
            }
        };
        let order = tokio::select! {
            order = orders.recv() => order,
            changed = config.changed() => return changed.is_err(),
            _ = stops.wait_for(|stops| *stops) => return true,
            () = waits => return false,
        };
        match order {
            Some(order) => self.obey(order).await,
            None => return true,
        }
        false
    }

    /// The config says this of it now. What it is being given stays, unless it is another choice.
    fn adopt(&mut self, subscriber: Arc<Subscriber>) {
        if self.subscriber == subscriber {
            return;
        }
        let before = std::mem::replace(&mut self.subscriber, subscriber);
        let now = &self.subscriber;
        if before.target != now.target {
            self.sink = sink_of(now, &self.around);
        }
        let of = |one: &Subscriber| (filter_of(one), one.batch, one.heads);
        if of(&before) != of(now) {
            self.read_again();
        }
        // Whoever changes it has mended something.
        self.delivered.changed();
        self.shows();
    }

    /// What follows is read anew.
    fn read_again(&mut self) {
        let (hub, reader) = (Arc::clone(&self.around.hub), &self.around.reader);
        let filter = filter_of(&self.subscriber);
        self.reading = FeedReading::new(hub, reader, filter, self.delivered.cursor);
        self.parcel = None;
        self.shows();
    }

    /// What is in hand is not given now: it is read anew.
    fn drops(&mut self) {
        self.parcel = None;
        self.rest();
        self.shows();
    }

    /// It keeps nothing that it does not need.
    fn rest(&mut self) {
        let last = self.parcel.as_ref().and_then(|parcel| Some(parcel.events()?.1));
        self.reading.rest(last.unwrap_or(self.delivered.cursor));
    }

    fn shows(&self) {
        self.around.desk.stands(&self.id, &self.delivered, self.parcel.as_deref());
    }

    /// Reads, waits or gives.
    async fn step(&mut self) -> Pause {
        if self.delivered.state == SubscriberState::Disabled {
            self.drops();
            return Pause::Long;
        }
        if self.parcel.is_none() {
            match self.packed().await {
                Ok(None) => self.is_away = false,
                Ok(Some(pause)) => {
                    self.is_away = false;
                    return pause;
                }
                Err(failure) => {
                    if !std::mem::replace(&mut self.is_away, true) {
                        let why = failure.chain();
                        tracing::warn!(subscriber = %self.id, "it waits for the database: {why}");
                    }
                    return Pause::For(AGAIN);
                }
            }
        }
        // What is another owner's now is nobody else's any more.
        let is_renamed = self.reading.is_renamed();
        if self.subscriber.owner.is_some() && (is_renamed || !self.around.book.rests()) {
            self.read_again();
            return Pause::None;
        }
        if !self.delivered.is_due(self.now()) {
            self.rest();
            return self.probed().await;
        }
        self.give().await;
        Pause::None
    }

    /// Reads and packs what is given next. Where there is nothing, what is to be done instead.
    async fn packed(&mut self) -> Result<Option<Pause>, Failure> {
        let batch = self.subscriber.batch;
        let most = match (batch, self.subscriber.heads) {
            (None, _) => OCTETS,
            (Some(_), false) => OCTETS_OF_LISTS,
            (Some(_), true) => OCTETS_OF_HEADS,
        };
        let events = match self.reading.next(batch.unwrap_or(1), most).await? {
            Next::Events(events) => events,
            other => {
                let pause = match other {
                    Next::Gone(oldest) => {
                        self.delivered.loses(oldest);
                        Pause::None
                    }
                    Next::More => Pause::None,
                    Next::NotYet => Pause::For(HELD),
                    _ => Pause::UntilHeard,
                };
                self.delivered.passes(self.reading.after);
                self.shows();
                return Ok(Some(pause));
            }
        };
        let (subscriber, lost) = (&self.subscriber, self.delivered.lost);
        match Parcel::of(&events, subscriber, &self.around.reader, lost).await {
            Ok(parcel) => self.parcel = parcel.map(Arc::new),
            Err(failure) => {
                // They are read once more.
                self.reading.rest(self.delivered.cursor);
                return Err(failure);
            }
        }
        self.shows();
        Ok(None)
    }

    /// It is waited for the next try; who could not be reached is looked for meanwhile.
    async fn probed(&mut self) -> Pause {
        if let Some(probe) = &mut self.probe {
            probe.looks += 1;
            if probe.looks.is_multiple_of(PROBE) {
                let is_there = tokio::select! {
                    is_there = self.sink.is_there() => is_there,
                    _ = self.stops.wait_for(|stops| *stops) => return Pause::Long,
                };
                if is_there && probe.was_away {
                    (self.probe, self.is_hurried) = (None, true);
                    self.delivered.tries(self.now());
                    return Pause::None;
                }
                probe.was_away |= !is_there;
            }
        }
        let next = self.delivered.next_at.map(|next| next.since(self.now()));
        Pause::For(next.unwrap_or(LOOK).min(LOOK))
    }

    async fn tried(&self, parcel: Arc<Parcel>, attempt: u32) -> Tried {
        let (begun, now) = (self.around.clock.now().mono, self.now());
        fault::pass("panic.deliver");
        let row = row_of(&self.id, &parcel, attempt, now);
        let answer = self.sink.send(parcel, now).await;
        let took = self.around.clock.now().mono.saturating_sub(begun);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (status, text) = (answer.status, answer.text.clone());
        self.around.desk.tried(DeliveryRow { status, millis, text, ..row });
        metrics::counter!(names::DELIVERIES, "outcome" => answer.outcome.as_str()).increment(1);
        Tried { answer, millis }
    }

    /// Gives what is in hand.
    async fn give(&mut self) {
        let Some(parcel) = self.parcel.clone() else { return };
        let Tried { answer, .. } =
            self.tried(Arc::clone(&parcel), self.delivered.attempts + 1).await;
        fault::pass("deliver.answered");
        let (now, waits) = (self.now(), self.around.waits(&self.id));
        let before = (self.delivered.state, self.delivered.reason.clone());
        let Some(why) = answer.not_taken else {
            let last = parcel.events().map_or(self.delivered.cursor, |(_, last)| last);
            self.delivered.taken(last, now);
            (self.parcel, self.probe, self.is_hurried) = (None, None, false);
            if before.0 == SubscriberState::Failing {
                tracing::info!(subscriber = %self.id, "it takes events again");
            }
            return self.shows();
        };
        let reason = match answer.status {
            // What it repeats of a mail is for who may read mail.
            Some(status) if self.subscriber.heads || answer.text.is_empty() => {
                format!("answered {status}")
            }
            Some(status) => format!("answered {status}: {}", answer.text),
            None => answer.text,
        };
        self.delivered.failed(why, &reason, waits, now);
        let is_unreached = answer.outcome == DeliveryOutcome::Unreached;
        // Who was seen, and could not be reached all the same, has to be seen away first.
        let was_away = !std::mem::take(&mut self.is_hurried);
        self.probe = is_unreached.then_some(Probe { looks: 0, was_away });
        let is_off = self.delivered.state == SubscriberState::Disabled;
        if is_off {
            tracing::error!(
                subscriber = %self.id,
                "it is given nothing any more, until `postrider subscribers enable {}`: {reason}", self.id
            );
        } else if before != (self.delivered.state, reason.clone()) {
            tracing::warn!(subscriber = %self.id, "it has not taken an event, and is tried again: {reason}");
        }
        self.shows();
    }

    async fn obey(&mut self, order: SubscriberOrder) {
        let now = self.now();
        let (reply, told) = match order {
            SubscriberOrder::Test(reply) => {
                let parcel = Arc::new(Parcel::test(&self.subscriber, now));
                (reply, Ok(Obeyed::Tried(self.tried(parcel, 1).await)))
            }
            SubscriberOrder::Enable(reply) => {
                self.delivered.enabled(now);
                self.probe = None;
                (reply, Ok(Obeyed::Done))
            }
            SubscriberOrder::Disable(by, reply) => {
                self.delivered.disabled(&format!("{by} has disabled it"), now);
                self.drops();
                (reply, Ok(Obeyed::Done))
            }
            SubscriberOrder::GoTo(cursor, reply) => {
                self.delivered.goes_to(cursor);
                self.delivered.tries(now);
                self.read_again();
                (reply, Ok(Obeyed::Done))
            }
            SubscriberOrder::Skip(note, event, reply) => {
                (reply, self.skipped(&note, event).await.map(Obeyed::Skipped))
            }
        };
        self.shows();
        // Whoever no longer waits needs no answer.
        drop(reply.send(told));
    }

    /// What it does not take is never given.
    async fn skipped(&mut self, note: &str, event: Option<i64>) -> Result<InHand, String> {
        if self.delivered.state == SubscriberState::Active {
            return Err("it takes what it is given: there is nothing to skip".to_owned());
        }
        while self.parcel.is_none() {
            match self.packed().await.map_err(|why| why.to_string())? {
                None | Some(Pause::None) => {}
                Some(_) => return Err("there is nothing that it could skip".to_owned()),
            }
        }
        let nothing = || "there is nothing that it could skip".to_owned();
        let mut parcel = self.parcel.clone().ok_or_else(nothing)?;
        let (first, last) = parcel.events().ok_or_else(nothing)?;
        if let Some(event) = event.filter(|event| !parcel.numbers.contains(event)) {
            return Err(format!(
                "event {event} is none of those from {first} to {last} that it is being given"
            ));
        }
        if self.delivered.state == SubscriberState::Disabled {
            // What it was given last is forgotten: the list may hold what it was never given.
            let is_list = parcel.numbers.len() > 1;
            let Some(upto) = event.or((!is_list).then_some(last)) else {
                return Err(
                    "it is disabled, and takes lists: name the event up to which it is to skip"
                        .to_owned(),
                );
            };
            Arc::make_mut(&mut parcel).numbers.retain(|number| *number <= upto);
        }
        let in_hand = parcel.in_hand().ok_or_else(nothing)?;
        self.parcel = None;
        // What is behind it is read anew.
        self.reading.rest(in_hand.events.1);
        let now = self.now();
        let row = row_of(&self.id, &parcel, self.delivered.attempts, now);
        self.around.desk.tried(DeliveryRow { text: format!("skipped: {note}"), ..row });
        self.delivered.passes(in_hand.events.1);
        if self.delivered.state == SubscriberState::Failing {
            self.delivered.enabled(now);
        }
        Ok(in_hand)
    }
}

/// For how long nothing is to be done.
enum Pause {
    None,
    Long,
    For(Duration),
    UntilHeard,
}
