//! Looking through what is stored of an account whose mail is to be read anew.

use super::{DeriveState, TURN};
use crate::derive::check::Checker;
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
        !self.moving.is_empty() || !self.ending.is_empty()
    }

    /// Looks through what is stored of an account, as long as a turn is, and takes up where it was the next time: what is of
    /// nothing goes, what does not fit is mended, or forgotten and joined anew, and then it is looked through again.
    pub(super) async fn look(&mut self, account: AccountId) -> Result<(), Failure> {
        let (begun, leaving) = (self.args.clock.now().mono, Arc::clone(&self.args.leaving));
        let checker = Checker::new(&self.args.reader, &self.args.bodies, leaving);
        let Some(state) = checker.state(account).await? else { return Ok(()) };
        let state = state.whole();
        let mut looking = self.looking.remove(&account).unwrap_or_default();
        while let Some(step) = checker.step(account, &state, &mut looking).await? {
            if let Some(mending) = step {
                let mends = DeriveChange::Mend(Box::new(mending));
                let stands = self.order(account, mends).await?;
                if stands.is_none() {
                    self.stands(account, stands);
                    return Ok(());
                }
                self.stands(account, stands);
            }
            let is_over = self.args.clock.now().mono.saturating_sub(begun) > TURN;
            if is_over || self.is_leaving() || self.args.arrivals.has_live() {
                self.looking.insert(account, looking);
                return Ok(());
            }
        }
        let stands = self.order(account, DeriveChange::Looked(Look::Before)).await?;
        self.stands(account, stands);
        Ok(())
    }

    /// Nothing is owed any more: what is of no mail goes.
    pub(super) async fn end(&mut self, account: AccountId) -> Result<(), Failure> {
        let look = self.turns.known(account).and_then(|(derive, ..)| derive.looks());
        if look == Some(Look::Before) {
            return self.look(account).await;
        }
        let leaving = Arc::clone(&self.args.leaving);
        let checker = Checker::new(&self.args.reader, &self.args.bodies, leaving);
        let mut looking = self.looking.remove(&account).unwrap_or_default();
        let mending = match checker.state(account).await? {
            Some(state) => checker.swept(account, &state, Look::After, &mut looking).await,
            None => None,
        };
        let change = match mending {
            Some(mending) => {
                self.looking.insert(account, looking);
                DeriveChange::Mend(Box::new(mending))
            }
            None => DeriveChange::Looked(Look::After),
        };
        let stands = self.order(account, change).await?;
        self.stands(account, stands);
        Ok(())
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
