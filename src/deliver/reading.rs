//! Where a subscriber stands in the feed, and what follows.

use crate::feed::{self, Behind, Beyond, EventFilter, Hub, Listener, NoPage, ToldEvent};
use crate::store::Reader;
use postrider_core::failure::Failure;
use std::collections::VecDeque;
use std::sync::Arc;

/// Events that are read at a time by who is behind what is in memory.
const PAGE: u32 = 50;

/// What follows.
#[derive(Debug)]
pub(super) enum Next {
    /// These.
    Events(Vec<Arc<ToldEvent>>),
    /// Nothing yet.
    Nothing,
    /// Nobody has looked yet what there is.
    NotYet,
    /// Nothing that it wants so far; there is more to look at.
    More,
    /// What followed is kept no longer: the first that is.
    Gone(i64),
}

/// A reader of the feed.
#[derive(Debug)]
pub(super) struct FeedReading {
    hub: Arc<Hub>,
    reader: Reader,
    filter: EventFilter,
    listener: Option<Listener>,
    /// The last number that was looked at.
    pub(super) after: i64,
    ahead: VecDeque<Arc<ToldEvent>>,
    /// How often accounts had got another name or owner.
    named: u64,
}

impl FeedReading {
    /// Begins behind a number.
    pub(super) fn new(hub: Arc<Hub>, reader: &Reader, filter: EventFilter, after: i64) -> Self {
        let (reader, named) = (reader.clone(), hub.named());
        Self { hub, reader, filter, listener: None, after, ahead: VecDeque::new(), named }
    }

    /// It is not heard of what comes, and nothing is read ahead: it goes on behind this number.
    pub(super) fn rest(&mut self, after: i64) {
        self.listener = None;
        self.ahead.clear();
        self.after = after;
    }

    /// Whether accounts have got other names or owners since it was asked the last time.
    pub(super) fn is_renamed(&mut self) -> bool {
        let named = self.hub.named();
        std::mem::replace(&mut self.named, named) != named
    }

    /// Waits until there is something more; for ever while it rests.
    pub(super) async fn hears(&mut self) {
        let is_heard = match &mut self.listener {
            Some(listener) => listener.hears().await,
            None => false,
        };
        if !is_heard {
            // It rests, or all stops.
            std::future::pending().await
        }
    }

    /// What follows: so many at most, of so many octets and one more.
    ///
    /// # Errors
    /// Class storage: the database cannot be read now.
    pub(super) async fn next(&mut self, batch: usize, most: usize) -> Result<Next, Failure> {
        if self.ahead.is_empty() {
            if self.listener.is_none() {
                self.listener = self.hub.listen(self.filter.clone());
            }
            let Some(listener) = &self.listener else {
                return Ok(Next::NotYet);
            };
            match self.hub.behind(self.after, listener, most) {
                Behind::Told(told, next) => {
                    self.after = next;
                    self.ahead.extend(told);
                    if self.ahead.is_empty() {
                        return Ok(Next::Nothing);
                    }
                }
                Behind::Further => {
                    if let Some(next) = self.page().await? {
                        return Ok(next);
                    }
                }
            }
        }
        let (mut octets, mut taken) = (0, Vec::new());
        while taken.len() < batch && octets < most {
            let Some(event) = self.ahead.pop_front() else { break };
            octets += event.text.len();
            taken.push(event);
        }
        Ok(Next::Events(taken))
    }

    /// Reads what follows, where it is not in memory; or says why there is nothing.
    async fn page(&mut self) -> Result<Option<Next>, Failure> {
        let _turn = self.hub.turn().await;
        match feed::page(&self.reader, &self.filter, self.after, PAGE).await {
            Ok(page) => {
                self.after = page.next;
                let told = page.rows.into_iter().map(|row| Arc::new(ToldEvent::from(row)));
                self.ahead.extend(told);
                let none = if page.is_last { Next::Nothing } else { Next::More };
                Ok(Some(none).filter(|_| self.ahead.is_empty()))
            }
            Err(NoPage::Beyond(Beyond::Gone { oldest })) => {
                self.after = oldest - 1;
                Ok(Some(Next::Gone(oldest)))
            }
            // It begins at a number to come.
            Err(NoPage::Beyond(Beyond::Ahead { .. })) => Ok(Some(Next::Nothing)),
            Err(NoPage::Failed(failure)) => Err(failure),
        }
    }
}
