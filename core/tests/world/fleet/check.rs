//! What must be true of a fleet, each minute and at its end.

use super::member::Member;
use super::{Fleet, interval};
use crate::server::EVER;
use postrider_core::account::follow::Follower;
use postrider_core::job::slots::Level;
use postrider_core::standing::Standing;

/// Who waits so long for a slot has waited for nobody's history.
const LONG: i64 = 20 * 60;
/// What a server in trouble leaves behind: the longest wait of a schedule that has stretched.
const AFTER: i64 = 4 * 3_600 + 1_800;
/// An actor that has died is there again after the longest of its waits.
const DEAD: i64 = 2 * 3_600;
/// Mail that has just come waits no longer for units.
const LIVE: u64 = 60;

impl Member {
    /// A part of the slots is not for it.
    pub(super) fn is_bulk(&self) -> bool {
        self.follower().is_some_and(|follower| {
            let level = follower.slot().level();
            level == Some(Level::History) || (follower.is_first() && level != Some(Level::Operator))
        })
    }

    pub(super) fn is_paused(&self) -> bool {
        match self.follower() {
            Some(follower) => follower.status().standing == Standing::Paused,
            None => self.world.stands() == Standing::Paused,
        }
    }

    pub(super) fn is_parked(&self) -> bool {
        self.follower().is_some_and(|follower| follower.status().standing.is_stuck())
    }

    /// Who is paused or waits for a human asks no server.
    pub(super) fn may_log_in(&self, n: usize) -> Result<(), String> {
        match self.is_paused() || self.is_parked() {
            true => Err(format!(
                "account {n} logs in, and is {:?}",
                self.follower().map(Follower::status)
            )),
            false => Ok(()),
        }
    }

    /// What is not as it should be in the end.
    pub(super) fn open(&self) -> Option<String> {
        match self.world.difference() {
            None if self.world.is_quiet() => None,
            None => Some(format!("it is not quiet: {:?}", self.follower().map(Follower::status))),
            Some(text) => Some(format!("{text}: {:?}", self.follower().map(Follower::status))),
        }
    }

    /// Sessions end at something of it for ever, or a folder does not open.
    fn is_poisoned(&self) -> bool {
        let folders = || self.world.server.folders.values();
        !self.world.odd.is_empty()
            || folders().any(|f| f.cut == EVER || f.mail.values().any(|mail| mail.cut))
    }

    /// INBOX opens.
    fn is_open(&self) -> bool {
        let world = &self.world;
        let inbox = world.server.folders.get("INBOX");
        inbox
            .is_some_and(|inbox| !world.odd.contains(&inbox.id) && !inbox.bare && !inbox.unreadable)
            && world.server.refuses <= world.now
    }
}

impl Fleet {
    pub(super) fn check_minute(&mut self) -> Result<(), String> {
        let now = self.now;
        let working = self.members.iter().filter(|member| member.is_working()).count();
        if working > self.runs {
            return Err(format!("{working} runs work, {} may", self.runs));
        }
        let waiting = self.members.iter().enumerate().filter_map(|(n, member)| {
            let since = member.ticket?.since?;
            (now - since >= LONG && !member.is_bulk()).then_some((n, now - since))
        });
        let past = || {
            self.members.iter().position(|member| {
                member.is_working() && member.follower().is_some_and(Follower::reads_past)
            })
        };
        for (n, waited) in waiting {
            if let Some(other) = past() {
                return Err(format!(
                    "account {n} has waited {waited} s for a slot while {other} reads history"
                ));
            }
        }
        for host in &self.hosts {
            let mut till = host.till.borrow_mut();
            if let Some(text) = host.broken.clone().or_else(|| till.broken.take()) {
                return Err(text);
            }
            if till.longest.as_secs() > LIVE {
                return Err(format!("new mail has waited {:?} for units", till.longest));
            }
        }
        Ok(())
    }

    /// Every account is current, or has a reason.
    pub(super) fn check_standing(&mut self) -> Result<(), String> {
        for n in 0..self.members.len() {
            self.check_one(n).map_err(|text| format!("account {n}: {text}"))?;
        }
        Ok(())
    }

    fn check_one(&mut self, n: usize) -> Result<(), String> {
        let now = self.now;
        let member = &self.members[n];
        let Some(follower) = member.follower() else {
            let dead = now - member.died;
            return match dead > DEAD {
                true => Err(format!("its actor is gone for {dead} s")),
                false => Ok(()),
            };
        };
        let status = follower.status();
        let ill = self.hosts[member.host].trouble(now);
        let own = member.trouble.max(member.born).max(member.world.server.refuses);
        let since = ill.unwrap_or(0).max(own).max(self.store_back.min(now));
        let is_wronged = member.world.faults
            || member.wrong
            || member.is_poisoned()
            || self.hosts[member.host].illness(now).is_some();
        let is_clear = !is_wronged && now - since > AFTER;
        match status.standing {
            Standing::Paused => Ok(()),
            // A human is on the way.
            Standing::NeedsReauth | Standing::Failed => {
                self.figures.parked += 1;
                if is_clear {
                    Err(format!("it waits for a human, and nothing is wrong: {status:?}"))
                } else {
                    Ok(())
                }
            }
            Standing::Waiting | Standing::Throttled if status.reason.is_empty() => {
                Err(format!("it waits, and says not for what: {status:?}"))
            }
            Standing::Waiting if is_clear => {
                Err(format!("it waits, and nothing is wrong: {status:?}"))
            }
            Standing::Throttled if is_clear && !status.follows => {
                Err(format!("it is throttled, and nothing is wrong: {status:?}"))
            }
            Standing::Waiting => Ok(()),
            _ => {
                let old = now - member.proved.max(since);
                let is_first = follower.is_first();
                // A turn of waiting for a slot, a run that reads much, a session that is lost.
                let most = interval(member) + 30 * 60;
                if is_wronged
                    || is_first
                    || !member.is_open()
                    || ill.is_some_and(|at| now - at < AFTER)
                {
                    return Ok(());
                }
                self.figures.oldest = self.figures.oldest.max(old - interval(&self.members[n]));
                match old > most {
                    true => Err(format!(
                        "at {now} it was proved {old} s ago, and says {status:?}, {:?}",
                        follower.slot()
                    )),
                    false => Ok(()),
                }
            }
        }
    }

    pub(super) fn check_end(&mut self) -> Result<(), String> {
        for (n, member) in self.members.iter().enumerate() {
            member.world.check_end().map_err(|text| format!("account {n}: {text}"))?;
        }
        for host in &self.hosts {
            self.figures.logins += host.logins;
            self.figures.probes += host.probes;
            self.figures.most_in_a_minute = self.figures.most_in_a_minute.max(host.most);
            self.figures.deferred += host.till.borrow().deferred;
        }
        Ok(())
    }
}
