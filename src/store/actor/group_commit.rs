//! Commits that wait together, in one transaction: written together at first, and where one is amiss, each apart.

use super::{StoreState, Waiting};
use crate::fault;
use crate::store::apply::{Care, Guards, Numbers, Quiet, write_quiet};
use crate::store::failure::Trouble;
use crate::store::in_hand::InHand;
use crate::store::instance::{LEAP, leap_over};
use crate::store::sql::setting::NextEvent;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::batch::{Batch, MANY};

/// How often what the database says stands in the way is written again at once.
const TRIES: u32 = 3;

/// Writes each commit under a savepoint of its own.
async fn write_apart(
    tx: &Transaction,
    numbers: &mut Numbers,
    mut guards: Guards,
    taken: &mut [InHand],
) -> Result<(), Trouble> {
    // What passes have proved is no commit's: it is written in front of them.
    tx.hand_over().await?;
    for commit in taken {
        commit.write(tx, numbers, &mut guards, Care::Apart).await?;
    }
    numbers.save(tx).await?;
    tx.hand_over().await
}

impl StoreState {
    /// What the writing connection is in is known from here on.
    pub(super) async fn renewed(&mut self) -> Result<(), Trouble> {
        if self.unsure {
            self.guards.clear();
            let renewed = self.db.renew_writer().await;
            if let Err(Trouble::Taken(who)) = &renewed {
                self.listeners.taken.send_replace(Some(who.clone()));
            }
            renewed?;
            self.numbers = None;
            // A COMMIT without its answer has told nobody; and a server may come back as one that lacks what was
            // told (a standby that was promoted): then all numbers go on further up.
            let told = self.listeners.events.borrow().last;
            // In a transaction that writes: behind whatever the connection before may still be keeping.
            let tx = self.db.begin().await?;
            let last = tx.ask_one(NextEvent {}).await?.map(|event| event.next - 1);
            if let Some(last) = last.filter(|last| *last < told) {
                tracing::warn!(
                    "the database lacks events that were told: all numbers go on further up"
                );
                leap_over(&tx, LEAP + told - last).await?;
                tx.commit().await?;
            } else {
                tx.rollback().await?;
                self.tell(last.unwrap_or(told));
            }
            self.unsure = false;
        }
        Ok(())
    }

    pub(super) async fn begin(&mut self) -> Result<Transaction, Trouble> {
        self.renewed().await?;
        self.db.begin().await
    }

    /// A transaction, and the numbers from which it goes on.
    async fn begun(&mut self) -> Result<(Transaction, Numbers), Trouble> {
        let tx = self.begin().await?;
        fault::pass("store.begun");
        let at = self.clock.now().wall;
        let numbers = match self.numbers.take() {
            Some(numbers) => numbers.at_begin(at),
            None => Numbers::load(&tx, at).await?,
        };
        // What passes proved before is there before what follows from it.
        if self.quiet.is_of_rows() {
            self.guards.clear();
        }
        write_quiet(&tx, &self.quiet).await?;
        Ok((tx, numbers))
    }

    /// One transaction of about [`Batch`] of work. Commits are written together at first; where the
    /// database finds fault with one, all are taken back and written again, each apart.
    pub(super) async fn transaction(&mut self, taken: &mut Vec<InHand>) -> Result<(), Trouble> {
        let mono = self.clock.now().mono;
        let batch = Batch::begin(mono, self.waiting.len(), self.waiting.is_lively(mono));
        // It is told, too, where no transaction can be begun.
        taken.extend(self.next_commit());
        self.renewed().await?;
        self.process.count_start(&self.db).await?;
        let (tx, mut numbers) = self.begun().await?;
        let mut why = match self.write_together(&tx, &mut numbers, taken, batch).await {
            // What is at fault may be said as late as that.
            Ok(guards) => match self.keep(tx, numbers, guards).await {
                Ok(()) => return Ok(()),
                Err(why) => why,
            },
            Err(why) => tx.undo(why).await,
        };
        // What stood in the way (a lock, a deadlock) may be gone.
        let mut tries = 0;
        while why.is_of_one_commit() || (why.is_in_the_way() && tries < TRIES) {
            tries += 1;
            let (tx, mut numbers) = self.begun().await?;
            why = match write_apart(&tx, &mut numbers, self.guards.take(), taken).await {
                Ok(()) => {
                    let guards = self.guards.take();
                    return self.keep(tx, numbers, guards).await;
                }
                Err(why) => tx.undo(why).await,
            };
            if why.is_of_one_commit() {
                break;
            }
        }
        Err(why)
    }

    async fn write_together(
        &mut self,
        tx: &Transaction,
        numbers: &mut Numbers,
        taken: &mut Vec<InHand>,
        batch: Batch,
    ) -> Result<Guards, Trouble> {
        let before = *numbers;
        // They come back with the COMMIT.
        let mut guards = self.guards.take();
        while let Some(last) = taken.last_mut() {
            let behind = self.waiting.iter().take(MANY).map_while(Waiting::commit);
            guards.prepare(tx, last.commit(), behind).await?;
            last.write(tx, numbers, &mut guards, Care::Together).await?;
            if !batch.has_room(self.clock.now().mono) {
                break;
            }
            // What is given up in the middle goes back whole, too.
            let Some(next) = self.next_commit() else { break };
            taken.push(next);
        }
        if *numbers != before {
            numbers.save(tx).await?;
        }
        Ok(guards)
    }

    /// What waits in front, if it is a commit.
    fn next_commit(&mut self) -> Option<InHand> {
        let (commit, reply) = self.waiting.pop_commit()?;
        Some(InHand::new(commit, reply))
    }

    async fn keep(
        &mut self,
        tx: Transaction,
        numbers: Numbers,
        guards: Guards,
    ) -> Result<(), Trouble> {
        fault::pass("store.before_commit");
        fault::slow("slow.commit").await;
        tx.commit().await?;
        self.guards = guards;
        self.numbers = Some(numbers);
        self.quiet = Quiet::default();
        self.tell(numbers.last_event());
        Ok(())
    }
}
