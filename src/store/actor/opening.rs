//! Handing an account out: as it is known, as it is read, or in a transaction that raises its incarnation.

use super::{DEADLINE, StoreState, Waiting, within, written};
use crate::fault;
use crate::store::apply::{
    Guards, HandOut, Opened, Quiet, bring_back, correction_of, open_account, write_quiet,
};
use crate::store::failure::Trouble;
use crate::store::orders::{OpenAccount, OpenHow};
use crate::store::transaction::Sql;
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
        self.guards = Guards::default();
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
}
