//! What is done beside pages: handing an account out (as it is known, as it is read, or in a transaction that raises its
//! incarnation), and what operators and the config change.

use super::{DEADLINE, StoreState, Waiting, within, written};
use crate::fault;
use crate::reply::ReplyTo;
use crate::store::apply::{
    Done, HandOut, Numbers, Opened, Pass, Portion, Quiet, bring_back, control, correction_of,
    open_account, write_quiet,
};
use crate::store::failure::Trouble;
use crate::store::orders::{Control, OpenAccount, OpenHow};
use crate::store::pass::{PassUnderWay, RowPass};
use crate::store::transaction::Sql;
use crate::store::waiting::Order;
use postrider_core::batch::{MANY, TRANSACTION};
use postrider_core::failure::Failure;
use postrider_core::run::event::AccountSnapshot;
use postrider_core::time::Micros;

impl StoreState {
    /// The account that waits in front.
    pub(super) async fn work_open(&mut self) {
        if let Some(Waiting::Open(open, how, reply)) = self.waiting.pop() {
            let anew = how == OpenHow::Anew;
            let answer = within(DEADLINE, Box::pin(self.open(&open, anew))).await;
            if let Err(why) = &answer {
                self.failed(why);
            }
            reply.send(answer.unwrap_or_else(|e| Err(e.of_account())));
        }
    }

    async fn open(
        &mut self,
        open: &OpenAccount,
        anew: bool,
    ) -> Result<Result<AccountSnapshot, Failure>, Trouble> {
        let at = self.clock.now().wall;
        if !anew
            && !self.unsure
            && !self.quiet.is_of_rows()
            && let Some(opened) = self.looked_at(open, at).await?
        {
            return Ok(opened);
        }
        // What is read without what passes proved is as it is stored.
        let is_as_stored = self.quiet.is_empty();
        let how = if anew { self.process.hands_out(&open.name) } else { HandOut::Look };
        self.guards.clear();
        let tx = self.begin().await?;
        write_quiet(&tx, &self.quiet).await?;
        let mut opened = open_account(&tx, open, how, at).await?;
        if let Ok(before) = &opened
            && let Some(correction) = correction_of(&before.rows, at)
            && bring_back(&tx, &open.name, &before.rows, correction).await?
        {
            let read = open_account(&tx, open, HandOut::Look, at).await?;
            let puts_back = before.puts_back;
            opened = read.map(|read| Opened { is_written: true, puts_back, ..read });
        }
        if self.troubled {
            // Whether it takes writes again is seen by one.
            tx.put(written(at)).await?;
        }
        match &opened {
            // Nothing is to be made durable: what passes proved is read, and goes on waiting.
            Ok(read) if !read.is_written && !self.quiet.is_much() && !self.troubled => {
                tx.rollback().await?;
            }
            Ok(_) => {
                tx.commit().await?;
                self.quiet = Quiet::default();
                self.told_of(None);
                if matches!(&opened, Ok(opened) if opened.puts_back) {
                    self.listeners.arrivals.unsure();
                }
            }
            Err(_) => tx.rollback().await?,
        }
        if let (Ok(opened), true) = (&opened, is_as_stored) {
            self.guards.handed_out(open, opened);
        }
        Ok(opened.map(|opened| opened.rows))
    }

    /// An account as the last commit has left it, or as it is read. Nobody else writes: what is known is what is
    /// stored, and what is read one by one belongs together. None where a clock has left more to do.
    async fn looked_at(
        &mut self,
        open: &OpenAccount,
        at: Micros,
    ) -> Result<Option<Result<AccountSnapshot, Failure>>, Trouble> {
        let known = self.guards.opened(open).filter(|rows| correction_of(rows, at).is_none());
        let known = match known {
            Some(known) if !fault::checks_guards() => return Ok(Some(Ok(known))),
            known => known,
        };
        let opened = open_account(&self.db.writer, open, HandOut::Look, at).await?;
        if let (Some(known), Ok(there)) = (&known, &opened) {
            fault::same("an account as it is handed out", Some(&there.rows), known);
        }
        if matches!(&opened, Ok(there) if correction_of(&there.rows, at).is_some()) {
            return Ok(None);
        }
        if let Ok(opened) = &opened {
            self.guards.handed_out(open, opened);
        }
        Ok(Some(opened.map(|opened| opened.rows)))
    }

    /// What is to be done between the transactions of pages, each once: a long purge goes on behind the pages, and nothing
    /// that was said before an account is handed out is done after it.
    pub(super) async fn work_controls(&mut self) {
        let mut left = self.controls.len();
        while left > 0 {
            let is_write = |waits: &&(Order, _)| matches!(waits.0, Order::Control(_));
            let together = self.controls.iter().take(left.min(MANY)).take_while(is_write).count();
            left -= match together {
                0 | 1 => self.work_control().await,
                together => self.work_together(together).await,
            };
        }
    }

    /// Control writes that wait together share a transaction; returns how many have had their turn.
    async fn work_together(&mut self, together: usize) -> usize {
        let (mut changes, mut replies) = (Vec::new(), Vec::new());
        for (order, reply) in self.controls.drain(..together) {
            if let Order::Control(change) = order {
                changes.push(change);
                replies.push(reply);
            }
        }
        let worked = within(DEADLINE, Box::pin(self.control(&changes))).await;
        let count = match &worked {
            Ok(portions) => portions.len(),
            // Whose fault it is shows when each has its own; and what one connection has lost another may take.
            Err(e) if e.is_of_one_commit() || e.is_said() || e.is_lost() => 0,
            Err(_) => together,
        };
        // Whoever has not had a turn keeps its place.
        for change in changes.drain(count..).rev() {
            if let Some(reply) = replies.pop() {
                self.controls.push_front((Order::Control(change), reply));
            }
        }
        match worked {
            Ok(portions) => {
                for (portion, reply) in portions.into_iter().zip(replies) {
                    self.answer(portion, reply);
                }
                count
            }
            Err(e) => {
                self.failed(&e);
                for reply in replies {
                    reply.send(Err(e.of_write()));
                }
                match count {
                    0 => {
                        for _ in 0..together {
                            self.work_control().await;
                        }
                        together
                    }
                    count => count,
                }
            }
        }
    }

    fn answer(&mut self, portion: Portion, reply: ReplyTo<Result<Done, Failure>>) {
        match portion {
            Portion::Over(done) => reply.send(Ok(done)),
            Portion::Goes(pass) => self.controls.push_back((Order::Pass(pass), reply)),
        }
    }

    /// One control write, or a piece of a long one.
    async fn work_control(&mut self) -> usize {
        let Some((order, reply)) = self.controls.pop_front() else { return 1 };
        // What is told of one account is not to keep what is told of others from being written.
        let is_of_some = matches!(&order, Order::Control(Control::Inbound(_)));
        let worked = match order {
            Order::Control(change) => {
                let changes = std::slice::from_ref(&change);
                let worked = within(DEADLINE, Box::pin(self.control(changes))).await;
                worked.map(|portions| portions.into_iter().next())
            }
            Order::Pass(mut pass) => {
                let worked = match &mut pass {
                    Pass::Purge(pass) => {
                        let goes = within(DEADLINE, Box::pin(self.piece(pass))).await;
                        if matches!(goes, Ok(false)) {
                            self.named_anew();
                        }
                        goes
                    }
                    Pass::Forget(pass) => within(DEADLINE, Box::pin(self.piece(pass))).await,
                    Pass::Collect(pass) => within(DEADLINE, Box::pin(self.piece(pass))).await,
                };
                worked.map(|goes| match goes {
                    true => Some(Portion::Goes(pass)),
                    false => Some(Portion::Over(Done::Changed)),
                })
            }
        };
        match worked {
            Ok(portion) => self.answer(portion.unwrap_or(Portion::Over(Done::Same)), reply),
            Err(e) => {
                self.failed(&e);
                let is_amiss = is_of_some && e.is_of_one_commit();
                reply.send(Err(if is_amiss { e.of_account() } else { e.of_write() }));
            }
        }
        1
    }

    /// A piece of work over rows; whether another one follows.
    async fn piece(&mut self, pass: &mut PassUnderWay<impl RowPass>) -> Result<bool, Trouble> {
        self.guards.clear();
        let tx = self.begin().await?;
        let began = self.clock.now().mono;
        let next = pass.piece(&tx).await?;
        tx.hand_over().await?;
        // What a sync of the disk takes is no matter of the rows.
        let took = self.clock.now().mono.saturating_sub(began);
        tx.commit().await?;
        self.told_of(None);
        Ok(pass.kept(next, took))
    }

    /// Control writes in one transaction, one at least, until it is time for others.
    async fn control(&mut self, changes: &[Control]) -> Result<Vec<Portion>, Trouble> {
        let at = self.clock.now().wall;
        self.numbers = None;
        self.guards.clear();
        loop {
            let tx = self.begin().await?;
            let began = self.clock.now().mono;
            let mut numbers = Numbers::load(&tx, at).await?;
            let (mut portions, mut names) = (Vec::new(), false);
            for change in changes {
                let portion = control(&tx, &mut numbers, change, at).await?;
                names |= change.names() && !matches!(portion, Portion::Over(Done::Same));
                portions.push(portion);
                if self.clock.now().mono.saturating_sub(began) >= TRANSACTION {
                    break;
                }
            }
            let is_same = |portion: &Portion| matches!(portion, Portion::Over(Done::Same));
            if portions.iter().all(is_same) {
                // Nothing is to be made durable.
                tx.rollback().await?;
                return Ok(portions);
            }
            if self.process.is_counted() {
                numbers.save(&tx).await?;
                tx.commit().await?;
                self.told_of(None);
                self.tell(numbers.last_event());
                if names {
                    self.named_anew();
                }
                return Ok(portions);
            }
            tx.rollback().await?;
            self.process.count_start(&self.db).await?;
        }
    }

    /// What is in memory of events says of an account what is so no longer.
    fn named_anew(&self) {
        self.listeners.events.send_modify(|told| told.named += 1);
    }
}
