//! What accounts hold and know, for their sessions: read from the database, written by the store.

use crate::handle::Handle;
use crate::provider::{Coming, HeldBody, Memory};
use crate::reply::ReplyTo;
use crate::store::message::{StoreMsg, StoreRequest};
use crate::store::orders::Control;
use crate::store::{Done, Reader};
use postrider_core::failure::Failure;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::Identity;
use postrider_core::mail::recognise::Missed;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// The database.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) reader: Reader,
    pub(super) store: Handle<StoreMsg>,
}

impl Memory for Remembered {
    fn held<'a>(
        &'a self,
        account: &'a str,
        names: &'a [Identity],
    ) -> Coming<'a, Result<BTreeMap<Identity, HeldBody>, Failure>> {
        Box::pin(self.reader.held(account, names))
    }

    fn twins<'a>(
        &'a self,
        account: &'a str,
        names: &'a [Identity],
    ) -> Coming<'a, Result<BTreeSet<Identity>, Failure>> {
        Box::pin(self.reader.twins(account, names))
    }

    fn missed<'a>(
        &'a self,
        account: &'a str,
        remote_id: &'a WireName,
    ) -> Coming<'a, Result<Missed, Failure>> {
        Box::pin(self.reader.missed(account, remote_id))
    }

    fn refused_proof<'a>(
        &'a self,
        account: &'a str,
        mark: &'a str,
    ) -> Coming<'a, Result<Option<Micros>, Failure>> {
        Box::pin(self.reader.refused_proof(account, mark))
    }

    fn note_refused_proof(&self, account: &str, mark: &str) {
        let reply = ReplyTo::new(|answer: Option<Result<Done, Failure>>| {
            if let Some(Err(failure)) = answer {
                // It is refused once more after the next start, and noted then.
                tracing::warn!("what a server refused is not stored: {}", failure.chain());
            }
        });
        let (account, mark) = (account.to_owned(), mark.to_owned());
        self.store.send(StoreRequest::Control(Control::RefusedProof { account, mark }, reply));
    }
}
