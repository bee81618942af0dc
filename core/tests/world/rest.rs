//! A life at rest: what it waits for, what it watches, and that a pause is one.

use crate::server::EVER;
use crate::world::{Session, World};
use postrider_core::account::follow::{Command, Follower};
use postrider_core::standing::{Push, Standing};

impl World {
    /// Nothing is on its way any more.
    pub(crate) fn is_drained(&self) -> bool {
        let life = self.life.as_ref().unwrap();
        let idle = |session: &Option<Session>| {
            session
                .as_ref()
                .is_none_or(|s| s.work.is_empty() && s.read.is_empty() && self.news(s).is_none())
        };
        self.queue.is_empty()
            && self.answers.is_empty()
            && self.is_answered()
            && life.inputs.is_empty()
            && life.slot.is_none()
            && life.said.is_empty()
            && !life.wishing
            && life.follower.is_some()
            && life.tick_at.is_none_or(|at| at > self.now)
            && idle(&self.session)
            && idle(&life.beside)
    }

    /// Takes everything on its way to its end, without faults and without changes.
    pub(crate) fn drain(&mut self) -> Result<(), String> {
        for _ in 0..20_000 {
            if self.is_drained() {
                return self.check_rest();
            }
            self.now += 1;
            self.dice.turn();
            match self.dice.roll(5) {
                0 => self.session_step(),
                1 => self.store_step()?,
                2 => self.answer_step(),
                3 => self.life_step(),
                _ => self.other_step(),
            }
            self.check_step()?;
        }
        let status = self.life().follower.as_ref().map(Follower::status);
        Err(format!("INV-9: it does not come to rest: {status:?}"))
    }

    /// At rest it waits for something: a time, or a human.
    pub(crate) fn check_rest(&mut self) -> Result<(), String> {
        let (session, stored) = (self.session.is_some(), self.stands());
        let life = self.life();
        let Some(follower) = &life.follower else { return Ok(()) };
        let status = follower.status();
        let held = session || life.beside.is_some();
        match status.standing {
            Standing::Paused if held => Err("INV-9: it is paused, and holds a session".to_owned()),
            Standing::Paused if stored != Standing::Paused && !life.unstored => {
                Err(format!("INV-9: it is paused, and stored as {stored}"))
            }
            Standing::Paused => Ok(()),
            _ if life.paused => Err(format!("INV-9: it was paused, and is {status:?}")),
            Standing::NeedsReauth | Standing::Failed if status.next.is_none() => Ok(()),
            _ if status.next.is_none() || life.tick_at.is_none() => {
                Err(format!("INV-9: it waits for nothing: {status:?}, tick {:?}", life.tick_at))
            }
            _ if session && follower.push() == Push::Poll => {
                Err("INV-9: it holds a session that does not watch".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_idle_life(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            self.life_round(2)?;
        }
        let before = (self.store.events.len(), self.fetched);
        self.life_round(2)?;
        let after = (self.store.events.len(), self.fetched);
        if before == after {
            Ok(())
        } else {
            Err(format!("INV-8: not idle: {before:?} -> {after:?}"))
        }
    }

    /// Where INBOX can be watched it is, and what comes there is seen without the schedule.
    pub(crate) fn check_watch(&mut self) -> Result<(), String> {
        let Some(follower) = &self.life().follower else { return Ok(()) };
        let push = follower.push();
        let opens = self
            .server
            .folders
            .get("INBOX")
            .is_some_and(|f| f.shut != EVER && f.cut != EVER && !f.unreadable && !f.bare);
        let calm = !self.cfg.cut_mail && !self.cfg.cut_folder && opens;
        if !(self.push && calm) {
            return if self.push || push == Push::Poll {
                Ok(())
            } else {
                Err("INV-9: it watches without IDLE".into())
            };
        }
        if push == Push::Poll {
            return Err("INV-9: INBOX opens, and is not watched".into());
        }
        self.server.next_cid += 1;
        self.mail("INBOX", self.server.next_cid);
        self.drain()?;
        // Runs for nothing have made it slow.
        self.now += 35;
        self.drain()?;
        self.difference()
            .map_or(Ok(()), |difference| Err(format!("INV-9: a hint led to nothing: {difference}")))
    }

    /// Who is paused does nothing, whatever time passes, through a restart too.
    pub(crate) fn check_pause(&mut self) -> Result<(), String> {
        self.order(Command::Pause);
        self.drain()?;
        let before = (self.sessions, self.store.commits);
        self.now += 90_000;
        self.drain()?;
        self.process_starts();
        self.drain()?;
        let after = (self.sessions, self.store.commits);
        if before != after {
            return Err(format!("INV-9: paused, it worked: {before:?} -> {after:?}"));
        }
        self.order(Command::Resume);
        self.drain()
    }
}
