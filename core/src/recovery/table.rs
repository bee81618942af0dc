//! What each kind of failure leads to, as data: [`decide`](super::decide::decide) goes by it, and the operators' table in
//! `docs/operations.md` is made of it.

use crate::failure::{Class, Reach};
use crate::recovery::backoff::LONGEST_WAIT;
use std::time::Duration;

/// What failures of a class lead to.
#[derive(Debug)]
pub struct Row {
    /// Their class.
    pub class: Class,
    /// How far they reach: those alone, or, where none is named, as far as no row before this one says.
    pub reaches: &'static [Reach],
    /// What follows.
    pub leads: Leads,
    /// What they are like, for people.
    pub like: &'static str,
    /// What happens, for people.
    pub happens: &'static str,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    /// What it reaches is left out: a message becomes a row of the ledger, a folder stands still.
    LeaveOut,
    /// A human is asked, when it is believed. What nobody has told us is waited for like anything else.
    AskHuman,
    /// It is begun again from the durable cursor; a human is asked when that has ended at one place too often.
    BeginAgain,
    /// It is waited for.
    Wait(Waits),
}

/// How long is waited where nobody names a time: the doubling wait, within these bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// So many first waits at least, where a server stays.
    pub least: u32,
    /// The same of a run that has nobody to hand over to.
    pub least_once: u32,
    /// No longer.
    pub most: Duration,
    /// A server that stays never hands it over to the schedule.
    pub is_endless: bool,
}

/// As long as the doubling wait is.
pub(super) const DOUBLING: Waits =
    Waits { least: 0, least_once: 0, most: Duration::MAX, is_endless: false };

const fn row(
    class: Class,
    reaches: &'static [Reach],
    leads: Leads,
    [like, happens]: [&'static str; 2],
) -> Row {
    Row { class, reaches, leads, like, happens }
}

/// The table: the first row of a class that names a reach, or none, counts.
pub const ROWS: &[Row] = &[
    row(
        Class::Network,
        &[],
        Leads::Wait(DOUBLING),
        [
            "a connection reset, DNS, a cut in TLS, a `BYE` without a telling text",
            "the session is dropped and it is tried again after 5, 10, 20, 40, 80 s, each a fifth more or less; then the run ends and \
             the schedule takes over. Who cannot connect waits with all others of that server for one that tries it every 5 s (after \
             10 min every minute)",
        ],
    ),
    row(
        Class::Timeout,
        &[],
        Leads::Wait(DOUBLING),
        [
            "nothing came for as long as `[timeouts]` allows",
            "the session is closed and not used again; else as `network`",
        ],
    ),
    row(
        Class::Auth,
        &[],
        Leads::AskHuman,
        [
            "a wrong password, a revoked token, an account that may not read mail",
            "a refusal is believed when it has lasted: a minute and two refusals of an account that never logged in, 15 min and three of \
             one that did: then `needs_reauth`, one event, and no login before the secret or the config changes or a human asks. Where a third of \
             a server's accounts are refused, it is the server's fault, and one of them tries for all",
        ],
    ),
    row(
        Class::RateLimit,
        &[],
        Leads::Wait(DOUBLING),
        [
            "429, `[LIMIT]`, `[THROTTLED]`, too many connections, a budget of our own that is spent",
            "it waits for as long as the server names, up to an hour, else as `network`; the budget is halved and comes back slowly; \
             nothing of it counts against a message",
        ],
    ),
    row(
        Class::Quota,
        &[],
        Leads::Wait(Waits {
            least: u32::MAX,
            least_once: u32::MAX,
            most: LONGEST_WAIT,
            ..DOUBLING
        }),
        [
            "a day's download is spent, `[OVERQUOTA]`",
            "it waits until the time that the server names, up to a day, else an hour; new mail may come in meanwhile",
        ],
    ),
    row(
        Class::Provider,
        &[Reach::Folder],
        Leads::LeaveOut,
        [
            "`[INUSE]`, `[NOPERM]`, a folder that the server does not open",
            "the folder stands still and is looked at again after minutes, one that is refused again and again after 1 h, then daily; all \
             others go on. Without INBOX the account is \
             `waiting`",
        ],
    ),
    row(
        Class::Provider,
        &[],
        Leads::Wait(Waits { least: 60, least_once: 2, ..DOUBLING }),
        [
            "5xx, `[UNAVAILABLE]`, `[SERVERBUG]`",
            "it is tried again every 5 min, then the schedule takes over; what is said in a greeting is the server's, and one account tries for all",
        ],
    ),
    row(
        Class::InvalidData,
        &[Reach::Message, Reach::Folder],
        Leads::LeaveOut,
        [
            "a mail that cannot be fetched or stored, `[NONEXISTENT]`, `[CORRUPTION]`",
            "the message is a row of the ledger (`postrider failures`), tried again after 1 h, a day, and by another version; all others \
             go on. A folder stands still",
        ],
    ),
    row(
        Class::InvalidData,
        &[],
        Leads::Wait(DOUBLING),
        ["an answer that nobody can read, or is longer than any may be", "as `network`"],
    ),
    row(
        Class::StateLost,
        &[Reach::Folder],
        Leads::LeaveOut,
        [
            "another UIDVALIDITY, a history that is over",
            "the folder is listed anew and its mail recognised; nothing ends before that is done",
        ],
    ),
    row(
        Class::StateLost,
        &[],
        Leads::Wait(DOUBLING),
        ["a whole mailbox's", "as `network`; the next run lists it anew"],
    ),
    row(
        Class::Storage,
        &[],
        Leads::Wait(Waits { most: Duration::from_secs(10), is_endless: true, ..DOUBLING }),
        [
            "a full disk, free space below `min_free`, a database that is away",
            "no page is taken, cursors stay, `/readyz` says why; it goes on by itself at most 10 s after it can",
        ],
    ),
    row(
        Class::Config,
        &[],
        Leads::AskHuman,
        [
            "a host that does not exist, a certificate that is not believed, the wrong `tls`, `[PRIVACYREQUIRED]`, `[REFERRAL]`",
            "`failed` at once, in words that say what to do, and looked at hourly; of an account that worked before what is wrong with \
             its server is waited for as if that could not be reached, and a refusal is believed at the second",
        ],
    ),
    row(
        Class::Bug,
        &[Reach::Message],
        Leads::LeaveOut,
        [
            "a mail at which our own code panics, or at which the process has ended again and again",
            "the message is a row of the ledger, tried again alone after 1 h, a day, and by another version (Gmail: in a month); all others \
             go on",
        ],
    ),
    row(
        Class::Bug,
        &[],
        Leads::BeginAgain,
        [
            "a mistake of ours; a run in which for 15 min nothing came, was stored or waited",
            "the account begins again from its cursor, after growing waits; at one place three times it is `failed`, until the next start \
             or `postrider reset-errors`",
        ],
    ),
    row(
        Class::Unknown,
        &[Reach::Folder],
        Leads::LeaveOut,
        [
            "words about a folder that nobody here knows",
            "the folder stands still, and the log has the words",
        ],
    ),
    row(
        Class::Unknown,
        &[],
        Leads::Wait(DOUBLING),
        ["any other words that nobody here knows", "as `network`; the log has the words"],
    ),
];

impl Row {
    /// Its class, and the reaches that it is about where those are some.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}{}", self.class, self.about(" of "))
    }

    fn about(&self, of: &str) -> String {
        let reaches: Vec<&str> = self.reaches.iter().map(|reach| reach.as_str()).collect();
        if reaches.is_empty() { String::new() } else { format!("{of}{}", reaches.join(" or ")) }
    }
}

/// The row of a class and a reach.
#[must_use]
pub fn row_of(class: Class, reach: Reach) -> &'static Row {
    let is_its =
        |row: &&Row| row.class == class && (row.reaches.is_empty() || row.reaches.contains(&reach));
    const LAST: &Row = &row(Class::Unknown, &[], Leads::Wait(DOUBLING), ["", ""]);
    ROWS.iter().find(is_its).unwrap_or(LAST)
}

/// The table as operators read it (Markdown).
#[must_use]
pub fn described() -> String {
    let rows = ROWS.iter().map(|row| {
        let Row { class, like, happens, .. } = row;
        format!("| `{class}`{} | {like} | {happens} |\n", row.about(" of a "))
    });
    let head = "| class | for example | what happens |\n|---|---|---|\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_reach_has_one_row() {
        for class in Class::ALL {
            let rows: Vec<&Row> = ROWS.iter().filter(|row| row.class == *class).collect();
            let (last, before) = rows.split_last().unwrap();
            assert!(last.reaches.is_empty(), "{class} has a row for any other reach");
            assert!(before.iter().all(|row| !row.reaches.is_empty()), "{class}: no row is hidden");
            for reach in Reach::ALL {
                let named = before.iter().filter(|row| row.reaches.contains(reach)).count();
                assert!(named < 2, "{class} {reach}");
                assert_eq!(row_of(*class, *reach).class, *class);
            }
        }
    }
}
