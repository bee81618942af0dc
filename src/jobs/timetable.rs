//! The schedules of the config: when each comes next. The last time of each that is done with is a row, so that a
//! restart neither forgets one nor has it twice.

use crate::config::Schedule;
use postrider_core::job::queue::{JobPlace, JobWish};
use postrider_core::time::{AHEAD, Micros};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// A time is kept that nobody saw for so long; what is older has been missed.
const LATE: Duration = Duration::from_secs(300);

/// The schedules.
pub(super) struct Timetable {
    schedules: watch::Receiver<Arc<[Schedule]>>,
    planned: Option<Vec<Planned>>,
}

/// One of them.
#[derive(Debug)]
struct Planned {
    schedule: Schedule,
    next: Option<Micros>,
}

/// A time of a schedule has come.
#[derive(Debug)]
pub(super) struct DueTime {
    pub(super) schedule: Schedule,
    pub(super) at: Micros,
    /// It was missed, and is not made up for.
    pub(super) is_let_go: bool,
}

impl Timetable {
    pub(super) fn new(schedules: watch::Receiver<Arc<[Schedule]>>) -> Self {
        Self { schedules, planned: None }
    }

    /// Whether it is to be planned (anew): it needs what is stored then.
    pub(super) fn is_stale(&mut self) -> bool {
        // A config that is gone changes nothing any more.
        self.planned.is_none() || self.schedules.has_changed().unwrap_or(false)
    }

    /// Plans all. Returns those that are seen for the first time: their times begin now.
    pub(super) fn plan(&mut self, done: &BTreeMap<String, Micros>, now: Micros) -> Vec<String> {
        let all = Arc::clone(&self.schedules.borrow_and_update());
        let mut fresh = Vec::new();
        let plan = |schedule: &Schedule| {
            // What lies ahead is of a clock that was.
            let known = done.get(&schedule.id).filter(|at| **at <= now.plus(AHEAD));
            if known.is_none() {
                fresh.push(schedule.id.clone());
            }
            let next = schedule.next(known.copied().unwrap_or(now));
            Planned { schedule: schedule.clone(), next }
        };
        self.planned = Some(all.iter().map(plan).collect());
        fresh
    }

    /// What is stored is to be read again.
    pub(super) fn forget(&mut self) {
        self.planned = None;
    }

    /// The first schedule whose time has come: the last of its times that have.
    pub(super) fn due(&self, now: Micros) -> Option<DueTime> {
        let planned = self.planned.iter().flatten();
        let due = planned.filter_map(|one| Some((one, one.next.filter(|next| *next <= now)?)));
        let (one, first) = due.min_by_key(|(_, next)| *next)?;
        let at = one.schedule.last(now).filter(|last| *last >= first).unwrap_or(first);
        let is_let_go = now.since(at) > LATE && !one.schedule.catch_up;
        Some(DueTime { schedule: one.schedule.clone(), at, is_let_go })
    }

    /// That time is done with.
    pub(super) fn is_done(&mut self, id: &str, at: Micros) {
        let mut planned = self.planned.iter_mut().flatten();
        if let Some(one) = planned.find(|one| one.schedule.id == id) {
            one.next = one.schedule.next(at);
        }
    }

    /// When the next one comes.
    pub(super) fn next(&self) -> Option<Micros> {
        self.planned.iter().flatten().filter_map(|one| one.next).min()
    }
}

impl DueTime {
    /// What it asks for; nothing where it is let go.
    pub(super) fn wishes(&self, now: Micros) -> Vec<JobWish> {
        let Self { schedule, is_let_go, .. } = self;
        if *is_let_go {
            tracing::warn!(
                "schedule {}: a time was missed, and is not made up for (catch_up)",
                schedule.id
            );
            return Vec::new();
        }
        let (kind, task) = (schedule.kind, schedule.task);
        let wish = |account: Option<String>, owner: Option<String>| JobWish {
            uuid: Uuid::new_v4().to_string(),
            owner,
            what: JobPlace { kind, task, account, first: None, at: None },
            priority: schedule.priority,
            not_before: now,
            by: format!("schedule {}", schedule.id),
        };
        match &schedule.accounts {
            None => vec![wish(None, None)],
            Some(all) => {
                all.iter().map(|(id, owner)| wish(Some(id.clone()), owner.clone())).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::instant_of;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(text: &str) -> Micros {
        instant_of(text).unwrap()
    }

    fn hourly(catch_up: bool) -> (watch::Sender<Arc<[Schedule]>>, Timetable) {
        let text = format!(
            "data_dir = \"d\"\n[[account]]\nid = \"a\"\nhost = \"h\"\nusername = \"u\"\npassword_env = \"P\"\n\
             [[schedule]]\nid = \"x\"\ncron = \"15 * * * *\"\njob = \"full\"\nall = true\ncatch_up = {catch_up}\n"
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("c.toml"), text).unwrap();
        let config = crate::config::load(&dir.path().join("c.toml"), std::iter::empty()).unwrap();
        let (told, schedules) = watch::channel(config.schedules.into());
        (told, Timetable::new(schedules))
    }

    #[test]
    fn a_time_comes_once_and_one_that_is_new_begins_now() {
        let (_told, mut table) = hourly(false);
        let now = at("2026-05-01T10:20:00Z");
        assert!(table.is_stale());
        assert_eq!(table.plan(&BTreeMap::new(), now), ["x"]);
        assert!(!table.is_stale());
        assert_eq!(table.next(), Some(at("2026-05-01T11:15:00Z")));
        assert!(table.due(at("2026-05-01T11:14:59Z")).is_none());
        let due = table.due(at("2026-05-01T11:15:01Z")).unwrap();
        assert_eq!((due.at, due.is_let_go), (at("2026-05-01T11:15:00Z"), false));
        table.is_done("x", due.at);
        assert!(table.due(at("2026-05-01T11:15:02Z")).is_none());
        assert_eq!(table.next(), Some(at("2026-05-01T12:15:00Z")));
    }

    /// No server ran, or the database was away: one job for all that was missed, or none.
    #[test]
    fn what_was_missed_is_made_up_for_once_or_let_go() {
        for catch_up in [true, false] {
            let (_told, mut table) = hourly(catch_up);
            let done = BTreeMap::from([("x".to_owned(), at("2026-05-01T08:15:00Z"))]);
            let now = at("2026-05-01T12:40:00Z");
            assert_eq!(table.plan(&done, now), Vec::<String>::new());
            let due = table.due(now).unwrap();
            assert_eq!((due.at, due.is_let_go), (at("2026-05-01T12:15:00Z"), !catch_up));
            table.is_done("x", due.at);
            assert!(table.due(now).is_none());
            // A moment late is not missed.
            let (_told, mut table) = hourly(catch_up);
            table.plan(&done, at("2026-05-01T09:00:00Z"));
            let due = table.due(at("2026-05-01T09:19:00Z")).unwrap();
            assert_eq!((due.at, due.is_let_go), (at("2026-05-01T09:15:00Z"), false));
        }
    }

    /// A clock that was ahead does not keep a schedule from coming.
    #[test]
    fn a_time_that_lies_ahead_is_not_believed() {
        let (_told, mut table) = hourly(false);
        let now = at("2026-05-01T10:20:00Z");
        let done = BTreeMap::from([("x".to_owned(), now.plus(HOUR * 24))]);
        assert_eq!(table.plan(&done, now), ["x"]);
        assert_eq!(table.next(), Some(at("2026-05-01T11:15:00Z")));
    }
}
