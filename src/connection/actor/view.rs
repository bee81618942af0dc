//! What a pool shows of itself.

use crate::connection::actor::ConnectionState;
use crate::connection::message::LimitsView;
use postrider_core::standing::Activity;
use postrider_core::time::Micros;
use std::collections::BTreeMap;
use std::time::Duration;

impl ConnectionState {
    fn wall(&self, mono: Duration) -> Micros {
        let now = self.args.clock.now();
        now.wall.plus(mono.saturating_sub(now.mono))
    }

    /// In the tree of actors.
    pub(super) fn show(&self) {
        let (live, waiting) = self.pool.counts();
        let registry = &self.args.registry;
        match self.health.down() {
            Some((failure, next)) => {
                registry.failed(&self.args.path, failure);
                registry.does(
                    &self.args.path,
                    Activity::Down.as_str(),
                    "probe",
                    Some(self.wall(next)),
                );
            }
            None if waiting > 0 => {
                registry.does(&self.args.path, Activity::Running.as_str(), "pace logins", None)
            }
            None => registry.does(&self.args.path, Activity::Running.as_str(), "", None),
        }
        registry.in_flight(&self.args.path, live);
    }

    /// What is limited, and how much of it is in use.
    pub(super) fn limits(&mut self, mono: Duration) -> LimitsView {
        let (limits, (live, queued)) = (self.args.limits, self.pool.counts());
        let mut sessions_of = BTreeMap::new();
        for child in self.children.values() {
            let may = self.pool.sessions_of(&child.account, mono);
            let of = sessions_of.entry(child.account.clone());
            of.or_insert((0, may, limits.per_account)).0 += 1;
        }
        LimitsView {
            path: self.args.path.clone(),
            till: self.payments.view(),
            sessions: (live, self.pool.sessions(mono), limits.per_endpoint),
            sessions_of,
            queued,
            logins_per_second: limits.logins_per_second,
        }
    }
}
