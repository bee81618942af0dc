//! `[[schedule]]`: a job at fixed times.

use crate::config::mailbox::Account;
use crate::config::naming::{Nameable, id};
use crate::config::raw::{Origin, RawValue};
use crate::config::taker::Taker;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use postrider_core::job::slots::Level;
use postrider_core::job::words::{JobKind, JobTask, fits};
use postrider_core::time::Micros;

/// Its keys.
const KEYS: [&str; 10] =
    ["id", "cron", "zone", "job", "task", "accounts", "owner", "all", "priority", "catch_up"];

/// A job at fixed times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub id: String,
    /// What the job is.
    pub kind: JobKind,
    /// Which maintenance.
    pub task: Option<JobTask>,
    /// The accounts that it is for, and whose they are; none where it is of the whole process.
    pub accounts: Option<Vec<(String, Option<String>)>>,
    /// How soon it is to begin.
    pub priority: Level,
    /// A time that has passed while no server ran is made up for.
    pub catch_up: bool,
    cron: Cron,
    zone: Tz,
}

impl Schedule {
    /// The first of its times behind this one; none where there is none.
    #[must_use]
    pub fn next(&self, after: Micros) -> Option<Micros> {
        let after = DateTime::<Utc>::from_timestamp_micros(after.0)?.with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        Some(Micros(next.timestamp_micros()))
    }

    /// The last of its times up to this one.
    #[must_use]
    pub fn last(&self, until: Micros) -> Option<Micros> {
        let until = DateTime::<Utc>::from_timestamp_micros(until.0)?.with_timezone(&self.zone);
        let last = self.cron.find_previous_occurrence(&until, true).ok()?;
        Some(Micros(last.timestamp_micros()))
    }
}

fn word<T: Copy>(
    t: &mut Taker<'_>,
    key: &str,
    all: &'static [T],
    as_str: fn(T) -> &'static str,
) -> Option<T> {
    let words: Vec<String> = all.iter().map(|one| format!("\"{}\"", as_str(*one))).collect();
    t.take(key, None, &words.join(" or "), |value| match value {
        RawValue::Text(text) => all.iter().find(|one| as_str(**one) == text).map(|one| Some(*one)),
        _ => None,
    })
}

/// One of them, of these accounts: what is wrong with it is gathered.
pub(super) fn schedule(t: &mut Taker<'_>, place: &Origin, all: Nameable<'_>) -> Option<Schedule> {
    let before = t.problems.len();
    t.unknown(&KEYS);
    let needed = |t: &mut Taker<'_>, key: &str, text: &str| {
        if t.item(key).is_none() {
            t.wrong(place.clone(), key, text);
        }
    };
    needed(t, "cron", "it is needed: minute, hour, day, month, weekday, as cron = \"30 3 * * *\"");
    needed(t, "job", "it is needed, as job = \"full\"");
    let id = id(t, place, "schedule", "nightly");
    let cron = cron(t);
    let want = "a zone of the tz database, like \"Europe/Berlin\" or \"UTC\"";
    let zone = t.take("zone", Tz::UTC, want, |value| match value {
        RawValue::Text(text) => text.parse().ok(),
        _ => None,
    });
    let kind = word(t, "job", JobKind::ALL, JobKind::as_str);
    let task = word(t, "task", JobTask::ALL, JobTask::as_str);
    let accounts = accounts(t, all);
    let priority = t.number("priority", Level::Schedule.number().into(), 0, 3);
    let priority = Level::ALL.into_iter().find(|level| u64::from(level.number()) == priority);
    let catch_up = t.flag("catch_up");
    if t.problems.len() == before
        && let Some(kind) = kind
        && let Err((key, why)) = fits_the_clock(kind, task, accounts.is_some())
    {
        let at = t.item(key).map_or_else(|| place.clone(), |item| item.place);
        t.wrong(at, key, why);
    }
    if t.problems.len() > before {
        return None;
    }
    let (kind, priority, cron) = (kind?, priority?, cron?);
    Some(Schedule { id, kind, task, accounts, priority, catch_up, cron, zone })
}

/// Whether there is such a job at fixed times.
fn fits_the_clock(
    kind: JobKind,
    task: Option<JobTask>,
    named: bool,
) -> Result<(), (&'static str, &'static str)> {
    if kind == JobKind::Selective {
        let why = "selective is asked for by hand: `postrider jobs add selective`";
        return Err(("job", why));
    }
    fits(kind, task, None, named)
}

/// Its times: five fields. What never comes is no time.
fn cron(t: &mut Taker<'_>) -> Option<Cron> {
    let item = t.item("cron")?;
    let text = t.text("cron")?;
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = match parser.parse(&text) {
        Ok(cron) => cron,
        Err(why) => {
            let write = "write minute, hour, day, month and weekday, as \"30 3 * * *\"";
            t.wrong(item.place, "cron", format!("\"{text}\" will not do: {why}; {write}"));
            return None;
        }
    };
    if cron.find_next_occurrence(&DateTime::<Utc>::UNIX_EPOCH, false).is_err() {
        t.wrong(item.place, "cron", format!("\"{text}\" never comes; write times that do"));
        return None;
    }
    Some(cron)
}

/// Those that it is for, by one of three keys.
fn accounts(t: &mut Taker<'_>, all: Nameable<'_>) -> Option<Vec<(String, Option<String>)>> {
    let named = all.named(t, false).unwrap_or_default();
    let (owner, everybody) = (all.owner(t), t.flag("all"));
    let said = [t.item("accounts").is_some(), owner.is_some(), everybody];
    if said.into_iter().filter(|said| *said).count() > 1 {
        let key = if t.item("owner").is_some() { "owner" } else { "all" };
        if let Some(item) = t.item(key) {
            t.wrong(item.place, key, "write one of accounts, owner and all");
        }
    }
    let is_meant = |account: &&Account| match &owner {
        _ if everybody => true,
        Some(owner) => account.owner.as_ref() == Some(owner),
        None => named.contains(&account.id),
    };
    let meant = || all.accounts.iter().filter(is_meant);
    let meant = || meant().map(|account| (account.id.clone(), account.owner.clone())).collect();
    said.contains(&true).then(meant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::{instant, instant_of};

    fn daily(cron: &str, zone: Tz) -> Schedule {
        let cron = CronParser::builder().build().parse(cron).unwrap();
        let (id, accounts) = ("x".to_owned(), None);
        let (kind, priority) = (JobKind::Full, Level::Schedule);
        Schedule { id, kind, task: None, accounts, priority, catch_up: false, cron, zone }
    }

    /// Over the ends of summer time: once a day, whatever the clocks on the wall do.
    #[test]
    fn times_are_those_of_the_zone() {
        let berlin = daily("30 2 * * *", Tz::Europe__Berlin);
        let next = |after: &str| instant(berlin.next(instant_of(after).unwrap()).unwrap());
        assert_eq!(next("2026-01-10T12:00:00Z"), "2026-01-11T01:30:00Z");
        assert_eq!(next("2026-07-10T12:00:00Z"), "2026-07-11T00:30:00Z");
        // There is no half past two on this day: what comes behind the gap.
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-29T01:00:00Z");
        assert_eq!(next("2026-03-29T01:00:00Z"), "2026-03-30T00:30:00Z");
        // And twice on this one: the first.
        assert_eq!(next("2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(next("2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
        let last = berlin.last(instant_of("2026-01-10T12:00:00Z").unwrap()).unwrap();
        assert_eq!(instant(last), "2026-01-10T01:30:00Z");
    }
}
