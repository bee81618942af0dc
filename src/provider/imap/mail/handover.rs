//! Pages are handed over behind the reading: each in its turn, when its bodies are durable, while
//! the session reads on.

use crate::provider::imap::mail::row::Row;
use crate::provider::{Ask, Units};
use postrider_core::budget::Lane;
use postrider_core::failure::Failure;
use postrider_core::mail::body::{BodyRef, Sealing};
use postrider_core::mail::folder::WireName;
use postrider_core::mail::page::Page;
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
use postrider_core::provider::{Answer, Request};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;

/// Orders that wait; pages in flight are fewer.
const ORDERS: usize = 64;
/// So many pages are read that wait for the disk: then it is to make haste.
const WAITING: usize = 12;

/// Whoever asked.
#[derive(Clone)]
pub(in crate::provider::imap) struct Asker(Arc<Mutex<Ask>>);

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asker")
    }
}

impl Asker {
    pub(in crate::provider::imap) fn new(ask: Ask) -> Self {
        Self(Arc::new(Mutex::new(ask)))
    }

    pub(in crate::provider::imap) fn answer(&self, answer: Result<Answer, Failure>) {
        let mut ask = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (ask.answer)(answer);
    }

    /// The folder, where it is a page of the past that was asked for.
    fn past_of(&self) -> Option<WireName> {
        let ask = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &ask.request {
            Request::Folders(FolderRequest::Fetch { lane: Lane::Backfill, remote_id, .. }) => {
                Some(remote_id.clone())
            }
            _ => None,
        }
    }
}

/// What a page holds until it is handed over.
pub(in crate::provider::imap) struct Cost {
    /// A page being read, of those of the process.
    pub(in crate::provider::imap) _credit: Option<OwnedSemaphorePermit>,
    /// What it is reckoned to cost.
    pub(in crate::provider::imap) _units: Option<Units>,
}

enum Handing {
    /// The bodies of these numbers are being made durable; `None` is one that nobody will name.
    Seal(Sealing, Vec<Option<u64>>),
    /// What has come of a page.
    Part(Asker, Page<Row>),
    /// The last of it.
    Last(Asker, Page<Row>, Cost),
    /// Nothing: whoever waits is told that all before it was handed over.
    Reached(oneshot::Sender<()>),
    /// There is no page.
    Told(Asker, Result<Answer, Failure>),
}

/// The way to the task that hands over. It ends with its value.
#[derive(Debug)]
pub(in crate::provider::imap) struct HandOver {
    orders: mpsc::Sender<Handing>,
    task: JoinSet<Result<(), Failure>>,
    /// What was ordered, and what of that is done.
    ordered: u64,
    handed: Arc<AtomicU64>,
    /// What was ordered and is not known to be done, by its number: of which folder it is a page of the
    /// past, if it is one. A seal is nobody's.
    open: VecDeque<(u64, Option<WireName>)>,
    /// Bodies that were numbered.
    numbered: u64,
    /// Who could not be answered any more: [`HandOver::end`] does, once it knows why.
    left: Vec<Asker>,
}

/// Told in place of what has really happened, which [`HandOver::end`] tells.
fn ended() -> Failure {
    Failure::bug("pages are no longer handed over")
}

impl HandOver {
    pub(in crate::provider::imap) fn begin() -> Self {
        let (orders, received) = mpsc::channel(ORDERS);
        let mut task = JoinSet::new();
        let handed = Arc::<AtomicU64>::default();
        task.spawn(hand_over(received, Arc::clone(&handed)));
        let (open, left) = (VecDeque::new(), Vec::new());
        Self { orders, task, ordered: 0, handed, open, numbered: 0, left }
    }

    /// The number of the next body that somebody will name.
    pub(in crate::provider::imap) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    async fn order(&mut self, order: Handing) -> Result<(), Failure> {
        let handed = self.handed.load(Ordering::Acquire);
        while self.open.pop_front_if(|(number, _)| *number <= handed).is_some() {}
        let about = match &order {
            Handing::Seal(..) | Handing::Reached(_) => None,
            Handing::Part(asker, _) | Handing::Last(asker, ..) => Some(asker.past_of()),
            Handing::Told(..) => Some(None),
        };
        let Err(mpsc::error::SendError(order)) = self.orders.send(order).await else {
            self.ordered += 1;
            self.open.extend(about.map(|about| (self.ordered, about)));
            return Ok(());
        };
        if let Handing::Last(asker, ..) | Handing::Told(asker, _) = order {
            self.left.push(asker);
        }
        Err(ended())
    }

    pub(in crate::provider::imap) async fn seal(
        &mut self,
        sealing: Sealing,
        numbers: Vec<Option<u64>>,
    ) -> Result<(), Failure> {
        self.order(Handing::Seal(sealing, numbers)).await
    }

    pub(in crate::provider::imap) async fn part(
        &mut self,
        asker: &Asker,
        page: Page<Row>,
    ) -> Result<(), Failure> {
        self.order(Handing::Part(asker.clone(), page)).await
    }

    pub(in crate::provider::imap) async fn last(
        &mut self,
        asker: Asker,
        page: Page<Row>,
        cost: Cost,
    ) -> Result<(), Failure> {
        self.order(Handing::Last(asker, page, cost)).await
    }

    /// An answer without a page, in its turn.
    pub(in crate::provider::imap) async fn told(
        &mut self,
        asker: Asker,
        answer: Result<Answer, Failure>,
    ) -> Result<(), Failure> {
        self.order(Handing::Told(asker, answer)).await
    }

    /// What is not handed over, seals apart.
    fn waiting(&self) -> impl Iterator<Item = &Option<WireName>> {
        let handed = self.handed.load(Ordering::Acquire);
        self.open.iter().filter(move |(number, _)| *number > handed).map(|(_, about)| about)
    }

    /// Whether an answer about a folder may be told before what waits for the disk: where that is mail of
    /// the past, and of other folders. (Of one folder, what is told later is newer.)
    pub(in crate::provider::imap) fn lets_pass(&self, folder: &[u8]) -> bool {
        self.waiting().all(|past| past.as_ref().is_some_and(|past| past != folder))
    }

    /// Whether so much waits for the disk that it is to make haste.
    pub(in crate::provider::imap) fn is_full(&self) -> bool {
        self.waiting().count() >= WAITING
    }

    /// Nothing is handed over any more: the disk has failed.
    pub(in crate::provider::imap) async fn broken(&self) -> Failure {
        self.orders.closed().await;
        ended()
    }

    /// Whether all that was ordered is handed over.
    pub(in crate::provider::imap) fn is_idle(&self) -> bool {
        self.ordered == self.handed.load(Ordering::Acquire)
    }

    /// Waits until all that was ordered is handed over; for ever where that breaks.
    ///
    /// # Cancel safety
    /// A dropped wait changes nothing.
    pub(in crate::provider::imap) async fn reached(&self) {
        let (here, reached) = oneshot::channel();
        if self.orders.send(Handing::Reached(here)).await.is_err() || reached.await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until all is handed over, and ends it.
    ///
    /// # Errors
    /// Class storage, reach process, when bodies could not be made durable: whoever asked for their
    /// pages has been told.
    pub(in crate::provider::imap) async fn end(self) -> Result<(), Failure> {
        let Self { orders, mut task, left, .. } = self;
        drop(orders);
        let ended = match task.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(e)) => Err(Failure::bug(format!("pages are not handed over: {e}"))),
            None => Ok(()),
        };
        if let Err(failure) = &ended {
            left.iter().for_each(|asker| asker.answer(Err(failure.clone())));
        }
        ended
    }
}

async fn hand_over(
    mut orders: mpsc::Receiver<Handing>,
    handed: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let mut bodies = BTreeMap::new();
    while let Some(order) = orders.recv().await {
        let counts = u64::from(!matches!(order, Handing::Reached(_)));
        let done = match order {
            Handing::Seal(sealing, numbers) => {
                sealing.await.and_then(|sealed| take(&mut bodies, numbers, sealed))
            }
            Handing::Part(asker, page) => whole(&mut bodies, page).map(|page| {
                asker.answer(Ok(Answer::Folders(FolderAnswer::Fetched { page, last: false })))
            }),
            Handing::Told(asker, answer) => {
                asker.answer(answer);
                Ok(())
            }
            Handing::Reached(here) => {
                // Who does not wait any more has another question.
                _ = here.send(());
                Ok(())
            }
            Handing::Last(asker, page, cost) => {
                let page = whole(&mut bodies, page);
                let lacks = page.as_ref().err().cloned();
                // What it held is another page's by the time that somebody asks for one.
                drop(cost);
                asker.answer(
                    page.map(|page| Answer::Folders(FolderAnswer::Fetched { page, last: true })),
                );
                lacks.map_or(Ok(()), Err)
            }
        };
        if let Err(failure) = done {
            return Err(refuse(orders, failure).await);
        }
        handed.fetch_add(counts, Ordering::Release);
    }
    Ok(())
}

/// Notes the names of bodies that are durable.
fn take(
    bodies: &mut BTreeMap<u64, BodyRef>,
    numbers: Vec<Option<u64>>,
    sealed: Vec<BodyRef>,
) -> Result<(), Failure> {
    if sealed.len() != numbers.len() {
        return Err(Failure::bug("the sink sealed another number of bodies than it was given"));
    }
    bodies.extend(numbers.into_iter().zip(sealed).filter_map(|(n, body)| Some((n?, body))));
    Ok(())
}

/// A page whose bodies are durable, all of them.
fn whole(bodies: &mut BTreeMap<u64, BodyRef>, page: Page<Row>) -> Result<Page, Failure> {
    page.sealed(|row| row.sealed(|number| bodies.remove(&number)))
}

/// Who is still to be answered hears what has failed; pages that are being read are their reader's.
async fn refuse(mut orders: mpsc::Receiver<Handing>, failure: Failure) -> Failure {
    orders.close();
    while let Some(order) = orders.recv().await {
        match order {
            Handing::Last(asker, ..) => asker.answer(Err(failure.clone())),
            Handing::Told(asker, answer) => asker.answer(answer),
            Handing::Seal(..) | Handing::Part(..) | Handing::Reached(_) => {}
        }
    }
    failure
}

#[cfg(test)]
mod tests;
