//! A commit that is in a transaction: it is written there, and answered once that is kept or given up.

use crate::reply::ReplyTo;
use crate::store::apply::{Applied, Care, Guards, Numbers, commit};
use crate::store::arrivals::StoredPage;
use crate::store::failure::Trouble;
use crate::store::transaction::Transaction;
use postrider_core::commit::change::{Commit, CommitAnswer};
use postrider_core::failure::Failure;
use tracing::Instrument;

/// A commit in a transaction.
pub(super) struct InHand {
    commit: Box<Commit>,
    reply: ReplyTo<CommitAnswer>,
    answer: Option<CommitAnswer>,
    broken: Option<Failure>,
    stored: Option<StoredPage>,
}

impl InHand {
    /// Nothing is written of it so far.
    pub(super) fn new(commit: Box<Commit>, reply: ReplyTo<CommitAnswer>) -> Self {
        Self { commit, reply, answer: None, broken: None, stored: None }
    }

    /// Writes it; what comes of it is told once the transaction is kept. A row that cannot be read, one
    /// that is refused and one that is there already are this account's trouble, not that of others: apart
    /// from them, it is an answer.
    pub(super) async fn write(
        &mut self,
        tx: &Transaction,
        numbers: &mut Numbers,
        guards: &mut Guards,
        care: Care,
    ) -> Result<(), Trouble> {
        let (change, before) = (&self.commit.change, *numbers);
        let span = tracing::debug_span!(
            "postrider.store.commit",
            account.id = self.commit.account.0,
            folder.id = change.folder().map(|f| f.0),
            page.messages = change.page().map(|p| p.rows.len()),
            size_bytes = change.page().map(postrider_core::mail::page::Page::octets),
        );
        let applied = commit(tx, numbers, guards, &self.commit, care).instrument(span).await;
        self.stored = Some(numbers.page_since(before, self.commit.account));
        (self.answer, self.broken) = match applied {
            Ok(Applied::Done(rows)) => (Some(CommitAnswer::Done(rows)), None),
            Ok(Applied::Refused(refusal, rows)) => {
                (Some(CommitAnswer::Refused(refusal, rows)), None)
            }
            Err(why) if care == Care::Apart && why.is_of_one_commit() => {
                (None, Some(why.of_account()))
            }
            Err(e) => return Err(e),
        };
        Ok(())
    }

    /// What is written.
    pub(super) fn commit(&self) -> &Commit {
        &self.commit
    }

    /// What it has brought, once the transaction is kept.
    pub(super) fn stored(&self) -> Option<StoredPage> {
        self.stored
    }

    /// Messages of its page.
    pub(super) fn rows(&self) -> usize {
        self.commit.change.page().map_or(0, |page| page.rows.len())
    }

    /// Answers: the transaction is kept, or has failed, and then nothing of it remains.
    pub(super) fn tell(self, failure: Option<&Failure>) {
        let Self { commit, reply, answer, broken, .. } = self;
        reply.send(match (failure, answer) {
            (None, Some(answer)) => answer,
            (None, None) => {
                let left_out = || Failure::bug("a commit was left out of its transaction");
                CommitAnswer::Failed(broken.unwrap_or_else(left_out), commit)
            }
            (Some(failure), _) => CommitAnswer::Failed(failure.clone(), commit),
        });
    }
}
