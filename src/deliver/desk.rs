//! How each subscriber stands, for faces; what of it is to be stored; and where orders for it go.

use crate::config::Subscriber;
use crate::deliver::order::{Done, Obeyed, SubscriberOrder};
use crate::deliver::parcel::{InHand, Parcel};
use crate::reply::Soon;
use crate::store::{DeliverWork, DeliveryRow, SubscriberRow};
use postrider_core::deliver::{Delivered, SubscriberState};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::time::Micros;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Tries that wait to be stored, of each; and of all in one write.
const WAITING: usize = 1000;
/// Longest wait for an order: a try that is under way ends before it, and it may be a try itself.
const ORDER: Duration = Duration::from_secs(45);
/// And then until that is stored.
const STORE: Duration = Duration::from_secs(20);
/// Longest wait of who looks for what is being stored.
const LOOK: Duration = Duration::from_secs(2);
/// Orders that wait for a subscriber.
const ORDERS: usize = 8;

/// Who writes.
pub(crate) trait DeliverHands: Send + Sync {
    /// Writes how subscribers stand; answered when that is durable.
    fn write(&self, work: DeliverWork) -> Soon<Result<(), Failure>>;
}

/// A subscriber as faces see it.
#[derive(Clone, Debug)]
pub(crate) struct SubscriberSeen {
    /// As the config has it.
    pub(crate) subscriber: Arc<Subscriber>,
    /// How it stands.
    pub(crate) delivered: Delivered,
    /// What it is being given.
    pub(crate) in_hand: Option<InHand>,
    /// Somebody gives it events.
    is_served: bool,
}

impl SubscriberSeen {
    /// How old the oldest event is that it has not taken; none where nobody gives it any.
    pub(crate) fn lag(&self, now: Micros) -> Option<Duration> {
        let is_given = self.is_served && self.delivered.state != SubscriberState::Disabled;
        let age = self.in_hand.map_or(Duration::ZERO, |in_hand| now.since(in_hand.at));
        is_given.then_some(age)
    }
}

/// A subscriber at the desk.
#[derive(Debug)]
struct DeskEntry {
    /// As the config has it; none while it has it not.
    subscriber: Option<Arc<Subscriber>>,
    delivered: Delivered,
    in_hand: Option<InHand>,
    /// What is stored of it is older.
    is_dirty: bool,
    /// The number of its last try.
    number: i64,
    /// Tries that are not stored yet.
    tries: VecDeque<DeliveryRow>,
    orders: Option<mpsc::Sender<SubscriberOrder>>,
}

/// What is being stored: nobody who ends in between loses it.
struct TakenWork<'a> {
    desk: &'a DeliverDesk,
    work: DeliverWork,
}

impl Drop for TakenWork<'_> {
    fn drop(&mut self) {
        self.desk.put_back(std::mem::take(&mut self.work));
    }
}

/// The desk. It outlives who delivers.
pub(crate) struct DeliverDesk {
    lines: Mutex<BTreeMap<String, DeskEntry>>,
    hands: Option<Arc<dyn DeliverHands>>,
    /// One write at a time, so that none that is older comes behind.
    writes: tokio::sync::Mutex<()>,
    /// Nothing is given any more.
    pub(super) is_over: watch::Sender<bool>,
}

impl std::fmt::Debug for DeliverDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliverDesk").finish_non_exhaustive()
    }
}

fn conflict(why: &str) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, why)
}

impl DeliverDesk {
    /// What is stored is written by these; where there are none, nobody is given anything.
    pub(crate) fn new(hands: Option<Arc<dyn DeliverHands>>) -> Self {
        let (writes, is_over) = (tokio::sync::Mutex::default(), watch::Sender::new(false));
        Self { lines: Mutex::default(), hands, writes, is_over }
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<String, DeskEntry>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A subscriber, as it was stored or as it begins, unless it is known; `is_new`: it is to be stored.
    pub(crate) fn admit(&self, id: &str, (delivered, number): (Delivered, i64), is_new: bool) {
        self.lines().entry(id.to_owned()).or_insert_with(|| DeskEntry {
            subscriber: None,
            delivered,
            in_hand: None,
            is_dirty: is_new,
            number,
            tries: VecDeque::new(),
            orders: None,
        });
    }

    /// Whether it is known how a subscriber stands.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.lines().contains_key(id)
    }

    /// The config has these now.
    pub(crate) fn wanted(&self, all: &[Arc<Subscriber>]) {
        for (id, line) in self.lines().iter_mut() {
            line.subscriber = all.iter().find(|one| one.id == *id).cloned();
        }
    }

    /// How it stands, and the other end of where its orders go.
    pub(super) fn begin(&self, id: &str) -> Option<(Delivered, mpsc::Receiver<SubscriberOrder>)> {
        let (sender, orders) = mpsc::channel(ORDERS);
        let mut lines = self.lines();
        let line = lines.get_mut(id)?;
        line.orders = Some(sender);
        Some((line.delivered.clone(), orders))
    }

    /// How it stands now.
    pub(super) fn stands(&self, id: &str, delivered: &Delivered, parcel: Option<&Parcel>) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(id) else { return };
        let in_hand = parcel.and_then(Parcel::in_hand);
        if line.delivered != *delivered || line.in_hand != in_hand {
            line.is_dirty = true;
            line.delivered.clone_from(delivered);
            line.in_hand = in_hand;
        }
    }

    /// Changes how it stands, for who has nobody to ask.
    pub(super) fn change(&self, id: &str, change: impl FnOnce(&mut Delivered)) {
        if let Some(line) = self.lines().get_mut(id) {
            change(&mut line.delivered);
            // What it could not be given it is being given still.
            line.is_dirty = true;
        }
    }

    /// It was tried.
    pub(super) fn tried(&self, mut row: DeliveryRow) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&row.subscriber) else { return };
        line.number += 1;
        row.number = line.number;
        line.tries.push_back(row);
        while line.tries.len() > WAITING {
            line.tries.pop_front();
        }
    }

    /// Those that the config has.
    pub(crate) fn seen(&self) -> Vec<SubscriberSeen> {
        let seen = |line: &DeskEntry| {
            let subscriber = line.subscriber.clone()?;
            let (delivered, in_hand) = (line.delivered.clone(), line.in_hand);
            let is_served = line.orders.is_some();
            Some(SubscriberSeen { subscriber, delivered, in_hand, is_served })
        };
        self.lines().values().filter_map(seen).collect()
    }

    /// The one of this name, where the config has it.
    pub(crate) fn find(&self, id: &str) -> Option<SubscriberSeen> {
        self.seen().into_iter().find(|line| line.subscriber.id == id)
    }

    /// Has something done with a subscriber; answered when that is durable.
    ///
    /// # Errors
    /// Class config: it cannot be done, and why. Class storage: it may be done, and is not durable yet.
    pub(crate) async fn order(
        &self,
        id: &str,
        make: impl FnOnce(Done) -> SubscriberOrder,
    ) -> Result<Obeyed, Failure> {
        let orders = self.lines().get(id).and_then(|line| line.orders.clone());
        let orders = orders.ok_or_else(|| conflict("nothing is handed on here"))?;
        let (reply, answer) = oneshot::channel();
        let late = || Failure::storage("no answer came in time, and it may yet be done");
        let given = async {
            orders.send(make(reply)).await.map_err(|_| late())?;
            answer.await.map_err(|_| late())
        };
        let told = tokio::time::timeout(ORDER, given).await.map_err(|_| late())??;
        let told = told.map_err(|why| conflict(&why))?;
        tokio::time::timeout(STORE, self.flush()).await.map_err(|_| late())??;
        Ok(told)
    }

    /// Stores what is not stored yet.
    ///
    /// # Errors
    /// Class storage: it is stored the next time.
    pub(crate) async fn flush(&self) -> Result<(), Failure> {
        let Some(hands) = &self.hands else { return Ok(()) };
        let _turn = self.writes.lock().await;
        loop {
            let mut taken = TakenWork { desk: self, work: self.take() };
            if taken.work == DeliverWork::default() {
                return Ok(());
            }
            let is_full = taken.work.deliveries.len() >= WAITING;
            hands.write(taken.work.clone()).await?;
            taken.work = DeliverWork::default();
            // What has come meanwhile is for the next time.
            if !is_full {
                return Ok(());
            }
        }
    }

    /// The tries of a subscriber before one of them that are not stored, the newest first.
    pub(crate) async fn unstored(&self, id: &str, before: i64) -> Vec<DeliveryRow> {
        // What is on its way is neither here nor there: it is waited for, unless the database is away.
        let _turn = tokio::time::timeout(LOOK, self.writes.lock()).await;
        let lines = self.lines();
        let tries = lines.get(id).into_iter().flat_map(|line| line.tries.iter().rev());
        tries.filter(|row| row.number < before).cloned().collect()
    }

    /// What is to be stored, as much as one write takes.
    fn take(&self) -> DeliverWork {
        let mut work = DeliverWork::default();
        for (id, line) in self.lines().iter_mut() {
            if std::mem::take(&mut line.is_dirty) {
                let sending = line.in_hand.map(|in_hand| in_hand.events.1);
                let (id, delivered) = (id.clone(), line.delivered.clone());
                work.subscribers.push(SubscriberRow { id, delivered, sending });
            }
            let room = WAITING - work.deliveries.len().min(WAITING);
            let most = line.tries.len().min(room);
            work.deliveries.extend(line.tries.drain(..most));
        }
        work
    }

    /// It could not be stored.
    fn put_back(&self, work: DeliverWork) {
        let mut lines = self.lines();
        for row in work.subscribers {
            if let Some(line) = lines.get_mut(&row.id) {
                line.is_dirty = true;
            }
        }
        for row in work.deliveries.into_iter().rev() {
            if let Some(line) = lines.get_mut(&row.subscriber)
                && line.tries.len() < WAITING
            {
                line.tries.push_front(row);
            }
        }
    }

    /// Waits until nothing is under way any more, and all of it is stored.
    pub(crate) async fn settles(&self) {
        let mut over = self.is_over.subscribe();
        // Who delivered has ended by itself.
        drop(over.wait_for(|over| *over).await);
    }
}
