//! The newest events in memory, for whoever listens: read from the database once for all of them. Who is behind what is
//! kept here reads pages.
#![expect(clippy::disallowed_methods, reason = "a database that is away is asked again")]

use crate::feed::event::EventView;
use crate::feed::filter::EventFilter;
use crate::feed::page::{Beyond, NoPage, page};
use crate::store::{FeedEnd, Reader, StoredEvent};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// Events that are kept in memory.
const KEPT: usize = 10_000;
/// And their octets.
const OCTETS: usize = 16 << 20;
/// What an event takes beside its texts.
const OVERHEAD: usize = 256;
/// Events that are read at a time.
const PAGE: u32 = 1000;
/// So many who are behind read at a time.
const TURNS: usize = 2;
/// Longest wait of who comes before the database was looked at for the first time.
const FIRST_LOOK: Duration = Duration::from_secs(5);
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
    events: watch::Receiver<FeedEnd>,
    /// Who reads what is in memory no longer does so a few at a time.
    turns: Semaphore,
    state: Mutex<HubState>,
    /// The database was looked at for the first time.
    is_begun: watch::Sender<bool>,
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
    /// How often accounts had got another name or owner.
    named: u64,
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
    fn listens(&mut self, filter: EventFilter, ends: watch::Receiver<bool>) -> Option<Listener> {
        let last = self.last?;
        self.listeners.retain(|_, heard| heard.receiver_count() > 0);
        let heard = self.listeners.entry(filter.clone());
        let wanted = heard.or_insert_with(|| watch::Sender::new(last)).subscribe();
        Some(Listener { filter, since: last, wanted, ends })
    }

    /// Nothing up to this number is in memory.
    fn skip(&mut self, last: i64) {
        self.kept.clear();
        (self.octets, self.from, self.last) = (0, last, Some(last));
        self.forgotten += 1;
    }

    /// What is in memory is not what is told, or lacks what follows: whoever listens looks for itself.
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
    pub(crate) fn new(reader: &Reader, events: watch::Receiver<FeedEnd>) -> Self {
        let (is_begun, ends) = (watch::Sender::new(false), watch::Sender::new(false));
        let (turns, state) = (Semaphore::new(TURNS), Mutex::default());
        Self { reader: reader.apart(), events, turns, state, is_begun, ends }
    }

    fn state(&self) -> MutexGuard<'_, HubState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Behind the COMMIT of an edit nothing is told as it was before.
        let named = self.events.borrow().named;
        if std::mem::replace(&mut state.named, named) != named
            && let Some(last) = state.last
        {
            state.leap(last);
        }
        state
    }

    /// A turn to read what is not, or not all, in memory: whoever listens leaves readers to others.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Listens from now on; nothing before the database was looked at. What was told before is read behind this.
    pub(crate) fn listen(&self, filter: EventFilter) -> Option<Listener> {
        self.state().listens(filter, self.ends.subscribe())
    }

    /// The same for who comes while the server starts: the first look is waited for a while.
    pub(crate) async fn listen_soon(&self, filter: EventFilter) -> Option<Listener> {
        let (mut is_begun, mut ends) = (self.is_begun.subscribe(), self.ends.subscribe());
        tokio::select! {
            _ = tokio::time::timeout(FIRST_LOOK, is_begun.wait_for(|begun| *begun)) => {}
            _ = ends.wait_for(|ends| *ends) => {}
        }
        self.listen(filter)
    }

    /// What a listener wants of what follows a number: so many octets, and an event more.
    pub(crate) fn behind(&self, after: i64, listener: &Listener, most: usize) -> Behind {
        self.state().behind(after, listener, most)
    }

    /// How often accounts have got another name or owner, or were purged.
    pub(crate) fn named(&self) -> u64 {
        self.events.borrow().named
    }

    /// Turns true when whoever listens hears nothing more.
    pub(crate) fn stops(&self) -> watch::Receiver<bool> {
        self.ends.subscribe()
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
            self.is_begun.send_replace(true);
            return Ok(());
        }
        loop {
            let newest = self.events.borrow().last;
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
                // The database lacks what was told: the store is about to find out.
                Ok(page) if page.next <= after => tokio::time::sleep(AGAIN).await,
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

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::standing::EventKind;
    use postrider_core::time::Micros;
    use postrider_core::wanted::Kinds;

    const DEAD: &str = EventKind::JobDead.as_str();
    const MOVED: &str = EventKind::MessageMoved.as_str();

    fn event(seq: i64, kind: &str, data: &str) -> ToldEvent {
        ToldEvent::from(StoredEvent {
            seq,
            id: "id".into(),
            at: Micros(seq),
            kind: kind.into(),
            account: Some("work".into()),
            owner: None,
            folder: None,
            message: None,
            backfill: false,
            data: data.into(),
        })
    }

    /// What a state is, with one who listens for such kinds.
    fn listening(state: &mut HubState, kinds: &str) -> Listener {
        let filter = EventFilter { kinds: Kinds::of(kinds).ok(), ..EventFilter::default() };
        let (_, ends) = watch::channel(false);
        state.listens(filter, ends).unwrap()
    }

    fn numbers(behind: Behind) -> (Vec<i64>, i64) {
        match behind {
            Behind::Told(told, next) => (told.iter().map(|event| event.row.seq).collect(), next),
            Behind::Further => (Vec::new(), -1),
        }
    }

    /// What it wants of what follows a number: numbers, and the last that was looked at (-1: pages tell it).
    fn behind(state: &HubState, after: i64, listener: &Listener) -> (Vec<i64>, i64) {
        numbers(state.behind(after, listener, 1 << 20))
    }

    #[test]
    fn who_listens_is_told_what_it_wants_in_order_and_woken_by_nothing_else() {
        let mut state = HubState::default();
        state.skip(10);
        let mut moves = listening(&mut state, MOVED);
        let mut all = listening(&mut state, "*");
        assert_eq!(behind(&state, 10, &all), (vec![], 10));
        assert_eq!(behind(&state, 9, &all), (vec![], -1), "what was told before is not here");
        state.add(vec![event(11, DEAD, "{}"), event(12, MOVED, "{}")], 12);
        state.add(vec![event(13, DEAD, "{}")], 14);
        assert!(moves.wanted.has_changed().unwrap() && all.wanted.has_changed().unwrap());
        assert_eq!(behind(&state, 10, &moves), (vec![12], 14));
        assert_eq!(behind(&state, 11, &all), (vec![12, 13], 14));
        assert_eq!(behind(&state, 14, &all), (vec![], 14));
        moves.wanted.mark_unchanged();
        all.wanted.mark_unchanged();
        state.add(vec![event(15, DEAD, "{}")], 15);
        assert!(!moves.wanted.has_changed().unwrap(), "it wants nothing of that");
        assert!(all.wanted.has_changed().unwrap());
        assert_eq!(behind(&state, 14, &moves), (vec![], 15));
    }

    #[test]
    fn a_piece_ends_with_the_event_that_fills_it() {
        let mut state = HubState::default();
        state.skip(0);
        let all = listening(&mut state, "*");
        state.add((1..=3).map(|seq| event(seq, DEAD, "{}")).collect(), 3);
        let length = state.kept[0].text.len();
        let piece = |after, most| numbers(state.behind(after, &all, most));
        assert_eq!(piece(0, 1), (vec![1], 1));
        assert_eq!(piece(0, length + 1), (vec![1, 2], 2));
        assert_eq!(piece(2, 1), (vec![3], 3));
    }

    #[test]
    fn so_many_are_kept_and_so_many_octets() {
        let mut state = HubState::default();
        state.skip(0);
        let all = listening(&mut state, "*");
        let last = i64::try_from(KEPT).unwrap() + 5;
        for seq in 1..=last {
            state.add(vec![event(seq, DEAD, "{}")], seq);
        }
        assert_eq!((state.kept.len(), state.from), (KEPT, 5));
        assert_eq!(behind(&state, 4, &all).1, -1);
        assert_eq!(numbers(state.behind(5, &all, usize::MAX)).0.len(), KEPT);
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        for seq in 1..=40 {
            state.add(vec![event(last + seq, DEAD, &long)], last + seq);
        }
        assert!(state.octets <= OCTETS && state.kept.len() == 7, "{}", state.kept.len());
        assert_eq!(state.octets, state.kept.iter().map(|event| event.octets()).sum::<usize>());
        let kept = numbers(state.behind(last + 33, &all, usize::MAX));
        assert_eq!(kept.0, (last + 34..=last + 40).collect::<Vec<_>>());
    }

    /// Who wants nothing of what has passed need not look at it, however much that was.
    #[test]
    fn who_wants_nothing_passes_what_is_kept_no_longer() {
        let mut state = HubState::default();
        state.skip(0);
        let moves = listening(&mut state, MOVED);
        let first = i64::try_from(KEPT).unwrap();
        state.add((1..=first + 9).map(|seq| event(seq, DEAD, "{}")).collect(), first + 9);
        assert_eq!(behind(&state, 0, &moves), (vec![], first + 9));
        // Of what was told before it listened nothing is known.
        let late = listening(&mut state, MOVED);
        assert_eq!(behind(&state, 0, &late), (vec![], -1));
        assert_eq!(behind(&state, first + 9, &late), (vec![], first + 9));
        state.add(vec![event(first + 10, MOVED, "{}")], first + 10);
        assert_eq!(behind(&state, 0, &moves).1, -1, "now it wants something");
        assert_eq!(behind(&state, 10, &moves), (vec![first + 10], first + 10));
    }

    #[test]
    fn what_is_forgotten_is_read_anew_and_a_leap_wakes_everybody() {
        let mut state = HubState::default();
        state.skip(0);
        let mut all = listening(&mut state, "*");
        state.add(vec![event(1, DEAD, "{}")], 1);
        state.skip(1);
        assert_eq!(behind(&state, 0, &all), (vec![], -1));
        assert_eq!((state.octets, state.forgotten), (0, 2));
        all.wanted.mark_unchanged();
        state.leap(50);
        assert!(all.wanted.has_changed().unwrap());
        assert_eq!(behind(&state, 1, &all), (vec![], -1), "pages say that nothing follows it");
    }
}
