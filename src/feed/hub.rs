//! The newest events in memory, for whoever listens: read from the database once for all of them. Who is behind what is
//! kept here reads pages.
#![expect(clippy::disallowed_methods, reason = "a database that is away is asked again")]

use crate::feed::event::EventView;
use crate::feed::filter::EventFilter;
use crate::feed::{Beyond, NoPage, page};
use crate::store::{Reader, StoredEvent};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Events that are kept in memory.
const KEPT: usize = 10_000;
/// And their octets.
const OCTETS: usize = 16 << 20;
/// What an event takes beside its texts.
const OVERHEAD: usize = 256;
/// Events that are read at a time.
const PAGE: u32 = 1000;
/// A database that is away is asked so often.
const AGAIN: Duration = Duration::from_secs(1);

/// An event that was told.
#[derive(Debug)]
pub(crate) struct ToldEvent {
    /// As it is stored.
    pub(crate) row: StoredEvent,
    /// As everybody sees it: JSON.
    pub(crate) text: String,
}

impl ToldEvent {
    fn octets(&self) -> usize {
        OVERHEAD + self.row.data.len() + self.text.len()
    }
}

impl From<StoredEvent> for ToldEvent {
    fn from(row: StoredEvent) -> Self {
        let text = serde_json::to_string(&EventView::from(&row)).unwrap_or_default();
        Self { row, text }
    }
}

/// What lies in memory, and who listens.
#[derive(Debug)]
pub(crate) struct Hub {
    reader: Reader,
    events: watch::Receiver<i64>,
    state: Mutex<HubState>,
    ends: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct HubState {
    /// Everything behind this number is here, up to `last`.
    from: i64,
    /// The last number that was looked at; none before the first look.
    last: Option<i64>,
    kept: VecDeque<Arc<ToldEvent>>,
    octets: usize,
    /// How often all of it was forgotten.
    forgotten: u64,
    /// The last number that was told to whoever wants the same.
    listeners: BTreeMap<EventFilter, watch::Sender<i64>>,
}

/// What follows a number.
#[derive(Debug)]
pub(crate) enum Behind {
    /// These, and the last number that was looked at.
    Told(Vec<Arc<ToldEvent>>, i64),
    /// What follows is not in memory: pages tell it.
    Further,
}

/// Somebody who listens.
#[derive(Debug)]
pub(crate) struct Listener {
    filter: EventFilter,
    /// What it wants of what follows this number is known.
    since: i64,
    /// The last number that it wants.
    wanted: watch::Receiver<i64>,
    ends: watch::Receiver<bool>,
}

impl Listener {
    /// What it listens for.
    pub(crate) fn filter(&self) -> &EventFilter {
        &self.filter
    }

    /// Waits for the next number that it wants; false when there will be none.
    pub(crate) async fn hears(&mut self) -> bool {
        let Self { wanted, ends, .. } = self;
        tokio::select! {
            heard = wanted.changed() => heard.is_ok(),
            _ = ends.wait_for(|ends| *ends) => false,
        }
    }

    /// Whether there is nothing that it wants behind a number, as far as anybody has looked.
    fn wants_nothing(&self, after: i64) -> bool {
        after >= self.since && *self.wanted.borrow() <= after
    }

    /// Whether nothing more is told.
    pub(crate) fn is_over(&self) -> bool {
        *self.ends.borrow()
    }
}

impl HubState {
    /// Nothing up to this number is in memory.
    fn skip(&mut self, last: i64) {
        self.kept.clear();
        (self.octets, self.from, self.last) = (0, last, Some(last));
        self.forgotten += 1;
    }

    /// What follows the last number that was looked at, up to this one, cannot be told: whoever listens looks for it.
    fn leap(&mut self, last: i64) {
        self.skip(last);
        for heard in self.listeners.values() {
            heard.send_replace(last);
        }
    }

    /// The next ones; this is the last number that was looked at with them.
    fn add(&mut self, events: Vec<ToldEvent>, last: i64) {
        for (filter, heard) in &self.listeners {
            let mut newest = events.iter().rev();
            if let Some(wanted) = newest.find(|event| filter.wants(&event.row)) {
                heard.send_replace(wanted.row.seq);
            }
        }
        for event in events {
            self.octets += event.octets();
            self.kept.push_back(Arc::new(event));
            while self.kept.len() > KEPT || self.octets > OCTETS {
                let Some(oldest) = self.kept.pop_front() else { break };
                self.octets -= oldest.octets();
                self.from = oldest.row.seq;
            }
        }
        self.last = Some(last);
    }

    fn behind(&self, after: i64, listener: &Listener, most: usize) -> Behind {
        let last = self.last.unwrap_or(self.from);
        if listener.wants_nothing(after) {
            return Behind::Told(Vec::new(), last.max(after));
        }
        if after < self.from {
            return Behind::Further;
        }
        let filter = &listener.filter;
        let begin = self.kept.partition_point(|event| event.row.seq <= after);
        let (mut told, mut octets) = (Vec::new(), 0);
        for event in self.kept.iter().skip(begin).filter(|event| filter.wants(&event.row)) {
            octets += event.text.len();
            told.push(Arc::clone(event));
            if octets >= most {
                return Behind::Told(told, event.row.seq);
            }
        }
        Behind::Told(told, last.max(after))
    }
}

impl Hub {
    /// Of this database; told of each number that is durable.
    pub(crate) fn new(reader: Reader, events: watch::Receiver<i64>) -> Self {
        Self { reader, events, state: Mutex::default(), ends: watch::Sender::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens from now on; nothing before the database was looked at. What was told before is read behind this.
    pub(crate) fn listen(&self, filter: EventFilter) -> Option<Listener> {
        let mut state = self.state();
        let last = state.last?;
        let heard = state.listeners.entry(filter.clone());
        let wanted = heard.or_insert_with(|| watch::Sender::new(last)).subscribe();
        Some(Listener { filter, since: last, wanted, ends: self.ends.subscribe() })
    }

    /// What a listener wants of what follows a number: so many octets, and an event more.
    pub(crate) fn behind(&self, after: i64, listener: &Listener, most: usize) -> Behind {
        self.state().behind(after, listener, most)
    }

    /// Nothing of what is in memory is told any more: whose accounts are has changed.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        if let Some(last) = state.last {
            state.skip(last);
        }
    }

    /// Whoever listens hears nothing more.
    pub(crate) fn end(&self) {
        self.ends.send_replace(true);
    }

    /// Reads what comes, while somebody listens.
    pub(crate) async fn run(&self) {
        let mut events = self.events.clone();
        let mut is_away = false;
        loop {
            events.mark_unchanged();
            match self.catch_up().await {
                Ok(()) => is_away = false,
                Err(why) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!("whoever listens to events waits for the database: {why}");
                    }
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
            if events.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Reads up to the last number that is durable.
    async fn catch_up(&self) -> Result<(), postrider_core::failure::Failure> {
        let first_look = self.state().last.is_none();
        if first_look {
            let last = self.reader.event_span().await?.last;
            self.state().skip(last);
            return Ok(());
        }
        loop {
            let newest = *self.events.borrow();
            let (after, forgotten) = {
                let mut state = self.state();
                state.listeners.retain(|_, heard| heard.receiver_count() > 0);
                let last = state.last.unwrap_or(newest);
                if state.listeners.is_empty() && last < newest {
                    state.skip(newest);
                }
                (state.last.unwrap_or(newest), state.forgotten)
            };
            if after >= newest {
                return Ok(());
            }
            match page(&self.reader, &EventFilter::default(), after, PAGE).await {
                Ok(page) => {
                    let told = page.rows.into_iter().map(ToldEvent::from).collect();
                    let mut state = self.state();
                    // What was read before whose they are has changed is read again.
                    if state.forgotten == forgotten {
                        state.add(told, page.next);
                    }
                }
                // It was away for longer than events are kept.
                Err(NoPage::Beyond(Beyond::Gone { oldest })) => self.state().leap(oldest - 1),
                Err(NoPage::Beyond(Beyond::Ahead { newest })) => self.state().leap(newest),
                Err(NoPage::Failed(failure)) => return Err(failure),
            }
        }
    }
}
