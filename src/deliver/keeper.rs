//! Who keeps a task for each subscriber that the config has, and stores how they stand, once a second.
#![expect(
    clippy::disallowed_methods,
    reason = "each subscriber has a task of its own, which ends with its keeper"
)]

use crate::config::Subscriber;
use crate::deliver::book::Told;
use crate::deliver::desk::DeliverDesk;
use crate::deliver::task::{Around, DeliveryTask};
use crate::feed::{self, Beyond};
use crate::store::{Reader, SubscriberReader};
use postrider_core::deliver::{Delivered, NotTaken, SubscriberState};
use postrider_core::failure::Failure;
use postrider_core::time::Micros;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

/// How often it is stored how they stand.
const STORED: Duration = Duration::from_secs(1);

/// What a task follows: its subscriber as the config has it, if it does.
type Followed = watch::Sender<Option<Arc<Subscriber>>>;

/// Waits until the server stops.
pub(super) async fn over(stops: &mut watch::Receiver<bool>) {
    // Whoever could stop it is gone.
    drop(stops.wait_for(|stops| *stops).await);
}

/// Subscribers of a config are at the desk, as they are stored; who is new begins, and is stored.
///
/// # Errors
/// Class storage.
pub(crate) async fn admitted(
    desk: &DeliverDesk,
    reader: &Reader,
    wanted: &[Arc<Subscriber>],
    now: Micros,
) -> Result<(), Failure> {
    if wanted.iter().any(|one| !desk.knows(&one.id)) {
        let mut stored = SubscriberReader::new(reader).all().await?;
        for one in wanted.iter().filter(|one| !desk.knows(&one.id)) {
            if let Some((row, number)) = stored.remove(&one.id) {
                desk.admit(&one.id, (row.delivered, number), false);
                continue;
            }
            let cursor = feed::begin(reader, one.from).await?;
            if let Some(Beyond::Ahead { newest }) = feed::beyond(reader, cursor).await? {
                let id = &one.id;
                tracing::warn!(subscriber = %id, "the feed ends at {newest}: it is given nothing before event {}", cursor + 1);
            }
            desk.admit(&one.id, (Delivered::begins(cursor, now), 0), true);
        }
    }
    desk.flush().await?;
    desk.wanted(wanted);
    Ok(())
}

/// The keeper.
pub(super) struct Keeper {
    around: Around,
    told: watch::Receiver<Told>,
    tasks: JoinSet<()>,
    followed: BTreeMap<String, Followed>,
    /// Whose task is which.
    names: BTreeMap<Id, String>,
    /// What was said of a database that is away: to who reads, and to who writes.
    is_away: [bool; 2],
}

const READING: usize = 0;
const WRITING: usize = 1;

impl Keeper {
    pub(super) fn new(around: Around) -> Self {
        let (tasks, followed, names) = (JoinSet::new(), BTreeMap::new(), BTreeMap::new());
        let told = around.book.told();
        Self { around, told, tasks, followed, names, is_away: [false; 2] }
    }

    /// Keeps them, until the server stops.
    pub(super) async fn run(mut self) {
        let mut stops = self.around.hub.stops();
        let mut tick = tokio::time::interval(STORED);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_due = true;
        loop {
            if std::mem::take(&mut is_due)
                && let Err(failure) = self.follows().await
            {
                is_due = true;
                self.says(READING, "new subscribers wait for the database", &failure);
            }
            tokio::select! {
                () = over(&mut stops) => break,
                changed = self.told.changed() => match changed {
                    Ok(()) => is_due = true,
                    // Nobody reads the config any more.
                    Err(_) => break,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = tick.tick() => self.stores().await,
            }
        }
        // Each ends with what it is giving; nobody waits for the slowest to be stored.
        while !self.tasks.is_empty() {
            tokio::select! {
                _ = self.tasks.join_next() => {}
                _ = tick.tick() => self.stores().await,
            }
        }
        self.stores().await;
        self.around.desk.is_over.send_replace(true);
    }

    fn says(&mut self, to: usize, what: &str, failure: &Failure) {
        let is_said = self.is_away.get_mut(to).is_some_and(|said| std::mem::replace(said, true));
        if !is_said {
            tracing::warn!("{what}: {}", failure.chain());
        }
    }

    async fn stores(&mut self) {
        match self.around.desk.flush().await {
            Ok(()) => self.is_away[WRITING] = false,
            Err(failure) => {
                self.says(WRITING, "how subscribers stand cannot be stored now", &failure);
            }
        }
    }

    /// Follows what the config has. Who is new is stored before it is given anything: it begins there once.
    async fn follows(&mut self) -> Result<(), Failure> {
        let (number, wanted) = self.told.borrow_and_update().clone();
        let wanted: Vec<Arc<Subscriber>> = wanted.iter().cloned().map(Arc::new).collect();
        let desk = Arc::clone(&self.around.desk);
        desk.wanted(&wanted);
        for (id, followed) in &self.followed {
            let now = wanted.iter().find(|one| one.id == *id).cloned();
            if now.is_none() && followed.borrow().is_some() {
                tracing::info!(subscriber = %id, "the config lacks it: it is given nothing, and its place is kept under its id");
            }
            followed.send_if_modified(|before| {
                let is_other = *before != now;
                *before = now;
                is_other
            });
        }
        // Who is followed follows this; who is new begins with it.
        self.around.book.is_done(number);
        if wanted.iter().all(|one| self.followed.contains_key(&one.id)) {
            return Ok(());
        }
        admitted(&desk, &self.around.reader, &wanted, self.around.clock.now().wall).await?;
        for one in wanted {
            if !self.followed.contains_key(&one.id) {
                let followed = watch::Sender::new(Some(Arc::clone(&one)));
                self.begin(one, &followed, Duration::ZERO);
            }
        }
        self.is_away[READING] = false;
        Ok(())
    }

    /// Begins to give, behind a rest.
    fn begin(&mut self, subscriber: Arc<Subscriber>, followed: &Followed, rest: Duration) {
        let id = subscriber.id.clone();
        let Some(line) = DeliveryTask::new(&self.around, subscriber, followed.subscribe()) else {
            return;
        };
        let task = self.tasks.spawn(async move {
            tokio::time::sleep(rest).await;
            line.run().await;
        });
        self.names.insert(task.id(), id.clone());
        self.followed.insert(id, followed.clone());
    }

    /// A task has ended: of a bug it begins again, behind the wait of a try that failed.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match &ended {
            Ok((task, ())) => *task,
            Err(e) => e.id(),
        };
        let Some(id) = self.names.remove(&task) else { return };
        if ended.is_ok() {
            return;
        }
        tracing::error!(subscriber = %id, "a bug: what it is given could not be given, and is tried again");
        let (now, waits) = (self.around.clock.now().wall, self.around.waits(&id));
        let desk = Arc::clone(&self.around.desk);
        desk.change(&id, |it| {
            if it.state == SubscriberState::Disabled {
                return;
            }
            it.failed(
                NotTaken::Later(None),
                "a bug of the server's; its log says where",
                waits,
                now,
            );
        });
        let Some(followed) = self.followed.remove(&id) else { return };
        let one = followed.borrow().clone();
        if let Some(one) = one {
            // What it could not live with is there still.
            self.begin(one, &followed, waits.first);
        }
    }
}
