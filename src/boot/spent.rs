//! Where it is kept what was spent of daily limits.

use crate::connection::{Spent, SpentRows};
use crate::handle::Handle;
use crate::provider::Coming;
use crate::reply::ReplyTo;
use crate::store::message::{StoreMsg, StoreRequest};
use crate::store::orders::Control;
use crate::store::{Done, Reader};
use postrider_core::budget::Spending;
use postrider_core::failure::Failure;

/// The database.
#[derive(Debug)]
pub(super) struct SpentStore {
    pub(super) reader: Reader,
    pub(super) store: Handle<StoreMsg>,
}

impl SpentRows for SpentStore {
    fn read<'a>(
        &'a self,
        endpoint: &'a str,
        account: Option<&'a str>,
    ) -> Coming<'a, Result<Vec<Spending>, Failure>> {
        Box::pin(self.reader.spent(endpoint, account))
    }

    fn keep(&self, endpoint: &str, rows: Vec<Spent>, done: ReplyTo<bool>) {
        let reply = ReplyTo::new(|answer: Option<Result<Done, Failure>>| {
            if let Some(Err(failure)) = &answer {
                tracing::warn!("what was spent is not stored yet: {}", failure.chain());
            }
            done.send(matches!(answer, Some(Ok(_))));
        });
        let control = Control::Spend { endpoint: endpoint.to_owned(), rows };
        self.store.send(StoreRequest::Control(control, reply));
    }
}
