//! Looking through what is stored of an account whose mail is to be read anew.

use super::{DeriveState, TURN};
use crate::derive::check::{Checker, Looking};
use crate::store::check::DerivedState;
use crate::store::derive::DeriveChange;
use postrider_core::derive::{Derive, Look};
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use std::sync::Arc;

impl DeriveState {
    /// Everything of an account is to be read anew, behind a look at what is stored.
    pub(super) async fn again(&mut self, account: AccountId) -> Result<(), Failure> {
        self.looking.remove(&account);
        let stands = self.order(account, DeriveChange::Again).await?;
        self.stands(account, stands);
        Ok(())
    }

    /// Whether there is work beside what is owed.
    pub(super) fn has_more(&self) -> bool {
        self.moving.due().is_some() || !self.ending.is_empty()
    }

    /// Looks through what is stored of an account, as long as a turn is, and takes up where it was the next time: what is of
    /// nothing goes, what does not fit is mended, or forgotten and joined anew. It is done before its mail is read anew, and
    /// behind that: what joins a mail of which nothing was derived cannot be looked at before.
    pub(super) async fn look(&mut self, account: AccountId, look: Look) -> Result<(), Failure> {
        let mut looking = self.looking.remove(&account).unwrap_or_default();
        let looked = self.look_on(account, look, &mut looking).await;
        if !matches!(looked, Ok(true)) {
            self.looking.insert(account, looking);
        }
        looked.map(drop)
    }

    /// As long as a turn is; whether there is no more of it to look at.
    async fn look_on(
        &mut self,
        account: AccountId,
        look: Look,
        looking: &mut Looking,
    ) -> Result<bool, Failure> {
        let (begun, leaving) = (self.args.clock.now().mono, Arc::clone(&self.args.leaving));
        let checker = Checker::new(&self.args.reader, &self.args.bodies, leaving);
        let state = checker.state(account).await?.map(DerivedState::whole);
        while let Some(state) = &state
            && let Some(step) = checker.step(account, state, look, looking).await?
        {
            if let Some(mending) = step {
                let mends = DeriveChange::Mend(Box::new(mending));
                let stands = self.order(account, mends).await;
                match &stands {
                    Ok(_) => looking.mended(),
                    Err(_) => looking.failed(),
                }
                if !self.stands(account, stands?) {
                    return Ok(true);
                }
            }
            let is_over = self.args.clock.now().mono.saturating_sub(begun) > TURN;
            if is_over || self.is_leaving() || self.args.arrivals.has_live() {
                return Ok(false);
            }
        }
        let stands = self.order(account, DeriveChange::Looked(look)).await?;
        self.stands(account, stands);
        Ok(true)
    }

    /// Of which account nothing is owed and a look is: every other turn, if mail of others is to be read.
    pub(super) fn next_end(&mut self, reads: bool) -> Option<AccountId> {
        self.is_end_next = !(reads && self.is_end_next);
        self.ending.first().copied().filter(|_| self.is_end_next)
    }

    /// Nothing is owed any more: what is stored is looked through for the last time.
    pub(super) async fn end(&mut self, account: AccountId) -> Result<(), Failure> {
        match self.turns.known(account).and_then(|(derive, ..)| derive.looks()) {
            Some(look) => self.look(account, look).await,
            None => {
                self.ending.remove(&account);
                Ok(())
            }
        }
    }

    /// Whether what is of no mail is to go now.
    pub(super) fn ends(&mut self, account: AccountId, derive: Option<&Derive>, newest: i64) {
        let made = self.args.made;
        if derive.is_some_and(|derive| derive.made() == made && derive.ends(newest)) {
            self.ending.insert(account);
        } else {
            self.ending.remove(&account);
        }
    }
}
