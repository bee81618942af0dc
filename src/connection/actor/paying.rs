//! Units and octets: what sessions ask for, what has come, and what of it is to be stored.

use super::ConnectionState;
use crate::connection::message::{ConnectionMsg, payee};
use crate::provider::Purse;
use crate::reply::ReplyTo;
use postrider_core::mail::id::SessionId;
use ractor::ActorRef;
use std::collections::BTreeSet;
use std::time::Duration;

impl ConnectionState {
    /// What a session pays with: memory, and units where something is limited.
    pub(super) fn purse(
        &self,
        account: &str,
        id: SessionId,
        me: &ActorRef<ConnectionMsg>,
    ) -> Purse {
        let is_limited = self.payments.is_limited(account);
        let payee = is_limited.then(|| payee(id, account.into(), me));
        Purse::of(payee, self.args.pressure.clone())
    }

    /// Grants units, and looks again when there may be more.
    pub(super) fn turn(&mut self, me: &ActorRef<ConnectionMsg>) {
        let Some(wait) = self.payments.turns() else { return };
        let at = self.args.clock.now().mono.saturating_add(wait);
        if self.timers.turning.is_none_or(|before| at < before) {
            self.timers.turning = Some(at);
            me.send_after(wait, move || ConnectionMsg::Turn(at));
        }
    }

    pub(super) fn pay_octets(&mut self, id: SessionId) {
        if let Some(child) = self.children.get_mut(&id) {
            let fresh = child.unpaid();
            if fresh > 0 {
                self.payments.came(&child.account, fresh);
            }
        }
    }

    /// Octets are paid as they come.
    pub(super) fn collect(
        &mut self,
        looked: &BTreeSet<SessionId>,
        me: &ActorRef<ConnectionMsg>,
        mono: Duration,
    ) {
        for id in looked {
            self.pay_octets(*id);
        }
        self.payments.look();
        if self.payments.is_due(mono) {
            self.save(me, mono, None);
        }
    }

    pub(super) fn save(
        &mut self,
        me: &ActorRef<ConnectionMsg>,
        mono: Duration,
        done: Option<ReplyTo<()>>,
    ) {
        let me = me.clone();
        // A pool that is gone reads what is stored when it begins again.
        let lost = move |rows| drop(me.cast(ConnectionMsg::Unkept(rows)));
        self.payments.save(mono, lost, done);
    }
}
